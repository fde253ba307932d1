"""Count a source's tokens: one thread reads and counts while the tokeniser works on the next batch."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ridgeway.ahead import encode_ahead
from ridgeway.embedder import Embedder
from ridgeway.node.prompts import PromptSource, ReadReport, batches, read_prompts
from ridgeway.statistics import TokenHistogram


def count_tokens(
    source: PromptSource, embedder: Embedder, on_progress: Callable[[ReadReport], None] = lambda _: None
) -> TokenHistogram:
    """The token histogram of a source. Blocks; the progress is told after every batch.

    Raises:
        PromptError: the source cannot be read.
    """
    histogram = TokenHistogram.empty(embedder)
    report = ReadReport()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenise") as executor:
        prompts = batches(read_prompts(source, report=report))
        for _, encodings in encode_ahead(prompts, embedder, executor.submit):
            histogram.add(encodings)
            on_progress(report)
    on_progress(report)
    return histogram
