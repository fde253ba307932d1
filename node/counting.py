"""Add up a source's prompts: one thread reads and adds while the tokeniser works on the next batch."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ridgeway.ahead import THREADS, encode_ahead
from ridgeway.embedder import Embedder
from ridgeway.feature_map import Accumulator
from ridgeway.hold_out import HoldOut
from ridgeway.node.prompts import PromptSource, ReadReport, batches
from ridgeway.node.prompts.reading import read_all


def add_prompts(
    source: PromptSource,
    embedder: Embedder,
    accumulator: Accumulator,
    on_progress: Callable[[ReadReport], None] = lambda _: None,
    hold_out: HoldOut | None = None,
) -> None:
    """Add every prompt of a source to an accumulator, but those held out. Blocks; tells the progress of every batch.

    Raises:
        PromptError: the source cannot be read.
    """
    count([source], embedder, accumulator, on_progress, hold_out)


def count(
    sources: Sequence[PromptSource],
    embedder: Embedder,
    accumulator: Accumulator,
    on_progress: Callable[[ReadReport], None],
    hold_out: HoldOut | None,
) -> ReadReport:
    """The same of several sources of one domain; what was read.

    Raises:
        PromptError: a source cannot be read.
    """
    report = ReadReport()
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="tokenise") as executor:
        prompts = batches(read_all(sources, report))
        for batch, encodings in encode_ahead(prompts, embedder, executor.submit):
            accumulator.add(hold_out.split(batch, encodings) if hold_out else encodings)
            on_progress(report)
    if hold_out:
        accumulator.add(hold_out.given_back())
    on_progress(report)
    return report
