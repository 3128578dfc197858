"""Pairs of images that may be copies, from the neighbour graph alone: no pixel is read here.

How far a copy lies from its original depends on what was done to it: JPEG at quality 95 moves an
image by a tenth of the way to its 15th neighbour, half the resolution by nine tenths, no less
than an ordinary neighbour. The rank says more than the distance: a copy is among the nearest.
"""

import numpy as np
from numpy.typing import NDArray

from discovery.records import Neighbours

# Of 30 copies a kind and data set, at least these many are among the first three: JPEG q75-95 93 %,
# PNG 100 %, 0.7x to 2x 96 % (wafer maps, which shrinking tears apart, not counted); docs/log.md.
NEAREST = 3
CLOSE = 0.5  # of the distance to the last neighbour: nearer ones are looked at whatever their rank
# An image with more copies than the graph has neighbours has no far neighbour to compare with.
_LEAST_SCALE = 0.25  # of the usual distance to the last neighbour


def propose_pairs(
    neighbours: Neighbours, parents: NDArray[np.str_], *, nearest: int = NEAREST
) -> NDArray[np.int32]:
    """List the pairs worth looking at.

    Parameters
    ----------
    neighbours : Neighbours of n images
    parents : (n,) array of str
        The picture that a tile or crop is part of, "" for whole images. Parts of one picture are
        kin: they may overlap, but are no copies.
    nearest : int
        So many neighbours of each image are looked at, however far they are.

    Returns
    -------
    (m, 2) int32
        Positions i < j without repetition, ascending; m is at most n k.
    """
    n, k = neighbours.indices.shape
    if k == 0:
        return np.empty((0, 2), np.int32)
    far = neighbours.distances[:, -1]
    scale = np.maximum(far, _LEAST_SCALE * np.median(far))  # (n,)
    wanted = neighbours.distances <= CLOSE * scale[:, None]  # (n, k)
    wanted[:, :nearest] = True
    first = np.repeat(np.arange(n, dtype=np.int64), k)[wanted.ravel()]
    second = neighbours.indices.ravel()[wanted.ravel()].astype(np.int64)
    kin = (parents[first] == parents[second]) & (parents[first] != "")
    low, high = np.minimum(first, second)[~kin], np.maximum(first, second)[~kin]
    keys = np.unique(low * n + high)  # each pair once
    return np.stack([keys // n, keys % n], axis=1).astype(np.int32)
