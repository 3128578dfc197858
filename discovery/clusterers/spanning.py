"""The minimum spanning tree of mutual reachability distances, from a neighbour graph.

Mutual reachability (Campello et al. 2013) is the largest of the distance and both core distances;
a core distance is the distance to the `min_samples`-th neighbour. Inside dense regions the tree's
edges all lie in the graph. Between parts that the graph does not connect, `span_graph` looks for
the shortest bridge, round by round as in Boruvka's algorithm.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist

from discovery.clusterers.condensed import LinkageTree
from discovery.clusterers.knn import find_neighbours
from discovery.clusterers.tree import Floats, Ints, merge_edges
from discovery.records import Neighbours

_TINY = np.finfo(np.float64).tiny  # scipy's graphs take an edge of weight 0 for none
_RIM = 96  # images of a part that face the other part and are compared one by one
_NEAR_PARTS = 10
_MAX_BRIDGES = 5_000  # a round; with very many parts fewer candidates each


def span_graph(values: NDArray[np.float32], neighbours: Neighbours, min_samples: int) -> Floats:
    """Return single linkage over mutual reachability distances.

    Parameters
    ----------
    values : (n, d) float32
        The vectors whose graph this is; used only where the graph falls into parts.
    neighbours : Neighbours
        At least `min_samples` of them a row.
    min_samples : int

    Returns
    -------
    (n - 1, 4) float64
        Linkage matrix.
    """
    core = neighbours.distances[:, min_samples - 1].astype(np.float64)  # (n,)
    forest = _spanning_forest(_reachability_graph(neighbours, core))
    while forest.nnz < len(core) - 1:
        parts = connected_components(forest, directed=False)[1]
        forest = _spanning_forest(_add(forest, _find_bridges(values, core, parts)))
    # Sparse images between two clusters can link them in the graph although the clusters'
    # own shortest bridge, which no neighbour list holds, is shorter.
    clusters = LinkageTree(linkage=_link(forest)).labels_at(neighbours.indices.shape[1] + 1)
    if clusters.max() > 0:
        forest = _spanning_forest(_add(forest, _find_bridges(values, core, clusters)))
    return _link(forest)


def _link(tree: Any) -> Floats:
    """Return single linkage of a spanning tree."""
    edges = tree.tocoo()
    heights = np.where(edges.data <= _TINY, 0.0, edges.data)
    return merge_edges(np.column_stack((edges.row, edges.col)).astype(np.int64), heights)


def _add(graph: Any, bridges: Any) -> Any:
    """Return the edges of both; where both have one it is the same edge."""
    return graph.maximum(bridges)


def _reachability_graph(neighbours: Neighbours, core: Floats) -> Any:
    """Return the (n, n) sparse matrix of mutual reachability to the k neighbours."""
    n, k = neighbours.indices.shape
    ends = neighbours.indices.ravel()
    weights = np.maximum(neighbours.distances.ravel(), np.maximum(np.repeat(core, k), core[ends]))
    starts = np.arange(0, n * k + 1, k)
    return csr_array((np.maximum(weights, _TINY), ends, starts), shape=(n, n))


def _spanning_forest(graph: Any) -> Any:
    """Return the minimum spanning forest as an (n, n) sparse matrix, an edge once."""
    return csr_array(minimum_spanning_tree(graph))


def _find_bridges(values: NDArray[np.float32], core: Floats, parts: NDArray[np.int32]) -> Any:
    """Return a short edge from each part to each of the parts whose means are nearest.

    Every part gets at least one, so a round at least halves their number.
    """
    rows = np.argsort(parts, kind="stable")
    rows = rows[parts[rows] >= 0]  # without noise
    members = np.split(rows, np.cumsum(np.bincount(parts[rows]))[:-1])
    means = np.stack([values[part].mean(axis=0) for part in members])  # (c, d)
    near = find_neighbours(means, max(1, min(_NEAR_PARTS, _MAX_BRIDGES // len(means)))).indices
    starts = np.repeat(np.arange(len(means)), near.shape[1])
    facing = np.unique(np.sort(np.column_stack((starts, near.ravel())), axis=1), axis=0)
    bridges = [
        _bridge(values, core, (members[a], members[b]), (means[a], means[b]))
        for a, b in facing.tolist()
    ]
    left, right, weights = (np.array(column) for column in zip(*bridges, strict=True))
    shape = (len(core), len(core))
    return csr_array((np.maximum(weights, _TINY), (left, right)), shape=shape)


def _bridge(
    values: NDArray[np.float32],
    core: Floats,
    members: tuple[Ints, Ints],
    means: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> tuple[int, int, float]:
    """Return the shortest edge found between two parts, and its mutual reachability distance.

    Of a large part only the images nearest to the other part's mean are compared.
    """
    left = _rim(values, members[0], means[1])
    right = _rim(values, members[1], means[0])
    gaps = _mutual_reachability(values, core, left, right)  # (l, r)
    i, j = np.unravel_index(gaps.argmin(), gaps.shape)
    return int(left[i]), int(right[j]), float(gaps[i, j])


def _rim(values: NDArray[np.float32], rows: Ints, target: NDArray[np.float32]) -> Ints:
    """Return the rows nearest to a target."""
    if len(rows) <= _RIM:
        return rows
    gaps = np.square(values[rows] - target).sum(axis=1)
    return rows[np.argpartition(gaps, _RIM)[:_RIM]]


def _mutual_reachability(
    values: NDArray[np.float32], core: Floats, left: Ints, right: Ints
) -> Floats:
    # cdist, not a product of matrices: no cancellation near zero, and no threads to start.
    distances = cdist(values[left], values[right])
    reach: Floats = np.maximum(distances, np.maximum(core[left][:, None], core[right]))
    return reach
