"""The pseudo-random block of the pooled feature map: a sign for each vocabulary entry and column, from a seed.

Its rows tell words apart that the embedding holds to be alike. A sign is one bit, so the whole matrix is h / 8 bytes an
entry and is made anew in milliseconds; it is neither stored nor sent.
"""

import hashlib
import struct
from functools import lru_cache

import numpy as np
import numpy.typing as npt

_LABEL = b"ridgeway/v1/projection"


@lru_cache(maxsize=4)
def packed_signs(seed: int, vocabulary_size: int, columns: int) -> npt.NDArray[np.uint8]:
    """The signs as bits, uint8[V, h / 8], read-only; SHAKE-128 of seed, V and h gives the same on every machine.

    Args:
        seed: the manifest's, uint64.
        vocabulary_size: V.
        columns: h, a multiple of 8.
    """
    source = hashlib.shake_128(_LABEL + struct.pack("<QQQ", seed, vocabulary_size, columns))
    return np.frombuffer(source.digest(vocabulary_size * columns // 8), dtype=np.uint8).reshape(vocabulary_size, -1)


def signs(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Packed rows as numbers, float32[n, h]: a bit 0 is -1, a bit 1 is +1."""
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2.0 - 1.0
