"""Binary merge trees: edges become a linkage matrix, and parts of it are found at once.

A linkage matrix is scipy's: row i merges nodes `left` and `right` at `height` into node n + i of
`size` leaves; the leaves are nodes 0..n-1. A parent's number is always above its children's,
which is what lets every pass over the tree here be a few numpy gathers instead of a walk.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def merge_edges(edges: Ints, heights: Floats, sizes: Ints | None = None) -> Floats:
    """Turn the edges of a spanning tree into single linkage.

    Parameters
    ----------
    edges : (n - 1, 2) int64
        Any two leaves of the two parts that an edge joins.
    heights : (n - 1,) float64
    sizes : (n,) int64, optional
        Weight of each leaf, where leaves stand for several images.

    Returns
    -------
    (n - 1, 4) float64
        Linkage matrix, ascending; ties keep the order of the edges.
    """
    order = np.argsort(heights, kind="stable")
    pairs = edges[order]
    n = len(edges) + 1
    weight = [1] * n if sizes is None else sizes.tolist()
    top = list(range(2 * n - 1))  # union-find over nodes: a set's root is its newest node
    left, right, size = [0] * (n - 1), [0] * (n - 1), [0] * (n - 1)
    # Plain lists: a million unions take about 2 s, numpy scalars would take 20.
    for i, (a, b) in enumerate(zip(pairs[:, 0].tolist(), pairs[:, 1].tolist(), strict=True)):
        while top[a] != a:
            top[a] = a = top[top[a]]
        while top[b] != b:
            top[b] = b = top[top[b]]
        node = n + i
        top[a] = top[b] = node
        weight.append(weight[a] + weight[b])
        left[i], right[i], size[i] = a, b, weight[node]
    return np.column_stack((left, right, heights[order], size)).astype(np.float64)


def find_parents(linkage: Floats) -> Ints:
    """Return the (2n - 1,) parent of each node; the root is its own parent."""
    n = len(linkage) + 1
    parents = np.arange(2 * n - 1)
    made = np.arange(n, 2 * n - 1)
    parents[linkage[:, 0].astype(np.int64)] = made
    parents[linkage[:, 1].astype(np.int64)] = made
    return parents


def climb(steps: Ints) -> Ints:
    """Follow each pointer to where it ends (a node that points to itself).

    Pointers are doubled, so a chain of length m takes log2(m) rounds.
    """
    while True:
        further = steps[steps]
        if np.array_equal(further, steps):
            return steps
        steps = further


def cut_tree(linkage: Floats, k: int) -> Ints:
    """Return (n,) labels of the k parts left when the k - 1 highest merges are undone.

    Parts are numbered in the order of their first leaf.
    """
    n = len(linkage) + 1
    parents = find_parents(linkage)
    nodes = np.arange(2 * n - 1)
    highest = 2 * n - 1 - k  # the last node that still exists
    tops = climb(np.where(parents <= highest, parents, nodes))[:n]  # (n,)
    _, first, labels = np.unique(tops, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[labels]
