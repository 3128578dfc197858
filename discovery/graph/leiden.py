"""Leiden: groups of a weighted graph with more ties inside than chance gives (Traag et al. 2019).

`partition_graph` runs it until nothing improves, the same for a seed; `partition_repeatedly` also
says how good each partition is. The inner loop is compiled.

scikit-network's Leiden draws from C's `rand()`, so that no seed makes it again, and makes one
pass only: on four of five image sets the best of 20 of its runs was below the mean of these.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from embeddings.compiled import compile_loop
from embeddings.threads import map_in_threads

_MOST_PASSES = 10  # 3 to 5 are usual
_ROUNDING = 1e-12  # of gains: what is less is no gain

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Nodes = NDArray[np.int32]  # of each edge: half of the memory, and of what a loop reads
Ties = tuple[Ints, Nodes, Floats]  # a graph's rows, as in a csr_matrix: indptr, indices, data


def partition_graph(graph: sparse.csr_matrix, resolution: float, *, seed: int) -> Ints:
    """Return the (n,) communities of a graph, 0, 1, ...

    Parameters
    ----------
    graph : (n, n) sparse, symmetric, no negative entry and no empty row
    resolution : float
        Larger finds more and smaller communities (Reichardt and Bornholdt 2006).
    seed : int
        Of the order in which nodes are visited.
    """
    return partition_repeatedly(graph, resolution, seeds=[seed])[0][0]


def partition_repeatedly(
    graph: sparse.csr_matrix, resolution: float, *, seeds: Sequence[int]
) -> list[tuple[Ints, float]]:
    """Return what `partition_graph` finds by each seed, and its modularity; by all cores at once.

    Parameters as in `partition_graph`.
    """
    total, n = float(graph.sum()), graph.shape[0]
    ties = (
        graph.indptr.astype(np.int64, copy=False),
        graph.indices.astype(np.int32, copy=False),
        graph.data.astype(np.float64, copy=False),
    )
    turned = _transpose(ties, n)
    score = _prepare_score(graph, resolution)

    def partition(seed: int) -> tuple[Ints, float]:
        random = np.random.default_rng(seed)
        labels, best = np.arange(n), -np.inf
        for _ in range(_MOST_PASSES):
            found = _improve(ties, turned, labels, resolution / total, random)
            modularity = score(found)
            if modularity <= best + _ROUNDING:
                break
            labels, best = found, modularity
        return labels, best

    return map_in_threads(partition, seeds)


def _prepare_score(graph: sparse.csr_matrix, resolution: float) -> Callable[[Ints], float]:
    """Return what measures the modularity of labels, with all that no labels change at hand.

    It is the share of ties inside communities beyond what chance gives (Newman 2006).
    """
    volumes = np.asarray(graph.sum(axis=1)).ravel()
    total = volumes.sum()
    rows = np.repeat(np.arange(graph.shape[0], dtype=np.int32), np.diff(graph.indptr))

    def score(labels: Ints) -> float:
        of = labels.astype(np.int32)
        inside = graph.data[of[rows] == of[graph.indices]].sum() / total
        # Were ties drawn at random between as many ends, this share of them would lie inside.
        expected = (np.bincount(labels, weights=volumes) ** 2).sum() / total**2
        return float(inside - resolution * expected)

    return score


def _improve(
    ties: Ties, turned: Ties, labels: Ints, pull: float, random: np.random.Generator
) -> Ints:
    """One pass: move nodes, refine each community, and go on with the refined ones as nodes.

    `turned` are the transposed ties, equal but for rounding; `pull` is resolution / total weight:
    what a unit of volume costs in a community of one.
    """
    n = len(labels)
    volumes = np.add.reduceat(ties[2], ties[0][:-1])
    everywhere = np.zeros(n, np.int64)  # one fence around all
    moved = _move(ties, volumes, labels, everywhere, random.permutation(n), pull, False)
    moved = np.unique(moved, return_inverse=True)[1].astype(np.int64)
    if moved.max() + 1 == n:
        return moved
    # Only merges of single nodes: so every refined community is connected.
    fine = _move(ties, volumes, np.arange(n), moved, random.permutation(n), pull, True)
    fine = np.unique(fine, return_inverse=True)[1].astype(np.int64)
    k = int(fine.max()) + 1
    if k == n:  # nothing was merged: the next pass would be this one again
        return moved
    coarse = np.zeros(k, np.int64)
    coarse[fine] = moved
    merged, turned = _merge_nodes(turned, fine, k)
    return _improve(merged, turned, coarse, pull, random)[fine]


@compile_loop
def _transpose(ties: Ties, columns: int) -> Ties:
    """Return the transposed matrix: its rows are in order, whatever those of `ties` are."""
    indptr, indices, weights = ties
    starts = np.zeros(columns + 1, np.int64)
    for edge in range(len(indices)):
        starts[indices[edge] + 1] += 1
    starts = np.cumsum(starts)
    places = starts[:-1].copy()
    others, turned = np.empty(len(indices), np.int32), np.empty(len(indices))
    for node in range(len(indptr) - 1):
        for edge in range(indptr[node], indptr[node + 1]):
            place = places[indices[edge]]
            places[indices[edge]] += 1
            others[place], turned[place] = node, weights[edge]
    return starts, others, turned


@compile_loop
def _merge_nodes(turned: Ties, fine: Ints, k: int) -> tuple[Ties, Ties]:
    """Add up the ties of nodes that are one from here on: the (k, k) graph of these, also turned.

    In the order in which products of sparse matrices, belongs.T @ graph @ belongs, add them up.
    """
    columns, others, weights = turned
    order = np.argsort(fine, kind="mergesort")
    bounds = np.searchsorted(fine[order], np.arange(k + 1))
    sums, own, is_seen = np.zeros(k), np.zeros(k), np.zeros(k, np.bool_)
    seen, near = np.empty(k, np.int64), np.empty(k, np.int64)
    starts = np.zeros(k + 1, np.int64)
    found, added = np.empty(len(others), np.int32), np.empty(len(others))
    for group in range(k):
        count = 0
        for place in range(bounds[group], bounds[group + 1]):
            node, touched = order[place], 0
            for edge in range(columns[node], columns[node + 1]):
                other = fine[others[edge]]
                if own[other] == 0.0:
                    near[touched] = other
                    touched += 1
                own[other] += weights[edge]
            for one in range(touched):
                other = near[one]
                sums[other] += own[other]
                own[other] = 0.0
                if not is_seen[other]:
                    is_seen[other] = True
                    seen[count] = other
                    count += 1
        for one in range(count):
            other = seen[one]
            found[starts[group] + one], added[starts[group] + one] = other, sums[other]
            sums[other], is_seen[other] = 0.0, False
        starts[group + 1] = starts[group] + count
    size = starts[k]
    merged = _transpose((starts, found[:size], added[:size]), k)
    return merged, _transpose(merged, k)


@compile_loop
def _gather(
    ties: Ties,
    labels: Ints,
    fences: Ints,
    node: int,
    ties_to: Floats,
    seen: Ints,
) -> int:
    """Add up a node's ties by community in `ties_to`; list those in `seen`, and count them."""
    indptr, indices, weights = ties
    near = 1
    seen[0] = labels[node]
    for edge in range(indptr[node], indptr[node + 1]):
        other = indices[edge]
        if other == node or fences[other] != fences[node]:
            continue
        label = labels[other]
        if ties_to[label] == 0.0 and label != labels[node]:
            seen[near] = label
            near += 1
        ties_to[label] += weights[edge]
    return near


@compile_loop
def _move(
    ties: Ties,
    volumes: Floats,
    start: Ints,
    fences: Ints,
    order: Ints,
    pull: float,
    only_single: bool,
) -> Ints:
    """Move nodes, one by one, to where they gain most, until none gains; return (n,) labels.

    Neighbours of a moved node are looked at again. No node leaves its fence; with `only_single`
    only nodes that are alone move.
    """
    indptr, indices, _ = ties
    n = len(volumes)
    labels = start.copy()
    inside, sizes = np.zeros(n), np.zeros(n, np.int64)  # volume and size of a community
    for node in range(n):
        inside[labels[node]] += volumes[node]
        sizes[labels[node]] += 1
    free = [label for label in range(n) if sizes[label] == 0]
    queue, is_queued = order.copy(), np.ones(n, np.bool_)
    head, count = 0, n
    ties_to, seen = np.zeros(n), np.empty(n, np.int64)
    while count:
        node = queue[head]
        head, count = (head + 1) % n, count - 1
        is_queued[node] = False
        own = labels[node]
        if only_single and sizes[own] > 1:
            continue
        near = _gather(ties, labels, fences, node, ties_to, seen)
        inside[own] -= volumes[node]
        sizes[own] -= 1
        best, most = own, ties_to[own] - pull * volumes[node] * inside[own]
        for place in range(1, near):
            label = seen[place]
            gain = ties_to[label] - pull * volumes[node] * inside[label]
            if gain > most + _ROUNDING:
                best, most = label, gain
        if most < -_ROUNDING and sizes[own] > 0:
            best = free.pop()  # alone is better than anywhere
        for place in range(near):
            ties_to[seen[place]] = 0.0
        inside[best] += volumes[node]
        sizes[best] += 1
        if best == own:
            continue
        if sizes[own] == 0:
            free.append(own)
        labels[node] = best
        for edge in range(indptr[node], indptr[node + 1]):
            other = indices[edge]
            if labels[other] != best and not is_queued[other] and fences[other] == fences[node]:
                is_queued[other] = True
                queue[(head + count) % n] = other
                count += 1
    return labels
