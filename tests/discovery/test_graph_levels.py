"""Levels: a tree that is cut at any resolution, whichever clusterer left it."""

from itertools import pairwise

import numpy as np
import pytest
from hdbscan import HDBSCAN
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from discovery.estimators.agglomerative import Agglomerative
from discovery.estimators.communities import GraphCommunities
from discovery.estimators.kmeans import KMeans
from discovery.estimators.linkages import cut_tree
from discovery.graph.hierarchy import measure_firmness, refine_communities
from discovery.graph.levels import Levels
from discovery.graph.persistence import FINEST, merge_communities
from discovery.records import number_by_size
from discovery.stages.levels import find_graph_levels, find_levels, format_levels, read_levels
from embeddings.errors import RunError


def make_blobs(seed=0, sizes=(60, 50, 40, 30), d=4, spread=1.0):
    """Groups in a row, ever farther apart, so that coarse groups hold several of them."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(sizes), d)) * 6
    truth = np.repeat(np.arange(len(sizes)), sizes)
    return (centres[truth] + spread * rng.normal(size=(len(truth), d))).astype(np.float32), truth


def fit(kind, rows):
    if kind == "communities":
        return GraphCommunities().fit(rows)
    if kind == "condensed tree":
        return HDBSCAN(min_cluster_size=8, min_samples=5, approx_min_span_tree=False).fit(rows)
    if kind == "linkage":
        return Agglomerative(3).fit(rows)
    return Agglomerative(3, exact_below=10).fit(rows)  # of micro-clusters


def find(kind, rows):
    return find_levels(fit(kind, rows), lambda: pytest.fail("there is a hierarchy"))


KINDS = ("communities", "condensed tree", "linkage", "micro-clusters")


def refines(fine, coarse):
    """Whether each group of the fine cut lies in one of the coarse, and its noise holds that's."""
    both = fine >= 0
    pairs = np.unique(np.stack([fine[both], coarse[both]]), axis=1)
    return len(np.unique(pairs[0])) == pairs.shape[1] and (coarse[both] >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1_000))
def test_cuts_nest(kind, seed):
    levels = find(kind, make_blobs(seed)[0])
    cuts = [levels.cut(position.index) for position in levels.positions]
    steps = np.random.default_rng(seed).choice(levels.tree.levels, 5)
    cuts += [levels.cut_at(float(level)) for level in np.sort(steps * 1.001)]
    ordered = sorted(cuts[len(levels.positions) :], key=lambda cut: -(cut < 0).sum())
    assert len(cuts) == len(levels.positions) + len(ordered)
    for many in (cuts[: len(levels.positions)], cuts[len(levels.positions) :]):
        for coarse, fine in pairwise(many):
            assert refines(fine, coarse)


@pytest.mark.parametrize("kind", KINDS)
def test_positions_say_what_their_cuts_hold(kind):
    rows, truth = make_blobs()
    levels = find(kind, rows)
    positions = levels.positions
    assert list(range(len(positions))) == [position.index for position in positions]
    assert all(a.resolution < b.resolution for a, b in pairwise(positions))
    for position in positions:
        cut = levels.cut(position.index)
        assert position.groups == cut.max() + 1 >= 2
        sizes = np.bincount(cut[cut >= 0])
        assert (sizes >= levels.smallest).all()
        assert (np.diff(sizes) <= 0).all()
    # Four groups that lie apart are what lasts longest.
    longest = max(positions, key=lambda position: position.lasts)
    assert (4, True) == (longest.groups, longest.stable)
    cut = levels.cut(longest.index)
    kept = cut >= 0
    np.testing.assert_array_equal(cut[kept], number_by_size(truth)[kept])
    assert kept.mean() > 0.9
    assert longest.index == levels.find_position(number_by_size(truth))


def test_a_cut_of_the_condensed_tree_is_what_hdbscan_finds_at_that_density():
    rows, _ = make_blobs(3, spread=2.0)
    fitted = fit("condensed tree", rows)
    levels = find("condensed tree", rows)
    for resolution in np.geomspace(levels.tree.levels[-1] / 2, levels.firm.max(), 40).tolist():
        expected = fitted.single_linkage_tree_.get_clusters(1 / resolution, min_cluster_size=8)
        np.testing.assert_array_equal(levels.cut_at(resolution), number_by_size(expected))


@pytest.mark.parametrize("k", [2, 5, 30])
def test_a_cut_of_a_linkage_is_the_parts_above_its_highest_merges(k):
    rows, _ = make_blobs()
    fitted = fit("linkage", rows)
    between = 2 / (fitted.linkage_[-k + 1, 2] + fitted.linkage_[-k, 2])
    found = find("linkage", rows).cut_at(between)
    np.testing.assert_array_equal(found, number_by_size(cut_tree(fitted.linkage_, k)))


def test_below_the_finest_a_cut_is_that_of_the_communities_themselves():
    fitted = fit("communities", make_blobs()[0])
    levels = find_graph_levels(fitted, seed=0)
    for resolution in (0.3, 1.0, 2.5):
        of_leaves = fitted.persistence_.tree.cut(resolution)[fitted.communities_]
        kept = levels.cut_at(resolution) >= 0
        assert kept.mean() > 0.5
        np.testing.assert_array_equal(
            number_by_size(levels.cut_at(resolution)[kept]), number_by_size(of_leaves[kept])
        )


def test_what_has_no_hierarchy_takes_that_of_the_neighbour_graph():
    rows, _ = make_blobs()
    levels = find_levels(KMeans(3).fit(rows), lambda: fit("communities", rows))
    expected = find("communities", rows)
    assert "communities" == levels.kind
    np.testing.assert_array_equal(levels.tree.children, expected.tree.children)


def make_graph(seed, n=60):
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((n, n)) * (rng.random((n, n)) < 0.2), 1)
    weights += np.diag(np.full(n - 1, 0.1), 1)  # a chain: no row is empty
    return sparse.csr_matrix(weights + weights.T)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_finer_leaves_lie_in_the_communities_and_under_their_tree(seed, m):
    graph = make_graph(seed)
    labels = np.random.default_rng(seed).permutation(np.arange(60) % m)
    tree = merge_communities(graph, labels)
    fine, finer = refine_communities(graph, labels, tree, seed=seed)
    assert refines(fine, labels)
    np.testing.assert_array_equal(np.bincount(fine), finer.sizes[: finer.leaves])
    assert 60 == finer.sizes[-1]
    for resolution in np.random.default_rng(seed).uniform(0, FINEST, 5).tolist():
        np.testing.assert_array_equal(
            number_by_size(finer.cut(resolution)[fine]),
            number_by_size(tree.cut(resolution)[labels]),
        )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 10))
def test_an_image_is_firm_where_half_of_its_ties_lie_inside(seed, m):
    graph = make_graph(seed)
    labels = np.random.default_rng(seed).permutation(np.arange(60) % m)
    tree = merge_communities(graph, labels)
    firm = measure_firmness(graph, labels, tree)
    dense = graph.toarray()
    for resolution in [*(tree.levels * 0.999).tolist(), 1e9]:
        group = tree.cut(resolution)[labels]
        inside = (dense * (group[:, None] == group)).sum(axis=1) >= 0.5 * dense.sum(axis=1) - 1e-9
        np.testing.assert_array_equal(firm > resolution, inside)


@pytest.mark.parametrize("kind", KINDS)
def test_levels_come_back_as_they_were(kind):
    levels = find(kind, make_blobs()[0])
    again, ids_sha256 = read_levels(format_levels(levels, "ab" * 32))
    assert "ab" * 32 == ids_sha256
    assert levels.positions == again.positions
    assert (levels.kind, levels.smallest) == (again.kind, again.smallest)
    for position in levels.positions:
        np.testing.assert_array_equal(levels.cut(position.index), again.cut(position.index))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 is not much of an archive"])
def test_damaged_levels_are_refused(damage):
    with pytest.raises(RunError, match=r"levels\.npz cannot be read"):
        read_levels(damage)


def test_groups_that_all_coincide_make_no_position():
    levels = find("condensed tree", np.zeros((30, 3), np.float32))
    assert () == levels.positions
    assert -1 == levels.find_position(np.zeros(30, np.int32))
    with pytest.raises(IndexError, match="position 0: there are 0"):
        levels.cut(0)


@pytest.mark.parametrize("n", [2, 5, 12])
def test_a_handful_of_images_has_levels(n):
    rows = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    for kind in ("communities", "linkage"):
        fitted = (
            GraphCommunities().fit(rows) if kind == "communities" else Agglomerative(2).fit(rows)
        )
        levels = find_levels(fitted, lambda: pytest.fail("there is a hierarchy"))
        assert isinstance(levels, Levels)
        assert (n, n) == (len(levels), len(levels.cut_at(1.0)))
