"""What is believed of each peer: SWIM's alive, suspect, dead, with incarnations.

Das, Gupta, Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol" (2002),
section 4.2. Beliefs of one peer are ordered by (incarnation, state), alive < suspect < dead, and the greater one
overrides; only the peer itself raises its incarnation, to refute. Being believed dead costs a peer nothing but
attention: its records stay, it is still tried, and it refutes as soon as it hears of it. Only signed records end a
membership."""

import hashlib
import math
import struct
from collections.abc import Callable

from ridgeway.crypto.labels import GOSSIP_PEERS
from ridgeway.gossip.awareness import Awareness
from ridgeway.gossip.effects import PeerChanged
from ridgeway.gossip.limits import INCARNATION_STEP_MAX, SYNC_UPDATES_MAX
from ridgeway.gossip.news import News
from ridgeway.gossip.parameters import Parameters
from ridgeway.gossip.post import Post
from ridgeway.gossip.roster import Member, Roster
from ridgeway.gossip.suspicion import Suspicion
from ridgeway.gossip.timers import Timers
from ridgeway.proto.messages import PeerState, PeerUpdate

_DIGEST_NUMBERS = 1 << 64


class Beliefs:
    """The states of all members as this peer believes them.

    Attributes:
        incarnation: our own.
        awareness: our local health.
        on_accusation: told of a member whom others suspect, as soon as we hear of it.
    """

    def __init__(self, roster: Roster, news: News, post: Post, timers: Timers, parameters: Parameters) -> None:
        self.incarnation = 0
        self.awareness = Awareness(parameters.awareness_max_multiplier)
        self.on_accusation: Callable[[Member], None] = lambda _: None
        self._roster = roster
        self._news = news
        self._post = post
        self._timers = timers
        self._parameters = parameters
        self._suspicions: dict[str, Suspicion] = {}
        self._sum = 0

    def hear(self, update: PeerUpdate) -> None:
        """Take a piece of news, whoever it comes from."""
        if update.peer == self._roster.name:
            self._hear_of_ourselves(update)
            return
        member = self._roster.get(update.peer)
        if (
            member is None
            or update.state is PeerState.UNSPECIFIED
            or update.incarnation > member.incarnation + INCARNATION_STEP_MAX
        ):
            return
        theirs, ours = (update.incarnation, update.state), (member.incarnation, member.state)
        if theirs > ours:
            self._believe(member, update.state, update.incarnation, update.accuser)
            if update.state is PeerState.SUSPECT:
                self.on_accusation(member)
        elif theirs == ours and update.state is PeerState.SUSPECT:
            self._confirm(member, update.accuser)

    def suspect(self, member: Member) -> None:
        """It did not answer us."""
        if member.state is PeerState.ALIVE:
            self._believe(member, PeerState.SUSPECT, member.incarnation, self._roster.name)
        elif member.state is PeerState.SUSPECT:
            self._confirm(member, self._roster.name)

    def forget(self, member: Member) -> None:
        """It is no member any more."""
        self._sum = (self._sum - _number(member)) % _DIGEST_NUMBERS
        self._suspicions.pop(member.name, None)
        self._news.forget(member.name)

    @property
    def digest(self) -> bytes:
        """Over everybody's state, ours included, 8 bytes; a hint that views differ, nothing that an attack could
        use."""
        ours = Member(self._roster.name, "", incarnation=self.incarnation)
        return ((self._sum + _number(ours)) % _DIGEST_NUMBERS).to_bytes(8, "little")

    def everything(self) -> tuple[PeerUpdate, ...]:
        """What is believed of everybody who is not simply alive since ever, ourselves first."""
        others = (m for m in self._roster if m.incarnation or m.state is not PeerState.ALIVE)
        updates = (PeerUpdate(m.name, m.state, m.incarnation, m.accuser) for m in others)
        return (PeerUpdate(self._roster.name, PeerState.ALIVE, self.incarnation), *updates)[:SYNC_UPDATES_MAX]

    def retransmissions(self) -> int:
        """How often a piece of news is told."""
        return self._parameters.retransmit_mult * self._generations()

    def record_retransmissions(self) -> int:
        """How often a fresh record is told."""
        return self._parameters.record_retransmit_mult * self._generations()

    def _generations(self) -> int:
        return math.ceil(math.log10(len(self._roster) + 2))

    def _hear_of_ourselves(self, update: PeerUpdate) -> None:
        if update.incarnation > self.incarnation + INCARNATION_STEP_MAX:
            return
        accused = update.state in {PeerState.SUSPECT, PeerState.DEAD} and update.incarnation >= self.incarnation
        # A greater incarnation than ours is from before a restart.
        if not accused and update.incarnation <= self.incarnation:
            return
        self.incarnation = update.incarnation + 1
        if accused:
            self.awareness.apply(1)
        refutation = PeerUpdate(self._roster.name, PeerState.ALIVE, self.incarnation)
        self._news.tell(refutation, self.retransmissions())

    def _believe(self, member: Member, state: PeerState, incarnation: int, accuser: str) -> None:
        self._sum = (self._sum - _number(member)) % _DIGEST_NUMBERS
        changed = member.state is not state
        member.state, member.incarnation = state, incarnation
        member.accuser = "" if state is PeerState.ALIVE else accuser
        self._sum = (self._sum + _number(member)) % _DIGEST_NUMBERS
        self._suspicions.pop(member.name, None)
        if state is PeerState.SUSPECT:
            self._begin_suspicion(member)
        self._news.tell(PeerUpdate(member.name, state, incarnation, member.accuser), self.retransmissions())
        if changed:
            self._post.add(PeerChanged(member.name, state, incarnation))

    def _begin_suspicion(self, member: Member) -> None:
        suspicion = Suspicion.against(
            member.incarnation, member.accuser, len(self._roster) + 1, self._post.now_s, self._parameters
        )
        self._suspicions[member.name] = suspicion
        self._await_end(member.name, suspicion)

    def _confirm(self, member: Member, accuser: str) -> None:
        suspicion = self._suspicions.get(member.name)
        if suspicion is not None and suspicion.confirm(accuser):
            self._await_end(member.name, suspicion)
            news = PeerUpdate(member.name, PeerState.SUSPECT, member.incarnation, accuser)
            self._news.tell(news, self.retransmissions())

    def _await_end(self, name: str, suspicion: Suspicion) -> None:
        def end(now_s: float) -> None:
            member = self._roster.get(name)
            if member is None or self._suspicions.get(name) is not suspicion:
                return
            # Whom we hear ourselves is not dead, whoever says so.
            suspicion.postpone(member.heard_s)
            if now_s < suspicion.ends_s:
                self._await_end(name, suspicion)
            else:
                self._believe(member, PeerState.DEAD, member.incarnation, self._roster.name)

        self._timers.at(suspicion.ends_s, end)


def _number(member: Member) -> int:
    """One belief as a number; being simply alive since ever is 0, so that a new member changes nothing."""
    if member.incarnation == 0 and member.state is PeerState.ALIVE:
        return 0
    name = member.name.encode()
    data = GOSSIP_PEERS + struct.pack("<BQ", int(member.state), member.incarnation) + name
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "little")
