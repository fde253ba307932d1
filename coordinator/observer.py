"""What a coordinator tells whoever watches it; metrics are made of this."""

from typing import Protocol

from ridgeway.runtime.call_interceptor import CallObserver


class Observer(CallObserver, Protocol):
    """Told of what happens, after it happened; it must not fail and is never waited for."""

    def refused(self, reason: str, method: str) -> None:
        """A call was refused by an error of this name."""

    def solved(self, version: int, sum_digest: bytes, published_unix_ms: int, seconds: float) -> None:
        """A router was solved and is out."""

    def committed(self, payload_bytes: int) -> None:
        """A contribution was added to the sum."""

    def round_ended(self, committed: bool, dropouts: int) -> None:
        """A round of secure aggregation ended; so many of those who were asked are not in it, or left early."""


class Unobserved:
    """Nobody watches."""

    def call_began(self, method: str) -> None:
        """Nothing."""

    def call_ended(self, method: str, code: str, seconds: float, *, streamed: bool) -> None:
        """Nothing."""

    def refused(self, reason: str, method: str) -> None:
        """Nothing."""

    def solved(self, version: int, sum_digest: bytes, published_unix_ms: int, seconds: float) -> None:
        """Nothing."""

    def committed(self, payload_bytes: int) -> None:
        """Nothing."""

    def round_ended(self, committed: bool, dropouts: int) -> None:
        """Nothing."""
