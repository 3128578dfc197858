"""Numbers of what stands out, brought to unit rows beside those of networks."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from embeddings.records import unit_rows

_FAR = 3.0  # standard deviations: one odd picture does not outweigh all others

Rows = NDArray[np.float32]


class NumbersReducer:
    """Standardise numbers over the pictures in which something stands out; unit rows.

    The numbers of one kind are each as good as another, so there are no principal axes: those of
    size would count as often as they are told.

    Attributes
    ----------
    mean_, spread_ : (d,) float32
    """

    mean_: Rows
    spread_: Rows

    def fit(self, numbers: Rows) -> Self:
        """Measure mean and spread of (n, d) numbers."""
        self.mean_ = numbers.mean(axis=0)
        spread = numbers.std(axis=0)
        self.spread_ = np.where(spread > 1e-6, spread, 1).astype(np.float32)
        return self

    def transform(self, numbers: Rows) -> Rows:
        """Bring (n, d) numbers to (n, d) unit rows."""
        far = np.clip((numbers - self.mean_) / self.spread_, -_FAR, _FAR)
        return unit_rows(far)
