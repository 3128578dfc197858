"""How far an image's neighbours are, and how far that is for its cluster.

An outlier score for clusterers that have none: a distance in the graph, not the doubt between two
clusters, in which an image may lie amid many others.
"""

import numpy as np
from numpy.typing import NDArray

from discovery.records import NOISE, Neighbours

Floats = NDArray[np.float64]


def measure_reach(neighbours: Neighbours) -> Floats:
    """Return the mean distance of each image to its neighbours, (n,)."""
    if not neighbours.distances.size:
        return np.zeros(len(neighbours))
    return np.asarray(neighbours.distances.mean(axis=1), dtype=np.float64)


def find_usual(values: Floats, labels: NDArray[np.int32], of: NDArray[np.int32]) -> Floats:
    """Return the median of the (n,) values in the clusters `of`, (m,); of all images for -1."""
    order = np.argsort(labels, kind="stable")
    k = int(labels.max(initial=NOISE)) + 1
    starts = np.searchsorted(labels[order], np.arange(k))
    parts = np.split(values[order], starts)[1:]  # the first part is the noise
    # At the last place, and so at -1, all images.
    medians = [float(np.median(part)) for part in [*parts, values] if len(part)]
    return np.array(medians or [0.0])[of]


def measure_excess(reach: Floats, labels: NDArray[np.int32]) -> Floats:
    """Return how much farther an image reaches than is usual in its cluster, (n,) in [0, 1).

    0 where it is nearer, 0.5 at twice the distance; noise is held against all images.
    """
    usual = find_usual(reach, labels, labels)
    far = reach > usual
    excess: Floats = np.where(far, 1 - usual / np.where(far, reach, 1.0), 0.0)
    return excess


def score_by_reach(neighbours: Neighbours, labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return `measure_excess` of the mean distance to an image's neighbours, (n,)."""
    return measure_excess(measure_reach(neighbours), labels).astype(np.float32)
