"""Ward and average linkage of rows, and of micro-clusters that stand for several rows each.

Single rows are linked by `fastcluster`. It knows no weights: groups (micro-clusters) are linked by
a nearest-neighbour chain (Benzecri 1982; Murtagh 1983) on the matrix of their distances, which is
brought up to date by the formula of Lance and Williams (1967).

A linkage matrix is scipy's: row i merges nodes `left` and `right` at `height` into node n + i of
`size` leaves; the leaves are nodes 0..n-1, and a parent's number is always above its children's.
"""

from dataclasses import dataclass
from typing import Any, Literal, Self

import faiss
import fastcluster
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MICRO_CLUSTERS = 2_000
_BLOCK_ROWS = 4096
Linkage = Literal["ward", "average"]


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


def link_rows(values: NDArray[Any], linkage: Linkage) -> Floats:
    """Link (n, d) single rows.

    Ward takes O(n d) memory, average linkage O(n^2): 100 MB for 5,000 rows.

    Returns
    -------
    (n - 1, 4) float64
        Linkage matrix. Average linkage is over squared L2 (on unit rows twice the cosine
        distance), and so are its heights.
    """
    if len(values) < 2:
        return np.empty((0, 4))
    wide = values.astype(np.float64)
    if linkage == "ward":
        return np.asarray(fastcluster.linkage_vector(wide, method="ward"))
    return np.asarray(
        fastcluster.linkage(pdist(wide, "sqeuclidean"), "average", preserve_input=False)
    )


def link_groups(groups: Groups, linkage: Linkage) -> Floats:
    """Link m groups, each weighed by its size, in O(m^2) time and memory.

    Returns
    -------
    (m - 1, 4) float64
        Linkage matrix as of `link_rows`; sizes count images. Ward's heights are scipy's,
        sqrt(2 a b / (a + b)) times the distance of the means.
    """
    m = len(groups.sizes)
    sizes = groups.sizes.copy()
    gaps = _measure_gaps(groups, linkage)  # (m, m), infinite where a group is no more
    edges, heights = np.empty((m - 1, 2), np.int64), np.empty(m - 1)
    chain: list[int] = []
    for step in range(m - 1):
        if not chain:
            chain.append(int(np.argmax(sizes > 0)))
        # Walk to ever nearer neighbours until two are each other's nearest; both linkages are
        # reducible, so merging those at once never breaks the rest of the chain.
        while (nearest := _find_nearest(gaps, chain)) not in chain[-2:-1]:
            chain.append(nearest)
        a, b = chain.pop(), chain.pop()
        edges[step], heights[step] = (a, b), gaps[a, b]
        merged = _merge_gaps(gaps, sizes, a, b, linkage)
        gaps[a], gaps[:, a] = merged, merged
        gaps[b], gaps[:, b], gaps[a, a] = np.inf, np.inf, np.inf
        sizes[a], sizes[b] = sizes[a] + sizes[b], 0.0  # a stands for both from now on
    if linkage == "ward":
        heights = np.sqrt(heights)
    return _sort_merges(edges, heights, groups.sizes.astype(np.int64))


def cut_tree(linkage: Floats, k: int) -> Ints:
    """Return (n,) labels of the k parts left when the k - 1 highest merges are undone.

    Parts are numbered in the order of their first leaf. scipy's `fcluster` gives fewer parts where
    merges are of one height.
    """
    n = len(linkage) + 1
    children, tops = linkage[:, :2].astype(np.int64), np.arange(2 * n - 1)
    # From the top down: a node hands the part it is in to its children.
    for i in range(n - 1 - k, -1, -1):
        tops[children[i]] = tops[n + i]
    _, first, labels = np.unique(tops[:n], return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[labels]


def _measure_gaps(groups: Groups, linkage: Linkage) -> Floats:
    """Return the distances of all groups, (m, m): Ward's are squared, the diagonal infinite."""
    gaps: Floats = squareform(pdist(groups.means, "sqeuclidean"))
    if linkage == "ward":
        sizes = groups.sizes
        gaps *= 2.0 * np.multiply.outer(sizes, sizes) / np.add.outer(sizes, sizes)
    else:
        gaps += np.add.outer(groups.variances, groups.variances)
    np.fill_diagonal(gaps, np.inf)
    return gaps


def _find_nearest(gaps: Floats, chain: list[int]) -> int:
    """Return the group nearest to the chain's last; among equals the one before it."""
    row = gaps[chain[-1]]
    nearest = int(row.argmin())
    # Rounding must not make the chain run in circles: the way back wins near-ties.
    if len(chain) > 1 and row[chain[-2]] <= row[nearest] * (1 + 1e-12) + 1e-15:
        return chain[-2]
    return nearest


def _merge_gaps(gaps: Floats, sizes: Floats, a: int, b: int, linkage: Linkage) -> Floats:
    """Return the distance of all groups to a and b together, (m,)."""
    both = sizes[a] + sizes[b]
    if linkage == "average":
        return np.asarray((sizes[a] * gaps[a] + sizes[b] * gaps[b]) / both)
    weighed = (sizes[a] + sizes) * gaps[a] + (sizes[b] + sizes) * gaps[b]
    # Rounding must not put a merge below one of its parts.
    return np.asarray(np.maximum((weighed - sizes * gaps[a, b]) / (both + sizes), gaps[a, b]))


def _sort_merges(edges: Ints, heights: Floats, sizes: Ints) -> Floats:
    """Turn merges in any order, (n - 1, 2) leaves of both sides, into a linkage matrix."""
    n = len(sizes)
    weight = np.concatenate((sizes, np.zeros(n - 1, np.int64)))
    top = np.arange(2 * n - 1)  # union-find over nodes: a set's root is its newest node
    merges = np.empty((n - 1, 4))
    for i, step in enumerate(np.argsort(heights, kind="stable")):
        a, b = (_climb(top, leaf) for leaf in edges[step].tolist())
        top[a] = top[b] = n + i
        weight[n + i] = weight[a] + weight[b]
        merges[i] = a, b, heights[step], weight[n + i]
    return merges


def _climb(top: Ints, node: int) -> int:
    """Return the newest node above; the way there is halved (path compression)."""
    while top[node] != node:
        top[node] = node = top[top[node]]
    return node


def _square_distances(block: NDArray[Any], means: NDArray[Any]) -> Floats:
    """Return (b, k) squared L2; centred on the means' mean, against cancellation."""
    centre = means.mean(axis=0)
    rows, targets = (block - centre).astype(np.float64), (means - centre).astype(np.float64)
    gaps = np.square(rows).sum(axis=1)[:, None] + np.square(targets).sum(axis=1)
    return np.asarray(np.maximum(gaps - 2.0 * (rows @ targets.T), 0.0))
