"""The data bar of an electron microscope: found where it is, and only there."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from embeddings.images import find_data_bar, find_known_bar, pick_data_bar, read_pictures
from embeddings.images.data_bar import _list_ends
from embeddings.images.picture import average_channels, make_picture
from embeddings.reader import BarSurvey
from embeddings.records import DataBar, bars_from_dict, bars_to_dict

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
WIDTH, HEIGHT = 512, 384


def scan(seed, *, height=HEIGHT, width=WIDTH):
    """Return what a microscope shows: soft blobs and grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 200, (6, 8)).astype(np.float32)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(soft + rng.normal(0, 12, (height, width)), 0, 255).astype(np.uint8)


def blacken(seed):
    """Return a picture whose bottom is as black as a bar."""
    picture = scan(seed)
    picture[HEIGHT * 2 // 3 :] = 0
    picture[HEIGHT * 2 // 3 :: 9, 5 + seed :: 23] = 90
    return picture


def join(picture, bar, edge="bottom"):
    return np.concatenate([picture, bar] if edge == "bottom" else [bar, picture])


def compress(pixels, quality):
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=quality)
    return np.asarray(Image.open(sink))


@pytest.mark.parametrize(("paper", "ink"), [(0, 255), (255, 0), (128, 255), (200, 20)])
@pytest.mark.parametrize("style", ["line", "frame"])
@pytest.mark.parametrize("rows", [14, 24, 56])
def test_a_bar_is_found_with_its_rows_and_level(draw_bar, paper, ink, style, rows):
    bar = draw_bar(WIDTH, rows, paper=paper, ink=ink, style=style, seed=rows)
    found = find_data_bar(join(scan(rows), bar))
    assert DataBar(edge="bottom", rows=rows, level=paper) == found
    assert "top" == find_data_bar(join(scan(rows), bar, "top")).edge


@pytest.mark.parametrize("harm", ["noise", "jpeg", "colour", "16 bits"])
def test_noise_compression_and_other_levels_do_not_hide_it(draw_bar, harm):
    whole = join(scan(3), draw_bar(WIDTH, 32, style="frame"))
    if harm == "noise":
        whole = np.clip(whole + np.random.default_rng(0).normal(0, 4, whole.shape), 0, 255)
        whole = whole.astype(np.uint8)
    elif harm == "jpeg":
        whole = compress(whole, 75)
    elif harm == "colour":
        whole = np.repeat(whole[..., None], 3, axis=2)
    else:  # a picture of 12 bits below text of 16
        whole = np.concatenate([scan(3).astype(np.uint16) * 16, whole[HEIGHT:] * np.uint16(257)])
    found = find_data_bar(whole)
    assert ("bottom", 32) == (found.edge, found.rows)


def test_a_box_drawn_over_the_picture_is_cut_with_what_lies_below_it(draw_bar):
    whole = scan(4)
    whole[-43:-3, 3:-3] = draw_bar(WIDTH - 6, 40, style="frame")
    found = find_data_bar(whole)
    assert ("bottom", 43) == (found.edge, found.rows)


@pytest.mark.parametrize("scale", [1.0, 1 / 255, 1e6])
def test_a_picture_of_one_level_in_its_middle_is_judged(draw_bar, scale):
    # Its levels spread over nothing: a part of nothing is the width of a bin.
    whole = join(np.full((HEIGHT, WIDTH), 120, np.uint8), draw_bar(WIDTH, 32, style="frame"))
    whole[:20] = np.random.default_rng(0).integers(0, 255, (20, WIDTH))
    found = find_data_bar(whole.astype(np.float32) * np.float32(scale))
    assert found is None or ("bottom", 32) == (found.edge, found.rows)


def made_without_bars():
    rng = np.random.default_rng(0)
    plain = np.full((HEIGHT, WIDTH), 120, np.uint8)
    yield "plain", plain
    border = scan(1)
    border[-40:] = 0
    yield "a dark border", border
    dusty = border.copy()
    dusty[-30:][rng.random((30, WIDTH)) < 0.01] = 255
    yield "a dark border with dust", dusty
    saturated = scan(2)
    saturated[-30:] = np.maximum(saturated[-30:], 0) | 255
    yield "saturated rows", saturated
    yield "stripes along", np.where((np.arange(HEIGHT) // 16 % 2)[:, None], scan(3), 30)
    stripes = np.where((np.arange(WIDTH) // 8 % 2)[None], scan(4), 20)
    yield "stripes across", stripes
    comb = scan(5)
    comb[-40:] = np.where(np.arange(WIDTH) // 6 % 3 == 0, 220, 10)  # lines, the same in each row
    yield "lines that end at the edge", comb
    vignette = scan(6) * np.clip(np.linspace(3, 0, HEIGHT), 0, 1)[:, None]
    yield "a vignette", vignette.astype(np.uint8)
    yield "a binary mask", np.where(rng.random((HEIGHT, WIDTH)) < 0.5, 0, 255).astype(np.uint8)
    yield "flat and small", scan(7, height=48)


@pytest.mark.parametrize(("what", "pixels"), list(made_without_bars()))
def test_what_is_no_bar_is_none(what, pixels):
    assert find_data_bar(np.asarray(pixels)) is None, what


@pytest.mark.parametrize("name", ["neu_det", "wm811k", "deeppcb", "magnetic_tile"])
def test_pictures_without_bars_have_none(name):
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: no real images")
    suffixes = (".jpg", ".png", ".bmp")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    for path in files[:: max(1, len(files) // 60)]:
        assert find_data_bar(read_pictures(path)[0].pixels) is None, path


def look(survey, pictures):
    for pixels in pictures:
        survey.look(make_picture(pixels, "uint8", bit_depth=8))


def test_a_bar_of_several_pictures_is_found_where_the_picture_is_as_black(draw_bar):
    bars = [draw_bar(WIDTH, 30, seed=i) for i in range(6)]
    black = join(blacken(0), bars[0])
    assert find_data_bar(black) is None  # nobody can tell by this one alone
    survey = BarSurvey({})
    look(survey, [join(scan(i), bar) for i, bar in enumerate(bars)])
    known = survey.settle()
    assert {"512x414": (DataBar(edge="bottom", rows=30, level=0.0),)} == known
    assert known["512x414"][0] == pick_data_bar(make_picture(black, "uint8", bit_depth=8), known)
    # A picture of the same size from a tool that writes none.
    other = make_picture(scan(1, height=414), "uint8", bit_depth=8)
    assert pick_data_bar(other, known) is None
    border = scan(2, height=414)
    border[-30:] = 0
    assert find_known_bar(border, known["512x414"]) is None


def test_two_tools_of_one_size_have_a_bar_each(draw_bar):
    survey = BarSurvey({})
    look(survey, [join(scan(i), draw_bar(WIDTH, 30, seed=i)) for i in range(4)])
    white = [draw_bar(WIDTH, 30, seed=i, paper=255, ink=0) for i in range(4)]
    look(survey, [join(scan(i), bar) for i, bar in enumerate(white)])
    look(survey, [scan(i, height=414) for i in range(4)])
    bars = survey.settle()["512x414"]
    assert [("bottom", 30, 0.0), ("bottom", 30, 255.0)] == sorted(
        (bar.edge, bar.rows, bar.level) for bar in bars
    )
    assert {"512x414": bars} == bars_from_dict(bars_to_dict({"512x414": bars}))
    assert (12, 8) == (survey.n_pictures, survey.n_bars)


def test_one_picture_of_many_that_looks_as_if_it_had_a_bar_is_not_believed(draw_bar):
    survey = BarSurvey({})
    look(survey, [join(scan(0), draw_bar(WIDTH, 30))])
    look(survey, [scan(i, height=414) for i in range(1, 6)])
    assert {"512x414": ()} == survey.settle()


def test_what_the_file_says_goes_before_what_is_seen(tmp_path):
    # Thermo Fisher/FEI: the tag's text has the rows that were scanned.
    text = "[Image]\r\nResolutionX=64\r\nResolutionY=80\r\n[PrivateFei]\r\nDatabarHeight=16\r\n"
    tifffile.imwrite(tmp_path / "fei.tif", scan(1, height=96, width=64), extratags=[
        (34682, "s", 0, text, True)
    ])  # fmt: skip
    # TESCAN: a strip below the picture.
    tescan = b"\x00\x01MAIN\nImageStripSize=20\nPixelSizeX=1e-9\n"
    tifffile.imwrite(tmp_path / "tescan.tif", scan(2, height=96, width=64), extratags=[
        (50431, "B", len(tescan), tescan, True)
    ])  # fmt: skip
    fei, other = (read_pictures(tmp_path / f"{name}.tif")[0] for name in ("fei", "tescan"))
    assert (16, 20) == (fei.bar_rows, other.bar_rows)
    assert DataBar(edge="bottom", rows=16) == pick_data_bar(fei, {})
    assert pick_data_bar(replace(fei, bar_rows=0), {}) is None


@given(
    drawn=st.lists(st.sampled_from([0.0, 0.2, 0.35, 0.5, 0.85, 1.0]), min_size=12, max_size=60),
    least=st.integers(8, 12),
)
def test_no_row_at_which_a_bar_may_end_is_left_out(drawn, least):
    shares = np.array(drawn)
    most = len(drawn) - 4
    expected = [
        rows
        for rows in range(most, least - 1, -1)
        # However clear the picture is beyond it, a step down is no higher than this.
        if max(drawn[rows - 3 : rows]) >= 0.85 and drawn[rows - 1] >= 0.35
    ]
    assert expected == _list_ends(shares, least, most)


@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
        elements=st.floats(0, 65535, width=32),
    )
)  # fmt: skip
def test_channels_are_averaged_as_numpy_does(colours):
    np.testing.assert_array_equal(colours.mean(axis=2), average_channels(colours))
