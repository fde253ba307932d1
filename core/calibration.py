"""Confidence that means something: softmax of the scores at a temperature chosen on private hold-outs.

One inverse temperature makes scores into probabilities (Guo et al. 2017, On Calibration of Modern Neural Networks,
section 4.2). It is chosen from integer counts alone: for each candidate, how many hold-out prompts fell into each bin
of confidence, and how many of those were right.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Before anything was measured; what eight domains of real prompts give.
UNCALIBRATED = 8.0
_PRIOR_SPREAD = 0.35
CANDIDATES: npt.NDArray[np.float64] = np.geomspace(0.25, 256.0, 41)
# Edges of the bins of confidence, of equal width in log odds: fine where decisions are sure, since most are.
EDGES: npt.NDArray[np.float64] = np.concatenate(([0.0], 1.0 / (1.0 + np.exp(-np.linspace(-2.5, 7.5, 26))), [1.0]))
BINS = EDGES.size - 1


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes scores into probabilities.

    Attributes:
        inverse_temperature: the factor in front of the scores.
        prompts: the hold-out prompts it was chosen on; 0: it is the default.
        expected_error: the expected calibration error on those, in [0, 1].
    """

    inverse_temperature: float = UNCALIBRATED
    prompts: int = 0
    expected_error: float = 0.0

    def probabilities(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The chance of each domain, float64, n x K, from scores of the same shape."""
        return softmax(scores * self.inverse_temperature)

    def confidence(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The chance of each row's winner, float64[n]."""
        largest: npt.NDArray[np.float64] = self.probabilities(scores).max(axis=1)
        return largest


def softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows that add up to 1."""
    likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
    normalised: npt.NDArray[np.float64] = likelihood / likelihood.sum(axis=1, keepdims=True)
    return normalised


def count_confidence(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each candidate temperature and bin the decisions and the right ones among them, int64[candidates, BINS, 2].

    Args:
        scores: float64, n x K.
        right: bool[n], whether the largest score is the true domain's.
    """
    counts = np.zeros((CANDIDATES.size, BINS, 2), dtype=np.int64)
    for place, candidate in enumerate(CANDIDATES):
        confidence = softmax(scores * candidate).max(axis=1)
        bins = np.clip(np.searchsorted(EDGES, confidence, side="right") - 1, 0, BINS - 1)
        counts[place, :, 0] = np.bincount(bins, minlength=BINS)
        counts[place, :, 1] = np.bincount(bins[right], minlength=BINS)
    return counts


def calibrate(counts: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> Calibration:
    """The candidate with the smallest log loss of its confidence, each bin standing for its middle.

    A Gaussian prior on the logarithm of the temperature, around the default, keeps a handful of prompts that all went
    right from making every decision certain; some hundred prompts outweigh it.

    Args:
        counts: as `count_confidence`, added up over domains and owners; weights are allowed.
    """
    total = counts[0, :, 0].sum()
    if total == 0:
        return Calibration()
    middle = (EDGES[:-1] + EDGES[1:]) / 2
    seen, right = counts[..., 0], counts[..., 1]
    loss = -(right * np.log(middle) + (seen - right) * np.log1p(-middle)).sum(axis=1)
    prior = np.square(np.log(CANDIDATES / UNCALIBRATED)) / (2 * _PRIOR_SPREAD**2)
    best = int(np.argmin(loss + prior))
    error = float(np.abs(right[best] - seen[best] * middle).sum() / total)
    return Calibration(float(CANDIDATES[best]), int(total), error)
