"""Augmentation: the same defect seen again, always the same from the same seed."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.classifier.augment import (
    AugmentOptions,
    augment_many,
    augment_picture,
    turn_picture,
)
from embeddings.errors import OptionError

OFF = AugmentOptions.none()
ALL = AugmentOptions()
AMOUNTS = (
    "shift", "scale", "shot_noise", "gaussian_noise", "brightness", "contrast", "charging", "blur",
)  # fmt: skip


def draw_image(shape=(3, 24, 24), *, seed=0):
    values = np.random.default_rng(seed).random(shape)
    return scipy.ndimage.gaussian_filter(values, (0, 2, 2)).clip(0, 1).astype(np.float32)


def vary(image, *, seed=0, **amounts):
    return augment_picture(image, replace(OFF, **amounts), rng=np.random.default_rng(seed))


def turn_of(copy, image):
    """Name the orientation in which a copy shows the image."""
    turns = [k for k in range(8) if np.array_equal(copy, turn_picture(image, k))]
    assert len(turns) == 1
    return turns[0]


shapes = st.tuples(st.sampled_from([1, 3]), st.integers(1, 24), st.integers(1, 24))
options = st.builds(
    AugmentOptions,
    copies=st.integers(1, 4),
    flips=st.booleans(),
    quarter_turns=st.booleans(),
    **{name: st.sampled_from([0, 0.05, 0.5]) for name in AMOUNTS},
)


@settings(max_examples=60, deadline=None)
@given(shapes, options, st.integers(0, 2**32))
def test_copies_keep_shape_type_and_range_and_depend_on_the_seed_alone(shape, how, seed):
    image = draw_image(shape, seed=1)
    before = image.copy()
    copies = augment_many(image, how, seed=seed)
    assert (copies.shape, copies.dtype) == ((how.copies, *shape), np.float32)
    assert copies.flags.c_contiguous
    assert copies.min() >= 0
    assert copies.max() <= 1
    np.testing.assert_array_equal(before, image)
    np.testing.assert_array_equal(copies, augment_many(image, how, seed=seed))
    more = augment_many(image, replace(how, copies=how.copies + 3), seed=seed)
    np.testing.assert_array_equal(copies, more[: how.copies])


@given(shapes, st.integers(0, 100))
def test_all_off_is_the_image_itself_but_not_its_memory(shape, seed):
    image = draw_image(shape)
    copy = augment_picture(image, OFF, rng=np.random.default_rng(seed))
    np.testing.assert_array_equal(image, copy)
    assert not np.shares_memory(image, copy)
    many = augment_many(image, AugmentOptions.none(copies=2), seed=seed)
    np.testing.assert_array_equal(np.stack([image, image]), many)


@given(shapes, st.integers(0, 7))
def test_an_orientation_keeps_every_pixel(shape, k):
    image = draw_image(shape)
    turned = turn_picture(image, k)
    assert turned.flags.c_contiguous
    assert turned.shape == (shape if k % 2 == 0 else (shape[0], shape[2], shape[1]))
    np.testing.assert_array_equal(np.sort(image, axis=None), np.sort(turned, axis=None))
    # Mirrored ones undo themselves, turns are undone by the turn the other way.
    np.testing.assert_array_equal(image, turn_picture(turned, k if k >= 4 else -k % 4))


def test_the_eight_orientations_differ_and_are_the_known_ones():
    image = np.arange(4, dtype=np.float32).reshape(1, 2, 2) / 4
    found = {k: (4 * turn_picture(image, k)).astype(int).ravel().tolist() for k in range(8)}
    expected = {
        0: [0, 1, 2, 3],
        1: [1, 3, 0, 2],
        2: [3, 2, 1, 0],
        3: [2, 0, 3, 1],
        4: [1, 0, 3, 2],
        5: [0, 2, 1, 3],
        6: [2, 3, 0, 1],
        7: [3, 1, 2, 0],
    }
    assert expected == found


@pytest.mark.parametrize("k", [-1, 8])
def test_there_are_eight_orientations(k):
    with pytest.raises(ValueError, match="0 to 7"):
        turn_picture(draw_image(), k)


@pytest.mark.parametrize(
    ("flips", "turns", "shape", "expected"),
    [
        (True, True, (1, 16, 16), {0, 1, 2, 3, 4, 5, 6, 7}),
        (True, True, (1, 12, 16), {0, 2, 4, 6}),
        (True, False, (1, 16, 16), {0, 2, 4, 6}),
        (False, True, (1, 16, 16), {0, 1, 2, 3}),
        (False, True, (1, 12, 16), {0, 2}),
    ],
)
def test_all_orientations_come_before_any_comes_again(flips, turns, shape, expected):
    image = draw_image(shape)
    how = replace(OFF, copies=2 * len(expected), flips=flips, quarter_turns=turns)
    seen = [turn_of(copy, image) for copy in augment_many(image, how, seed=3)]
    assert set(seen[: len(expected)]) == set(seen[len(expected) :]) == expected
    single = [
        turn_of(vary(image, seed=s, flips=flips, quarter_turns=turns), image) for s in range(64)
    ]
    assert set(single) == expected


def test_what_was_called_before_does_not_matter_but_image_and_seed_do():
    image, other = draw_image(seed=1), draw_image(seed=2)
    first = augment_many(image, ALL, seed=5)
    augment_many(other, ALL, seed=6)
    np.testing.assert_array_equal(first, augment_many(np.asfortranarray(image), ALL, seed=5))
    assert not np.array_equal(first, augment_many(image, ALL, seed=6))
    bright = replace(OFF, brightness=0.2, copies=1)
    moves = [float((augment_many(i, bright, seed=5)[0] - i).mean()) for i in (image, other)]
    assert abs(moves[0] - moves[1]) > 1e-3  # two images do not get the same variation


@pytest.mark.parametrize("name", AMOUNTS)
def test_each_amount_alone_changes_the_picture(name):
    image = draw_image()
    changed = vary(image, **{name: 0.3})
    assert not np.array_equal(image, changed)


@pytest.mark.parametrize("name", AMOUNTS)
def test_equal_channels_stay_equal(name):
    grey = draw_image((1, 24, 24)).repeat(3, axis=0)
    changed = vary(grey, **{name: 0.3})
    np.testing.assert_array_equal(changed[0], changed[1])
    np.testing.assert_array_equal(changed[0], changed[2])
    # Worked on once, it is what the single channel gives.
    np.testing.assert_array_equal(vary(grey[:1].copy(), **{name: 0.3})[0], changed[0])


@pytest.mark.parametrize("name", ["shift", "scale"])
def test_moving_brings_no_border_in_and_no_grey_value_that_was_not_there(name):
    constant = np.full((1, 40, 60), 0.7, np.float32)
    for seed in range(5):
        np.testing.assert_allclose(vary(constant, seed=seed, **{name: 0.4}), 0.7, atol=1e-6)
    image = draw_image((1, 40, 60))
    moved = vary(image, **{name: 0.4})
    assert moved.min() >= image.min() - 1e-6
    assert moved.max() <= image.max() + 1e-6


def find_middle(image):
    return np.array(scipy.ndimage.center_of_mass(image[0] - image.min()))


def draw_spot(radius=6.0, *, centre=(32, 48), shape=(64, 96)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = np.hypot(y - centre[0], x - centre[1])
    return (0.2 + 0.6 * np.clip(radius - distance, 0, 1)).astype(np.float32)[None]


def test_a_shift_moves_a_spot_within_its_share_of_the_sides():
    moves = np.array([find_middle(vary(draw_spot(), seed=s, shift=0.1)) for s in range(20)])
    moves -= find_middle(draw_spot())
    assert np.abs(moves).max(axis=0) == pytest.approx([6.4, 9.6], rel=0.25)
    assert (np.abs(moves) <= [6.41, 9.61]).all()


def test_a_scale_changes_a_spots_area_about_the_middle():
    middle = (31.5, 47.5)
    area = (draw_spot(12, centre=middle) > 0.5).sum()
    grown = [vary(draw_spot(12, centre=middle), seed=s, scale=0.25) for s in range(20)]
    ratios = np.array([(copy > 0.5).sum() / area for copy in grown])
    assert ratios.max() == pytest.approx(1.25**2, rel=0.15)
    assert ratios.min() == pytest.approx(1.25**-2, rel=0.15)
    for copy in grown:
        np.testing.assert_allclose(find_middle(copy), middle, atol=0.05)


def test_shot_noise_grows_with_the_root_of_the_signal_and_the_detectors_does_not():
    halves = np.full((1, 200, 400), 0.2, np.float32)
    halves[:, :, 200:] = 0.8
    shot, steady = vary(halves, shot_noise=0.1) - halves, vary(halves, gaussian_noise=0.1) - halves
    assert shot[..., 200:].std() / shot[..., :200].std() == pytest.approx(2, rel=0.03)
    assert steady[..., 200:].std() / steady[..., :200].std() == pytest.approx(1, rel=0.03)
    assert 0 < steady.std() <= 0.1


def test_contrast_keeps_the_mean_and_brightness_the_contrast():
    image = 0.3 + 0.4 * draw_image()
    stretched, lit = vary(image, contrast=0.3), vary(image, brightness=0.2)
    assert stretched.mean() == pytest.approx(image.mean(), abs=1e-4)
    assert abs(stretched.std() / image.std() - 1) <= 0.3
    np.testing.assert_allclose(lit - image, (lit - image).mean(), atol=1e-6)
    assert abs((lit - image).mean()) <= 0.2


def test_charging_is_alike_along_a_scan_line_and_smooth_from_line_to_line():
    constant = np.full((1, 200, 50), 0.5, np.float32)
    for seed in range(5):
        drift = vary(constant, seed=seed, charging=0.2)[0] - 0.5
        np.testing.assert_allclose(drift, drift[:, :1].repeat(50, axis=1), atol=1e-7)
        assert 0 < np.abs(drift).max() <= 0.2 + 1e-6
        # The bands' Gaussian of 8 lines lets a line differ little from the next.
        assert np.abs(np.diff(drift[:, 0])).max() < 0.1 * np.ptp(drift)


def test_blur_calms_and_leaves_a_constant_picture_alone():
    image = np.random.default_rng(0).random((1, 64, 64), dtype=np.float32)
    assert vary(image, blur=2.0).std() < image.std()
    constant = np.full((1, 20, 20), 0.4, np.float32)
    np.testing.assert_allclose(constant, vary(constant, blur=2.0), atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [{"copies": 0}]
    + [{name: -0.1} for name in AMOUNTS]
    + [{name: 11.0} for name in AMOUNTS]
    + [{name: float("nan")} for name in AMOUNTS],
)
def test_options_that_make_no_sense_are_refused_with_one_line(wrong):
    with pytest.raises(OptionError) as raised:
        AugmentOptions(**wrong)
    assert next(iter(wrong)) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((8, 8), np.float32), r"expected \(c, h, w\)"),
        (np.zeros((1, 0, 8), np.float32), r"expected \(c, h, w\)"),
        (np.zeros((1, 8, 8)), "expected .* float32"),
        (np.full((1, 8, 8), 2, np.float32), r"expected values in \[0, 1\]"),
        (np.full((1, 8, 8), np.nan, np.float32), r"expected values in \[0, 1\]"),
    ],
)
def test_what_is_no_picture_is_refused(image, said):
    with pytest.raises(ValueError, match=said):
        augment_picture(image, ALL, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=said):
        augment_many(image, ALL, seed=0)
