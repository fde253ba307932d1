"""Whom to ask next, for how long, and when to give up: events and a time in, attempts out.

An expert that cannot be reached, is slow, busy (429) or broken (5xx) is asked again after a pause, then passed over for
the next candidate. One that refuses the gateway itself (401, 403, 404, a redirect) is passed over at once. An attempt
may take half of the time that is left to the deadline while there is somebody else to ask, so that one slow expert
cannot use it up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ridgeway.gateway.api_error import ApiError, DeadlinePassed, ExpertsBusy, ExpertsRefused, ExpertsUnavailable
from ridgeway.gateway.catalogue import Identity, identity
from ridgeway.gateway.choice import Candidate

# Beyond the fourth the answer comes from a domain that has little to do with the prompt.
CANDIDATES_MAX = 4
FIRST_PAUSE_S = 0.1
# A busy expert that wants a longer pause than this is passed over at once.
PAUSE_MAX_S = 2.0
# How long an expert that was passed over comes last, so that not every request waits for it.
COOLING_S = 10.0
COOLING_MAX = 1000


class Failure(Enum):
    """What became of an attempt; the value says whether the same expert is asked again."""

    UNREACHABLE = "unreachable", True
    SLOW = "slow", True
    BUSY = "busy", True
    BROKEN = "broken", True
    REFUSED = "refused", False

    @property
    def passes(self) -> bool:
        """Whether trying again may help."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client is kept waiting for the first byte of an answer.

    Attributes:
        tries: at each expert.
        stream_s: at one try, when the answer comes in pieces.
        whole_s: at one try, when it comes as a whole, so that the expert is done before it begins to answer.
        deadline_s: for all tries at all experts.
    """

    tries: int = 2
    stream_s: float = 60.0
    whole_s: float = 300.0
    deadline_s: float = 600.0

    def limit_s(self, *, stream: bool) -> float:
        """For one try."""
        return self.stream_s if stream else self.whole_s


@dataclass(frozen=True, slots=True)
class Attempt:
    """Ask this candidate after a pause, for at most so long; seconds."""

    candidate: Candidate
    pause_s: float
    limit_s: float


class Attempts:
    """The attempts at one request.

    Args:
        candidates: at least one, the best first.
        patience: see there.
        limit_s: for one attempt.
        now: when the request came, in seconds on any clock.
    """

    def __init__(self, candidates: Sequence[Candidate], patience: Patience, limit_s: float, now: float) -> None:
        self._waiting = list(candidates[:CANDIDATES_MAX])
        self._patience = patience
        self._limit_s = limit_s
        self._ends = now + patience.deadline_s
        self._tried = 0
        self._pause_s = 0.0
        self._failures: list[Failure] = []

    def next(self, now: float) -> Attempt | None:
        """The next attempt; None: give up, see `conclusion`."""
        left_s = self._ends - now - self._pause_s
        if not self._waiting or left_s <= 0.0:
            return None
        is_last = len(self._waiting) == 1 and self._tried + 1 >= self._patience.tries
        share_s = left_s if is_last else left_s / 2
        return Attempt(self._waiting[0], self._pause_s, min(self._limit_s, share_s))

    def failed(self, failure: Failure, retry_after_s: float | None = None) -> bool:
        """Take in how the last attempt failed; whether its expert is passed over."""
        self._failures.append(failure)
        self._tried += 1
        self._pause_s = max(FIRST_PAUSE_S * 2 ** (self._tried - 1), retry_after_s or 0.0)
        if failure.passes and self._tried < self._patience.tries and self._pause_s <= PAUSE_MAX_S:
            return False
        self._waiting.pop(0)
        self._tried, self._pause_s = 0, 0.0
        return True

    def conclusion(self) -> ApiError:
        """What the client is told after the last attempt."""
        kinds = set(self._failures)
        if kinds == {Failure.BUSY}:
            return ExpertsBusy("every expert for this request is busy; try again later", retry_after_s=int(COOLING_S))
        if kinds == {Failure.REFUSED}:
            return ExpertsRefused(
                "the experts for this request refuse the gateway; its operator finds the reason in its log"
            )
        if self._waiting or (self._failures and self._failures[-1] is Failure.SLOW):
            return DeadlinePassed("no expert answered in time; try again, or with a larger deadline")
        return ExpertsUnavailable("no expert for this request answers; try again later", retry_after_s=int(COOLING_S))


class Cooling:
    """Experts that were passed over lately; they are asked after all others."""

    def __init__(self) -> None:
        self._until: dict[Identity, float] = {}

    def passed_over(self, candidate: Candidate, now: float) -> None:
        """Let an expert cool down."""
        if len(self._until) >= COOLING_MAX:
            self._until = {expert: until for expert, until in self._until.items() if until > now}
        if len(self._until) < COOLING_MAX:
            self._until[identity(candidate.expert)] = now + COOLING_S

    def answered(self, candidate: Candidate) -> None:
        """It is well again."""
        self._until.pop(identity(candidate.expert), None)

    def last(self, candidates: Sequence[Candidate], now: float) -> list[Candidate]:
        """The candidates in their order, but those that cool down after the others."""
        return sorted(candidates, key=lambda candidate: self._until.get(identity(candidate.expert), now) > now)
