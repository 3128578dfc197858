import numpy as np
import pytest
from hdbscan import HDBSCAN as Package
from sklearn.metrics import adjusted_rand_score

from discovery.clusterers import HDBSCAN
from discovery.clusterers.hdbscan import default_min_cluster_size
from discovery.clusterers.knn import find_neighbours
from discovery.clusterers.spanning import span_graph
from embeddings.errors import OptionError


def draw(n=1500, d=8, k=12, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(k, d))
    widths = rng.uniform(0.3, 0.9, k)
    labels = rng.integers(0, k, n)
    values = centres[labels] + widths[labels, None] * rng.normal(size=(n, d))
    stray = rng.random(n) < noise
    values[stray] = 4 * rng.normal(size=(stray.sum(), d))
    return values.astype(np.float32)


def fit_package(values, size, min_samples=5):
    return Package(min_cluster_size=size, min_samples=min_samples, approx_min_span_tree=False).fit(
        values
    )


def test_exact_is_the_package():
    values = draw()
    peer, ours = fit_package(values, 15), HDBSCAN(15).fit(values)
    assert ours.exact_
    assert 1.0 == adjusted_rand_score(peer.labels_, ours.labels_)
    np.testing.assert_allclose(ours.outlier_scores_, peer.outlier_scores_)
    np.testing.assert_allclose(ours.probabilities_, peer.probabilities_)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
def test_the_graph_gives_the_exact_clusters(noise, seed):
    values = draw(noise=noise, seed=seed)
    peer, ours = fit_package(values, 15), HDBSCAN(15, exact=False).fit(values)
    assert not ours.exact_
    assert adjusted_rand_score(peer.labels_, ours.labels_) > 0.99


def test_the_spanning_tree_is_hardly_longer_than_the_minimum():
    values = draw(noise=0.2)
    exact = fit_package(values, 15).single_linkage_tree_.to_numpy()[:, 2].sum()
    ours = span_graph(values, find_neighbours(values, 15), 5)[:, 2].sum()
    assert exact * (1 - 1e-6) <= ours <= exact * 1.005


def test_a_graph_in_many_parts_is_joined():
    # 2 neighbours among triples far apart: 100 parts.
    centres = np.arange(100)[:, None] * np.array([1.0, 0.0])
    values = np.repeat(centres, 3, axis=0).astype(np.float32)
    values[:, 1] = np.tile([0, 0.01, 0.02], 100)
    tree = span_graph(values, find_neighbours(values, 2), 1)
    np.testing.assert_allclose(tree[:, 2], [0.01] * 200 + [1.0] * 99, rtol=1e-4)


def test_a_complete_graph_is_exact():
    values = draw(n=60, k=3)
    tree = span_graph(values, find_neighbours(values, 59), 5)
    peer = fit_package(values, 5).single_linkage_tree_.to_numpy()
    np.testing.assert_allclose(tree[:, 2], peer[:, 2], rtol=1e-4)


def test_the_graph_at_hand_is_used():
    values = draw()
    neighbours = find_neighbours(values, 15)
    given = HDBSCAN(15).fit(values, neighbours=neighbours)
    assert not given.exact_
    assert np.array_equal(HDBSCAN(15, exact=False).fit(values).labels_, given.labels_)


def test_the_tree_answers_other_sizes():
    values = draw()
    fitted = HDBSCAN(15).fit(values)
    assert np.array_equal(HDBSCAN(40).fit(values).labels_, fitted.tree_.labels_at(40))


def test_two_fits_agree():
    values = draw()
    first, second = (HDBSCAN(15, exact=False).fit(values) for _ in range(2))
    assert np.array_equal(first.labels_, second.labels_)
    assert np.array_equal(first.outlier_scores_, second.outlier_scores_)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 40, 100])
def test_few_or_identical_images(n, exact):
    apart = HDBSCAN(5, exact=exact).fit(draw(n=n, k=1, noise=0))
    assert (n,) == apart.labels_.shape
    assert np.isfinite(apart.outlier_scores_).all()
    same = HDBSCAN(5, exact=exact).fit(np.ones((n, 3)))
    assert {0 if n >= 5 else -1} == set(same.labels_.tolist())
    assert 0.0 == same.outlier_scores_.max()


def test_a_minimum_size_above_n_makes_all_noise():
    assert {-1} == set(HDBSCAN(99).fit(draw(n=50)).labels_.tolist())


def test_duplicates_stay_together_with_finite_scores():
    values = np.repeat(draw(n=60, k=3), 8, axis=0)
    for exact in (True, False):
        fitted = HDBSCAN(5, exact=exact).fit(values)
        assert (fitted.labels_.reshape(60, 8) == fitted.labels_[::8, None]).all()
        assert 0 <= fitted.outlier_scores_.min() <= fitted.outlier_scores_.max() <= 1


@pytest.mark.parametrize(("n", "size"), [(10, 5), (900, 15), (50_000, 76)])
def test_the_default_minimum_size(n, size):
    assert size == default_min_cluster_size(n)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"min_cluster_size": 1}, "min_cluster_size is 1, expected a whole number of 2 or more"),
        ({"min_cluster_size": 2.5}, "min_cluster_size is 2.5"),
        ({"min_samples": 0}, "min_samples is 0, expected a whole number of 1 or more"),
        ({"cluster_selection_method": "x"}, "'x', expected one of 'eom', 'leaf'"),
        ({"cluster_selection_epsilon": -0.1}, "-0.1, expected a number of 0 or more"),
        ({"exact": "yes"}, "exact is 'yes', expected one of 'auto', True, False"),
    ],
)
def test_bad_options_are_named_in_one_line(options, text):
    with pytest.raises(OptionError) as caught:
        HDBSCAN(**options).fit(draw(n=20))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_graph_that_does_not_fit_is_refused():
    values = draw(n=100)
    with pytest.raises(OptionError, match="are of 50 vectors, expected those of the 100"):
        HDBSCAN(5).fit(values, neighbours=find_neighbours(values[:50], 5))
    with pytest.raises(OptionError, match="min_samples is 9, but the graph has 5"):
        HDBSCAN(5, min_samples=9).fit(values, neighbours=find_neighbours(values, 5))
