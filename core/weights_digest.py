"""One digest for router weights that are equal but for rounding, so that machines can compare what they solved.

Equal sums are equal to the bit, but two machines' BLAS may round their last bits apart. W is therefore rounded to
integers of 2^-16 of a power of two that its largest entry determines. The relative error of a solution is some 1e-12,
so of the ten thousand numbers of a router one falls on different sides of a border once in a thousand routers: a
difference here asks for a look, one between sums is a fault.
"""

import hashlib
import struct

import numpy as np
import numpy.typing as npt

ROUNDED_BITS = 16
_LABEL = b"ridgeway/v1/rounded-weights"


def rounded_digest(sum_digest: bytes, weights: npt.NDArray[np.float64]) -> bytes:
    """SHA-256 over W, float64[D, K], rounded to `ROUNDED_BITS` below its largest entry's binary exponent, 32 bytes.

    Args:
        sum_digest: of the sum that W was solved from.
        weights: W.
    """
    largest = float(np.abs(weights).max(initial=0.0))
    exponent = int(np.frexp(largest)[1]) if largest else 0
    rounded = np.rint(np.ldexp(weights, ROUNDED_BITS - exponent)).astype("<i8")
    header = _LABEL + sum_digest + struct.pack("<iQQ", exponent, *weights.shape)
    return hashlib.sha256(header + rounded.tobytes()).digest()
