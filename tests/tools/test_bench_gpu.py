"""`make bench-gpu`: every part runs, on a CPU too; without a GPU it is one line and exit code 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def run(*words):
    command = [sys.executable, "benchmarks/gpu.py", *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=ENVIRONMENT
    )


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_every_part_runs_on_a_cpu(tmp_path):
    done = run("--device", "cpu", "--small", "--out", tmp_path / "page.md")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    assert len(titles) == 3
    assert "failed" not in page
    assert "both agree on | 100.0 %" in page


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_is_one_line():
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bench-gpu: error: no CUDA device is visible; expected")
    assert len(done.stderr.splitlines()) == 1


def test_a_cpu_never_overwrites_the_page_of_a_gpu():
    done = run("--device", "cpu", "--small")
    assert done.returncode == 2
    assert "--out FILE" in done.stderr
