import tracemalloc

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

from discovery.estimators.pca import PCAReducer, find_components, whiten_scales
from discovery.stages.reduce import reduce_pca
from embeddings.errors import OptionError
from embeddings.records import unit_rows


def draw(n=600, d=120, seed=0):
    """Return unit rows with a falling spectrum, as features of a network have."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, d)) * 0.9 ** np.arange(d) @ rng.normal(size=(d, d)) + 5
    return unit_rows(values)


@pytest.fixture(params=["exact", "projected"])
def both_ways(request, monkeypatch):
    """A sample of large sets is projected at random; so are small ones here, once."""
    if request.param == "projected":
        monkeypatch.setattr("discovery.estimators.pca._EXACT_SIDE", 50)
        monkeypatch.setattr("discovery.estimators.pca._SAMPLE", 2_000)


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize(("n", "d"), [(600, 120), (90, 120)])
def test_the_subspace_is_that_of_scikit_learn(n, d):
    values = draw(n, d)
    ours, peer = PCAReducer(20).fit(values), PCA(20).fit(values)
    overlap = np.linalg.svd(ours.components_ @ peer.components_.T)[1]  # cosines of the angles
    assert overlap.min() > 0.99
    for name in ("explained_variance_", "explained_variance_ratio_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(peer, name), rtol=1e-2)
    # What counts in the end, the geometry of the rows.
    expected = unit_rows(peer.transform(values))
    found = reduce_pca(values, 20)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=0.02)


@pytest.mark.usefixtures("both_ways")
def test_few_dimensions_are_exact():
    values = draw(d=8)
    ours, peer = PCAReducer(8).fit(values), PCA(8).fit(values)
    np.testing.assert_allclose(np.abs(ours.components_), np.abs(peer.components_), atol=2e-3)


@pytest.mark.parametrize(("n", "d"), [(300, 40), (40, 300), (60, 60)])
def test_small_sets_are_exact_whatever_the_seed(n, d):
    values = draw(n, d)
    p = min(n, d) // 2
    ours, peer = PCAReducer(p, random_state=1).fit(values), PCA(p, svd_solver="full").fit(values)
    np.testing.assert_allclose(np.abs(ours.components_), np.abs(peer.components_), atol=2e-3)
    np.testing.assert_allclose(ours.explained_variance_, peer.explained_variance_, rtol=1e-3)
    np.testing.assert_allclose(ours.components_ @ ours.components_.T, np.eye(p), atol=1e-5)
    assert np.array_equal(reduce_pca(values, p, seed=1), reduce_pca(values, p, seed=2))


@pytest.mark.usefixtures("both_ways")
def test_rows_are_unit_and_the_same_for_a_seed():
    values = draw()
    found = reduce_pca(values, 10, seed=3)
    assert (np.float32, (600, 10)) == (found.dtype, found.shape)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert np.array_equal(found, reduce_pca(values, 10, seed=3))
    np.testing.assert_allclose(found, reduce_pca(values, 10, seed=4), atol=0.05)


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize(("n", "p"), [(1, 1), (2, 2), (5, 5), (60, 50)])
def test_no_more_components_than_rows(n, p):
    assert (n, p) == reduce_pca(draw()[:n], 50).shape


@pytest.mark.usefixtures("both_ways")
def test_identical_rows_stay_identical():
    found = reduce_pca(np.full((20, 9), 1 / 3, np.float32), 4)
    assert np.isfinite(found).all()
    assert (found == found[0]).all()


@pytest.mark.usefixtures("both_ways")
def test_the_data_are_not_copied():
    values = np.random.default_rng(0).normal(size=(20_000, 256)).astype(np.float32)  # 20 MB
    tracemalloc.start()
    PCAReducer(10).fit(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([PCAReducer(2), PCAReducer(2, whiten=1.0)])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_bad_number_of_components_is_refused():
    with pytest.raises(OptionError, match="n_components is 0, expected 1 or more"):
        reduce_pca(draw(), 0)


@pytest.mark.parametrize("power", [0.0, 0.5, 0.75, 1.0])
def test_whitening_divides_by_a_power_of_the_spread(power):
    variances = np.array([4.0, 1.0, 0.25, 0.0])
    scales = whiten_scales(variances, power)
    np.testing.assert_allclose(scales[:3], np.array([1.0, 0.5, 0.25]) ** -power)
    assert 0.0 == scales[3]  # left out, not divided by zero


def test_no_variance_at_all_is_no_error():
    found = find_components(np.full((20, 9), 0.1), 4)
    assert np.isfinite(found.axes).all()
    assert (np.zeros(4) == whiten_scales(np.zeros(4), 0.5)).all()


@pytest.mark.usefixtures("both_ways")
def test_components_say_how_much_variance_there_is_in_all():
    values = draw()
    found = find_components(values, 20)
    assert ((20, 120), (20,)) == (found.axes.shape, found.variances.shape)
    np.testing.assert_allclose(found.total, values.var(axis=0, ddof=1).sum(), rtol=1e-2)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(20), atol=1e-5)


@pytest.mark.usefixtures("both_ways")
def test_whitened_directions_weigh_the_same():
    values = draw(d=12)
    reducer = PCAReducer(12, whiten=1.0).fit(values)
    projected = (values - reducer.mean_) @ reducer.components_.T  # (n, 12)
    expected = unit_rows(projected / projected.std(axis=0))
    np.testing.assert_allclose(reducer.transform(values), expected, atol=2e-3)
    # In between, a direction's weight is a power of its spread.
    halfway = unit_rows(projected / np.sqrt(projected.std(axis=0)))
    np.testing.assert_allclose(reduce_pca(values, 12, whiten=0.5), halfway, atol=2e-3)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_whitening_does_not_depend_on_the_scale(scale):
    values = draw(d=12)
    found = reduce_pca(values * np.float32(scale), 6, whiten=0.75)
    np.testing.assert_allclose(found, reduce_pca(values, 6, whiten=0.75), atol=1e-3)


@pytest.mark.usefixtures("both_ways")
def test_flat_directions_are_not_blown_up():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 40)) + 1
    found = reduce_pca(plane.astype(np.float32), 20, whiten=1.0)
    flat = reduce_pca(plane.astype(np.float32), 3, whiten=1.0)
    # Three directions hold all: the other 17 are rounding, and must stay out.
    np.testing.assert_allclose(found @ found.T, flat @ flat.T, atol=0.01)
    # As many components as rows: the last has no variance at all.
    assert np.isfinite(reduce_pca(draw()[:20], 20, whiten=1.0)).all()
    assert np.isfinite(reduce_pca(np.ones((5, 8), np.float32), 4, whiten=1.0)).all()


@pytest.mark.parametrize("whiten", [-0.1, 1.5, float("nan")])
def test_bad_whitening_is_refused(whiten):
    with pytest.raises(OptionError, match=f"whiten is {whiten}, expected 0 to 1"):
        reduce_pca(draw(), 5, whiten=whiten)


def test_of_many_rows_a_sample_says_where_the_axes_lie():
    rng = np.random.default_rng(0)
    scales = 2.0 ** -np.arange(8)
    values = rng.normal(size=(24_000, 8)) * scales @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 3
    values = values.astype(np.float32)
    found, again = (find_components(values, 4, seed=1) for _ in range(2))
    np.testing.assert_array_equal(found.axes, again.axes)
    np.testing.assert_allclose(values.mean(axis=0, dtype=np.float64), found.mean)
    _, _, exact = np.linalg.svd(values - found.mean, full_matrices=False)
    alike = np.abs((found.axes * exact[:4]).sum(axis=1))
    assert alike.min() > 0.999
    np.testing.assert_allclose(found.variances, scales[:4] ** 2, rtol=0.05)
    np.testing.assert_allclose(found.total, (scales**2).sum(), rtol=0.05)
