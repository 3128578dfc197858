"""How alike a cluster's members are, and how unlike everything else."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.records import Clustering, Duplicates


def find_members(
    clustering: Clustering, duplicates: Duplicates | None = None
) -> list[NDArray[np.intp]]:
    """Return the positions of each cluster's members that count as evidence, k arrays.

    Of several copies one counts: the kept one, or where it is in another cluster the first; what
    was assigned to a cluster afterwards is no evidence for it.
    """
    labels = clustering.core_labels
    order = np.arange(len(labels))
    if duplicates is not None:
        ranked = np.lexsort((order, ~duplicates.kept))
        pairs = np.stack([labels[ranked], duplicates.groups[ranked]], axis=1)
        order = np.sort(ranked[np.unique(pairs, axis=0, return_index=True)[1]])
    return [order[labels[order] == cluster_id] for cluster_id in range(clustering.k)]


def find_centroids(
    centred: NDArray[np.float32], members: Sequence[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Return the mean of each cluster's rows, (k, d)."""
    centroids = [centred[rows].mean(axis=0, dtype=np.float64) for rows in members]
    return np.array(centroids).reshape(len(members), centred.shape[1])


def measure_cohesion(centroids: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean cosine similarity of each cluster's members to their mean direction, (k,) in [0, 1].

    For unit rows x with mean m it is mean(x . m / |m|) = |m|: the mean resultant length of
    directional statistics (Mardia & Jupp 2000, section 9.2).
    """
    lengths: NDArray[np.float64] = np.linalg.norm(centroids, axis=1)
    return np.clip(lengths, 0, 1)


def measure_separation(
    centred: NDArray[np.float32],
    clustering: Clustering,
    *,
    members: Sequence[NDArray[np.intp]],
    centroids: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mean simplified silhouette of each cluster's members (Hruschka 2004), (k,) in [-1, 1].

    The distance to the own centroid is held against that to the nearest other one; a lone
    cluster against the mean of the images outside it, and it has 0 where there are none.
    """
    outside = clustering.core_labels < 0
    rivals = centroids
    if len(centroids) == 1 and outside.any():
        rivals = np.vstack([centroids, centred[outside].mean(axis=0)])
    if len(rivals) < 2:
        return np.zeros(len(members))
    return np.array(
        [_margin(centred[rows], rivals, cluster_id) for cluster_id, rows in enumerate(members)]
    )


def _margin(rows: NDArray[np.float32], rivals: NDArray[np.float64], own_id: int) -> float:
    squared = (rows**2).sum(1)[:, None] + (rivals**2).sum(1) - 2 * rows @ rivals.T  # (m, k)
    distances = np.sqrt(np.maximum(squared, 0))
    own = distances[:, own_id].copy()
    distances[:, own_id] = np.inf
    other = distances.min(axis=1)
    return float(np.mean((other - own) / np.maximum(np.maximum(own, other), 1e-12)))
