import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, is_valid_linkage, linkage
from scipy.spatial.distance import pdist

from discovery.clusterers.choice import choose_n_clusters
from discovery.clusterers.groups import (
    Groups,
    find_nearest,
    measure_memberships,
    summarise_rows,
)
from discovery.clusterers.linkages import link_groups, link_rows
from discovery.clusterers.tree import cut_tree


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


@pytest.mark.parametrize("method", ["ward", "average"])
def test_memory_grows_with_n_not_with_its_square(method):
    values = draw(8000, 4)
    tracemalloc.start()
    link_rows(values, method)
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
    groups, leaves = summarise_rows(values, exact_below=1000, seed=0)
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


def blobs(k, d, seed, *, even):
    rng = np.random.default_rng(seed)
    shares = np.full(k, 1 / k) if even else rng.dirichlet(np.full(k, 2.0))
    counts = np.maximum(15, (shares * 1200).astype(int))
    truth = np.repeat(np.arange(k), counts)
    return 2 * rng.normal(size=(k, d))[truth] + 0.6 * rng.normal(size=(len(truth), d)), truth


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("d", [10, 50])
@pytest.mark.parametrize("k", [1, 3, 8, 15, 30])
def test_the_number_of_clusters_is_found(k, d, even):
    groups = Groups.from_rows(blobs(k, d, k, even=even)[0])
    assert k == choose_n_clusters(groups, link_groups(groups, "ward"))


def test_the_number_of_clusters_of_distinct_duplicates():
    groups = Groups.from_rows(np.repeat(draw(7, 5), 20, axis=0))
    tree = link_groups(groups, "ward")
    assert 7 == choose_n_clusters(groups, tree)
    assert 7 == len(np.unique(cut_tree(tree, 7)))


def test_identical_rows_are_one_cluster():
    groups = Groups.from_rows(np.ones((30, 3)))
    assert 1 == choose_n_clusters(groups, link_groups(groups, "ward"))
