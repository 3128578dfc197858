"""Highlighting: planted defects are found where they are, and nothing where there is nothing."""

from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
from PIL import Image

from discovery.classifier.enhance import (
    Highlight,
    HighlightMethod,
    align_reference,
    denoise_picture,
    draw_steps,
    highlight_defect,
    mask_response,
    match_brightness,
)
from discovery.synthetic import draw_picture, plan_pictures
from embeddings.errors import OptionError

METHODS = [method for method in get_args(HighlightMethod) if method != "reference"]
DEEP_PCB = Path(__file__).resolve().parents[3] / "shared" / "data" / "deeppcb"


def hold(values):
    return np.clip(values, 0, 1).astype(np.float32)


def draw_texture(shape=(128, 160), *, seed=0):
    """Draw a defect-free picture with something to align by: grains of some 6 pixels."""
    grain = scipy.ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return hold(0.5 + 0.12 * grain / grain.std())


def plant(shape, *, centre, radius):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - centre[0], x - centre[1]) < radius


def overlap(mask, truth):
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)


def add_noise(clean, sigma, *, seed=1):
    return hold(clean + np.random.default_rng(seed).normal(0, sigma, clean.shape))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_defect_is_found_against_a_shifted_dimmer_noisy_reference(sign):
    wide = draw_texture((140, 172))
    golden = wide[6:134, 6:166]
    defect = plant(golden.shape, centre=(60, 90), radius=8)
    grey = add_noise(wide[8:136, 3:163] + sign * 0.3 * defect, 0.02)
    found = highlight_defect(grey, reference=add_noise(0.8 * golden + 0.05, 0.02, seed=2))
    assert found.method == "reference"
    assert overlap(found.mask, defect) > 0.7
    assert np.count_nonzero(found.mask & ~plant(grey.shape, centre=(60, 90), radius=12)) == 0


def test_the_golden_picture_against_itself_shows_nothing():
    golden = draw_texture()
    for copy in (golden, hold(0.9 * golden + 0.04), add_noise(golden, 0.02)):
        assert not highlight_defect(copy, reference=golden).mask.any()


@pytest.mark.parametrize("shift", [(0, 0), (4, -3), (-2.5, 1.5)])
def test_alignment_is_right_to_a_fifth_of_a_pixel(shift):
    wide = draw_texture((160, 200))
    moved = scipy.ndimage.shift(wide, shift, order=3, mode="nearest")
    inside = (slice(16, -16), slice(16, -16))
    grey, reference = hold(moved[inside]), wide[inside].copy()
    aligned = align_reference(reference, grey)
    # A texture of 6 pixels' grain changes by about a third of its contrast a pixel.
    error = np.abs(aligned - grey)[8:-8, 8:-8].mean()
    assert error < 0.2 * 0.12 / 3


def test_a_reference_that_has_nothing_to_align_by_stays_where_it_is():
    plain = np.full((40, 50), 0.5, np.float32)
    np.testing.assert_array_equal(plain, align_reference(plain, draw_texture((40, 50))))
    other = draw_texture((64, 64), seed=5)
    aligned = align_reference(other, draw_texture((64, 64), seed=6))
    assert aligned.shape == other.shape


def test_brightness_is_matched_in_spite_of_a_defect():
    golden = draw_texture()
    grey = hold(0.7 * golden + 0.1)
    grey[20:60, 20:60] = 1.0
    matched = match_brightness(golden, grey)
    np.testing.assert_allclose(0.7 * golden + 0.1, matched, atol=0.01)
    flat = np.full_like(golden, 0.5)
    np.testing.assert_allclose(np.full_like(flat, 0.25), match_brightness(flat, flat / 2))


def test_a_reference_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"reference is \(128, 150\)"):
        highlight_defect(draw_texture(), reference=draw_texture((128, 150)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("grey", [0.0, 0.3, 1.0])
def test_nothing_is_found_on_a_constant_picture(method, grey):
    constant = np.full((64, 80), grey, np.float32)
    assert not highlight_defect(constant, method=method).mask.any()
    assert not highlight_defect(constant, reference=constant).mask.any()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_found_in_pure_noise(method):
    noise = add_noise(np.full((128, 128), 0.5), 0.05)
    assert not highlight_defect(noise, method=method).mask.any()


@pytest.mark.parametrize("method", ["auto", "background", "top-hat", "difference-of-gaussians"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_spot_on_a_shaded_film_is_found_without_a_reference(method, sign):
    shading = 0.1 * np.linspace(-1, 1, 128)[:, None] + np.zeros((1, 160))
    defect = plant(shading.shape, centre=(50, 100), radius=4)
    found = highlight_defect(add_noise(0.5 + shading + sign * 0.3 * defect, 0.02), method=method)
    # The difference of Gaussians has a halo around the spot.
    assert overlap(found.mask, defect) > (0.25 if method == "difference-of-gaussians" else 0.5)
    assert np.count_nonzero(defect & ~found.mask) == 0


@pytest.mark.parametrize("turned", [False, True])
def test_a_bridge_between_lines_is_found_and_the_lines_are_not(turned):
    x = np.arange(200) + np.zeros((160, 1))
    lines = 0.5 + 0.25 * np.sign(np.sin(2 * np.pi * x / 20))
    bridged = lines.copy()
    bridged[70:82, 90:100] = 0.75
    grey = add_noise(scipy.ndimage.gaussian_filter(bridged, 0.8), 0.02)
    truth = bridged != lines
    found = highlight_defect(grey.T.copy() if turned else grey)
    mask = found.mask.T if turned else found.mask
    assert found.method == "lines"
    assert overlap(mask, truth) > 0.4  # edges within 2 pixels are forgiven
    assert np.count_nonzero(mask & ~scipy.ndimage.binary_dilation(truth, iterations=3)) == 0


def test_particles_of_a_simulated_microscope_lie_in_the_mask():
    plan = next(
        p
        for p in plan_pictures(60, seed=0)
        if p.label == "particle_small" and p.background == "plain"
    )
    drawing = draw_picture(plan, seed=0)
    scope = plan.microscope
    grey = hold((drawing.pixels - np.float32(scope.black)) / (scope.white - scope.black) / 1.2)
    mask = highlight_defect(denoise_picture(grey, "nonlocal-means")).mask
    boxes = [mask[box.ymin : box.ymax, box.xmin : box.xmax] for box in drawing.boxes]
    assert len(boxes) == plan.count
    assert all(inside.mean() > 0.3 for inside in boxes)


@pytest.mark.skipif(not DEEP_PCB.is_dir(), reason="no DeepPCB pictures in ../shared/data")
def test_the_marked_defects_of_circuit_boards_are_found_by_their_templates():
    boxes = pd.read_csv(DEEP_PCB / "boxes.csv")
    hits = []
    for path in sorted(boxes["path"].unique())[:3]:
        grey, golden = (
            np.asarray(Image.open(DEEP_PCB / name).convert("L"), dtype=np.float32) / 255
            for name in (path, path.replace("_test", "_temp"))
        )
        mask = highlight_defect(grey, reference=golden).mask
        assert mask.mean() < 0.03
        for row in boxes[boxes["path"] == path].itertuples():
            hits.append(mask[row.ymin : row.ymax, row.xmin : row.xmax].any())
    assert np.mean(hits) > 0.9


def test_a_response_is_masked_far_above_its_median_in_components_of_six_pixels():
    response = np.random.default_rng(0).normal(0.1, 0.01, (64, 64)).astype(np.float32)
    response[10:13, 10:12] = 0.5
    response[30, 30:35] = 0.5  # five pixels
    mask = mask_response(response)
    expected = np.zeros_like(mask)
    expected[10:13, 10:12] = True
    np.testing.assert_array_equal(expected, mask)


@pytest.mark.parametrize("method", ["shine", "reference"])
def test_a_method_that_cannot_be_taken_is_refused_with_one_line(method):
    with pytest.raises(OptionError) as raised:
        highlight_defect(draw_texture(), method=method)
    assert len(str(raised.value).splitlines()) == 1


def test_response_and_mask_are_of_one_picture():
    response = np.zeros((8, 8), np.float32)
    with pytest.raises(ValueError, match="differ"):
        Highlight(response=response, mask=np.zeros((8, 9), bool), method="lines")


def test_the_sheet_shows_five_steps_and_outlines_the_defect():
    defect = plant((64, 96), centre=(30, 50), radius=6)
    golden = draw_texture((64, 96))
    grey = add_noise(hold(golden + 0.4 * defect), 0.02)
    sheet = np.asarray(draw_steps(grey, golden, method="median"))
    assert sheet.shape[2] == 3
    assert sheet.shape[1] > 5 * 256
    red = (sheet == (255, 70, 40)).all(axis=2)
    columns = np.flatnonzero(red.any(axis=0))
    panel = 4 * (256 + 8) + 8  # where the fifth panel begins
    scale = 256 / 96
    assert columns.min() == pytest.approx(panel + (50 - 6) * scale, abs=2 * scale)
    assert columns.max() == pytest.approx(panel + (50 + 6) * scale, abs=2 * scale)


@pytest.mark.parametrize("shape", [(8, 8), (16, 600), (600, 16)])
def test_a_sheet_can_be_drawn_of_any_shape(shape):
    sheet = draw_steps(draw_texture(shape))
    assert sheet.width == 5 * (256 + 8) + 8
