"""How long a suspicion lasts before it is a verdict: the less, the more peers share it independently.

Lifeguard section IV-B, as in memberlist's suspicion.go.
"""

import math
from dataclasses import dataclass, field

from ridgeway.gossip.parameters import Parameters


@dataclass(slots=True)
class Suspicion:
    """A suspicion against one peer.

    Attributes:
        started_s: when it came up here, or when the peer was heard last.
        incarnation: of the peer, that it is about.
        shortest_s: its duration with enough independent accusers.
        longest_s: with one.
        needed: how many further accusers make it the shortest.
        accusers: who suspects it, the first one first.
    """

    started_s: float
    incarnation: int
    shortest_s: float
    longest_s: float
    needed: int
    accusers: list[str] = field(default_factory=list)

    @classmethod
    def against(cls, incarnation: int, accuser: str, members: int, now_s: float, parameters: Parameters) -> "Suspicion":
        """A suspicion that comes up now, in a federation of so many members."""
        scale = max(1.0, math.log10(max(1, members)))
        shortest = parameters.suspicion_mult * scale * parameters.probe_interval_s
        needed = max(0, math.floor(parameters.suspicion_mult) - 2)
        # The accused and we ourselves confirm nothing; with too few others nobody could.
        if members - 2 < needed:
            needed = 0
        longest = parameters.suspicion_max_timeout_mult * shortest
        return cls(now_s, incarnation, shortest, longest, needed, [accuser])

    def confirm(self, accuser: str) -> bool:
        """Count an accuser; whether it is news."""
        if accuser in self.accusers or len(self.accusers) > self.needed:
            return False
        self.accusers.append(accuser)
        return True

    def postpone(self, heard_s: float) -> None:
        """It gave a sign of life: from then on it has the whole time again to refute."""
        self.started_s = max(self.started_s, heard_s)

    @property
    def ends_s(self) -> float:
        """When the peer counts as dead, if it has not refuted by then."""
        if self.needed < 1:
            return self.started_s + self.shortest_s
        share = math.log(len(self.accusers)) / math.log(self.needed + 1)
        return self.started_s + max(self.shortest_s, self.longest_s - share * (self.longest_s - self.shortest_s))
