"""What counting gives in the end, whoever counted."""

from dataclasses import dataclass

from ridgeway.errors import RidgewayError
from ridgeway.feature_map import Accumulator
from ridgeway.features import Features
from ridgeway.hold_out import HoldOut
from ridgeway.manifest import Manifest
from ridgeway.node.prompts import ReadReport
from ridgeway.node.statistics_file import DomainSums
from ridgeway.statistics import NoTokens


class EngineError(RidgewayError):
    """An engine that cannot count."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Statistics, and how their prompts were read."""

    sums: DomainSums
    report: ReadReport


def outcome(domain: str, manifest: Manifest, rows: Accumulator, hold_out: HoldOut, report: ReadReport) -> Counted:
    """What was added up, after the last prompt.

    Raises:
        NoTokens: nothing was.
    """
    sums = rows.sums()
    if sums.rows == 0:
        raise NoTokens("no prompt of this domain has a token that the embedder knows; check its files and --field")
    return Counted(
        DomainSums(
            domain, Features.of(manifest), sums, hold_out.prompts(), report.prompts, report.blank, report.skipped
        ),
        report,
    )
