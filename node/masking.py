"""Masking a vector on every core: the keystream of each part begins where that of the one before ends."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from ridgeway.secagg.masks import BLOCK_NUMBERS, Mask, Masking

# Parts shorter than this take longer to hand to a thread than to mask.
_PART_MIN = BLOCK_NUMBERS


def mask_in_parallel(vector: npt.NDArray[np.int64], masks: Sequence[Mask], threads: int | None = None) -> None:
    """Add masks to a whole vector, int64, in place; blocks.

    Args:
        vector: ours.
        masks: pairwise ones and our own.
        threads: None for one on each core that we may use.
    """
    wanted = threads or len(os.sched_getaffinity(0))
    # An even number, since keystreams begin at even places.
    part = max(_PART_MIN, -(-vector.size // wanted) + 1 & ~1)
    starts = range(0, vector.size, part)
    with ThreadPoolExecutor(max_workers=wanted, thread_name_prefix="mask") as executor:
        for _ in executor.map(lambda start: Masking(masks, start).add_to(vector[start : start + part]), starts):
            pass
