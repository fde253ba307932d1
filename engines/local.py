"""Count on this machine: one reader, and a tokeniser on all cores; memory does not grow with the corpus."""

from collections.abc import Callable, Sequence

from ridgeway.embedder import Embedder
from ridgeway.engines.outcome import Counted, outcome
from ridgeway.feature_map import accumulator
from ridgeway.hold_out import HoldOut
from ridgeway.node.assignment import Assignment
from ridgeway.node.counting import count
from ridgeway.node.prompts import PromptSource, ReadReport


def count_here(
    domain: str,
    sources: Sequence[PromptSource],
    assignment: Assignment,
    embedder: Embedder,
    on_progress: Callable[[ReadReport], None],
) -> Counted:
    """The statistics of some sources. Blocks.

    Args:
        domain: what the prompts are about.
        sources: read one after another.
        assignment: what is computed of them.
        embedder: as the federation's features see it.
        on_progress: told after every batch.

    Raises:
        PromptError: a source cannot be read.
        NoTokens: no prompt has a known token.
    """
    rows = accumulator(assignment.manifest, embedder)
    hold_out = HoldOut(assignment.hold_out_key, assignment.held_out)
    report = count(sources, embedder, rows, on_progress, hold_out)
    return outcome(domain, assignment.manifest, rows, hold_out, report)
