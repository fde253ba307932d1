"""How one contribution's numbers lie in a vector: the packed triangle of its G, or its moment alone.

A Gram matrix holds the moment as its last column. Under differential privacy nobody releases one (see
`ridgeway.privacy`), so there a contribution is the moment and nothing else.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ridgeway import triangle


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of every contribution of one federation.

    Attributes:
        dimension: D.
        fraction_bits: of the fixed point.
        moments_only: whether there are no Gram matrices.
    """

    dimension: int
    fraction_bits: int
    moments_only: bool = False

    @property
    def gram_numbers(self) -> int:
        """Numbers that the sum holds of A."""
        return 0 if self.moments_only else triangle.length(self.dimension)

    @property
    def numbers(self) -> int:
        """Numbers of one contribution."""
        return self.dimension if self.moments_only else triangle.length(self.dimension)

    def moment(self, vector: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The moment in a contribution, int64[D]."""
        return vector if self.moments_only else triangle.last_column(vector, self.dimension)
