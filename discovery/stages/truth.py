"""Which image of a run has which true type: matched by content, so that moved files still count.

A row of the truth belongs to the images whose id begins with the fingerprint of its file, or to
the one image it names in a column `image_id`; where its file is no longer there, to its path.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.records import warn_of_alike_labels
from embeddings.errors import TableError
from embeddings.paths import takes_paths
from embeddings.tables import read_table
from embeddings.tables.locate import Locator

_FILE_ID = 16  # hex digits of a file's fingerprint, at the start of every image id


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthRow:
    """One row of the truth table; `path` is absolute, `image_id` empty where not given."""

    path: str
    label: str
    image_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """The rows of a run that have a true type.

    Attributes
    ----------
    labels : (m,) int32
        Cluster of each, -1 for noise.
    truth : (m,) array of str
    rows : (m,) intp
        Where they are in the run.
    left_out : int
        Rows of the run without a row in the truth.
    missing : int
        Rows of the truth without an image in the run.
    """

    labels: NDArray[np.int32]
    truth: NDArray[np.str_]
    rows: NDArray[np.intp]
    left_out: int
    missing: int


@takes_paths
def read_truth(path: Path) -> list[TruthRow]:
    """Read a table with `path,label` and perhaps `image_id`; rows without a label are left out.

    Raises
    ------
    TableError
        The file cannot be read, lacks a column, or no row has a label.
    """
    table = read_table(path, required=("path", "label"))
    ids = table["image_id"] if "image_id" in table else pd.Series([""] * len(table), dtype="str")
    paths = Locator(path.parent).locate_all(table["path"].tolist())
    rows = [
        TruthRow(path=place, label=label, image_id=image_id)
        for place, label, image_id in zip(paths, table["label"], ids, strict=True)
        if label
    ]
    if not rows:
        raise TableError(f"{path} has no row with a label: expected path,label with at least one")
    warn_of_alike_labels(path.name, {row.label for row in rows})
    return rows


def match_truth(
    images: pd.DataFrame, truth: Sequence[TruthRow], fingerprints: Mapping[str, str]
) -> Matched:
    """Give each row of a run its true type.

    Parameters
    ----------
    images : DataFrame
        image_id, path and cluster_id, one row a path.
    truth : sequence of TruthRow
    fingerprints : mapping of path to 16 hex digits
        Of the truth's files, as far as they are there.

    Raises
    ------
    TableError
        Two rows of the truth give one image two types, and neither names its path.
    """
    by_image: dict[str, list[int]] = {}  # exact id, or a file's fingerprint -> rows of the truth
    by_path: dict[str, list[int]] = {}
    # The surest key that a row has: its id, else its content, else where it was.
    for place, row in enumerate(truth):
        if row.image_id:
            by_image.setdefault(row.image_id, []).append(place)
        elif row.path in fingerprints:
            by_image.setdefault(fingerprints[row.path], []).append(place)
        else:
            by_path.setdefault(row.path, []).append(place)
    used: set[int] = set()
    found: list[str] = []
    for image_id, path in zip(images["image_id"], images["path"], strict=True):
        absolute = os.path.abspath(path)  # noqa: PTH100 - a link is not followed
        # A crop's own id before its picture's: rows may name single defects of one file.
        places = by_image.get(image_id) or by_image.get(image_id[:_FILE_ID])
        places = places or by_path.get(absolute) or []
        used.update(places)
        found.append(_choose_type([truth[place] for place in places], absolute))
    has_truth = np.array([bool(label) for label in found], dtype=bool)  # (rows,)
    return Matched(
        labels=images["cluster_id"].to_numpy(np.int32)[has_truth],
        truth=np.array([label for label in found if label], dtype=np.str_),
        rows=np.flatnonzero(has_truth),
        left_out=int((~has_truth).sum()),
        missing=len(truth) - len(used),
    )


def _choose_type(rows: Sequence[TruthRow], path: str) -> str:
    """Return the type the rows agree on; where copies of a file disagree, the one of this path."""
    labels = {row.label for row in rows}
    if len(labels) > 1:
        same_path = {row.label for row in rows if row.path == path}
        name = PurePosixPath(path).name
        same_name = {row.label for row in rows if PurePosixPath(row.path).name == name}
        labels = next((some for some in (same_path, same_name) if len(some) == 1), labels)
    if len(labels) > 1:
        few = ", ".join(sorted(labels)[:3])
        raise TableError(
            f"the truth gives {path} the types {few}: say which with a column image_id, "
            "or delete the wrong rows"
        )
    return next(iter(labels), "")
