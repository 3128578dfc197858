"""The neighbour graph by shards: what one search of all rows finds, in whatever shards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from discovery.estimators.communities import GraphCommunities
from discovery.graph.neighbours import find_neighbours
from discovery.graph.shards import SHARD_ROWS, count_shards, find_neighbours_sharded


class OneByOne:
    """A pool that does its blocks in this process, the last first: their order is nobody's."""

    members = 3

    def __init__(self):
        self.done = []

    def map(self, make, blocks):
        work = make()
        for number in reversed(range(len(blocks))):
            result = work(blocks[number])
            self.done.append(result)
            yield number, result


def draw_groups(n, *, groups=12, d=16, seed=0):
    """Return rows in round groups, and the group of each, one lot after the other."""
    rng = np.random.default_rng(seed)
    truth = np.sort(rng.integers(groups, size=n))
    rows = rng.normal(size=(groups, d))[truth] + 0.25 * rng.normal(size=(n, d))
    return rows.astype(np.float32), truth


def measure_recall(found, truth):
    hits = (found.indices[:, :, None] == truth.indices[:, None, :]).any(axis=1)
    return hits.mean()


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_shards_searched_exactly_give_the_graph_of_one_search(shards, tmp_path):
    rows, _ = draw_groups(600)
    found = find_neighbours_sharded(rows, 15, pool=OneByOne(), folder=tmp_path / "s", shards=shards)
    alone = find_neighbours(rows, 15)
    assert found.exact
    np.testing.assert_array_equal(found.indices, alone.indices)
    np.testing.assert_array_equal(found.distances, alone.distances)
    assert not (tmp_path / "s").exists()


@given(n=st.integers(2, 40), k=st.integers(1, 12), shards=st.integers(1, 9), copies=st.booleans())
def test_any_number_of_shards_finds_the_same_distances(n, k, shards, copies, tmp_path_factory):
    rows, _ = draw_groups(n, d=3, seed=n)
    if copies:
        rows[: n // 2] = rows[0]
    folder = tmp_path_factory.mktemp("shards") / "s"
    found = find_neighbours_sharded(rows, k, pool=OneByOne(), folder=folder, shards=shards)
    alone = find_neighbours(rows, k)
    np.testing.assert_array_equal(found.distances, alone.distances)
    assert not (found.indices == np.arange(n)[:, None]).any()
    assert all(len(set(row)) == len(row) for row in found.indices.tolist())


def test_inverted_files_of_shards_miss_little(tmp_path):
    rows, truth = draw_groups(6000)
    pool = OneByOne()
    found = find_neighbours_sharded(
        rows, 30, pool=pool, folder=tmp_path / "s", shards=3, exact_below=1000
    )
    assert pool.done == [False] * 3 + [None] * 3  # every shard has its index
    exact = find_neighbours(rows, 30)
    assert not found.exact
    assert measure_recall(found, exact) > 0.98
    labels = [
        GraphCommunities(random_state=0).fit(rows, neighbours=graph).labels_
        for graph in (found, exact)
    ]
    assert adjusted_rand_score(*labels) > 0.98
    assert adjusted_rand_score(labels[0], truth) > 0.98


def test_every_worker_has_a_shard_and_none_is_tiny():
    assert count_shards(1000, 8) == 1
    assert count_shards(200_000, 4) == 4
    assert count_shards(10 * SHARD_ROWS + 1, 4) == 11
