"""The other members and what this peer knows of each: address, stream, state, and how much of our records it holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ridgeway.gossip.penalties import Penalties
from ridgeway.proto.messages import PeerState


@dataclass(slots=True)
class Member:
    """One other member.

    Attributes:
        name: its owner name.
        address: HOST:PORT; empty if it can only connect by itself.
        linked: a stream with it stands.
        dialling_until_s: until when an attempt to connect is awaited.
        state: what is believed of it.
        incarnation: the number that this belief refers to.
        accuser: the first who suspected it, or who found it dead; empty if alive.
        holds_version: it holds everything that our set of records held at this version.
        in_step: its last digest had our root.
        heard_s: when a frame came from it last.
        served_until_s: until when a chunk that it asked for may fill our stream to it.
    """

    name: str
    address: str
    linked: bool = False
    dialling_until_s: float = -1.0
    state: PeerState = PeerState.ALIVE
    incarnation: int = 0
    accuser: str = ""
    holds_version: int = 0
    in_step: bool = False
    heard_s: float = float("-inf")
    served_until_s: float = float("-inf")


class Roster:
    """All other members by name, those with a stream in the order in which the streams came.

    Args:
        name: our own.
        first: whom all others prefer to speak with; empty: nobody.

    Attributes:
        penalties: who is being ignored.
    """

    def __init__(self, name: str, first: str = "") -> None:
        self.name = name
        self._first = first
        self.penalties = Penalties()
        self._members: dict[str, Member] = {}
        self._linked: dict[str, Member] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def get(self, name: str) -> Member | None:
        """A member; None for ourselves and for strangers."""
        return self._members.get(name)

    def replace(self, addresses: Mapping[str, str]) -> list[Member]:
        """Take over who is a member; those who are none any more."""
        gone = [member for name, member in self._members.items() if name not in addresses]
        for member in gone:
            del self._members[member.name]
            self._linked.pop(member.name, None)
        for name in sorted(addresses):
            if name != self.name:
                member = self._members.setdefault(name, Member(name, addresses[name]))
                member.address = addresses[name]
        self.penalties.keep(set(self._members))
        return gone

    @property
    def first(self) -> Member | None:
        """The member that everybody else prefers to speak with, if there is one and we are not it."""
        return self._members.get(self._first)

    @property
    def we_are_first(self) -> bool:
        """Whether everybody else prefers to speak with us."""
        return self.name == self._first

    def link(self, member: Member) -> None:
        """A stream with it stands."""
        member.linked, member.dialling_until_s = True, -1.0
        self._linked[member.name] = member

    def unlink(self, member: Member) -> None:
        """No stream with it stands."""
        member.linked, member.dialling_until_s = False, -1.0
        self._linked.pop(member.name, None)

    @property
    def linked(self) -> list[Member]:
        """Those with a stream, the oldest stream first."""
        return list(self._linked.values())

    def partners(self) -> list[Member]:
        """Those to gossip with: a stream, and not believed dead."""
        return [member for member in self._linked.values() if member.state is not PeerState.DEAD]
