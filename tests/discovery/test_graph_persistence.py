"""Merge trees over resolutions, and the groups that last in them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from discovery.estimators.communities import GraphCommunities
from discovery.graph.persistence import (
    COARSEST,
    FINEST,
    MergeTree,
    add_apart,
    merge_communities,
    select_persistent,
)


def make_graph(seed, n=40):
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((n, n)) * (rng.random((n, n)) < 0.2), 1)
    weights += np.diag(np.full(n - 1, 0.1), 1)  # a chain: no row is empty
    return sparse.csr_matrix(weights + weights.T)


def nest_blobs(seed=0):
    """Three far groups, the first of two near halves."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0], [2.5, 0], [30, 0], [0, 30]], dtype=float)
    truth = np.repeat(np.arange(4), 60)
    return (centres[truth] + rng.normal(size=(240, 2))).astype(np.float32), truth


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_a_merge_pays_up_to_its_level(measure_modularity, seed, m):
    graph = make_graph(seed)
    labels = np.random.default_rng(seed).permutation(np.arange(40) % m)
    tree = merge_communities(graph, labels)
    assert (np.diff(tree.levels) <= 0).all()
    assert 40 == tree.sizes[-1]
    first = float(tree.levels[0])
    joined = tree.cut(first * (1 - 1e-9))[labels]
    for resolution, sign in ((first * 0.99, 1), (first * 1.01, -1)):
        gain = measure_modularity(graph, joined, resolution) - measure_modularity(
            graph, labels, resolution
        )
        assert sign * gain >= -1e-12


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.floats(0.3, 3))
def test_chosen_groups_cover_each_leaf_once(seed, m, preference):
    tree = merge_communities(make_graph(seed), np.arange(40) % m)
    found = select_persistent(tree, preference=preference)
    leaves = [leaf for node in found.chosen.tolist() for leaf in tree.members(node)]
    assert list(range(m)) == sorted(leaves)
    assert m == 1 or 2 * m - 2 not in found.chosen
    assert (found.spans >= 0).all()
    assert 0 <= found.persistence <= np.log(FINEST / COARSEST) + 1e-9
    assert m > 1 or [0] == found.label_leaves().tolist()


def test_cuts_are_nested():
    tree = merge_communities(make_graph(1), np.arange(40) % 9)
    cuts = [tree.cut(level) for level in (3.0, 1.5, 1.0, 0.5, 0.0)]
    counts = [len(np.unique(cut)) for cut in cuts]
    assert sorted(counts, reverse=True) == counts
    for fine, coarse in pairwise(cuts):
        assert all(1 == len(set(coarse[fine == group])) for group in np.unique(fine))


def test_a_long_life_wins_over_short_ones():
    # Leaves 0 and 1 join at 2, both with 2 at 0.2: the pair lasts ten times the resolution.
    children = np.array([[0, 1], [3, 2]])
    tree = MergeTree(
        sizes=np.array([10, 10, 10, 20, 30]), children=children, levels=np.array([2.0, 0.2])
    )
    assert [2, 3] == select_persistent(tree).chosen.tolist()
    assert [0, 1, 2] == select_persistent(tree, preference=0.1).chosen.tolist()
    early = MergeTree(
        sizes=np.array([10, 10, 10, 20, 30]), children=children, levels=np.array([0.25, 0.2])
    )
    assert [0, 1, 2] == select_persistent(early).chosen.tolist()


def test_granularity_orders_the_number_of_groups():
    values, truth = nest_blobs()
    counts = []
    for granularity in ("coarse", "auto", "fine"):
        labels = GraphCommunities(granularity=granularity).fit(values).labels_
        counts.append(labels.max() + 1)
        far = np.minimum(np.maximum(truth, 1), 3)
        # Whatever the granularity, no group reaches over the gaps.
        for group in range(labels.max() + 1):
            assert 1 == len(np.unique(far[labels == group]))
    assert sorted(counts) == counts


def test_levels_that_rise_are_refused():
    with pytest.raises(ValueError, match="must not rise"):
        MergeTree(
            sizes=np.ones(5, np.int64),
            children=np.zeros((2, 2), np.int64),
            levels=np.array([1, 2.0]),
        )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.lists(st.integers(1, 50), max_size=3))
def test_groups_apart_are_chosen_beside_what_was(seed, m, sizes):
    before = select_persistent(merge_communities(make_graph(seed), np.arange(40) % m))
    found = add_apart(before, np.array(sizes, np.int64))
    assert m + len(sizes) == found.tree.leaves
    assert 40 + sum(sizes) == found.tree.sizes[-1]
    leaves = [leaf for node in found.chosen.tolist() for leaf in found.tree.members(node)]
    assert list(range(m + len(sizes))) == sorted(leaves)
    labels = found.label_leaves()
    # What was together is, and each group apart is one of its own.
    assert np.array_equal(before.label_leaves(), labels[:m])
    assert len(sizes) == len(set(labels[m:].tolist()) - set(labels[:m].tolist()))
    assert (found.spans >= 0).all()
    assert list(found.tree.sizes[m : m + len(sizes)]) == sizes
