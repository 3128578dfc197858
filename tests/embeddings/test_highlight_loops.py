"""The compiled loops give bit for bit what the lines of numpy give that they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.highlight import loops
from embeddings.highlight.folding import find_median, fold_quantiles

SEEDS = st.integers(0, 2**32 - 1)


def draw(seed, n=4000):
    rng = np.random.default_rng(seed)
    kind = rng.integers(3)
    values = [rng.normal(size=n), rng.integers(0, 9, n) / 8, np.full(n, rng.normal())][kind]
    count = int(rng.integers(1, 60))
    return rng, values.astype(np.float32), rng.integers(0, count, n).astype(np.int32), count


def fold_by_numpy(values, places, count, quantiles):
    low, high = float(values.min()), float(values.max())
    scale = (loops.LEVELS - 1e-3) / max(high - low, 1e-30)
    level = ((values - np.float32(low)) * np.float32(scale)).astype(np.int32)
    cells = np.bincount(places * loops.LEVELS + level, minlength=count * loops.LEVELS)
    below = np.cumsum(cells.reshape(count, loops.LEVELS), axis=1)
    total, rows = below[:, -1], np.arange(count)
    found = np.empty((len(quantiles), count), np.float32)
    for number, quantile in enumerate(quantiles):
        wanted = quantile * total
        at = np.minimum((below < wanted[:, None]).sum(axis=1), loops.LEVELS - 1)
        before = np.where(at > 0, below[rows, np.maximum(at - 1, 0)], 0)
        inside = np.maximum(below[rows, at] - before, 1)
        found[number] = low + (at + np.clip((wanted - before) / inside, 0, 1)) / scale
    empty = total == 0
    for row in found:
        row[empty] = np.interp(rows[empty], rows[~empty], row[~empty])
    return found


@given(SEEDS)
def test_quantiles_of_places(seed):
    _, values, places, count = draw(seed)
    quantiles = (0.0, 0.1, 0.5, 0.9, 1.0)
    found = fold_quantiles(values, places, count, quantiles=quantiles)
    assert found.dtype == np.float32
    assert np.array_equal(fold_by_numpy(values, places, count, quantiles), found)


@given(SEEDS)
def test_numbers_and_sums_of_places(seed):
    _, values, places, count = draw(seed)
    numbers, sums = loops.add_up(values, places, count)
    assert np.array_equal(np.bincount(places, minlength=count), numbers)
    assert np.array_equal(np.bincount(places, values, minlength=count), sums)


@given(SEEDS, st.floats(3, 90))
def test_a_profile_folded_by_a_pitch(seed, pitch):
    rng, _, _, _ = draw(seed)
    cells = max(8, round(pitch / 0.5))
    centres, counts, sums = (
        np.arange(900) / 4 + 0.125,
        rng.integers(1, 9, 900) * 1.0,
        rng.random(900),
    )
    phase = ((centres / pitch) % 1 * cells).astype(np.int32) % cells
    numbers, added = loops.add_up_phases(centres, counts, sums, pitch=pitch, cells=cells)
    assert np.array_equal(np.bincount(phase, counts, minlength=cells), numbers)
    assert np.array_equal(np.bincount(phase, sums, minlength=cells), added)


@pytest.mark.parametrize("is_grating", [True, False])
@given(SEEDS)
def test_lines_are_drawn(is_grating, seed):
    rng, _, _, count = draw(seed)
    middle = rng.normal(size=count).astype(np.float32)
    place = (rng.random(3000) * count).astype(np.float32)
    before = np.floor(place - 0.5).astype(np.int32)
    share = place - 0.5 - before
    if is_grating:
        left, right = before % count, (before + 1) % count
    else:
        left, right = np.clip(before, 0, count - 1), np.clip(before + 1, 0, count - 1)
    wanted = (middle[left] * (1 - share) + middle[right] * share).astype(np.float32)
    assert np.array_equal(wanted, loops.draw_lines(middle, place, is_grating=is_grating))


@given(SEEDS)
def test_cells_are_drawn(seed):
    rng, _, _, _ = draw(seed)
    sizes = rng.integers(4, 20, 2).tolist()
    golden = rng.normal(size=sizes).astype(np.float32)
    along = [(rng.random(3000) * size).astype(np.float32) for size in sizes]
    before = [np.floor(a - 0.5).astype(np.int32) for a in along]
    share = [a - 0.5 - b for a, b in zip(along, before, strict=True)]
    wanted = np.zeros(3000, np.float32)
    for i in (0, 1):
        for j in (0, 1):
            weight = np.abs(1 - i - share[0]) * np.abs(1 - j - share[1])
            wanted += weight * golden[(before[0] + i) % sizes[0], (before[1] + j) % sizes[1]]
    assert np.array_equal(wanted, loops.draw_cells(golden, *along))


@given(SEEDS, st.integers(1, 50))
def test_the_median_is_that_of_numpy(seed, n):
    values = draw(seed, n)[1]
    assert np.median(values) == find_median(values)
    assert find_median(values).dtype == np.float32
