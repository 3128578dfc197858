"""What the network sees of a picture: maps as maps, everything else as it is."""

from dataclasses import replace

import numpy as np
import pytest

from embeddings.errors import ImageError
from embeddings.images import Region, clip_region, prepare_picture, show_picture
from embeddings.images.maps import draw_map
from embeddings.images.picture import make_picture
from embeddings.records import ExtractorSpec

SPEC = ExtractorSpec(name="resnet50", input_size=64, fit="stretch", dim=4)
BYTES = (0.0, 255.0)
VIEWS = ("map", "polar")


def make_wafer(side=40, levels=(0, 128, 255), seed=0):
    """Return grey levels of a wafer with a scratch and lone bad dies."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    code = (np.hypot(y, x) < side / 2).astype(int)
    code[(np.random.default_rng(seed).random(code.shape) < 0.05) & (code > 0)] = 2
    code[side // 2, side // 4 : side // 2] = 2
    return np.asarray(levels, np.uint8)[code]


def as_picture(pixels):
    return make_picture(pixels, str(pixels.dtype), bit_depth=8)


def show(pixels, view, **given):
    return show_picture(as_picture(pixels), replace(SPEC, view=view), window=BYTES, **given)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("levels", [(0, 128, 255), (0, 1, 2)])
def test_a_map_is_drawn_as_one_whatever_its_levels(view, levels):
    codes = make_wafer(levels=(0, 1, 2)) / 2
    assert np.array_equal(draw_map(codes, view, size=64), show(make_wafer(levels=levels), view))


@pytest.mark.parametrize("view", VIEWS)
def test_of_three_equal_channels_one_is_drawn(view):
    grey = make_wafer()
    assert np.array_equal(show(grey, view), show(np.repeat(grey[..., None], 3, axis=2), view))


@pytest.mark.parametrize("view", VIEWS)
def test_pictures_of_many_levels_or_colours_are_shown_as_they_are(view, picture):
    colours = np.repeat(picture(1)[..., None] // 64 * 64, 3, axis=2)
    colours[..., 1] = 0
    for pixels in (picture(0), colours):
        assert np.array_equal(show(pixels, "picture"), show(pixels, view))
    plain = prepare_picture(as_picture(picture(0)), window=BYTES, size=64, fit="stretch")
    assert np.array_equal(plain, show(picture(0), view))


@pytest.mark.parametrize("view", VIEWS)
def test_of_a_region_what_lies_inside_is_drawn(view):
    wafer = make_wafer()
    region = Region(x0=-5, y0=10, width=25, height=100)
    assert np.array_equal(show(wafer[10:, :20], view), show(wafer, view, region=region))
    with pytest.raises(ImageError, match="lies outside of the 40x40 picture"):
        show(wafer, view, region=replace(region, y0=40))


def test_the_clipped_region_is_the_part_inside():
    clipped = clip_region(Region(x0=-5, y0=10, width=25, height=100), 40, 30)
    assert Region(x0=0, y0=10, width=20, height=20) == clipped


def test_a_map_of_more_places_than_any_wafer_has_dice_is_thinned():
    wafer = make_wafer(side=1100)
    large = np.kron(wafer, np.ones((2, 2), np.uint8))
    assert np.array_equal(show(wafer, "map"), show(large, "map"))


@pytest.mark.parametrize("view", VIEWS)
def test_a_map_and_its_golden_one_are_drawn_alike(view, picture):
    wafer, clean = make_wafer(), np.where(make_wafer() > 0, 128, 0).astype(np.uint8)
    both = show(wafer, view, golden=as_picture(clean))
    assert np.array_equal(np.concatenate([show(wafer, view), show(clean, view)]), both)
    # One that is no map cannot be compared with a map: both are pictures then.
    photograph = picture(0, side=40)
    mixed = show(wafer, view, golden=as_picture(photograph))
    plain = np.concatenate([show(wafer, "picture"), show(photograph, "picture")])
    assert np.array_equal(plain, mixed)


def test_a_grey_reference_is_spread_to_colour(picture):
    colours = np.stack([picture(seed) for seed in range(3)], axis=2)
    assert (6, 64, 64) == show(colours, "picture", golden=as_picture(picture(4))).shape
