"""What is known of the wafers and defects of a run's images, as a KLARF says it.

From the metadata of the images, by the names that a KLARF gives them (lot, wafer, die_x, xrel,
wafer_x_um, xsize...). Lengths are micrometres.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.tables.decimals import read_number

Known = Mapping[str, str]  # the metadata of an image, names in small letters
_SIZES = ("xsize", "ysize", "defectarea", "dsize")
_DIAMETER_MM = 300.0  # of a wafer of which nothing is known
_MOST_OFF_UM = 1.0  # of a place on the wafer from what its die and its place in it say


@dataclass(frozen=True, slots=True, kw_only=True)
class WaferFacts:
    """One wafer and where its defects lie.

    Attributes
    ----------
    lot, wafer, slot, step, device : str
        Empty where not known.
    diameter_mm : float
    die_pitch, sample_center : (float, float)
    places : (n, 4) float64
        XREL, YREL and the column and row of the die of each defect; 0 where not known.
    sizes : (n, 4) float64
        XSIZE, YSIZE, DEFECTAREA, DSIZE; 0 where not known.
    """

    lot: str
    wafer: str
    slot: str
    step: str
    device: str
    diameter_mm: float
    die_pitch: tuple[float, float]
    sample_center: tuple[float, float]
    places: NDArray[np.float64]
    sizes: NDArray[np.float64]


def group_wafers(known: Sequence[Known]) -> list[list[int]]:
    """Return the rows of each wafer, in the order of its first one; without a name they are one."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row, facts in enumerate(known):
        groups.setdefault((facts.get("lot", ""), facts.get("wafer", "")), []).append(row)
    return list(groups.values())


def describe_wafer(known: Sequence[Known]) -> WaferFacts:
    """Return what is known of one wafer's n defects."""
    diameter = next((d for one in known if (d := _read(one, "wafer_diameter_mm")) > 0), math.nan)
    pitch, centre, places = _place(known, diameter)
    return WaferFacts(
        **{name: _agree(known, name) for name in ("lot", "wafer", "slot", "step", "device")},
        diameter_mm=_DIAMETER_MM if math.isnan(diameter) else diameter,
        die_pitch=pitch,
        sample_center=centre,
        places=np.nan_to_num(places),
        sizes=np.nan_to_num(np.array([[_read(one, name) for name in _SIZES] for one in known])),
    )


def _place(
    known: Sequence[Known], diameter: float
) -> tuple[tuple[float, float], tuple[float, float], NDArray[np.float64]]:
    """Return die pitch, centre, and the (n, 4) places in dies."""
    within = _read_pairs(known, ("xrel", "yrel"))
    dies = _read_pairs(known, ("die_x", "die_y"), ("xindex", "yindex"))
    on_wafer = _read_pairs(known, ("wafer_x_um", "wafer_y_um"), ("wafer_x_mm", "wafer_y_mm"))
    axes = [_solve_grid(dies[:, i], on_wafer[:, i] - within[:, i]) for i in range(2)]
    if all(axis is not None for axis in axes):
        (px, cx), (py, cy) = (axis for axis in axes if axis is not None)
        return (px, py), (cx, cy), np.hstack([within, dies])
    if np.isfinite(on_wafer).any():
        # One die as wide as the wafer, with its origin in the middle: the places are the wafer's.
        side = (_DIAMETER_MM if math.isnan(diameter) else diameter) * 1000
        return (side, side), (0.0, 0.0), np.hstack([on_wafer, np.zeros_like(on_wafer)])
    return (1.0, 1.0), (0.0, 0.0), np.hstack([within, dies])


def _solve_grid(
    dies: NDArray[np.float64], origins: NDArray[np.float64]
) -> tuple[float, float] | None:
    """Return the pitch and centre along one axis, of which the origins of the dies are made."""
    given = np.isfinite(dies) & np.isfinite(origins)
    if len(np.unique(dies[given])) < 2:
        return None
    columns = np.stack([dies[given], -np.ones(given.sum())], axis=1)
    pitch, centre = np.linalg.lstsq(columns, origins[given])[0]
    off = np.abs(dies[given] * pitch - centre - origins[given]).max()
    return (float(pitch), float(centre)) if off <= _MOST_OFF_UM and pitch > 0 else None


def _read_pairs(known: Sequence[Known], *names: tuple[str, str]) -> NDArray[np.float64]:
    """Return the first of some pairs of columns that any image has, (n, 2); NaN where unknown."""
    found = np.full((len(known), 2), math.nan)
    for pair in names:
        cells = np.array([[_read(one, name) for name in pair] for one in known]).reshape(-1, 2)
        cells[~np.isfinite(cells).all(axis=1)] = math.nan
        if np.isfinite(cells).any():
            return cells * 1000 if pair[0].endswith("_mm") else cells
    return found


def _read(facts: Known, name: str) -> float:
    value = read_number(facts.get(name, ""), "point")
    return math.nan if value is None else value


def _agree(known: Sequence[Known], name: str) -> str:
    values = {one[name] for one in known if one.get(name)}
    return values.pop() if len(values) == 1 else ""
