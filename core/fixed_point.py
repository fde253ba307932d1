"""Fixed-point integers in the ring Z/2^64 (DESIGN section 3).

Sums of such integers do not depend on order, so every member that holds the same contributions holds the same bits, and
masked sums equal plain ones. They are carried as int64, little endian; addition wraps, and head-room keeps any sum of
up to 2^16 contributions from doing so.
"""

import numpy as np
import numpy.typing as npt

from ridgeway.errors import RidgewayError

# A sum of 65,536 contributions stays inside int64.
HEADROOM_BITS = 16
CONTRIBUTION_BITS = 63 - HEADROOM_BITS
# One contribution's numbers stay below this many units.
UNITS_MAX = 1 << CONTRIBUTION_BITS


class FixedPointError(RidgewayError):
    """A value that cannot be written in fixed point."""


class NonFiniteValue(FixedPointError):
    """NaN or infinity."""


class FixedPointOverflow(FixedPointError):
    """A value outside the head-room."""


def encode(values: npt.NDArray[np.float64], fraction_bits: int) -> npt.NDArray[np.int64]:
    """round(values * 2^fraction_bits), half to even; the same shape, int64.

    Raises:
        NonFiniteValue: a value is NaN or infinite.
        FixedPointOverflow: a value reaches 2^(47 - fraction_bits).
    """
    units = np.rint(np.ldexp(values, fraction_bits))
    if not np.isfinite(values).all():
        raise NonFiniteValue("a value is not finite; check the embedder's matrix for NaN and infinity")
    largest = float(np.max(np.abs(units), initial=0.0))
    if largest >= UNITS_MAX:
        raise FixedPointOverflow(
            f"a value of {largest / 2.0**fraction_bits:.3g} exceeds {UNITS_MAX / 2.0**fraction_bits:.3g}, the most for "
            f"{fraction_bits} fraction bits; contribute fewer rows, or found the federation with --mass owner"
        )
    return units.astype(np.int64)


def decode(units: npt.NDArray[np.int64], fraction_bits: int) -> npt.NDArray[np.float64]:
    """units / 2^fraction_bits, float64, the same shape; exact below 2^53 units."""
    values = units.astype(np.float64)
    values *= 2.0**-fraction_bits
    return values
