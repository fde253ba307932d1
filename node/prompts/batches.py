"""Prompts in batches of bounded number and length."""

from collections.abc import Iterable, Iterator

# Large enough to keep all cores of a tokeniser busy, small enough that a batch of encodings stays below 100 MB.
BATCH_PROMPTS = 2048
BATCH_CHARACTERS = 2_000_000


def batches(
    prompts: Iterable[str], count_max: int = BATCH_PROMPTS, characters_max: int = BATCH_CHARACTERS
) -> Iterator[list[str]]:
    """Batches of at most so many prompts and characters; a longer prompt is a batch of its own."""
    batch: list[str] = []
    characters = 0
    for prompt in prompts:
        if batch and (len(batch) == count_max or characters + len(prompt) > characters_max):
            yield batch
            batch, characters = [], 0
        batch.append(prompt)
        characters += len(prompt)
    if batch:
        yield batch
