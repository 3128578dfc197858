"""Numbers of what stands out, brought to unit rows beside those of networks."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from discovery.estimators.pca import PCAReducer

_FAR = 3.0  # standard deviations: one odd picture does not outweigh all others
_AXES = 12  # what a dozen and a half numbers say of a region, of which size is told several times

Rows = NDArray[np.float32]


class NumbersReducer:
    """Principal components of standardised numbers; rows made unit.

    Parameters
    ----------
    whiten : float
        As in `PCAReducer`: size, which several numbers tell, does not count as often as it is told.
    seed : int

    Attributes
    ----------
    mean_, spread_ : (d,) float32
    """

    mean_: Rows
    spread_: Rows

    def __init__(self, *, whiten: float, seed: int) -> None:
        self._reducer = PCAReducer(_AXES, whiten=whiten, random_state=seed)

    def fit(self, numbers: Rows) -> Self:
        """Measure mean, spread and axes of (n, d) numbers."""
        self.mean_ = numbers.mean(axis=0)
        spread = numbers.std(axis=0)
        self.spread_ = np.where(spread > 1e-6, spread, 1).astype(np.float32)
        self._reducer.fit(self._standardise(numbers))
        return self

    def transform(self, numbers: Rows) -> Rows:
        """Bring (n, d) numbers to (n, 12) unit rows."""
        return self._reducer.transform(self._standardise(numbers))

    def _standardise(self, numbers: Rows) -> Rows:
        far: Rows = np.clip((numbers - self.mean_) / self.spread_, -_FAR, _FAR).astype(np.float32)
        return far
