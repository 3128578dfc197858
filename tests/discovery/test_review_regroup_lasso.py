import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from discovery.review.regroup import inside

# On a coarse grid, so that points on lines and corners come up, too.
PLACES = st.integers(-6, 6).map(float)


def wind_by_angles(corners, point):
    """Return how often a polygon goes around a point that is not on it, by the sum of angles."""
    gaps = corners - point
    angles = np.arctan2(gaps[:, 1], gaps[:, 0])
    steps = (np.roll(angles, -1) - angles + math.pi) % (2 * math.pi) - math.pi
    return round(float(steps.sum()) / (2 * math.pi))


def is_on_line(corners, point):
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along, gap = end - start, point - start
        cross = along[0] * gap[1] - along[1] * gap[0]
        low, high = np.minimum(start, end), np.maximum(start, end)
        if cross == 0 and (low <= point).all() and (point <= high).all():
            return True
    return False


@given(
    st.integers(3, 9).flatmap(lambda v: arrays(np.float64, (v, 2), elements=PLACES)),
    arrays(np.float64, (30, 2), elements=st.integers(-13, 13).map(lambda i: i / 2)),
)
def test_inside_is_what_the_line_goes_around(corners, points):
    found = inside(corners, points)
    for point, is_inside in zip(points, found, strict=True):
        if not is_on_line(corners, point):
            assert is_inside == (wind_by_angles(corners, point) != 0)


def test_simple_polygons_agree_with_matplotlib():
    path = pytest.importorskip("matplotlib.path")
    rng = np.random.default_rng(0)
    for _ in range(20):
        angles = np.sort(rng.uniform(0, 2 * math.pi, 40))
        radii = rng.uniform(0.2, 1.0, 40)
        corners = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
        points = rng.uniform(-1, 1, (2_000, 2))
        expected = path.Path(np.concatenate([corners, corners[:1]])).contains_points(points)
        np.testing.assert_array_equal(inside(corners, points), expected)


@given(arrays(np.float64, (40, 2), elements=st.integers(-13, 13).map(lambda i: i / 2)))
def test_polygons_side_by_side_share_no_point_and_lose_none(points):
    left = inside([(-6, -6), (0, -6), (0, 6), (-6, 6)], points).astype(int)
    right = inside([(0, -6), (6, -6), (6, 6), (0, 6)], points).astype(int)
    both = inside([(-6, -6), (6, -6), (6, 6), (-6, 6)], points).astype(int)
    np.testing.assert_array_equal(left + right, both)


def test_the_overlap_of_a_lasso_with_itself_is_inside():
    # Around the square once and a half.
    square = [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0), (4, 0), (4, 4)]
    assert inside(square, [(3.0, 1.0), (1.0, 3.0), (5.0, 1.0)]).tolist() == [True, True, False]


@pytest.mark.parametrize("corners", [[], [(0, 0)], [(0, 0), (1, 1)]])
def test_fewer_than_three_corners_enclose_nothing(corners):
    assert not inside(corners, [(0.0, 0.0), (0.5, 0.5)]).any()


def test_a_point_that_is_no_number_lies_nowhere():
    points = [(np.nan, 0.5), (0.5, np.nan), (np.inf, 0.5), (0.5, 0.5)]
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    assert inside(square, points).tolist() == [False, False, False, True]


def test_what_is_no_polygon_or_no_point_is_refused():
    with pytest.raises(ValueError, match=r"positions have shape \(3,\)"):
        inside([(0, 0), (1, 0), (1, 1)], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"a polygon has shape \(3, 3\)"):
        inside(np.zeros((3, 3)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="not a finite number"):
        inside([(0, 0), (1, np.nan), (1, 1)], np.zeros((2, 2)))
