"""The zones of a wafer that a spatial signature may fill: discs, rings, sectors and strips.

A wafer is the unit disc, laid out in square cells. `build_zones` makes one fixed set of zones for
all data; the members in each zone are then one sparse product with the counts in the cells,
whatever the number of images.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

SIDE = 64  # cells along the diameter: 0.03 of a radius each, half of the narrowest strip
FAMILIES = ("centre", "donut", "edge ring", "edge local", "local", "scratch")
HALF_WIDTH = 0.04  # of a strip: 6 mm on a wafer of 300 mm


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One zone: its family, its kind of shape, and the shape's measures in wafer radii.

    Attributes
    ----------
    family : str
        One of `FAMILIES`.
    kind : {"disc", "ring", "sector", "strip"}
    measures : tuple of float
        disc: x, y, radius. ring: x, y, inner, outer. sector: inner radius, middle and width of
        its angle in degrees, anticlockwise from three o'clock. strip: angle in degrees, distance
        from the centre, middle along it, length.
    """

    family: str
    kind: str
    measures: tuple[float, ...]

    def covers(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which of (c, 2) positions lie inside, (c,)."""
        x, y = xy[:, 0], xy[:, 1]
        if self.kind == "sector":
            inner, middle, width = self.measures
            # The angle from the sector's middle, brought to -180..180: no jump at 0.
            turned = (np.degrees(np.arctan2(y, x)) - middle + 180) % 360 - 180
            inside = (np.hypot(x, y) >= inner) & (np.abs(turned) <= width / 2)
        elif self.kind == "strip":
            angle, offset, middle, length = self.measures
            cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
            along, across = x * cos + y * sin, y * cos - x * sin
            inside = np.abs(across - offset) <= HALF_WIDTH
            inside &= np.abs(along - middle) <= length / 2
        else:
            inside = self._covers_round(np.hypot(x - self.measures[0], y - self.measures[1]))
        return np.asarray(inside, np.bool_)

    def _covers_round(self, distance: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which distances from the middle of a disc or ring lie inside."""
        if self.kind == "disc":
            return np.asarray(distance <= self.measures[2])
        return np.asarray((distance >= self.measures[2]) & (distance <= self.measures[3]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneSet:
    """All zones and the cells in each.

    Attributes
    ----------
    zones : tuple of Zone, z
    cells : (z, SIDE * SIDE) sparse float32 of ones
    families : (z,) int8
        The family of each, as a position in `FAMILIES`.
    """

    zones: tuple[Zone, ...]
    cells: csr_array
    families: NDArray[np.int8]


@cache
def build_zones() -> ZoneSet:
    """Build the fixed set of about fourteen thousand zones."""
    centres = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1
    xy = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)  # (SIDE * SIDE, 2)
    zones = tuple(_list_zones())
    inside = [np.flatnonzero(zone.covers(xy)) for zone in zones]
    # CSR by hand: 14,000 rows are built at once, not one after the other.
    starts = np.concatenate([[0], np.cumsum([len(cells) for cells in inside])])
    columns = np.concatenate(inside)
    cells = csr_array(
        (np.ones(len(columns), np.float32), columns, starts), shape=(len(zones), SIDE * SIDE)
    )
    families = np.array([FAMILIES.index(zone.family) for zone in zones], np.int8)
    return ZoneSet(zones=zones, cells=cells, families=families)


def find_cells(xy: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the cell of each of (n, 2) positions, (n,); what lies outside goes to the border."""
    column, row = np.clip(np.floor((xy + 1) * SIDE / 2), 0, SIDE - 1).astype(np.intp).T
    return np.asarray(row * SIDE + column, np.intp)


def _list_zones() -> Iterator[Zone]:
    shifts = [(x, y) for x in (-0.1, 0.0, 0.1) for y in (-0.1, 0.0, 0.1)]
    for x, y in shifts:
        for radius in np.arange(2, 13) / 20:
            yield Zone(family="centre", kind="disc", measures=(x, y, float(radius)))
        for inner in np.arange(3, 12) / 20:
            # Up to 0.85: farther out a ring is the edge's.
            for outer in np.arange(round(20 * inner) + 4, 18) / 20:
                ring = (x, y, float(inner), float(outer))
                yield Zone(family="donut", kind="ring", measures=ring)
    yield from _list_edges()
    yield from _list_discs()
    yield from _list_strips()


def _list_edges() -> Iterator[Zone]:
    for inner in (0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
        yield Zone(family="edge ring", kind="sector", measures=(inner, 0.0, 360.0))
        for middle in range(0, 360, 15):
            for width in (240.0, 270.0, 300.0, 330.0):
                shape = (inner, float(middle), width)
                yield Zone(family="edge ring", kind="sector", measures=shape)
            for width in (20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 150.0, 180.0):
                shape = (inner, float(middle), width)
                yield Zone(family="edge local", kind="sector", measures=shape)


def _list_discs() -> Iterator[Zone]:
    grid = np.arange(-9, 10) / 10
    for x in grid:
        for y in grid:
            away = np.hypot(x, y)
            for radius in (0.1, 0.15, 0.2, 0.3, 0.4):
                # Clear of the centre's own discs, and hardly over the edge.
                if 0.2 <= away and away + radius <= 1.05:
                    shape = (float(x), float(y), radius)
                    yield Zone(family="local", kind="disc", measures=shape)


def _list_strips() -> Iterator[Zone]:
    for angle in range(0, 180, 12):
        for offset in np.arange(-22, 23) * HALF_WIDTH:  # strips overlap by half: none slips through
            half = np.sqrt(1 - offset**2)  # of the chord
            for length in (0.3, 0.5, 0.8):
                reach = half - length / 2
                steps = int(np.floor(reach / (length / 2))) if reach > 0 else -1
                for step in range(-steps, steps + 1):
                    shape = (float(angle), float(offset), step * length / 2, length)
                    yield Zone(family="scratch", kind="strip", measures=shape)
