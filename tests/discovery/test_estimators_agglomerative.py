import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score

from discovery.estimators.agglomerative import Agglomerative
from embeddings.errors import OptionError
from embeddings.records import unit_rows


def draw(n=900, d=10, k=8, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.choice(k, n, p=rng.dirichlet(np.full(k, 2.0)))
    return 2 * rng.normal(size=(k, d))[truth] + 0.6 * rng.normal(size=(n, d)), truth


def test_ward_is_that_of_scipy():
    values, _ = draw()
    fitted = Agglomerative(20).fit(values)
    expected = fcluster(linkage(values, "ward"), 20, "maxclust")
    assert 1.0 == adjusted_rand_score(expected, fitted.labels_)


def test_average_is_cosine_on_unit_rows():
    values = unit_rows(draw()[0])
    fitted = Agglomerative(20, linkage="average").fit(values)
    cosine = linkage(pdist(values.astype(float), "cosine"), "average")
    np.testing.assert_allclose(fitted.linkage_[:, 2], 2 * cosine[:, 2], atol=1e-6)
    expected = fcluster(cosine, 20, "maxclust")
    assert 1.0 == adjusted_rand_score(expected, fitted.labels_)


@pytest.mark.parametrize("method", ["ward", "average"])
@pytest.mark.parametrize("exact_below", [20_000, 300])
def test_it_finds_clusters(method, exact_below):
    values, truth = draw()
    fitted = Agglomerative(8, linkage=method, exact_below=exact_below).fit(values)
    assert adjusted_rand_score(truth, fitted.labels_) > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ward", "average"])
def test_micro_clusters_hardly_change_the_answer(method):
    values, _ = draw(n=6000)
    exact = Agglomerative(8, linkage=method, exact_below=7000).fit(values)
    packed = Agglomerative(8, linkage=method, exact_below=1000).fit(values)
    assert len(packed.linkage_) < len(exact.linkage_)
    assert adjusted_rand_score(exact.labels_, packed.labels_) > 0.98


def test_more_clusters_than_micro_clusters_are_refused():
    with pytest.raises(OptionError, match="n_clusters is 2100, but the tree has 2000 leaves"):
        Agglomerative(2100, exact_below=1).fit(draw(n=2500)[0])


def test_memberships():
    fitted = Agglomerative(8).fit(draw()[0])
    assert 0 <= fitted.membership_strengths_.min() <= fitted.membership_strengths_.max() <= 1
    assert fitted.membership_strengths_.mean() > 0.3


@pytest.mark.parametrize("n", [1, 2, 3, 50])
@pytest.mark.parametrize("method", ["ward", "average"])
def test_few_or_identical_images(n, method):
    values = np.random.default_rng(0).normal(size=(n, 3))
    assert set(range(n)) == set(Agglomerative(n, linkage=method).fit(values).labels_.tolist())
    assert {0} == set(Agglomerative(1, linkage=method).fit(np.ones((n, 3))).labels_.tolist())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_clusters": -1}, "n_clusters is -1, expected a whole number of 1 or more"),
        ({"n_clusters": 31}, "n_clusters is 31, more than the 30 vectors"),
        ({"linkage": "single"}, "linkage is 'single', expected one of 'ward', 'average'"),
        ({"exact_below": 0}, "exact_below is 0, expected a whole number of 1 or more"),
    ],
)
def test_bad_options_are_named(options, text):
    with pytest.raises(OptionError, match=text):
        Agglomerative(**options).fit(draw(n=30)[0])
