"""The service manager that started a daemon, systemd or another that speaks sd_notify: told when the daemon serves,
that it lives, and that it stops.

That it lives is more than that its process exists: whatever a daemon cannot do without is asked each time, on the event
loop, and while one of them does not answer nothing is told, until the manager restarts the daemon.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol

from systemd_watchdog.systemd_watchdog import WatchDog

from ridgeway.errors import RidgewayError

_log = logging.getLogger("ridgeway.supervision")

_ADDRESS = "NOTIFY_SOCKET"
# Without a limit of its own the manager still learns now and then that we are there.
_LONGEST_PAUSE_S = 30.0


class Supervised(Protocol):
    """What a daemon tells of itself."""

    def ready(self, status: str) -> None:
        """The daemon serves, or stands by for that."""

    def depends_on(self, answered: Callable[[], Awaitable[object]]) -> None:
        """The daemon cannot do without a part of it; `answered` returns once that has answered."""


class _Unsupervised:
    def ready(self, status: str) -> None:
        """Nothing."""

    def depends_on(self, answered: Callable[[], Awaitable[object]]) -> None:
        """Nothing."""


UNSUPERVISED: Supervised = _Unsupervised()


class Supervisor:
    """What started us; without one every call does nothing."""

    def __init__(self) -> None:
        self._vital: list[Callable[[], Awaitable[object]]] = []
        self._channel = _channel()
        self._manager = _Manager(self._channel) if os.environ.get(_ADDRESS) else None

    def ready(self, status: str) -> None:
        """The daemon serves, or stands by for that."""
        if self._manager is not None:
            self._tell(self._manager.ready)
            self._tell(self._manager.status, status)

    def depends_on(self, answered: Callable[[], Awaitable[object]]) -> None:
        """The daemon cannot do without a part of it; `answered` returns once that has answered."""
        self._vital.append(answered)

    def stopping(self) -> None:
        """The daemon ends; calls that run may take a while."""
        if self._manager is not None:
            self._tell(self._manager.stopping)

    def close(self) -> None:
        """Tell nothing more."""
        self._channel.close()

    async def watch(self) -> None:
        """Tell again and again that the daemon lives, as long as it does."""
        if self._manager is None:
            return
        pause_s = min(self._manager.timeout / 1e6 / 3, _LONGEST_PAUSE_S)
        while True:
            try:
                for answered in tuple(self._vital):
                    await answered()
                self._tell(self._manager.notify)
            except RidgewayError as error:
                _log.warning("a part of this daemon does not answer: %s", error)
            await asyncio.sleep(pause_s)

    def _tell(self, tell: Callable[..., object], *what: str) -> None:
        try:
            tell(*what)
        except OSError as error:
            _log.warning("the service manager cannot be told: %s", error.strerror)


class _Manager(WatchDog):
    """The library's, and the one message that it lacks."""

    def stopping(self) -> None:
        """We end."""
        self._send("STOPPING=1\nSTATUS=shutting down\n")


def _channel() -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    # A manager that reads nothing must not hold the event loop up.
    channel.setblocking(False)
    return channel
