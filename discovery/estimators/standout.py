"""Numbers of what stands out, brought to unit rows beside those of networks."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from discovery.estimators.pca import PCAReducer
from embeddings.extractors.standout import find_found
from embeddings.large_values import Values
from embeddings.records import unit_rows

_FAR = 3.0  # standard deviations: one odd picture does not outweigh all others
_AXES = 12  # what a dozen and a half numbers say of a region, of which size is told several times

Rows = NDArray[np.float32]


class NumbersReducer:
    """Standardised numbers, or their principal components, partly whitened; rows made unit.

    Numbers begin with whether anything stands out: where nothing does, they say nothing, neither to
    the axes nor of the picture, whose row is 0.

    Parameters
    ----------
    whiten : float
        As in `PCAReducer`: size, which several numbers tell, does not count as often as it is told.
        0 leaves the numbers as they are, without axes.
    seed : int

    Attributes
    ----------
    mean_, spread_ : (d,) float32
    """

    mean_: Rows
    spread_: Rows

    def __init__(self, *, whiten: float, seed: int) -> None:
        self._axes = PCAReducer(_AXES, whiten=whiten, random_state=seed) if whiten else None

    def fit(self, values: Values) -> Self:
        """Measure mean, spread and axes of (n, d) numbers."""
        numbers = np.asarray(values)  # a dozen an image
        found = numbers[find_found(numbers)]
        told = found if len(found) > 1 else numbers
        self.mean_ = told.mean(axis=0)
        spread = told.std(axis=0)
        self.spread_ = np.where(spread > 1e-6, spread, 1).astype(np.float32)
        if self._axes is not None:
            self._axes.fit(self._standardise(told))
        return self

    def transform(self, values: Values) -> Rows:
        """Bring (n, d) numbers to (n, 12) rows, or (n, d) without axes; unit, or 0."""
        numbers = np.asarray(values)
        far = self._standardise(numbers)
        rows = unit_rows(far) if self._axes is None else self._axes.transform(far)
        rows[~find_found(numbers)] = 0
        return rows

    def _standardise(self, numbers: Rows) -> Rows:
        far: Rows = np.clip((numbers - self.mean_) / self.spread_, -_FAR, _FAR).astype(np.float32)
        return far
