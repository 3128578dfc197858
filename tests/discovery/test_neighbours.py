"""The neighbour graph of a round."""

import numpy as np
import pytest

from discovery.stages.neighbours import build_neighbours
from embeddings.errors import OptionError
from embeddings.records import unit_rows


def make_rows(n, d=6):
    return unit_rows(np.random.default_rng(0).normal(size=(n, d)))


def test_neighbours_of_unit_rows_follow_the_cosine():
    rows = make_rows(50)
    found = build_neighbours(rows, 5, seed=0)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    assert np.array_equal(np.argsort(-cosines, axis=1)[:, :5], found.indices)
    expected = np.sqrt(2 - 2 * np.take_along_axis(cosines, found.indices, axis=1))
    np.testing.assert_allclose(found.distances, expected, rtol=1e-3)


def test_few_images_have_few_neighbours():
    assert (4, 3) == build_neighbours(make_rows(4), 15).indices.shape


def test_bad_k_is_refused():
    with pytest.raises(OptionError, match="k is -1"):
        build_neighbours(make_rows(4), -1)
