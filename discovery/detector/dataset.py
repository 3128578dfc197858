"""What a detector learns from and counts in: the pictures a user names, and a table of their boxes.

BOXES.csv has `path,label,xmin,ymin,xmax,ymax` (pixels; `page` where files have several). A picture
that is in the list of images alone has no defect: what it shows is learned as background. A column
`reference` (or `template`) in either table gives the golden image of that very picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.detector.boxes import Boxes
from discovery.records import warn_of_alike_labels
from embeddings.errors import TableError
from embeddings.extract.masks import tell_masks
from embeddings.extract.options import ExtractOptions
from embeddings.extract.references import read_reference_column
from embeddings.extract.sources import open_source
from embeddings.reader import Fault
from embeddings.tables import read_boxes

_EDGES = ["xmin", "ymin", "xmax", "ymax"]
ANY_DEFECT = "defect"  # the one label of a detector that knows no types
_REFERENCE_COLUMNS = ("reference", "template")  # the first that a table has


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRef:
    """Where one picture is: a page of a file, and its golden reference where there is one.

    `file_id`: the fingerprint of the file that is meant, once it is known.
    """

    path: Path
    page: int = 0
    reference: Path | None = None
    file_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One picture with all its boxes; a picture without any is one without defects."""

    ref: PictureRef
    boxes: Boxes


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxExamples:
    """What a detector learns from.

    Attributes
    ----------
    labels : tuple of str
        What the positions in `Boxes.labels` mean.
    items : tuple of Example
        Sorted by path and page.
    faults : tuple of (path, reason)
        What the list of images names and cannot be used.
    """

    labels: tuple[str, ...]
    items: tuple[Example, ...]
    faults: tuple[Fault, ...] = ()


def list_pictures(
    source: Path, exclude: tuple[str, ...] = ()
) -> tuple[tuple[PictureRef, ...], tuple[Fault, ...]]:
    """List the pictures of a source, each with its golden reference where there is one.

    Parameters
    ----------
    source : Path
        A folder, a CSV with a column path, or one image.
    exclude : tuple of str
        Patterns of the files of a folder that are no pictures, such as masks.

    Returns
    -------
    tuple of PictureRef, tuple of (path, reason)
        The pictures, and what looks like one and cannot be used.

    Raises
    ------
    InputError
        The source is absent or has no image.
    """
    options = ExtractOptions(exclude=exclude)
    found = open_source(source, options)
    tell_masks(found, options)
    references = read_references(source)
    refs = (PictureRef(path=path, reference=references.get(str(path))) for path in found.files)
    return tuple(refs), found.quarantined


def read_references(table: Path) -> dict[str, Path]:
    """Return the golden reference of each path that a table gives one for; a folder gives none."""
    named = read_reference_column(table, _REFERENCE_COLUMNS) or {}
    return {path: Path(reference) for path, reference in named.items() if reference}


def read_box_examples(
    table: Path,
    images: Path | None = None,
    *,
    exclude: tuple[str, ...] = (),
    labels: Sequence[str] | None = None,
) -> BoxExamples:
    """Read a table of boxes into one example a picture.

    Parameters
    ----------
    table : Path
        BOXES.csv.
    images : Path, optional
        CSV with a column path, or folder, of all pictures: those without a box are negatives.
    exclude : tuple of str
        Patterns of the files of that folder that are no pictures.
    labels : sequence of str, optional
        The labels to count in, such as a trained detector's; by default those of the table. With
        `ANY_DEFECT` alone every label means it.

    Raises
    ------
    TableError
        A column, label or number is missing or wrong, a label is not one of `labels`, or some
        pictures have a reference and others have none.
    """
    boxes, names = _read_labelled(table, labels)
    references = read_references(table)
    found: dict[tuple[str, int], Boxes] = {}  # by path and page
    for (path, _), rows in boxes.groupby(["path", "page"], sort=False):
        numbers = [names.index(label) for label in rows["label"]]
        found[str(path), int(rows["page"].iloc[0])] = Boxes.make(rows[_EDGES], numbers)
    faults: tuple[Fault, ...] = ()
    if images is not None:
        refs, faults = list_pictures(images, exclude)
        references |= read_references(images)
        # By the real path: a picture with boxes must not come back as one without, by a link.
        known = {Path(path).resolve() for path, _ in found}
        for ref in refs:
            if ref.path.resolve() not in known:
                found[str(ref.path), 0] = Boxes.make([], [])
    items = tuple(
        Example(
            ref=PictureRef(path=Path(path), page=page, reference=references.get(path)),
            boxes=found[path, page],
        )
        for path, page in sorted(found)
    )
    return BoxExamples(labels=names, items=_check_references(items, table), faults=faults)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Positions of the pictures learned from, and of those held out."""

    learned: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split_examples(items: Sequence[Example], share: float, *, seed: int) -> Split:
    """Hold out a share of the pictures: the same share of those with boxes and of those without.

    Each side gets at least one picture with boxes.
    """
    # With the number: a seed alone would hold out the same positions of every data set.
    rng = np.random.default_rng([seed, len(items)])
    has_boxes = np.array([len(item.boxes) > 0 for item in items])
    held: list[NDArray[np.int64]] = []
    for group in (np.flatnonzero(has_boxes), np.flatnonzero(~has_boxes)):
        n = round(share * len(group))
        if len(group) and has_boxes[group[0]]:
            n = min(max(n, 1), len(group) - 1)  # neither side without a defect
        held.append(rng.permutation(group)[:n])
    held_out = np.sort(np.concatenate(held))
    return Split(learned=np.setdiff1d(np.arange(len(items)), held_out), held_out=held_out)


def _read_labelled(
    table: Path, labels: Sequence[str] | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read the boxes and the labels to count in."""
    boxes = read_boxes(table)
    if "label" not in boxes:
        raise TableError(f"{table} has no column label: expected path,label,xmin,ymin,xmax,ymax")
    empty = boxes.index[boxes["label"].eq("")]
    if len(empty):
        raise TableError(
            f"{table}: row {empty[0] + 1} ({Path(boxes['path'][empty[0]]).name}) has no label; "
            "a picture without defects belongs into --images, without a row here"
        )
    # A detector of any defect is scored against tables that know types.
    if labels is not None and tuple(labels) == (ANY_DEFECT,):
        boxes = boxes.assign(label=ANY_DEFECT)
    names = tuple(sorted(boxes["label"].unique())) if labels is None else tuple(labels)
    warn_of_alike_labels(table.name, set(boxes["label"]), names)
    unknown = sorted(set(boxes["label"]) - set(names))
    if unknown:
        raise TableError(
            f"{table} has the label {unknown[0]!r}, which the model was not taught: expected "
            f"{', '.join(names)}"
        )
    return boxes, names


def _check_references(items: tuple[Example, ...], table: Path) -> tuple[Example, ...]:
    # A network of three channels cannot do without the third in some pictures.
    without = [item.ref.path for item in items if item.ref.reference is None]
    if 0 < len(without) < len(items):
        raise TableError(
            f"{table}: {len(without)} of {len(items)} pictures have no reference, the first is "
            f"{without[0].name}: give every picture one, or leave the column out"
        )
    return items
