"""The loops over every pixel of a picture that numpy takes several passes for, compiled.

Each does what a few lines of numpy would, in their order and their precision, bit for bit: 32 bits
where an array has 32, 64 where numpy would widen.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.compiled import compile_loop

Values = NDArray[np.float32]
Places = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[Any]  # of 64 bits

LEVELS = 256  # of a histogram; between two of them a quantile is interpolated


def count_levels(values: Values, places: Places, count: int, *, low: float, scale: float) -> Ints:
    """Return how many pixels of each place lie at or below each level, (count, LEVELS)."""
    flat = values.ravel(), places.ravel()
    found: Ints = _count_levels(*flat, count, np.float32(low), np.float32(scale))
    return found


@compile_loop
def _count_levels(values: Any, places: Any, count: int, low: Any, scale: Any) -> Any:
    below = np.zeros((count, LEVELS), np.int64)
    for pixel in range(len(values)):
        level = int(np.int32((values[pixel] - low) * scale))
        below[places[pixel], min(max(level, 0), LEVELS - 1)] += 1
    for place in range(count):
        for upper in range(1, LEVELS):
            below[place, upper] += below[place, upper - 1]
    return below


def read_quantiles(below: Ints, quantile: float, *, low: float, scale: float) -> Values:
    """Return the quantile of each place, (count,), between two levels on a straight line."""
    found: Values = _read_quantiles(below, float(quantile), low, scale)
    return found


@compile_loop
def _read_quantiles(below: Any, quantile: float, low: float, scale: float) -> Any:
    found = np.empty(len(below), np.float32)
    for place in range(len(below)):
        wanted = quantile * below[place, LEVELS - 1]
        at = 0
        while at < LEVELS - 1 and below[place, at] < wanted:
            at += 1
        before = below[place, at - 1] if at > 0 else 0
        inside = max(below[place, at] - before, 1)
        share = min(max((wanted - before) / inside, 0.0), 1.0)
        found[place] = low + (at + share) / scale
    return found


def add_up(values: Values, places: Places, count: int) -> tuple[Ints, Floats]:
    """Return the number and the sum of the pixels at each place, (count,) each."""
    found: tuple[Ints, Floats] = _add_up(values.ravel(), places.ravel(), count)
    return found


@compile_loop
def _add_up(values: Any, places: Any, count: int) -> Any:
    numbers, sums = np.zeros(count, np.int64), np.zeros(count)
    for pixel in range(len(values)):
        numbers[places[pixel]] += 1
        sums[places[pixel]] += values[pixel]
    return numbers, sums


def add_up_phases(
    centres: Floats, counts: Floats, sums: Floats, *, pitch: float, cells: int
) -> tuple[Floats, Floats]:
    """Fold a profile by a pitch: return the pixels and their sum in each cell, (cells,) each."""
    found: tuple[Floats, Floats] = _add_up_phases(centres, counts, sums, pitch, cells)
    return found


@compile_loop
def _add_up_phases(centres: Any, counts: Any, sums: Any, pitch: float, cells: int) -> Any:
    numbers, added = np.zeros(cells), np.zeros(cells)
    for place in range(len(centres)):
        cell = np.int32((centres[place] / pitch) % 1.0 * cells) % cells
        numbers[cell] += counts[place]
        added[cell] += sums[place]
    return numbers, added


def draw_lines(middle: Values, places: Values, *, is_grating: bool) -> Values:
    """Return what lines look like between the middles of their places, linearly.

    Parameters
    ----------
    middle : (count,) float32
    places : (h, w) float32
        Where each pixel lies across the lines, in places.

    Returns
    -------
    (h, w) float32
    """
    found: Values = _draw_lines(middle, places.ravel(), is_grating).reshape(places.shape)
    return found


@compile_loop
def _draw_lines(middle: Any, places: Any, is_grating: bool) -> Any:
    cells = len(middle)
    drawn = np.empty(len(places), np.float32)
    for pixel in range(len(places)):
        from_middle = np.float32(places[pixel] - np.float32(0.5))
        before = int(np.floor(from_middle))
        share = np.float64(from_middle) - before
        if is_grating:
            left, right = before % cells, (before + 1) % cells
        else:
            left, right = min(max(before, 0), cells - 1), min(max(before + 1, 0), cells - 1)
        drawn[pixel] = middle[left] * (1 - share) + middle[right] * share
    return drawn


def draw_cells(golden: Values, down: Values, right: Values) -> Values:
    """Return what an array looks like between the places of its golden cell, linearly.

    Parameters
    ----------
    golden : (p, q) float32
    down, right : (h, w) float32
        How far along each step a pixel lies, in places of the golden cell.

    Returns
    -------
    (h, w) float32
    """
    found: Values = _draw_cells(golden, down.ravel(), right.ravel()).reshape(down.shape)
    return found


@compile_loop
def _draw_cells(golden: Any, down: Any, right: Any) -> Any:
    p, q = golden.shape
    drawn = np.zeros(len(down), np.float32)
    for pixel in range(len(down)):
        low, left = down[pixel] - np.float32(0.5), right[pixel] - np.float32(0.5)
        row, column = int(np.floor(low)), int(np.floor(left))
        share, aside = np.float64(low) - row, np.float64(left) - column
        value = np.float32(0.0)
        for i in range(2):
            for j in range(2):
                weight = abs(1 - i - share) * abs(1 - j - aside)
                value = np.float32(value + weight * golden[(row + i) % p, (column + j) % q])
        drawn[pixel] = value
    return drawn
