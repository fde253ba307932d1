"""Which expert gets a prompt when accuracy is not all that counts: price and latency among nearly tied domains.

Candidates are the experts of every domain whose probability is within `MARGIN` of the chosen domain's. Each has the
utility

    w_accuracy p(domain) - w_price price / (largest price) - w_latency latency / (largest latency)

where the largest are over the candidates, and one whose price or latency is not known counts as the worst. The largest
utility wins; of equals the likelier domain, then the order of the domains, then the expert's rank (owner, URL,
model, price, latency).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ridgeway.errors import RidgewayError
from ridgeway.feature_map import Router
from ridgeway.router import Expert
from ridgeway.routing import Decision, NoKnownToken

# How much less likely a domain may be for its experts to be considered.
MARGIN = 0.1

Outcome = TypeVar("Outcome", Decision, Decision | NoKnownToken)


class BadObjective(RidgewayError):
    """An objective that says nothing."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What counts, as weights of the probability, the price and the latency; none negative, not all zero."""

    accuracy: float = 1.0
    price: float = 0.0
    latency: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """An objective by its name, or three weights separated by commas; nothing is `accuracy`.

        Raises:
            BadObjective: it is neither.
        """
        named = {"": cls(), "accuracy": cls(), "cost": cls(0.0, 1.0, 0.0), "latency": cls(0.0, 0.0, 1.0)}
        if text in named:
            return named[text]
        try:
            weights = [float(weight) for weight in text.split(",")]
        except ValueError:
            weights = []
        if len(weights) != 3 or not all(0.0 <= weight < float("inf") for weight in weights) or not any(weights):
            raise BadObjective(
                f"{text[:80]!r} is no objective; give accuracy, cost, latency, or three weights like 1,0.5,0.2"
            )
        return cls(*weights)

    @property
    def is_accuracy_alone(self) -> bool:
        """Whether the router's own choice stands."""
        return self.price == self.latency == 0.0

    def applied(self, outcome: Outcome, router: Router) -> Outcome:
        """The decision with the expert, and its domain, that this objective chooses; a fallback stays one."""
        if self.is_accuracy_alone or not isinstance(outcome, Decision) or outcome.fallback:
            return outcome
        chances = router.probabilities(outcome)
        candidates = [
            expert
            for expert in router.router.experts
            if chances.get(expert.domain, 0.0) >= chances[outcome.domain] - MARGIN and expert.domain in chances
        ]
        if not candidates:
            return outcome
        expert = self.best(candidates, chances)
        return outcome._replace(domain=expert.domain, expert=expert, confidence=chances[expert.domain])

    def best(self, candidates: Sequence[Expert], chances: dict[str, float]) -> Expert:
        """The candidate of largest utility; see the formula above.

        Args:
            candidates: at least one.
            chances: of each domain, in the order of the domains.
        """
        prices = _relative([expert.price for expert in candidates])
        latencies = _relative([expert.latency_ms for expert in candidates])
        order = {domain: place for place, domain in enumerate(chances)}
        ranked = [
            (
                -(self.accuracy * chances[e.domain] - self.price * price - self.latency * latency),
                -chances[e.domain],
                order[e.domain],
                e.rank,
                place,
            )
            for place, (e, price, latency) in enumerate(zip(candidates, prices, latencies, strict=True))
        ]
        return candidates[min(ranked)[-1]]


def _relative(values: Sequence[float | None]) -> list[float]:
    """Shares of the largest; what is not known counts as the largest, and if all are nothing or unknown, all alike."""
    largest = max((value for value in values if value is not None), default=0.0)
    return [1.0 if value is None else value / largest if largest > 0 else 0.0 for value in values]
