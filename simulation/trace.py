"""What happened, as a hash: two runs of a seed are the same run if and only if their traces are."""

import hashlib
from collections import Counter
from collections.abc import Callable


class Trace:
    """The events of one run.

    Args:
        tell: given each line, or None. The hash is the same either way.

    Attributes:
        faults: how many of each kind have struck.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self.faults: Counter[str] = Counter()
        self._tell = tell
        self._hash = hashlib.blake2b(digest_size=16)

    def note(self, now_s: float, host: str, event: str, detail: str = "") -> None:
        """Something has happened at a host."""
        line = f"{now_s:.6f} {host} {event} {detail}"
        self._hash.update(line.encode() + b"\n")
        if self._tell is not None:
            self._tell(line)

    def fault(self, now_s: float, host: str, kind: str, detail: str = "") -> None:
        """A fault has struck a host."""
        self.faults[kind] += 1
        self.note(now_s, host, f"FAULT {kind}", detail)

    def digest(self) -> str:
        """The hash of everything noted so far, as hexadecimal digits."""
        return self._hash.hexdigest()
