"""What a KLARF holds: wafers, their defects, and the pictures a defect refers to."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.errors import TableError
from embeddings.tables.klarf_time import read_time
from embeddings.tables.klarf_tokens import MOST_DIGITS

Span = tuple[int, int]  # where a cell begins and ends in the text, with its quotes

UNKNOWN = (math.nan, math.nan)
# Columns whose cells must be numbers: a misaligned row shows here first.
NUMERIC = frozenset(
    {"X", "Y", "XREL", "YREL", "XINDEX", "YINDEX", "XSIZE", "YSIZE", "DSIZE", "DEFECTAREA",
     "CLASSNUMBER", "IMAGECOUNT"}
)  # fmt: skip
LENGTHS = frozenset({"X", "Y", "XREL", "YREL", "XSIZE", "YSIZE", "DSIZE"})
# float() takes more than any tool writes: 1_000, digits of other scripts, inf.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_EXACT_DIGITS = 15  # of a whole number as a float
_LARGEST_MM, _SMALLEST_UM = 450, 1000.0
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
    diameter : float
        Of the wafer.
    time : str
        When it was inspected, as ``2026-11-24T10:00:00`` where it was written in a known way.
    defects : DataFrame, n rows
        Columns as the file names them, upper case: whole numbers, numbers or text. XREL, YREL,
        XSIZE, YSIZE, DSIZE in micrometres, DEFECTAREA in square micrometres.
    images : tuple of tuple of KlarfImage, n
        The pictures of each defect, in the file's order.
    spans : tuple of (int, int) or None, n
        Where each defect's cell of the column asked for stands in the text; None where its row
        has no such column.
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
    diameter: float = math.nan
    time: str = ""
    defects: pd.DataFrame
    images: tuple[tuple[KlarfImage, ...], ...]
    spans: tuple[Span | None, ...] = ()

    def __post_init__(self) -> None:
        if len(self.images) != len(self.defects):
            raise ValueError(f"{len(self.images)} image lists for {len(self.defects)} defects")

    @property
    def positions(self) -> NDArray[np.float64]:
        """Each defect's place from the wafer's centre, (n, 2) micrometres, NaN where not given.

        XREL and YREL count from the origin of the defect's own die, the die's index from the
        die (0, 0), and SampleCenterLocation is the wafer's centre as seen from that die's origin:
        ``index * pitch + rel - centre``. DieOrigin is the origin's place in the die, and cancels.
        """
        sides = []  # x, then y: (n,) each
        axes = (("XINDEX", "XREL"), ("YINDEX", "YREL"))
        for (index, rel), pitch, centre in zip(
            axes, self.die_pitch, self.sample_center, strict=True
        ):
            if index in self.defects and rel in self.defects:
                sides.append(self.defects[index] * pitch + self.defects[rel] - centre)
            else:
                sides.append(pd.Series(math.nan, index=self.defects.index))
        return np.stack([side.to_numpy(np.float64) for side in sides], axis=1)


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
    """One defect as the parsers read it: cells by column, pictures, and its place in the text."""

    cells: Mapping[str, str]
    images: tuple[KlarfImage, ...]
    line: int
    span: Span | None = None


def make_wafer(
    fields: Mapping[str, Sequence[str]],
    rows: Sequence[DefectRow],
    *,
    scale: float,
    source: str,
    day_first: bool = False,
) -> KlarfWafer:
    """Build a wafer from its fields (the last of each name) and defects.

    Parameters
    ----------
    fields
        By lower-case name: lotid, waferid, slot or slotnumber, stepid, deviceid, setupid or
        recipeid, inspectionstationid, diepitch, dieorigin, samplecenterlocation, samplesize,
        resulttimestamp.
    rows
    scale : float
        Micrometres a unit of length of the file.
    source : str
        The file, as errors name it.
    day_first : bool
        How dates are read that may be either.
    """
    # Three words: maker, model and the number of the machine.
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
        diameter=_read_diameter(fields.get("samplesize", ()), scale),
        time=read_time(" ".join(fields.get("resulttimestamp", ())), day_first=day_first),
        defects=_make_frame(rows, scale=scale, source=source),
        images=tuple(row.images for row in rows),
        spans=tuple(row.span for row in rows),
    )


def _make_frame(rows: Sequence[DefectRow], *, scale: float, source: str) -> pd.DataFrame:
    # In the file's order; the columns may change from one list of a wafer to the next.
    names = list(dict.fromkeys(name for row in rows for name in row.cells))
    columns: dict[str, pd.Series] = {}
    for name in names:
        cells = [row.cells.get(name, "") for row in rows]
        if name in NUMERIC:
            _check_numbers(name, cells, rows=rows, source=source)
        columns[name] = _make_column(cells)
        if name in LENGTHS or name == "DEFECTAREA":
            # An area is a length times a length, in its unit too.
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
    whole = [cell for cell in cells if _WHOLE.fullmatch(cell)]
    longest = max((len(cell.lstrip("+-")) for cell in whole), default=0)
    # Class numbers are looked up in ClassLookup: what is whole stays so.
    if len(whole) == len(cells) and longest < MOST_DIGITS:
        return pd.Series([int(cell) for cell in cells], dtype="int64")
    # A serial number of many digits is a name, of which a float would lose the end.
    if all(_is_number(cell) for cell in cells) and longest <= _EXACT_DIGITS:
        values = [math.nan if cell.upper() in _MISSING else float(cell) for cell in cells]
        return pd.Series(values, dtype="float64")
    return pd.Series(list(cells), dtype="str")


def _is_number(cell: str) -> bool:
    if cell.upper() in _MISSING:
        return True
    return _NUMBER.fullmatch(cell) is not None and math.isfinite(float(cell))


def _repeat(wafer: KlarfWafer) -> pd.DataFrame:
    index = wafer.defects.index
    return pd.DataFrame({"LOTID": wafer.lot, "WAFERID": wafer.wafer}, index=index)


def _first(fields: Mapping[str, Sequence[str]], *names: str) -> str:
    return next((fields[name][0] for name in names if fields.get(name)), "")


def _pair(values: Sequence[str], scale: float) -> tuple[float, float]:
    if len(values) < 2 or not all(_is_number(value) for value in values[:2]):
        return UNKNOWN
    return float(values[0]) * scale, float(values[1]) * scale


def _read_diameter(values: Sequence[str], scale: float) -> float:
    """Return micrometres of ``1 300``, ``300000000 0`` or ``300``; NaN where it is not round.

    Versions 1.0 to 1.7 write the kind of sample (1 is round, 2 has two sides) and its size in
    millimetres. 1.8 writes two sides in nanometres of which the second is 0, and tools mix these.
    """
    sizes = [float(value) if _NUMBER.fullmatch(value) else 0.0 for value in values]
    if len(sizes) > 1 and sizes[0] in (1, 2):
        sizes = sizes[1:]
    sizes = [size for size in sizes if 0 < size < math.inf]
    # A panel has two sides and no diameter; two sides alike are those of a wafer.
    if len(set(sizes)) != 1:
        return math.nan
    size = sizes[0]
    if size <= _LARGEST_MM:  # no wafer is larger, and none smaller than a millimetre
        return size * 1000
    return size * scale if size * scale >= _SMALLEST_UM else size
