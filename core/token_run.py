"""Prompts as one run of token ids, which numpy works on at once."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class TokenRun(NamedTuple):
    """The token ids of n prompts, one prompt after another.

    Attributes:
        ids: int64, of all prompts.
        lengths: int64[n], how many ids each prompt has.
    """

    ids: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, lists: Iterable[Sequence[int]]) -> "TokenRun":
        """Put prompts together. Each is forgotten before the next is asked for: a tokeniser makes its ids then."""
        lengths: list[int] = []

        def counted() -> Iterator[Sequence[int]]:
            for ids in lists:
                lengths.append(len(ids))
                yield ids

        ids = np.fromiter(chain.from_iterable(counted()), dtype=np.int64)
        return cls(ids, np.array(lengths, dtype=np.int64))
