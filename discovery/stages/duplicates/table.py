"""duplicates.csv: every file that is a copy, and what it is a copy of; and back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.records.duplicates import Duplicates
from embeddings.errors import RunError
from embeddings.files import format_csv, parse_csv

COLUMNS = ("group", "image_id", "path", "kind", "similarity", "kept")


def tabulate_duplicates(duplicates: Duplicates, paths: Sequence[tuple[str, ...]]) -> bytes:
    """Write the groups of two files or more as CSV, one row a file.

    `kind` is ``kept`` for the file that stands for the group, ``exact`` for one with the bytes of
    an image before it, ``near`` for another image; `kept` is the image id of the one kept.

    Parameters
    ----------
    paths : n tuples of str
        Every path of each image.
    """
    copied = np.bincount(duplicates.groups, weights=duplicates.files) > 1  # a group
    name_of = dict(
        zip(
            duplicates.groups[duplicates.kept].tolist(),
            duplicates.ids[duplicates.kept].tolist(),
            strict=True,
        )
    )
    rows: list[Sequence[str]] = [COLUMNS]
    number: dict[int, int] = {}
    # The one that is kept first, then by id: the order of the images does not show.
    order = np.lexsort((duplicates.ids, ~duplicates.kept, duplicates.groups))
    for i in order.tolist():
        group = int(duplicates.groups[i])
        if not copied[group]:
            continue
        # Groups without a copy are not in the table, so they are numbered as they come.
        label = str(number.setdefault(group, len(number)))
        image_id, similarity = str(duplicates.ids[i]), f"{duplicates.similarities[i]:.3f}"
        kind = "kept" if duplicates.kept[i] else "near"
        for place, path in enumerate(paths[i]):
            judged = (kind, similarity) if place == 0 else ("exact", "1.000")
            rows.append((label, image_id, path, *judged, name_of[group]))
    return format_csv(rows)


def group_files(ids: Sequence[str], data: bytes | None = None) -> NDArray[np.int32]:
    """Return the group of copies of each file, (m,), by image id and, where given, the CSV.

    Parameters
    ----------
    ids : m str
        Of the files of a run, one a path.
    data : bytes, optional
        duplicates.csv; without it exact copies alone are grouped.

    Raises
    ------
    RunError
        The CSV does not fit the run.
    """
    found, where, counts = np.unique(
        np.array(ids, dtype=np.str_), return_inverse=True, return_counts=True
    )
    if data is None:
        return where.astype(np.int32)
    return read_duplicates(data, found, counts.astype(np.int32)).groups[where]


def read_duplicates(data: bytes, ids: NDArray[np.str_], counts: NDArray[np.int32]) -> Duplicates:
    """Read duplicates.csv of a run with these (n,) ids, each with so many paths.

    Raises
    ------
    RunError
        It lacks a column, or names an image that is not of the run.
    """
    records = parse_csv(data)
    if records and tuple(records[0]) != COLUMNS:
        raise RunError(f"duplicates.csv does not have the columns {','.join(COLUMNS)}")
    where = {image_id: i for i, image_id in enumerate(ids.tolist())}
    leaders = np.arange(len(ids))
    similarities = np.ones(len(ids), np.float32)
    for record in records:
        try:
            i, leader = where[record["image_id"]], where[record["kept"]]
            # Exact copies share an image id: they are in `counts` already.
            if record["kind"] != "exact":
                leaders[i], similarities[i] = leader, float(record["similarity"])
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(
                f"duplicates.csv does not fit the run ({error}): run discovery.cluster again"
            ) from error
    first, groups = np.unique(leaders, return_inverse=True)
    kept = np.zeros(len(ids), bool)
    kept[first] = True
    return Duplicates(
        ids=ids,
        groups=groups.astype(np.int32),
        kept=kept,
        similarities=similarities,
        files=counts,
    )
