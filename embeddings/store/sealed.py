"""Parquet files that prove themselves: page checksums, and facts sealed into the footer.

The manifest holds the sha256 of each file. Where the manifest is lost, what is in the files
themselves is enough to tell a sound one from a damaged one and to rebuild it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from embeddings.store.disk import DamagedFileError
from embeddings.store.manifest import is_sealed, seal

_FACTS = b"defect-discovery"


def encode_table(table: pa.Table, facts: Mapping[str, Any]) -> bytes:
    """Return a Parquet file of the table with the facts in its footer."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata({_FACTS: seal({**facts, "rows": table.num_rows})}),
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
    facts = json.loads((table.schema.metadata or {}).get(_FACTS, b"null"))
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
