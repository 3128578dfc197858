"""The neighbour graph by shards against one search: recall, groups, processor time.

    python benchmarks/shards.py --n 200000 --workers 2
    python benchmarks/shards.py --n 200000 --here      the same in this process, without Ray

The vectors are made up: groups of unlike sizes and shapes in 100 dimensions, with a tenth of the
rows between them. The recall is that of 2,000 rows, against the search of all rows by brute force.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

from discovery.estimators.communities import GraphCommunities
from discovery.graph.lists import search_flat
from discovery.graph.neighbours import find_neighbours
from discovery.graph.shards import find_neighbours_sharded
from embeddings.records import unit_rows

K, DIMENSIONS, GROUPS, PROBES = 30, 100, 60, 2000


class Here:
    """A pool of one: this process."""

    def __init__(self, members: int) -> None:
        self.members = members

    def map(self, make, blocks):  # noqa: ANN001, ANN201 - as `shards.Pool`
        """Yield the number and the result of each block."""
        work = make()
        for number, block in enumerate(blocks):
            yield number, work(block)


def draw_rows(n: int, seed: int) -> np.ndarray:
    """Return (n, 100) unit rows in groups, (9 of 10) that differ in size, width and shape."""
    rng = np.random.default_rng(seed)
    sizes = rng.dirichlet(np.full(GROUPS, 2.0))
    group = rng.choice(GROUPS, n, p=sizes)
    centres = rng.normal(size=(GROUPS, DIMENSIONS))
    widths = rng.uniform(0.3, 0.8, (GROUPS, DIMENSIONS))  # of each dimension: no group is round
    rows = centres[group] + widths[group] * rng.normal(size=(n, DIMENSIONS))
    loose = rng.random(n) < 0.1
    other = rng.permutation(n)
    rows[loose] = (rows[loose] + rows[other][loose]) / 2
    return unit_rows(rows.astype(np.float32))


def measure_recall(indices: np.ndarray, rows: np.ndarray, seed: int) -> float:
    """Return the share of true neighbours that a graph has, of a sample of rows."""
    probes = np.sort(np.random.default_rng(seed + 1).choice(len(rows), PROBES, replace=False))
    truth = search_flat(rows[probes], rows, K + 1)
    truth = np.array([[one for one in near if one != own][:K]
                      for own, near in zip(probes, truth.tolist(), strict=True)])  # fmt: skip
    return float((indices[probes][:, :, None] == truth[:, None, :]).any(axis=1).mean())


def spent() -> float:
    """Return the processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--here", action="store_true", help="in this process, without Ray")
    chosen = parser.parse_args()
    rows = draw_rows(chosen.n, chosen.seed)
    print(f"{chosen.n} rows of {DIMENSIONS} dimensions, k {K}, {os.cpu_count()} cores")
    graphs = {}
    start = spent()
    graphs["one search"] = find_neighbours(rows, K, seed=chosen.seed)
    print(f"one search: {spent() - start:.0f} s of processor time")
    pool = Here(chosen.workers)
    if not chosen.here:
        from embeddings.ray_pool import RayPool, connect

        pool = RayPool(connect(None), cpus=1, most=chosen.workers)
    start, clock = spent(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        graphs["shards"] = find_neighbours_sharded(
            rows, K, pool=pool, folder=Path(folder) / "s", shards=chosen.shards, seed=chosen.seed
        )
    what = f"{spent() - start:.0f} s of processor time" if chosen.here else "by workers"
    print(f"{chosen.shards} shards, {chosen.workers} workers: {what}, "
          f"{time.perf_counter() - clock:.0f} s")  # fmt: skip
    labels = {}
    for name, graph in graphs.items():
        start = spent()
        fitted = GraphCommunities(random_state=chosen.seed).fit(rows, neighbours=graph)
        labels[name] = fitted.labels_
        print(
            f"{name}: recall {measure_recall(graph.indices, rows, chosen.seed):.4f}, "
            f"{len(set(fitted.labels_.tolist()) - {-1})} groups, communities "
            f"{spent() - start:.0f} s of processor time"
        )
    print(f"ARI of the groups: {adjusted_rand_score(*labels.values()):.4f}")


if __name__ == "__main__":
    main()
