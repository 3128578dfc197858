"""How groups come and go over the resolutions: the evidence behind the number of types."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The sweep of one clustering, fine to coarse.

    Attributes
    ----------
    resolutions : (m,) float64, falling
    counts : (m,) int64
        Groups there are at each.
    born, died : (k,) float64
        The resolutions from which and to which each chosen group is one of its own.
    sizes : (k,) int64
        Images in it when it was chosen.
    clusters : (k,) int32
        The cluster it became, -1 where all its images were called noise.
    choices : mapping of str to int
        How many groups each granularity takes.
    """

    resolutions: NDArray[np.float64]
    counts: NDArray[np.int64]
    born: NDArray[np.float64]
    died: NDArray[np.float64]
    sizes: NDArray[np.int64]
    clusters: NDArray[np.int32]
    choices: Mapping[str, int]

    def __post_init__(self) -> None:
        if self.counts.shape != self.resolutions.shape or (np.diff(self.resolutions) > 0).any():
            raise ValueError("expected a count for each of falling resolutions")
        k = len(self.born)
        if any(len(part) != k for part in (self.died, self.sizes, self.clusters)):
            raise ValueError(f"{k} groups are born, but other arrays have other lengths")
        if (self.born < self.died).any():
            raise ValueError("a group has gone before it is born")

    @property
    def lasting(self) -> NDArray[np.float64]:
        """How long each chosen group lasts, (k,), in natural logarithms of the resolution."""
        return np.log(self.born / self.died)
