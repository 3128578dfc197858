"""How much of a cluster lies outside every type that is already known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.clusterers.distances import measure_nearest

# A type's reach: this share of its own images have their nearest sibling within it.
REACH_QUANTILE = 0.95
# Two float32 rows that are equal lie up to so far apart: sqrt(2 - 2x), x rounded at 1e-6. Without
# it a type of one image would not even reach that image.
ROUNDING = 2e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTypes:
    """Images whose type is known.

    Attributes
    ----------
    values : (m, d) float32, unit rows of the same extractor
    labels : (m,) array of str
    """

    values: NDArray[np.float32]
    labels: NDArray[np.str_]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.labels.shape != (len(self.values),):
            raise ValueError(f"{self.values.shape} values for {self.labels.shape} labels")
        if not len(self.labels) or (self.labels == "").any():
            raise ValueError("known types need at least one image, each with a label")


def measure_novelty(members: NDArray[np.float32], known: KnownTypes | None) -> tuple[float, str]:
    """Return the share of members outside the reach of every known type, and the nearest type.

    A type reaches as far from each of its images as 95 % of them are from their own nearest
    sibling; a type of one image reaches as far as the types with several do in the mean.

    Parameters
    ----------
    members : (m, d) float32, unit rows
    known : KnownTypes or None

    Returns
    -------
    (float, str)
        NaN and an empty label without known types.
    """
    if known is None:
        return float("nan"), ""
    names = np.unique(known.labels)
    distances = np.stack(
        [measure_nearest(members, known.values[known.labels == name]) for name in names]
    )  # (types, m)
    reaches = _find_reaches(known, names)
    inside = (distances <= reaches[:, None]).any(axis=0)  # (m,)
    return float(1 - inside.mean()), str(names[distances.mean(axis=1).argmin()])


def _find_reaches(known: KnownTypes, names: NDArray[np.str_]) -> NDArray[np.float64]:
    reaches = np.full(len(names), np.nan)
    for i, name in enumerate(names):
        rows = known.values[known.labels == name]
        if len(rows) > 1:
            reaches[i] = np.quantile(
                measure_nearest(rows, rows, withheld=np.arange(len(rows))), REACH_QUANTILE
            )
    usual = np.nanmean(reaches) if np.isfinite(reaches).any() else 0.0
    return np.maximum(np.where(np.isnan(reaches), usual, reaches), ROUNDING)
