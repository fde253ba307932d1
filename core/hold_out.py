"""A private hold-out: prompts that an owner keeps out of its statistics, to see how a router does on what it never saw.

Which ones is decided by a keyed hash of the prompt, so the choice is stable when files grow, equal prompts stay on one
side, and nobody without the key can tell.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop

from ridgeway.errors import RidgewayError
from ridgeway.statistics import Tokenised

# Prompts kept of one domain: enough for an accuracy to 1 %, and a router is tried on them in milliseconds.
HOLD_OUT_MAX = 1000
# With fewer than these the statistics need them more.
HOLD_OUT_MIN = 5
_DIGEST_BYTES = 8


class BadHoldOut(RidgewayError):
    """A share of prompts that cannot be held out."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One prompt that was held out.

    Attributes:
        place: its hash.
        ids: its tokens.
    """

    place: int
    ids: list[int] = field(repr=False)


class HoldOut:
    """Splits one domain's prompts as they come.

    Args:
        key: the owner's secret, 16 to 64 bytes.
        fraction: the share of prompts to hold out, in [0, 0.5].

    Attributes:
        held: how many were held out.

    Raises:
        BadHoldOut: the fraction is out of range.
    """

    def __init__(self, key: bytes, fraction: float) -> None:
        if not 0.0 <= fraction <= 0.5:
            raise BadHoldOut(f"the share of prompts to hold out must lie between 0 and 0.5, not {fraction}")
        self._key = key
        self._below = int(fraction * (1 << 8 * _DIGEST_BYTES))
        # A heap: of the largest hash first, and of equal ones, which are equal prompts, the last.
        self._kept: list[tuple[int, int, HeldOut]] = []
        self._entries = 0
        self.held = 0

    def split(self, prompts: Sequence[str], encodings: Sequence[Tokenised]) -> Sequence[Tokenised]:
        """The encodings to count; the others are held out, of which the `HOLD_OUT_MAX` of smallest hash are kept."""
        if self._below == 0:
            return encodings
        counted = []
        for prompt, encoding in zip(prompts, encodings, strict=True):
            place = self._hash(prompt)
            if place >= self._below:
                counted.append(encoding)
                continue
            self.held += 1
            self._keep(HeldOut(place, encoding.ids))
        return counted

    def merge(self, held: int, kept: Sequence[HeldOut]) -> None:
        """Take over what another one with the same key held out of other prompts: how many, and those it `kept`."""
        self.held += held
        for prompt in kept:
            self._keep(prompt)

    def kept(self) -> list[HeldOut]:
        """The prompts that are kept, by descending hash."""
        return [prompt for _, _, prompt in sorted(self._kept, key=lambda entry: entry[:2])]

    def given_back(self) -> list[HeldOut]:
        """After the last prompt: what was held out in vain, because it is too little to measure anything by."""
        if self.held >= HOLD_OUT_MIN:
            return []
        kept, self._kept, self.held = self.kept(), [], 0
        return kept

    def prompts(self) -> list[list[int]]:
        """The kept prompts as token ids."""
        return [prompt.ids for prompt in self.kept()]

    def _keep(self, prompt: HeldOut) -> None:
        self._entries += 1
        entry = (-prompt.place, self._entries, prompt)
        if len(self._kept) < HOLD_OUT_MAX:
            heappush(self._kept, entry)
        else:
            heappushpop(self._kept, entry)

    def _hash(self, prompt: str) -> int:
        digest = hashlib.blake2b(prompt.encode("utf-8", "surrogatepass"), key=self._key, digest_size=_DIGEST_BYTES)
        return int.from_bytes(digest.digest(), "big")
