"""What the metadata of a round are: one column a name, each told to be values, a number or a time.

The metadata are text, from a CSV or a KLARF. What a column means is read from its name where the
name is a fab's usual one, else from what stands in it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.bounded import parse_json
from embeddings.records import NOTES

WAFER_KEY = "lot, wafer"  # wafer 1 of one lot is not wafer 1 of another
LOT_NAMES = ("lot", "lot_id", "lotid")
WAFER_NAMES = ("wafer", "wafer_id", "waferid")
# Values whatever they look like: 7 is a name here, not more than 3.
_VALUES = frozenset(
    {*LOT_NAMES, *WAFER_NAMES, "slot", "tool", "chamber", "recipe", "step", "split", "device",
     "product", "layer", "operator", "class", "class_name", "classnumber", "roughbinnumber",
     "finebinnumber", "clusternumber", "test", "route", "batch", "equipment", "machine"}
)  # fmt: skip
# Places belong to the wafer map, and a defect's number in its list says nothing of the defect.
_NO_COLUMNS = frozenset({"defectid", "wafer_diameter_mm", "imagecount", "page", "id"})
# The year first; then, of dashes and slashes, the month first, as KLARF has it, unless a number
# that stands there is no month; with dots the day is first in every country.
_DATES = ("%m-%d-{}", "%m/%d/{}", "%d-%m-{}", "%d/%m/{}", "%d.%m.{}")
_CLOCKS = (" %H:%M:%S", " %H:%M", "", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S.%f")
_TIME_FORMATS = ("ISO8601", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d", *(
    date.format(year) + clock for date in _DATES for year in ("%Y", "%y") for clock in _CLOCKS
    if clock or year == "%Y"  # 1.2.03 alone may be a version
))  # fmt: skip
_SAMPLE = 50  # cells that a format is tried on first
_FEW_VALUES = 12  # whole numbers with no more than these are names of something
_REPEATS = 2.0  # images a value, on average: below, a column is a list of names


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the metadata.

    Attributes
    ----------
    name : str
    kind : {"value", "number", "time"}
    codes : (n,) int32
        Which of `values`; -1 where nothing is known. Empty for numbers.
    values : tuple of str
    numbers : (n,) float64
        NaN where nothing is known; seconds for a time. Empty for values.
    same_as : tuple of str
        Names of columns that split the images in the very same way.
    """

    name: str
    kind: str
    codes: NDArray[np.int32]
    values: tuple[str, ...]
    numbers: NDArray[np.float64]
    same_as: tuple[str, ...] = ()


def spread_metadata(texts: Sequence[str]) -> pd.DataFrame:
    """Spread n JSON objects into (n, columns) of text, empty where a name is missing."""
    # Lots of different tools lie in one store: names may be missing in any row.
    rows = [parse_json(text) if text else {} for text in texts]
    names = list(dict.fromkeys(name for row in rows for name in row if name not in NOTES))
    cells = {name: [_write(row.get(name)) for row in rows] for name in names}
    return pd.DataFrame(cells, index=pd.RangeIndex(len(rows)), dtype="str")


def read_columns(
    table: pd.DataFrame, *, skipped: Sequence[str] = ()
) -> tuple[tuple[Column, ...], dict[str, str]]:
    """Tell what each column is.

    Parameters
    ----------
    table : DataFrame of text, n rows
    skipped : sequence of str
        Columns that were used as places.

    Returns
    -------
    tuple of Column
        Those worth a test, in the table's order; columns that split the images alike are one.
    dict of str to str
        The others, and why they are left out.
    """
    kept: list[Column] = []
    left_out = dict.fromkeys(skipped, "the place on the wafer, in the wafer map")
    for name in table.columns:
        if name in left_out:
            continue
        found = _read_column(name, table[name])
        if isinstance(found, str):
            left_out[name] = found
        else:
            kept.append(found)
    return _merge_alike(_add_wafers(kept, table)), left_out


def find_units(table: pd.DataFrame) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Return the number of each image's wafer and lot, (n,), -1 for unknown; None without them."""
    lot, wafer = _find_name(table, LOT_NAMES), _find_name(table, WAFER_NAMES)
    lots = None if lot is None else _number(table[lot], table[lot] != "")
    if wafer is None:
        return None, lots
    # A line break stands in no cell of a lot, so that no two pairs look the same.
    name = table[wafer] if lot is None else table[lot] + "\n" + table[wafer]
    return _number(name, table[wafer] != ""), lots


def _read_column(name: str, cells: "pd.Series[str]") -> Column | str:
    """Return the column, or why it is left out."""
    # An empty cell says nothing; it is not a value that images have in common.
    known = (cells != "").to_numpy()
    distinct = cells[known].nunique()
    if name.lower() in _NO_COLUMNS:
        return "no property of a defect"
    if distinct < 2:
        return "the same for all images"
    named = name.lower() in _VALUES
    if not named:
        numbers = pd.to_numeric(cells.where(known), errors="coerce").to_numpy(np.float64)
        if np.isfinite(numbers[known]).all():
            # Twelve chambers are names; a thousand whole numbers are a quantity.
            whole = bool((numbers[known] % 1 == 0).all())
            if not whole or distinct > _FEW_VALUES:
                return _make_numbers(name, "number", numbers)
        else:
            times = _read_times(cells, known)
            if times is not None:
                return _make_numbers(name, "time", times)
    # A serial number splits any set of images, and says nothing of any.
    if known.sum() < _REPEATS * distinct:
        return "nearly every image has a value of its own"
    return _make_values(name, cells, known)


def _read_times(cells: "pd.Series[str]", known: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Return seconds since 1970 where every known cell is a time of one format; else None."""
    given = cells[known]
    for form in _TIME_FORMATS:
        # Most columns are no times: a few cells tell.
        if pd.to_datetime(given[:_SAMPLE], format=form, errors="coerce", utc=True).isna().any():
            continue
        times = pd.to_datetime(given, format=form, errors="coerce", utc=True)
        if not times.isna().any():
            seconds = np.full(len(cells), np.nan)
            seconds[known] = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
            return seconds
    return None


def _make_numbers(name: str, kind: str, numbers: NDArray[np.float64]) -> Column:
    codes = np.empty(0, np.int32)
    return Column(name=name, kind=kind, codes=codes, values=(), numbers=numbers)


def _make_values(name: str, cells: "pd.Series[str]", known: NDArray[np.bool_]) -> Column:
    codes, values = pd.factorize(cells.where(known), sort=True)
    return Column(
        name=name,
        kind="value",
        codes=np.asarray(codes, np.int32),
        values=tuple(str(value) for value in values),
        numbers=np.empty(0),
    )


def _add_wafers(columns: list[Column], table: pd.DataFrame) -> list[Column]:
    """Tell wafers apart by their lots, where two lots have a wafer of the same name.

    The bare wafer column stays: what hits wafer 1 of every lot is worth knowing.
    """
    lot, wafer = _find_name(table, LOT_NAMES), _find_name(table, WAFER_NAMES)
    if lot is None or wafer is None:
        return columns
    known = ((table[lot] != "") & (table[wafer] != "")).to_numpy()
    both = table.loc[known, [lot, wafer]].drop_duplicates()
    repeats = known.sum() >= _REPEATS * len(both)
    # Wafer ids that are unique over lots need no lot beside them.
    if not both[wafer].duplicated().any() or not repeats:
        return columns
    joined = (table[lot] + ", " + table[wafer]).where(known, "")
    return [*columns, _make_values(WAFER_KEY, joined, known)]


def _merge_alike(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Keep the first of columns of values that split the images in the very same way."""
    first: dict[bytes, int] = {}
    names: list[list[str]] = []
    kept: list[Column] = []
    for column in columns:
        key = _partition(column) if column.kind == "value" else column.name.encode()
        if key in first:
            names[first[key]].append(column.name)
            continue
        first[key] = len(kept)
        kept.append(column)
        names.append([])
    return tuple(
        replace(column, same_as=tuple(same)) for column, same in zip(kept, names, strict=True)
    )


def _partition(column: Column) -> bytes:
    """Return the values' order of first sight: equal for columns that split alike."""
    known = pd.Series(column.codes).where(column.codes >= 0)
    return pd.factorize(known)[0].astype(np.int32).tobytes()


def _find_name(table: pd.DataFrame, names: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(table.columns)}
    return next((by_lower[name] for name in names if name in by_lower), None)


def _number(cells: "pd.Series[str]", known: "pd.Series[bool]") -> NDArray[np.int64]:
    return pd.factorize(cells.where(known))[0].astype(np.int64)


def _write(value: object) -> str:
    """Return a JSON value as text; null is empty."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)
