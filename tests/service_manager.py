"""A service manager that a daemon talks to: the socket of sd_notify, and what came over it."""

import os
import select
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class ServiceManager:
    """Listens on a socket of its own."""

    path: Path
    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))

    def variables(self, watchdog_s: float) -> dict[str, str]:
        """The environment of a daemon that it starts."""
        return os.environ | {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}

    def listen(self, for_s: float) -> list[str]:
        """The messages of the next while."""
        end, heard = time.monotonic() + for_s, list[str]()
        while (left := end - time.monotonic()) > 0 and select.select([self._socket], [], [], left)[0]:
            heard += self._socket.recv(4096).decode().split("\n")
        self.heard += heard
        return heard

    def wait_for(self, message: str, timeout_s: float = 60.0) -> str:
        """The first message that begins so, from now on."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            for heard in self.listen(0.1):
                if heard.startswith(message):
                    return heard
        raise AssertionError(f"no {message} among {self.heard[-10:]}")

    def silence(self, message: str, for_s: float) -> None:
        """It must not come for so long; what is on its way already does not count."""
        self.listen(0.05)
        assert message not in self.listen(for_s)

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
