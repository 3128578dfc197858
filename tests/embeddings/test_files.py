"""Files are whole or not there; what others are writing is left alone."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embeddings.errors import InputError, OptionError
from embeddings.files import (
    check_out_file,
    format_csv,
    hash_bytes,
    hash_file,
    is_sealed,
    match_header,
    parse_csv,
    put_bytes,
    seal,
    write_bytes,
)
from embeddings.litter import is_temporary, strip_temporary, sweep_temporary

_DAY_SECONDS = 24 * 3600


def find_dead_pid():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def leave_temporary(file):
    """Return the temporary file of a writer of this machine that was killed."""
    code = (
        "import os, pathlib, signal, sys; from embeddings.files import write_bytes\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_bytes(pathlib.Path(sys.argv[1]), b'half')"
    )
    before = set(file.parent.iterdir())
    assert subprocess.run([sys.executable, "-c", code, str(file)], check=False).returncode == -9
    (left,) = set(file.parent.iterdir()) - before
    return left


def test_what_a_killed_writer_left_is_swept(tmp_path):
    left = leave_temporary(tmp_path / "run.json")
    assert is_temporary(left.name)
    assert strip_temporary(left.name) == "run.json"
    sweep_temporary(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_on_another_machine_is_left_alone(tmp_path):
    """Its process number means nothing here: it may be at work."""
    ours = leave_temporary(tmp_path / "a.csv").name
    machine, pid = ours.removeprefix(".a.csv.").removesuffix(".tmp").split("-")
    other = f"{int(machine, 16) ^ 1:08x}"
    names = [f".a.csv.{other}-{pid}.tmp", f".b.csv.{find_dead_pid()}.tmp"]  # 0.1 had no machine
    for name in names:
        (tmp_path / name).write_text("half")
    sweep_temporary(tmp_path)
    assert sorted(names) == sorted(file.name for file in tmp_path.iterdir())
    for name in names:
        os.utime(tmp_path / name, (time.time() - 2 * _DAY_SECONDS,) * 2)
    sweep_temporary(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_live_writer_of_this_machine_is_left_alone(tmp_path, monkeypatch):
    sync = os.fsync

    def sweep_meanwhile(handle):
        for temporary in tmp_path.glob(".*"):
            os.utime(temporary, (0, 0))
        sweep_temporary(tmp_path)
        sync(handle)

    monkeypatch.setattr("os.fsync", sweep_meanwhile)
    write_bytes(tmp_path / "a.csv", b"whole")
    assert (tmp_path / "a.csv").read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        (".store.json.0123abcd-17.tmp", "store.json"),
        (".store.json.17.tmp", "store.json"),
        ("store.json.tmp", "store.json.tmp"),
        (".hidden", ".hidden"),
        ("a.png", "a.png"),
    ],
)
def test_temporary_names(name, target):
    assert strip_temporary(name) == target
    assert is_temporary(name) == (name != target)


def test_errors_of_writing_are_one_line(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(InputError, match=r"cannot write .*/file/a\.csv: .*; choose a writable"):
        write_bytes(blocked / "a.csv", b"")
    with pytest.raises(NotADirectoryError):
        put_bytes(blocked / "a.csv", b"")

    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(InputError, match=r"cannot write .*a\.csv: No space left on device"):
        write_bytes(tmp_path / "a.csv", b"x")
    assert [blocked] == list(tmp_path.iterdir())


def test_written_files_are_whole(tmp_path):
    write_bytes(tmp_path / "new" / "a.csv", b"one")
    put_bytes(tmp_path / "new" / "a.csv", b"two")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.csv"]
    assert (tmp_path / "new" / "a.csv").read_bytes() == b"two"
    assert hash_file(tmp_path / "new" / "a.csv") == hash_bytes(b"two")
    with (tmp_path / "new" / "a.csv").open("rb") as file:
        file.read(1)
        assert hash_file(file) == hash_bytes(b"two")


def test_a_seal_knows_every_change_but_that_of_order():
    values = {"b": [1, 2.5], "a": "x"}
    sealed = seal(values)
    assert is_sealed(sealed)
    assert is_sealed(dict(reversed(sealed.items())))
    assert seal(sealed) == sealed
    for changed in ({**sealed, "a": "y"}, {**sealed, "c": 0}, {**sealed, "sha256": 0}):
        assert not is_sealed(changed)
    for other in (values, [sealed], None, "text"):
        assert not is_sealed(other)


@pytest.mark.parametrize("text", ["a,b", 'a"b', "a\nb", "a\rb", " a ", "", "=1+1", "\udcff.png"])
def test_csv_keeps_every_text(text):
    data = format_csv([["path", "n"], [text, "1"]])
    assert parse_csv(data) == [{"path": text, "n": "1"}]


def test_a_relative_path_is_written_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_bytes(Path("a.csv"), b"x")
    put_bytes(Path("b.csv"), b"y")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    "there", [b"\x89PNG\r\n", b"path,label\na.png,x\n", b'{"prev": 1}\n', b"path,reason,note\n"]
)
def test_what_a_command_does_not_write_is_no_place_for_its_output(tmp_path, there):
    path = tmp_path / "out.csv"
    path.write_bytes(there)
    with pytest.raises(OptionError, match=r"--out .*out\.csv is there and is not what"):
        check_out_file(path, None, begins=match_header(["path", "reason"]))
    assert there == path.read_bytes()


def test_what_a_command_wrote_is_replaced_as_is_an_empty_file(tmp_path):
    path = tmp_path / "out.csv"
    begins = match_header(["path", "reason"])
    check_out_file(path, None, begins=begins)
    for written in (b"", format_csv([("path", "reason"), ("a.png", "broken")])):
        path.write_bytes(written)
        check_out_file(path, None, begins=begins)
    with pytest.raises(OptionError, match="is what is read"):
        check_out_file(path, path, begins=begins)


def test_further_columns_are_told_by_a_pattern(tmp_path):
    path = tmp_path / "out.csv"
    begins = match_header(["path"], more="(,p_L[0-9]+)*")
    path.write_bytes(b"path,p_L1,p_L2\n")
    check_out_file(path, None, begins=begins)
    path.write_bytes(b"path,p_L1,note\n")
    with pytest.raises(OptionError, match="is there and is not"):
        check_out_file(path, None, begins=begins)


def test_a_device_is_no_place_for_an_output():
    with pytest.raises(OptionError, match="/dev/null is there"):
        check_out_file(Path("/dev/null"), None, begins=b"")
