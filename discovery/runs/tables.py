"""What the artefacts look like on disk: clustering.parquet, neighbours.npz, proposals.csv.

Each pair of functions turns a record into a file's bytes and back, unchanged. Text is kept to the
letter: paths and labels that begin with ``= + - @``, hold commas, quotes, line breaks or leading
zeros come back as they were. A spreadsheet may run a cell that begins with ``=``; the files say
what is on the disk and are not altered for it.
"""

import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from discovery.records import Clustering, Layout, Neighbours, Proposal
from embeddings.bounded import parse_json, parse_npz
from embeddings.errors import RunError
from embeddings.files import format_csv, hash_bytes, parse_csv_rows

_RECORD = b"defect-discovery"  # the parquet metadata key of what the columns cannot hold


def format_neighbours(neighbours: Neighbours, ids: NDArray[np.str_]) -> bytes:
    """Return neighbours.npz, with the sha256 of the ids it belongs to."""
    file = io.BytesIO()
    np.savez(
        file,
        indices=neighbours.indices,
        distances=neighbours.distances,
        exact=np.array(neighbours.exact),
        ids_sha256=np.array(hash_ids(ids)),
    )
    return file.getvalue()


def parse_neighbours(data: bytes, path: Path) -> tuple[Neighbours, str]:
    """Read neighbours.npz: the graph, and the sha256 of its ids.

    Parameters
    ----------
    path : Path
        Where the bytes are from, for the message.

    Raises
    ------
    RunError
        The file is damaged.
    """
    try:
        arrays = parse_npz(data)
        neighbours = Neighbours(
            indices=arrays["indices"], distances=arrays["distances"], exact=bool(arrays["exact"])
        )
        return neighbours, str(arrays["ids_sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}): run discovery.cluster again") from error


def format_map(xy: NDArray[np.float32]) -> bytes:
    """Return map.npz: the (n, 2) positions of the images on the map, in the images' order."""
    file = io.BytesIO()
    np.savez(file, xy=xy)
    return file.getvalue()


def parse_map(data: bytes) -> NDArray[np.float32]:
    """Read map.npz, (n, 2).

    Raises
    ------
    RunError
        The file is damaged.
    """
    try:
        xy: NDArray[np.float32] = parse_npz(data)["xy"]
    except (ValueError, KeyError) as error:
        raise RunError(
            f"the positions of the run's images are damaged ({error}): run discovery.cluster again"
        ) from error
    return xy


def hash_ids(ids: NDArray[np.str_]) -> str:
    """Return the sha256 over the (n,) ids in their order."""
    return hash_bytes("\n".join(ids.tolist()).encode())


def tabulate_images(clustering: Clustering, layout: Layout) -> pd.DataFrame:
    """Return the rows of clustering.parquet: one a path, images in their order.

    Where noise was assigned to clusters, a further column ``assigned`` says which images.

    Raises
    ------
    ValueError
        The layout belongs to other images.
    """
    if not np.array_equal(clustering.ids, layout.ids):
        raise ValueError("the layout's ids are not the clustering's")
    counts = [len(paths) for paths in layout.paths]  # (n,) rows an image takes
    table = pd.DataFrame(
        {
            "image_id": pd.Series(np.repeat(clustering.ids, counts), dtype="str"),
            "path": pd.Series([path for paths in layout.paths for path in paths], dtype="str"),
            "cluster_id": np.repeat(clustering.labels, counts),
            "membership": np.repeat(clustering.memberships, counts),
            "outlier_score": np.repeat(clustering.outlier_scores, counts),
            "x": np.repeat(layout.xy[:, 0], counts),
            "y": np.repeat(layout.xy[:, 1], counts),
        }
    )
    if clustering.assigned is not None:
        table["assigned"] = np.repeat(clustering.assigned, counts)
    return table


def format_clustering(clustering: Clustering, layout: Layout) -> bytes:
    """Return clustering.parquet; the clusterer and its parameters ride in the file's metadata."""
    # Without an index column: other readers would show it.
    table = pa.Table.from_pandas(tabulate_images(clustering, layout), preserve_index=False)
    record = json.dumps({"made_by": clustering.made_by, "spec": clustering.spec})
    table = table.replace_schema_metadata(
        {**(table.schema.metadata or {}), _RECORD: record.encode(errors="backslashreplace")}
    )
    file = io.BytesIO()
    pq.write_table(table, file, write_page_checksum=True)
    return file.getvalue()


def parse_clustering(data: bytes, path: Path) -> tuple[pd.DataFrame, Clustering, Layout]:
    """Read clustering.parquet: its rows, and the clusters and the map that they are.

    Raises
    ------
    RunError
        The file is damaged or was not written by this project.
    """
    try:
        # Not by `read_table`, which loads pyarrow's datasets for it, a tenth of a second.
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        table = file.read()
        record: dict[str, Any] = parse_json(table.schema.metadata[_RECORD])
        rows = table.to_pandas()
        return rows, *_gather_images(rows, record)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}): run discovery.cluster again") from error


def _gather_images(rows: pd.DataFrame, record: dict[str, Any]) -> tuple[Clustering, Layout]:
    """Turn the rows of clustering.parquet back into one entry an image."""
    ids = rows["image_id"].tolist()
    # An image's paths are consecutive rows: an image starts where the id changes.
    starts = [i for i in range(len(ids)) if i == 0 or ids[i] != ids[i - 1]]  # (n,)
    ends = [*starts[1:], len(ids)][: len(starts)]
    first = rows.iloc[starts]
    image_ids = np.array(first["image_id"].tolist(), dtype=np.str_)  # (n,)
    paths = rows["path"].tolist()
    clustering = Clustering(
        ids=image_ids,
        labels=first["cluster_id"].to_numpy(np.int32),
        memberships=first["membership"].to_numpy(np.float32),
        outlier_scores=first["outlier_score"].to_numpy(np.float32),
        spec=record["spec"],
        made_by=record["made_by"],
        assigned=first["assigned"].to_numpy(np.bool_) if "assigned" in first else None,
    )
    layout = Layout(
        ids=image_ids,
        paths=tuple(tuple(paths[s:e]) for s, e in zip(starts, ends, strict=True)),
        xy=first[["x", "y"]].to_numpy(np.float32),  # (n, 2)
    )
    return clustering, layout


@dataclass(frozen=True, kw_only=True)
class _Codec:
    """How the values of one type become cells of a table, and come back unchanged.

    A value that takes several cells has as many `endings`, added to the name of its field.
    """

    format: Callable[[Any], Sequence[str]]
    parse: Callable[..., Any]
    endings: tuple[str, ...] = ("",)


def _format_float(value: float) -> str:
    """Return the digits that bring a number back bit for bit; nothing where it is not known."""
    return "" if np.isnan(value) else repr(float(value))


def _format_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# By the type of the field: the columns of proposals.csv are the fields of `Proposal`, in their
# order, so that a column more is a field more.
_CODECS: dict[Any, _Codec] = {
    str: _Codec(format=lambda text: [text], parse=str),
    int: _Codec(format=lambda number: [str(number)], parse=int),
    int | None: _Codec(
        format=lambda number: ["" if number is None else str(number)],
        parse=lambda cell: int(cell) if cell else None,
    ),
    float: _Codec(
        format=lambda number: [_format_float(number)], parse=lambda cell: float(cell or "nan")
    ),
    tuple[float, float] | None: _Codec(
        format=lambda pair: ["", ""] if pair is None else [_format_float(one) for one in pair],
        parse=lambda low, high: (float(low), float(high)) if low else None,
        endings=("_low", "_high"),
    ),
    dict[str, Any]: _Codec(format=lambda value: [_format_json(value)], parse=parse_json),
    dict[str, tuple[str, ...]]: _Codec(
        format=lambda value: [_format_json(value)],
        parse=lambda cell: {kind: tuple(ids) for kind, ids in parse_json(cell).items()},
    ),
}
_FIELDS: dict[str, _Codec] = {one.name: _CODECS[one.type] for one in fields(Proposal)}
PROPOSAL_COLUMNS = tuple(
    name + ending for name, codec in _FIELDS.items() for ending in codec.endings
)
# An earlier version's file may lack these: they were added later, and have a default.
_OPTIONAL = frozenset(
    one.name + ending
    for one in fields(Proposal)
    if one.default is not MISSING or one.default_factory is not MISSING
    for ending in _FIELDS[one.name].endings
)


def format_proposals(proposals: Iterable[Proposal]) -> bytes:
    """Return proposals.csv; floats have the digits that bring them back bit for bit."""
    rows = [
        [cell for name, codec in _FIELDS.items() for cell in codec.format(getattr(one, name))]
        for one in proposals
    ]
    return format_csv([PROPOSAL_COLUMNS, *rows])


def parse_proposals(data: bytes, path: Path) -> tuple[Proposal, ...]:
    """Read proposals.csv.

    Raises
    ------
    RunError
        A column is missing, or a cell cannot be read; names the row.
    """
    # Not by pandas: "NA", "007" and "=1" are text and stay so.
    header, *rows = parse_csv_rows(data)
    # In the order of this version; a column that is not known here is a fault.
    columns = [name for name in PROPOSAL_COLUMNS if name in header or name not in _OPTIONAL]
    if header != columns:
        raise RunError(
            f"{path} does not have the columns {','.join(PROPOSAL_COLUMNS)}: "
            "run discovery.cluster again"
        )
    proposals = []
    for number, row in enumerate(rows, start=2):
        try:
            proposals.append(_parse_proposal(dict(zip(columns, row, strict=True))))
        except (ValueError, TypeError, AttributeError) as error:
            raise RunError(
                f"{path}, row {number} cannot be read ({error}): run discovery.cluster again"
            ) from error
    return tuple(proposals)


def _parse_proposal(cells: dict[str, str]) -> Proposal:
    values = {
        name: codec.parse(*(cells[name + ending] for ending in codec.endings))
        for name, codec in _FIELDS.items()
        if name + codec.endings[0] in cells
    }
    return Proposal(**values)
