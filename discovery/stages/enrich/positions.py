"""Where each image lies on its wafer, from whatever columns its metadata have.

Places in wafer coordinates are preferred, from a KLARF or columns of the usual names; else the
die's column and row stand for them, scaled by the dies that the round knows.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.stages.enrich.records import Positions, find_known

# Pairs of columns, best first, and micrometres a unit (None: not said by the name).
_WAFER_PAIRS: tuple[tuple[str, str, float | None], ...] = (
    ("wafer_x_um", "wafer_y_um", 1.0),
    ("wafer_x_mm", "wafer_y_mm", 1000.0),
    ("wafer_x", "wafer_y", None),
    ("x_wafer", "y_wafer", None),
    ("x_um", "y_um", 1.0),
    ("x_mm", "y_mm", 1000.0),
    ("xabs", "yabs", None),
    ("x", "y", None),
)
_DIE_PAIRS = (("die_x", "die_y"), ("xindex", "yindex"), ("die_col", "die_row"), ("col", "row"))
_WITHIN_PAIRS = (("xrel", "yrel"), ("die_rel_x", "die_rel_y"))
_DIAMETER = "wafer_diameter_mm"
_LEAST_KNOWN = 0.2  # of the images: a column that is mostly empty is no map
_LEAST_DISTINCT = 5  # places along each axis: fewer dies have no rings and no spots


def find_positions(table: pd.DataFrame) -> tuple[Positions | None, tuple[str, ...]]:
    """Find where images lie on their wafers.

    Parameters
    ----------
    table : DataFrame of text, n rows
        The metadata, empty where not known.

    Returns
    -------
    Positions or None
        None where no columns tell, or fewer than 5 places along an axis are known.
    tuple of str
        The columns that were read.
    """
    # Reversed: of two columns that differ by case the first one counts.
    names = {name.lower(): name for name in reversed(table.columns)}
    dies, die_names = _read_first(table, names, _DIE_PAIRS)
    within, within_names = _read_first(table, names, _WITHIN_PAIRS)
    places = _read_wafer(table, names)
    if places is None and not _is_map(dies):
        return None, ()
    xy, used = places if places is not None else (_scale_dies(dies), die_names)
    positions = Positions(
        xy=xy, source=", ".join(used), dies=dies, within=_scale_within(within, dies)
    )
    return positions, tuple(dict.fromkeys((*used, *die_names, *within_names)))


def _read_wafer(
    table: pd.DataFrame, names: dict[str, str]
) -> tuple[NDArray[np.float64], tuple[str, ...]] | None:
    for x, y, unit in _WAFER_PAIRS:
        if x in names and y in names:
            xy = _read_pair(table, names[x], names[y])
            if _is_map(xy):
                diameter = names.get(_DIAMETER)
                widths = None if diameter is None or unit is None else table[diameter]
                return _scale_places(xy, unit, widths), (names[x], names[y])
    return None


def _scale_places(
    xy: NDArray[np.float64], unit: float | None, diameters: "pd.Series[str] | None"
) -> NDArray[np.float64]:
    """Bring places to wafer radii: by the diameter where it is told, else by the farthest one.

    Places of one sign only count from a corner: their middle is the wafer's.
    """
    low, high = np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)
    # Both signs: the origin is the wafer's own centre, whatever part of it was looked at.
    centre = np.where((low < 0) & (high > 0), 0.0, (low + high) / 2)
    away = xy - centre  # (n, 2)
    farthest = float(np.nanmax(np.hypot(away[:, 0], away[:, 1])))
    if diameters is not None and unit is not None:
        radius = pd.to_numeric(diameters, errors="coerce").to_numpy(np.float64) * 500 / unit
        given = np.isfinite(radius) & (radius > 0)
        return np.asarray(away / np.where(given, radius, farthest)[:, None])
    return np.asarray(away / farthest)


def _scale_dies(dies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring the middles of dies to wafer radii: the outermost dies touch the edge on each axis.

    A die is rarely square: columns and rows are scaled each by their own span.
    """
    low, high = np.nanmin(dies, axis=0), np.nanmax(dies, axis=0)
    return np.asarray((2 * dies - low - high) / (high - low + 1))


def _scale_within(within: NDArray[np.float64], dies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring places in the die to its width and height, as far as defects fill it."""
    known = find_known(within) & find_known(dies)
    if not known.any():
        return np.full(within.shape, np.nan)
    low, high = within[known].min(axis=0), within[known].max(axis=0)
    scaled = (within - low) / np.where(high > low, high - low, 1.0)
    return np.where(known[:, None], scaled, np.nan)


def _read_first(
    table: pd.DataFrame, names: dict[str, str], pairs: Sequence[tuple[str, str]]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the numbers of the first pair of columns that is there, (n, 2); NaN without one."""
    for x, y in pairs:
        if x in names and y in names:
            return _read_pair(table, names[x], names[y]), (names[x], names[y])
    return np.full((len(table), 2), np.nan), ()


def _read_pair(table: pd.DataFrame, x: str, y: str) -> NDArray[np.float64]:
    """Return two columns as numbers, (n, 2); both NaN where either is not known."""
    pair = table[[x, y]].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    known = find_known(pair)
    return np.where(known[:, None], pair, np.nan)


def _is_map(xy: NDArray[np.float64]) -> bool:
    known = xy[find_known(xy)]
    # A few places would stand for images whose place nobody knows.
    if len(known) < _LEAST_KNOWN * max(len(xy), 1):
        return False
    return all(len(np.unique(side)) >= _LEAST_DISTINCT for side in known.T)
