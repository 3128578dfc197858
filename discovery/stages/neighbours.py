"""The neighbour graph of a round: made once, kept in the run, used by every later stage."""

import numpy as np
from numpy.typing import NDArray

from discovery.clusterers.knn import find_neighbours
from discovery.records import Neighbours


def build_neighbours(rows: NDArray[np.float32], k: int, *, seed: int = 0) -> Neighbours:
    """Find the k nearest other images of each image.

    Parameters
    ----------
    rows : (n, p) float32, unit rows
    k : int
        n - 1 where there are fewer images.
    seed : int
        Of the approximate search on large sets.

    Returns
    -------
    Neighbours
        L2 on unit rows; the smaller the more alike.

    Raises
    ------
    OptionError
        k is below 1.
    """
    return find_neighbours(rows, k, seed=seed)
