"""A change of the federation's sum as one vector of Z/2^64, so that a round of secure aggregation can add changes up.

The vector holds the packed triangle of A, where contributions have one, then for each domain of the round, in their
order, its moment, its rows and its number of contributions. A contribution that comes counts +1, one that goes -1;
everything is additive.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ridgeway.layout import Layout
from ridgeway.sums import DomainSum, FederationSum

# Beside the moment, what each domain's part of the vector holds.
_COUNTS = 2


@dataclass(frozen=True, slots=True)
class SignedContribution:
    """A contribution that is added to the sum or, with `sign` -1, taken out.

    Attributes:
        domain: its domain.
        vector: int64, as the layout has it.
        rows: its rows.
        sign: 1 or -1.
    """

    domain: str
    vector: npt.NDArray[np.int64] = field(repr=False)
    rows: int
    sign: int


def length(layout: Layout, domains: int) -> int:
    """Numbers in a round's vector."""
    return layout.gram_numbers + domains * (layout.dimension + _COUNTS)


def change(
    layout: Layout, domains: tuple[str, ...], contributions: Iterable[SignedContribution]
) -> npt.NDArray[np.int64]:
    """One owner's change, int64; all zeros if it has none.

    Args:
        layout: of a contribution.
        domains: of the round; every contribution's must be among them.
        contributions: what comes and goes.
    """
    vector = np.zeros(length(layout, len(domains)), dtype=np.int64)
    split, dimension = layout.gram_numbers, layout.dimension
    parts = vector[split:].reshape(len(domains), dimension + _COUNTS)
    for one in contributions:
        (np.add if one.sign > 0 else np.subtract)(vector[:split], one.vector[:split], out=vector[:split])
        part = parts[domains.index(one.domain)]
        part[:dimension] += one.sign * layout.moment(one.vector)
        part[dimension:] += one.sign * np.array([one.rows, 1], dtype=np.int64)
    return vector


def as_sum(layout: Layout, domains: tuple[str, ...], vector: npt.NDArray[np.int64]) -> FederationSum:
    """What the vectors of a round add up to, as a part of the sum; shares the vector's memory."""
    split, dimension = layout.gram_numbers, layout.dimension
    parts = vector[split:].reshape(len(domains), dimension + _COUNTS)
    return FederationSum.of(
        layout,
        vector[:split],
        {
            name: DomainSum(part[:dimension], int(part[dimension]), int(part[dimension + 1]))
            for name, part in zip(domains, parts, strict=True)
        },
    )


def pieces(total: FederationSum) -> Iterator[npt.NDArray[np.int64]]:
    """A whole sum as such a vector over its own domains, int64, in pieces; the first shares the sum's memory."""
    yield total.triangle
    for held in total.parts.values():
        yield np.concatenate([held.moment, np.array([held.rows, held.contributions], dtype=np.int64)])
