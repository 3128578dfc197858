"""What stands out: planted defects are found on films, lines and arrays, and only these."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from discovery.synthetic import draw_picture, plan_pictures
from embeddings.highlight import (
    NUMBERS,
    describe_regions,
    draw_crop,
    frame_region,
    highlight,
)
from embeddings.highlight.background import remove_background
from embeddings.highlight.folding import fold_quantiles

SHAPE = (192, 224)
NOISE = 0.03


def draw_layout(kind, *, seed=0, angle=0.0):
    """A film, lines or an array, unevenly lit and noisy."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    across = x * np.cos(angle) + y * np.sin(angle)
    layout = {
        "film": np.zeros(SHAPE),
        "lines": 0.2 * (np.sin(2 * np.pi * across / 17.3) > 0),
        "array": 0.25 * np.exp(-((y % 21.4 - 10) ** 2 + (x % 18.7 - 9) ** 2) / 20),
    }[kind]
    shading = 0.1 * (x / SHAPE[1]) - 0.06 * (y / SHAPE[0]) ** 2
    return 0.4 + layout + shading + rng.normal(0, NOISE, SHAPE)


def plant(radius, centre=(90, 120)):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(y - centre[0], x - centre[1]) < radius


def hold(values):
    return np.clip(values, 0, 1).astype(np.float32)


LAYOUTS = [
    ("film", 0.0), ("lines", 0.0), ("lines", np.pi / 2), ("lines", 0.4), ("lines", -1.1),
    ("array", 0.0),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("kind", "angle"), LAYOUTS)
def test_nothing_stands_out_where_there_is_nothing(kind, angle, seed):
    seen = highlight(hold(draw_layout(kind, seed=seed, angle=angle)))
    assert () == seen.regions
    assert not describe_regions(seen).any()
    assert not seen.is_clear


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("kind", "angle"), LAYOUTS)
def test_a_planted_defect_is_the_one_region(kind, angle, sign):
    defect = plant(9)
    seen = highlight(hold(draw_layout(kind, angle=angle) + sign * 0.25 * defect))
    found = seen.labels == seen.regions[0].label
    assert np.count_nonzero(found & defect) > 0.8 * np.count_nonzero(defect)
    assert seen.is_clear
    numbers = dict(zip(NUMBERS, describe_regions(seen), strict=True))
    assert sign * numbers["tone"] > 0.5
    assert (sign > 0) == (numbers["bright share"] > 0.5)


@pytest.mark.parametrize(("kind", "angle"), LAYOUTS)
def test_noise_is_what_the_background_leaves(kind, angle):
    rest = remove_background(hold(draw_layout(kind, angle=angle)))
    kinds = {"film": ("smooth",), "lines": ("lines", "grating"), "array": ("array",)}
    assert rest.kind in kinds[kind]
    assert NOISE == pytest.approx(1.4826 * np.median(np.abs(rest.values)), rel=0.15)
    assert rest.places.min() >= 0
    assert rest.places.max() < rest.count


def test_a_large_defect_does_not_bend_the_lines():
    defect = plant(45)  # a seventh of the picture
    grey = hold(draw_layout("lines") - 0.15 * defect)
    seen = highlight(grey)
    found = seen.labels == seen.regions[0].label
    assert np.count_nonzero(found & defect) > 0.7 * np.count_nonzero(defect)
    assert not seen.is_clear  # it is no small one


@settings(max_examples=15, deadline=None)
@given(st.floats(0.4, 1.0), st.floats(0.0, 0.2))
def test_gain_and_offset_move_no_region(gain, offset):
    grey = hold(draw_layout("lines") + 0.25 * plant(9))
    before = highlight(grey).regions[0]
    after = highlight(hold(gain * grey * 0.8 + offset)).regions[0]
    edges = ("top", "left", "bottom", "right")
    assert max(abs(getattr(before, edge) - getattr(after, edge)) for edge in edges) <= 3


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 60), st.integers(8, 60), st.integers(0, 1000), st.sampled_from([0, 2, 256]))
def test_any_picture_has_finite_numbers(height, width, seed, levels):
    rng = np.random.default_rng(seed)
    grey = rng.random((height, width), dtype=np.float32)
    if levels != 256:
        grey = np.floor(grey * levels).astype(np.float32) / max(levels - 1, 1)
    seen = highlight(grey)
    assert np.isfinite(describe_regions(seen)).all()
    drawn = draw_crop(seen, side=32)
    assert (1, 32, 32) == drawn.shape
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert list(seen.regions) == sorted(seen.regions, key=lambda one: -one.weight)


def test_a_larger_defect_has_a_larger_area_and_the_frame_holds_it():
    areas = []
    for radius in (6, 12, 24, 40):
        seen = highlight(hold(draw_layout("film") + 0.25 * plant(radius)))
        areas.append(dict(zip(NUMBERS, describe_regions(seen), strict=True))["area"])
        top, left, side = frame_region(seen)
        main = seen.regions[0]
        assert side >= 64
        assert top <= main.top < main.bottom <= top + side
        assert left <= main.left < main.right <= left + side
    assert areas == sorted(areas)


def test_the_crop_is_grey_where_there_is_background():
    seen = highlight(hold(draw_layout("lines") + 0.25 * plant(9)))
    drawn = draw_crop(seen, side=64)[0]
    assert 0.5 == pytest.approx(float(np.median(drawn)), abs=0.02)
    assert drawn[32, 32] > 0.7


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, (12, 15), elements=st.floats(0, 1, width=32)),
    st.integers(1, 5),
    st.floats(0.05, 0.95),
)
def test_folded_quantiles_are_those_of_each_place(values, count, quantile):
    places = (np.arange(180) % count).astype(np.int32).reshape(12, 15)
    found = fold_quantiles(values, places, count, quantiles=(quantile,))[0]
    bin_width = float(np.ptp(values)) / 250 + 1e-6
    for place in range(count):
        of = np.sort(values[places == place])
        low = of[max(0, int(np.floor(quantile * len(of))) - 1)]
        high = of[min(len(of) - 1, int(np.ceil(quantile * len(of))))]
        assert low - bin_width <= found[place] <= high + bin_width


def test_the_defects_of_synthetic_pictures_are_found():
    plans = plan_pictures(60, seed=300)
    found, false = [], []
    for plan in plans:
        drawing = draw_picture(plan, seed=300)
        pixels = drawing.pixels.astype(np.float32)
        low, high = np.quantile(pixels, [0.001, 0.999])
        seen = highlight(hold((pixels - low) / (high - low)))
        if not drawing.boxes:
            false.append(bool(seen.regions))
            continue
        main = seen.regions[0] if seen.regions else None
        found.append(
            main is not None
            and any(
                main.top < box.ymax
                and box.ymin < main.bottom
                and main.left < box.xmax
                and box.xmin < main.right
                for box in drawing.boxes
            )
        )
    assert np.mean(found) > 0.9
    assert np.mean(false) < 0.2
