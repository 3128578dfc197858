"""Groups of images by size, mean and variance: what linkage and memberships need.

`summarise_rows` packs many images into some thousand micro-clusters, so that everything quadratic
stays small.
"""

from dataclasses import dataclass
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MICRO_CLUSTERS = 2_000
_BLOCK_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """m groups of images.

    Attributes
    ----------
    means : (m, d) float64
    variances : (m,) float64
        Mean squared L2 distance of the members to their mean; 0 for single images.
    sizes : (m,) float64
    """

    means: Floats
    variances: Floats
    sizes: Floats

    @classmethod
    def from_rows(cls, values: NDArray[Any]) -> Self:
        """Make each row of an (n, d) array a group of its own."""
        n = len(values)
        return cls(means=values.astype(np.float64), variances=np.zeros(n), sizes=np.ones(n))

    @classmethod
    def from_labels(cls, values: NDArray[Any], labels: NDArray[Any]) -> Self:
        """Summarise the rows of each label 0..m-1, none of them empty."""
        sizes = np.bincount(labels)  # (m,)
        rows = np.argsort(labels, kind="stable")
        means = np.empty((len(sizes), values.shape[1]))
        variances = np.empty(len(sizes))
        for i, part in enumerate(np.split(rows, np.cumsum(sizes)[:-1])):
            members = values[part].astype(np.float64)
            means[i] = members.mean(axis=0)
            variances[i] = np.square(members - means[i]).sum(axis=1).mean()
        return cls(means=means, variances=variances, sizes=sizes.astype(np.float64))

    def merge(self, parts: Ints) -> "Groups":
        """Return the groups that these make when the (m,) parts 0..k-1 are put together."""
        sizes = np.bincount(parts, self.sizes).astype(np.float64)  # (k,)
        sums = np.zeros((len(sizes), self.means.shape[1]))
        np.add.at(sums, parts, self.means * self.sizes[:, None])
        means = sums / sizes[:, None]
        gaps = np.square(self.means - means[parts]).sum(axis=1) + self.variances  # (m,)
        variances = np.bincount(parts, gaps * self.sizes) / sizes
        return Groups(means=means, variances=variances, sizes=sizes)


def summarise_rows(values: NDArray[Any], *, seed: int) -> tuple[Groups, Ints]:
    """Return micro-clusters of the rows, and the (n,) micro-cluster of each row.

    By FAISS k-means with random starts, which is good enough at thousands of clusters.
    """
    n, d = values.shape
    narrow = np.ascontiguousarray(values, dtype=np.float32)
    kmeans = faiss.Kmeans(
        d, min(n, MICRO_CLUSTERS), niter=5, seed=seed + 1,
        max_points_per_centroid=50, min_points_per_centroid=1,
    )  # fmt: skip
    kmeans.train(narrow)
    nearest = np.asarray(kmeans.index.search(narrow, 1)[1])[:, 0]  # (n,)
    labels = np.unique(nearest, return_inverse=True)[1]  # without empty ones
    return Groups.from_labels(values, labels), labels


def find_nearest(values: NDArray[Any], means: NDArray[Any]) -> NDArray[np.int32]:
    """Return the (n,) position of the mean nearest to each row."""
    labels = np.empty(len(values), np.int32)
    for first in range(0, len(values), _BLOCK_ROWS):
        block = slice(first, first + _BLOCK_ROWS)
        labels[block] = _square_distances(values[block], means).argmin(axis=1)
    return labels


def measure_memberships(
    values: NDArray[Any], means: NDArray[Any], labels: NDArray[Any]
) -> NDArray[np.float32]:
    """Return how much nearer each row is to its own mean than to the nearest other one.

    The simplified silhouette (Hruschka et al. 2006), cut at 0: (n,) float32, 1 on the mean
    itself, 0 halfway to another mean or beyond; 1 for all where there is one cluster.
    """
    n = len(values)
    if len(means) < 2:
        return np.ones(n, np.float32)
    strengths = np.empty(n, np.float32)
    for first in range(0, n, _BLOCK_ROWS):
        block = slice(first, first + _BLOCK_ROWS)
        distances = np.sqrt(_square_distances(values[block], means))  # (b, k)
        rows = np.arange(len(distances))
        own = distances[rows, labels[block]]
        distances[rows, labels[block]] = np.inf
        other = distances.min(axis=1)
        margin = np.maximum(other - own, 0.0)
        strengths[block] = np.divide(margin, other, out=np.zeros_like(margin), where=other > 0)
    return strengths


def _square_distances(block: NDArray[Any], means: NDArray[Any]) -> Floats:
    """Return (b, k) squared L2; centred on the means' mean, against cancellation."""
    centre = means.mean(axis=0)
    rows, targets = (block - centre).astype(np.float64), (means - centre).astype(np.float64)
    gaps = np.square(rows).sum(axis=1)[:, None] + np.square(targets).sum(axis=1)
    return np.asarray(np.maximum(gaps - 2.0 * (rows @ targets.T), 0.0))
