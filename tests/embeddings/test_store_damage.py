"""Every damage is found and named; a repair keeps every sound row."""

import dataclasses
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from embeddings.errors import StoreCorruptError, StoreError
from embeddings.records import ExtractorSpec, unit_rows
from embeddings.store import create_store, open_store, repair_store, store_exists, verify_store
from embeddings.store.commits import write_segment
from embeddings.store.manifest import format_manifest, load_manifest, save_manifest
from embeddings.store.parquet_files import make_rows

SPEC = ExtractorSpec(name="texture", dim=8)
SEGMENTS, ROWS = 3, 4


def make_batch(start, n=ROWS):
    """Return ids, values and rows of n images whose content hashes count from start."""
    ids = np.array([f"{number:016x}" for number in range(start, start + n)], dtype=np.str_)
    values = unit_rows(np.random.default_rng(start).normal(size=(n, 8)))
    rows = pd.DataFrame(
        {
            "file_id": ids.astype(object), "region": "", "width": 64, "height": 48,
            "bit_depth": 8, "channels": 1, "nan_pixels": 0, "um_per_pixel": np.nan,
            "defect_px": np.nan, "parent_id": "", "page": 0, "x0": 0, "y0": 0, "metadata": "{}",
        }
    )  # fmt: skip
    return ids, values, rows


def make_files(ids):
    return pd.DataFrame(
        {"path": [f"/i/{one}" for one in ids], "file_id": list(ids), "size": 1, "mtime_ns": 1}
    )


@pytest.fixture
def store(request, tmp_path):
    """Make a store of three segments, three parts of the log, a quarantine, a window and a bank."""
    dtype = getattr(request, "param", "float32")
    store = create_store(tmp_path / "s", SPEC, vector_dtype=dtype, bank={"b": np.ones(3)})
    with store.write() as writer:
        writer.set_window("uint8/8", (0, 255))
        writer.set_quarantine([("/i/bad.png", "cut short")])
        for number in range(SEGMENTS):
            ids, values, rows = make_batch(100 * number)
            writer.set_files(make_files(ids))
            writer.append(ids, values, rows)
    return store.refresh()


def read_everything(path):
    """Read all a command may read, as a fresh command would."""
    store = open_store(path)
    store.load_vectors()
    store.quarantine()
    store.load_bank()


def flip(file, position, bit=0x10):
    data = bytearray(file.read_bytes())
    data[position] ^= bit
    file.write_bytes(bytes(data))


both_dtypes = pytest.mark.parametrize("store", ["float32", "fp16"], indirect=True)
FILES = [
    "store.json", "segments/000001.faiss", "segments/000002.parquet", "segments/000003.faiss",
    "paths/000002.parquet", "quarantine.csv", "bank.npz",
]  # fmt: skip


@both_dtypes
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_flipped_bit_is_named_on_first_read(store, name, share):
    file = store.path / name
    read_everything(store.path)
    flip(file, int(share * file.stat().st_size))
    with pytest.raises(StoreCorruptError) as caught:
        read_everything(store.path)
    text = str(caught.value)
    assert name in text
    assert f"python -m embeddings.store repair {store.path}" in text
    assert name.startswith("segments") == (f"(segment {name[9:15].lstrip('0')})" in text)
    assert [name] == [fault.file for fault in verify_store(store.path)]


def test_flipped_bits_all_over_the_manifest_are_found(store):
    file = store.path / "store.json"
    sound = file.read_bytes()
    missed = []
    for position in range(0, len(sound), 3):
        data = bytearray(sound)
        data[position] ^= 1 << position % 8
        file.write_bytes(bytes(data))
        try:
            open_store(store.path)
        except StoreError:
            continue
        missed.append(sound[max(position - 10, 0) : position + 10])
    assert missed == []


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(store, name):
    (store.path / name).unlink()
    with pytest.raises(StoreCorruptError, match=f"{name}.* is missing"):
        read_everything(store.path)
    assert [(name, "missing")] == [(fault.file, fault.kind) for fault in verify_store(store.path)]
    assert store_exists(store.path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "missing"])
def test_a_repair_keeps_every_sound_row(store, name, damage):
    file = store.path / name
    before = store.load_vectors()
    if damage == "flip":
        flip(file, file.stat().st_size // 2)
    elif damage == "missing":
        file.unlink()
    else:
        os.truncate(file, 0 if damage == "empty" else file.stat().st_size - 7)

    repair = repair_store(store.path)

    assert verify_store(store.path) == []
    assert name in {fault.file for fault in repair.faults}
    after = open_store(store.path)
    expected = set(before.ids)
    if name.startswith("segments"):
        lost = int(name[9:15])
        expected -= set(make_batch(100 * (lost - 1))[0])
        assert (lost,) == repair.segments
        assert repair.rows_lost == ROWS
    assert expected == set(after.ids())
    kept = after.load_vectors(sorted(expected))
    sound = before.take(np.array([before.ids.tolist().index(one) for one in kept.ids]))
    np.testing.assert_array_equal(sound.values, kept.values)
    assert dict(after.windows) == {"uint8/8": (0.0, 255.0)}
    assert (name == "store.json") == repair.rebuilt
    assert (name != "bank.npz") == (after.load_bank() is not None)
    assert ([] if name == "quarantine.csv" else ["/i/bad.png"]) == list(after.quarantine()["path"])
    if damage != "missing":
        assert name in repair.moved
        assert (store.path / "damaged" / Path(name).name).exists()

    # The next writer puts back what was lost.
    with after.write() as writer:
        for number in range(SEGMENTS):
            ids, values, rows = make_batch(100 * number)
            if ids[0] not in expected:
                writer.append(ids, values, rows)
            writer.set_files(make_files(ids))
    assert before.ids.tolist() == sorted(open_store(store.path).load_vectors().ids)
    assert repair_store(store.path).describe() == ["nothing to repair"]


def test_a_lost_manifest_and_a_damaged_segment_together(store):
    (store.path / "store.json").write_text("{")
    flip(store.path / "segments/000002.faiss", 60)
    repair = repair_store(store.path)
    assert repair.segments == (2,)
    assert "segments/000002.faiss" in repair.moved
    assert verify_store(store.path) == []
    assert len(open_store(store.path).load_vectors()) == 2 * ROWS
    told = "\n".join(repair.describe())
    assert "store.json was rebuilt" in told
    assert "segments 2 dropped" in told
    # Numbers are never used again, not even those of files put aside.
    with open_store(store.path).write() as writer:
        writer.append(*make_batch(500))
    assert [one.number for one in load_manifest(store.path).segments][:2] == [1, 3]
    assert load_manifest(store.path).segments[-1].number > 3


def test_nothing_is_rebuilt_from_nothing(store):
    (store.path / "store.json").unlink()
    for file in [*(store.path / "segments").iterdir(), *(store.path / "paths").iterdir()]:
        file.write_bytes(b"")
    with pytest.raises(StoreError, match="no sound segment is left"):
        repair_store(store.path)


@both_dtypes
def test_repeated_ids_and_bad_rows_are_dropped_alone(store):
    """What no writer of ours lets in, put in by force: sound rows of the segment survive."""
    manifest = load_manifest(store.path)
    ids, values, rows = make_batch(101)  # 3 of its 4 ids are in the first segment
    ids2, values2, rows2 = make_batch(900)
    values2[1] = np.nan
    values2[2] *= 2
    segments = []
    for batch in ((ids, values, rows), (ids2, values2, rows2)):
        table = make_rows(batch[0], batch[2])
        segments.append(write_segment(store.path, manifest, values=batch[1], table=table))
        manifest = _commit_by_force(manifest, segments[-1])
    save_manifest(store.path, manifest)

    problems = [fault.problem for fault in verify_store(store.path)]
    assert "holds 2 vectors that are not finite or not of length 1" in problems
    assert f"repeats 3 ids, such as {ids[0]}" in problems
    repair = repair_store(store.path)
    assert verify_store(store.path) == []
    assert repair.rows_lost == 5
    expected = set(store.ids()) | {ids[3], ids2[0], ids2[3]}
    assert expected == set(open_store(store.path).ids())


def _commit_by_force(manifest, segment):
    return dataclasses.replace(
        manifest, segments=(*manifest.segments, segment), next_number=segment.number + 1
    )


def test_leftovers_are_told_and_removed_by_the_next_writer(store):
    left = ["segments/000009.faiss", "segments/.000007.faiss.0123abcd-7.tmp", ".store.json.7.tmp"]
    left += ["segments/000008.parquet.tmp", "store.json.tmp"]  # as version 0.1 named them
    for name in left:
        (store.path / name).write_bytes(b"half")
    (store.path / "notes.txt").write_text("mine")
    faults = verify_store(store.path)
    assert sorted(left) == sorted(fault.file for fault in faults)
    assert {"leftover"} == {fault.kind for fault in faults}
    with store.write():
        assert verify_store(store.path) == []  # also: no false alarm beside a writer
    assert not any((store.path / name).exists() for name in left)
    assert (store.path / "notes.txt").exists()


def test_versions_and_strangers(store):
    values = load_manifest(store.path).to_dict()
    (store.path / "store.json").write_bytes(format_manifest({**values, "version": 3}))
    for act in (open_store, verify_store, repair_store):
        with pytest.raises(StoreError, match="format version 3, this program reads 1 and 2: upg"):
            act(store.path)
    (store.path / "store.json").write_bytes(format_manifest({**values, "format": "album"}))
    with pytest.raises(StoreError, match="the format is 'album'"):
        open_store(store.path)
    with pytest.raises(StoreError, match="is not a store"):
        repair_store(store.path.parent)
    assert not (store.path.parent / "lock").exists()


def test_a_folder_that_may_not_be_written(tmp_path):
    folder = Path(tempfile.mkdtemp())  # tmp_path is closed to other users
    try:
        folder.chmod(0o755)
        store = create_store(folder / "s", SPEC)
        with store.write() as writer:
            writer.append(*make_batch(0))
        if os.geteuid() == 0:
            os.seteuid(65534)  # nobody: root may write anywhere
        else:
            folder.chmod(0o555)
            (folder / "s").chmod(0o555)
            (folder / "s" / "lock").chmod(0o444)
        try:
            with pytest.raises(StoreError, match="cannot be written: Permission denied; check"):
                store.write().__enter__()
            with pytest.raises(StoreError, match="cannot be written: Permission denied"):
                create_store(folder / "t", SPEC)
            assert len(open_store(folder / "s").load_vectors(make_batch(0)[0])) == ROWS
            assert verify_store(folder / "s") == []
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
            folder.chmod(0o755)
            (folder / "s").chmod(0o755)
    finally:
        shutil.rmtree(folder)


def test_a_full_disk_is_one_clear_line(store, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with store.write() as writer:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(StoreError) as caught:
            writer.append(*make_batch(700))
        monkeypatch.undo()
    assert "no space left on the disk; free some and run again" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(open_store(store.path).load_vectors()) == SEGMENTS * ROWS


def run(*words):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "embeddings.store", *map(str, words)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_verifies_and_repairs(store):
    sound = run("verify", store.path)
    assert (sound.returncode, sound.stderr) == (0, "")
    assert f"{store.path} is sound: 12 vectors of 12 files\n" == sound.stdout

    flip(store.path / "segments/000002.faiss", 70)
    (store.path / "paths/000001.parquet").unlink()
    damaged = run("verify", store.path)
    assert damaged.returncode == 2
    assert damaged.stderr.count("\n") == 1
    assert "segments/000002.faiss (segment 2) is damaged" in damaged.stderr
    assert "and 1 more" in damaged.stderr
    assert "paths/000001.parquet is missing" in damaged.stdout

    mended = run("repair", store.path)
    assert (mended.returncode, mended.stderr) == (0, "")
    assert "segments 2 dropped, 4 vectors lost" in mended.stdout
    assert run("verify", store.path).returncode == 0
    assert run("repair", store.path).stdout == "nothing to repair\n"

    absent = run("verify", store.path / "absent")
    assert absent.returncode == 2
    assert "is not a store" in absent.stderr
    assert run("--help").returncode == 0
