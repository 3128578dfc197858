"""The projection: what one and the same image wavers in counts less, and only where proven."""

import numpy as np
import pytest

from discovery.stages.adapt import Projection, learn_projection
from embeddings.records import unit_rows

N, D, SIGNAL = 120, 30, 8


def draw(seed, *, waver, n=N):
    """Images that differ in a few directions; their variants waver, in others or in the same."""
    rng = np.random.default_rng(seed)
    kinds = rng.normal(size=(n, SIGNAL))
    clutter = 1.5 * rng.normal(size=(n, D - SIGNAL))  # the stage, the light: strong, and no defect
    values = np.concatenate([kinds, clutter], axis=1)
    apart = rng.normal(size=(n, 3, D))
    apart[:, :, :SIGNAL] *= 0.05
    apart[:, :, SIGNAL:] *= waver
    variants = values[:, None] + apart
    flat = unit_rows(variants.reshape(-1, D).astype(np.float32))
    return unit_rows(values.astype(np.float32)), flat.reshape(n, 3, D)


def learn(values, variants):
    return learn_projection(values, variants, dimensions=28, whiten=0.75)


def test_it_is_taken_where_images_waver_in_what_is_no_defect():
    evidence, projection = learn(*draw(0, waver=2.0))
    assert evidence.is_better
    assert evidence.variants == 3 * N  # each image is held out once
    assert evidence.after - evidence.before == evidence.gained - evidence.lost > 0
    values = draw(0, waver=2.0)[0]
    rows = projection.apply(values)
    assert rows.shape == (N, 28)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_it_is_not_where_nothing_wavers():
    values, variants = draw(1, waver=0.0)
    evidence, _ = learn(values, variants)
    assert evidence.before == evidence.variants
    assert not evidence.is_better


def test_it_is_not_where_variants_are_of_chance():
    values, _ = draw(2, waver=0.0)
    chance = unit_rows(np.random.default_rng(3).normal(size=(3 * N, D)).astype(np.float32))
    evidence, _ = learn(values, chance.reshape(N, 3, D))
    assert not evidence.is_better


def test_directions_that_waver_count_less():
    values, variants = draw(4, waver=2.0)
    projection = Projection.fit(values, variants, dimensions=28)
    spread = np.abs(projection.axes).max(axis=0)
    assert spread[:SIGNAL].min() > 2 * np.median(spread[SIGNAL:])


@pytest.mark.parametrize("n", [24, 25])
def test_few_images_do(n):
    values, variants = draw(5, waver=1.0, n=n)
    evidence, projection = learn_projection(values, variants, dimensions=4, whiten=0.75)
    assert evidence.variants == 3 * n
    assert projection.axes.shape == (4, D)


def test_images_all_alike_stay_finite():
    values = np.repeat(unit_rows(np.ones((1, D), np.float32)), 30, axis=0)
    variants = np.repeat(values[:, None], 3, axis=1)
    _, projection = learn_projection(values, variants, dimensions=5, whiten=0.75)
    assert np.isfinite(projection.apply(values)).all()
