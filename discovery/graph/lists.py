"""Nearest neighbours by lists: each row lies in that of its centre, and near lists are searched.

The idea of an inverted file (Jegou, Douze and Schmid 2011, "Product quantization for nearest
neighbor search", section IV), searched another way round: the queries of one list want much the
same lists, so that distances of many queries to many rows are one matrix product, and a compiled
loop keeps the nearest. On a CPU that is several times faster than going through the lists query by
query, at the same recall.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embeddings.compiled import compile_loop
from embeddings.threads import map_in_threads

_CHUNK = 1024  # queries at a time: with a list's rows, what a processor's cache holds
_PIECE = 16_384  # rows of a list at a time, should it be that long
_TRAINED = 40  # rows a centre that k-means looks at
_ROUNDS = 5  # of k-means: rough cells are enough, as recall is measured
_FAR = np.float32(np.inf)
TARGET_RECALL = 0.99
_TRIED = 256  # queries by which the recall is measured
_FEWEST = 4  # lists that are looked at first


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """Rows by the centre that each is nearest to.

    Attributes
    ----------
    centres : (c, d) float32
    rows : (n, d) float32
        List after list.
    positions : (n,) int32
        Of each of `rows` among the rows as they were given.
    starts : (c + 1,) int64
        Where each list begins and the last one ends.
    probes : int
        How many lists are searched for a query.
    """

    centres: NDArray[np.float32]
    rows: NDArray[np.float32]
    positions: NDArray[np.int32]
    starts: NDArray[np.int64]
    probes: int = _FEWEST

    @property
    def count(self) -> int:
        """Number of lists."""
        return len(self.centres)

    def search(self, queries: NDArray[np.float32], width: int) -> NDArray[np.int64]:
        """Return the positions of the nearest rows in the nearest lists, (q, width); unordered."""
        probed = self._find_lists(queries, min(self.probes, self.count))
        near = np.empty((len(queries), width), np.int32)
        order = np.argsort(probed[:, 0], kind="stable")  # those that want the same lists together

        def search(chunk: NDArray[np.intp]) -> None:
            near[chunk] = self._search_chunk(queries[chunk], probed[chunk], width)

        map_in_threads(search, [order[part] for part in _cut(len(order))])
        # The lists of an outlying query can hold fewer than is wanted: it is held against all.
        short = np.flatnonzero((near < 0).any(axis=1))
        if len(short):
            near[short] = search_flat(queries[short], self.rows, width)
        return self.positions[near].astype(np.int64)

    def _find_lists(self, queries: NDArray[np.float32], probes: int) -> NDArray[np.int32]:
        """Return the lists of the nearest centres, (q, probes); the nearest first."""
        lists = np.empty((len(queries), probes), np.int32)

        def find(part: slice) -> None:
            found = _gauge(queries[part], self.centres)
            own = found.argmin(axis=1)
            near, gaps = _make_heaps(len(found), probes)
            _keep(near, gaps, np.arange(len(found)), found, 0)
            # Of two that are as near argmin takes the first, and it may not be the one kept.
            at = (near == own[:, None]).argmax(axis=1)
            near[np.arange(len(near)), at], near[:, 0] = near[:, 0].copy(), own
            lists[part] = near

        map_in_threads(find, _cut(len(queries)))
        return lists

    def _search_chunk(
        self, queries: NDArray[np.float32], probed: NDArray[np.int32], width: int
    ) -> NDArray[np.int32]:
        """Return the places of the nearest rows among `rows`, (b, width)."""
        near, gaps = _make_heaps(len(queries), width)
        by_list = np.argsort(probed, axis=None, kind="stable")
        lists, firsts = np.unique(probed.ravel()[by_list], return_index=True)
        asking = np.split(by_list // probed.shape[1], firsts[1:])
        # What most ask for first: what it holds leaves less to be kept of the others.
        for at in np.argsort([-len(one) for one in asking], kind="stable").tolist():
            start, stop = self.starts[lists[at]], self.starts[lists[at] + 1]
            for first in range(start, stop, _PIECE):
                found = _gauge(queries[asking[at]], self.rows[first : min(first + _PIECE, stop)])
                _keep(near, gaps, asking[at], found, first)
        return near


def make_lists(values: NDArray[np.float32], *, seed: int) -> Lists:
    """Sort (n, d) rows into the lists of 1.5 sqrt(n) centres."""
    import faiss

    n, d = values.shape
    count = max(1, int(1.5 * math.sqrt(n)))
    # FAISS takes 0 for no seed.
    trained = faiss.Kmeans(
        d, count, niter=_ROUNDS, seed=seed + 1, max_points_per_centroid=_TRAINED,
        min_points_per_centroid=1,
    )  # fmt: skip
    trained.train(values)
    centres = np.asarray(trained.centroids, np.float32)
    own = _assign(values, centres)
    order = np.argsort(own, kind="stable")
    return Lists(
        centres=centres,
        rows=values[order],
        positions=order.astype(np.int32),
        starts=np.searchsorted(own[order], np.arange(count + 1)),
    )


def tune_lists(values: NDArray[np.float32], wanted: int, width: int, *, seed: int) -> Lists:
    """Return lists of so many probes that the target recall is reached.

    Parameters
    ----------
    values : (n, d) float32
    wanted : int
        How many of the nearest are to be found.
    width : int
        Of how many candidates, at least `wanted`.
    """
    n, lists = len(values), make_lists(values, seed=seed)
    rng = np.random.default_rng(seed)
    sample = values[np.sort(rng.choice(n, min(n, _TRIED), replace=False))]  # (q, d)
    truth = search_flat(sample, values, wanted)
    probes = min(_FEWEST, lists.count)
    while probes < lists.count:
        lists = replace(lists, probes=probes)
        if _recall(lists.search(sample, width), truth) >= TARGET_RECALL:
            return lists
        probes = min(probes * 5 // 4, lists.count)
    return replace(lists, probes=probes)


def _recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Return the share of the true neighbours that were found."""
    hits = (found[:, :, None] == truth[:, None, :]).any(axis=1)  # one a true neighbour
    return float(hits.mean())


def search_flat(
    queries: NDArray[np.float32], values: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    """Return the (q, k) positions of the nearest rows by brute force, without copying values.

    k is not more than there are rows.
    """
    import faiss

    if faiss.get_num_gpus() > 0:
        resources = faiss.StandardGpuResources()
        limit = 4 << 30  # bytes on the card at once; the rest is streamed from memory
        found = faiss.knn_gpu(
            resources, queries, values, k, vectorsMemoryLimit=limit, queriesMemoryLimit=limit
        )[1]
    else:
        found = faiss.knn(queries, values, k)[1]
    return np.asarray(found, dtype=np.int64)


def _assign(values: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the nearest centre of each row, (n,)."""
    parts = _cut(len(values))
    own = map_in_threads(lambda part: _gauge(values[part], centres).argmin(axis=1), parts)
    return np.concatenate(own)


def _cut(n: int) -> list[slice]:
    return [slice(first, first + _CHUNK) for first in range(0, n, _CHUNK)]


def _make_heaps(count: int, width: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return places and gaps of nothing found yet, both (count, width)."""
    return np.full((count, width), -1, np.int32), np.full((count, width), _FAR, np.float32)


def _gauge(queries: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return |y|^2 / 2 - xy, (q, n): in the order of the distances of each query x."""
    gauged = queries @ rows.T
    np.subtract(np.einsum("nd,nd->n", rows, rows) / 2, gauged, out=gauged)
    return gauged


@compile_loop
def _keep(
    near: NDArray[np.int32],
    gaps: NDArray[np.float32],
    who: NDArray[np.intp],
    found: NDArray[np.float32],
    start: int,
) -> None:
    """Put what is nearer than what is kept in its place, in place.

    `near` and `gaps` are (b, width) heaps with the farthest at the top; `found` is (q, m): of the
    queries `who` to the rows from `start` on.
    """
    width = near.shape[1]
    for i in range(len(who)):
        places, kept = near[who[i]], gaps[who[i]]
        for j in range(found.shape[1]):
            gap = found[i, j]
            if gap < kept[0]:
                node = 0
                while True:  # the hole at the top sinks to where the new one may stand
                    child = 2 * node + 1
                    if child >= width:
                        break
                    if child + 1 < width and kept[child + 1] > kept[child]:
                        child += 1
                    if kept[child] <= gap:
                        break
                    kept[node], places[node] = kept[child], places[child]
                    node = child
                kept[node], places[node] = gap, start + j
