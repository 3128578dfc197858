"""The k-nearest-neighbour graph by many workers: every shard of the rows searched against each.

The rows are dealt out, one in turn to each shard, so that all shards are alike, and lie in files
that every worker sees. A worker indexes a shard; then a worker takes a shard's rows through the
index of each, measures what it finds directly, as `find_neighbours` does, and keeps the nearest. No
worker holds more than two shards and an index. The nearest k of each shard hold the nearest k of
all, so the graph is as good as the indices are.
"""

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from discovery.graph.lists import Lists, search_flat, tune_lists
from discovery.graph.neighbours import (
    EXACT_BELOW,
    SPARE,
    keep_nearest,
    measure_candidates,
)
from discovery.records import Neighbours

SHARD_ROWS = 250_000  # 100 MB of a hundred dimensions


class Pool(Protocol):
    """Who does the work: `embeddings.ray_pool.RayPool`, or whatever does the same."""

    members: int

    def map(
        self, make: Callable[[], Callable[[Any], Any]], blocks: Sequence[Any]
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number of each block and what a worker made of it."""
        ...


def count_shards(n: int, members: int) -> int:
    """Return into how many shards n rows are cut: each worker has one, none is tiny."""
    return max(-(-n // SHARD_ROWS), min(members, n // EXACT_BELOW), 1)


def find_neighbours_sharded(
    values: NDArray[np.float32],
    k: int,
    *,
    pool: Pool,
    folder: Path,
    shards: int | None = None,
    exact_below: int = EXACT_BELOW,
    seed: int = 0,
) -> Neighbours:
    """Find the k nearest other rows of each row, as `find_neighbours` does, by many workers.

    Parameters
    ----------
    values : (n, d) float32
    k : int
        n - 1 where there are fewer other rows.
    pool : Pool
    folder : Path
        Which every worker sees; made, used and removed.
    shards : int, optional
        By default as `count_shards`.
    exact_below : int
        Rows of a shard from which on lists are searched.
    seed : int
        Of the lists' k-means.

    Returns
    -------
    Neighbours
        L2 distances, accurate near zero; ties by position.
    """
    n = len(values)
    count = min(shards or count_shards(n, pool.members), n)
    k = min(k, n - 1)
    plan = _Plan(folder=folder.absolute(), shards=count, k=k, exact_below=exact_below, seed=seed)
    shutil.rmtree(folder, ignore_errors=True)  # of a command that was killed
    folder.mkdir(parents=True)
    try:
        for shard in range(count):
            np.save(plan.name("rows", shard), np.ascontiguousarray(values[shard::count]))
        exact = [exact for _, exact in pool.map(_Indexer(plan), range(count))]  # to its end
        indices, distances = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
        for shard, _ in pool.map(_Searcher(plan), range(count)):
            indices[shard::count] = np.load(plan.name("indices", shard), allow_pickle=False)
            distances[shard::count] = np.load(plan.name("distances", shard), allow_pickle=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Neighbours(indices=indices, distances=distances, exact=all(exact))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    folder: Path
    shards: int
    k: int
    exact_below: int
    seed: int

    def name(self, what: str, shard: int) -> Path:
        return self.folder / f"{what}-{shard:05d}.npy"

    def count_candidates(self) -> tuple[int, int]:
        """Return how many of the nearest an index must find, and how many it gives.

        Of the k nearest of all a shard has its share, give or take their dealing out.
        """
        share = self.k / self.shards
        wanted = math.ceil(share + 2 * math.sqrt(share)) + 1
        width = math.ceil(share + 6 * math.sqrt(share)) + 1
        return min(wanted, self.k + 1), min(width, self.k + 1) + SPARE

    def load_rows(self, shard: int) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = np.load(self.name("rows", shard), allow_pickle=False)
        return rows


@dataclass(frozen=True)
class _Indexer:
    """Makes what indexes a shard, and tells whether it will be searched exactly, without one."""

    plan: _Plan

    def __call__(self) -> Callable[[int], bool]:
        return self.index_shard

    def index_shard(self, shard: int) -> bool:
        import faiss

        plan, rows = self.plan, self.plan.load_rows(shard)
        if len(rows) < plan.exact_below or faiss.get_num_gpus() > 0:
            return True
        wanted, width = (min(one, len(rows)) for one in plan.count_candidates())
        lists = tune_lists(rows, wanted, width, seed=plan.seed)
        # Whole, then in its place: another worker may have to do the same again.
        unfinished = plan.name("lists", shard).with_suffix(".part")
        with unfinished.open("wb") as file:
            np.savez(file, **asdict(lists))
        unfinished.replace(plan.name("lists", shard))
        return False


@dataclass(frozen=True)
class _Searcher:
    """Makes what finds the neighbours of a shard's rows in all shards."""

    plan: _Plan

    def __call__(self) -> Callable[[int], None]:
        return self.search_shards

    def search_shards(self, shard: int) -> None:
        plan = self.plan
        queries = plan.load_rows(shard)
        own = np.arange(len(queries)) * plan.shards + shard  # positions in the whole
        indices = np.empty((len(queries), 0), np.int64)
        squared = np.empty((len(queries), 0), np.float32)
        for other in range(plan.shards):
            rows = queries if other == shard else plan.load_rows(other)
            near = self._find(queries, rows, other)  # (q, width) positions in the shard
            gaps = measure_candidates(queries, rows, near)
            near = near * plan.shards + other
            gaps[near == own[:, None]] = np.inf  # the row itself
            indices, squared = _merge(
                np.hstack([indices, near]), np.hstack([squared, gaps]), plan.k
            )
        for what, found in (
            ("indices", indices.astype(np.int32)), ("distances", np.sqrt(squared))
        ):  # fmt: skip
            np.save(plan.name(what, shard), found)

    def _find(
        self, queries: NDArray[np.float32], rows: NDArray[np.float32], other: int
    ) -> NDArray[np.int64]:
        path = self.plan.name("lists", other)
        if not path.exists():
            return search_flat(queries, rows, min(self.plan.k + 1 + SPARE, len(rows)))
        width = min(self.plan.count_candidates()[1], len(rows))
        with np.load(path, allow_pickle=False) as arrays:
            lists = Lists(**(dict(arrays) | {"probes": int(arrays["probes"])}))
        return lists.search(queries, width)


def _merge(
    indices: NDArray[np.int64], squared: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keep the k nearest of each row; of equally near ones those that come first."""
    by_place = np.argsort(indices, axis=1)
    indices = np.take_along_axis(indices, by_place, axis=1)
    squared = np.take_along_axis(squared, by_place, axis=1)
    return keep_nearest(indices, squared, k)
