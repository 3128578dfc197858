"""Noise, denoising and background: on pictures whose truth is known, for all sizes and methods."""

from typing import get_args

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.classifier.enhance import (
    BackgroundMethod,
    DenoiseMethod,
    denoise_picture,
    estimate_background,
    estimate_noise,
    flatten_background,
    highlight_defect,
    measure_residue,
    measure_signal,
)
from embeddings.errors import OptionError

METHODS = get_args(DenoiseMethod)
BACKGROUNDS = get_args(BackgroundMethod)


def hold(values):
    return np.clip(values, 0, 1).astype(np.float32)


def draw_lines(side=256, pitch=19.0, *, slope=0.0):
    y, x = np.mgrid[:side, :side].astype(float)
    bars = 0.5 + 0.25 * np.sign(np.sin(2 * np.pi * (x + slope * y + 0.3) / pitch))
    return hold(scipy.ndimage.gaussian_filter(bars, 0.8))


def draw_spot(side=128, *, radius=7, contrast=0.3):
    y, x = np.mgrid[:side, :side].astype(float)
    return hold(0.4 + contrast * (np.hypot(x - side / 2, y - side / 2) < radius))


def draw_clean(kind, side=256):
    x = np.linspace(0, 1, side)[None, :]
    return {
        "flat": lambda: np.full((side, side), 0.5, np.float32),
        "gradient": lambda: hold(0.2 + 0.6 * x + np.zeros((side, 1))),
        "lines": lambda: draw_lines(side),
        "level lines": lambda: draw_lines(side).T.copy(),
        "fine lines": lambda: draw_lines(side, pitch=5),
        "diagonal lines": lambda: draw_lines(side, pitch=9, slope=1),
        "spot": lambda: draw_spot(side, radius=20),
    }[kind]()


def add_noise(clean, sigma, *, seed=0):
    return hold(clean + np.random.default_rng(seed).normal(0, sigma, clean.shape))


KINDS = ["flat", "gradient", "lines", "level lines", "fine lines", "diagonal lines", "spot"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.1])
def test_the_noise_that_was_added_is_found_within_5_percent(kind, sigma):
    noisy = add_noise(draw_clean(kind), sigma)
    assert estimate_noise(noisy) == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_small_pictures_are_read_within_25_percent(kind):
    noisy = add_noise(draw_clean(kind, side=24), 0.05)
    assert estimate_noise(noisy) == pytest.approx(0.05, rel=0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_picture_has_no_noise(kind):
    assert estimate_noise(draw_clean(kind)) < 1e-3


@pytest.mark.parametrize("pitch", [5, 9, 19])
def test_lines_at_an_odd_angle_read_at_most_a_hundredth_too_high(pitch):
    assert estimate_noise(draw_lines(pitch=pitch, slope=0.2)) < 0.01


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 40), st.integers(8, 40), st.floats(0, 1, width=32))
def test_a_constant_picture_of_any_size_has_no_noise_and_no_signal(rows, columns, grey):
    picture = np.full((rows, columns), grey, np.float32)
    assert estimate_noise(picture) == pytest.approx(0, abs=1e-6)
    assert measure_signal(picture, 0.0) == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["flat", "spot", "lines"])
def test_every_method_comes_closer_to_the_clean_picture(method, kind):
    clean = draw_clean(kind, side=128)
    noisy = add_noise(clean, 0.08)
    calm = denoise_picture(noisy, method)
    before, after = (np.sqrt(np.mean((p - clean) ** 2)) for p in (noisy, calm))
    assert after < 0.75 * before


@pytest.mark.parametrize("method", METHODS)
def test_more_strength_leaves_less_noise(method):
    noisy = add_noise(draw_clean("flat", side=96), 0.08)
    weak, strong = (denoise_picture(noisy, method, strength=s).std() for s in (0.6, 2.0))
    assert strong < weak < noisy.std()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(8, 8), (9, 40), (33, 17)])
def test_denoising_keeps_shape_type_and_range_and_leaves_its_argument_alone(method, shape):
    noisy = add_noise(np.full(shape, 0.9), 0.2)
    before = noisy.copy()
    calm = denoise_picture(noisy, method, strength=1.5)
    assert (calm.shape, calm.dtype) == (shape, np.float32)
    assert calm.min() >= 0
    assert calm.max() <= 1
    assert calm.flags.c_contiguous
    np.testing.assert_array_equal(before, noisy)


@pytest.mark.parametrize("method", METHODS)
def test_what_has_no_noise_comes_back_as_it_was_but_not_itself(method):
    clean = draw_lines(64)
    calm = denoise_picture(clean, method, sigma=0.0)
    np.testing.assert_array_equal(clean, calm)
    assert not np.shares_memory(clean, calm)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("smear", {}),
        ("median", {"strength": 0}),
        ("median", {"strength": float("nan")}),
        ("median", {"sigma": -0.1}),
        ("median", {"sigma": 2.0}),
    ],
)
def test_options_that_make_no_sense_are_refused_with_one_line(method, options):
    with pytest.raises(OptionError) as raised:
        denoise_picture(draw_spot(32), method, **options)
    assert len(str(raised.value).splitlines()) == 1


def shade(shape=(160, 200)):
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return 0.12 * x - 0.08 * y - 0.1 * (x**2 + y**2) / 2


@pytest.mark.parametrize("method", BACKGROUNDS)
def test_shading_is_taken_away_and_the_brightness_stays(method):
    shading = shade()
    flat = flatten_background(add_noise(0.5 + shading, 0.01), method)
    inside = flat[20:-20, 20:-20]
    left = {"plane": 0.6, "polynomial": 0.2, "rolling-ball": 0.6, "gaussian": 0.4, "median": 0.4}
    assert inside.std() < left[method] * shading[20:-20, 20:-20].std()
    assert flat.mean() == pytest.approx((0.5 + shading).mean(), abs=0.01)


@pytest.mark.parametrize("method", ["plane", "polynomial"])
def test_a_large_defect_does_not_bend_the_surface(method):
    shading = 0.1 * np.linspace(-1, 1, 160)[:, None] + np.zeros((1, 200))
    clean = 0.4 + shading
    clean[30:80, 40:110] += 0.3  # a tenth of the picture
    background = estimate_background(add_noise(clean, 0.01), method)
    assert np.abs(background - 0.4 - shading).max() < 0.01


@pytest.mark.parametrize("method", BACKGROUNDS)
@pytest.mark.parametrize("shape", [(8, 8), (8, 300), (65, 131)])
def test_a_background_keeps_shape_type_and_range(method, shape):
    picture = np.random.default_rng(0).random(shape, dtype=np.float32)
    for result in (estimate_background(picture, method), flatten_background(picture, method)):
        assert (result.shape, result.dtype) == (shape, np.float32)
        assert result.min() >= 0
        assert result.max() <= 1


@pytest.mark.parametrize("method", BACKGROUNDS)
@pytest.mark.parametrize("grey", [0.0, 0.3, 1.0])
def test_a_constant_picture_stays_as_it_is(method, grey):
    picture = np.full((70, 90), grey, np.float32)
    np.testing.assert_allclose(picture, flatten_background(picture, method), atol=1e-6)


def test_a_background_of_no_name_is_refused():
    with pytest.raises(OptionError, match="plane, polynomial"):
        flatten_background(draw_spot(32), "sky")


NAN = np.full((16, 16), np.nan, np.float32)
BAD = [
    (np.zeros((1, 64), np.float32), "8 pixels or more"),
    (np.zeros((64, 0), np.float32), "8 pixels or more"),
    (np.zeros((3, 16, 16), np.float32), "8 pixels or more"),
    (np.zeros((16, 16)), "expected float32"),
    (np.zeros((16, 16), np.uint8), "expected float32"),
    (np.full((16, 16), 1.5, np.float32), r"values in \[0, 1\]"),
    (np.full((16, 16), -0.1, np.float32), r"values in \[0, 1\]"),
    (NAN, r"values in \[0, 1\]"),
    (np.where(np.eye(16) > 0, NAN, np.float32(0.5)), r"values in \[0, 1\]"),
]


@pytest.mark.parametrize(("picture", "said"), BAD)
def test_what_is_no_grey_picture_is_refused_by_every_step(picture, said):
    steps = [
        estimate_noise,
        measure_residue,
        highlight_defect,
        lambda p: measure_signal(p, 0.1),
        lambda p: denoise_picture(p, "median"),
        lambda p: flatten_background(p, "plane"),
    ]
    for step in steps:
        with pytest.raises(ValueError, match=said):
            step(picture)
