"""Which streams a peer keeps open: to a bounded number of random members, slowly replaced, so that cost per peer does
not grow with the federation. A graph of random streams spreads news as fast as one where everybody knows everybody."""

from ridgeway.gossip.draw import Draw
from ridgeway.gossip.limits import DIALS_AT_ONCE, LINKS_MAX_OVER_VIEW
from ridgeway.gossip.parameters import Parameters
from ridgeway.gossip.post import Post
from ridgeway.gossip.roster import Member, Roster
from ridgeway.proto.messages import PeerState


class Links:
    """Opens and closes streams."""

    def __init__(self, roster: Roster, post: Post, draw: Draw, parameters: Parameters) -> None:
        self._roster = roster
        self._post = post
        self._draw = draw
        self._parameters = parameters
        self._rotated_s = 0.0

    def maintain(self, now_s: float) -> None:
        """Fill the view up, make room, and replace a stream when it is time; called every second."""
        self._dial_first(now_s)
        linked = self._roster.linked
        under_way = sum(1 for member in self._roster if member.dialling_until_s > now_s)
        lacking = self._parameters.view - len(linked) - under_way
        others = self._others(now_s) if lacking > 0 or now_s >= self._rotated_s else []
        if lacking > 0:
            self._dial(others, min(lacking, DIALS_AT_ONCE))
        elif now_s >= self._rotated_s:
            self._rotated_s = now_s + self._parameters.view_rotation_s
            if others:
                self._dial(others, 1)
                self._make_room(len(linked) - self._parameters.view)
        self._make_room(len(linked) - self._parameters.view - LINKS_MAX_OVER_VIEW)

    def revive(self) -> Member | None:
        """Somebody believed dead to try again, the more often the more are: partitions of any length heal so."""
        dead = [member for member in self._roster if member.state is PeerState.DEAD]
        if not dead or self._draw.random() * len(self._roster) >= len(dead):
            return None
        return self._draw.sample(dead, 1)[0]

    def _dial_first(self, now_s: float) -> None:
        first = self._roster.first
        if first is not None and self._can_be_dialled(first, now_s):
            self._post.dial(first)

    def _others(self, now_s: float) -> list[Member]:
        return [member for member in self._roster if self._can_be_dialled(member, now_s)]

    def _can_be_dialled(self, member: Member, now_s: float) -> bool:
        return bool(
            member.address
            and not member.linked
            and member.dialling_until_s <= now_s
            and member.state is not PeerState.DEAD
            and not self._roster.penalties.ignored(member.name, now_s)
        )

    def _dial(self, others: list[Member], count: int) -> None:
        for member in self._draw.sample(others, min(count, len(others))):
            self._post.dial(member)

    def _make_room(self, excess: int) -> None:
        # The oldest first, but nobody who could not be reached again, nor whom everybody prefers; who is preferred by
        # everybody has a stream with everybody.
        if self._roster.we_are_first:
            return
        oldest = [member for member in self._roster.linked if member.address and member is not self._roster.first]
        for member in oldest[: max(0, excess)]:
            self._post.hang_up(member)
