import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, fcluster, is_valid_linkage, linkage
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score

from discovery.estimators.linkages import (
    Groups,
    cut_tree,
    find_nearest,
    link_groups,
    link_rows,
    measure_memberships,
    summarise_rows,
)


def draw(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def link_peer(values, method):
    if method == "ward":
        return linkage(values, "ward")
    return linkage(pdist(values, "sqeuclidean"), "average")


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 90), d=st.integers(1, 6), seed=st.integers(0, 9999),
    method=st.sampled_from(["ward", "average"]),
)  # fmt: skip
def test_the_tree_is_that_of_scipy(n, d, seed, method):
    values = draw(n, d, seed)
    ours, peer = link_groups(Groups.from_rows(values), method), link_peer(values, method)
    assert is_valid_linkage(ours)
    np.testing.assert_allclose(ours[:, 2], peer[:, 2], atol=1e-6)
    np.testing.assert_allclose(cophenet(ours), cophenet(peer), atol=1e-6)
    np.testing.assert_allclose(cophenet(link_rows(values, method)), cophenet(peer), atol=1e-6)


@pytest.mark.parametrize("method", ["ward", "average"])
def test_ties_and_duplicates_give_a_valid_tree(method):
    values = np.round(draw(200, 2))
    tree = link_groups(Groups.from_rows(values), method)
    assert is_valid_linkage(tree)
    assert len(np.unique(values, axis=0)) - 1 == (tree[:, 2] > 1e-12).sum()


@pytest.mark.parametrize("method", ["ward", "average"])
def test_groups_weigh_as_much_as_their_members(method):
    # Tight groups far apart: linking them equals the top of the tree over all members.
    centres = 10 * draw(12, 4)
    labels = np.repeat(np.arange(12), np.arange(1, 13))
    values = centres[labels] + 0.1 * draw(len(labels), 4, 1)
    grouped = link_groups(Groups.from_labels(values, labels), method)
    full = link_peer(values, method)
    np.testing.assert_allclose(grouped[:, 2], full[-11:, 2], rtol=1e-9)
    assert np.array_equal(grouped[:, 3], full[-11:, 3])


def test_memory_of_ward_grows_with_n_not_with_its_square():
    values = draw(8000, 4)
    tracemalloc.start()
    link_rows(values, "ward")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # a condensed distance matrix would take 256 MB


def test_merging_groups_keeps_their_moments():
    values, labels = draw(300, 3), np.arange(300) % 20
    merged = Groups.from_labels(values, labels).merge(np.arange(20) % 4)
    direct = Groups.from_labels(values, labels % 4)
    np.testing.assert_allclose(merged.means, direct.means)
    np.testing.assert_allclose(merged.variances, direct.variances)
    np.testing.assert_allclose(merged.sizes, direct.sizes)


def test_many_rows_become_micro_clusters_without_losing_any():
    values = draw(5000, 3)
    groups, leaves = summarise_rows(values, seed=0)
    assert len(groups.sizes) <= 2000
    assert np.array_equal(groups.sizes, np.bincount(leaves))
    np.testing.assert_allclose(np.average(groups.means, axis=0, weights=groups.sizes),
                               values.mean(axis=0), atol=1e-9)  # fmt: skip


def test_memberships():
    means = np.array([[0.0], [4.0]])
    values = np.array([[0.0], [1.0], [2.0], [3.0]])
    strengths = measure_memberships(values, means, np.array([0, 0, 0, 0]))
    np.testing.assert_allclose(strengths, [1, 2 / 3, 0, 0], atol=1e-6)
    assert [1.0] * 4 == measure_memberships(values, means[:1], np.zeros(4, int)).tolist()
    assert [0, 0, 0, 1] == find_nearest(values, means).tolist()


@pytest.mark.parametrize("k", [1, 2, 7, 39, 40])
def test_cut_gives_as_many_parts_as_asked(k):
    tree = link_peer(draw(40, 2, k), "average")
    labels = cut_tree(tree, k)
    assert set(range(k)) == set(labels.tolist())
    assert 1.0 == adjusted_rand_score(fcluster(tree, k, "maxclust"), labels)
    assert labels[0] == 0  # parts are numbered as they are first seen
    assert (np.diff(np.unique(labels, return_index=True)[1]) > 0).all()


def test_a_tree_of_one_leaf_is_cut():
    assert [0] == cut_tree(np.empty((0, 4)), 1).tolist()


@pytest.mark.parametrize("method", ["ward", "average"])
def test_duplicates_are_merged_before_what_is_apart(method):
    values = np.repeat(draw(7, 5), 20, axis=0)
    for tree in (link_rows(values, method), link_groups(Groups.from_rows(values), method)):
        assert 7 == len(np.unique(cut_tree(tree, 7)))
        assert (np.diff(cut_tree(tree, 7).reshape(7, 20), axis=1) == 0).all()
