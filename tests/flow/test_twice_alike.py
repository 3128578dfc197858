"""Each command, twice on the same images, writes the same bytes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from discovery.classify import Classify
from discovery.classify import main as classify
from embeddings.console import run_command
from embeddings.extract.__main__ import ExtractCommand
from embeddings.extract.__main__ import main as extract

ROOT = Path(__file__).resolve().parents[2]
# What differs by its nature: the name of a run, given at random, and when and how long it took.
_RUN_ID = re.compile(rb'("run_id": )"[0-9a-f]{16}"')
_TIMES = {"run.json", "report.html", "facts.json", "lineage.jsonl"}


def draw_set(folder):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    labels, boxes = [], []
    (folder / "images").mkdir(parents=True)
    for number in range(24):
        kind = ("lines", "square", "waves")[number % 3]
        pixels = 120 + rng.normal(0, 8, (48, 48))
        left, top = rng.integers(4, 30, 2).tolist()
        if kind == "square":
            pixels[top : top + 12, left : left + 12] += 90
            boxes.append((f"images/{number:02}.png", kind, left, top, left + 12, top + 12))
        else:
            pixels += 40 * np.sin(1.1 * ((x if kind == "lines" else y) + left))
        path = f"images/{number:02}.png"
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / path)
        labels.append((path, f"defect/{kind}"))
    pd.DataFrame(labels, columns=["path", "label"]).to_csv(folder / "truth.csv", index=False)
    columns = ["path", "label", "xmin", "ymin", "xmax", "ymax"]
    pd.DataFrame(boxes, columns=columns).to_csv(folder / "boxes.csv", index=False)


def call(folder, threads, *words):
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads), "NUMBA_NUM_THREADS": str(threads),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr


def read_all(folder):
    """Every file that a command wrote, but for what tells when."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in _TIMES and path.name != "lock":
            files[str(path.relative_to(folder))] = _RUN_ID.sub(rb"\1", path.read_bytes())
    return files


def run_twice(folder, threads, *commands):
    """Run the commands twice in one place, so that the paths in the files are the same."""
    found = []
    for turn in ("first", "second"):
        for words in commands:
            call(folder, threads, *words)
        found.append(read_all(folder / "out"))
        (folder / "out").rename(folder / turn)
    first, second = found
    assert first
    assert first.keys() == second.keys()
    assert [] == [name for name, data in first.items() if data != second[name]]


ROUND = (
    ("embeddings.extract", "images", "--store", "out/store", "--extractor", "texture"),
    ("discovery.cluster", "out/store", "--out", "out/run"),
    ("discovery.handoff", "out/run", "--out", "out/handoff"),
)
CLASSIFY = (
    "discovery.classify", "train", "truth.csv", "--out", "out/model", "--extractor", "texture",
    "--epochs", "1",
)  # fmt: skip
DETECT = (
    "discovery.detect", "train", "boxes.csv", "--out", "out/detector", "--weights", "none",
    "--epochs", "2", "--size", "64", "--device", "cpu",
)  # fmt: skip


def test_vectors_and_a_classifier_in_one_process(tmp_path, monkeypatch):
    draw_set(tmp_path)
    monkeypatch.chdir(tmp_path)
    for turn in ("first", "second"):
        assert 0 == run_command(extract, ExtractCommand, prog="P", args=ROUND[0][1:])
        assert 0 == run_command(classify, Classify, prog="P", args=CLASSIFY[1:])
        (tmp_path / "out").rename(tmp_path / turn)
    first, second = read_all(tmp_path / "first"), read_all(tmp_path / "second")
    assert {"model/model.json", "store/store.json"} <= first.keys()
    assert first == second


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
def test_a_round_with_its_handoff(threads, tmp_path):
    draw_set(tmp_path)
    run_twice(tmp_path, threads, *ROUND)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("command", [CLASSIFY, DETECT], ids=["classify", "detect"])
def test_a_training(command, threads, tmp_path):
    draw_set(tmp_path)
    run_twice(tmp_path, threads, command)
