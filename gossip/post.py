"""Everything that goes out, in order; news of peers rides along."""

from ridgeway.gossip.effects import Connect, Disconnect, Effect, Effects, Send
from ridgeway.gossip.limits import FRAME_VERSION, UPDATES_MAX
from ridgeway.gossip.news import News
from ridgeway.gossip.parameters import Parameters
from ridgeway.gossip.roster import Member, Roster
from ridgeway.proto.messages import (
    ChunkAbsence,
    ChunkRequest,
    PeerDigest,
    PeerFrame,
    PeerProbe,
    PeerState,
    PeerUpdate,
    Reconciliation,
)


class Post:
    """Collects the effects of one event.

    Attributes:
        now_s: the steady time of that event.
    """

    def __init__(self, roster: Roster, news: News, parameters: Parameters) -> None:
        self.now_s = 0.0
        self._roster = roster
        self._news = news
        self._parameters = parameters
        self._effects: Effects = []

    def add(self, effect: Effect) -> None:
        """Have something done after all that was added before."""
        self._effects.append(effect)

    def take(self) -> Effects:
        """Everything so far; the next event starts anew."""
        effects, self._effects = self._effects, []
        return effects

    def send(
        self,
        member: Member,
        *,
        digest: PeerDigest | None = None,
        reconciliation: Reconciliation | None = None,
        chunk_request: ChunkRequest | None = None,
        chunk_absence: ChunkAbsence | None = None,
        probe: PeerProbe | None = None,
        updates: tuple[PeerUpdate, ...] = (),
    ) -> None:
        """Send a frame, over a new stream if there is none and the member has an address."""
        if not member.linked and not self.dial(member):
            return
        frame = PeerFrame(
            format_version=FRAME_VERSION,
            updates=updates + self._news_for(member),
            digest=digest,
            reconciliation=reconciliation,
            chunk_request=chunk_request,
            chunk_absence=chunk_absence,
            probe=probe,
        )
        self._effects.append(Send(member.name, frame))

    def dial(self, member: Member) -> bool:
        """Connect to a member; whether it can be tried, or is being tried already."""
        if not member.address or self._roster.penalties.ignored(member.name, self.now_s):
            return False
        if member.dialling_until_s <= self.now_s:
            member.dialling_until_s = self.now_s + self._parameters.dial_timeout_s
            self._effects.append(Connect(member.name, member.address))
        return True

    def hang_up(self, member: Member, reason: str = "") -> None:
        """End all streams with a member."""
        if member.linked or member.dialling_until_s > self.now_s:
            self._roster.unlink(member)
            self._effects.append(Disconnect(member.name, reason))

    def _news_for(self, member: Member) -> tuple[PeerUpdate, ...]:
        """Lifeguard's buddy system: who is suspected hears that first, from everybody who talks to it."""
        if member.state is PeerState.ALIVE:
            return self._news.take(UPDATES_MAX)
        accusation = PeerUpdate(member.name, member.state, member.incarnation, member.accuser)
        return (accusation, *self._news.take(UPDATES_MAX - 1))
