"""How many neighbours a node has and how many shares open a secret, for a cohort of any size; and who they are.

In a small cohort everybody is everybody's neighbour. In a large one each has k = O(log n) neighbours in a random graph
(Bell et al. 2020, section 3): a ring in an order that nobody could choose, each joined to the k / 2 before and after.
A secret's holders are its owner and the neighbours; strictly more than two thirds of them open it.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

from ridgeway.errors import RidgewayError

# Up to here everybody is everybody's neighbour.
COMPLETE_MAX = 32
# What a cohort with fewer neighbours stands: this share colludes with the aggregator, that share vanishes.
COLLUDING = 0.25
VANISHING = 0.1
# Chance that some owner's mask can be opened, or a graph falls apart: below 2^-40. That a round fails: below 2^-20.
SECURITY_BITS = 40.0
SUCCESS_BITS = 20.0
# The widest cohort; its bitmap has 12 kB.
COHORT_MAX = 100_000


class CohortTooLarge(RidgewayError):
    """More owners than one round can hold."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Neighbours of each node (k), and shares that open a secret (t)."""

    degree: int
    threshold: int


@lru_cache(maxsize=256)
def plan(size: int) -> Plan:
    """The plan for a cohort of so many nodes.

    Raises:
        CohortTooLarge: more than `COHORT_MAX`.
    """
    if size > COHORT_MAX:
        raise CohortTooLarge(f"a round holds at most {COHORT_MAX} owners, not {size}; ask fewer")
    if size <= COMPLETE_MAX:
        return Plan(size - 1, threshold(size - 1))
    degree = COMPLETE_MAX
    while degree < size - 1 and not _suffices(size, degree):
        degree += 2
    degree = min(degree, size - 1)
    return Plan(degree, threshold(degree))


def threshold(degree: int) -> int:
    """Strictly more than two thirds of the neighbours and the owner itself."""
    return 2 * (degree + 1) // 3 + 1


def neighbours(root: bytes, size: int, position: int) -> tuple[int, ...]:
    """The neighbours of a position, ascending, for a cohort whose advertisements have this Merkle root."""
    degree = plan(size).degree
    if degree == size - 1:
        return tuple(other for other in range(size) if other != position)
    order, places = _ring(root, size)
    place, reach = places[position], degree // 2
    offsets = [*range(-reach, 0), *range(1, reach + 1)]
    return tuple(sorted(order[(place + offset) % size] for offset in offsets))


@lru_cache(maxsize=4)
def _ring(root: bytes, size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The positions in the order of the ring, and each position's place in it."""
    order = sorted(
        range(size), key=lambda position: hashlib.sha256(b"ridgeway/v1/ring" + root + position.to_bytes(4)).digest()
    )
    places = [0] * size
    for place, position in enumerate(order):
        places[position] = place
    return tuple(order), tuple(places)


def _suffices(size: int, degree: int) -> bool:
    needed = threshold(degree)
    colluding, vanishing = math.ceil(COLLUDING * size), math.ceil(VANISHING * size)
    opened = _log2_tail(size - 1, colluding, degree, needed)
    stuck = _log2_tail(size - 1, vanishing, degree, degree + 2 - needed)
    torn = degree // 2 * math.log2((colluding + vanishing) / size)
    spread = math.log2(size)
    return max(opened, torn) + spread <= -SECURITY_BITS and stuck + spread <= -SUCCESS_BITS


def _log2_tail(population: int, marked: int, drawn: int, at_least: int) -> float:
    """log2 of the chance that a draw without replacement holds at least so many marked ones (hypergeometric tail)."""
    ways = sum(
        math.comb(marked, hit) * math.comb(population - marked, drawn - hit)
        for hit in range(at_least, min(drawn, marked) + 1)
    )
    return math.log2(ways) - math.log2(math.comb(population, drawn)) if ways else -math.inf
