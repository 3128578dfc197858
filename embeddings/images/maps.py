"""Wafer maps and other pictures of few grey levels, drawn as what they are: places that are bad.

A map says of each place (a die) whether it is outside of the wafer, good or bad. Drawn in grey and
shrunk or blown up, a network sees textures that mean nothing; `draw_map` gives it two other looks:
the map without lone bad dies, which are random, and how dense bad dies lie in polar coordinates,
where a ring is a line and an arc the same picture wherever on the wafer it is.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.images.picture import has_few_levels

MapView = Literal["map", "polar"]

_OUTSIDE, _GOOD, _BAD = 0.0, 0.5, 1.0
_GOOD_LEVEL, _BAD_LEVEL = 0.25, 0.5  # of a map in colours: the lowest above 0 is good
_LEAST_NEIGHBOURS = 2  # bad neighbours of eight that a bad die has if it is part of something
_LEAST_SIDE = 8  # dice across
_FILLED = (0.68, 0.92)  # share of its box that a disc fills: pi / 4, more where dice are few
_SMOOTHING = 0.04  # of the wafer's side: a few dice
# More than a turn, so that what lies across the seam is whole somewhere.
_TURN_SHARE = 1.25

Floats = NDArray[np.float64]


def is_wafer_map(pixels: NDArray[np.generic]) -> bool:
    """Tell whether (h, w) or (h, w, 3) pixels are a wafer: a disc of few levels or colours.

    In grey, level 0 lies round it; in colour, whatever colour all four corners have. Binary masks,
    line art and screenshots have few levels too; they have no disc.
    """
    if min(pixels.shape[:2]) < _LEAST_SIDE:
        return False
    if pixels.ndim == 3 and not _is_grey(pixels):
        return read_coloured_map(pixels) is not None
    grey = pixels if pixels.ndim == 2 else pixels[..., 0]
    return has_few_levels(grey) and _has_disc(grey != 0)


def read_coloured_map(pixels: NDArray[np.generic]) -> NDArray[np.float64] | None:
    """Return the levels of a wafer map in colours, as `draw_map` wants them; None if it is none.

    A green place is good, as tools draw it; where none is green, or several are, the most frequent
    of them (or of all) is. Any other is bad, and the colour of the corners is outside.

    Parameters
    ----------
    pixels : (h, w, 3)

    Returns
    -------
    (h, w) float64 in [0, 1), or None
    """
    if pixels.dtype.kind != "u" or min(pixels.shape[:2]) < _LEAST_SIDE:
        return None
    red, green, blue = (pixels[..., i].astype(np.int64) for i in range(3))
    packed = red << 32 | green << 16 | blue  # (h, w), one number a colour
    if not has_few_levels(packed):
        return None
    outside = packed[0, 0]
    inside = packed != outside
    if not _has_disc(inside):
        return None
    colours, counts = np.unique(packed[inside], return_counts=True)
    levels = colours >> 16 & 0xFFFF
    is_green = (levels > colours >> 32) & (levels > colours & 0xFFFF)
    wanted = is_green if is_green.any() else np.ones_like(is_green)
    good = colours[np.where(wanted, counts, 0).argmax()]
    return np.where(inside, np.where(packed == good, _GOOD_LEVEL, _BAD_LEVEL), _OUTSIDE)


def _is_grey(pixels: NDArray[np.generic]) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _has_disc(inside: NDArray[np.bool_]) -> bool:
    """Tell whether what is (h, w) inside fills its box as a disc does, and no corner."""
    corners = inside[[0, 0, -1, -1], [0, -1, 0, -1]]
    if corners.any() or not inside.any():
        return False
    box = _find_box(inside)
    filled = float(inside[box].mean())
    height, width = inside[box].shape
    # Stretched maps are ellipses; the share of the box is the same.
    return _FILLED[0] <= filled <= _FILLED[1] and min(height, width) >= _LEAST_SIDE


def draw_map(levels: NDArray[np.floating], view: MapView, *, size: int) -> NDArray[np.float32]:
    """Draw a map for the network.

    Parameters
    ----------
    levels : (h, w) floating in [0, 1]
        Grey levels: 0 is outside of the wafer, the lowest between 0 and 1 is good, all others are
        bad; of 0 and 1 alone, 0 is good and nothing is outside. This is how wafer maps are coded
        (WM-811K: 0 no die, 1 good, 2 bad). Of one level nothing stands out: all is good.
    view : {"map", "polar"}
        "map": without bad dies that have fewer than two bad neighbours. "polar": density of bad
        dies by radius (rows, centre first) and angle (columns, a turn and a quarter).
    size : int
        Side in pixels of the picture.

    Returns
    -------
    (1, size, size) float32 in [0, 1], or (1, size / 2, 1.25 size) for "polar"
    """
    inside, bad = _read_map(np.asarray(levels, dtype=np.float64))
    if view == "polar":
        return _draw_polar(inside, bad, size)
    drawn = np.where(inside, np.where(_drop_lone(bad), _BAD, _GOOD), _OUTSIDE)
    # Nearest where it is blown up would draw stairs; between levels there is no meaning to keep.
    scaled = Image.fromarray(drawn.astype(np.float32)).resize(
        (size, size), Image.Resampling.BILINEAR
    )
    return np.array(scaled, dtype=np.float32)[None]  # a copy: Pillow's own memory is read-only


def _read_map(levels: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which places are inside of the wafer and which are bad, cut to the wafer's box."""
    distinct = np.unique(levels)
    if len(distinct) == 1:  # blank: nothing is known to be bad
        return np.ones(levels.shape, bool), np.zeros(levels.shape, bool)
    between = distinct[(distinct > 0) & (distinct < 1)]
    if not len(between):  # black and white: good and bad
        return np.ones(levels.shape, bool), levels > 0
    inside, bad = levels > 0, levels > between[0]
    box = _find_box(inside)
    return inside[box], bad[box]


def _find_box(inside: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _drop_lone(bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out bad dies that are nearly alone."""
    from scipy import ndimage  # a quarter of an idle command's start, and few pictures are maps

    counts = ndimage.convolve(bad.astype(np.int64), np.ones((3, 3), np.int64), mode="constant")
    kept: NDArray[np.bool_] = bad & (counts > _LEAST_NEIGHBOURS)  # the die itself counted
    return kept


def _draw_polar(
    inside: NDArray[np.bool_], bad: NDArray[np.bool_], size: int
) -> NDArray[np.float32]:
    """Return the density of bad dies among the dies around, (1, size / 2, 1.25 size)."""
    from scipy import ndimage

    sigma = _SMOOTHING * float(np.sqrt(inside.sum()))
    dies = ndimage.gaussian_filter(inside.astype(np.float64), sigma)
    density = ndimage.gaussian_filter(bad.astype(np.float64), sigma) / np.maximum(dies, 1e-3)
    density *= inside
    height, width = density.shape
    rings, steps = size // 2, round(_TURN_SHARE * size)
    radius = (np.arange(rings)[:, None] + 0.5) / rings  # (rings, 1), of the wafer's own
    angle = (np.arange(steps) + 0.5) / size * 2 * np.pi
    y = (height - 1) / 2 + radius * np.sin(angle) * height / 2
    x = (width - 1) / 2 + radius * np.cos(angle) * width / 2
    drawn = ndimage.map_coordinates(density, [y, x], order=1, mode="nearest")
    clipped: NDArray[np.float32] = np.clip(drawn, 0, 1).astype(np.float32)[None]
    return clipped
