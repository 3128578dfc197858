"""One writer at a time: an advisory lock the kernel frees however its holder ends."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from embeddings.errors import StoreLockedError
from embeddings.store.disk import storage_errors
from embeddings.store.layout import LOCK

_TRIES, _PAUSE_SECONDS = 5, 0.02  # outlasts an `is_locked` of another process

_held: set[int] = set()  # open handles of the locks this process holds


@contextlib.contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Hold the store's lock for the length of a `with` block.

    Raises
    ------
    StoreLockedError
        Another process (or another writer of this one) holds it; the text names it.
    """
    # flock, not a file that exists: the kernel frees it when its holder is killed.
    with storage_errors(folder):
        handle = _take(folder)
        _held.add(handle)
        os.ftruncate(handle, 0)  # the file stays: removing it would race with the next holder
        os.pwrite(handle, _describe_self(), 0)
    try:
        yield
    finally:
        if handle in _held:  # no longer so in a forked child
            _held.discard(handle)
            os.close(handle)


def is_locked(folder: Path) -> bool:
    """Tell whether a writer is at work, without waiting and without disturbing it."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False  # never written to, or not ours to look at
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _take(folder: Path) -> int:
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        for _ in range(_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
            time.sleep(_PAUSE_SECONDS)
        holder = _read_holder(handle)
    except OSError:
        os.close(handle)
        raise
    os.close(handle)
    raise StoreLockedError(
        f"{folder} is being written by {holder}: wait until it ends, then run again"
    )


def _describe_self() -> bytes:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode()


def _read_holder(handle: int) -> str:
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):  # taken a moment ago, not yet signed
        return "another process"


def _drop_in_child() -> None:
    """Close inherited handles: a worker that outlives a killed writer must not keep its lock."""
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_drop_in_child)
