"""What killed commands leave is swept by whatever command comes next; the living are left alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from embeddings import litter
from embeddings.console import run_command
from embeddings.files import write_bytes
from embeddings.litter import making_scratch, name_temporary
from embeddings.processes import find_start

DAY = 24 * 3600


@dataclass(frozen=True)
class Words:
    source: Path
    out: Path


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A temporary directory of this test's own."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def run_next(tmp_path):
    """Run any command, here one that does nothing."""
    (tmp_path / "in").mkdir(exist_ok=True)
    words = ["--source", str(tmp_path / "in"), "--out", str(tmp_path / "out" / "table.csv")]
    assert 0 == run_command(lambda _: None, Words, prog="P", args=words)


def kill_in_scratch(folder, *, write=""):
    """Kill a process while it has a folder in the temporary directory, and may write a file."""
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from embeddings.litter import making_scratch, name_temporary\n"
        "with making_scratch() as folder:\n"
        "    (folder / 'store').mkdir()\n"
        f"    if {write!r}: name_temporary(Path({write!r})).write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert -signal.SIGKILL == done.returncode


def test_whatever_comes_next_sweeps(scratch, tmp_path):
    (tmp_path / "out").mkdir()
    kill_in_scratch(scratch, write=str(tmp_path / "out" / "assigned.csv"))
    (left,) = scratch.iterdir()
    assert left.name.startswith("assign-")
    (half,) = (tmp_path / "out").iterdir()
    run_next(tmp_path)
    assert not left.exists()
    assert not half.exists()


def test_the_next_write_into_a_folder_sweeps_it(scratch, tmp_path):
    """Also where no option names the folder."""
    (tmp_path / "deep").mkdir()
    kill_in_scratch(scratch, write=str(tmp_path / "deep" / "a.csv"))
    write_bytes(tmp_path / "deep" / "b.csv", b"whole")
    assert ["b.csv"] == [file.name for file in (tmp_path / "deep").iterdir()]


def test_of_a_large_folder_that_is_named_a_part_is_looked_at(tmp_path, scratch, monkeypatch):
    monkeypatch.setattr(litter, "_MOST_ENTRIES", 3)
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    (tmp_path / "in").mkdir()
    for number in range(8):
        half = name_temporary(tmp_path / "in" / f"{number}.csv")
        half.with_name(half.name.replace(f"-{os.getpid()}.", f"-{dead.stdout.strip()}.")).touch()
    run_next(tmp_path)
    assert 5 == len(list((tmp_path / "in").iterdir()))
    write_bytes(tmp_path / "in" / "b.csv", b"whole")  # a folder of results is swept as a whole
    assert ["b.csv"] == [file.name for file in (tmp_path / "in").iterdir()]


def test_the_living_are_left_alone(scratch, tmp_path):
    (tmp_path / "out").mkdir()
    with making_scratch() as folder:
        half = name_temporary(tmp_path / "out" / "a.csv")
        half.write_text("half")
        run_next(tmp_path)
        assert folder.is_dir()
        assert half.exists()
    assert [] == list(scratch.iterdir())


def test_of_other_machines_nothing_is_known(scratch, tmp_path):
    kill_in_scratch(scratch)
    (left,) = scratch.iterdir()
    word, host, machine, *rest = left.name.split("-")
    other = "-".join([word, "0" * 8, "0" * 8, *rest])
    left.rename(scratch / other)
    run_next(tmp_path)
    assert [other] == [file.name for file in scratch.iterdir()]
    # The same machine, started again since: none of its processes is left.
    (scratch / other).rename(scratch / "-".join([word, host, "0" * 8, *rest]))
    run_next(tmp_path)
    assert [] == list(scratch.iterdir())
    assert machine != "0" * 8


def test_a_number_that_was_given_again_protects_nothing(scratch, tmp_path):
    kill_in_scratch(scratch)
    (left,) = scratch.iterdir()
    word, host, machine, _, _, name = left.name.split("-")
    parent = os.getppid()
    alive = f"{word}-{host}-{machine}-{parent}-{find_start(parent)}-{name}"
    left.rename(scratch / alive)
    run_next(tmp_path)
    assert (scratch / alive).exists()
    (scratch / alive).rename(scratch / f"{word}-{host}-{machine}-{parent}-1-{name}")
    run_next(tmp_path)
    assert [] == list(scratch.iterdir())


def test_what_others_call_alike_is_not_ours(scratch, tmp_path):
    for name in ("assign-abcdefgh", "assign-notes", "assign-k2_x81ab"):
        (scratch / name / "store").mkdir(parents=True)
    ours = scratch / "assign-k2_x81ab" / "store" / "store.json"
    ours.write_text(json.dumps({"format": "defect-discovery-store"}))
    (scratch / "assign-link").symlink_to(tmp_path)
    run_next(tmp_path)
    assert 4 == len(list(scratch.iterdir()))
    os.utime(ours, (time.time() - 2 * DAY,) * 2)  # of version 0.1, which named nobody
    run_next(tmp_path)
    assert 3 == len(list(scratch.iterdir()))
    assert tmp_path.is_dir()


def test_a_temporary_directory_that_cannot_be_read_stops_nothing(tmp_path, monkeypatch, scratch):
    shutil.rmtree(scratch)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    run_next(tmp_path)
