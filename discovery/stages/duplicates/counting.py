"""Sizes of clusters with copies counted once, and clusters that only copies made large enough."""

import numpy as np
from numpy.typing import NDArray

from discovery.records import Clustering
from discovery.records.duplicates import Duplicates


def count_distinct(clustering: Clustering, duplicates: Duplicates) -> NDArray[np.int64]:
    """Count the groups of copies in each cluster, (k,).

    A group whose images lie in two clusters counts in both.

    Raises
    ------
    ValueError
        Clusters and duplicates are of different images.
    """
    _check_same(clustering, duplicates)
    inside = clustering.labels >= 0
    found = np.stack([clustering.labels[inside], duplicates.groups[inside]], axis=1)
    return np.bincount(np.unique(found, axis=0)[:, 0], minlength=clustering.k).astype(np.int64)


def _check_same(clustering: Clustering, duplicates: Duplicates) -> None:
    if not np.array_equal(clustering.ids, duplicates.ids):
        raise ValueError("clusters and duplicates are of different images")
