"""The Parquet tables of a store: what is known of each vector of a segment, and of each file.

A segment's table has one row a vector. The log of files has one row a path each time a path
is noted: the latest row of a path wins, and an empty file_id forgets it. Metadata that were given
after the vectors are a log, too: of an image the latest row goes before its segment's.

The files prove themselves: pages carry checksums, and facts are sealed into the footer. The
manifest holds their sha256, too; where it is lost, what is in the files is enough to tell a sound
one from a damaged one and to rebuild it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embeddings.bounded import parse_json
from embeddings.errors import StoreError
from embeddings.files import is_sealed, seal
from embeddings.records import ROW_COLUMNS
from embeddings.store.folder import (
    DamagedFileError,
    name_notes,
    name_paths,
    name_rows,
    read_file,
)
from embeddings.store.manifest import Manifest, PathsEntry, SegmentEntry

_TYPES = {
    "width": pa.int32(), "height": pa.int32(), "bit_depth": pa.int32(), "channels": pa.int32(),
    "nan_pixels": pa.int64(), "um_per_pixel": pa.float64(), "defect_px": pa.float64(),
    "parent_id": pa.string(), "page": pa.int32(), "x0": pa.int32(), "y0": pa.int32(),
    "metadata": pa.string(),
}  # fmt: skip

# Columns of `rows` beside the ids; paths come from the log of files.
IMAGE_COLUMNS = tuple(name for name in ROW_COLUMNS if name not in ("path", "paths"))
ROWS_SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("image_id", "file_id", "region")]
    + [
        # An unknown scale or size is NaN, which Arrow calls null; nothing else may be unknown.
        pa.field(name, _TYPES[name], nullable=name in ("um_per_pixel", "defect_px"))
        for name in IMAGE_COLUMNS
    ]
)
PATHS_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("file_id", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
    ]
)
NOTES_SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("image_id", "metadata")]
)

FileFacts = tuple[str, int, int]  # file_id, size, mtime_ns

_FILE_ID = re.compile(r"[0-9a-f]{16}")
_FACTS = b"defect-discovery"


def make_rows(ids: NDArray[np.str_], rows: pd.DataFrame) -> pa.Table:
    """Return a segment's table.

    Raises
    ------
    ValueError
        A column is missing or unknown, or a value is missing or of another type.
    """
    expected = {"file_id", "region", *IMAGE_COLUMNS}
    odd = expected ^ (set(rows.columns) - {"image_id", "path", "paths"})
    if odd:
        raise ValueError(f"rows lack or have unknown columns: {sorted(odd)}")
    # Objects, as Arrow takes them: numpy's text is as wide as the longest id.
    whole = rows.assign(image_id=ids.astype(object))[ROWS_SCHEMA.names]
    if (whole["file_id"].astype("str") == "").any():
        raise ValueError("a row has an empty file_id")
    return _to_table(whole, ROWS_SCHEMA)


def make_paths(frame: pd.DataFrame) -> pa.Table:
    """Return a part of the log of files from columns path, file_id, size, mtime_ns.

    Raises
    ------
    ValueError
        A path is not absolute, or a file_id is not 16 hexadecimal digits.
    StoreError
        A path is not valid UTF-8.
    """
    # A relative path would mean another file to the next command.
    bad = [path for path in frame["path"] if not path.startswith("/")]
    bad += [name for name in frame["file_id"] if not _FILE_ID.fullmatch(name)]
    if bad:
        raise ValueError(f"not an absolute path or not a file_id: {bad[0]!r}")
    return _to_table(frame[PATHS_SCHEMA.names], PATHS_SCHEMA)


def make_forgotten(paths: Sequence[str]) -> pa.Table:
    """Return a part of the log that forgets these paths."""
    n = len(paths)
    # -1: no file has such a size or time.
    frame = pd.DataFrame({"path": list(paths), "file_id": "", "size": [-1] * n, "mtime_ns": -1})
    return _to_table(frame, PATHS_SCHEMA)


def make_notes(metadata: Mapping[str, str]) -> pa.Table:
    """Return a part of the metadata that were given later, from JSON by image id."""
    frame = pd.DataFrame({"image_id": list(metadata), "metadata": list(metadata.values())})
    return _to_table(frame.astype("str"), NOTES_SCHEMA)


def list_file_facts(frame: pd.DataFrame) -> Iterable[tuple[str, FileFacts]]:
    """Pair each path of a frame of files with its file_id, size and mtime_ns."""
    path, *facts = (frame[name].tolist() for name in PATHS_SCHEMA.names)
    return zip(path, zip(*facts, strict=True), strict=True)


def load_rows(folder: Path, entry: SegmentEntry) -> pa.Table:
    """Read and check a segment's table.

    Raises
    ------
    StoreCorruptError
        The file is damaged or missing.
    """
    name = name_rows(entry.number)
    data = read_file(folder, name, sha256=entry.sha256_parquet)
    table, facts = parse_table(folder, name, data=data, schema=ROWS_SCHEMA)
    # Both files of a segment are sound, and yet not of one commit: someone mixed two stores.
    if (table.num_rows, facts["sha256_faiss"]) != (entry.rows, entry.sha256_faiss):
        raise DamagedFileError(folder, name, "belongs to other vectors")
    return table


def load_paths(folder: Path, entry: PathsEntry) -> pa.Table:
    """Read and check a part of the log of files.

    Raises
    ------
    StoreCorruptError
        The file is damaged or missing.
    """
    return _load_part(folder, name_paths(entry.number), entry, PATHS_SCHEMA)


def load_notes(folder: Path, entry: PathsEntry) -> pa.Table:
    """Read and check a part of the metadata that were given later.

    Raises
    ------
    StoreCorruptError
        The file is damaged or missing.
    """
    return _load_part(folder, name_notes(entry.number), entry, NOTES_SCHEMA)


def _load_part(folder: Path, name: str, entry: PathsEntry, schema: pa.Schema) -> pa.Table:
    data = read_file(folder, name, sha256=entry.sha256)
    return parse_table(folder, name, data=data, schema=schema)[0]


def collect_rows(folder: Path, manifest: Manifest) -> pd.DataFrame:
    """Return the rows of every segment, in the order of the vectors, with their latest metadata."""
    # The empty table gives a store without segments its columns and types.
    tables = [load_rows(folder, entry) for entry in manifest.segments]
    frame: pd.DataFrame = pa.concat_tables([ROWS_SCHEMA.empty_table(), *tables]).to_pandas()
    latest: dict[str, str] = {}
    for entry in manifest.notes:  # their numbers ascend with time
        table = load_notes(folder, entry)
        latest.update(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
    if latest:
        pairs = zip(frame["image_id"].tolist(), frame["metadata"].tolist(), strict=True)
        noted = [latest.get(image_id, text) for image_id, text in pairs]
        frame["metadata"] = pd.Series(noted, index=frame.index, dtype=frame["metadata"].dtype)
    return frame


def collect_files(folder: Path, manifest: Manifest) -> pd.DataFrame:
    """Return path, file_id, size, mtime_ns of each path that is live, sorted by path."""
    tables = [load_paths(folder, entry) for entry in manifest.paths]
    log: pd.DataFrame = pa.concat_tables([PATHS_SCHEMA.empty_table(), *tables]).to_pandas()
    # Numbers ascend with time, and concatenation keeps their order: the last row is the latest.
    latest = log.drop_duplicates("path", keep="last")
    return latest[latest["file_id"] != ""].sort_values("path", ignore_index=True)


def _to_table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    try:
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False, nthreads=1)
    except UnicodeEncodeError as error:
        raise StoreError(
            f"{error.object!r} is not valid UTF-8: rename the file or leave it out"
        ) from None
    return table.replace_schema_metadata(None)


def encode_table(table: pa.Table, facts: Mapping[str, Any]) -> bytes:
    """Return a Parquet file of the table with the facts in its footer."""
    sealed = json.dumps(seal({**facts, "rows": table.num_rows}))
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata({_FACTS: sealed}),
        sink,
        compression="zstd",
        # CRC32 a page: what finds damage once the manifest and its sha256 are lost.
        write_page_checksum=True,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decode_table(data: bytes, schema: pa.Schema) -> tuple[pa.Table, dict[str, Any]]:
    """Return the table and its facts.

    Raises
    ------
    ValueError
        The file is damaged, or not one of these.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        table = file.read(use_threads=False)  # small: threads cost more than they give
    except (pa.ArrowException, OSError) as error:
        raise ValueError("is damaged (not Parquet)") from error
    facts = parse_json((table.schema.metadata or {}).get(_FACTS, b"null"))
    if not is_sealed(facts) or facts["rows"] != table.num_rows:
        raise ValueError("is damaged (its facts are not sealed)")
    if not table.schema.equals(schema):
        raise ValueError("is damaged (it has other columns)")
    return table.replace_schema_metadata(None), facts


def parse_table(
    folder: Path, name: str, *, data: bytes, schema: pa.Schema
) -> tuple[pa.Table, dict[str, Any]]:
    """Return the table and facts of a store's file, as `decode_table`.

    Raises
    ------
    DamagedFileError
        The file is damaged.
    """
    try:
        return decode_table(data, schema)
    except ValueError as error:
        raise DamagedFileError(folder, name, str(error)) from None


def find_among(texts: pd.Series, wanted: pd.Series | NDArray[np.str_]) -> list[bool]:
    """Tell of each text whether it is among those wanted: `Series.isin` takes ten times as long."""
    among = set(wanted.tolist())
    return [text in among for text in texts.tolist()]
