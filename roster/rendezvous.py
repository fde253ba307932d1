"""Whose turn it is to add up: rendezvous hashing (Thaler and Ravishankar 1998), so that nobody has to be asked.

Who sees the same members and the same rounds chooses the same one. Who does not may choose another: two aggregators at
once do no harm, since every member takes part in one round at a time and votes once in it.
"""

import hashlib
from collections.abc import Iterable

from ridgeway.crypto.labels import ROUND_AGGREGATOR


def aggregator(federation_id: str, turn: int, candidates: Iterable[str]) -> str | None:
    """The owner whose turn it is: the one of the greatest hash; None without a candidate.

    Args:
        federation_id: the federation's.
        turn: grows, so that nobody holds everybody up for long.
        candidates: owners whose nodes are believed to live and can be dialled.
    """

    def weight(owner: str) -> tuple[bytes, str]:
        said = ROUND_AGGREGATOR + f"{federation_id}/{turn}/{owner}".encode()
        return hashlib.sha256(said).digest(), owner

    return max(candidates, key=weight, default=None)
