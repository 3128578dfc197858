"""Merge trees of the hierarchies that clusterers leave, all in one form.

`refine_communities` continues the tree of the communities downwards: each is divided further by
itself, so that what was found stays what it was. `condense` reads HDBSCAN's condensed tree,
`join_linkage` the top of a linkage matrix.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from discovery.graph.leiden import partition_graph
from discovery.graph.persistence import FINEST, MergeTree, merge_communities
from embeddings.threads import map_in_threads

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_LEAST_INSIDE = 0.5  # share of its ties: below, an image is tied more to others than to its own
_ROUNDING = 1e-9  # of sums of ties
_FINER = 24.0  # resolution of the leaves: of a thousand images, some ten in each
_DIVIDED_FROM = 8  # images of a community
_MOST_LEAVES = 1_000  # of a linkage: nobody looks at more groups than that

# A merge of a tree that is not numbered yet: the level, the two nodes and the new one.
Merge = tuple[float, int, int, int]


def refine_communities(
    graph: sparse.csr_matrix, labels: Ints, tree: MergeTree, *, seed: int
) -> tuple[Ints, MergeTree]:
    """Divide communities further, and put the parts under their tree.

    Parameters
    ----------
    graph : (n, n) sparse, symmetric
    labels : (n,) int64
        Leaves of the tree.
    tree : MergeTree
        Its levels above `FINEST` are brought down to it: there the parts begin.

    Returns
    -------
    (n,) int64, MergeTree
        The finer leaves, and the tree over them.
    """
    total, n_labels = float(graph.sum()), tree.leaves
    fine = np.empty(len(labels), np.int64)
    # While nodes are not numbered yet, inner ones of parts are counted behind those of the tree.
    merges: list[Merge] = []
    tops: dict[int, int] = {}  # of each community the node that is all of it
    leaves, inner = 0, 2 * n_labels - 1
    communities = list(_split_by_label(labels))
    divided = map_in_threads(
        lambda members: _divide(graph[members][:, members], total, seed=seed), communities
    )
    for label, (members, (parts, below)) in enumerate(zip(communities, divided, strict=True)):
        fine[members] = leaves + parts
        m = below.leaves
        # Leaves are below 0 here: -1, -2, ...
        nodes = [*(-1 - leaf for leaf in range(leaves, leaves + m)), *range(inner, inner + m - 1)]
        levels = np.maximum(below.levels, FINEST).tolist()
        merges += _rename(levels, below.children, nodes, m)
        tops[label] = nodes[-1]
        leaves, inner = leaves + m, inner + m - 1
    nodes = [tops.get(node, node) for node in range(2 * n_labels - 1)]
    levels = np.minimum(tree.levels, FINEST).tolist()
    merges += _rename(levels, tree.children, nodes, n_labels)
    return fine, _number(merges, np.bincount(fine, minlength=leaves))


def measure_firmness(graph: sparse.csr_matrix, labels: Ints, tree: MergeTree) -> Floats:
    """Return the resolution below which half of an image's ties lie inside its group, (n,).

    Infinite where they do so in its community already.

    Parameters
    ----------
    graph : (n, n) sparse, symmetric, no empty row
    labels : (n,) int64
        Leaves of the tree.
    """
    n, m = len(labels), tree.leaves
    joined = _find_joining_steps(tree)  # (m, m), 0 for the same leaf
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    steps = joined[labels[rows], labels[graph.indices]]
    # Row by row, the ties that come inside first come first.
    order = np.argsort(rows * np.int64(m) + steps, kind="stable")
    sums = np.cumsum(graph.data[order])
    before = np.concatenate([[0.0], sums])[graph.indptr]
    wanted = before[:-1] + _LEAST_INSIDE * np.diff(before) - _ROUNDING
    reached = np.clip(np.searchsorted(sums, wanted), graph.indptr[:-1], graph.indptr[1:] - 1)
    levels = np.concatenate([[np.inf], tree.levels])
    return np.asarray(levels[steps[order][reached]], dtype=np.float64)


def condense(condensed: NDArray[Any], n: int) -> tuple[NDArray[np.int32], MergeTree, Floats]:
    """Read HDBSCAN's condensed tree.

    Parameters
    ----------
    condensed : structured array of parent, child, lambda_val, child_size
        Images are 0 to n - 1, clusters n and more; a cluster falls into two, or into none.

    Returns
    -------
    (n,) int32, MergeTree, (n,) float64
        A leaf below the cluster that the image falls out of; the tree, levels being lambda; and
        the lambda at which it falls out.
    """
    # Coincident images hold together at any density: beyond all others is far enough.
    lambdas = condensed["lambda_val"].astype(np.float64)
    finite = lambdas[np.isfinite(lambdas)]
    lambdas = np.minimum(lambdas, 2 * finite.max(initial=1.0))
    parents, children = condensed["parent"], condensed["child"]
    of_clusters = children >= n
    pairs: dict[int, list[int]] = {}
    births: dict[int, float] = {}
    rows = (parents[of_clusters], children[of_clusters], lambdas[of_clusters])
    for parent, child, born in zip(*(column.tolist() for column in rows), strict=True):
        pairs.setdefault(parent, []).append(child)
        births[parent] = born
    clusters = [n, *sorted(children[of_clusters].tolist())]  # a child's number is above its parent
    ends = [cluster for cluster in clusters if cluster not in pairs]
    leaf_of = {cluster: leaf for leaf, cluster in enumerate(ends)}
    for cluster in reversed(clusters):
        if cluster in pairs:
            leaf_of[cluster] = leaf_of[pairs[cluster][0]]
    leaves, firm = np.zeros(n, np.int32), np.zeros(n)
    images = children[~of_clusters]
    leaves[images] = [leaf_of[parent] for parent in parents[~of_clusters].tolist()]
    firm[images] = lambdas[~of_clusters]
    name = {cluster: -1 - leaf_of[cluster] for cluster in ends}
    merges = [
        (births[top], *(name.get(child, child) for child in pairs[top]), top)
        for top in reversed(clusters)
        if top in pairs
    ]
    return leaves, _number(merges, np.bincount(leaves, minlength=len(ends))), firm


def join_linkage(linkage: Floats, leaves: Ints) -> tuple[NDArray[np.int32], MergeTree]:
    """Read the top of a linkage matrix, down to a thousand groups.

    Parameters
    ----------
    linkage : (l - 1, 4) float64
        scipy's.
    leaves : (n,) int64
        The leaf of the matrix that each image is in.

    Returns
    -------
    (n,) int32, MergeTree
        Levels are 1 / height.
    """
    n_leaves = len(linkage) + 1
    m = min(n_leaves, _MOST_LEAVES)
    first = n_leaves - m  # steps before it are inside a group
    children = linkage[:, :2].astype(np.int64)
    tops = np.arange(2 * n_leaves - 1)
    for step in range(first - 1, -1, -1):
        tops[children[step]] = tops[n_leaves + step]
    nodes, groups = np.unique(tops[:n_leaves], return_inverse=True)
    numbers = np.zeros(2 * n_leaves - 1, np.int64)
    numbers[nodes] = np.arange(m)
    numbers[n_leaves + first :] = np.arange(m, 2 * m - 1)
    heights = linkage[first:, 2]
    least = max(float(heights.max(initial=0)) * 1e-9, np.finfo(np.float64).tiny)  # copies
    found = groups[leaves]
    sizes = np.concatenate([np.bincount(found, minlength=m), np.zeros(m - 1, np.int64)])
    kept = numbers[children[first:]].reshape(-1, 2)
    for step, pair in enumerate(kept):
        sizes[m + step] = sizes[pair].sum()
    levels = np.minimum.accumulate(1 / np.maximum(heights, least))
    return found.astype(np.int32), MergeTree(sizes=sizes, children=kept, levels=levels)


def _split_by_label(labels: Ints) -> list[Ints]:
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels))[:-1])


def _divide(part: sparse.csr_matrix, total: float, *, seed: int) -> tuple[Ints, MergeTree]:
    """Divide one community at the finer resolution of the whole graph; levels are that one's."""
    n, inside = part.shape[0], float(part.sum())
    # A lone image has no row to divide by; a few make no two groups.
    if n < _DIVIDED_FROM or (np.diff(part.indptr) == 0).any():
        one = np.array([n], np.int64)
        empty = np.empty((0, 2), np.int64)
        return np.zeros(n, np.int64), MergeTree(sizes=one, children=empty, levels=np.empty(0))
    labels = partition_graph(part, _FINER * inside / total, seed=seed)
    labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    tree = merge_communities(part, labels)
    levels = tree.levels * (total / inside)
    return labels, MergeTree(sizes=tree.sizes, children=tree.children, levels=levels)


def _rename(levels: list[float], children: Ints, nodes: list[int], m: int) -> Iterator[Merge]:
    for step, (one, other) in enumerate(children.tolist()):
        yield levels[step], nodes[one], nodes[other], nodes[m + step]


def _number(merges: list[Merge], sizes: NDArray[np.int64]) -> MergeTree:
    """Make a tree of merges; the one that makes a node comes before the one that takes it.

    Leaves are -1, -2, ... there.
    """
    m = len(sizes)
    number = {-1 - leaf: leaf for leaf in range(m)}
    # Sorting is stable: of equal levels the lower node comes first still.
    merges = sorted(merges, key=lambda merge: -merge[0])
    all_sizes = np.concatenate([sizes, np.zeros(m - 1, np.int64)]).astype(np.int64)
    children = np.empty((m - 1, 2), np.int64)
    for step, (_, one, other, node) in enumerate(merges):
        children[step] = number[one], number[other]
        all_sizes[m + step] = all_sizes[children[step]].sum()
        number[node] = m + step
    levels = np.array([level for level, *_ in merges], np.float64)
    return MergeTree(sizes=all_sizes, children=children, levels=levels)


def _find_joining_steps(tree: MergeTree) -> Ints:
    """Return after how many steps two leaves are one, (m, m); 0 for the same."""
    m = tree.leaves
    joined = np.zeros((m, m), np.int64)
    below = [np.array([leaf]) for leaf in range(m)]
    for step, (one, other) in enumerate(tree.children.tolist()):
        joined[np.ix_(below[one], below[other])] = step + 1
        joined[np.ix_(below[other], below[one])] = step + 1
        below.append(np.concatenate([below[one], below[other]]))
    return joined
