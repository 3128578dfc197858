"""Regions: tiles cover every pixel, crops are square round their box, ids are unique."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.errors import OptionError
from embeddings.images import Region, crop_box, image_id, tile_picture

SIDES = st.integers(1, 400)


@given(width=SIDES, height=SIDES, tile=st.integers(1, 128), overlap=st.floats(0, 0.9))
@settings(max_examples=100, deadline=None)
def test_tiles_cover_every_pixel_and_stay_inside(width, height, tile, overlap):
    if width * height > 60 * tile * tile:
        width, height = min(width, 6 * tile), min(height, 6 * tile)
    regions = tile_picture(width, height, tile=tile, overlap=overlap)
    covered = np.zeros((height, width), bool)
    for region in regions:
        assert region.x0 >= 0
        assert region.y0 >= 0
        assert (region.width, region.height) == (min(tile, width), min(tile, height))
        block = covered[region.y0 : region.y0 + region.height, region.x0 : region.x0 + region.width]
        assert block.shape == (region.height, region.width)
        block[:] = True
    assert covered.all()
    assert len(set(regions)) == len(regions)


def test_the_last_tile_is_flush_with_the_edge():
    regions = tile_picture(250, 100, tile=100)
    assert [(region.x0, region.y0) for region in regions] == [(0, 0), (100, 0), (150, 0)]
    halves = tile_picture(250, 100, tile=100, overlap=0.5)
    assert [region.x0 for region in halves] == [0, 50, 100, 150]


def test_a_small_picture_is_one_tile():
    assert tile_picture(50, 40, tile=100) == [Region(x0=0, y0=0, width=50, height=40)]


@pytest.mark.parametrize(("tile", "overlap"), [(0, 0.0), (10, 1.0), (10, -0.1)])
def test_tiles_that_make_no_sense_are_option_errors(tile, overlap):
    with pytest.raises(OptionError, match="expected"):
        tile_picture(100, 100, tile=tile, overlap=overlap)


EDGES = st.floats(-1000, 1000)


@given(
    x=EDGES, y=EDGES, width=st.floats(0, 500), height=st.floats(0, 500),
    margin=st.floats(0, 2), min_side=st.integers(1, 100),
)  # fmt: skip
def test_a_crop_is_a_square_that_holds_its_box(x, y, width, height, margin, min_side):
    region = crop_box((x, y, x + width, y + height), margin=margin, min_side=min_side)
    assert region.width == region.height >= min_side
    slack = 1 + 1e-6  # the corner is rounded down to a whole pixel
    assert region.x0 <= x + 1e-6
    assert region.y0 <= y + 1e-6
    assert region.x0 + region.width >= x + width - slack
    assert region.y0 + region.height >= y + height - slack


def test_a_crop_has_its_margin_on_each_side():
    assert crop_box((100, 200, 140, 220)) == Region(x0=80, y0=170, width=80, height=80)
    assert crop_box((100, 200, 102, 202), min_side=32) == Region(x0=85, y0=185, width=32, height=32)
    assert crop_box((0, 0, 10, 10), margin=1.0, min_side=1) == Region(
        x0=-10, y0=-10, width=30, height=30
    )


def test_crops_that_make_no_sense_are_option_errors():
    for options in ({"margin": -0.1}, {"min_side": 0}):
        with pytest.raises(OptionError, match="expected at least"):
            crop_box((0, 0, 10, 10), **options)


def test_ids_tell_page_and_region():
    region = Region(x0=-3, y0=4, width=50, height=60)
    assert image_id("0123456789abcdef") == "0123456789abcdef"
    assert image_id("f", page=0, n_pages=3) == "f#0"
    assert image_id("f", region=region) == "f@-3,4,50,60"
    assert image_id("f", page=2, n_pages=3, region=region) == "f#2@-3,4,50,60"


@given(
    st.sets(
        st.tuples(
            st.integers(0, 5),
            st.integers(-99, 99),
            st.integers(-99, 99),
            st.integers(1, 99),
            st.integers(1, 99),
        )
    )
)
def test_ids_are_unique(parts):
    ids = {
        image_id("f", page=page, n_pages=6, region=Region(x0=x, y0=y, width=w, height=h))
        for page, x, y, w, h in parts
    }
    assert len(ids) == len(parts)


def test_a_region_has_pixels():
    with pytest.raises(ValueError, match="0x5"):
        Region(x0=0, y0=0, width=0, height=5)
