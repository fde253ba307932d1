"""Taking the masks off a sum, from the shares that the survivors revealed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ridgeway.proto.messages import AdvertisementBody, Revelation, Share
from ridgeway.secagg.masks import Mask, Masking
from ridgeway.secagg.sealing import pair_mask, public_key, self_mask
from ridgeway.secagg.shamir import SHARE_BYTES, BadShares, secret_of
from ridgeway.secagg.terms import seed_commitment

# Masks that are generated side by side; more would cost memory, fewer would read the vector more often.
MASKS_TOGETHER = 32


@dataclass(slots=True)
class Evidence:
    """Revealed shares, by whose secret they open and by whom they come from.

    Attributes:
        cohort: digest of the cohort.
        threshold: shares that open a secret.
        advertised: everybody's public keys, by position.
        neighbours: of each who shared.
        survivors: whose vectors are in the sum; their seeds take their self-masks off.
        vanished: who shared and sent no vector; their keys take off what others added for them.
    """

    cohort: bytes
    threshold: int
    advertised: Mapping[int, AdvertisementBody] = field(repr=False)
    neighbours: Mapping[int, tuple[int, ...]] = field(repr=False)
    survivors: frozenset[int]
    vanished: frozenset[int]
    _shares: dict[int, dict[int, bytes]] = field(init=False, repr=False, default_factory=dict)
    _short: set[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._short = {*self.survivors, *self.vanished}

    def add(self, holder: int, revelation: Revelation) -> None:
        """Take what one survivor reveals.

        Raises:
            BadShares: shares of somebody's other secret, or of an owner that is not its neighbour.
        """
        for shares, whose in ((revelation.seed_shares, self.survivors), (revelation.key_shares, self.vanished)):
            for share in shares:
                self._add(holder, share, whose)

    def _add(self, holder: int, share: Share, whose: frozenset[int]) -> None:
        around = self.neighbours.get(share.position, ())
        if share.position not in whose or (holder != share.position and holder not in around):
            raise BadShares(f"an owner revealed a share of position {share.position} that nobody asked for")
        if len(share.value) != SHARE_BYTES:
            raise BadShares(f"an owner revealed a share of {len(share.value)} bytes, it must have {SHARE_BYTES}")
        shares = self._shares.setdefault(share.position, {})
        shares[holder + 1] = share.value
        if len(shares) >= self.threshold:
            self._short.discard(share.position)

    @property
    def complete(self) -> bool:
        """Whether every secret that is needed can be opened."""
        return not self._short

    def masks(self) -> list[Mask]:
        """What must be added to the sum of masked vectors to uncover the sum.

        Raises:
            BadShares: the shares give another secret than the owner has committed to.
        """
        found = [
            self_mask(self._seed(position), self.cohort, position).inverse() for position in sorted(self.survivors)
        ]
        for position in sorted(self.vanished):
            key = self._mask_key(position)
            # Each survivor has added the inverse of what the vanished owner would have added.
            found += [
                pair_mask(key, self.advertised[other].mask_key, self.cohort, position, other)
                for other in sorted(self.survivors & set(self.neighbours[position]))
            ]
        return found

    def _seed(self, position: int) -> bytes:
        seed = secret_of(self._shares[position], self.threshold)
        if seed_commitment(seed) != self.advertised[position].seed_commitment:
            raise BadShares(f"the shares of {self.advertised[position].owner!r} do not open its mask; run a new round")
        return seed

    def _mask_key(self, position: int) -> bytes:
        key = secret_of(self._shares[position], self.threshold)
        if public_key(key) != self.advertised[position].mask_key:
            raise BadShares(f"the shares of {self.advertised[position].owner!r} do not open its key; run a new round")
        return key


def take_off(vector: npt.NDArray[np.int64], evidence: Evidence) -> None:
    """Uncover a sum of masked vectors, int64, in place.

    Raises:
        BadShares: see `Evidence.masks`; the vector is untouched.
    """
    masks = evidence.masks()
    for start in range(0, len(masks), MASKS_TOGETHER):
        Masking(masks[start : start + MASKS_TOGETHER]).add_to(vector)
