"""Files beside the segments that are replaced as a whole: `quarantine.csv` and `bank.npz`.

They keep their names, so a commit takes three steps: write `NAME.next`, commit the manifest
with its sha256, rename. Whoever finds the rename missing (a crash) takes `NAME.next`, so no
moment exists at which the committed content cannot be read.
"""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.store.disk import (
    ALTERED,
    MISSING,
    DamagedFileError,
    hash_bytes,
    sync_folder,
    write_file,
)
from embeddings.store.layout import NEXT
from embeddings.store.manifest import load_manifest

_QUARANTINE_COLUMNS = ["path", "reason"]


def stage_sidecar(folder: Path, name: str, data: bytes) -> str:
    """Write `NAME.next` and return its sha256, for the manifest."""
    write_file(folder / (name + NEXT), data)
    return hash_bytes(data)


def settle_sidecars(folder: Path, committed: Mapping[str, str]) -> None:
    """Give each committed `NAME.next` its own name."""
    for name, sha256 in committed.items():
        if _read_if(folder / (name + NEXT), sha256) is not None:
            os.replace(folder / (name + NEXT), folder / name)  # noqa: PTH105
            sync_folder(folder)


def read_sidecar(folder: Path, name: str) -> bytes | None:
    """Return the content of a sidecar as last committed, or None where there is none.

    Raises
    ------
    StoreCorruptError
        The file is damaged or missing.
    """
    problem = ""
    for _ in range(3):  # a writer may replace it between our look at the manifest and at the file
        sha256 = load_manifest(folder).sidecars.get(name)
        if sha256 is None:
            return None
        data = find_sidecar(folder, name, sha256=sha256)
        if data is not None:
            return data
        problem = ALTERED if (folder / name).exists() else MISSING
    raise DamagedFileError(folder, name, problem)


def find_sidecar(folder: Path, name: str, *, sha256: str) -> bytes | None:
    """Return committed content from `NAME` or `NAME.next`, or None where neither has it."""
    data = _read_if(folder / name, sha256)
    return _read_if(folder / (name + NEXT), sha256) if data is None else data


def encode_quarantine(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return the bytes of `quarantine.csv`, sorted by path, the last reason of each path.

    A path that is not UTF-8 keeps its bytes.
    """
    text = io.StringIO(newline="")  # line breaks inside a file name survive
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_QUARANTINE_COLUMNS, *sorted(dict(pairs).items())])
    return text.getvalue().encode(errors="surrogateescape")


def decode_quarantine(data: bytes) -> pd.DataFrame:
    """Return columns path and reason.

    Raises
    ------
    ValueError
        The bytes are not those of a `quarantine.csv`.
    """
    text = io.StringIO(data.decode(errors="surrogateescape"), newline="")
    head, *pairs = list(csv.reader(text)) or [[]]
    if head != _QUARANTINE_COLUMNS or any(len(pair) != 2 for pair in pairs):
        raise ValueError("not a quarantine.csv")
    # Python strings: Arrow's hold no path that is not UTF-8.
    return pd.DataFrame(pairs, columns=_QUARANTINE_COLUMNS, dtype=object)


def encode_bank(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return the bytes of `bank.npz`."""
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, **arrays)
    return sink.getvalue()


def decode_bank(data: bytes) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of `bank.npz`."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _read_if(path: Path, sha256: str) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None  # absent or unreadable: the caller says so, once it has looked everywhere
    return data if hash_bytes(data) == sha256 else None
