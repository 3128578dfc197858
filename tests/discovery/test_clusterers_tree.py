import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, is_valid_linkage, linkage
from sklearn.metrics import adjusted_rand_score

from discovery.clusterers.tree import climb, cut_tree, find_parents, merge_edges


def draw_tree(seed, n=40):
    values = np.random.default_rng(seed).normal(size=(n, 2))
    return linkage(values, "average")


def test_edges_become_the_linkage_they_describe():
    edges = np.array([[0, 1], [2, 3], [1, 3]])
    tree = merge_edges(edges, np.array([1.0, 3.0, 2.0]))
    # By height: 0-1, then 1-3 takes leaf 3 in, then 2-3 takes leaf 2 in.
    assert [[0, 1, 1, 2], [4, 3, 2, 3], [2, 5, 3, 4]] == tree.tolist()
    assert is_valid_linkage(tree)


def test_leaves_may_stand_for_several_images():
    tree = merge_edges(np.array([[0, 1], [1, 2]]), np.array([1.0, 2.0]), np.array([5, 1, 4]))
    assert [6, 10] == tree[:, 3].tolist()


def test_single_linkage_equals_scipy():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(60, 3))
    expected = linkage(values, "single")
    gaps = np.linalg.norm(values[:, None] - values, axis=2)
    # Prim's algorithm, plainly.
    inside, edges, heights = {0}, [], []
    while len(inside) < 60:
        weight, a, b = min((gaps[a, b], a, b) for a in inside for b in range(60) if b not in inside)
        inside.add(b)
        edges.append((a, b))
        heights.append(weight)
    tree = merge_edges(np.array(edges), np.array(heights))
    np.testing.assert_allclose(tree[:, 2], expected[:, 2])
    assert np.array_equal(tree[:, 3], expected[:, 3])


@pytest.mark.parametrize("k", [1, 2, 7, 39, 40])
def test_cut_gives_as_many_parts_as_asked(k):
    tree = draw_tree(k)
    labels = cut_tree(tree, k)
    assert set(range(k)) == set(labels.tolist())
    assert 1.0 == adjusted_rand_score(fcluster(tree, k, "maxclust"), labels)
    assert labels[0] == 0  # parts are numbered as they are first seen
    assert (np.diff(np.unique(labels, return_index=True)[1]) > 0).all()


def test_parents_and_climbing_reach_the_root():
    parents = find_parents(draw_tree(0))
    assert (climb(parents) == 78).all()
    assert (parents[:-1] > np.arange(78)).all()


def test_a_tree_of_one_leaf_is_cut():
    assert [0] == cut_tree(np.empty((0, 4)), 1).tolist()
