import numpy as np
import pytest

from discovery.review.regroup import look_alikes
from embeddings.records import unit_rows


def make_rows(n=200, d=12, seed=0):
    return unit_rows(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32))


def test_look_alikes_are_the_nearest_and_not_the_image_itself():
    rows = make_rows()
    apart = np.linalg.norm(rows - rows[17], axis=1)
    expected = np.argsort(apart, kind="stable")[1:11]
    images, distances = look_alikes(rows, 17, 10)
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_allclose(distances, apart[expected], rtol=1e-6)


def test_copies_come_first_at_distance_zero():
    rows = make_rows()
    rows[[3, 90]] = rows[17]
    images, distances = look_alikes(rows, 17, 3)
    assert images[:2].tolist() == [3, 90]
    assert distances[:2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("n", "k", "expected"), [(1, 5, 0), (3, 5, 2), (20, 0, 0)])
def test_there_are_no_more_than_the_others(n, k, expected):
    images, distances = look_alikes(make_rows(n), 0, k)
    assert (len(images), len(distances)) == (expected, expected)


def test_an_image_that_is_not_there_is_refused():
    with pytest.raises(IndexError, match="image 200: there are 200"):
        look_alikes(make_rows(), 200, 5)
