"""The federation's sum: exact integers, so that joining and leaving restores the earlier bits (DESIGN section 3).

Over all contributions it holds the packed triangle of A = sum of G; for each domain the moment (its column of B, which
is the last column of its G) and the number of rows. All of it is additive, so that a masked round's sum can be added
the same way.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ridgeway import fixed_point, triangle
from ridgeway.errors import RidgewayError
from ridgeway.layout import Layout
from ridgeway.manifest import MassRule

_LABEL = b"ridgeway/v1/sum"


class NotInSum(RidgewayError):
    """A contribution to be taken out that is not in."""


class InconsistentSum(RidgewayError):
    """The domains' moments do not add up to the last column of A."""


@dataclass(slots=True)
class DomainSum:
    """What the sum holds for one domain: the moment in fixed point (int64[D]), rows, and how many contributions."""

    moment: npt.NDArray[np.int64] = field(repr=False)
    rows: int = 0
    contributions: int = 0

    def check_mass(self, name: str, mass_rule: MassRule, fraction_bits: int) -> None:
        """Counts and mass must fit together, in a difference of two sums too.

        Raises:
            InconsistentSum: they do not.
        """
        weight = self.contributions if mass_rule is MassRule.OWNER else self.rows
        if int(self.moment[-1]) != weight << fraction_bits:
            raise InconsistentSum(
                f"the counts and the mass of domain {name!r} contradict each other; nothing was added"
            )

    def check(self, name: str, mass_rule: MassRule, fraction_bits: int) -> None:
        """Counts and mass must fit together, and nothing may stay of a domain without contributions.

        Raises:
            InconsistentSum: they do not.
        """
        self.check_mass(name, mass_rule, fraction_bits)
        if self.contributions < 0 or self.rows < self.contributions:
            raise InconsistentSum(f"the counts of domain {name!r} contradict each other; nothing was added")
        if self.contributions == 0 and (self.rows or self.moment.any()):
            raise InconsistentSum(f"domain {name!r} has no contribution and yet a moment; nothing was added")


@dataclass(slots=True)
class FederationSum:
    """The exact sum of all contributions of one federation.

    Attributes:
        layout: the manifest's.
        triangle: of A, packed, int64; empty where contributions are moments only.
    """

    layout: Layout
    triangle: npt.NDArray[np.int64] = field(init=False, repr=False)
    _domains: dict[str, DomainSum] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.triangle = np.zeros(self.layout.gram_numbers, dtype=np.int64)

    @classmethod
    def of(cls, layout: Layout, packed: npt.NDArray[np.int64], domains: Mapping[str, DomainSum]) -> "FederationSum":
        """A sum from its parts, whose memory it shares; whether they fit together, `plus` and `check` say."""
        made = cls(Layout(0, 0))
        made.layout, made.triangle, made._domains = layout, packed, dict(domains)
        return made

    @property
    def dimension(self) -> int:
        """D."""
        return self.layout.dimension

    @property
    def fraction_bits(self) -> int:
        """Of the fixed point."""
        return self.layout.fraction_bits

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains with at least one contribution, sorted; this is the order of B's columns."""
        return tuple(sorted(self._domains))

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of each domain, in the order of `domains`."""
        return tuple(self._domains[name].rows for name in self.domains)

    @property
    def parts(self) -> dict[str, DomainSum]:
        """What is held for each domain, in the order of `domains`; not to be changed."""
        return {name: self._domains[name] for name in self.domains}

    @property
    def masses(self) -> npt.NDArray[np.float64]:
        """Mass of each domain, float64[K], in the order of `domains`."""
        corners = np.array([self._domains[name].moment[-1] for name in self.domains], dtype=np.int64)
        return fixed_point.decode(corners, self.fraction_bits)

    def add(self, domain: str, vector: npt.NDArray[np.int64], rows: int) -> None:
        """Add one contribution: its numbers as the layout has them, int64, and its number of rows."""
        self.add_blocks(domain, (vector,), rows)

    def add_blocks(self, domain: str, blocks: Iterable[npt.NDArray[np.int64]], rows: int) -> None:
        """Add one contribution whose numbers come in blocks, so that it need not be in memory as a whole."""
        held = self._domains.setdefault(domain, DomainSum(np.zeros(self.dimension, dtype=np.int64)))
        held.moment += self._change(np.add, blocks)
        held.rows += rows
        held.contributions += 1

    def subtract(self, domain: str, vector: npt.NDArray[np.int64], rows: int) -> None:
        """Take one contribution out again; a domain goes with its last contribution.

        Raises:
            NotInSum: the domain has no contribution, or fewer rows.
        """
        self.subtract_blocks(domain, (vector,), rows)

    def subtract_blocks(self, domain: str, blocks: Iterable[npt.NDArray[np.int64]], rows: int) -> None:
        """Take one contribution out whose numbers come in blocks.

        Raises:
            NotInSum: see `subtract`.
        """
        held = self._domains.get(domain)
        if held is None or held.rows < rows:
            raise NotInSum(f"domain {domain} holds no contribution of {rows} rows; rebuild the sum from the ledger")
        held.moment += self._change(np.subtract, blocks)
        held.rows -= rows
        held.contributions -= 1
        if held.contributions == 0:
            del self._domains[domain]

    def plus(self, part: "FederationSum", mass_rule: MassRule) -> "FederationSum":
        """This sum and another, such as a round's, whose numbers may be negative; neither is changed.

        Args:
            part: what is added.
            mass_rule: the manifest's.

        Raises:
            InconsistentSum: what comes out cannot be a sum of contributions.
        """
        total = self.copy()
        total.accumulate(part)
        total.settle(mass_rule)
        return total

    def accumulate(self, part: "FederationSum") -> None:
        """Add another sum, whose numbers may be negative; what comes out is no sum before `settle` has checked it."""
        self.triangle += part.triangle
        for name, other in part._domains.items():
            held = self._domains.setdefault(name, DomainSum(np.zeros(self.dimension, dtype=np.int64)))
            held.moment += other.moment
            held.rows += other.rows
            held.contributions += other.contributions

    def settle(self, mass_rule: MassRule) -> None:
        """Check that this is a sum of contributions, and drop domains that none is left of.

        Raises:
            InconsistentSum: it cannot be one.
        """
        for name in self.domains:
            self._domains[name].check(name, mass_rule, self.fraction_bits)
            if self._domains[name].contributions == 0:
                del self._domains[name]
        self.check()

    def check_change(self, mass_rule: MassRule) -> None:
        """Check what holds for every difference of two sums, such as a round's: numbers may be negative.

        Raises:
            InconsistentSum: it cannot be one.
        """
        for name in self.domains:
            self._domains[name].check_mass(name, mass_rule, self.fraction_bits)
        self.check()

    def _change(self, change: np.ufunc, blocks: Iterable[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
        """Add or subtract block by block; by how much the moment changed, int64[D]."""
        if self.layout.moments_only:
            return change(0, np.concatenate(list(blocks)))  # type: ignore[no-any-return]
        before, seen = triangle.last_column(self.triangle, self.dimension), 0
        for block in blocks:
            place = self.triangle[seen : seen + block.size]
            change(place, block, out=place)
            seen += block.size
        return triangle.last_column(self.triangle, self.dimension) - before

    def normal_equations(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """A (float64, D x D) and B (float64, D x K) of the ridge regression.

        Raises:
            InconsistentSum: see `check`.
        """
        self.check()
        a = triangle.unpack(fixed_point.decode(self.triangle, self.fraction_bits), self.dimension)
        return a, self.moments()

    def moments(self) -> npt.NDArray[np.float64]:
        """B, float64, D x K."""
        moments = np.array([self._domains[name].moment for name in self.domains], dtype=np.int64)
        return fixed_point.decode(moments, self.fraction_bits).reshape(-1, self.dimension).T

    def check(self) -> None:
        """Every row has exactly one label, so the moments' sum is the last column of A, if there is one; masked or not.

        Raises:
            InconsistentSum: it is not.
        """
        if self.layout.moments_only:
            return
        moments = np.zeros(self.dimension, dtype=np.int64)
        for held in self._domains.values():
            moments += held.moment
        if not np.array_equal(moments, triangle.last_column(self.triangle, self.dimension)):
            raise InconsistentSum("the moments do not add up to the last column of A; rebuild the sum from the ledger")

    def copy(self) -> "FederationSum":
        """An independent copy, for a solver that runs while the sum goes on."""
        other = FederationSum(self.layout)
        other.triangle[:] = self.triangle
        other._domains = {
            name: DomainSum(held.moment.copy(), held.rows, held.contributions) for name, held in self._domains.items()
        }
        return other

    def digest(self, manifest_digest: bytes) -> bytes:
        """SHA-256 over canonical bytes: equal sums give equal digests on every machine, 32 bytes."""
        digest = hashlib.sha256(_LABEL + manifest_digest)
        digest.update(struct.pack("<QQQ", self.dimension, self.fraction_bits, len(self._domains)))
        for name in self.domains:
            held = self._domains[name]
            encoded = name.encode()
            digest.update(struct.pack("<QQ", len(encoded), held.rows) + encoded)
            digest.update(held.moment.astype("<i8", copy=False).data)
        digest.update(self.triangle.astype("<i8", copy=False).data)
        return digest.digest()
