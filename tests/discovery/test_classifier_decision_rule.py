"""Probabilities down the tree: what adds up, what is cut where, which thresholds are chosen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.classifier.decision_rule import choose_thresholds, truncate_forced, walk_paths
from discovery.classifier.taxonomy import ROOT, Taxonomy, split_path

PARTS = st.sampled_from(["a", "a-b", "a!", "b", "Ä", "large particle"])
TREES = st.lists(
    st.lists(PARTS, min_size=1, max_size=4).map("/".join), min_size=1, max_size=10
).map(Taxonomy.from_labels)


@st.composite
def walks(draw):
    """Draw (taxonomy, probabilities at its nodes, paths), at times without one node's."""
    taxonomy = draw(TREES)
    n = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    sharp = draw(st.sampled_from([0.01, 1.0, 100.0]))
    probabilities = {
        node: rng.dirichlet(np.full(len(taxonomy.children(node)), sharp), size=n)
        for node in taxonomy.decision_nodes()
    }
    dropped = draw(st.sampled_from([None, *probabilities]))
    probabilities.pop(dropped, None)
    return taxonomy, probabilities, walk_paths(taxonomy, probabilities, n)


@settings(deadline=None)
@given(walk=walks())
def test_the_leaves_add_up_to_1_and_a_node_to_its_children(walk):
    taxonomy, _, paths = walk
    column = {node: i for i, node in enumerate(paths.nodes)}
    leaves = paths.marginal[:, [column[leaf] for leaf in taxonomy.leaves]]
    np.testing.assert_allclose(leaves.sum(axis=1), 1, atol=1e-9)
    for node in taxonomy.nodes:
        if children := taxonomy.children(node):
            below = paths.marginal[:, [column[child] for child in children]].sum(axis=1)
            np.testing.assert_allclose(paths.marginal[:, column[node]], below, atol=1e-9)


@settings(deadline=None)
@given(walk=walks())
def test_forced_is_the_likeliest_leaf_and_confidences_are_its_probability(walk):
    taxonomy, _, paths = walk
    column = {node: i for i, node in enumerate(paths.nodes)}
    for i, forced in enumerate(paths.forced.tolist()):
        assert forced in taxonomy.leaves
        best = max(paths.marginal[i, column[leaf]] for leaf in taxonomy.leaves)
        assert paths.marginal[i, column[forced]] == best
        assert paths.confidences[i] == pytest.approx(best, abs=1e-12)


@settings(deadline=None)
@given(walk=walks())
def test_levels_are_those_of_forced_and_nan_below_it(walk):
    taxonomy, _, paths = walk
    column = {node: i for i, node in enumerate(paths.nodes)}
    assert (len(paths.forced), taxonomy.depth) == paths.levels.shape
    for i, forced in enumerate(paths.forced.tolist()):
        own = [paths.given_parent[i, column[node]] for node in taxonomy.ancestors(forced)]
        assert own == paths.levels[i, : len(own)].tolist()
        assert np.isnan(paths.levels[i, len(own) :]).all()
        assert np.isnan(paths.path_probabilities[i, len(own) :]).all()
        assert (np.diff(paths.path_probabilities[i, : len(own)]) <= 0).all()


@settings(deadline=None)
@given(walk=walks(), seed=st.integers(0, 99), step=st.floats(0, 1))
def test_what_is_vouched_for_is_above_forced_and_never_deeper_for_more(walk, seed, step):
    taxonomy, _, paths = walk
    low = np.random.default_rng(seed).random(taxonomy.depth)
    few, more = truncate_forced(paths, low + step), truncate_forced(paths, low)
    for a, b, forced in zip(few.tolist(), more.tolist(), paths.forced.tolist(), strict=True):
        assert split_path(a) == split_path(b)[: len(split_path(a))]
        assert split_path(b) == split_path(forced)[: len(split_path(b))]


@settings(deadline=None)
@given(walk=walks())
def test_thresholds_of_0_and_infinity_vouch_for_everything_and_nothing(walk):
    taxonomy, _, paths = walk
    everything = truncate_forced(paths, np.zeros(taxonomy.depth))
    assert paths.forced.tolist() == everything.tolist()
    nothing = truncate_forced(paths, np.full(taxonomy.depth, np.inf))
    assert [""] * len(paths.forced) == nothing.tolist()


def walk_default(*rows):
    """Walk a tree of depth 2 by the root's probabilities of a and b, and those of a/x and a/y."""
    taxonomy = Taxonomy.from_labels(["a/x", "a/y", "b"])
    root, inner = (np.array([row[i] for row in rows]) for i in (0, 1))
    return walk_paths(taxonomy, {ROOT: root, "a": inner}, len(rows))


def test_a_parent_of_lower_threshold_is_vouched_for_where_its_child_is_not():
    paths = walk_default(([0.9, 0.1], [0.6, 0.4]), ([0.2, 0.8], [0.5, 0.5]))
    assert ["a/x", "b"] == paths.forced.tolist()
    assert ["a", "b"] == truncate_forced(paths, np.array([0.7, 0.7])).tolist()
    assert ["a/x", "b"] == truncate_forced(paths, np.array([0.7, 0.54])).tolist()
    # No child is vouched for below a parent that is not.
    assert ["", ""] == truncate_forced(paths, np.array([0.95, 0.1])).tolist()


def test_the_likeliest_leaf_need_not_lie_below_the_likeliest_parent():
    paths = walk_default(([0.55, 0.45], [0.5, 0.5]))
    assert ["b"] == paths.forced.tolist()
    assert paths.confidences[0] == pytest.approx(0.45)


def test_children_that_nothing_was_learned_of_are_all_alike():
    taxonomy = Taxonomy.from_labels(["a/x", "a/y", "b"])
    paths = walk_paths(taxonomy, {ROOT: np.array([[0.8, 0.2]])}, 1)
    assert [0.8, 0.4, 0.4, 0.2] == pytest.approx(paths.marginal[0].tolist())


def test_a_node_with_one_child_passes_through():
    taxonomy = Taxonomy.from_labels(["a", "a/b", "a/b/c", "d"])
    paths = walk_paths(taxonomy, {ROOT: np.array([[0.7, 0.3]])}, 1)
    assert [0.7, 1.0, 1.0] == paths.levels[0].tolist()
    assert ["a/b/c"] == paths.forced.tolist()


def choose(paths, labels, *, purity=0.9, rejection=None, refused=None):
    return choose_thresholds(
        paths,
        np.array(labels, dtype=np.str_),
        target_purity=purity,
        max_rejection=rejection,
        refused=np.zeros(len(labels), bool) if refused is None else refused,
    )


def test_each_depth_gets_the_lowest_threshold_that_is_pure_enough():
    even = [0.5, 0.5]
    paths = walk_default(
        ([0.1, 0.9], even), ([0.2, 0.8], even), ([0.3, 0.7], even), ([0.95, 0.05], [0.9, 0.1])
    )
    chosen = choose(paths, ["b", "b", "a/x", "a/y"])
    assert [0.8, np.inf] == pytest.approx(chosen.tolist())  # a/x for a/y: no depth 2 is pure
    assert [0.7, 0.855] == pytest.approx(choose(paths, ["b", "b", "a/x", "a/y"], purity=0).tolist())


def test_a_label_that_stops_at_an_inner_node_says_nothing_of_the_depths_below():
    paths = walk_default(([0.9, 0.1], [0.9, 0.1]), ([0.8, 0.2], [0.9, 0.1]))
    assert [0.8, np.inf] == pytest.approx(choose(paths, ["a", "a"]).tolist())


@settings(deadline=None)
@given(walk=walks(), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_no_more_than_the_largest_rejection_is_left_without_a_whole_answer(walk, share, seed):
    taxonomy, _, paths = walk
    n = len(paths.forced)
    refused = np.random.default_rng(seed).random(n) < 0.2
    chosen = choose(paths, [taxonomy.leaves[0]] * n, rejection=share, refused=refused)
    unanswered = refused | (truncate_forced(paths, chosen) != paths.forced)
    assert unanswered.sum() <= max(share * n + 1e-6, refused.sum())
