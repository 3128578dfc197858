"""Which process is which: on what machine, started when, and whether it is still there."""

import contextlib
import functools
import hashlib
import os
import socket
from pathlib import Path


@functools.cache
def find_machine() -> str:
    """Return 8 hex digits that tell apart the places where a process number means something.

    That is one start of one kernel, and one container on it: a folder on a network drive, or
    mounted into two containers, is written to from several of them.
    """
    marks = [socket.gethostname()]
    with contextlib.suppress(OSError):  # no Linux: the name alone
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        marks.append(str(Path("/proc/self/ns/pid").readlink()))
    return _hash("\n".join(marks))


def hash_host() -> str:
    """Return 8 hex digits of the machine's name, which stays when it is started again."""
    return _hash(socket.gethostname())


def find_start(pid: int) -> str:
    """Return when a process of this machine began, in its kernel's ticks; "" where nobody says.

    A number is given again once its process is gone: with its start it means one process for ever.
    """
    return _read_status(pid)[1]


def is_running(pid: int, start: str = "") -> bool:
    """Tell whether a process of this machine is there, and is the one that began at `start`."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it runs as another user
    state, now = _read_status(pid)
    # Ended, and only waiting for its parent to ask how.
    if state in ("Z", "X"):
        return False
    return not start or not now or start == now


def _read_status(pid: int) -> tuple[str, str]:
    """Return the state and the start of a process; twice "" where nobody says."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "", ""
    # The name in brackets may hold blanks and brackets: fields are counted from behind it.
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
