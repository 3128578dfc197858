"""Rebuild a lost `store.json` from the files themselves.

Each numbered file carries, sealed, what the manifest says of the store, and a segment's rows
carry the checksum of its vectors. A file that cannot prove itself is left out.
"""

import dataclasses
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from embeddings.bounded import ZIP_DAMAGE
from embeddings.errors import StoreError
from embeddings.files import hash_bytes, hash_file
from embeddings.store.commits import decode_quarantine
from embeddings.store.folder import (
    BANK,
    DAMAGED,
    MANIFEST,
    NOTES,
    PATHS,
    QUARANTINE,
    SEGMENTS,
    list_ours,
    name_codes,
    number_of,
)
from embeddings.store.manifest import Manifest, PathsEntry, SegmentEntry
from embeddings.store.parquet_files import (
    NOTES_SCHEMA,
    PATHS_SCHEMA,
    ROWS_SCHEMA,
    decode_table,
)

_Facts = dict[str, Any]


def rebuild_manifest(folder: Path) -> Manifest:
    """Return a manifest of every sound file in the folder; nothing is written.

    Raises
    ------
    StoreError
        No sound file is left to tell what the store held, or it is of another version.
    """
    segments = list(_read_segments(folder))
    paths = list(_read_parts(folder, PATHS, PATHS_SCHEMA))
    notes = list(_read_parts(folder, NOTES, NOTES_SCHEMA))
    facts = [facts for facts, _ in (*segments, *paths, *notes)]
    if not facts:
        raise StoreError(
            f"{folder / MANIFEST} is lost and no sound segment is left to rebuild it from: "
            "remove the folder and extract again"
        )
    # Windows are only ever added: the newest file knows them all.
    newest = max(facts, key=lambda facts: int(facts["number"]))
    return dataclasses.replace(
        Manifest.from_dict({**newest, "sidecars": _find_sidecars(folder)}),
        segments=tuple(entry for facts, entry in segments if _is_alike(facts, newest)),
        paths=tuple(entry for facts, entry in paths if _is_alike(facts, newest)),
        notes=tuple(entry for facts, entry in notes if _is_alike(facts, newest)),
        next_number=1 + max(_used_numbers(folder)),
    )


def _read_segments(folder: Path) -> Iterator[tuple[_Facts, SegmentEntry]]:
    for name, data, table, facts in _read_tables(folder, SEGMENTS, ROWS_SCHEMA):
        # A file copied under another number would come twice.
        number = int(facts["number"])
        codes = folder / name_codes(number)
        if number != number_of(name) or not _has_hash(codes, facts["sha256_faiss"]):
            continue
        yield (
            facts,
            SegmentEntry(
                number=number,
                rows=table.num_rows,
                sha256_faiss=facts["sha256_faiss"],
                bytes_faiss=facts["bytes_faiss"],
                sha256_parquet=hash_bytes(data),
                bytes_parquet=len(data),
            ),
        )


def _read_parts(folder: Path, part: str, schema: pa.Schema) -> Iterator[tuple[_Facts, PathsEntry]]:
    for name, data, table, facts in _read_tables(folder, part, schema):
        number = int(facts["number"])
        if number == number_of(name):
            yield facts, PathsEntry(number=number, rows=table.num_rows, sha256=hash_bytes(data))


def _read_tables(
    folder: Path, part: str, schema: pa.Schema
) -> Iterator[tuple[str, bytes, pa.Table, _Facts]]:
    """Yield the tables of a part of the store that can be read, in the order of their numbers."""
    for name in list_ours(folder):
        if name.startswith(part) and name.endswith(".parquet"):
            data = (folder / name).read_bytes()
            try:
                table, facts = decode_table(data, schema)
            except ValueError:
                continue  # damaged: repair moves it aside and says so
            yield name, data, table, facts


def _has_hash(path: Path, sha256: str) -> bool:
    return path.is_file() and hash_file(path) == sha256


def _is_alike(facts: _Facts, newest: _Facts) -> bool:
    # Windows may differ, they grow, and so does the version; what makes vectors comparable may not.
    return all(facts[key] == newest[key] for key in ("spec_hash", "vector_dtype"))


def _find_sidecars(folder: Path) -> dict[str, str]:
    """Return the sha256 of each sidecar that reads as what it should be."""
    checks: dict[str, Callable[[bytes], object]] = {
        QUARANTINE: decode_quarantine,
        BANK: _check_zip,
    }
    found = {}  # NAME.next is not looked for: nothing tells whether it was committed
    for name, check in checks.items():
        if (folder / name).is_file():
            data = (folder / name).read_bytes()
            try:
                check(data)
            except ValueError:
                continue
            found[name] = hash_bytes(data)
    return found


def _check_zip(data: bytes) -> None:
    """Check a zip's own checksums (an `.npz` is a zip)."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            bad = archive.testzip()
    except ZIP_DAMAGE as error:
        raise ValueError("not a zip") from error
    if bad is not None:
        raise ValueError(f"{bad} is damaged")


def _used_numbers(folder: Path) -> list[int]:
    """Return every number that was ever given to a file that is still somewhere here."""
    names = list_ours(folder)
    damaged = folder / DAMAGED
    if damaged.is_dir():
        # A name put aside must not be given again: an older reader may still look for it.
        stems = {file.name.split(".")[0] for file in damaged.iterdir()}
        names += [name_codes(int(stem)) for stem in stems if stem.isdecimal()]
    return [number for name in names if (number := number_of(name)) is not None]
