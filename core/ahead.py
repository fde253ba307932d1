"""Tokenise one batch ahead: while one batch is counted or routed, the next is tokenised.

The tokeniser releases the interpreter lock and uses all cores, but handing its results to Python does not; running both
at once hides the latter. The threads come from outside, so this file starts none.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from tokenizers import Encoding

from ridgeway.embedder import Embedder

T_co = TypeVar("T_co", covariant=True)


# Threads that tokenise. A batch that begins needs the interpreter lock for a moment, which whoever works on the batch
# before may hold for 5 ms; meanwhile the other thread's batch keeps the cores busy.
THREADS: Final = 2


class Pending(Protocol[T_co]):
    """A result that is being made."""

    def result(self) -> T_co:
        """Wait for it."""


Submit = Callable[[Callable[[Sequence[str]], list[Encoding]], Sequence[str]], Pending[list[Encoding]]]


def encode_ahead(
    batches: Iterable[Sequence[str]], embedder: Embedder, submit: Submit
) -> Iterator[tuple[Sequence[str], list[Encoding]]]:
    """Each batch with its encodings, in order; at most one further batch is held.

    Args:
        batches: prompts, in batches of bounded size.
        embedder: whose tokeniser runs.
        submit: of an executor of `THREADS` threads.
    """
    waiting: tuple[Sequence[str], Pending[list[Encoding]]] | None = None
    for batch in batches:
        started = (batch, submit(embedder.encode_batch, batch))
        if waiting is not None:
            yield waiting[0], waiting[1].result()
        waiting = started
    if waiting is not None:
        yield waiting[0], waiting[1].result()
