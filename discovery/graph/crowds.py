"""Crowds: rows that are all the same, such as those of images in which nothing stands out."""

import numpy as np
from numpy.typing import NDArray


def find_crowds(values: NDArray[np.float32], *, least: int) -> NDArray[np.int64]:
    """Give each crowd of rows that are all the same a number, (n,); -1 for all others.

    Such rows have no ties but to each other, and any of these is as good as another: their
    communities would be chance.
    """
    crowds = np.full(len(values), -1, np.int64)
    # One number a row finds them; what is found is compared as it is.
    sums = values.sum(axis=1, dtype=np.float64)
    _, place, counts = np.unique(sums, return_inverse=True, return_counts=True)
    likely = np.flatnonzero(counts[place] >= least)
    if len(likely):
        _, same, sizes = np.unique(values[likely], axis=0, return_inverse=True, return_counts=True)
        large = sizes >= least
        number = np.where(large, np.cumsum(large) - 1, -1)
        crowds[likely] = number[same.ravel()]
    return crowds


def split_crowds(crowds: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Return the rows in no crowd, then those of each, by the numbers of `find_crowds`."""
    order = np.argsort(crowds, kind="stable")
    bounds = np.searchsorted(crowds[order], np.arange(int(crowds.max(initial=-1)) + 1))
    return np.split(order, bounds)


def ring_neighbours(members: NDArray[np.intp], width: int) -> NDArray[np.intp]:
    """Return the `width` members behind each one of a crowd, round and round, (m, width).

    All are as near as any: in a ring none is the neighbour of more than others are. The crowd has
    more members than `width`.
    """
    behind = np.arange(len(members))[:, None] + np.arange(1, width + 1)
    ring: NDArray[np.intp] = members[behind % len(members)]
    return ring
