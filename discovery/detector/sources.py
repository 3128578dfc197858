"""Find the pictures a user names: a folder, a CSV with a column path, or one image.

A column `reference` (or `template`) of the CSV gives the golden image of that very picture.
"""

from dataclasses import dataclass
from pathlib import Path

from discovery.detector.records import Place, Unreadable
from embeddings.extract.options import ExtractOptions
from embeddings.extract.sources import open_source
from embeddings.tables import read_table
from embeddings.tables.delimited import resolve_path

_COLUMNS = ("reference", "template")
_TABLES = (".csv", ".tsv", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The pictures of a source, and what looks like one and cannot be used."""

    places: tuple[Place, ...]
    faults: tuple[Unreadable, ...]


def list_places(source: Path) -> Listing:
    """List the pictures of a source, each with its golden reference where there is one.

    Raises
    ------
    InputError
        The source is absent or has no image.
    """
    found = open_source(source, ExtractOptions())
    references = read_references(source)
    return Listing(
        places=tuple(Place(path=p, reference=references.get(str(p))) for p in found.files),
        faults=tuple(Unreadable(path=Path(p), reason=why) for p, why in found.quarantined),
    )


def read_references(table: Path) -> dict[str, Path]:
    """Return the golden reference of each path that a table gives one for; a folder gives none."""
    if table.suffix.lower() not in _TABLES or not table.is_file():
        return {}
    rows = read_table(table, required=("path",))
    column = next((name for name in rows if str(name).lower() in _COLUMNS), None)
    if column is None:
        return {}
    return {
        str(resolve_path(path, table.parent)): resolve_path(reference, table.parent)
        for path, reference in zip(rows["path"], rows[column], strict=True)
        if reference
    }
