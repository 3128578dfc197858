"""What a killed command leaves, and its sweeping by whatever command comes next.

A file that is being written and a folder for the length of a command bear the number of their
process in their names: who comes next can tell whether it is still at work. What another machine
began is left alone, for nobody here can tell.
"""

import contextlib
import dataclasses
import itertools
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embeddings.processes import find_machine, find_start, hash_host, is_running

# `.NAME.MACHINE-PID.tmp`; version 0.1 wrote `.NAME.PID.tmp`.
_TEMPORARY = re.compile(r"^\.(?P<name>.+)\.(?:(?P<machine>[0-9a-f]{8})-)?(?P<pid>\d+)\.tmp$")
_OLD_SECONDS = 24 * 3600.0  # no file is written for so long: who began it is gone

# `assign-HOST-MACHINE-PID-START-...`; version 0.1 wrote `assign-` and eight letters or digits.
_SCRATCH = re.compile(
    r"^assign-(?P<host>[0-9a-f]{8})-(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d*)-\w+$"
)
_OLD_SCRATCH = re.compile(r"^assign-[a-z0-9_]{8}$")

_MOST_ENTRIES = 4096  # of a folder that is named, and may be one of images

_swept: set[Path] = set()  # folders that this process has looked through


def name_temporary(path: Path) -> Path:
    """Return where a file is written before it is moved into place."""
    return path.with_name(f".{path.name}.{find_machine()}-{os.getpid()}.tmp")


def is_temporary(name: str) -> bool:
    """Tell whether a file name is one that `name_temporary` gives."""
    return strip_temporary(name) != name


def strip_temporary(name: str) -> str:
    """Return the name that a file being written will bear; any other name as it is."""
    match = _TEMPORARY.match(name)
    return match["name"] if match else name


def sweep_temporary(folder: Path, *, most: int | None = None) -> None:
    """Remove the temporary files and folders of writers that are no longer there.

    Parameters
    ----------
    folder : Path
    most : int, optional
        Entries of the folder that are looked at.
    """
    with os.scandir(folder) as entries:
        some = itertools.islice(entries, most)
        names = [entry.name for entry in some if entry.name.endswith(".tmp")]
    for name in names:
        match = _TEMPORARY.match(name)
        if match and _is_left(folder / name, match["machine"], int(match["pid"])):
            _remove(folder / name)


def sweep_once(folder: Path) -> None:
    """Sweep a folder that is written into, the first time that this process does so."""
    if folder not in _swept:
        _swept.add(folder)
        with contextlib.suppress(OSError):  # what cannot be swept may yet be written
            sweep_temporary(folder)


def sweep_places(options: Any) -> None:
    """Sweep the temporary directory, and the folders of all that a command's options name.

    Of large folders, which are images that are only read, a part; what is written into is swept
    as a whole then.
    """
    with contextlib.suppress(OSError):
        _sweep_scratch(Path(tempfile.gettempdir()))
    for path in set(_list_paths(options)):
        with contextlib.suppress(OSError):
            sweep_temporary(path.parent, most=_MOST_ENTRIES)
        with contextlib.suppress(OSError):
            sweep_temporary(path, most=_MOST_ENTRIES)


@contextlib.contextmanager
def making_scratch() -> Iterator[Path]:
    """Give an empty folder in the temporary directory, which is gone afterwards."""
    pid = os.getpid()
    prefix = f"assign-{hash_host()}-{find_machine()}-{pid}-{find_start(pid)}-"
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        yield Path(folder)


def _is_left(file: Path, machine: str | None, pid: int) -> bool:
    if machine == find_machine():
        return not is_running(pid)
    # Written elsewhere, where the number may be that of a live process.
    with contextlib.suppress(FileNotFoundError):
        return _is_old(file)
    return False


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _is_old(file: Path) -> bool:
    return time.time() - file.stat().st_mtime > _OLD_SECONDS


def _sweep_scratch(folder: Path) -> None:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith("assign-")]
    for name in names:
        place = folder / name
        if not place.is_symlink() and _is_scratch_left(place):
            shutil.rmtree(place, ignore_errors=True)  # another user's stays


def _is_scratch_left(place: Path) -> bool:
    match = _SCRATCH.match(place.name)
    if match is None:
        # Of version 0.1, which did not say whose it is; other programs may like the name, too.
        manifest = place / "store" / "store.json"
        is_ours = _OLD_SCRATCH.match(place.name) and manifest.is_file()
        return bool(is_ours) and _is_old(manifest)
    if match["machine"] == find_machine():
        return not is_running(int(match["pid"]), match["start"])
    return match["host"] == hash_host()  # of before this machine was started again


def _list_paths(options: Any) -> Iterator[Path]:
    if isinstance(options, Path):
        yield options
    elif dataclasses.is_dataclass(options):
        for one in dataclasses.fields(options):
            yield from _list_paths(getattr(options, one.name))
