"""The noise gate: clear goes on untouched, noisy is denoised, what drowns is undecided."""

import numpy as np
import pytest
import scipy.ndimage

from discovery.classifier.enhance import (
    GateOptions,
    estimate_noise,
    measure_residue,
    measure_signal,
    pass_gate,
)
from embeddings.errors import OptionError

OPTIONS = GateOptions(threshold=0.04)
QUICK = ["nonlocal-means", "median", "total-variation", "bilateral"]


def hold(values):
    return np.clip(values, 0, 1).astype(np.float32)


def draw_defect(side=160, *, contrast=0.35, radius=7):
    y, x = np.mgrid[:side, :side].astype(float)
    return hold(0.4 + contrast * (np.hypot(x - 0.4 * side, y - 0.6 * side) < radius))


def add_noise(clean, sigma, *, seed=0):
    return hold(clean + np.random.default_rng(seed).normal(0, sigma, clean.shape))


PLAIN = np.full((160, 160), 0.5, np.float32)


def test_a_picture_under_the_threshold_passes_untouched():
    grey = add_noise(draw_defect(), 0.02)
    gated = pass_gate(grey, OPTIONS)
    assert (gated.verdict, gated.tries) == ("clear", 0)
    assert gated.noise == gated.noise_before == estimate_noise(grey)
    np.testing.assert_array_equal(grey, gated.picture)


def test_a_constant_picture_is_clear():
    gated = pass_gate(PLAIN, OPTIONS)
    assert (gated.verdict, gated.noise, gated.signal) == ("clear", 0, 0)


@pytest.mark.parametrize("method", QUICK)
def test_a_clear_defect_under_moderate_noise_is_denoised(method):
    clean = draw_defect()
    noisy = add_noise(clean, 0.1)
    gated = pass_gate(noisy, GateOptions(threshold=0.04, method=method))
    assert gated.verdict == "denoised"
    assert 1 <= gated.tries <= 2
    assert gated.noise <= 0.04 < gated.noise_before
    assert gated.noise_before == pytest.approx(0.1, rel=0.05)
    assert np.abs(gated.picture - clean).mean() < 0.5 * np.abs(noisy - clean).mean()


@pytest.mark.parametrize("method", QUICK)
@pytest.mark.parametrize("sigma", [0.06, 0.15])
@pytest.mark.parametrize("shape", [(24, 24), (160, 160), (300, 200)])
def test_pure_noise_is_undecided_however_smooth_it_became(method, sigma, shape):
    gated = pass_gate(
        add_noise(np.full(shape, 0.5), sigma), GateOptions(threshold=0.04, method=method)
    )
    assert gated.verdict == "undecided"
    assert gated.signal < OPTIONS.min_signal


def test_a_defect_that_drowns_is_undecided():
    gated = pass_gate(add_noise(draw_defect(contrast=0.06, radius=3), 0.15), OPTIONS)
    assert gated.verdict == "undecided"


def test_a_picture_smeared_until_nothing_is_left_does_not_pass():
    noisy = add_noise(draw_defect(contrast=0.3, radius=3), 0.1)
    mild, harsh = (
        pass_gate(noisy, GateOptions(threshold=0.04, method="total-variation", strength=s))
        for s in (1.0, 8.0)
    )
    assert harsh.noise < mild.noise < 0.04  # by noise alone the smeared picture is the best
    assert (mild.verdict, harsh.verdict) == ("denoised", "undecided")


def test_a_second_try_is_harder_and_starts_from_the_picture_as_it_came():
    noisy = add_noise(draw_defect(), 0.1)
    weak = GateOptions(threshold=0.02, method="total-variation", strength=0.25, growth=2.0)
    gated = pass_gate(noisy, weak)
    at_once = pass_gate(noisy, GateOptions(threshold=0.02, method="total-variation", strength=0.5))
    assert (gated.verdict, gated.tries, at_once.tries) == ("denoised", 2, 1)
    np.testing.assert_array_equal(at_once.picture, gated.picture)


def test_what_stays_noisy_after_all_tries_is_undecided():
    noisy = add_noise(draw_defect(), 0.1)
    weak = GateOptions(threshold=0.01, method="total-variation", strength=0.1, growth=1.0)
    gated = pass_gate(noisy, weak)
    assert (gated.verdict, gated.tries) == ("undecided", 2)
    assert gated.noise > 0.01
    untried = pass_gate(noisy, GateOptions(threshold=0.04, max_tries=0))
    assert (untried.verdict, untried.tries) == ("undecided", 0)
    assert untried.noise == untried.noise_before


def test_the_gate_leaves_its_argument_alone_and_always_answers_the_same():
    noisy = add_noise(draw_defect(), 0.1)
    before = noisy.copy()
    first, second = pass_gate(noisy, OPTIONS), pass_gate(noisy, OPTIONS)
    np.testing.assert_array_equal(before, noisy)
    np.testing.assert_array_equal(first.picture, second.picture)


@pytest.mark.parametrize("side", [32, 128, 512])
def test_pure_noise_has_less_signal_than_the_gate_asks_for(side):
    noise = add_noise(np.full((side, side), 0.5), 0.05)
    assert measure_signal(noise, 0.05) < OPTIONS.min_signal


def test_the_signal_is_the_contrast_in_standard_deviations():
    clean = draw_defect(contrast=0.3, radius=12)
    assert measure_signal(clean, 0.1) == pytest.approx(3, rel=0.15)
    assert measure_signal(clean, 0.05) == pytest.approx(2 * measure_signal(clean, 0.1))
    assert measure_signal(clean, 0) == float("inf")


def test_shading_is_no_signal():
    tilted = hold(0.3 + 0.3 * np.linspace(0, 1, 256)[:, None] + np.zeros((1, 256)))
    assert measure_signal(tilted, 0.1) < 1


def test_blotches_that_a_filter_leaves_count_as_noise():
    blotches = hold(scipy.ndimage.gaussian_filter(add_noise(PLAIN, 0.15), 1.0))
    assert measure_residue(blotches) > 1.5 * estimate_noise(blotches)
    assert measure_residue(PLAIN[:10, :10].copy()) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0},
        {"threshold": 1.0},
        {"threshold": float("nan")},
        {"max_tries": -1},
        {"method": "smear"},
        {"strength": 0},
        {"growth": 0.9},
        {"min_signal": -1},
        {"min_signal": float("nan")},
    ],
)
def test_options_that_make_no_sense_are_refused_with_one_line(options):
    with pytest.raises(OptionError) as raised:
        GateOptions(**options)
    assert len(str(raised.value).splitlines()) == 1
