"""Flower's SecAgg+ as a peer: its own functions, as its client mod and its server workflow call them."""

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeway.errors import RidgewayError

# Flower's default is 2^32; both sides then do the same arithmetic on 64-bit integers.
MODULUS = 1 << 32
_SECRET_BYTES = 32


class NoFlower(RidgewayError):
    """The peer is not installed."""


class FlowerPeer:
    """Flower's functions.

    Raises:
        NoFlower: it is not installed.
    """

    def __init__(self) -> None:
        try:
            package = "flwr.common.secure_aggregation"
            self._arithmetic: Any = importlib.import_module(f"{package}.ndarrays_arithmetic")
            self._masks: Any = importlib.import_module(f"{package}.secaggplus_utils")
            self._shamir: Any = importlib.import_module(f"{package}.crypto.shamir")
        except ModuleNotFoundError as error:
            raise NoFlower("the comparison with Flower needs it; run pip install 'ridgeway[flower]'") from error

    def mask(self, vector: npt.NDArray[np.int64], seeds: list[bytes]) -> npt.NDArray[np.int64]:
        """Add a self mask and pairwise masks, as `secaggplus_mod._collect_masked_vectors`."""
        masked = [vector]
        for place, seed in enumerate(seeds):
            mask = self._masks.pseudo_rand_gen(seed, MODULUS, [vector.shape])
            add = self._arithmetic.parameters_addition if place % 2 == 0 else self._arithmetic.parameters_subtraction
            masked = add(masked, mask)
        result: npt.NDArray[np.int64] = self._arithmetic.parameters_mod(masked, MODULUS)[0]
        return result

    def shares(self, secret: bytes, threshold: int, count: int) -> list[bytes]:
        """Share one secret."""
        made: list[bytes] = self._shamir.create_shares(secret, threshold, count)
        return made

    def unmask(self, vector: npt.NDArray[np.int64], secrets: list[list[bytes]], pairwise: int) -> None:
        """Open every secret from its shares and take its mask off, as `secaggplus_workflow.unmask_stage`.

        Args:
            vector: the sum of masked vectors.
            secrets: shares, a threshold of each.
            pairwise: further masks, whose keys follow from an opened one by key agreement, which is left out here.
        """
        seeds = [self._shamir.combine_shares(shares) for shares in secrets]
        self.mask(vector, seeds + [bytes([place + 1] * _SECRET_BYTES) for place in range(pairwise)])
