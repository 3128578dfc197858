"""Blocks of columns, standardised and fused: shares, degenerate columns, files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.classifier.fusion import Fusion


def draw(n, d, *, seed=0, scale=1.0):
    return (np.random.default_rng(seed).normal(size=(n, d)) * scale).astype(np.float32)


def fit_transform(rows, **options):
    return Fusion.fit(rows, **options).transform(rows)


def measure_shares(fusion, fused):
    total = fused.var(axis=0).sum()
    return [float(fused[:, start:stop].var(axis=0).sum() / total) for start, stop in fusion.spans]


def test_the_blocks_must_add_up_to_the_columns():
    with pytest.raises(ValueError, match=r"blocks \(4, 5\) for 10 columns: they must add up"):
        Fusion.fit(draw(20, 10), blocks=(4, 5))


def test_a_narrow_block_keeps_its_columns_and_a_wide_one_gets_axes():
    fusion = Fusion.fit(draw(90, 46), blocks=(40, 6), n_components=8)
    assert ((0, 8), (8, 14)) == fusion.spans
    fused = fusion.transform(draw(5, 46, seed=1))
    assert (5, 14) == fused.shape
    assert np.float32 == fused.dtype


def test_fewer_rows_than_axes_give_fewer_axes():
    # Three rows an axis at least: what one row carries is no axis.
    fusion = Fusion.fit(draw(10, 40), n_components=8)
    assert ((0, 3),) == fusion.spans
    two = Fusion.fit(draw(2, 40), n_components=8)
    assert np.isfinite(two.transform(draw(4, 40, seed=1))).all()


def test_a_narrow_block_gets_a_twentieth_of_the_variance_beside_a_wide_one():
    rows = np.hstack([draw(200, 40, scale=100), draw(200, 6, seed=1)])
    fusion = Fusion.fit(rows, blocks=(40, 6), n_components=8)
    assert [0.95, 0.05] == pytest.approx(measure_shares(fusion, fusion.transform(rows)), abs=1e-4)


def test_blocks_of_one_kind_share_equally():
    rows = np.hstack([draw(200, 6, scale=100), draw(200, 3, seed=1)])
    fusion = Fusion.fit(rows, blocks=(6, 3))
    assert [0.5, 0.5] == pytest.approx(measure_shares(fusion, fusion.transform(rows)), abs=1e-4)


@pytest.mark.parametrize("blocks", [(40, 6), None])
def test_a_typical_row_has_a_length_of_one_a_column(blocks):
    rows = draw(400, 46)
    fused = Fusion.fit(rows, blocks=blocks, n_components=8).transform(rows)
    assert 1.0 == pytest.approx(float((fused**2).mean()), rel=1e-3)


def test_the_scale_of_a_column_does_not_matter_in_a_narrow_block():
    rows = draw(50, 5)
    factors = np.array([1, 10, 1e3, 1e-2, 5], np.float32)
    plain, scaled = fit_transform(rows), fit_transform(rows * factors + 3)
    np.testing.assert_allclose(plain, scaled, atol=1e-3)


def test_one_odd_value_is_clipped():
    rows = draw(500, 4)
    fusion = Fusion.fit(rows)
    odd = rows[:1].copy()
    odd[0, 2] = 1e6
    assert float(np.abs(fusion.transform(odd)).max()) < 6  # standard deviations


@pytest.mark.parametrize("value", [0.0, 0.1, 1000.1, -3e4])
@pytest.mark.parametrize("n", [2, 20_000])
def test_a_constant_column_counts_for_nothing(value, n):
    rows = np.hstack([np.full((n, 3), value, np.float32), draw(n, 2)])
    fusion = Fusion.fit(rows)
    asked = rows[:2] + np.float32(0.01) * np.abs(rows[:2]).max()
    assert (fusion.transform(asked)[:, :3] == 0).all()


@pytest.mark.parametrize("columns", [5, 30])
def test_a_block_of_rows_that_are_all_alike_counts_for_nothing(columns):
    rows = np.hstack([np.full((30, columns), 0.7, np.float32), draw(30, 4)])
    fusion = Fusion.fit(rows, blocks=(columns, 4), n_components=8)
    fused = fusion.transform(draw(5, columns + 4, seed=2))
    start, stop = fusion.spans[0]
    assert (fused[:, start:stop] == 0).all()
    assert np.abs(fused[:, stop:]).max() < 20


def test_axes_that_copies_do_not_span_are_not_blown_up():
    # Ten images three times have nine axes; thirty rows would carry ten.
    rows = np.repeat(draw(10, 60), 3, axis=0)
    fusion = Fusion.fit(rows, n_components=20)
    learned, asked = fusion.transform(rows), fusion.transform(draw(50, 60, seed=3))
    assert np.abs(asked).max() < 3 * np.abs(learned).max()


def test_more_rows_than_are_sampled_give_the_same_scale():
    rows = np.repeat(draw(1000, 3, scale=4), 21, axis=0)  # 21,000 rows
    few, many = Fusion.fit(rows[::21]), Fusion.fit(rows)
    np.testing.assert_allclose(few.transform(rows[:50]), many.transform(rows[:50]), atol=0.05)


def test_the_same_seed_gives_the_same_rows():
    rows = draw(90, 40)
    first = fit_transform(rows, n_components=8, seed=3)
    np.testing.assert_array_equal(first, fit_transform(rows, n_components=8, seed=3))


def test_the_argument_is_not_touched():
    rows = draw(60, 40)
    before = rows.copy()
    fit_transform(rows, n_components=8)
    np.testing.assert_array_equal(before, rows)


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    n=st.integers(2, 30),
    seed=st.integers(0, 99),
)
def test_arrays_give_back_the_same_transform(widths, n, seed):
    rows = draw(n, sum(widths), seed=seed)
    fusion = Fusion.fit(rows, blocks=tuple(widths), n_components=6)
    again = Fusion.from_arrays(fusion.to_arrays(), count=len(widths))
    assert fusion.spans == again.spans
    np.testing.assert_array_equal(fusion.transform(rows), again.transform(rows))
    assert all(value.dtype == np.float32 for value in fusion.to_arrays().values())


def test_a_missing_array_is_named():
    arrays = Fusion.fit(draw(9, 4)).to_arrays()
    del arrays["0.scale"]
    with pytest.raises(KeyError, match=r"0\.scale"):
        Fusion.from_arrays(arrays, count=1)
    with pytest.raises(KeyError, match=r"1\.mean"):
        Fusion.from_arrays(Fusion.fit(draw(9, 4)).to_arrays(), count=2)
