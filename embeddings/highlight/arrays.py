"""Two-dimensional arrays: the cell that repeats, found without a reference.

The two shortest steps that bring a picture onto itself are peaks of its autocorrelation; further
multiples of them say where they lie between pixels. Folded by both, all cells lie on each other,
and their median is the golden cell, as in the array mode of inspection tools (Dom et al., 1995).
"""

from typing import Final

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from embeddings.highlight.folding import Values, fold_median
from embeddings.highlight.lines import Pattern
from embeddings.highlight.loops import draw_cells

_ALIKE: Final = 0.2  # correlation of the picture with itself, a step further
_OF_BEST: Final = 0.75
_LEAST_STEP: Final = 4.0  # pixels
_REACH: Final = 0.4  # of a side: with longer steps too little lies on itself
_SQUARE: Final = 0.35  # sine of the angle between the steps, at least
_MULTIPLES: Final = (2, 3, 4)
_LEAST_CELLS: Final = 4

Steps = NDArray[np.float64]  # (2, 2): rows and columns of each step


def find_array(flat: Values) -> Pattern | None:
    """Return the array that explains the picture; None where nothing repeats in two directions.

    Parameters
    ----------
    flat : (h, w) float32
        Of mean 0, without its slow background.
    """
    steps = _find_steps(flat)
    return None if steps is None else _fold(flat, steps)


def _find_steps(flat: Values) -> Steps | None:
    alike, (rows, columns) = _correlate(flat)
    calm = scipy.ndimage.gaussian_filter(alike, 0.7, truncate=3)
    is_peak = (calm == scipy.ndimage.maximum_filter(calm, size=5)) & (calm > _ALIKE)
    y, x = np.nonzero(is_peak)
    found = np.stack([y - rows, x - columns], axis=1)
    height = calm[y, x]
    # Of a step and its reverse one; near nothing the picture is always like itself.
    half = (found[:, 0] > 0) | ((found[:, 0] == 0) & (found[:, 1] > 0))
    kept = half & (np.hypot(*found.T) >= _LEAST_STEP)
    found, height = found[kept], height[kept]
    if len(found) < 2:
        return None
    found = found[height > _OF_BEST * height.max()]
    found = found[np.argsort(np.hypot(*found.T), kind="stable")].astype(np.float64)
    first = found[0]
    sine = np.abs(first[0] * found[:, 1] - first[1] * found[:, 0]) / (
        np.hypot(*first) * np.hypot(*found.T)
    )
    others = np.flatnonzero(sine > _SQUARE)
    if not len(others):
        return None
    both = (first, found[others[0]])
    return np.stack([_refine_step(calm, one, (rows, columns)) for one in both])


def _correlate(flat: Values) -> tuple[Values, tuple[int, int]]:
    """Return the autocorrelation up to the reach, and where its middle is."""
    shape = flat.shape
    rows, columns = (np.hanning(side + 2)[1:-1].astype(np.float32) for side in shape)
    fade: NDArray[np.float32] = np.outer(rows, columns)
    size = [scipy.fft.next_fast_len(round(side * (1 + _REACH)), real=True) for side in shape]

    def turn(values: NDArray[np.float32]) -> NDArray[np.float32]:
        spectrum = scipy.fft.rfft2(values, size)
        product: NDArray[np.float32] = scipy.fft.irfft2(np.abs(spectrum) ** 2, size)
        return product

    raw, overlap = turn((flat - flat.mean()) * fade), turn(fade)
    raw = raw / np.maximum(overlap, 0.02 * overlap[0, 0])
    raw = raw / max(float(raw[0, 0]), 1e-30)
    down, right = (int(side * _REACH) for side in shape)
    around = np.roll(raw, (down, right), axis=(0, 1))
    return around[: 2 * down + 1, : 2 * right + 1], (down, right)


def _refine_step(
    alike: Values, step: NDArray[np.float64], middle: tuple[int, int]
) -> NDArray[np.float64]:
    """Find the step to a part of a pixel from the peaks of its multiples."""
    for multiple in (1, *_MULTIPLES):
        y, x = (round(float(s) * multiple) + m for s, m in zip(step, middle, strict=True))
        if not (3 <= y < alike.shape[0] - 3 and 3 <= x < alike.shape[1] - 3):
            break
        near = alike[y - 2 : y + 3, x - 2 : x + 3]
        row, column = np.unravel_index(int(near.argmax()), near.shape)
        y, x = y - 2 + int(row), x - 2 + int(column)
        top = float(alike[y, x])
        down = _find_top(float(alike[y - 1, x]), top, float(alike[y + 1, x]))
        right = _find_top(float(alike[y, x - 1]), top, float(alike[y, x + 1]))
        step = np.array([y - middle[0] + down, x - middle[1] + right]) / multiple
    return step


def _find_top(before: float, top: float, after: float) -> float:
    """Return where the parabola through three values is highest, from the middle one."""
    bend = before - 2 * top + after
    return 0.0 if bend == 0 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5))


def _fold(flat: Values, steps: Steps) -> Pattern | None:
    sizes = [max(4, round(float(np.hypot(*step)))) for step in steps]
    if flat.size < _LEAST_CELLS * sizes[0] * sizes[1]:
        return None
    back = np.linalg.inv(steps).astype(np.float32)
    rows = np.arange(flat.shape[0], dtype=np.float32)[:, None]
    columns = np.arange(flat.shape[1], dtype=np.float32)[None, :]
    # How far along each step, in places of about a pixel.
    along = [(rows * back[0, k] + columns * back[1, k]) % 1 * sizes[k] for k in (0, 1)]
    cell = [np.minimum(a.astype(np.int32), s - 1) for a, s in zip(along, sizes, strict=True)]
    places = cell[0] * sizes[1] + cell[1]
    golden = fold_median(flat, places, sizes[0] * sizes[1]).reshape(sizes)
    expected = draw_cells(golden, *along)
    return Pattern(kind="array", expected=expected, places=places, count=sizes[0] * sizes[1])
