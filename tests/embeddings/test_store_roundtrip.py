"""What goes into a store comes out of it, in this process, in another, and through plain FAISS."""

import resource
import subprocess
import sys
import threading

import faiss
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.errors import StoreError, StoreSpecError
from embeddings.records import ROW_COLUMNS, ExtractorSpec, unit_rows
from embeddings.store import create_store, open_store, store_exists, verify_store
from embeddings.store.faiss_files import CodesFile
from embeddings.store.manifest import format_manifest

SPEC = ExtractorSpec(name="texture", dim=16)


def make_batch(start, n, *, dim=16):
    """Return ids, values, rows and files of n images whose content hashes count from start."""
    ids = np.array([f"{number:016x}" for number in range(start, start + n)], dtype=np.str_)
    values = unit_rows(np.random.default_rng(start).normal(size=(n, dim)))
    rows = pd.DataFrame(
        {
            "file_id": ids.astype(object), "region": "", "width": 64, "height": 48,
            "bit_depth": 8, "channels": 1, "nan_pixels": 0, "um_per_pixel": np.nan,
            "defect_px": np.nan, "parent_id": "", "page": 0, "x0": 0, "y0": 0,
            "metadata": '{"lot": "A1"}',
        }
    )  # fmt: skip
    files = pd.DataFrame(
        {"path": [f"/images/{one}.png" for one in ids], "file_id": ids.astype(object),
         "size": 100, "mtime_ns": start}
    )  # fmt: skip
    return ids, values, rows, files


def add(store, start, n, *, dim=16):
    ids, values, rows, files = make_batch(start, n, dim=dim)
    with store.write() as writer:
        writer.set_files(files)
        writer.append(ids, values, rows)
    return store.refresh()


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 7), max_size=5), dtype=st.sampled_from(["float32", "fp16"]))
def test_round_trip(tmp_path_factory, sizes, dtype):
    path = tmp_path_factory.mktemp("round") / "store"
    batches = [make_batch(100 * number, size) for number, size in enumerate(sizes)]
    with create_store(path, SPEC, vector_dtype=dtype).write() as writer:
        for ids, values, rows, files in batches:
            writer.set_files(files)
            writer.append(ids, values, rows)
        assert sum(sizes) == len(writer)

    store = open_store(path)
    vectors = store.load_vectors()
    expected = np.concatenate([np.empty((0, 16), np.float32), *(batch[1] for batch in batches)])
    assert sum(sizes) == len(store) == len(vectors)
    assert [one for batch in batches for one in batch[0]] == vectors.ids.tolist()
    if dtype == "float32":
        np.testing.assert_array_equal(expected, vectors.values)
    else:
        np.testing.assert_array_equal(expected.astype(np.float16).astype("f4"), vectors.values)
    assert [f"/images/{one}.png" for one in vectors.ids] == vectors.rows["path"].tolist()
    assert verify_store(path) == []


def test_rows_come_back_as_they_went_in(tmp_path):
    store = add(create_store(tmp_path / "s", SPEC), 0, 3)
    _, _, rows, files = make_batch(0, 3)
    pd.testing.assert_frame_equal(
        rows.astype(dict.fromkeys(("file_id", "region", "parent_id", "metadata"), "str")),
        store.rows().drop(columns="image_id"),
        check_dtype=False,
    )
    pd.testing.assert_frame_equal(files, store.files(), check_dtype=False)
    loaded = store.load_vectors().rows
    assert list(ROW_COLUMNS) == list(loaded.columns)
    assert loaded.loc[0, "paths"] == ["/images/0000000000000000.png"]


@pytest.mark.parametrize("dtype", ["float32", "fp16"])
def test_plain_faiss_reads_the_same_vectors(tmp_path, dtype):
    path = tmp_path / "s"
    store = create_store(path, SPEC, vector_dtype=dtype)
    store = add(add(store, 0, 5), 100, 3)
    blocks = [values for _, values in store.iter_blocks(block_rows=2)]
    files = sorted((path / "segments").glob("*.faiss"))
    indexes = [faiss.read_index(str(file)) for file in files]
    expected = np.concatenate([index.reconstruct_n(0, index.ntotal) for index in indexes])
    np.testing.assert_array_equal(expected, np.concatenate(blocks))
    assert [len(block) for block in blocks] == [2, 2, 1, 2, 1]


def test_fp16_halves_the_store_and_keeps_vectors_close(tmp_path):
    stores = {
        dtype: add(create_store(tmp_path / dtype, SPEC, vector_dtype=dtype), 0, 200)
        for dtype in ("float32", "fp16")
    }
    sizes = {
        dtype: next((tmp_path / dtype / "segments").glob("*.faiss")).stat().st_size
        for dtype in stores
    }
    exact, half = (stores[dtype].load_vectors().values for dtype in ("float32", "fp16"))
    assert sizes["fp16"] < 0.51 * sizes["float32"]
    assert np.linalg.norm(exact - half, axis=1).max() < 5e-4


def test_ids_are_loaded_in_the_order_asked_for(tmp_path):
    store = add(add(create_store(tmp_path / "s", SPEC), 0, 6), 50, 6)
    everything = store.load_vectors()
    order = np.array([11, 0, 7, 6, 5, 1])
    some = store.load_vectors(everything.ids[order])
    np.testing.assert_array_equal(everything.values[order], some.values)
    assert everything.ids[order].tolist() == some.ids.tolist()
    with pytest.raises(StoreError, match=r"holds no image nonesuch \(1 of 2 ids are unknown\)"):
        store.load_vectors([everything.ids[0], "nonesuch"])


def test_renamed_changed_duplicate_and_forgotten_files(tmp_path):
    store = add(create_store(tmp_path / "s", SPEC), 0, 4)
    ids = store.ids()
    moved = pd.DataFrame(
        {"path": ["/new/0.png", "/images/copy.png", "/images/0000000000000002.png"],
         "file_id": [ids[0], ids[1], "f" * 16], "size": 1, "mtime_ns": 9}
    )  # fmt: skip
    with store.write() as writer:
        writer.forget_files(["/images/0000000000000000.png", "/images/0000000000000003.png"])
        writer.set_files(moved)
    now = store.refresh()
    loaded = now.load_vectors()
    # 2 has other content now and 3 is gone: both keep their vectors, neither is loaded.
    assert ids[:2].tolist() == loaded.ids.tolist()
    assert loaded.rows["path"].tolist() == ["/new/0.png", "/images/0000000000000001.png"]
    copies = ["/images/0000000000000001.png", "/images/copy.png"]
    assert copies == loaded.rows.loc[1, "paths"]
    assert now.load_vectors(ids[3:]).rows.loc[0, ["path", "paths"]].tolist() == ["", []]
    assert len(now) == 4
    assert len(store.files()) == 4  # the older snapshot stays as it was


def test_windows_quarantine_and_bank(tmp_path):
    path = tmp_path / "s"
    bank = {"patches": np.arange(6, dtype=np.float32).reshape(2, 3), "std": np.array([0.5])}
    store = create_store(path, SPEC, bank=bank)
    bad = [("/a\rb.png", "is empty"), ('/a, "b"\nc.png', "not an image")]
    bad.append(("/caf\udce9.png", "cut short"))
    with store.write() as writer:
        writer.set_window("uint16/12", (800, 1200))
        writer.set_window("uint16/12", (800.0, 1200.0))
        writer.set_quarantine(bad)
        with pytest.raises(StoreError, match=r"window \(800.0, 1200.0\), not \(0.0, 1.0\)"):
            writer.set_window("uint16/12", (0, 1))
    store = store.refresh()
    assert dict(store.windows) == {"uint16/12": (800.0, 1200.0)}
    assert bad == list(store.quarantine().itertuples(index=False, name=None))
    np.testing.assert_array_equal(bank["patches"], store.load_bank()["patches"])
    assert sorted(store.load_bank()) == ["patches", "std"]
    assert create_store(tmp_path / "t", SPEC).load_bank() is None


def test_nothing_pending_writes_nothing(tmp_path):
    store = add(create_store(tmp_path / "s", SPEC), 0, 2)
    before = (tmp_path / "s" / "store.json").read_bytes()
    with store.write() as writer:
        writer.set_quarantine([])
        writer.append(*make_batch(9, 0)[:3])
        writer.set_files(make_batch(0, 2)[3])
        writer.forget_files(["/images/never-seen.png"])
    assert before == (tmp_path / "s" / "store.json").read_bytes()


def test_an_error_in_the_block_drops_what_is_pending(tmp_path):
    store = create_store(tmp_path / "s", SPEC)
    with pytest.raises(StoreError, match="another window"), store.write() as writer:  # noqa: PT012
        writer.append(*make_batch(0, 2)[:3])
        writer.set_quarantine([("/x.png", "bad")])
        writer.set_window("uint8/8", (0, 1))
        writer.set_window("uint8/8", (0, 2))
    assert len(store.refresh()) == 2
    assert len(store.refresh().quarantine()) == 0
    with pytest.raises(StoreError, match="closed or has failed"):
        writer.append(*make_batch(10, 2)[:3])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda ids, values, rows: (ids, values * 1.1, rows), "not of length 1"),
        (lambda ids, values, rows: (ids, values * np.nan, rows), "not finite"),
        (lambda ids, values, rows: (ids, values[:, :5], rows), "expected float32"),
        (lambda ids, values, rows: (ids, values.astype("f8"), rows), "expected float32"),
        (lambda ids, values, rows: (ids[[0, 0]], values, rows), "repeated"),
        (lambda ids, values, rows: (ids, values, rows.drop(columns="x0")), r"\['x0'\]"),
        (lambda ids, values, rows: (ids, values, rows.assign(lot="A")), r"\['lot'\]"),
        (lambda ids, values, rows: (ids, values, rows.assign(region=None)), "null"),
    ],
)
def test_wrong_batches_are_refused(tmp_path, change, text):
    store = create_store(tmp_path / "s", SPEC)
    ids, values, rows, _ = make_batch(0, 2)
    with store.write() as writer, pytest.raises(ValueError, match=text):
        writer.append(*change(ids, values, rows))
    assert len(store.refresh()) == 0


def test_an_id_is_appended_once(tmp_path):
    store = add(create_store(tmp_path / "s", SPEC), 0, 2)
    with store.write() as writer, pytest.raises(ValueError, match="in the store already"):
        writer.append(*make_batch(1, 2)[:3])


def test_another_extractor_is_named_difference_by_difference(tmp_path):
    create_store(tmp_path / "s", SPEC)
    other = ExtractorSpec(name="resnet50", dim=2048, weights="elsewhere.safetensors")
    with pytest.raises(StoreSpecError, match="name: texture != resnet50; dim: 16 != 2048"):
        create_store(tmp_path / "s", other)
    with pytest.raises(StoreError, match="keeps its vectors as float32, not fp16"):
        create_store(tmp_path / "s", SPEC, vector_dtype="fp16")
    create_store(tmp_path / "s", ExtractorSpec(name="texture", dim=16, weights="renamed"))


def test_foreign_folders_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"it holds notes\.txt"):
        create_store(tmp_path, SPEC)
    with pytest.raises(StoreError, match="is a file"):
        create_store(tmp_path / "notes.txt", SPEC)
    with pytest.raises(StoreError, match="is not a store"):
        open_store(tmp_path)
    with pytest.raises(StoreError, match="is not a store"):
        open_store(tmp_path / "absent")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "store.json").write_text('{"shop": "grocer"}')
    with pytest.raises(StoreError, match="not one of ours"):
        create_store(tmp_path / "other", SPEC)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not store_exists(tmp_path)


def test_readers_keep_their_snapshot_while_a_writer_works(tmp_path):
    store = add(create_store(tmp_path / "s", SPEC), 0, 5)
    faults, sizes = [], []

    def read() -> None:
        while not done.is_set():
            try:
                snapshot = open_store(tmp_path / "s")
                vectors = snapshot.load_vectors()
                snapshot.quarantine()
                sizes.append(len(vectors))
                if len(vectors) != len(snapshot) or len(vectors) % 5:
                    faults.append(f"{len(vectors)} of {len(snapshot)}")
            except Exception as error:  # noqa: BLE001  # a thread's error would be lost
                faults.append(repr(error))

    done = threading.Event()
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        with store.write() as writer:
            for start in range(10, 310, 10):
                ids, values, rows, files = make_batch(start, 5)
                writer.set_files(files)
                writer.set_quarantine([(f"/{start}.png", "bad")])
                writer.append(ids, values, rows)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert faults == []
    assert max(sizes) > 0
    assert len(store.load_vectors()) == 5
    assert len(store.refresh()) == 155


_ITERATE = """
import resource, sys
from embeddings.store import open_store
store = open_store(sys.argv[1])
store.ids()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = sum(len(values) for _, values in store.iter_blocks(block_rows=1024))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(total, after - before, "faiss" in sys.modules)
"""


def test_iterating_never_holds_the_store_in_memory(tmp_path):
    dim, n = 512, 50_000  # 100 MB of vectors
    path = tmp_path / "s"
    values = np.zeros((n, dim), np.float32)
    values[np.arange(n), np.arange(n) % dim] = 1
    ids, _, rows, _ = make_batch(0, n, dim=1)
    with create_store(path, ExtractorSpec(name="texture", dim=dim)).write() as writer:
        writer.append(ids, values, rows)
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", _ITERATE, str(path)],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert told[0] == "50000"
    assert int(told[1]) < 20_000  # KiB, for blocks of 2 MiB out of 100
    assert told[2] == "False"  # reading needs no FAISS


def test_opening_reads_no_segment(tmp_path, monkeypatch):
    store = create_store(tmp_path / "s", SPEC)
    monkeypatch.setattr("os.fsync", lambda handle: None)  # the test is about reading
    with store.write() as writer:
        for start in range(200):
            ids, values, rows, files = make_batch(start, 1)
            writer.set_files(files)
            writer.append(ids, values, rows)
    read = []
    monkeypatch.setattr(CodesFile, "read", lambda *_: read.append(1))
    store = open_store(tmp_path / "s")
    assert (len(store), len(store.rows())) == (200, 200)
    assert read == []


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs RLIMIT_FSIZE")
def test_a_store_is_readable_after_a_write_that_found_no_room(tmp_path, monkeypatch):
    store = add(create_store(tmp_path / "s", SPEC), 0, 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with store.write() as writer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # a real error of a real write
        try:
            with pytest.raises(StoreError, match="cannot be written: File too large"):
                writer.append(*make_batch(50, 100)[:3])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        with pytest.raises(StoreError, match="open it again"):
            writer.append(*make_batch(50, 100)[:3])
    assert len(store.refresh().load_vectors()) == 3
    assert len(add(store, 50, 100)) == 103
    assert verify_store(tmp_path / "s") == []


def test_a_manifest_that_would_not_be_json_is_not_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        format_manifest({"windows": {"uint16": [0.0, float("nan")]}})
