"""What tables say of each image beside its pixels: joined to the images, put into the store.

Rows are joined by the endings of paths (`embeddings.tables.join`). What is said of images that a
store holds already is noted there without reading them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from embeddings.bounded import parse_json
from embeddings.console import get_logger
from embeddings.errors import ImageError, InputError, TableError
from embeddings.extract.references import ALL_PAGES, COLUMN
from embeddings.images import fingerprint_file
from embeddings.paths import takes_paths
from embeddings.plurals import tell_count
from embeddings.records import DEFECT_BOX, KLARF_FILE, NOTES
from embeddings.store import Store, StoreWriter, open_store
from embeddings.tables import is_klarf, read_metadata
from embeddings.tables.join import join_paths

Joined = Mapping[str, Mapping[int, str]]  # a JSON object by path and page


def join_metadata(table: Path | None, paths: Sequence[str]) -> dict[str, dict[int, str]]:
    """Return for each path a JSON object by page; `ALL_PAGES` where the table has no pages.

    Raises
    ------
    TableError
        The table cannot be read, a row fits several images, or rows of one image differ.
    InputError
        No row is of one of these files: it is the wrong table.
    """
    if table is None:
        return {}
    frame = read_metadata(table)
    found = join_paths(list(frame.index), paths, table, are_copies=are_copies)
    listed = name_klarf(table)
    joined: dict[str, dict[int, str]] = {}
    row_of: dict[tuple[str, int], str] = {}
    for name, row in zip(frame.index, frame.to_dict("records"), strict=True):
        page = int(row.pop("page", ALL_PAGES))
        known = {str(key): value for key, value in row.items() if value != ""} | listed
        text = json.dumps(known)
        for path in found.images.get(name, ()):
            first = row_of.setdefault((path, page), name)
            if joined.setdefault(path, {}).setdefault(page, text) != text:
                where = path if page == ALL_PAGES else f"page {page} (counted from 0) of {path}"
                raise TableError(
                    f"{table}: {first} and {name} say different things of {where}: keep one, or "
                    "write the folders that tell them apart"
                )
    lost = found.describe_lost()
    get_logger().info(
        "metadata: %d of %s in %s%s",
        len(joined), tell_count(len(paths), "image has a row", "images have a row"), table,
        f"; of its {tell_count(len(frame), 'row')} {lost}" if lost else "",
    )  # fmt: skip
    if not joined:
        raise InputError(f"--metadata {table}: no row has the file name of an image of the source")
    return joined


@takes_paths
def add_metadata(path: Path, table: Path) -> Store:
    """Give the images of a store what a table says of them, and return the store as it is then.

    No image is read, and no vector computed. All is committed at once, or nothing.

    Raises
    ------
    TableError, InputError
        As `join_metadata`.
    StoreError
        The store cannot be read or written.
    """
    store = open_store(path)
    joined = join_metadata(table, store.files()["path"].tolist())
    with store.write() as writer:
        store = store.refresh()  # nobody else writes from here on
        note_changes(joined, store, writer, files=store.files())
    return store.refresh()


def note_changes(
    joined: Joined, store: Store, writer: StoreWriter, *, files: pd.DataFrame
) -> "MetadataChanges":
    """Give the images of files in a store what tables say of them; the caller commits."""
    changes = find_changes(joined, files, store.rows(), keeps_references=store.spec.compares)
    if changes.texts:
        writer.set_metadata(changes.texts)
        get_logger().info("%s", changes.describe())
    return changes


def are_copies(paths: Sequence[str]) -> bool:
    """Tell whether files hold the same bytes."""
    try:
        sizes = {Path(path).stat().st_size for path in paths}
        return len(sizes) == 1 and len({fingerprint_file(Path(path)) for path in paths}) == 1
    except (OSError, ImageError):
        return False


def name_klarf(table: Path | None) -> dict[str, str]:
    """Return what notes that images are listed in this table, where it is a KLARF."""
    if table is None or not is_klarf(table):
        return {}
    return {KLARF_FILE: str(table.absolute())}


def note_box(text: str, box: Sequence[float], *, listed: Mapping[str, str]) -> str:
    """Note a defect's box in the metadata of its crop, and where it was listed."""
    known = {**listed, **(parse_json(text) if text else {})}
    return json.dumps({**known, DEFECT_BOX: [round(float(edge), 3) for edge in box[:4]]})


def pick_page(pages: Mapping[int, str], page: int) -> str:
    """Return what is known of one page, or of all of them, or nothing."""
    return pages.get(page, pages.get(ALL_PAGES, ""))


def find_changes(
    joined: Joined, files: pd.DataFrame, rows: pd.DataFrame, *, keeps_references: bool
) -> "MetadataChanges":
    """Say what a table changes of the metadata that a store's rows have.

    What the table says goes before what was known; what it does not say stays.

    Parameters
    ----------
    joined : mapping of path and page to JSON
    files : DataFrame
        Columns path, file_id.
    rows : DataFrame
        Of the store.
    keeps_references : bool
        Vectors were made with the references that rows name: another one is not written.
    """
    path_of = dict(zip(files["file_id"][::-1], files["path"][::-1], strict=True))  # first by name
    columns = (rows[name].tolist() for name in ("image_id", "file_id", "page", "metadata"))
    texts: dict[str, str] = {}
    added: dict[str, int] = {}
    altered: dict[str, int] = {}
    outdated = 0
    for image_id, file_id, page, metadata in zip(*columns, strict=True):
        said = pick_page(joined.get(path_of.get(file_id, ""), {}), page)
        if not said:
            continue
        known, new = parse_json(metadata or "{}"), parse_json(said)
        if keeps_references and new.get(COLUMN, known.get(COLUMN)) != known.get(COLUMN):
            outdated += 1
            del new[COLUMN]
        changed = [name for name, value in new.items() if known.get(name) != value]
        for name in changed:
            counted = altered if name in known else added
            counted[name] = counted.get(name, 0) + 1
        if changed:
            texts[image_id] = json.dumps(known | new)
    return MetadataChanges(texts=texts, added=added, altered=altered, outdated=outdated)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataChanges:
    """What a table says that a store does not know yet.

    Attributes
    ----------
    texts : mapping of image id to JSON
        The metadata as they are to be, of images of which something changes.
    added, altered : mapping of str to int
        How many images get a column that they had not, or another value in one they had.
    outdated : int
        Images that would have another golden reference.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, int] = field(default_factory=dict)
    altered: Mapping[str, int] = field(default_factory=dict)
    outdated: int = 0

    def describe(self) -> str:
        """Say what changes, in a line."""
        parts = [
            f"{what} {', '.join(f'{name} ({n})' for name, n in counts.items())}"
            for what, counts in (("new:", self._tell(self.added)),
                                 ("changed:", self._tell(self.altered)))
            if counts
        ]  # fmt: skip
        if KLARF_FILE in {*self.added, *self.altered}:
            parts.append("the KLARF that lists them is noted")
        return "; ".join(
            [f"metadata of {tell_count(len(self.texts), 'image')} in the store changed", *parts]
        )

    @staticmethod
    def _tell(counts: Mapping[str, int]) -> dict[str, int]:
        # Notes of the store's own are no columns.
        return {name: n for name, n in counts.items() if name not in NOTES}
