"""What becomes of a prompt that the router is not sure about: a generalist expert gets it, or nobody does."""

from dataclasses import dataclass
from typing import TypeVar

from ridgeway.errors import RidgewayError
from ridgeway.router import Expert, RouterWeights, served_by
from ridgeway.routing import Decision, NoKnownToken

# The name that stands for nobody.
NOBODY = "none"

Outcome = TypeVar("Outcome", Decision, Decision | NoKnownToken)


class BadFallback(RidgewayError):
    """A threshold or a fallback that cannot be used."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """Below which confidence a decision is not followed, and who gets the prompt instead.

    Attributes:
        min_confidence: in [0, 1]; 0 follows every decision.
        expert: the generalist; None is nobody, which is an answer too.
    """

    min_confidence: float = 0.0
    expert: Expert | None = None

    @classmethod
    def named(cls, router: RouterWeights, min_confidence: float, name: str) -> "Fallback":
        """A fallback by the name of its expert.

        Args:
            router: whose experts are meant.
            min_confidence: in [0, 1].
            name: what an expert serves, like "general"; empty or "none" is nobody.

        Raises:
            BadFallback: no expert has this name, or the threshold is no chance.
        """
        if not 0.0 <= min_confidence <= 1.0:
            raise BadFallback(f"the least confidence is a chance from 0 to 1, not {min_confidence}")
        if name in {"", NOBODY}:
            return cls(min_confidence)
        experts = served_by(router.experts)
        if name not in experts:
            known = ", ".join(sorted(experts)) or "there is none"
            raise BadFallback(f"no expert serves {name[:80]!r}, so it cannot be the fallback; known: {known}")
        return cls(min_confidence, experts[name])

    def applied(self, outcome: Outcome) -> Outcome:
        """The decision as it is if it is sure enough, otherwise with the generalist, or nobody, as its expert.

        Domain, votes and confidence stay what the router thinks.
        """
        if isinstance(outcome, Decision) and outcome.confidence < self.min_confidence:
            return outcome._replace(expert=self.expert, fallback=True)
        return outcome
