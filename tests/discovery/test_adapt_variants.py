"""Variants of a picture: the same defect, of the same size, and never what a view cannot bear."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.stages.adapt import VARIANTS, make_variants

VIEWS = ("picture", "map", "polar", "highlight")


def draw(seed, channels=1, side=40):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    spot = 0.4 * (np.hypot(x - 15, y - 22) < 5)
    plane = np.clip(0.4 + spot + rng.normal(0, 0.05, (side, side)), 0, 1)
    return np.repeat(plane[None], channels, axis=0).astype(np.float32)


@given(st.integers(0, 2**32 - 1), st.sampled_from(VIEWS), st.sampled_from((1, 3)))
def test_each_is_a_picture_of_its_size_and_the_same_for_a_seed(seed, view, channels):
    image = draw(seed, channels)
    before = image.copy()
    once, again = (
        make_variants(image, view=view, rng=np.random.default_rng(seed)) for _ in range(2)
    )
    assert len(once) == VARIANTS
    for one, other in zip(once, again, strict=True):
        assert (one.shape, one.dtype) == (image.shape, np.float32)
        assert 0 <= one.min() <= one.max() <= 1
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, np.repeat(one[:1], channels, axis=0))  # grey stays grey
    np.testing.assert_array_equal(image, before)


def test_a_picture_is_moved_mirrored_and_seen_in_other_light():
    image = draw(1)
    moved, mirrored, blurred = make_variants(image, view="picture", rng=np.random.default_rng(2))
    flips = [image[:, ::-1], image[:, :, ::-1], image[:, ::-1, ::-1]]
    assert any(np.array_equal(mirrored, one) for one in flips)
    assert abs(moved.std() - image.std()) > 0.005
    assert not np.array_equal(blurred, image)


@pytest.mark.parametrize("view", ["picture", "map"])
def test_levels_that_are_categories_stay_what_they_are(view):
    levels = np.where(draw(3) > 0.6, 1.0, 0.0).astype(np.float32)
    for one in make_variants(levels, view=view, rng=np.random.default_rng(4)):
        assert np.mean((one < 0.02) | (one > 0.98)) > 0.9  # between them lie only moved edges


def test_by_radius_and_angle_nothing_but_the_direction_of_the_angle_changes():
    image = draw(5)
    for one in make_variants(image, view="polar", rng=np.random.default_rng(6)):
        assert np.array_equal(one, image) or np.array_equal(one, image[:, :, ::-1])
