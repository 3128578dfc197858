"""Locks keep two processes from one file, and end with their holder."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from embeddings.errors import BusyError, InputError
from embeddings.locks import JOB_LOCK, holding, is_held, locked, working
from embeddings.processes import find_start


def find_dead_pid():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


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
        assert child.wait(60) == 0
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


# Works in a folder, says so, and waits to be ended.
_WORK = """
import sys
from pathlib import Path
from embeddings.locks import working
with working(Path(sys.argv[1])):
    print("working", flush=True)
    input()
"""


@contextlib.contextmanager
def other_process(folder):
    words = [sys.executable, "-c", _WORK, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes) as child:
        try:
            assert child.stdout.readline() == "working\n"
            yield child
        finally:
            child.kill()


def test_who_comes_second_is_told_who_is_at_work(tmp_path):
    folder = tmp_path / "run"
    with other_process(folder) as child:
        with pytest.raises(BusyError) as told, working(folder):
            pytest.fail("both at once")
        said = str(told.value)
        assert said.startswith(f"{folder} is being written by process {child.pid} on ")
        assert re.search(r" on \S+ since 20\d\d-\d\d-\d\dT\S+ \(python -c .*\): wait until", said)
        # What does not write into the folder as a whole goes on: it locks what it writes alone.
        with locked(folder):
            pass


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    folder = tmp_path / "run"
    with other_process(folder) as child:
        child.kill()
        child.wait()
    assert [JOB_LOCK] == [file.name for file in folder.iterdir()]
    with working(folder):
        assert str(os.getpid()) in (folder / JOB_LOCK).read_text()
    assert not (folder / JOB_LOCK).exists()


def leave(folder, **changes):
    """Leave a lock as a process does that is killed; return its file."""
    with working(folder):
        (folder / "kept").touch()
        signature = json.loads((folder / JOB_LOCK).read_text())
    (folder / JOB_LOCK).write_text(json.dumps(signature | changes))
    return folder / JOB_LOCK


def test_a_number_that_was_given_again_is_no_holder(tmp_path):
    parent = os.getppid()
    leave(tmp_path / "run", pid=parent, start="1")
    with working(tmp_path / "run"):
        pass
    # Nor is a process of before the machine was started again.
    leave(tmp_path / "run", pid=parent, machine="00000000")
    with working(tmp_path / "run"):
        pass


def test_a_live_holder_is_believed_where_locks_do_not_reach(tmp_path):
    parent = os.getppid()
    lock = leave(tmp_path / "run", pid=parent, start=find_start(parent))
    with pytest.raises(BusyError, match=f"by process {parent} on "), working(tmp_path / "run"):
        pytest.fail("both at once")
    assert lock.exists()


def test_the_lock_of_another_machine_is_left_alone_with_advice(tmp_path):
    lock = leave(tmp_path / "run", host="fab-7", pid=find_dead_pid())
    before = lock.read_bytes()
    with pytest.raises(BusyError) as told, working(tmp_path / "run"):
        pytest.fail("both at once")
    assert "on fab-7 since" in str(told.value)
    assert f"where it is gone remove {lock}, then run again" in str(told.value)
    assert before == lock.read_bytes()
    lock.unlink()  # as it says
    with working(tmp_path / "run"):
        pass


def test_a_lock_of_version_0_1_is_nobodys(tmp_path):
    """It left its name when it was done, too."""
    path = tmp_path / "lock"
    path.write_text('{"pid": 1, "host": "fab-7", "since": "2026-01-01T00:00:00+00:00"}')
    with holding(path):
        assert is_held(path)
    assert "" == path.read_text()


def test_a_folder_made_for_nothing_is_gone(tmp_path):
    with pytest.raises(ValueError), working(tmp_path / "a" / "b"):
        raise ValueError
    assert [] == list(tmp_path.iterdir())
    with working(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").touch()
    assert ["file"] == [file.name for file in (tmp_path / "a" / "b").iterdir()]


def test_many_take_turns_and_none_meets_another(tmp_path):
    """The lock file is removed each time: nobody may hold one that is no longer there."""
    inside, met, done = [], [], []

    def work():
        while len(done) < 60:
            with contextlib.suppress(BusyError), working(tmp_path / "run"):
                inside.append(1)
                met.append(len(inside))
                inside.pop()
                done.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {1} == set(met)


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*choose a writable place"):
        working(tmp_path / "file" / "run").__enter__()


def test_nobody_waits_for_ever(tmp_path):
    message = f"{tmp_path} has been held by another process for 0.05 seconds: end what"
    with (
        locked(tmp_path),
        pytest.raises(BusyError, match=message),
        locked(tmp_path, patience=0.05),
    ):
        pass
    with locked(tmp_path, patience=0):
        assert is_held(tmp_path)
