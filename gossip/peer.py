"""One peer: every event goes in here, every effect comes out. See the package's docstring for how to drive it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ridgeway.gossip.draw import Draw
from ridgeway.gossip.effects import Effects
from ridgeway.gossip.events import Event
from ridgeway.gossip.judging import Judge
from ridgeway.gossip.parameters import LAN, Parameters
from ridgeway.gossip.record import Entry
from ridgeway.proto.messages import PeerState


@dataclass(frozen=True, slots=True)
class Restored:
    """What the store gives back at a start.

    Attributes:
        held: every entry that was persisted last under its key, its payload durable and whole.
        pending: entries of `Expect` that were neither completed nor abandoned, and those of `Withheld`.
        chunks: by payload digest, the places of whole chunks on disk, for pending entries; only those whose digest the
            shell has checked, unless they were synced.
    """

    held: Iterable[Entry] = ()
    pending: Iterable[Entry] = ()
    chunks: Mapping[bytes, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PeerView:
    """One peer as this one sees it, for status and metrics."""

    peer: str
    state: PeerState
    incarnation: int
    linked: bool
    offences: int
    in_step: bool


class Peer:
    """The machine.

    Args:
        name: this peer's owner name.
        judge: of the trust layer.
        draw: randomness; nothing secret is drawn from it.
        restored: what the store gives back.
        parameters: see there.

    Attributes:
        wake_at_s: when to report a `Tick` at the latest, on the caller's clock.
    """

    wake_at_s: float

    def __init__(
        self,
        name: str,
        judge: Judge,
        draw: Draw,
        restored: Restored = Restored(),
        parameters: Parameters = LAN,
    ) -> None:
        raise NotImplementedError

    def handle(self, event: Event, now_s: float) -> Effects:
        """What to do now. Never raises for anything that another peer sent.

        Raises:
            InvalidRecord: one of `Publish`'s records is not valid, or cannot be judged yet; nothing of it was taken.
        """
        raise NotImplementedError

    @property
    def root(self) -> bytes:
        """Digest of the set of records that count here; equal at two peers exactly if their sets are equal."""
        raise NotImplementedError

    def held(self, key: str) -> Entry | None:
        """The record that counts under a key."""
        raise NotImplementedError

    def entries(self) -> tuple[Entry, ...]:
        """All records that count, in the order of their keys."""
        raise NotImplementedError

    def pending(self) -> tuple[Entry, ...]:
        """Records whose payloads are on their way."""
        raise NotImplementedError

    def holders(self, key: str) -> int:
        """How many other peers are known to hold the record that counts here under a key, or a greater one; a lower
        bound, which a leaving owner waits for before it goes."""
        raise NotImplementedError

    def peers(self) -> tuple[PeerView, ...]:
        """All other members as they are seen from here, in the order of their names."""
        raise NotImplementedError
