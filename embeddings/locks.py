"""Locks on files and folders: one process at a time, freed by the kernel when it ends.

`locked` waits its turn to change a file; `holding` takes a lock file or says who has it; `working`
does so for the length of a command that writes many files into one folder.
"""

import contextlib
import errno
import fcntl
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from embeddings.errors import BusyError, InputError
from embeddings.processes import find_machine, find_start, is_running

# Locks are flock's, on the file or folder itself: the kernel frees them however their holder
# ends, and nothing is created beside a ledger or inside a run. (The package filelock can lock
# neither, and its older versions empty the file that they lock.)
_TRIES, _PAUSE_SECONDS = 5, 0.02  # outlasts an `is_held` of another process
_TURNS = 100  # to find a folder there that others make and drop
_MOST_COMMAND = 200  # characters of a command line that a message can bear

JOB_LOCK = ".defect-discovery.lock"  # in a folder while a command writes into it
_PATIENCE = 60.0  # seconds: who writes a file is done in a few, unless it was stopped in its midst
_FIRST_PAUSE = 0.001

_held: set[int] = set()  # open handles of the locks this process holds


class HeldError(BlockingIOError):
    """Another holds a lock; `strerror` says who, `advice` what can be done."""

    def __init__(self, holder: str, advice: str) -> None:
        super().__init__(errno.EWOULDBLOCK, holder)
        self.advice = advice


@contextlib.contextmanager
def locked(path: Path, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold an exclusive lock on a file or folder, waiting for it, but not for ever.

    Parameters
    ----------
    path : Path
    patience : float
        Seconds to wait at most.

    Raises
    ------
    BusyError
        Another has held it all the while.
    OSError
        The path is not there.
    """
    descriptor = os.open(path, os.O_RDONLY)
    with _keeping(descriptor):
        _wait(descriptor, path, patience)
        yield


@contextlib.contextmanager
def holding(path: Path, *, stays: bool = True) -> Iterator[None]:
    """Hold a lock file, made where it is absent, and sign it with this process's name.

    What a process of this machine left that is no longer there is taken over; what one of another
    machine left is not: nobody here can tell whether it is at work.

    Parameters
    ----------
    stays : bool
        Whether the file, empty, is left behind.

    Raises
    ------
    HeldError
        Another holds it.
    OSError
        The file cannot be opened for writing.
    """
    handle = _open_lock(path)
    with _keeping(handle):
        _check_left(handle, path)
        data = json.dumps(_sign()).encode()
        os.ftruncate(handle, 0)
        os.pwrite(handle, data, 0)
        try:
            yield
        finally:
            if handle in _held:  # no longer so in a forked child
                # Unsigned while it is still held: who finds a name finds one that did not let go.
                os.ftruncate(handle, 0)
                if not stays:
                    path.unlink(missing_ok=True)


@contextlib.contextmanager
def working(folder: Path) -> Iterator[None]:
    """Be the only command that writes into a folder; one that is absent is made.

    Readers, and writers that only add to single files under a lock of their own, are not kept
    out. A folder that was made for nothing is gone afterwards.

    Raises
    ------
    BusyError
        Another command is at work there; the text says which, whose, where and since when.
    InputError
        The folder is a file, or cannot be written to.
    """
    if folder.is_file():  # asked once: a folder may go meanwhile
        raise InputError(f"{folder} is a file: expected a folder, give another name")
    made = [place for place in (folder, *folder.absolute().parents) if not place.exists()]
    # A stack, because errors of the caller's block are not errors of taking the lock.
    with contextlib.ExitStack() as stack:
        try:
            stack.callback(_drop_empty, made)
            stack.enter_context(_hold_job(folder))
        except HeldError as error:
            raise BusyError(
                f"{folder} is being written by {error.strerror}: {error.advice}"
            ) from None
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"cannot write {folder}: {reason}; choose a writable place") from error
        yield


def is_held(path: Path) -> bool:
    """Tell whether somebody holds a lock file, without waiting and without disturbing them."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False  # never made, or not ours to look at
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _hold_job(folder: Path) -> contextlib.ExitStack:
    for _ in range(_TURNS):
        stack = contextlib.ExitStack()
        # Another command may just remove the folder that it had made for nothing: then it was not
        # there any more when it was looked at, or when its lock was to be made.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(holding(folder / JOB_LOCK, stays=False))
            return stack
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _drop_empty(made: list[Path]) -> None:
    for place in made:
        try:
            place.rmdir()
        except OSError:  # it holds something by now
            return


def _open_lock(path: Path) -> int:
    """Open and take a lock file that is still the one of its name."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _take(handle)
            # Its last holder may have removed it while it was waited for.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _wait(handle: int, path: Path, patience: float) -> None:
    # Asked for again and again: the kernel's own waiting has no end that a thread could set.
    end, pause = time.monotonic() + patience, _FIRST_PAUSE
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() >= end:
            raise BusyError(
                f"{path} has been held by another process for {patience:g} seconds: "
                "end what is stopped in its midst (look with `fuser`), then try again"
            )
        time.sleep(pause)
        pause = min(2 * pause, _PAUSE_SECONDS)


def _take(handle: int) -> None:
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE_SECONDS)
    signature = _read_signature(handle)
    # Taken a moment ago, it is not yet signed.
    name = _name_holder(signature) if signature else "another process"
    raise HeldError(name, "wait until it ends, then run again")


def _check_left(handle: int, path: Path) -> None:
    """Leave alone what the name in a lock that nobody holds may still be at work on.

    A network drive may hide the locks of one machine from another.
    """
    signature = _read_signature(handle)
    if signature is None or "machine" not in signature:
        return  # let go of; version 0.1 left its name in any case
    if signature["host"] != socket.gethostname():
        raise HeldError(
            _name_holder(signature),
            "this machine cannot tell whether it still runs; wait until it ends, or where it is "
            f"gone remove {path}, then run again",
        )
    pid, start = int(signature["pid"]), str(signature.get("start", ""))
    is_here = signature["machine"] == find_machine() and pid != os.getpid()
    if is_here and is_running(pid, start):
        raise HeldError(_name_holder(signature), "wait until it ends, then run again")


def _sign() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _describe_command(),
        "machine": find_machine(),
        "start": find_start(os.getpid()),
    }


def _describe_command() -> str:
    """Return what this process was called with, in one line that is not too long."""
    words = shlex.join(["python", *sys.orig_argv[1:]]).split()
    text = " ".join(words).encode(errors="replace").decode()
    return text if len(text) <= _MOST_COMMAND else text[: _MOST_COMMAND - 3] + "..."


def _read_signature(handle: int) -> dict[str, Any] | None:
    try:
        signature = json.loads(os.pread(handle, 4096, 0))
        int(signature["pid"])
    except (ValueError, KeyError, TypeError):
        return None
    return {"host": "?", "since": "?", **signature}


def _name_holder(signature: dict[str, Any]) -> str:
    command = f" ({signature['command']})" if signature.get("command") else ""
    name = f"process {signature['pid']} on {signature['host']} since {signature['since']}"
    return name + command


@contextlib.contextmanager
def _keeping(handle: int) -> Iterator[None]:
    _held.add(handle)
    try:
        yield
    finally:
        if handle in _held:  # no longer so in a forked child
            _held.discard(handle)
            os.close(handle)


def _drop_in_child() -> None:
    """Close inherited handles: a worker that outlives a killed writer must not keep its lock."""
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_drop_in_child)
