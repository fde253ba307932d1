"""What a node brings to a round: its change of the sum, or its counts, before any mask."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ridgeway import round_vector
from ridgeway.layout import Layout
from ridgeway.node.contribution import numbers
from ridgeway.node.round_state import Parts
from ridgeway.node.state import Prepared
from ridgeway.proto.messages import Intention, RoundKind
from ridgeway.round_vector import SignedContribution
from ridgeway.secagg.participant import Involvement
from ridgeway.trial import Counts, TrialSum


@dataclass(frozen=True, slots=True)
class Trial:
    """Our counts of one router version on our hold-outs.

    Attributes:
        version: of the router.
        domains: the router's.
        ways: how many ways to decide were tried.
        counts: by domain, one for each way.
    """

    version: int
    domains: tuple[str, ...]
    ways: int
    counts: Mapping[str, list[Counts]] = field(repr=False)

    def vector(self) -> npt.NDArray[np.int64]:
        """Everything that is counted, int64."""
        return TrialSum.of(self.ways, self.domains, [self.counts]).to_vector()


@dataclass(frozen=True, slots=True)
class Part:
    """What a node brings to one round that changes the sum.

    Attributes:
        kind: of the round.
        parts: what of ours is in the sum, and what should be, when the round was called.
    """

    kind: RoundKind
    parts: Parts

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that our vector touches: those that differ, in a full round all that we contribute to."""
        if self.kind is RoundKind.FULL:
            return tuple(sorted(self.parts.wanted))
        return self.parts.touched

    @property
    def targets(self) -> dict[str, Prepared | None]:
        """What becomes of each domain of ours that changes if the round is committed."""
        domains = self.parts.touched
        if self.kind is RoundKind.FULL:
            domains = tuple(sorted(self.parts.committed.keys() | self.parts.wanted.keys()))
        return {domain: self.parts.wanted.get(domain) for domain in domains}

    def involvement(self, owner: str, *, settled: bool) -> Involvement:
        """What our advertisement states; who is not settled in the sum changes it by coming back."""
        changed = bool(self.parts.touched) or (self.kind is RoundKind.FULL and not settled)
        return Involvement(owner, changed, self.domains, tuple(sorted(self.parts.wanted)))

    def vector(self, payloads: Path, layout: Layout, domains: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """Our change, int64, laid out for the round's domains. Blocks."""
        return round_vector.change(layout, domains, self._changes(payloads))

    def _changes(self, payloads: Path) -> Iterator[SignedContribution]:
        """What comes and goes, read one after another."""
        for domain in self.domains:
            before, after = self.parts.committed.get(domain), self.parts.wanted.get(domain)
            if after is not None:
                yield SignedContribution(domain, numbers(payloads, after), after.rows, 1)
            if before is not None and self.kind is not RoundKind.FULL:
                yield SignedContribution(domain, numbers(payloads, before), before.rows, -1)


def intention(
    parts: Parts,
    settled: bytes,
    opened: bytes,
    *,
    out_of_step: bool,
    trial_version: int,
    exposed: Set[str],
    exposed_kind: RoundKind,
) -> Intention:
    """What we would do in the next round."""
    return Intention(
        domains=parts.touched,
        remaining=tuple(sorted(parts.wanted)),
        settled_round=settled,
        open_round=opened,
        out_of_step=out_of_step,
        trial_version=trial_version,
        exposed=tuple(sorted(exposed)),
        exposed_kind=exposed_kind,
    )
