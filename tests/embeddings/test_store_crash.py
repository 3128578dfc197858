"""A writer killed at any moment loses nothing it committed, and the next one goes on.

The writers run in children forked from one warm process: imports are paid once.
"""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from embeddings.errors import StoreLockedError
from embeddings.records import ExtractorSpec, unit_rows
from embeddings.store import create_store, open_store, store_exists, verify_store

# Shared by the children: one commit of ROWS vectors, files, a quarantine; and its receipt.
_COMMON = """
import os, pathlib, random, signal, sys, time
import faiss, numpy as np, pandas as pd
from embeddings.records import ExtractorSpec
from embeddings.store import create_store, open_store, store_exists, verify_store

DIM, ROWS = int(sys.argv[2]), int(sys.argv[3])
SPEC = ExtractorSpec(name="texture", dim=DIM)
ROOT = pathlib.Path(sys.argv[1])

def commit(writer, start):
    ids = np.array([f"{n:016x}" for n in range(start, start + ROWS)])
    values = np.zeros((ROWS, DIM), np.float32)
    values[:, 0] = 1
    rows = pd.DataFrame({
        "file_id": ids.astype(object), "region": "", "width": 1, "height": 1, "bit_depth": 8,
        "channels": 1, "nan_pixels": 0, "um_per_pixel": np.nan, "defect_px": np.nan,
        "parent_id": "", "page": 0, "x0": 0, "y0": 0, "metadata": "{}"})
    writer.set_files(pd.DataFrame({
        "path": [f"/i/{one}" for one in ids], "file_id": ids.astype(object),
        "size": 1, "mtime_ns": 1}))
    writer.set_quarantine([(f"/i/bad{start}", "cut short")])
    writer.append(ids, values, rows)

def receipt(file, start):
    with file.open("a") as out:
        out.write(f"{start}\\n")

def receipts(file):
    return [int(line) for line in file.read_text().split()] if file.exists() else []
"""

# Dies before or after the LIMIT-th rename, sync, removal or new folder.
_FAILPOINTS = (
    _COMMON
    + """
def arm(limit):
    passed = 0
    def point():
        nonlocal passed
        passed += 1
        if passed == limit:
            os.kill(os.getpid(), signal.SIGKILL)
    for name in ("replace", "fsync", "unlink", "mkdir"):
        def wrapped(*args, _real=getattr(os, name), **options):
            point()
            done = _real(*args, **options)
            point()
            return done
        setattr(os, name, wrapped)

def work(folder, log):
    store = create_store(folder, SPEC)
    with store.write() as writer:
        for start in (0, 100):
            commit(writer, start)
            receipt(log, start)

for limit in range(1, 1000):
    child = os.fork()
    if child == 0:
        arm(limit)
        work(ROOT / f"{limit:03d}", ROOT / f"{limit:03d}.log")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        break
    assert os.WIFSIGNALED(status), status
print(limit - 1)
"""
)

# Kills a busy writer at 20 random moments, always on the same store.
_RANDOM = (
    _COMMON
    + """
create_store(ROOT / "s", SPEC)
random.seed(7)
for _ in range(20):
    child = os.fork()
    if child == 0:
        with open_store(ROOT / "s").write() as writer:
            while True:
                start = len(writer)
                commit(writer, start)
                receipt(ROOT / "log", start)
    time.sleep(random.uniform(0.02, 0.3))
    for _ in range(3000):  # on a busy machine the first needs longer than that for a commit
        if receipts(ROOT / "log"):
            break
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    ids = set(open_store(ROOT / "s").ids())
    lost = [start for start in receipts(ROOT / "log") if f"{start:016x}" not in ids]
    assert not lost, lost
    faults = [fault for fault in verify_store(ROOT / "s") if fault.kind != "leftover"]
    assert not faults, faults
with open_store(ROOT / "s").write() as writer:
    commit(writer, len(writer))
assert not verify_store(ROOT / "s")
store = open_store(ROOT / "s")
assert len(store) == len(store.load_vectors()) == len(store.files())
print(len(receipts(ROOT / "log")))
"""
)


def run_script(script, root, *, dim, rows):
    words = [sys.executable, "-W", "error", "-c", script, str(root), str(dim), str(rows)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def make_batch(start):
    ids = np.array([f"{start:016x}"], dtype=np.str_)
    rows = pd.DataFrame(
        {
            "file_id": [ids[0]], "region": "", "width": 1, "height": 1, "bit_depth": 8,
            "channels": 1, "nan_pixels": 0, "um_per_pixel": np.nan, "defect_px": np.nan,
            "parent_id": "", "page": 0, "x0": 0, "y0": 0, "metadata": "{}",
        }
    )  # fmt: skip
    return ids, unit_rows(np.ones((1, 4))), rows


@pytest.mark.long
def test_killed_at_every_step_of_a_commit(tmp_path):
    points = run_script(_FAILPOINTS, tmp_path, dim=4, rows=2)
    assert points > 60
    spec = ExtractorSpec(name="texture", dim=4)
    committed = []
    for limit in range(1, points + 1):
        folder, log = tmp_path / f"{limit:03d}", tmp_path / f"{limit:03d}.log"
        acknowledged = [int(line) for line in log.read_text().split()] if log.exists() else []
        rows = 0
        if store_exists(folder):
            store = open_store(folder)
            ids, quarantine = store.ids(), store.quarantine()
            rows = len(store.load_vectors())  # the files of a vector are committed with it
            assert all(f"{start:016x}" in ids for start in acknowledged), limit
            assert rows == len(store) == len(store.files()), limit
            assert min(rows, 2) // 2 == len(quarantine), limit
            assert {"leftover"} >= {fault.kind for fault in verify_store(folder)}, limit
        with create_store(folder, spec).write() as writer:
            writer.append(*make_batch(900))
        assert rows + 1 == len(open_store(folder).load_vectors([*open_store(folder).ids()])), limit
        assert verify_store(folder) == [], limit
        committed.append(rows)
    assert sorted(committed) == committed
    assert set(committed) == {0, 2, 4}


def test_killed_at_twenty_random_moments(tmp_path):
    assert run_script(_RANDOM, tmp_path, dim=512, rows=1000) > 0


_HOLD = """
import os, sys, time
from embeddings.store import open_store
with open_store(sys.argv[1]).write():
    child = os.fork() if sys.argv[2] == "fork" else 1
    if child == 0:
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_the_lock_names_its_holder_and_dies_with_it(tmp_path, how):
    store = create_store(tmp_path / "s", ExtractorSpec(name="texture", dim=4))
    words = [sys.executable, "-c", _HOLD, str(store.path), how]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        worker = int(holder.stdout.readline())
        try:
            with pytest.raises(StoreLockedError, match=f"by process {holder.pid} on .* since 20"):
                store.write().__enter__()
            assert len(open_store(store.path)) == 0  # readers do not mind
            assert verify_store(store.path) == []
        finally:
            holder.kill()
            holder.wait()
        # A worker the killed writer forked is still alive, and holds nothing.
        with store.write() as writer:
            writer.append(*make_batch(1))
        if how == "fork":
            os.kill(worker, signal.SIGKILL)
    assert len(open_store(store.path)) == 1


def test_one_writer_in_a_process(tmp_path):
    store = create_store(tmp_path / "s", ExtractorSpec(name="texture", dim=4))
    with store.write(), pytest.raises(StoreLockedError, match=f"by process {os.getpid()} "):
        store.write().__enter__()
    with store.write():
        pass
