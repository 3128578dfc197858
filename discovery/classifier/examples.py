"""Labelled images, from a handoff or any CSV with path and label: what is learned, and how firmly.

A label that a person gave to the image counts fully. One that came with the image's proposal counts
by membership, and less where a person gave other images of that proposal another label: what was
found impure is not believed in full. Noise and images without a label are not learned.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.formats.handoff import (
    digest_rows,
    find_group_labels,
    find_handoff,
    read_handoff,
    read_known_types,
)
from discovery.records import NOISE, warn_of_alike_labels
from embeddings.alike_faults import fold_faults
from embeddings.errors import HandoffError, ImageError
from embeddings.files import hash_bytes, hash_file
from embeddings.images import fingerprint_file, image_id, read_headers
from embeddings.paths import takes_paths
from embeddings.plurals import tell_count
from embeddings.reader import Fault, Part, name_part
from embeddings.reading import find_reading

_SHOWN = 3  # examples named in an error; the rest are counted
# Of a member at the very edge of its cluster: a type of such members alone is still learned.
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """n labelled images, each once.

    Attributes
    ----------
    parts : tuple of Part
    labels : (n,) array of str
    weights : (n,) float32 in [0, 1]
    faults : tuple of (path, reason)
        Files that are gone or cannot be read.
    left_out : int
        Rows of a handoff without a label, or in no cluster and not labelled by a person.
    definitions : mapping of label to str
    store : mapping
        The store that the handoff names; empty for other tables.
    source : str
        "handoff" or "table".
    sha256 : str
        Of the handoff's rows, or of the table's bytes.
    """

    parts: tuple[Part, ...]
    labels: NDArray[np.str_]
    weights: NDArray[np.float32]
    faults: tuple[Fault, ...] = ()
    left_out: int = 0
    definitions: Mapping[str, str] = field(default_factory=dict)
    store: Mapping[str, Any] = field(default_factory=dict)
    source: str = "table"
    sha256: str

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def digest(self) -> str:
        """sha256 over image ids, labels and weights: what was learned, whatever the file's name."""
        rows = [
            [part.image_id, label, round(float(weight), 6)]
            for part, label, weight in zip(
                self.parts, self.labels.tolist(), self.weights, strict=True
            )
        ]
        return hash_bytes(json.dumps(sorted(rows)).encode())

    def take(self, positions: NDArray[np.intp]) -> "Examples":
        """Return the examples at these positions."""
        chosen = {name: getattr(self, name) for name in self.__slots__}
        chosen["parts"] = tuple(self.parts[i] for i in positions.tolist())
        chosen["labels"], chosen["weights"] = self.labels[positions], self.weights[positions]
        return Examples(**chosen)


@takes_paths
def read_examples(path: Path) -> Examples:
    """Read labelled images from a handoff (CSV, JSON or their folder) or a CSV with path,label.

    Raises
    ------
    HandoffError
        The file cannot be used, no row is labelled, every image is gone, or an image has two
        labels.
    """
    table = find_handoff(path)
    if table is None:
        rows = read_known_types(path)
        warn_of_alike_labels(path.name, set(rows["label"]))
        rows = rows.assign(weight=np.float32(1))
        return _make_examples(rows, path, source="table", sha256=hash_file(path))
    handoff = read_handoff(table)
    labelled = handoff.rows[handoff.rows["label"] != ""]
    by_cluster = labelled["image_id"].isin(find_group_labels(handoff))
    kept = labelled[~(by_cluster & (labelled["cluster_id"] == NOISE))]
    if kept.empty:
        raise HandoffError(
            f"{table}: none of its {tell_count(len(handoff.rows), 'row')} has a label: fill its "
            "column label, or name its proposals, first"
        )
    warn_of_alike_labels(table.name, set(kept["label"]))
    doubtful = (kept["membership"] * _measure_agreement(kept, by_cluster[kept.index])).clip(
        lower=_LEAST_WEIGHT
    )
    weights = np.where(by_cluster[kept.index], doubtful, 1.0)
    return _make_examples(
        kept[["image_id", "path", "label"]].assign(weight=weights.astype(np.float32)),
        table,
        source="handoff",
        sha256=digest_rows(handoff.rows),  # held against that of handoff.json by read_handoff
        left_out=len(handoff.rows) - len(kept),
        definitions={kind.label: kind.definition for kind in handoff.types if kind.definition},
        store=handoff.store,
    )


def _measure_agreement(labelled: pd.DataFrame, by_cluster: "pd.Series[bool]") -> "pd.Series[float]":
    """Return how much of each row's proposal bears its label and not another from a person."""
    keys = [labelled["proposal_id"], labelled["label"]]
    bearing = labelled.groupby(keys)["label"].transform("size")
    by_person = (~by_cluster).groupby(labelled["proposal_id"]).transform("sum")
    agreeing = (~by_cluster).groupby(keys).transform("sum")
    return bearing / (bearing + by_person - agreeing)


def _make_examples(rows: pd.DataFrame, table: Path, **facts: Any) -> Examples:
    parts: list[Part] = []
    labels: list[str] = []
    weights: list[float] = []
    faults: list[Fault] = []
    seen: dict[str, int] = {}  # image id -> position
    reading = find_reading(facts.get("store", {}))
    fingerprint = functools.cache(fingerprint_file)  # a file of a thousand tiles is read once
    for name, path, label, weight in rows[["image_id", "path", "label", "weight"]].itertuples(
        index=False, name=None
    ):
        try:
            found = _identify(name, path, fingerprint, reading=reading)
        except ImageError as error:
            faults.append((path, str(error)))
            continue
        for part in found:
            if (position := seen.setdefault(part.image_id, len(parts))) < len(parts):
                _check_agreement(table, (parts[position].path, labels[position]), (path, label))
                weights[position] = max(weights[position], float(weight))  # the firmer row counts
                continue
            parts.append(part)
            labels.append(label)
            weights.append(float(weight))
    if not parts:
        raise HandoffError(
            f"{table}: none of its {len(rows)} labelled images can be read "
            f"(the first: {': '.join(faults[0])}): put the files back, or mend the column path"
        )
    order = sorted(range(len(parts)), key=lambda i: (parts[i].path, parts[i].image_id))
    return Examples(
        parts=tuple(parts[i] for i in order),
        labels=np.array([labels[i] for i in order], dtype=np.str_),
        weights=np.array([weights[i] for i in order], dtype=np.float32),
        faults=tuple(faults),
        **facts,
    )


def _identify(
    name: str, path: str, fingerprint: Callable[[Path], str], *, reading: int
) -> Sequence[Part]:
    """Return the image that a row names; all pages of a file where it names none."""
    file = Path(path)
    if not file.is_file():
        raise ImageError("file not found")
    file_id = fingerprint(file)
    if name:
        if name[:16] != file_id:
            raise ImageError("is no longer the file that was labelled: its content has changed")
        return [name_part(name, path)]
    return [
        Part(
            image_id=image_id(file_id, page=header.page, n_pages=header.n_pages),
            path=path,
            page=header.page,
        )
        for header in read_headers(file, reading=reading)
        if header.is_picture
    ]


def _check_agreement(table: Path, first: tuple[str, str], second: tuple[str, str]) -> None:
    if first[1] != second[1]:
        raise HandoffError(
            f"{table}: one image has two labels, {first[1]!r} ({first[0]}) and {second[1]!r} "
            f"({second[0]}): exact copies must agree, give them one label"
        )


def describe_faults(faults: Sequence[Fault]) -> str:
    """Name the first of the files that could not be used for one reason, and count the rest."""
    return "; ".join(fold_faults(faults, most=_SHOWN))
