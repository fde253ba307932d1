"""A private hold-out: prompts that an owner keeps out of its statistics, to see how a router does on what it never saw.

Which ones is decided by a keyed hash of the prompt, so the choice is stable when files grow, equal prompts stay on one
side, and nobody without the key can tell.
"""

import hashlib
from collections.abc import Sequence
from heapq import heappush, heappushpop

from tokenizers import Encoding

from ridgeway.errors import RidgewayError

# Prompts kept of one domain: enough for an accuracy to 1 %, and a router is tried on them in milliseconds.
HOLD_OUT_MAX = 1000
# With fewer than these the statistics need them more.
HOLD_OUT_MIN = 5
_DIGEST_BYTES = 8


class BadHoldOut(RidgewayError):
    """A share of prompts that cannot be held out."""


class HoldOut:
    """Splits one domain's prompts as they come.

    Args:
        key: the owner's secret, 16 to 64 bytes.
        fraction: the share of prompts to hold out, in [0, 0.5].

    Raises:
        BadHoldOut: the fraction is out of range.
    """

    def __init__(self, key: bytes, fraction: float) -> None:
        if not 0.0 <= fraction <= 0.5:
            raise BadHoldOut(f"the share of prompts to hold out must lie between 0 and 0.5, not {fraction}")
        self._key = key
        self._below = int(fraction * (1 << 8 * _DIGEST_BYTES))
        self._kept: list[tuple[int, int, Encoding]] = []
        self._held = 0

    def split(self, prompts: Sequence[str], encodings: Sequence[Encoding]) -> Sequence[Encoding]:
        """The encodings to count; the others are held out, of which the `HOLD_OUT_MAX` of smallest hash are kept."""
        if self._below == 0:
            return encodings
        counted = []
        for prompt, encoding in zip(prompts, encodings, strict=True):
            place = self._hash(prompt)
            if place >= self._below:
                counted.append(encoding)
                continue
            self._held += 1
            entry = (-place, self._held, encoding)
            if len(self._kept) < HOLD_OUT_MAX:
                heappush(self._kept, entry)
            else:
                heappushpop(self._kept, entry)
        return counted

    def given_back(self) -> list[Encoding]:
        """After the last prompt: what was held out in vain, because it is too little to measure anything by."""
        if self._held >= HOLD_OUT_MIN:
            return []
        kept, self._kept = self._kept, []
        return [encoding for _, _, encoding in kept]

    def prompts(self) -> list[list[int]]:
        """The kept prompts as token ids."""
        return [encoding.ids for _, _, encoding in sorted(self._kept, key=lambda entry: entry[:2])]

    def _hash(self, prompt: str) -> int:
        digest = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), key=self._key, digest_size=_DIGEST_BYTES)
        return int.from_bytes(digest.digest(), "big")
