"""Small segments are put together: whoever reads meanwhile, wherever it stops, nothing is lost."""

import os

import numpy as np
import pandas as pd
import pytest

from embeddings.errors import StoreCorruptError, StoreError
from embeddings.records import ExtractorSpec, unit_rows
from embeddings.store import create_store, open_store, repair_store, verify_store

DIM = 8


def make_values(n):
    return unit_rows(np.random.default_rng(n).random((n, DIM), np.float32) + 0.1)


def append(store, start, count):
    """Add one segment, and one part of the log of files."""
    ids = np.array([f"{n:016x}" for n in range(start, start + count)])
    rows = pd.DataFrame({
        "file_id": ids.astype(object), "region": "", "width": 1, "height": 1, "bit_depth": 8,
        "channels": 1, "nan_pixels": 0, "um_per_pixel": np.nan, "defect_px": np.nan,
        "parent_id": "", "page": 0, "x0": 0, "y0": 0, "metadata": "{}",
    })  # fmt: skip
    files = pd.DataFrame({
        "path": [f"/i/{one}" for one in ids], "file_id": ids.astype(object), "size": 1,
        "mtime_ns": 1,
    })  # fmt: skip
    with store.write() as writer:
        writer.set_files(files)
        writer.append(ids, make_values(100)[start : start + count], rows)


def make_store(folder, *sizes, dtype="float32"):
    store = create_store(folder, ExtractorSpec(name="texture", dim=DIM), vector_dtype=dtype)
    start = 0
    for size in sizes:
        append(store, start, size)
        start += size
    return open_store(folder)


def merge(folder, rows):
    with open_store(folder).write() as writer:
        writer.merge(rows)


def list_sizes(folder):
    return [entry.rows for entry in open_store(folder)._manifest.segments]


def assert_whole(store, n, dtype="float32"):
    vectors = store.load_vectors()
    assert [f"{i:016x}" for i in range(n)] == vectors.ids.tolist()
    tolerance = 0 if dtype == "float32" else 1e-3
    np.testing.assert_allclose(vectors.values, make_values(100)[:n], atol=tolerance)
    assert [f"/i/{i:016x}" for i in range(n)] == vectors.rows["path"].tolist()


@pytest.mark.parametrize(
    ("sizes", "rows", "expected"),
    [
        ((1, 1, 1), 10, [3]),
        ((4, 3, 3, 4, 2), 10, [10, 6]),  # where a single commit would have ended
        ((10, 3, 3, 4, 2), 10, [10, 10, 2]),
        ((3, 10, 2, 2), 10, [3, 10, 4]),  # only behind the last large one
        ((12,), 10, [12]),
        ((3,), 10, [3]),
        ((), 10, []),
    ],
)
def test_the_newest_small_ones_are_put_together(sizes, rows, expected, tmp_path):
    make_store(tmp_path / "store", *sizes)
    merge(tmp_path / "store", rows)
    assert expected == list_sizes(tmp_path / "store")
    assert_whole(open_store(tmp_path / "store"), sum(sizes))
    assert [] == verify_store(tmp_path / "store")
    # A second time there is nothing to do, and nothing is written.
    before = (tmp_path / "store" / "store.json").stat().st_mtime_ns
    merge(tmp_path / "store", rows)
    assert before == (tmp_path / "store" / "store.json").stat().st_mtime_ns


def test_the_vectors_are_those_of_one_commit_byte_for_byte(tmp_path):
    for dtype in ("float32", "fp16"):
        parts = make_store(tmp_path / f"parts {dtype}", 2, 5, 3, dtype=dtype)
        once = make_store(tmp_path / f"once {dtype}", 10, dtype=dtype)
        merge(parts.path, 10)
        (merged,), (whole,) = (list((s.path / "segments").glob("*.faiss")) for s in (parts, once))
        assert whole.read_bytes() == merged.read_bytes()
        assert_whole(open_store(parts.path), 10, dtype)


def test_readers_of_an_older_commit_go_on(tmp_path):
    opened = make_store(tmp_path / "store", 3, 3, 3)
    begun = open_store(tmp_path / "store")
    loaded = open_store(tmp_path / "store")
    rows = loaded.rows()
    blocks = begun.iter_blocks(block_rows=2)
    first = next(blocks)
    append(opened, 9, 4)
    merge(tmp_path / "store", 100)
    assert [13] == list_sizes(tmp_path / "store")
    # None of their files is there any more; they see what they saw, and nothing of what came.
    for store in (opened, loaded):
        assert 9 == len(store)
        assert_whole(store, 9)
        assert [f"/i/{i:016x}" for i in range(9)] == store.files()["path"].tolist()
    assert rows.equals(loaded.rows())
    ids, values = zip(first, *blocks, strict=True)
    assert opened.ids().tolist() == np.concatenate(ids).tolist()
    assert np.array_equal(make_values(100)[:9], np.concatenate(values))
    assert_whole(opened.refresh(), 13)


def test_a_file_that_is_lost_is_still_damage(tmp_path):
    opened = make_store(tmp_path / "store", 3, 3)
    append(opened, 6, 1)
    (tmp_path / "store" / "segments" / "000002.faiss").unlink()
    with pytest.raises(StoreCorruptError, match=r"000002\.faiss"):
        opened.load_vectors()


def test_a_store_that_was_repaired_meanwhile_is_not_taken_for_merged(tmp_path):
    opened = make_store(tmp_path / "store", 3, 3, 3)
    opened.rows()
    (tmp_path / "store" / "segments" / "000001.parquet").write_bytes(b"x")
    repair_store(tmp_path / "store")
    merge(tmp_path / "store", 100)
    with pytest.raises(StoreError, match="changed while it was read: run again"):
        opened.load_vectors()


@pytest.mark.parametrize("limit", range(12))
def test_wherever_it_stops_every_row_is_there_once(limit, tmp_path, monkeypatch):
    """Ended before the n-th file is synced, renamed or removed."""
    make_store(tmp_path / "store", 4, 3, 3, 4, 2)
    passed = []

    def guard(function):
        def call(*arguments, **options):
            passed.append(function)
            if len(passed) > limit:
                raise KeyboardInterrupt
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        for name in ("fsync", "rename", "replace", "unlink"):
            patched.setattr(os, name, guard(getattr(os, name)))
        with pytest.raises(KeyboardInterrupt):
            merge(tmp_path / "store", 10)
    assert_whole(open_store(tmp_path / "store"), 16)
    assert {"leftover"} >= {fault.kind for fault in verify_store(tmp_path / "store")}
    merge(tmp_path / "store", 10)
    assert [10, 6] == list_sizes(tmp_path / "store")
    assert_whole(open_store(tmp_path / "store"), 16)
    assert [] == verify_store(tmp_path / "store")
    # And all of it can still be told where the manifest is lost.
    (tmp_path / "store" / "store.json").unlink()
    assert repair_store(tmp_path / "store").rebuilt
    assert_whole(open_store(tmp_path / "store"), 16)
