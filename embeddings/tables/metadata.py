"""Read what is known of each image (lot, wafer, tool, recipe...): a table or a KLARF.

Which images the rows are of, `embeddings.tables.join` tells by their paths.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from embeddings.console import get_logger
from embeddings.errors import TableError
from embeddings.tables.klarf import DefectImage, is_klarf, list_images, read_klarf
from embeddings.tables.klarf_records import Klarf, KlarfWafer
from embeddings.tables.locate import fold_name, split_path
from embeddings.tables.sheet import read_sheet

_KEYS = ("path", "file", "filename", "image")
_RENAMED = {"XINDEX": "die_x", "YINDEX": "die_y"}
_DROPPED = ["IMAGECOUNT", "IMAGELIST"]
_WAFER_FIELDS = ("lot", "wafer", "slot", "step", "device", "recipe", "tool", "time")


def read_metadata(path: Path) -> pd.DataFrame:
    """Read one row an image from a table or a KLARF.

    Parameters
    ----------
    path : Path
        A CSV or workbook with a column `path`, `file`, `filename` or `image` (the first of these
        is taken), and `page` where the file has several; or a KLARF whose defects refer to
        pictures.

    Returns
    -------
    DataFrame of text, index `file`: path or name as written, its folders parted by /
        The other columns, numbers with a decimal point. A KLARF gives lot, wafer, slot, step,
        device, recipe, tool, time, wafer_x_um and wafer_y_um (from the wafer's centre),
        wafer_diameter_mm, die_x, die_y, class_name, and the defect's columns in lower case; what
        it does not say is empty.
        Where a file has rows for several pages there is a column `page`, a whole number from 0,
        and (file, page) is unique; else there is none, and the index is unique.

    Raises
    ------
    TableError
        The file has no such column, or says two different things of one file.
    """
    if is_klarf(path):
        return _read_klarf(read_klarf(path), path)
    return _read_sheet(path)


def list_named(path: Path) -> frozenset[str]:
    """Return the names of the files that a table or a KLARF names, spelt as `fold_name` does.

    Raises
    ------
    TableError
        It cannot be read.
    """
    if is_klarf(path):
        cells = [i.file for w in read_klarf(path).wafers for images in w.images for i in images]
    else:
        rows = read_sheet(path, required=()).rows
        key = _find_key(list(rows.columns))
        cells = [] if key is None else rows[key].tolist()
    return frozenset(fold_name(parts[-1]) for cell in set(cells) if (parts := split_path(cell)))


def _find_key(columns: Sequence[str]) -> str | None:
    # Reversed, so that of two spellings the first column of the file wins.
    lower = {name.lower(): name for name in reversed(columns)}
    return next((lower[name] for name in _KEYS if name in lower), None)


def _read_sheet(path: Path) -> pd.DataFrame:
    table = read_sheet(path, required=())
    lower = {name.lower(): name for name in reversed(table.rows.columns)}
    key = _find_key(list(table.rows.columns))
    if key is None:
        have = ", ".join(table.rows.columns)
        raise TableError(f"{path} has no column {', '.join(_KEYS)}: its columns are {have}")
    pages = [0] * len(table.rows)  # the first page, as every single picture has
    if "page" in lower:
        pages = [int(page) for page in table.numbers(lower["page"])]
    files = ["/".join(split_path(text)) for text in table.rows[key]]
    for position, file in enumerate(files):
        if not file:
            raise table.fail(position, f"{key} is empty")
    taken = {key, lower.get("page", ""), "file", "page"}
    known, words = table.respell([name for name in table.rows.columns if name not in taken])
    for word in words:
        get_logger().warning("WARNING: %s: %s", path, word)
    frame = pd.concat([pd.DataFrame({"file": files, "page": pages}), known], axis=1)
    return _make_unique(frame, where=[f"line {line}" for line in table.lines], source=path)


def _read_klarf(klarf: Klarf, path: Path) -> pd.DataFrame:
    images = list(list_images(klarf, path.parent))
    if not images:
        raise TableError(f"{path}: no defect refers to a picture: nothing to join images on")
    parts = [
        _describe([image for image in images if image.wafer is wafer], klarf)
        for wafer in klarf.wafers
    ]
    # Wafers may have other columns each; text, as a CSV gives it.
    frame = pd.concat(parts, ignore_index=True).fillna("")
    where = [f"defect {image.position + 1} of wafer {image.wafer.wafer}" for image in images]
    return _make_unique(frame, where=where, source=path)


def _describe(images: list[DefectImage], klarf: Klarf) -> pd.DataFrame:
    """Return one row a picture of one wafer."""
    if not images:
        return pd.DataFrame()
    wafer = images[0].wafer
    defects = wafer.defects.iloc[[image.position for image in images]]
    columns: dict[str, Any] = {
        "file": ["/".join(split_path(image.name)) for image in images],
        "page": [image.page for image in images],
        **{name: getattr(wafer, name) for name in _WAFER_FIELDS},
        **_locate(wafer, [image.position for image in images]),
    }
    if "CLASSNUMBER" in defects:
        columns["class_name"] = [klarf.classes.get(key, "") for key in defects["CLASSNUMBER"]]
    for name in defects.columns.difference(_DROPPED, sort=False):
        cells = defects[name]
        # NaN is the one value that is not itself.
        columns[_RENAMED.get(name, name.lower())] = ["" if v != v else str(v) for v in cells]
    return pd.DataFrame(columns)


def _locate(wafer: KlarfWafer, positions: list[int]) -> dict[str, list[str] | str]:
    """Return where these defects lie on the wafer, and how wide it is; empty where not known."""
    sides = wafer.positions[positions].T  # (2, m)
    diameter = wafer.diameter / 1000
    return {
        "wafer_x_um": [_write_number(value) for value in sides[0]],
        "wafer_y_um": [_write_number(value) for value in sides[1]],
        "wafer_diameter_mm": _write_number(diameter),
    }


def _write_number(value: float) -> str:
    """Write to the nanometre; what is not known is empty."""
    return "" if value != value else str(round(float(value), 3))


def _make_unique(frame: pd.DataFrame, *, where: list[str], source: Path) -> pd.DataFrame:
    """Keep one of rows that say the same of a file; refuse rows that differ."""
    # Where each file has rows of one page only, the row is of the file as a whole.
    if not frame.drop_duplicates(["file", "page"]).duplicated("file").any():
        frame = frame.assign(page=0)
    kept = ~frame.duplicated()
    clash = frame[kept].duplicated(["file", "page"])
    if clash.any():
        second = clash[clash].index[0]
        same = (frame["file"] == frame["file"][second]) & (frame["page"] == frame["page"][second])
        first = same[same].index[0]
        has_pages = (frame["page"] != 0).any()
        page = f", page {frame['page'][second]} (counted from 0)" if has_pages else ""
        raise TableError(
            f"{source}: {where[first]} and {where[second]} say different things of "
            f"{frame['file'][second]}{page}: keep one"
        )
    unique = frame[kept].set_index("file")
    return unique if (unique["page"] != 0).any() else unique.drop(columns="page")
