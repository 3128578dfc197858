"""Locks on files and folders: one process at a time, freed by the kernel when it ends.

`locked` waits its turn to change a file; `holding` takes a lock file or says who has it.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

# Locks are flock's, on the file or folder itself: the kernel frees them however their holder
# ends, and nothing is created beside a ledger or inside a run. (The package filelock can lock
# neither, and its older versions empty the file that they lock.)
_TRIES, _PAUSE_SECONDS = 5, 0.02  # outlasts an `is_held` of another process

_held: set[int] = set()  # open handles of the locks this process holds


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file or folder, waiting for it as long as it takes."""
    descriptor = os.open(path, os.O_RDONLY)
    with _keeping(descriptor):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold a lock file, made where it is absent, and sign it with this process's name.

    Raises
    ------
    BlockingIOError
        Another holds it; its last argument names who.
    OSError
        The file cannot be opened for writing.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    with _keeping(handle):
        _take(handle)
        os.ftruncate(handle, 0)  # the file stays: removing it would race with the next holder
        since = datetime.now(UTC).isoformat(timespec="seconds")
        signature = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        os.pwrite(handle, json.dumps(signature).encode(), 0)
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


def _take(handle: int) -> None:
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE_SECONDS)
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
        name = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):  # taken a moment ago, not yet signed
        name = "another process"
    raise BlockingIOError(errno.EWOULDBLOCK, name)


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
