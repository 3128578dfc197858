"""Read what a detector learns from: a table of boxes, and the list of all pictures.

BOXES.csv has `path,label,xmin,ymin,xmax,ymax` (pixels; `page` where files have several). A picture
that is in the list of images alone has no defect: what it shows is learnt as background. A column
`reference` (or `template`) in either table gives the golden image of that very picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from discovery.hierarchy.counting.records import Boxes, Example, Place
from embeddings.errors import TableError
from embeddings.tables import read_boxes, read_table
from embeddings.tables.delimited import resolve_path

_EDGES = ["xmin", "ymin", "xmax", "ymax"]
_REFERENCES = ("reference", "template")
ANY_DEFECT = "defect"  # the one label of a detector that is told no types


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Pictures with their boxes, sorted by path and page, and the labels these count in."""

    labels: tuple[str, ...]
    items: tuple[Example, ...]


def read_examples(
    table: Path, images: Path | None = None, *, labels: Sequence[str] | None = None
) -> Examples:
    """Read a table of boxes into one example a picture.

    Parameters
    ----------
    table : Path
        BOXES.csv.
    images : Path, optional
        CSV with a column path, or folder, of all pictures: those without a box are negatives.
    labels : sequence of str, optional
        The labels to count in, such as a trained detector's; by default those of the table. With
        `ANY_DEFECT` alone every label means it.

    Raises
    ------
    TableError
        A column, label or number is missing or wrong, a label is not one of `labels`, or some
        pictures have a reference and others have none.
    """
    boxes = read_boxes(table)
    if "label" not in boxes:
        raise TableError(f"{table} has no column label: expected path,label,xmin,ymin,xmax,ymax")
    empty = boxes.index[boxes["label"].eq("")]
    if len(empty):
        raise TableError(
            f"{table}: row {empty[0] + 1} ({Path(boxes['path'][empty[0]]).name}) has no label; "
            "a picture without defects belongs into --images, without a row here"
        )
    if labels is not None and tuple(labels) == (ANY_DEFECT,):
        boxes = boxes.assign(label=ANY_DEFECT)
    names = tuple(sorted(boxes["label"].unique())) if labels is None else tuple(labels)
    unknown = sorted(set(boxes["label"]) - set(names))
    if unknown:
        raise TableError(
            f"{table} has the label {unknown[0]!r}, which the model was not taught: expected "
            f"{', '.join(names)}"
        )
    references = read_references(table)
    rows: dict[tuple[str, int], list[int]] = {}
    for row, place in enumerate(zip(boxes["path"], boxes["page"], strict=True)):
        rows.setdefault(place, []).append(row)
    found = {place: _hold(boxes.iloc[held], names) for place, held in rows.items()}
    if images is not None:
        references |= read_references(images)
        with_boxes = {path for path, _ in found}
        for path in list_paths(images):
            if path not in with_boxes:
                found[path, 0] = Boxes.make([], [])
    items = tuple(
        Example(place=_place(path, page, references), boxes=found[path, page])
        for path, page in sorted(found)
    )
    return Examples(labels=names, items=_check_references(items, table))


def read_references(table: Path) -> dict[str, Path]:
    """Return the golden reference of each path that a table gives one for.

    A folder gives none.
    """
    if not _is_table(table):
        return {}
    rows = read_table(table, required=("path",))
    column = next((name for name in rows if str(name).lower() in _REFERENCES), None)
    if column is None:
        return {}
    return {
        str(resolve_path(path, table.parent)): resolve_path(reference, table.parent)
        for path, reference in zip(rows["path"], rows[column], strict=True)
        if reference
    }


def list_paths(source: Path) -> list[str]:
    """Return the absolute paths of a CSV's column path, of a folder's images, or of one image.

    Raises
    ------
    InputError
        The source is absent or has no image.
    """
    from embeddings.extract.options import ExtractOptions
    from embeddings.extract.sources import open_source

    found = open_source(source, ExtractOptions())
    # What cannot be read is told when its turn comes, as for the files that are there.
    return [*map(str, found.files), *(path for path, _ in found.quarantined)]


def list_places(source: Path) -> list[Place]:
    """Return the pictures of a source with the golden references that its table gives.

    Raises
    ------
    InputError
        The source is absent or has no image.
    """
    references = read_references(source)
    return [Place(path=Path(p), reference=references.get(p)) for p in list_paths(source)]


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in (".csv", ".tsv", ".txt") and path.is_file()


def _hold(rows: pd.DataFrame, labels: tuple[str, ...]) -> Boxes:
    return Boxes.make(rows[_EDGES].to_numpy(), [labels.index(label) for label in rows["label"]])


def _place(path: str, page: int, references: Mapping[str, Path]) -> Place:
    return Place(path=Path(path), page=page, reference=references.get(path))


def _check_references(items: tuple[Example, ...], table: Path) -> tuple[Example, ...]:
    without = [item.place.path for item in items if item.place.reference is None]
    if 0 < len(without) < len(items):
        raise TableError(
            f"{table}: {len(without)} of {len(items)} pictures have no reference, the first is "
            f"{without[0].name}: give every picture one, or leave the column out"
        )
    return items
