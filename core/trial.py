"""A trial: how a router does on private hold-outs, as integer counts, and what the federation learns from them.

Counts carry no prompt and add up over owners, so they can travel masked as any integer vector does. From their sum come
the accuracy, the confusion of the domains, the way to decide among those that the manifest leaves open, and the
temperature that makes scores into chances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ridgeway.calibration import BINS, CANDIDATES, Calibration, calibrate, count_confidence
from ridgeway.errors import RidgewayError
from ridgeway.feature_map import Router
from ridgeway.manifest import FeatureMap, Manifest, RoutingSettings
from ridgeway.pooled_routing import PooledRouter

CONFIDENCE_SHAPE = (CANDIDATES.size, BINS, 2)


class BadTrial(RidgewayError):
    """Counts that no trial gives."""


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How one way to decide did on one domain's hold-out.

    Attributes:
        chosen: int64[K + 1], prompts by the domain that was chosen; the last entry counts those that could not be
            routed.
        confidence: int64, see `count_confidence`.
    """

    chosen: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.int64] = field(repr=False)

    def check(self, domains: int) -> None:
        """The counts must fit together.

        Raises:
            BadTrial: they do not.
        """
        if self.chosen.shape != (domains + 1,) or self.confidence.shape != CONFIDENCE_SHAPE:
            raise BadTrial("a trial's counts have another shape than this router's; try the router again")
        seen, right = self.confidence[..., 0], self.confidence[..., 1]
        if (self.chosen < 0).any() or (right < 0).any() or (right > seen).any():
            raise BadTrial("a trial counts more right decisions than decisions, or fewer than none; try again")
        if (seen.sum(axis=1) != self.chosen[:-1].sum()).any():
            raise BadTrial("a trial's decisions do not add up to its prompts; try the router again")


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the trials of one router say together.

    Attributes:
        routing: the way to decide with the highest balanced accuracy; the first of equals.
        calibration: for that way.
        domains: the K domains.
        confusion: int64, K x (K + 1), as `Evaluation.confusion`.
    """

    routing: RoutingSettings
    calibration: Calibration
    domains: tuple[str, ...]
    confusion: npt.NDArray[np.int64]

    @property
    def prompts(self) -> int:
        """Hold-out prompts in all."""
        return int(self.confusion.sum())

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the accuracies of the domains that have a hold-out."""
        return _balanced(self.confusion)


def ways_to_decide(manifest: Manifest) -> tuple[RoutingSettings, ...]:
    """What a trial compares: all that the manifest leaves open; the default comes first."""
    return (manifest.routing,) if manifest.feature_map is FeatureMap.POOLED else manifest.routing.candidates()


def try_router(router: Router, manifest: Manifest, domain: str, prompts: Sequence[Sequence[int]]) -> list[Counts]:
    """Decide about a domain's hold-out, given as token ids, in each way that the manifest leaves open.

    Raises:
        ValueError: the router does not know the domain.
    """
    true = router.router.domains.index(domain)
    made = []
    for way in ways_to_decide(manifest):
        winners, evidence = router.decide(prompts) if isinstance(router, PooledRouter) else router.decide(prompts, way)
        routed = winners >= 0
        made.append(
            Counts(
                np.bincount(np.where(routed, winners, evidence.shape[1]), minlength=evidence.shape[1] + 1),
                count_confidence(evidence[routed], winners[routed] == true),
            )
        )
    return made


@dataclass(frozen=True, slots=True, eq=False)
class TrialSum:
    """The counts of all owners together, for each way to decide (W of them).

    Attributes:
        confusion: int64[W, K, K + 1], by true domain and chosen one, then not routed.
        confidence: int64[W, ...], see `count_confidence`.
    """

    confusion: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.int64] = field(repr=False)

    @classmethod
    def empty(cls, ways: int, domains: int) -> "TrialSum":
        """Nothing counted yet."""
        return cls(
            np.zeros((ways, domains, domains + 1), dtype=np.int64),
            np.zeros((ways, *CONFIDENCE_SHAPE), dtype=np.int64),
        )

    @classmethod
    def of(cls, ways: int, domains: Sequence[str], trials: Sequence[Mapping[str, Sequence[Counts]]]) -> "TrialSum":
        """The owners' trials added up; each is by domain, one entry for each way to decide."""
        total = cls.empty(ways, len(domains))
        for trial in trials:
            for domain, counted in trial.items():
                for place, counts in enumerate(counted):
                    total.confusion[place, domains.index(domain)] += counts.chosen
                    total.confidence[place] += counts.confidence
        return total

    @classmethod
    def from_vector(cls, ways: int, domains: int, vector: npt.NDArray[np.int64]) -> "TrialSum":
        """What `to_vector` gave, added up over owners.

        Raises:
            BadTrial: no trials add up to this.
        """
        total = cls.empty(ways, domains)
        if vector.size != total.confusion.size + total.confidence.size:
            raise BadTrial("the counts of a masked trial have another length than this router's; try the router again")
        total.confusion.flat[:] = vector[: total.confusion.size]
        total.confidence.flat[:] = vector[total.confusion.size :]
        for confusion, confidence in zip(total.confusion, total.confidence, strict=True):
            Counts(confusion.sum(axis=0), confidence).check(domains)
            if (confusion < 0).any():
                raise BadTrial("a masked trial counts fewer prompts than none; try the router again")
        return total

    def to_vector(self) -> npt.NDArray[np.int64]:
        """Everything in one vector, int64, to be masked and added up."""
        return np.concatenate([self.confusion.ravel(), self.confidence.ravel()])


def vector_length(ways: int, domains: int) -> int:
    """Numbers in a trial's vector."""
    return ways * (domains * (domains + 1) + int(np.prod(CONFIDENCE_SHAPE)))


def judge(manifest: Manifest, domains: Sequence[str], total: TrialSum) -> Verdict:
    """Choose among the ways to decide, and calibrate.

    Args:
        manifest: what it leaves open.
        domains: the router's K domains.
        total: the owners' trials of one router, added up.
    """
    best = max(range(len(total.confusion)), key=lambda place: (_balanced(total.confusion[place]), -place))
    return Verdict(
        ways_to_decide(manifest)[best], calibrate(total.confidence[best]), tuple(domains), total.confusion[best]
    )


def _balanced(confusion: npt.NDArray[np.int64]) -> float:
    totals = confusion.sum(axis=1)
    tried = totals > 0
    return float((np.diag(confusion)[tried] / totals[tried]).mean()) if tried.any() else 0.0
