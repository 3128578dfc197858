"""Which files and rows are meant: a folder, a CSV or one image, minus what is not asked for."""

import os
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.errors import ImageError, InputError, OptionError, TableError
from embeddings.extract.options import ExtractOptions
from embeddings.extract.recipe import Recipe
from embeddings.images import find_images, fingerprint_file
from embeddings.odd_names import real_path, spell_path
from embeddings.paths import tell_absence
from embeddings.plurals import tell_count
from embeddings.tables import list_named, read_image_list, read_table
from embeddings.tables.locate import Locator, fold_name
from embeddings.tables.sheet import TABLE_SUFFIXES

# Verdicts of `assign` and `predict` that send an image back to discovery.
OPEN_VERDICTS = ("unknown", "undecided")

Quarantined = tuple[tuple[str, str], ...]

NO_FILES = pd.DataFrame(
    {"path": pd.Series(dtype="str"), "file_id": pd.Series(dtype="str"),
     "size": pd.Series(dtype="int64"), "mtime_ns": pd.Series(dtype="int64")}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The files of a source, sorted, before any is read.

    `root` is the folder that was searched: a file once seen under it and now gone is forgotten.
    `idle` are patterns of --exclude that left nothing out.
    """

    files: tuple[Path, ...]
    quarantined: Quarantined
    ignored: int
    root: Path | None
    idle: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprinted:
    """Files with the hash of their bytes: columns path, file_id, size, mtime_ns."""

    files: pd.DataFrame
    quarantined: Quarantined


def open_source(source: Path, options: ExtractOptions) -> Source:
    """Find the files of a folder, of a CSV with a column ``path``, or the one image given.

    Raises
    ------
    InputError
        The source is absent, or has no image.
    """
    try:
        status = source.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        state = tell_absence(source) if missing else f"{source} cannot be read ({error.strerror})"
        raise InputError(
            f"{state}; expected a folder of images or a CSV with a column path"
        ) from error
    ignored = 0
    root: Path | None = None
    quarantined: Quarantined = ()
    idle: tuple[str, ...] = ()
    if stat.S_ISDIR(status.st_mode):
        named = _list_named(options)
        is_named = (lambda name: fold_name(name) in named) if named else None
        found = find_images(source, exclude=options.exclude, is_named=is_named)
        quarantined = tuple((str(path), reason) for path, reason in found.quarantined)
        files, ignored, root = found.files, found.ignored, _absolute(source)
        idle = found.idle
    elif options.exclude:
        raise OptionError(f"--exclude is for a folder; {source} is a file: leave rows out of it")
    elif source.suffix.lower() in TABLE_SUFFIXES and stat.S_ISREG(status.st_mode):
        files, quarantined = _list_files(source)
    else:
        files = (_absolute(source),)
    if not files and not quarantined and options.exclude:
        # Left out by the user's own words, or not there at all: one more look tells which.
        open_source(source, replace(options, exclude=()))
        patterns = " ".join(f"'{pattern}'" for pattern in options.exclude)
        raise OptionError(
            f"--exclude {patterns} leaves out every image of {source}: expected patterns that "
            "leave some, such as 'masks/*'"
        )
    if not files and not quarantined:
        raise InputError(
            f"{source} holds no image ("
            f"{tell_count(ignored, 'other file was', 'other files were')} ignored); expected "
            "JPEG, PNG, TIFF or other image files, or a CSV with a column path"
        )
    return Source(files=files, quarantined=quarantined, ignored=ignored, root=root, idle=idle)


def _list_named(options: ExtractOptions) -> frozenset[str]:
    """Return the names that tables have for images, which tools give endings of their own."""
    tables = [table for table in (options.boxes, options.metadata) if table is not None]
    return frozenset().union(*(list_named(table) for table in tables))


def _absolute(path: Path) -> Path:
    # normalised, not resolved: a link keeps the name its user gave it, as find_images does
    return spell_path(Path(os.path.abspath(path)))  # noqa: PTH100


def _list_files(table: Path) -> tuple[tuple[Path, ...], Quarantined]:
    """Return the files of a list that are there, and the others with the reason."""
    there: list[Path] = []
    absent: list[tuple[str, str]] = []
    for path in map(Path, read_image_list(table)["path"]):
        # Named by the user, so what is not there is told, where a folder would just not list it.
        try:
            real_path(path).stat()
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            reason = "file not found" if missing else f"cannot be read: {error.strerror}"
            absent.append((str(path), reason))
        else:
            there.append(spell_path(path))
    return tuple(there), tuple(absent)


def fingerprint_files(files: Sequence[Path], known: pd.DataFrame, *, workers: int) -> Fingerprinted:
    """Hash each file, or take the hash of `known` where size and time of change are the same.

    Parameters
    ----------
    known : DataFrame
        Columns path, file_id, size, mtime_ns, as `Store.files` returns them.
    """
    # By size and time of change to the nanosecond, as git does: hashing reads every byte.
    remembered = {
        path: (int(size), int(mtime), file_id)
        for path, size, mtime, file_id in zip(
            known["path"], known["size"], known["mtime_ns"], known["file_id"], strict=True
        )
    }
    # hashlib lets other threads run while it works.
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(lambda path: _fingerprint(path, remembered), files))
    rows = [row for row, _ in results if row is not None]
    frame = pd.DataFrame(rows, columns=["path", "file_id", "size", "mtime_ns"])
    return Fingerprinted(
        files=frame.astype({"path": "str", "file_id": "str"}),
        quarantined=tuple(fault for _, fault in results if fault is not None),
    )


def _fingerprint(
    path: Path, remembered: Mapping[str, tuple[int, int, str]]
) -> tuple[tuple[str, str, int, int] | None, tuple[str, str] | None]:
    try:
        status = real_path(path).stat()
        size, mtime, file_id = remembered.get(str(path), (-1, -1, ""))
        if (size, mtime) != (status.st_size, status.st_mtime_ns):
            file_id = fingerprint_file(path)
    except ImageError as error:
        return None, (str(path), str(error))
    except OSError as error:
        return None, (str(path), f"cannot be read: {error.strerror}")
    return (str(path), file_id, status.st_size, status.st_mtime_ns), None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyList:
    """The images of an ``--only`` CSV: by their ids, or by their paths.

    A file's id stands for all its pages, tiles and crops; a page's for all of that page.
    """

    table: Path
    ids: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    file_ids: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "file_ids", frozenset(one[:16] for one in self.ids))

    def has_file(self, path: str, file_id: str) -> bool:
        """Tell whether the file, or a part of it, is on the list."""
        return path in self.paths or file_id in self.file_ids

    def __call__(self, path: str, image_id: str) -> bool:
        """Tell whether this image, page, tile or crop is on the list."""
        whole = image_id.split("@")[0]  # the page of a tile or crop; its first 16 are the file's
        return path in self.paths or not self.ids.isdisjoint((image_id, whole, whole[:16]))


def read_only_list(table: Path) -> OnlyList:
    """Read an ``--only`` CSV with a column ``image_id`` or ``path``.

    Where it has a column ``verdict``, its unknown and undecided rows count.

    Raises
    ------
    TableError
        It has neither column, or lists nothing.
    """
    if not table.exists():
        raise TableError(
            f"--only {tell_absence(table)}; expected a CSV with a column image_id or path: list "
            "the images there"
        )
    frame = read_table(table, required=())
    if not {"image_id", "path"} & set(frame.columns):
        raise TableError(
            f"{table}: has the columns {', '.join(map(str, frame.columns))}; "
            "expected image_id or path"
        )
    # What `assign` or `predict` wrote: the images it has named are done with.
    if "verdict" in frame.columns:
        frame = frame[frame["verdict"].isin(OPEN_VERDICTS)]
    if frame.empty:
        raise TableError(f"{table}: lists no image (verdicts unknown and undecided count)")
    # The id goes first: a path may have moved since the table was written.
    if "image_id" in frame.columns:
        return OnlyList(table=table, ids=frozenset(frame["image_id"]))
    paths = frozenset(Locator(table.parent).locate_all(frame["path"].tolist()))
    return OnlyList(table=table, paths=paths)


def select_files(files: pd.DataFrame, recipe: Recipe, only: OnlyList | None) -> pd.DataFrame:
    """Leave out files without a box, and those that --only does not list.

    Raises
    ------
    OptionError
        --only lists none of the files.
    """
    kept = files
    if recipe.boxes is not None:
        kept = kept[kept["path"].isin(list(recipe.boxes))]
    if only is not None:
        mask = [only.has_file(p, f) for p, f in zip(kept["path"], kept["file_id"], strict=True)]
        kept = kept[mask]
        if kept.empty:
            raise refuse_list(only)
    return kept.reset_index(drop=True)


def refuse_list(only: OnlyList) -> OptionError:
    """Say that a list names none of the files, and what would."""
    what = "paths, from the folder of the list," if only.paths else "ids"
    return OptionError(
        f"--only {only.table}: none of its images is in the source; expected {what} of images of "
        "the source: give the source that the list was made of, or leave --only out"
    )


def order_ids(
    rows: pd.DataFrame, files: pd.DataFrame, *, recipe: Recipe, only: OnlyList | None
) -> NDArray[np.str_]:
    """Return the ids of the files' rows: by path, then page, then position.

    Parameters
    ----------
    rows : DataFrame
        The store's rows of this recipe.
    files : DataFrame
        Columns path and file_id, in order.
    """
    # An image of several paths takes the place of the first.
    first = files.drop_duplicates("file_id").reset_index(drop=True)
    place = pd.Series(first.index, index=first["file_id"])
    mine = rows[rows["file_id"].isin(place.index)]
    if recipe.boxes is not None:
        wanted = {
            crop
            for path, file_id in zip(files["path"], files["file_id"], strict=True)
            for crop in recipe.crop_ids(path, file_id)
        }
        mine = mine[mine["image_id"].isin(list(wanted))]
    if only is not None:
        paths = first["path"].loc[mine["file_id"].map(place)]
        mine = mine[[only(p, i) for p, i in zip(paths, mine["image_id"], strict=True)]]
    order = mine.assign(place=mine["file_id"].map(place))
    order = order.sort_values(["place", "page", "y0", "x0", "image_id"])
    return order["image_id"].to_numpy(dtype=np.str_)


def is_under(path: str, root: Path | None) -> bool:
    """Tell whether a file lies in the folder that was searched, by name alone."""
    # The files may be gone: nothing is asked of the disk.
    return root is not None and path.startswith(str(root).rstrip(os.sep) + os.sep)
