"""The background of a picture without a reference: a smooth field, lines, or an array.

    rest = remove_background(grey)   # rest.values: (h, w), what the background does not explain

A layout is taken where it leaves clearly less than a smooth field does, so that a plain surface
stays plain: what is left is compared by its robust standard deviation, which a defect of less
than half of the picture does not move. Golden pictures and normals are compared elsewhere
(`embeddings.pooling`): here nothing is known but the picture.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from embeddings.highlight.arrays import find_array
from embeddings.highlight.folding import Places, Values, find_median, fold_median, spread_of
from embeddings.highlight.lines import Pattern, PatternKind, find_lines

BackgroundKind = Literal["smooth", PatternKind]

_COARSE: Final = 48  # blocks along the shorter side that a surface is fitted to
_ROUNDS: Final = 8  # of trimming
_TRIM: Final = 2.5  # robust standard deviations
_CLEARLY: Final = 0.85  # of the smooth field's rest: a layout must leave less
_SINGLE: Final = 1.2  # lines have a value at every position: a grating is the simpler layout
_ARRAY: Final = 0.9  # of what lines leave, for an array
_SLOW: Final = 6  # the smooth field's Gaussian is this part of the shorter side
_OUTSIDE: Final = 3.0  # robust standard deviations of the calmed rest: no background
_CALM: Final = 3.0  # pixels
_PRIOR: Final = 0.05  # of a full neighbourhood: the fitted surface, where little is seen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rest:
    """What the background of a picture does not explain.

    Attributes
    ----------
    values : (h, w) float32
        Signed, in the picture's grey levels; about 0 where there is nothing.
    places : (h, w) int32
        Where each pixel lies in the layout, from 0 to `count` - 1: edges are rougher than planes.
    kind : {"smooth", "lines", "grating", "array"}
    layout : (h, w) float32
        What the layout looks like, of mean 0 and deviation 1; 0 where there is none.
    angle : float
        Direction across the lines, in radians from the row axis.
    """

    values: Values
    places: Places
    count: int
    kind: BackgroundKind
    layout: Values
    angle: float = 0.0


def remove_background(grey: Values) -> Rest:
    """Take the background off a picture.

    Parameters
    ----------
    grey : (h, w) float32 in [0, 1], sides of 8 pixels or more
    """
    flat = grey - _fit_surface(grey)
    pattern = _choose_pattern(flat)
    values = flat
    if pattern is not None:
        # Without its layout the picture's shading is told from a large defect.
        values = flat - pattern.expected
        values = values - _fit_surface(values)
    # Twice: what stands out of a better background is told more exactly.
    for _ in range(2):
        seen = _find_background(values)
        values = values - _smooth_seen(values, seen, min(grey.shape) / _SLOW)
        values = values - _find_flicker(values, seen)
    values = np.ascontiguousarray(values, dtype=np.float32)
    if pattern is None:
        nothing = np.zeros(grey.shape, np.int32)
        return Rest(
            values=values, places=nothing, count=1, kind="smooth", layout=np.zeros_like(values)
        )
    layout = pattern.expected - pattern.expected.mean()
    layout /= max(float(layout.std()), 1e-9)
    return Rest(
        values=values,
        places=pattern.places,
        count=pattern.count,
        kind=pattern.kind,
        layout=layout.astype(np.float32),
        angle=pattern.angle,
    )


def _choose_pattern(flat: Values) -> Pattern | None:
    """Return the layout that leaves least; None where a smooth field does as well."""
    centred = flat - flat.mean()
    bound = _CLEARLY * _measure_rest(flat)
    best, least = None, bound
    if bound <= 0:
        return None
    for pattern in find_lines(centred):
        left = _measure_rest(flat - pattern.expected)
        left *= _SINGLE if pattern.kind == "lines" else 1
        if left < least:
            best, least = pattern, left
    array = find_array(centred)
    if array is not None:
        left = _measure_rest(flat - array.expected)
        if left < (bound if best is None else _ARRAY * least):
            best = array
    return best


def _measure_rest(values: Values) -> float:
    return spread_of(scipy.ndimage.gaussian_filter(values, 1.0, truncate=3))


def _fit_surface(grey: Values) -> Values:
    """Fit a tilt and a bowl by least squares, again without what lies far from them."""
    h, w = grey.shape
    step = max(1, min(h, w) // _COARSE)
    rows, columns = h // step, w // step
    blocks = grey[: rows * step, : columns * step].reshape(rows, step, columns, step)
    y = (np.arange(rows) + 0.5) * step / h * 2 - 1
    x = (np.arange(columns) + 0.5) * step / w * 2 - 1
    powers = [(i, j) for i in range(3) for j in range(3 - i)]
    basis = np.stack([np.outer(y**i, x**j).ravel() for i, j in powers], axis=1)
    z = blocks.mean(axis=(1, 3), dtype=np.float64).ravel()
    kept = np.ones(z.size, dtype=bool)
    factors = np.zeros(len(powers))
    for _ in range(_ROUNDS):
        factors = np.linalg.lstsq(basis[kept], z[kept], rcond=None)[0]
        far = np.abs(z - basis @ factors)
        again = far <= max(_TRIM * 1.4826 * float(np.median(far[kept])), 1e-6)
        if np.array_equal(again, kept) or np.count_nonzero(again) < 4 * len(powers):
            break
        kept = again
    y, x = (np.arange(h) + 0.5) / h * 2 - 1, (np.arange(w) + 0.5) / w * 2 - 1
    surface = np.zeros((h, w), np.float32)
    for factor, (i, j) in zip(factors, powers, strict=True):
        surface += np.outer((factor * y**i).astype(np.float32), (x**j).astype(np.float32))
    return surface


def _find_background(values: Values) -> NDArray[np.bool_]:
    """Return where nothing stands out so far, (h, w); everywhere, where that is too little."""
    calm = scipy.ndimage.gaussian_filter(values, _CALM, truncate=3)
    far = np.abs(calm - find_median(calm.ravel()))
    inside = far <= _OUTSIDE * max(spread_of(calm), 1e-9)
    seen = ~scipy.ndimage.binary_dilation(~inside, iterations=2)
    return seen if seen.mean() >= 0.3 else np.ones(values.shape, dtype=bool)


def _smooth_seen(values: Values, seen: NDArray[np.bool_], width: float) -> Values:
    """Smooth over what is background alone (normalised convolution, Knutsson and Westin 1993)."""
    h, w = values.shape
    step = max(1, int(width // 5))
    rest = ((0, -h % step), (0, -w % step))

    def shrink(of: Values) -> Values:
        padded = np.pad(of, rest)
        rows, columns = padded.shape[0] // step, padded.shape[1] // step
        blocks: Values = padded.reshape(rows, step, columns, step).sum(axis=(1, 3))
        return blocks

    sums, counts = shrink(values * seen), shrink(seen.astype(np.float32))
    sums, counts, full = (
        scipy.ndimage.gaussian_filter(one, width / step, mode="constant", truncate=3)
        for one in (sums, counts, np.full_like(counts, step * step))
    )
    field: Values = sums / (counts + _PRIOR * full)
    if step == 1:
        return field[:h, :w]
    return _enlarge(field, (h, w), step)


def _enlarge(field: Values, shape: tuple[int, int], step: int) -> Values:
    """Bring a field of blocks of step x step pixels to the picture's size, linearly."""
    along = []
    for axis in (0, 1):
        last = field.shape[axis] - 1
        at = np.clip((np.arange(shape[axis], dtype=np.float32) + 0.5) / step - 0.5, 0, last)
        before = np.minimum(at.astype(np.int32), max(last - 1, 0))
        along.append((before, np.minimum(before + 1, last), at - before))
    (above, below, down), (left, right, aside) = along
    rows = field[above] * (1 - down)[:, None] + field[below] * down[:, None]
    enlarged: Values = (rows[:, left] * (1 - aside) + rows[:, right] * aside).astype(np.float32)
    return enlarged


def _find_flicker(values: Values, seen: NDArray[np.bool_]) -> Values:
    """Return the median of each scan line's background, (h, 1): the beam's current wanders."""
    h = len(values)
    rows = np.broadcast_to(np.arange(h, dtype=np.int32)[:, None], values.shape)
    # What is not background is put into a row of its own; a line without any has none.
    middle = fold_median(values, np.where(seen, rows, h).astype(np.int32), h + 1)[:h]
    enough = seen.mean(axis=1) >= 0.25
    return np.where(enough, middle, 0).astype(np.float32)[:, None]
