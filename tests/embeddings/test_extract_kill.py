"""Extraction killed at twenty random moments: what was committed stays, and the end is the same.

Seventeen runs are children forked from one warm process, so that imports are paid once and the
moments fall into finding, computing and committing; three are whole processes, killed at start-up
too. All work on one store, and each goes on where the last one died.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.store import open_store, verify_store

ROOT = Path(__file__).resolve().parents[2]
FILES = 60

_FORKED = """
import os, random, signal, sys, time
import skimage.feature, mahotas.features
from embeddings.console import run_command
from embeddings.extract.__main__ import ExtractCommand, main
from embeddings.extract import extract_vectors
from embeddings.store import open_store, store_exists, verify_store

images, folder, seed = sys.argv[1:]
words = [images, "--store", folder, "--extractor", "texture", "--commit-every", "2",
         "--workers", "2"]
chance = random.Random(int(seed))

def count():
    return len(open_store(folder)) if store_exists(folder) else -1

for turn in range(17):
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(run_command(main, ExtractCommand, prog="P", args=words))
    if turn < 5:  # finding, fingerprints, windows, the first commits
        time.sleep(chance.uniform(0, 0.25))
    else:  # while it computes, or in the midst of a commit
        goal, deadline = count() + chance.randint(1, 3), time.monotonic() + 60
        while count() < goal and time.monotonic() < deadline:
            time.sleep(0.01)
        assert count() >= goal, "the run came to a halt"
        time.sleep(chance.uniform(0, 0.06))
    seen = set(open_store(folder).ids()) if store_exists(folder) else set()
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it ended before it was killed"
    if store_exists(folder):
        lost = seen - set(open_store(folder).ids())
        assert not lost, lost
        faults = [fault for fault in verify_store(folder) if fault.kind != "leftover"]
        assert not faults, faults
    print(count(), flush=True)
"""


def run_extract(images, store):
    words = ["--extractor", "texture", "--commit-every", "2", "--workers", "2"]
    command = [sys.executable, "-m", "embeddings.extract", images, "--store", store, *words]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def load(store):
    """Return {id: vector}, {path: file id} and the windows of what a store holds."""
    opened = open_store(store)
    vectors = opened.load_vectors()
    files = opened.files()
    return (
        dict(zip(vectors.ids.tolist(), vectors.values, strict=True)),
        dict(zip(files["path"], files["file_id"], strict=True)),
        dict(opened.windows),
    )


@pytest.mark.long
def test_twenty_kills_lose_nothing_and_change_nothing(picture, save_picture, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for seed in range(FILES):
        wide = {"low": 800, "high": 1200, "dtype": np.uint16} if seed % 3 == 0 else {}
        suffix = "tif" if wide else "png"
        save_picture(tmp_path / "images" / f"{seed:03d}.{suffix}", picture(seed, side=32, **wide))
    (tmp_path / "images" / "bad.png").write_text("no picture")
    images, store = tmp_path / "images", tmp_path / "store"

    forked = subprocess.run(
        [sys.executable, "-c", _FORKED, str(images), str(store), "5"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert forked.returncode == 0, forked.stderr
    counts = [int(line) for line in forked.stdout.split() if line.lstrip("-").isdigit()]
    assert len(counts) == 17
    assert counts == sorted(counts)
    assert 0 < counts[-1] < FILES  # the kills fell into the work, not after it

    chance = random.Random(6)
    for delay in (chance.uniform(0, 0.5), chance.uniform(0.5, 2), chance.uniform(1, 4)):
        before = load(store)[0]
        process = run_extract(images, store)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        after = load(store)[0]
        assert before.keys() <= after.keys()
        assert all(np.array_equal(before[name], after[name]) for name in before)

    out, _ = run_extract(images, store).communicate()
    assert f"quarantined 1, ignored 0, {FILES} vectors" in out
    assert [fault for fault in verify_store(store) if fault.kind != "leftover"] == []
    calm = extract_vectors(images, tmp_path / "calm", options=ExtractOptions(extractor="texture"))
    assert (FILES, 1) == (calm.computed, len(calm.quarantined))
    (vectors, *facts), (undisturbed, *calm_facts) = load(store), load(tmp_path / "calm")
    assert facts == calm_facts
    assert vectors.keys() == undisturbed.keys()
    assert all(np.array_equal(vectors[name], undisturbed[name]) for name in undisturbed)
