"""Which files are meant: a folder, a CSV or one image, minus what is excluded or not asked for."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from embeddings.errors import ImageError, InputError, TableError
from embeddings.extract.options import ExtractOptions
from embeddings.images import find_images, fingerprint_file
from embeddings.tables import read_image_list, read_table

# Verdicts of `assign` and `predict` that send an image back to discovery.
OPEN_VERDICTS = ("unknown", "undecided")

Quarantined = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The files of a source, sorted, before any is read.

    `root` is the folder that was searched: a file once seen under it and now gone is forgotten.
    """

    files: tuple[Path, ...]
    quarantined: Quarantined
    ignored: int
    root: Path | None


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
    if not source.exists():
        raise InputError(
            f"{source} does not exist; expected a folder of images or a CSV with a column path"
        )
    if source.is_dir():
        found = find_images(source, exclude=options.exclude)
        quarantined = tuple((str(path), reason) for path, reason in found.quarantined)
        files, ignored, root = found.files, found.ignored, source.resolve()
    elif source.suffix.lower() in (".csv", ".tsv", ".txt"):
        files, quarantined = _list_files(source)
        ignored, root = 0, None
    else:
        files, quarantined, ignored, root = (source.resolve(),), (), 0, None
    if not files and not quarantined:
        raise InputError(
            f"{source} holds no image ({ignored} other files were ignored); expected JPEG, PNG, "
            "BMP or TIFF files, or a CSV with a column path"
        )
    return Source(files=files, quarantined=quarantined, ignored=ignored, root=root)


def _list_files(table: Path) -> tuple[tuple[Path, ...], Quarantined]:
    listed = [Path(path) for path in read_image_list(table)["path"]]
    absent = tuple((str(path), "file not found") for path in listed if not path.exists())
    return tuple(path for path in listed if path.exists()), absent


def fingerprint_files(files: Sequence[Path], known: pd.DataFrame, *, workers: int) -> Fingerprinted:
    """Hash each file, or take the hash of `known` where size and time of change are the same.

    Parameters
    ----------
    known : DataFrame
        Columns path, file_id, size, mtime_ns, as `Store.files` returns them.
    """
    remembered = {
        path: (int(size), int(mtime), file_id)
        for path, size, mtime, file_id in zip(
            known["path"], known["size"], known["mtime_ns"], known["file_id"], strict=True
        )
    }
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
        stat = path.stat()
        size, mtime, file_id = remembered.get(str(path), (-1, -1, ""))
        if (size, mtime) != (stat.st_size, stat.st_mtime_ns):
            file_id = fingerprint_file(path)
    except ImageError as error:
        return None, (str(path), str(error))
    except OSError as error:
        return None, (str(path), f"cannot be read: {error.strerror}")
    return (str(path), file_id, stat.st_size, stat.st_mtime_ns), None


def read_only_list(table: Path) -> Callable[[str, str], bool]:
    """Read an ``--only`` CSV; the result tells whether (path, image id) is on it.

    Raises
    ------
    TableError
        It has neither ``image_id`` nor ``path``, or lists nothing.
    """
    frame = read_table(table, required=())
    if "verdict" in frame.columns:
        frame = frame[frame["verdict"].isin(OPEN_VERDICTS)]
    if not {"image_id", "path"} & set(frame.columns):
        raise TableError(
            f"{table}: has the columns {', '.join(map(str, frame.columns))}; "
            "expected image_id or path"
        )
    if frame.empty:
        raise TableError(f"{table}: lists no image (verdicts unknown and undecided count)")
    if "image_id" in frame.columns:
        ids = set(frame["image_id"])
        # A file's id selects all its pages, tiles and crops.
        return lambda _path, image_id: image_id in ids or image_id[:16] in ids
    paths = {str((table.parent / path).resolve()) for path in frame["path"]}
    return lambda path, _image_id: path in paths
