"""Values that are read part by part are those of an array, whatever is asked of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings import large_values
from embeddings.large_values import (
    LargeValues,
    change_rows,
    iter_blocks,
    join_columns,
    join_rows,
    mean_rows,
    multiply,
    select,
    take_columns,
)
from embeddings.store import open_store, reader


def draw(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def enlarge(values, most=None):
    """Return the rows as large values; `most` bounds how many may be asked for at once."""

    def read(rows):
        assert most is None or len(rows) <= most
        return values[rows]

    return LargeValues(values.shape, read)


@given(st.integers(1, 40), st.integers(1, 5), st.data())
def test_any_part_is_that_of_the_array(n, d, data):
    values = draw(n, d)
    large = enlarge(values)
    positions = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=20)), np.intp)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    start, stop = sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n))))
    assert (n, large.shape, large.ndim) == (len(large), values.shape, 2)
    for rows in (positions, mask, slice(start, stop)):
        assert np.array_equal(values[rows], large[rows])
    for rows in (positions, mask):
        assert np.array_equal(values[rows], np.asarray(large.part(rows)))
        assert np.array_equal(values[rows], np.asarray(select(large, rows)))
    assert np.array_equal(
        values, np.concatenate([block for _, block in iter_blocks(large, rows=7)])
    )


@given(st.integers(1, 40), st.integers(2, 6), st.integers(0, 3))
def test_what_is_made_of_them_is_what_is_made_of_the_array(n, d, seed):
    values, others = draw(n, d, seed), draw(d, 3, seed + 1)
    more = draw(5, d, seed + 2)
    large = enlarge(values)

    def side_by_side(parts):
        return np.concatenate(parts, axis=1)

    for plain, lazy in (
        (take_columns(values, 1, d), take_columns(large, 1, d)),
        (change_rows(values, d, np.abs), change_rows(large, d, np.abs)),
        (join_rows(values, more), join_rows(large, more)),
        (join_rows(more, values), join_rows(more, large)),
        (join_columns([values, values], side_by_side), join_columns([values, large], side_by_side)),
    ):
        assert isinstance(plain, np.ndarray)
        assert isinstance(lazy, LargeValues)
        assert plain.shape == lazy.shape
        assert np.array_equal(plain, np.asarray(lazy))
    assert np.array_equal(mean_rows(values), mean_rows(large))
    assert np.allclose(values.mean(axis=0), mean_rows(large), atol=1e-6)
    assert np.allclose(values @ others, multiply(large, others), atol=1e-5)
    assert multiply(large, others[:, 0]).shape == (n,)


def test_all_rows_are_never_asked_for_at_once(monkeypatch):
    values = draw(large_values.BLOCK_ROWS + 5, 2)
    large = enlarge(values, most=large_values.BLOCK_ROWS)
    assert np.array_equal(values, np.asarray(large))
    assert np.array_equal(mean_rows(values), mean_rows(large))
    assert np.allclose(values[:, 0], multiply(large, np.array([1, 0], np.float32)))
    monkeypatch.setattr(large_values, "_MOST_SELECTED", 0)
    rows = np.arange(len(values))
    assert isinstance(select(large, rows), LargeValues)
    assert isinstance(select(large, rows >= 0), LargeValues)
    monkeypatch.setattr(large_values, "_MOST_SELECTED", values.nbytes)
    assert isinstance(select(enlarge(values), rows), np.ndarray)


def test_they_are_no_array_without_being_read():
    with pytest.raises(ValueError, match="they can only be read into one"):
        np.asarray(enlarge(draw(3, 2)), copy=False)
    assert np.float64 == np.asarray(enlarge(draw(3, 2)), dtype=np.float64).dtype


@pytest.fixture
def store(extract, make_images, tmp_path):
    extract(make_images(n=5), "--store", tmp_path / "store")
    return tmp_path / "store"


def test_a_store_leaves_many_where_they_are_and_gives_few(store, monkeypatch):
    whole = open_store(store).load_vectors()
    few = open_store(store).load_vectors(whole=False)
    assert isinstance(few.values, np.ndarray)
    monkeypatch.setattr(reader, "MOST_BYTES", whole.values.nbytes - 1)
    wanted = whole.ids[::-2]
    many = open_store(store).load_vectors(whole=False)
    assert isinstance(many.values, LargeValues)
    assert np.array_equal(whole.values, np.asarray(many.values))
    part = many.take(np.array([2, 0]))
    assert np.array_equal(whole.values[[2, 0]], part.values)
    monkeypatch.setattr(reader, "MOST_BYTES", 0)
    some = open_store(store).load_vectors(wanted, whole=False)
    assert np.array_equal(whole.values[::-2], np.asarray(some.values))
    assert isinstance(open_store(store).load_vectors().values, np.ndarray)
