"""Distances of patches -> how much each patch counts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchWeights:
    """How unlike the rest each patch of one picture is, and how much it counts.

    Attributes
    ----------
    distances : (h, w) float64
        To the bank, the normals or the golden reference; 0 is the same patch.
    weights : (h, w) float64
        Sum to 1.
    standard : (h, w) float64
        Distances in spreads above the bank's centre: comparable between pictures.
    """

    distances: Floats
    weights: Floats
    standard: Floats


def weigh_patches(distances: Floats, *, spread: float, tau: float) -> Floats:
    """Return weights exp(d / (tau * spread)), normalised (Sohn et al. 2023, eq. 4 and 5).

    Parameters
    ----------
    distances : (h, w)
    spread : float
        Standard deviation of the distances of the bank's own pass. Where it is 0, all patches
        are alike and count the same.
    tau : float
        Temperature: large is the plain mean, towards 0 the most unlike patch alone.

    Returns
    -------
    (h, w) float64
    """
    if spread <= 0:
        return np.full(distances.shape, 1.0 / distances.size)
    scaled = distances / (tau * spread)
    raised = np.exp(scaled - scaled.max())  # the largest is 1: nothing overflows
    weights: Floats = raised / raised.sum()
    return weights
