"""The nouns of KLARF: a file, a wafer of it, and the pictures a defect refers to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from embeddings.errors import TableError

UNKNOWN = (math.nan, math.nan)
# Columns whose cells must be numbers: a misaligned row shows here first.
NUMERIC = frozenset(
    {"X", "Y", "XREL", "YREL", "XINDEX", "YINDEX", "XSIZE", "YSIZE", "DSIZE", "DEFECTAREA",
     "CLASSNUMBER", "IMAGECOUNT"}
)  # fmt: skip
LENGTHS = frozenset({"X", "Y", "XREL", "YREL", "XSIZE", "YSIZE", "DSIZE"})
_MISSING = frozenset({"NA", "N/A", "NAN", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class KlarfImage:
    """A picture a defect refers to.

    Attributes
    ----------
    file : str
        As written: a name or a path, often of the tool's own disk.
    number : int
        Of the picture in that file, as written: most tools count from 1.
    """

    file: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KlarfWafer:
    """One wafer and its defects. Lengths in micrometres, NaN where not given.

    Attributes
    ----------
    lot, wafer, slot, step, device, recipe, tool : str
        Empty where not given.
    die_pitch, die_origin, sample_center : tuple of float
    defects : DataFrame, n rows
        Columns as the file names them, upper case: whole numbers, numbers or text. XREL, YREL,
        XSIZE, YSIZE, DSIZE in micrometres, DEFECTAREA in square micrometres.
    images : tuple of tuple of KlarfImage, n
        The pictures of each defect, in the file's order.
    """

    lot: str
    wafer: str
    slot: str
    step: str
    device: str
    recipe: str
    tool: str
    die_pitch: tuple[float, float]
    die_origin: tuple[float, float]
    sample_center: tuple[float, float]
    defects: pd.DataFrame
    images: tuple[tuple[KlarfImage, ...], ...]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.defects):
            raise ValueError(f"{len(self.images)} image lists for {len(self.defects)} defects")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Klarf:
    """A KLARF file.

    Attributes
    ----------
    version : str
        Such as ``"1.2"``.
    wafers : tuple of KlarfWafer
    classes : mapping of int to str
        The names of the class numbers (ClassLookup).
    """

    version: str
    wafers: tuple[KlarfWafer, ...]
    classes: Mapping[int, str]

    @property
    def defects(self) -> pd.DataFrame:
        """The defects of all wafers, with the columns LOTID and WAFERID before them."""
        parts = [
            pd.concat([_repeat(wafer), wafer.defects], axis=1)
            for wafer in self.wafers
            if len(wafer.defects)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectRow:
    """One defect as the parsers read it: cells by column, and its pictures."""

    cells: Mapping[str, str]
    images: tuple[KlarfImage, ...]
    line: int


def make_wafer(
    fields: Mapping[str, Sequence[str]], rows: Sequence[DefectRow], *, scale: float, source: str
) -> KlarfWafer:
    """Build a wafer from its fields (the last of each name) and defects.

    Parameters
    ----------
    fields
        By lower-case name: lotid, waferid, slot or slotnumber, stepid, deviceid, setupid or
        recipeid, inspectionstationid, diepitch, dieorigin, samplecenterlocation.
    rows
    scale : float
        Micrometres a unit of length of the file.
    source : str
        The file, as errors name it.
    """
    tool = " ".join(part for part in fields.get("inspectionstationid", ()) if part)
    return KlarfWafer(
        lot=_first(fields, "lotid"),
        wafer=_first(fields, "waferid"),
        slot=_first(fields, "slot", "slotnumber"),
        step=_first(fields, "stepid"),
        device=_first(fields, "deviceid"),
        recipe=_first(fields, "setupid", "recipeid"),
        tool=tool,
        die_pitch=_pair(fields.get("diepitch", ()), scale),
        die_origin=_pair(fields.get("dieorigin", ()), scale),
        sample_center=_pair(fields.get("samplecenterlocation", ()), scale),
        defects=_make_frame(rows, scale=scale, source=source),
        images=tuple(row.images for row in rows),
    )


def _make_frame(rows: Sequence[DefectRow], *, scale: float, source: str) -> pd.DataFrame:
    names = list(dict.fromkeys(name for row in rows for name in row.cells))
    columns: dict[str, pd.Series] = {}
    for name in names:
        cells = [row.cells.get(name, "") for row in rows]
        if name in NUMERIC:
            _check_numbers(name, cells, rows=rows, source=source)
        columns[name] = _make_column(cells)
        if name in LENGTHS or name == "DEFECTAREA":
            columns[name] = columns[name] * (scale**2 if name == "DEFECTAREA" else scale)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def _check_numbers(
    name: str, cells: Sequence[str], *, rows: Sequence[DefectRow], source: str
) -> None:
    for row, cell in zip(rows, cells, strict=True):
        if not _is_number(cell):
            raise TableError(
                f"{source}, line {row.line}: {name} is {cell!r}, expected a number "
                "(is a cell missing or too many?)"
            )


def _make_column(cells: Sequence[str]) -> "pd.Series":
    """Whole numbers where all cells are, else numbers where all are, else text."""
    try:
        return pd.Series([int(cell) for cell in cells], dtype="int64")
    except (ValueError, OverflowError):
        pass
    if all(_is_number(cell) for cell in cells):
        values = [math.nan if cell.upper() in _MISSING else float(cell) for cell in cells]
        return pd.Series(values, dtype="float64")
    return pd.Series(list(cells), dtype="str")


def _is_number(cell: str) -> bool:
    if cell.upper() in _MISSING:
        return True
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _repeat(wafer: KlarfWafer) -> pd.DataFrame:
    index = wafer.defects.index
    return pd.DataFrame({"LOTID": wafer.lot, "WAFERID": wafer.wafer}, index=index)


def _first(fields: Mapping[str, Sequence[str]], *names: str) -> str:
    return next((fields[name][0] for name in names if fields.get(name)), "")


def _pair(values: Sequence[str], scale: float) -> tuple[float, float]:
    if len(values) < 2 or not all(_is_number(value) for value in values[:2]):
        return UNKNOWN
    return float(values[0]) * scale, float(values[1]) * scale
