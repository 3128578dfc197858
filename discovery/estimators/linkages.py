"""Ward and average linkage of single rows, and of groups that stand for several images each.

Single rows are linked by `fastcluster`. It knows no weights: groups (micro-clusters) are linked by
a nearest-neighbour chain (Benzecri 1982; Murtagh 1983) on the matrix of their distances, which is
brought up to date by the formula of Lance and Williams (1967).

A linkage matrix is scipy's: row i merges nodes `left` and `right` at `height` into node n + i of
`size` leaves; the leaves are nodes 0..n-1, and a parent's number is always above its children's.
"""

from typing import Any, Literal

import fastcluster
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from discovery.estimators.groups import Floats, Groups, Ints

Linkage = Literal["ward", "average"]


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
