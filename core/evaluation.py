"""How well a router does on prompts whose domain is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ridgeway.errors import RidgewayError


class NothingToEvaluate(RidgewayError):
    """No prompt with a known domain."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Accuracy over domains.

    Attributes:
        domains: the K domains, in the order of rows and columns.
        confusion: int64, K x (K + 1): true domain by chosen domain; the last column counts prompts that could not be
            routed, which are errors.
    """

    domains: tuple[str, ...]
    confusion: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share of all prompts that went to their domain."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def per_domain(self) -> dict[str, float]:
        """Share of each domain's prompts that went to it, for the domains with prompts."""
        totals = self.confusion.sum(axis=1)
        return {
            domain: float(self.confusion[i, i] / totals[i]) for i, domain in enumerate(self.domains) if totals[i] > 0
        }

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the domains' accuracies."""
        return float(np.mean(list(self.per_domain.values())))


def bootstrap_interval(
    outcome: Evaluation, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval of the balanced accuracy (Efron and Tibshirani 1993, chapter 13).

    Prompts are drawn with replacement within each domain; of n prompts that were right with frequency p, a resample has
    a binomial number of right ones, so that is drawn directly.
    """
    totals = outcome.confusion.sum(axis=1)
    tried = totals > 0
    right = np.diag(outcome.confusion)[tried] / totals[tried]
    drawn = np.random.default_rng(seed).binomial(totals[tried], right, size=(resamples, int(tried.sum())))
    means = (drawn / totals[tried]).mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def evaluate(true: Sequence[str], chosen: Sequence[str | None], domains: Sequence[str]) -> Evaluation:
    """Count which domain each prompt went to; None stands for a prompt that could not be routed.

    Raises:
        NothingToEvaluate: there is no prompt.
        ValueError: the two sequences differ in length, or name a domain that is not in `domains`.
    """
    if not true:
        raise NothingToEvaluate("there is no prompt to evaluate; check the test files")
    index = {domain: i for i, domain in enumerate(domains)}
    try:
        rows = [index[domain] for domain in true]
        columns = [len(index) if domain is None else index[domain] for domain in chosen]
    except KeyError as error:
        raise ValueError(f"domain {error.args[0]} is not among {', '.join(domains)}") from error
    confusion = np.zeros((len(index), len(index) + 1), dtype=np.int64)
    for row, column in zip(rows, columns, strict=True):
        confusion[row, column] += 1
    return Evaluation(tuple(domains), confusion)
