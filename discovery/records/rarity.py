"""The images worth a look before any cluster: the rare ones, in the order to look at them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Rarity:
    """m rare images of n, rarest first; look-alikes stand together.

    Attributes
    ----------
    positions : (m,) intp
        Of the images in the clustering.
    scores : (m,) float32 in [0, 1]
        Their outlier scores.
    groups : (m,) int32
        Ascending from 0 without gaps: images with one number look alike, and are few.
    nearest : (m,) int32
        The cluster that an image has most ties to, -1 where no neighbour is in any.
    ratios : (m,) float32
        How far the neighbours are, as a multiple of what is usual in the nearest cluster; in all
        clusters where there is none.
    """

    positions: NDArray[np.intp]
    scores: NDArray[np.float32]
    groups: NDArray[np.int32]
    nearest: NDArray[np.int32]
    ratios: NDArray[np.float32]

    def __post_init__(self) -> None:
        m = len(self.positions)
        for name in ("scores", "groups", "nearest", "ratios"):
            if getattr(self, name).shape != (m,):
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected ({m},)")
        if len(np.unique(self.positions)) != m:
            raise ValueError("an image stands twice among the rare ones")
        steps = np.diff(self.groups)
        if m and (self.groups[0] != 0 or ((steps != 0) & (steps != 1)).any()):
            raise ValueError("groups must ascend from 0 without gaps")

    def __len__(self) -> int:
        return len(self.positions)
