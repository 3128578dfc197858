"""Interrupted work is kept: by the clock, too, and the end is the same as without."""

import contextlib

import numpy as np
import pytest

from embeddings.console import run_command
from embeddings.extract import ExtractOptions, compute, extract_vectors
from embeddings.extract.__main__ import ExtractCommand, main
from embeddings.extract.compute import Computation
from embeddings.store import open_store, verify_store

TEXTURE = ExtractOptions(extractor="texture", workers=1)


@pytest.fixture
def every_file(monkeypatch):
    """Commit as if each file had taken longer than the clock allows."""
    monkeypatch.setattr(compute, "COMMIT_SECONDS", 0.0)


@contextlib.contextmanager
def interrupted_after(files, monkeypatch):
    """Press Ctrl-C while the n-th file is computed."""
    original, seen = Computation._is_due, []

    def is_due(self, round_):
        seen.append(1)
        if len(seen) > files:
            raise KeyboardInterrupt
        return original(self, round_)

    with monkeypatch.context() as patched:
        patched.setattr(Computation, "_is_due", is_due)
        yield


def list_sizes(store):
    return [entry.rows for entry in open_store(store)._manifest.segments]


def read_segments(store):
    names = sorted((store / "segments").glob("*.faiss"))
    return [path.read_bytes() for path in names]


def test_the_clock_is_within_what_is_promised():
    assert 0 < compute.COMMIT_SECONDS <= 20


def test_what_is_committed_by_the_clock_is_kept_and_gone_on_from(
    make_images, every_file, tmp_path, monkeypatch, capsys
):
    images, store = make_images(n=9), tmp_path / "store"
    words = [str(images), "--store", str(store), "--extractor", "texture", "--workers", "1"]
    with interrupted_after(5, monkeypatch):
        assert 130 == run_command(main, ExtractCommand, prog="P", args=words)
    said = capsys.readouterr().err.splitlines()[-1]
    kept = f"5 new vectors in {store}; the same command goes on there"
    assert f"P: interrupted; what was committed is kept: {kept}" == said
    assert 5 == len(open_store(store))
    again = extract_vectors(images, store, options=TEXTURE)
    assert (4, 5, 4) == (again.computed, again.reused, again.rows)
    assert [9] == list_sizes(store)
    assert [] == verify_store(store)


def test_nothing_is_said_to_be_kept_where_nothing_is(make_images, tmp_path, monkeypatch, capsys):
    words = [str(make_images()), "--store", str(tmp_path / "store"), "--extractor", "texture"]
    with interrupted_after(1, monkeypatch):
        assert 130 == run_command(main, ExtractCommand, prog="P", args=words)
    assert "P: interrupted" == capsys.readouterr().err.splitlines()[-1]
    assert 0 == len(open_store(tmp_path / "store"))


@pytest.mark.parametrize("commit_every", [4, 1024])
def test_the_clock_leaves_no_trace_in_the_segments(
    commit_every, make_images, tmp_path, monkeypatch
):
    images = make_images(n=10)
    options = ExtractOptions(extractor="texture", workers=1, commit_every=commit_every)
    calm = tmp_path / "calm"
    extract_vectors(images, calm, options=options)
    monkeypatch.setattr(compute, "COMMIT_SECONDS", 0.0)
    hurried = tmp_path / "hurried"
    with interrupted_after(7, monkeypatch), pytest.raises(KeyboardInterrupt):
        extract_vectors(images, hurried, options=options)
    assert [1] * 7 == list_sizes(hurried)
    extract_vectors(images, hurried, options=options)
    undisturbed = tmp_path / "undisturbed"
    extract_vectors(images, undisturbed, options=options)
    for store in (hurried, undisturbed):
        assert list_sizes(calm) == list_sizes(store)
        assert read_segments(calm) == read_segments(store)
        assert open_store(calm).rows().equals(open_store(store).rows())
        assert open_store(calm).files().equals(open_store(store).files())


def test_a_second_lot_is_put_to_the_first(make_images, tmp_path):
    images = make_images(n=3)
    store = tmp_path / "store"
    extract_vectors(images, store, options=TEXTURE)
    opened = open_store(store)
    before = opened.load_vectors()
    make_images(n=2, first=3)
    extract_vectors(images, store, options=TEXTURE)
    assert [5] == list_sizes(store)
    # Who opened it before goes on reading.
    assert np.array_equal(before.values, opened.load_vectors().values)
    # Where nothing is computed, nothing is written.
    stamp = (store / "store.json").stat().st_mtime_ns
    extract_vectors(images, store, options=TEXTURE)
    assert stamp == (store / "store.json").stat().st_mtime_ns
