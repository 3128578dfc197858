import re

import numpy as np
import pytest
from sklearn.cluster import KMeans as Peer
from sklearn.metrics import adjusted_rand_score

from discovery.estimators.kmeans import KMeans
from embeddings.errors import OptionError


def draw(n=1200, d=10, k=8, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.choice(k, n, p=rng.dirichlet(np.full(k, 2.0)))
    return 2 * rng.normal(size=(k, d))[truth] + 0.6 * rng.normal(size=(n, d)), truth


def test_it_is_as_tight_as_scikit_learn():
    values, _ = draw()
    ours = KMeans(8).fit(values)
    gaps = np.square(values - ours.cluster_centers_[ours.labels_]).sum()
    assert gaps <= 1.03 * Peer(8, n_init=10, random_state=0).fit(values).inertia_


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_clusters(seed):
    values, truth = draw(seed=seed)
    fitted = KMeans(8).fit(values)
    assert 8 == fitted.n_clusters_
    assert adjusted_rand_score(truth, fitted.labels_) > 0.98


@pytest.mark.slow
def test_many_rows():
    values, truth = draw(n=12_000, k=20)
    fitted = KMeans(20).fit(values)
    assert 20 == fitted.n_clusters_
    assert adjusted_rand_score(truth, fitted.labels_) > 0.98


def test_memberships_fall_towards_the_border():
    values, _ = draw()
    fitted = KMeans(8).fit(values)
    assert 0 <= fitted.membership_strengths_.min() <= fitted.membership_strengths_.max() <= 1
    gaps = np.linalg.norm(values - fitted.cluster_centers_[fitted.labels_], axis=1)
    assert np.corrcoef(gaps, fitted.membership_strengths_)[0, 1] < -0.3


def test_two_fits_agree():
    values, _ = draw()
    assert np.array_equal(KMeans().fit(values).labels_, KMeans().fit(values).labels_)


@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_few_or_identical_images(n):
    values = np.random.default_rng(0).normal(size=(n, 3))
    assert n == KMeans(n).fit(values).n_clusters_
    same = KMeans(n).fit(np.ones((n, 3)))
    assert (1, {0}) == (same.n_clusters_, set(same.labels_.tolist()))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_clusters": 0}, "n_clusters is 0, expected a whole number of 1 or more"),
        ({"n_clusters": "many"}, "n_clusters is 'many'"),
        ({"n_clusters": 2.0}, "n_clusters is 2.0"),
        ({"n_clusters": 21}, "n_clusters is 21, more than the 20 vectors"),
    ],
)
def test_bad_options_are_named(options, text):
    with pytest.raises(OptionError, match=re.escape(text)):
        KMeans(**options).fit(draw(n=20)[0])
