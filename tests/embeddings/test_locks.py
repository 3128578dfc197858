"""Locks keep two processes from one file, and end with their holder."""

import os
import signal
import subprocess
import sys

import pytest

from embeddings.locks import holding, is_held, locked

# Takes the lock, says so, and adds a line only after the other side had its time.
_ADD = """
import sys, time
from pathlib import Path
from embeddings.locks import locked
path = Path(sys.argv[1])
with locked(path):
    print("locked", flush=True)
    text = path.read_text()
    time.sleep(0.3)
    path.write_text(text + "child\\n")
"""


def test_a_second_process_waits_its_turn(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    words = [sys.executable, "-c", _ADD, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "locked\n"
        with locked(path):
            path.write_text(path.read_text() + "parent\n")
        assert child.wait() == 0
    assert path.read_text() == "child\nparent\n"


def test_a_folder_is_locked_as_it_stands(tmp_path):
    with locked(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_names_its_holder_and_stays(tmp_path):
    path = tmp_path / "lock"
    assert not is_held(path)
    with holding(path):
        assert is_held(path)
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()} on .* since 20"):
            holding(path).__enter__()
    assert path.exists()
    assert not is_held(path)
    with holding(path):  # shorter or longer, the old name is gone
        assert path.read_text().count("pid") == 1


def test_a_forked_child_holds_nothing(tmp_path):
    path = tmp_path / "lock"
    reader, writer = os.pipe()
    with holding(path):
        child = os.fork()
        if child == 0:
            os.write(writer, b"x")
            signal.pause()
        os.read(reader, 1)
    try:
        assert not is_held(path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
