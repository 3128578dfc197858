"""What the artefacts look like on disk: clustering.parquet, neighbours.npz, proposals.csv.

Each pair of functions writes a noun to a file and reads it back unchanged. Text is kept to the
letter: paths and labels that begin with ``= + - @``, hold commas, quotes, line breaks or leading
zeros come back as they were. A spreadsheet may run a cell that begins with ``=``; the files say
what is on the disk and are not altered for it.
"""

import csv
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from discovery.records import Clustering, Layout, Neighbours, Proposal
from embeddings.errors import RunError
from embeddings.files import format_csv, hash_bytes

PROPOSAL_COLUMNS = (
    "proposal_id", "cluster_id", "rank", "size", "cohesion", "separation", "stability", "novelty",
    "nearest_known", "medoid", "exemplars", "associations", "size_um_low", "size_um_high",
    "distinct",
)  # fmt: skip
_FLOATS = ("cohesion", "separation", "stability", "novelty")
_INTEGERS = ("cluster_id", "rank", "size")
_NOUN = b"defect-discovery"  # the parquet metadata key of what the columns cannot hold


def write_neighbours(path: Path, neighbours: Neighbours, ids: NDArray[np.str_]) -> None:
    """Write neighbours.npz with the sha256 of the ids it belongs to."""
    with path.open("wb") as file:
        np.savez(
            file,
            indices=neighbours.indices,
            distances=neighbours.distances,
            exact=np.array(neighbours.exact),
            ids_sha256=np.array(hash_ids(ids)),
        )


def read_neighbours(path: Path) -> tuple[Neighbours, str]:
    """Read neighbours.npz: the noun and the sha256 of its ids.

    Raises
    ------
    RunError
        The file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            neighbours = Neighbours(
                indices=arrays["indices"],
                distances=arrays["distances"],
                exact=bool(arrays["exact"]),
            )
            return neighbours, str(arrays["ids_sha256"])
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} is damaged ({error}): run discovery.cluster again") from error


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
    counts = [len(paths) for paths in layout.paths]
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


def write_clustering(path: Path, clustering: Clustering, layout: Layout) -> None:
    """Write clustering.parquet; the clusterer and its parameters ride in the file's metadata."""
    table = pa.Table.from_pandas(tabulate_images(clustering, layout), preserve_index=False)
    noun = json.dumps({"made_by": clustering.made_by, "spec": clustering.spec})
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _NOUN: noun.encode()})
    pq.write_table(table, path, write_page_checksum=True)


def read_clustering(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read clustering.parquet: its rows, and the clusterer's ``made_by`` and ``spec``.

    Raises
    ------
    RunError
        The file is damaged or was not written by this project.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        noun: dict[str, Any] = json.loads(table.schema.metadata[_NOUN])
        return table.to_pandas(), noun
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}): run discovery.cluster again") from error


def gather_images(rows: pd.DataFrame, noun: dict[str, Any]) -> tuple[Clustering, Layout]:
    """Turn the rows of `read_clustering` back into one entry an image."""
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
        spec=noun["spec"],
        made_by=noun["made_by"],
        assigned=first["assigned"].to_numpy(np.bool_) if "assigned" in first else None,
    )
    layout = Layout(
        ids=image_ids,
        paths=tuple(tuple(paths[s:e]) for s, e in zip(starts, ends, strict=True)),
        xy=first[["x", "y"]].to_numpy(np.float32),  # (n, 2)
    )
    return clustering, layout


def write_proposals(path: Path, proposals: Iterable[Proposal]) -> None:
    """Write proposals.csv; floats have the digits that bring them back bit for bit."""
    rows = [PROPOSAL_COLUMNS, *(_proposal_cells(proposal) for proposal in proposals)]
    path.write_bytes(format_csv(rows))


def _proposal_cells(proposal: Proposal) -> list[str]:
    values = {name: getattr(proposal, name) for name in PROPOSAL_COLUMNS[:10]}
    for name in _FLOATS:
        number = float(values[name])
        values[name] = "" if np.isnan(number) else repr(number)
    low, high = (repr(float(side)) for side in proposal.size_um) if proposal.size_um else ("", "")
    exemplars = json.dumps(proposal.exemplars, ensure_ascii=False)
    associations = json.dumps(proposal.associations, ensure_ascii=False)
    distinct = "" if proposal.distinct is None else str(proposal.distinct)
    return [*map(str, values.values()), exemplars, associations, low, high, distinct]


def read_proposals(path: Path) -> tuple[Proposal, ...]:
    """Read proposals.csv.

    Raises
    ------
    RunError
        A column is missing, or a cell cannot be read; names the row.
    """
    with path.open(encoding="utf-8", newline="") as file:
        records = list(csv.reader(file))
    if not records or tuple(records[0]) != PROPOSAL_COLUMNS:
        raise RunError(
            f"{path} does not have the columns {','.join(PROPOSAL_COLUMNS)}: "
            "run discovery.cluster again"
        )
    return tuple(_read_proposal(path, number, row) for number, row in enumerate(records[1:], 2))


def _read_proposal(path: Path, number: int, row: Sequence[str]) -> Proposal:
    try:
        cells = dict(zip(PROPOSAL_COLUMNS, row, strict=True))
        low, high = cells.pop("size_um_low"), cells.pop("size_um_high")
        distinct = cells.pop("distinct")
        values: dict[str, Any] = dict(cells)
        values |= {name: int(cells[name]) for name in _INTEGERS}
        values |= {name: float(cells[name] or "nan") for name in _FLOATS}
        exemplars = json.loads(cells["exemplars"])
        values["exemplars"] = {kind: tuple(ids) for kind, ids in exemplars.items()}
        values["associations"] = json.loads(cells["associations"])
        return Proposal(
            **values,
            size_um=(float(low), float(high)) if low else None,
            distinct=int(distinct) if distinct else None,
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path}, row {number} cannot be read ({error}): run discovery.cluster again"
        ) from error
