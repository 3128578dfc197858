import numpy as np
import pytest
from hdbscan import HDBSCAN
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from discovery.clusterers.condensed import LinkageTree
from embeddings.errors import OptionError


def draw(seed, n, d):
    rng = np.random.default_rng(seed)
    spread = 3.0 * (seed % 3 > 0)
    return rng.normal(size=(n, d)) + spread * rng.integers(0, 4, size=(n, 1))


def same_partition(a, b):
    return np.array_equal(a < 0, b < 0) and adjusted_rand_score(a, b) == 1.0


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(4, 200),
    d=st.integers(1, 5),
    size=st.integers(2, 15),
    min_samples=st.integers(1, 8),
    method=st.sampled_from(["eom", "leaf"]),
    epsilon=st.sampled_from([0.0, 0.0, 0.3, 0.8]),
)
def test_every_cut_is_that_of_the_package(seed, n, d, size, min_samples, method, epsilon):
    peer = HDBSCAN(
        min_cluster_size=size,
        min_samples=min_samples,
        cluster_selection_method=method,
        cluster_selection_epsilon=epsilon,
        approx_min_span_tree=False,
    ).fit(draw(seed, n, d))
    tree = LinkageTree(linkage=peer.single_linkage_tree_.to_numpy())
    flat = tree.cut(size, method=method, epsilon=epsilon)
    assert same_partition(peer.labels_, flat.labels)
    np.testing.assert_allclose(flat.probabilities, peer.probabilities_)
    np.testing.assert_allclose(flat.outlier_scores, peer.outlier_scores_, atol=1e-12)


def test_one_tree_answers_every_minimum_size():
    values = draw(1, 300, 3)
    tree = None
    for size in (5, 10, 20, 40):
        peer = HDBSCAN(min_cluster_size=size, min_samples=5, approx_min_span_tree=False)
        peer.fit(values)
        tree = tree or LinkageTree(linkage=peer.single_linkage_tree_.to_numpy())
        assert same_partition(peer.labels_, tree.labels_at(size))


def line(*heights):
    """Return a chain: each merge adds the next leaf."""
    n = len(heights) + 1
    left = [0, *range(n, 2 * n - 2)]
    rows = zip(left, range(1, n), heights, range(2, n + 1), strict=True)
    return LinkageTree(linkage=np.array(list(rows), dtype=float))


def test_coincident_images_have_finite_scores():
    flat = line(0, 0, 0, 1, 2).cut(2)
    # A distance of zero counts as the smallest positive one, 1.
    assert [0, 0, 0, 0, 0, 0.5] == flat.outlier_scores.tolist()


def test_only_coincident_images_are_one_cluster():
    flat = line(0, 0, 0).cut(3)
    assert [0] * 4 == flat.labels.tolist()
    assert [1.0] * 4 == flat.probabilities.tolist()
    assert [-1] * 4 == line(0, 0, 0).labels_at(5).tolist()


def test_coincident_images_are_never_split():
    # Two pairs at distance 0 of each other, far from three others.
    rows = [[0, 1, 0, 2], [2, 3, 0, 2], [7, 8, 0, 4], [4, 5, 1, 2], [10, 6, 1, 3], [9, 11, 9, 7]]
    tree = LinkageTree(linkage=np.array(rows, dtype=float))
    for method in ("eom", "leaf"):
        assert [1, 1, 1, 1, 0, 0, 0] == tree.labels_at(2, method=method).tolist()


def test_one_image_is_noise():
    flat = LinkageTree(linkage=np.empty((0, 4))).cut(2)
    assert ([-1], [0.0], [0.0]) == (
        flat.labels.tolist(), flat.probabilities.tolist(), flat.outlier_scores.tolist()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"min_cluster_size": 1}, "min_cluster_size is 1, expected 2 or more"),
        ({"min_cluster_size": 2, "method": "best"}, "is 'best', expected 'eom' or 'leaf'"),
        ({"min_cluster_size": 2, "epsilon": -1.0}, "is -1.0, expected 0 or more"),
    ],
)
def test_bad_options_are_named(options, text):
    with pytest.raises(OptionError, match=text):
        line(1, 2, 3).cut(**options)


def test_a_linkage_out_of_order_is_refused():
    with pytest.raises(ValueError, match="ascending heights"):
        line(2, 1)
