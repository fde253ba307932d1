"""From token counts to a contribution: the Gram matrix of one domain, encoded in fixed point.

With c the token histogram of a domain's prompts, X'X = E1' diag(c) E1, where E1 = [E, 1] (DESIGN section 2). A corpus
of any size costs one pass of counting plus one weighted product over the tokens that occur; X is never made.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.linalg import blas

from ridgeway import fixed_point, triangle
from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.manifest import MassRule
from ridgeway.token_run import TokenRun

# Rows of E1 that are scaled and multiplied at a time: 1,024 x 2,049 doubles are 17 MB, and the product is long enough
# for the BLAS to run at full speed.
_BLOCK_ROWS = 1024


class NoTokens(RidgewayError):
    """A domain without a single token that counts."""


class Tokenised(Protocol):
    """A prompt as token ids, whoever made them."""

    @property
    def ids(self) -> list[int]:
        """The token ids, in the order of the prompt."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What was added up, in integers: the same in whatever order and parts. Private: it never leaves the owner.

    Attributes:
        numbers: int64; the token histogram (V), or the parts of the packed triangle (see `ExactGram.sums`).
        rows: the number of rows of X.
    """

    numbers: npt.NDArray[np.int64] = field(repr=False)
    rows: int


@dataclass(slots=True)
class TokenHistogram:
    """How often each vocabulary entry occurs in one domain's prompts. Private: it never leaves the owner.

    Attributes:
        counts: int64[V].
        special_ids: int32, ascending; ids that never count.
        prompts: the number of prompts added.
    """

    counts: npt.NDArray[np.int64] = field(repr=False)
    special_ids: npt.NDArray[np.int32] = field(repr=False)
    prompts: int = 0

    @classmethod
    def empty(cls, embedder: Embedder) -> "TokenHistogram":
        """A histogram over an embedder's vocabulary in which nothing was counted."""
        return cls(np.zeros(embedder.vocabulary_size, dtype=np.int64), embedder.special_ids)

    def add(self, encodings: Iterable[Tokenised]) -> None:
        """Count the tokens of a batch."""
        ids, lengths = TokenRun.of(encoding.ids for encoding in encodings)
        self.counts += np.bincount(ids, minlength=self.counts.size)
        self.counts[self.special_ids] = 0
        self.prompts += lengths.size

    @property
    def rows(self) -> int:
        """Rows of X: the number of tokens counted."""
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True)
class DomainStatistics:
    """The Gram matrix of one owner's rows for one domain.

    Attributes:
        gram: float64, D x D; the upper triangle is filled.
        rows: the number of rows of X.
    """

    gram: npt.NDArray[np.float64] = field(repr=False)
    rows: int


def gram(histogram: TokenHistogram, embedder: Embedder) -> DomainStatistics:
    """E1' diag(c) E1 over the tokens that occur, by rank-k updates of sqrt(c)-scaled rows.

    Raises:
        NoTokens: the histogram is empty.
    """
    occurring = np.flatnonzero(histogram.counts)
    if occurring.size == 0:
        raise NoTokens("no prompt of this domain has a token that the embedder knows; check its files and --field")
    dimension = embedder.dimension + 1
    lower = np.zeros((dimension, dimension), dtype=np.float64, order="F")
    for start in range(0, occurring.size, _BLOCK_ROWS):
        ids = occurring[start : start + _BLOCK_ROWS]
        weight = np.sqrt(histogram.counts[ids].astype(np.float64))
        scaled = np.empty((ids.size, dimension), dtype=np.float64)
        np.multiply(embedder.rows(ids), weight[:, None], out=scaled[:, :-1])
        scaled[:, -1] = weight
        lower = blas.dsyrk(1.0, scaled.T, beta=1.0, c=lower, lower=1, overwrite_c=1)
    return DomainStatistics(lower.T, histogram.rows)


class TokenGram:
    """Adds up one domain's prompts for the `tokens` feature map: the histogram now, the Gram matrix at the end."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._histogram = TokenHistogram.empty(embedder)

    def add(self, encodings: Iterable[Tokenised]) -> None:
        """Add the rows of a batch of prompts."""
        self._histogram.add(encodings)

    def sums(self) -> Sums:
        """Everything added, so that it can be merged elsewhere."""
        return Sums(self._histogram.counts, self._histogram.rows)

    def merge(self, sums: Sums) -> None:
        """Add what another accumulator's `sums` were."""
        self._histogram.counts += sums.numbers

    def statistics(self) -> DomainStatistics:
        """The Gram matrix of everything added.

        Raises:
            NoTokens: nothing was.
        """
        return gram(self._histogram, self._embedder)


def encode_contribution(statistics: DomainStatistics, mass_rule: MassRule, fraction_bits: int) -> npt.NDArray[np.int64]:
    """G / rows * mass in fixed point, int64[D (D + 1) / 2]; its last entry, the bias corner, is the mass exactly.

    Raises:
        NonFiniteValue, FixedPointOverflow: the numbers do not fit.
    """
    units = fixed_point.encode(
        triangle.pack(statistics.gram) * (mass(mass_rule, statistics.rows) / statistics.rows), fraction_bits
    )
    units[-1] = mass(mass_rule, statistics.rows) << fraction_bits
    return units


def mass(rule: MassRule, rows: int) -> int:
    """The total weight of a contribution with this many rows."""
    return 1 if rule is MassRule.OWNER else rows
