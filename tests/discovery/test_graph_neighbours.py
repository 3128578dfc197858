import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.graph import lists
from discovery.graph.neighbours import find_neighbours, weigh_graph
from embeddings.errors import OptionError
from embeddings.records import unit_rows


def draw(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def measure_all(values):
    gaps = values[:, None].astype(float) - values[None]
    distances = np.sqrt(np.square(gaps).sum(axis=2))
    np.fill_diagonal(distances, np.inf)
    return distances


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 60), d=st.integers(1, 6), k=st.integers(1, 70), seed=st.integers(0, 999))
def test_nearest_others_are_found(n, d, k, seed):
    values = draw(n, d, seed)
    found = find_neighbours(values, k)
    expected = np.sort(measure_all(values), axis=1)[:, : min(k, n - 1)]
    assert (n, min(k, n - 1)) == found.indices.shape
    np.testing.assert_allclose(found.distances, expected, rtol=1e-4, atol=1e-6)
    assert not (found.indices == np.arange(n)[:, None]).any()
    assert all(len(set(row)) == len(row) for row in found.indices.tolist())


def test_a_row_is_never_its_own_neighbour_among_duplicates():
    values = np.repeat(draw(3, 8), 40, axis=0)
    found = find_neighbours(values, 10)
    assert not (found.indices == np.arange(120)[:, None]).any()
    assert (found.indices // 40 == np.arange(120)[:, None] // 40).all()
    assert (found.distances == 0).all()


def test_distances_of_look_alikes_are_accurate():
    # |x|^2 + |y|^2 - 2xy in float32 answers 0 or 3e-4 here.
    values = np.full((4, 2048), 1 / np.sqrt(2048), np.float32)
    values[:, 0] += np.array([0, 1e-5, 3e-5, 7e-5], np.float32)
    found = find_neighbours(values, 1)
    assert [1, 0, 1, 2] == found.indices[:, 0].tolist()
    np.testing.assert_allclose(found.distances[:, 0], [1e-5, 1e-5, 2e-5, 4e-5], rtol=2e-2)


def test_lists_reach_its_recall():
    centres = draw(40, 16)
    values = centres[np.arange(6000) % 40] + 0.3 * draw(6000, 16, 1)
    exact = find_neighbours(values, 10)
    approximate = find_neighbours(values, 10, exact_below=100)
    hits = (exact.indices[:, :, None] == approximate.indices[:, None]).any(axis=2)
    assert (exact.exact, approximate.exact) == (True, False)
    assert hits.mean() > 0.98
    again = find_neighbours(values, 10, exact_below=100)
    assert np.array_equal(approximate.indices, again.indices)


def test_short_lists_are_completed(monkeypatch):
    # Four lists cannot answer 200 neighbours.
    monkeypatch.setattr(lists, "TARGET_RECALL", 0.0)
    values = draw(900, 4)
    found = find_neighbours(values, 200, exact_below=10)
    assert (found.indices >= 0).all()
    assert np.isfinite(found.distances).all()


def test_a_crowd_is_its_own_and_the_rest_is_as_without_it():
    values = draw(900, 4)
    values[100:500] = values[100]
    exact = find_neighbours(values, 10)
    found = find_neighbours(values, 10, exact_below=10)
    crowd = np.arange(100, 500)
    assert ((found.indices[crowd] >= 100) & (found.indices[crowd] < 500)).all()
    assert (found.distances[crowd] == 0).all()
    assert not (found.indices == np.arange(900)[:, None]).any()
    assert all(len(set(row)) == 10 for row in found.indices.tolist())
    # In a ring nobody is the neighbour of all.
    assert np.bincount(found.indices[crowd].ravel(), minlength=900).max() <= 2 * 10 + 9
    rest = np.setdiff1d(np.arange(900), crowd)
    assert (np.abs(found.distances[rest] - exact.distances[rest]) < 1e-3).mean() > 0.98


def test_rows_that_are_all_the_same_are_a_ring():
    found = find_neighbours(np.ones((500, 3), np.float32), 5, exact_below=10)
    assert (found.distances == 0).all()
    assert np.bincount(found.indices.ravel()).min() >= 1


def test_one_image_has_no_neighbours():
    assert (1, 0) == find_neighbours(draw(1, 5), 3).indices.shape


def test_the_graph_of_one_image_has_no_ties():
    found = find_neighbours(draw(1, 5), 3)
    graph = weigh_graph(found.indices, found.distances)
    assert ((1, 1), 0) == (graph.shape, graph.nnz)


def test_k_below_one_is_refused():
    with pytest.raises(OptionError, match="k is 0, expected 1 or more"):
        find_neighbours(draw(5, 2), 0)


def make_rows(n, d=6):
    return unit_rows(np.random.default_rng(0).normal(size=(n, d)))


def test_neighbours_of_unit_rows_follow_the_cosine():
    rows = make_rows(50)
    found = find_neighbours(rows, 5, seed=0)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    assert np.array_equal(np.argsort(-cosines, axis=1)[:, :5], found.indices)
    expected = np.sqrt(2 - 2 * np.take_along_axis(cosines, found.indices, axis=1))
    np.testing.assert_allclose(found.distances, expected, rtol=1e-3)


def test_few_images_have_few_neighbours():
    assert (4, 3) == find_neighbours(make_rows(4), 15).indices.shape
