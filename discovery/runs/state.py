"""run.json itself: made, read, changed under a lock, and refused when it is not ours."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embeddings.errors import RunError
from embeddings.files import is_temporary, sweep_temporary, write_bytes
from embeddings.locks import locked

RUN_JSON = "run.json"
FORMAT = "defect-discovery-run"
VERSION = 1
# What may be in the folder before run.json is: the store that was extracted into it.
_MAY_PRECEDE = ("store", "views", ".DS_Store")

State = dict[str, Any]


def create_state(folder: Path) -> None:
    """Make the folder a run; one that is a run already is left as it is.

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
        read_state(folder)
        sweep_temporary(folder)
        return
    if folder.is_dir():
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
        "run_id": secrets.token_hex(8),
        "store": {},
        "artefacts": {},
        "pending": {},
    }
    _write_state(folder, state)


def read_state(folder: Path) -> State:
    """Read run.json.

    Raises
    ------
    RunError
        The folder is missing, not a run, of a newer version, or run.json is damaged.
    """
    path = folder / RUN_JSON
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder: give the folder discovery.cluster --out made")
    try:
        state = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RunError(
            f"{folder} has no {RUN_JSON}, so it is not a run: "
            "give the folder discovery.cluster --out made"
        ) from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RunError(
            f"{path} is damaged ({error}): restore it from a copy, or run discovery.cluster "
            "into a new folder"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise RunError(f"{path} is not of the format {FORMAT}: give the folder of a run")
    if state.get("version") != VERSION:
        raise RunError(
            f"{path} has version {state.get('version')}, this program reads {VERSION}: "
            "use the program that wrote it"
        )
    missing = {"run_id", "store", "artefacts", "pending"} - state.keys()
    if missing:
        raise RunError(f"{path} lacks {sorted(missing)[0]}: restore it from a copy")
    return state


def change_state(folder: Path, change: Callable[[State], None]) -> None:
    """Read run.json, apply `change` to it and write it, alone among processes."""
    with locked(folder):
        state = read_state(folder)
        change(state)
        _write_state(folder, state)


def _write_state(folder: Path, state: State) -> None:
    text = json.dumps(state, indent=2, ensure_ascii=False)
    write_bytes(folder / RUN_JSON, (text + "\n").encode())
