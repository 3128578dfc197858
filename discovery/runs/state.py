"""run.json itself: made, read, changed under a lock, and refused when it is not ours.

`FileCache` keeps what was read from a file for as long as the file is what it was, so that a
round hashes and parses each artefact once, and still sees what another process wrote.
"""

import contextlib
import copy
import json
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from discovery.records import HANDOFF_FORMAT
from embeddings.bounded import parse_json
from embeddings.chain import ChainReader
from embeddings.console import get_logger
from embeddings.errors import RunError
from embeddings.files import hash_file, is_sealed, seal, write_bytes
from embeddings.litter import is_temporary, sweep_temporary
from embeddings.locks import JOB_LOCK, locked
from embeddings.plurals import tell_count
from embeddings.versions import advise_version

RUN_JSON = "run.json"
LEDGER = "decisions.jsonl"
HANDOFF_JSON = "handoff.json"
CLUSTERING = "clustering.parquet"
FORMAT = "defect-discovery-run"
VERSION = 1
_NAMES = frozenset({"format", "version", "run_id", "store", "artefacts", "pending"})
# By their endings; what a person may have filled in is read before it is replaced.
_ARTEFACTS = frozenset({".csv", ".html", ".json", ".jsonl", ".npz", ".parquet"})
_FILLED_IN = frozenset({"handoff.csv", "types.csv", "types.xlsx", RUN_JSON, LEDGER})
_RUN_ID = re.compile(r"[0-9a-f]{16}")
_AGAIN = (
    "run discovery.cluster with the same images into this folder again: vectors and decisions are "
    "kept, all else is made anew"
)
# What may be in the folder before run.json is: the store that was extracted into it, and the lock
# of who is making the run.
_MAY_PRECEDE = ("store", "views", ".DS_Store", JOB_LOCK)

# A file changed again within one tick of the kernel's clock looks unchanged (10 ms at most):
# what is younger is not remembered, as in git's index.
_TICK = 10_000_000  # nanoseconds

State = dict[str, Any]
Value = TypeVar("Value")
Stamp = tuple[int, int, int]


class FileCache:
    """What was made of files, each kept until its file changes: another size, time or inode."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Path, str], tuple[Stamp, Any]] = {}

    def get(self, path: Path, what: str, make: Callable[[], Value]) -> Value:
        """Return what `make` makes of a file, made once while the file stays as it is.

        Parameters
        ----------
        what : str
            Names it among the things that are made of this file.

        Raises
        ------
        OSError
            The file is not there.
        """
        stamp = _stamp(path)
        kept = self._kept.get((path, what))
        if kept is not None and kept[0] == stamp:
            value: Value = kept[1]
            return value
        value = make()
        self.put(path, what, value, stamp=stamp)
        return value

    def put(self, path: Path, what: str, value: Any, *, stamp: Stamp | None = None) -> None:
        """Keep what is known of a file already; by its stamp before it was read, where given."""
        stamp = _stamp(path) if stamp is None else stamp
        if time.time_ns() - stamp[1] > _TICK:
            self._kept[path, what] = (stamp, value)


def _stamp(path: Path) -> Stamp:
    # An artefact is replaced, never edited in place, so at least the inode is another.
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def create_state(folder: Path, cache: FileCache) -> None:
    """Make the folder a run; one that is a run already is left as it is.

    One that was a run and has lost its run.json keeps its id, its store and its decisions; all else
    is made anew.

    Raises
    ------
    RunError
        The path is a file, or a folder that holds something else.
    InputError
        The folder cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file: a run is a folder, give another name")
    if (folder / RUN_JSON).exists():
        read_state(folder, cache)
        sweep_temporary(folder)
        return
    former = _find_former_id(folder)
    if former:
        get_logger().warning(
            "WARNING: %s has no %s: it is made anew, with the decisions that are there",
            folder, RUN_JSON,
        )  # fmt: skip
    if folder.is_dir() and not former:
        # Nobody's files are mixed with a run's, which are replaced and swept.
        foreign = sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.name not in _MAY_PRECEDE and not is_temporary(entry.name)
        )
        if foreign:
            raise RunError(
                f"{folder} is not a run and not empty (it holds {foreign[0]}): "
                "give an empty or a new folder"
            )
    state: State = {
        "format": FORMAT,
        "version": VERSION,
        "run_id": former or secrets.token_hex(8),
        "store": {},
        "artefacts": _list_found(folder) if former else {},
        # Entries of files that are just being replaced.
        "pending": {},
    }
    _write_state(folder, state)


def read_state(folder: Path, cache: FileCache) -> State:
    """Read run.json; what is returned is shared with the cache, and not to be changed.

    Raises
    ------
    RunError
        The folder is missing, not a run, of a newer version, or run.json is damaged.
    """
    path = folder / RUN_JSON
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder: give the folder discovery.cluster --out made")
    try:
        return cache.get(path, "state", lambda: _parse_state(path))
    except FileNotFoundError:
        advice = "so it is not a run: give the folder discovery.cluster --out made"
        if _find_former_id(folder):
            advice = f"and was a run: {_AGAIN}"
        raise RunError(f"{folder} has no {RUN_JSON}, {advice}") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error


def _parse_state(path: Path) -> State:
    try:
        state: State = parse_json(path.read_bytes())
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}): {_advise(path.parent)}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise RunError(f"{path} is not of the format {FORMAT}: give the folder of a run")
    if state.get("version") != VERSION:
        advice = advise_version(state.get("version"), VERSION, otherwise="restore it from a copy")
        raise RunError(
            f"{path} has version {state.get('version')}, this program reads {VERSION}: {advice}"
        )
    # Version 0.1 wrote these names and no checksum: any other one is a damaged `sha256`.
    is_old = state.keys() <= _NAMES
    if not is_old and not is_sealed(state):
        raise RunError(f"{path} is damaged (its sha256 does not match): {_advise(path.parent)}")
    missing = _NAMES - state.keys()
    if missing:
        raise RunError(f"{path} lacks {sorted(missing)[0]}: restore it from a copy")
    return {name: value for name, value in state.items() if name != "sha256"}


def _advise(folder: Path) -> str:
    """Say how a run whose run.json is damaged goes on, and whether its decisions are whole."""
    if not _find_former_id(folder):
        return "restore it from a copy, or run discovery.cluster into a new folder"
    path = folder / LEDGER
    ledger = ""
    if path.is_file():
        reading = ChainReader(parse_json).read(path.read_bytes())
        count = f"{LEDGER} has {tell_count(len(reading.values), 'decision')}"
        ledger = f"; {count} and is {'whole' if reading.is_whole else 'damaged too'}"
    return f"restore it from a copy, or move it away and {_AGAIN}{ledger}"


def _list_found(folder: Path) -> dict[str, dict[str, Any]]:
    """Enter the files of a run as they are, made of nothing that is known: each is made again.

    Until then they say what a sheet is about that a person may have filled in.
    """
    unknown: dict[str, Any] = {
        "command": "", "spec": {}, "seed": 0, "versions": {}, "inputs": {}, "key": "",
        "seconds": 0.0,
    }  # fmt: skip
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in _FILLED_IN and path.suffix in _ARTEFACTS:
            found[path.name] = {**unknown, "sha256": hash_file(path)}
    return found


def _find_former_id(folder: Path) -> str:
    """Return the id that a run's handoff says; empty where the folder was no run."""
    if not (folder / CLUSTERING).is_file():  # a handoff that was written elsewhere has none
        return ""
    try:
        values = parse_json((folder / HANDOFF_JSON).read_bytes())
        is_ours = values["format"] == HANDOFF_FORMAT and _RUN_ID.fullmatch(values["run_id"])
        return str(values["run_id"]) if is_ours else ""
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def change_state(folder: Path, cache: FileCache, change: Callable[[State], None]) -> None:
    """Read run.json, apply `change` to it and write it, alone among processes."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(folder))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise refuse_vanished(folder) from error
        # A copy: where writing fails, the state that is remembered is still that of the disk.
        state = copy.deepcopy(read_state(folder, cache))
        change(state)
        _write_state(folder, state)
        cache.put(folder / RUN_JSON, "state", state)


def refuse_vanished(folder: Path) -> RunError:
    """Say that the folder of a run that was open is no longer there."""
    return RunError(
        f"{folder} is gone: it was removed or renamed while it was in use; "
        "open the run where it is now"
    )


def _write_state(folder: Path, state: State) -> None:
    # As it is read back: keys that are numbers are texts then, in another order.
    state = json.loads(json.dumps(state))
    text = json.dumps(seal(state), indent=2, ensure_ascii=False)
    # A name that is not UTF-8 becomes JSON's own escape of it.
    write_bytes(folder / RUN_JSON, (text + "\n").encode(errors="backslashreplace"))
