"""Preparing: windows, resizing, padding, regions that stick out, thumbnails, levelling."""

import concurrent.futures
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from embeddings.errors import ImageError
from embeddings.images import (
    Picture,
    Region,
    fix_window,
    level_picture,
    make_thumbnail,
    prepare_picture,
)

RNG = np.random.default_rng(8)


def _picture(pixels: np.ndarray, kind: str = "") -> Picture:
    return Picture(
        pixels=pixels,
        kind=kind or str(pixels.dtype),
        page=0,
        bit_depth=pixels.itemsize * 8,
        um_per_pixel=math.nan,
        nan_pixels=0,
    )


GREY = RNG.integers(0, 256, (40, 60), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)


@given(
    height=st.integers(16, 50),
    width=st.integers(16, 50),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    channels=st.sampled_from([1, 3]),
    fit=st.sampled_from(["pad", "stretch", "none"]),
    resize=st.sampled_from(["auto", "bilinear", "nearest"]),
    size=st.integers(1, 64),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_any_region_gives_finite_values_from_0_to_1(
    height, width, dtype, channels, fit, resize, size, data
):
    shape = (height, width) if channels == 1 else (height, width, 3)
    pixels = np.random.default_rng(height * width).integers(0, 255, shape).astype(dtype)
    x0, y0 = data.draw(st.integers(-99, width - 1)), data.draw(st.integers(-99, height - 1))
    region = Region(
        x0=x0,
        y0=y0,
        width=data.draw(st.integers(max(1, 1 - x0), 300)),
        height=data.draw(st.integers(max(1, 1 - y0), 300)),
    )
    values = prepare_picture(
        _picture(pixels), window=(20.0, 200.0), size=size, fit=fit, resize=resize,
        region=region,
    )  # fmt: skip
    assert values.dtype == np.float32
    assert values.flags.c_contiguous
    assert values.shape[0] == channels
    if fit != "none":
        assert values.shape == (channels, size, size)
    else:
        assert max(values.shape[1:]) <= size
    assert values.min() >= 0
    assert values.max() <= 1


def test_the_picture_itself_comes_back_at_its_own_size():
    values = prepare_picture(_picture(GREY), window=(0, 255), size=60, fit="none")
    np.testing.assert_allclose(values[0] * 255, GREY, atol=1e-4)


def test_shrinking_is_antialiased():
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 200).astype(np.uint8)
    values = prepare_picture(_picture(board), window=(0, 200), size=8, resize="bilinear")
    np.testing.assert_allclose(values, 0.5, atol=0.02)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_map_of_few_levels_keeps_them(dtype):
    levels = np.array([0, 127, 255]).astype(dtype)
    picture = _picture(levels[RNG.integers(0, 3, (25, 27))])
    auto = prepare_picture(picture, window=(0, 255), size=224)
    assert len(np.unique(auto)) == 3
    assert (
        len(np.unique(prepare_picture(picture, window=(0, 255), size=224, resize="bilinear"))) > 3
    )


def test_nine_levels_are_grey_levels():
    levels = (np.arange(9) * 30).astype(np.uint8)
    picture = _picture(levels[RNG.integers(0, 9, (25, 27))])
    assert len(np.unique(prepare_picture(picture, window=(0, 255), size=224))) > 9


def test_pad_keeps_the_aspect_ratio_and_repeats_the_edge():
    pixels = np.repeat(np.arange(20, dtype=np.uint8)[:, None] * 10, 80, axis=1)  # dark above
    values = prepare_picture(_picture(pixels), window=(0, 190), size=80)[0]
    assert (values[:30] == 0).all()
    assert (values[50:] == 1).all()
    np.testing.assert_allclose(values[30:50], pixels / 190, atol=1e-6)


def test_stretch_fills_the_square_without_padding():
    values = prepare_picture(_picture(COLOUR), window=(0, 255), size=32, fit="stretch")
    expected = np.asarray(Image.fromarray(COLOUR).resize((32, 32), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(values * 255, np.moveaxis(expected, 2, 0), atol=1e-4)


def test_none_never_enlarges():
    assert prepare_picture(_picture(GREY), window=(0, 255), size=500, fit="none").shape == (
        1,
        40,
        60,
    )
    assert prepare_picture(_picture(GREY), window=(0, 255), size=30, fit="none").shape == (
        1,
        20,
        30,
    )


def test_a_region_is_what_was_cut_out():
    region = Region(x0=7, y0=5, width=20, height=20)
    values = prepare_picture(_picture(GREY), window=(0, 255), size=20, region=region)
    np.testing.assert_allclose(values[0] * 255, GREY[5:25, 7:27], atol=1e-4)


def test_what_sticks_out_repeats_the_border():
    region = Region(x0=-10, y0=-5, width=20, height=20)
    values = prepare_picture(_picture(GREY), window=(0, 255), size=20, region=region)[0] * 255
    expected = np.pad(GREY[:15, :10], ((5, 0), (10, 0)), mode="edge")
    np.testing.assert_allclose(values, expected, atol=1e-4)


def test_a_huge_region_costs_no_memory():
    region = Region(x0=-500_000, y0=-500_000, width=1_000_000, height=1_000_000)
    values = prepare_picture(_picture(GREY), window=(0, 255), size=16, region=region)
    assert values.shape == (1, 16, 16)


@pytest.mark.parametrize("x0", [-20, 60, 1000])
def test_a_region_outside_is_an_image_error(x0):
    region = Region(x0=x0, y0=0, width=20, height=20)
    with pytest.raises(ImageError, match="lies outside of the 60x40 picture"):
        prepare_picture(_picture(GREY), window=(0, 255), size=20, region=region)


def test_8_and_16_bits_of_the_same_levels_look_the_same():
    wide = _picture(GREY.astype(np.uint16) * 257)
    narrow = prepare_picture(_picture(GREY), window=(0, 255), size=32)
    np.testing.assert_allclose(
        prepare_picture(wide, window=(0, 65535), size=32), narrow, atol=0.005
    )


def test_threads_prepare_the_same():
    picture = _picture(RNG.integers(0, 65536, (300, 400), dtype=np.uint16))
    expected = prepare_picture(picture, window=(0, 65535), size=224)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(prepare_picture, picture, window=(0, 65535), size=224) for _ in range(16)
        ]
        for job in jobs:
            np.testing.assert_array_equal(job.result(), expected)


def test_8_bit_pictures_keep_the_whole_range():
    assert fix_window([_picture(np.full((20, 20), 7, np.uint8))]) == (0.0, 255.0)


def test_two_16_bit_textures_between_800_and_1200_are_told_apart():
    smooth = RNG.integers(900, 1100, (64, 64)).astype(np.uint16)
    stripes = (np.arange(64) % 8 // 4 * 350 + RNG.integers(800, 850, (64, 64))).astype(np.uint16)
    window = fix_window([_picture(smooth), _picture(stripes)])
    assert 700 < window[0] < 850
    assert 1150 < window[1] < 1300
    values = [prepare_picture(_picture(p), window=window, size=64) for p in (smooth, stripes)]
    assert 0.3 < values[0].mean() < 0.7
    assert values[1].std() > 0.3
    assert values[0].std() < 0.2


def test_heights_of_any_unit_fill_the_window():
    for scale in (1e-9, 1.0, 1e3):
        heights = (RNG.normal(-5, 1, (64, 64)) * scale).astype(np.float32)
        values = prepare_picture(_picture(heights), window=fix_window([_picture(heights)]), size=64)
        assert 0.4 < values.mean() < 0.6
        assert 0.1 < values.std() < 0.2


def test_hot_pixels_do_not_darken_the_rest():
    pixels = RNG.integers(900, 1100, (200, 200)).astype(np.uint16)
    pixels[0, :10] = 65535
    assert fix_window([_picture(pixels)])[1] < 1200


def test_the_rarest_level_of_a_map_stays_apart():
    pixels = np.zeros((200, 200), np.uint16)
    pixels[50:150, 50:150] = 1
    pixels[100, 100:105] = 2  # far below a thousandth of the pixels
    assert fix_window([_picture(pixels)]) == (0.0, 2.0)


@pytest.mark.parametrize("level", [0.0, 3e-9, -1e6, 1200.0])
def test_a_single_level_becomes_mid_grey(level):
    picture = _picture(np.full((20, 20), level, np.float32))
    values = prepare_picture(picture, window=fix_window([picture]), size=16)
    np.testing.assert_allclose(values, 0.5, atol=1e-3)


def test_the_sample_is_bounded_and_even():
    pictures = [_picture(np.full((600, 600), level, np.float32)) for level in range(20)]
    low, high = fix_window(pictures)
    assert low < 0
    assert high > 19


def test_a_window_needs_pictures_of_one_kind():
    with pytest.raises(ImageError, match="no picture"):
        fix_window([])
    with pytest.raises(ValueError, match="several kinds"):
        fix_window([_picture(GREY), _picture(GREY.astype(np.uint16))])


def test_a_plane_is_removed_and_a_particle_does_not_tilt_it():
    y, x = np.mgrid[:80, :100]
    noise = RNG.normal(0, 0.1, (80, 100))
    heights = 3 * x - 2 * y + 500 + noise
    heights[10:25, 70:90] += 300
    levelled = level_picture(_picture(heights.astype(np.float32)), "plane")
    assert levelled.kind == "float32-plane"
    around = np.delete(levelled.pixels, slice(10, 25), axis=0)
    np.testing.assert_allclose(around, np.delete(noise, slice(10, 25), axis=0), atol=0.05)
    np.testing.assert_allclose(levelled.pixels[10:25, 70:90].mean(), 300, atol=0.1)


def test_scan_line_offsets_are_removed():
    texture = RNG.normal(0, 1, (50, 201))
    offsets = RNG.normal(0, 100, (50, 1))
    levelled = level_picture(_picture((texture + offsets).astype(np.float32)), "line")
    expected = texture - np.median(texture, axis=1, keepdims=True)
    np.testing.assert_allclose(levelled.pixels, expected, atol=1e-3)
    assert levelled.kind == "float32-line"


def test_levelled_8_bit_pictures_have_a_window_of_their_own():
    levelled = level_picture(_picture(GREY), "plane")
    low, high = fix_window([levelled])
    assert levelled.pixels.dtype == np.float32
    assert low < -100
    assert high > 100


def test_an_exact_plane_becomes_zero():
    y, x = np.mgrid[:20, :30]
    levelled = level_picture(_picture((x + 2 * y).astype(np.float32)), "plane")
    np.testing.assert_allclose(levelled.pixels, 0, atol=1e-4)


def test_none_levels_nothing_and_colours_cannot_be_levelled():
    picture = _picture(GREY)
    assert level_picture(picture, "none") is picture
    with pytest.raises(ImageError, match="colour picture"):
        level_picture(_picture(COLOUR), "line")


@pytest.mark.parametrize(("pixels", "mode"), [(GREY, "L"), (COLOUR, "RGB")])
def test_a_thumbnail_is_a_small_jpeg(pixels, mode):
    data = make_thumbnail(_picture(pixels), window=(0, 255), side=30)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", mode, (30, 20))


def test_a_thumbnail_shows_the_window():
    pixels = np.full((100, 100), 1000, np.uint16)
    pixels[:50] = 900
    data = make_thumbnail(_picture(pixels), window=(900, 1000))
    with Image.open(io.BytesIO(data)) as image:
        shown = np.asarray(image)
    assert shown.shape == (96, 96)
    assert shown[:40].max() < 10
    assert shown[56:].min() > 245


@pytest.mark.parametrize(
    ("pixels", "text"), [(np.zeros((20, 20)), "float64"), (np.zeros((20, 20, 4), np.uint8), "4")]
)
def test_a_picture_checks_its_pixels(pixels, text):
    with pytest.raises(ValueError, match=text):
        _picture(pixels)
