"""Wafer maps drawn for the network: lone bad dies left out, and polar density."""

import numpy as np
import pytest

from embeddings.images.maps import draw_map, is_wafer_map


def make_wafer(side=40):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    radius = np.hypot(y, x) / (side / 2)
    return np.where(radius < 1, 0.5, 0.0), radius, np.arctan2(y, x)


def test_a_lone_bad_die_is_left_out_and_a_line_stays():
    shown, _, _ = make_wafer()
    shown[20, 10] = 1.0
    assert 0.5 == pytest.approx(draw_map(shown, "map", size=160).max())
    shown[25, 12:28] = 1.0
    assert draw_map(shown, "map", size=160).max() > 0.9


def test_a_ring_is_a_band_of_rows_and_the_centre_is_on_top():
    shown, radius, _ = make_wafer()
    ring = draw_map(np.where((radius > 0.85) & (shown > 0), 1.0, shown), "polar", size=64)
    assert (1, 32, 80) == ring.shape
    assert ring[0, 28].min() > 0.5 > ring[0, :20].max()
    centre = draw_map(np.where(radius < 0.25, 1.0, shown), "polar", size=64)
    assert centre[0, :3].min() > 0.8
    assert centre[0, 20:].max() < 0.1


def test_a_turn_of_the_wafer_is_a_shift():
    shown, radius, angle = make_wafer()
    spot = (radius > 0.7) & (shown > 0) & (np.abs(angle) < 0.4)
    shown[spot] = 1.0
    drawn = draw_map(shown, "polar", size=64)[0, :, :64]  # one turn
    turned = draw_map(np.rot90(shown, -1), "polar", size=64)[0, :, :64]
    np.testing.assert_allclose(np.roll(drawn, 16, axis=1), turned, atol=0.1)


def test_of_two_levels_nothing_is_outside():
    shown = np.zeros((30, 20))
    shown[10:20, 5:15] = 1.0
    drawn = draw_map(shown, "map", size=60)
    assert {0.5, 1.0} <= set(np.unique(drawn).tolist())
    assert drawn.min() >= 0.5


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_of_one_level_all_is_good(level):
    blank = np.full((20, 30), level)
    assert {0.5} == set(np.unique(draw_map(blank, "map", size=40)).tolist())
    assert not draw_map(blank, "polar", size=40).any()


# --- what is a wafer map ---


def wafer(side=26, stretch=1):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    bad = np.random.default_rng(0).random((side, side)) < 0.2
    levels = np.where(np.hypot(x, y) > side / 2, 0, np.where(bad, 2, 1)).astype(np.uint8)
    return np.kron(levels, np.ones((1, stretch), np.uint8))


@pytest.mark.parametrize("side", [10, 26, 60, 300])
@pytest.mark.parametrize("stretch", [1, 2])
@pytest.mark.parametrize("factor", [1, 127])
def test_a_disc_of_few_levels_is_a_wafer_map(side, stretch, factor):
    levels = wafer(side, stretch) * np.uint8(factor)
    assert is_wafer_map(levels)
    assert is_wafer_map(np.pad(levels, 3))
    assert is_wafer_map(np.repeat(levels[..., None], 3, axis=2))


def test_other_pictures_of_few_levels_are_none():
    rng = np.random.default_rng(0)
    squares = np.kron(rng.integers(0, 2, (8, 8)), np.ones((8, 8))).astype(np.uint8) * 255
    text = np.full((64, 64), 255, np.uint8)
    text[20:24, 8:50] = 0
    blot = np.zeros((64, 64), np.uint8)
    blot[20:40, 10:60] = 255  # a rectangle is no disc
    photograph = wafer(64).astype(np.uint8) * 40 + rng.integers(0, 40, (64, 64), dtype=np.uint8)
    for picture in (squares, text, blot, photograph, np.zeros((64, 64), np.uint8), wafer(4)):
        assert not is_wafer_map(picture)
