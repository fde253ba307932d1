"""What a node tells whoever watches it; metrics are made of this."""

from typing import Protocol

from ridgeway.runtime.call_interceptor import CallObserver


class RoutingObserver(Protocol):
    """Told of decisions: never of prompts."""

    def routed(self, domain: str, confidence: float, *, fallback: bool) -> None:
        """A prompt was routed."""

    def unroutable(self) -> None:
        """A prompt could not be routed."""


class Observer(CallObserver, RoutingObserver, Protocol):
    """Told of what happens, after it happened; it must not fail and is never waited for."""

    def refused(self, reason: str, method: str) -> None:
        """A call was refused by an error of this name."""

    def router_came(self, version: int, sum_digest: bytes, received_unix_ms: int) -> None:
        """A router arrived, or was read from disk."""

    def gossiped(self, sent: int, received: int) -> None:
        """So many bytes of frames were exchanged with peers."""


class Unobserved:
    """Nobody watches."""

    def call_began(self, method: str) -> None:
        """Nothing."""

    def call_ended(self, method: str, code: str, seconds: float, *, streamed: bool) -> None:
        """Nothing."""

    def refused(self, reason: str, method: str) -> None:
        """Nothing."""

    def routed(self, domain: str, confidence: float, *, fallback: bool) -> None:
        """Nothing."""

    def unroutable(self) -> None:
        """Nothing."""

    def router_came(self, version: int, sum_digest: bytes, received_unix_ms: int) -> None:
        """Nothing."""

    def gossiped(self, sent: int, received: int) -> None:
        """Nothing."""
