"""Lines at any angle: their direction, their pitch where they repeat, and what they look like.

    pattern = find_lines(flat)[0]   # flat: a picture without its slow background
    rest = flat - pattern.expected

The direction is that of the gradients (structure tensor: Bigun and Granlund, ICCV 1987), made
exact by how much of the picture the position across the lines explains. The pitch is the
strongest line of the profile's spectrum, or twice it, made exact in the same way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from embeddings.highlight.folding import Places, Values, fold_median, share_explained
from embeddings.highlight.loops import add_up_phases, draw_lines

_COHERENT: Final = 0.15  # of the gradients' energy along one direction; grain has less
_EXPLAINED: Final = 0.08  # of the variance, by the position across the lines
_REPEATS: Final = 0.6  # of that, by the phase: else the lines are no grating
_WIDTH: Final = 0.5  # pixels of a place across the lines: edges lie between pixels
_FINE: Final = 0.25  # pixels of the profile that a pitch is looked for in
_LEAST_LINES: Final = 3  # in the picture, for a pitch
_STEPS: Final = (1.0, 0.4, 0.15)  # of the search: degrees, or pixels of drift over the picture
_SNAP: Final = 3.0  # degrees to an axis within which the axis is tried
_GAIN: Final = 1.01  # that a turned direction must explain more
_PEAKS: Final = 4

PatternKind = Literal["lines", "grating", "array"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pattern:
    """A layout that explains a picture without its defects.

    Attributes
    ----------
    kind : {"lines", "grating", "array"}
        Lines that each look the same all along; lines that all look alike; a cell that repeats in
        two directions.
    expected : (h, w) float32
        The median of all pixels at the same place of the pattern.
    places : (h, w) int32
        Where each pixel lies in the pattern, from 0 to `count` - 1, about a pixel apart.
    angle : float
        Direction across the lines in radians, from the row axis; 0 for an array.
    """

    kind: PatternKind
    expected: Values
    places: Places
    count: int
    angle: float = 0.0


def find_lines(flat: Values) -> list[Pattern]:
    """Return what lines may explain the picture, none where there is no direction.

    Parameters
    ----------
    flat : (h, w) float32
        Of mean 0, without its slow background.
    """
    angle = _find_angle(flat)
    if angle is None:
        return []
    across = _lay_across(flat.shape, angle)
    found = [_fold(flat, across, 0.0, angle)]
    pitch = _find_pitch(flat, across)
    if pitch:
        found.append(_fold(flat, across, pitch, angle))
    return found


def _find_angle(flat: Values) -> float | None:
    calm = scipy.ndimage.gaussian_filter(flat, 1.0, truncate=3)
    down, right = np.gradient(calm)
    power = down * down + right * right
    # The strongest two per cent, a defect's edge perhaps, count no more than the rest.
    most = float(np.quantile(power[::2, ::2], 0.98))
    weight = np.minimum(1, most / np.maximum(power, 1e-30))
    xx, yy, xy = (float((a * weight).sum()) for a in (right**2, down**2, right * down))
    length = float(np.hypot(xx - yy, 2 * xy))
    if length <= _COHERENT * (xx + yy):
        return None
    rough = 0.5 * float(np.arctan2(2 * xy, xx - yy))
    return _refine_angle(flat, rough)


def _refine_angle(flat: Values, angle: float) -> float | None:
    # Every second row says the direction as well.
    thin = flat[::2] if flat.shape[0] >= 128 else flat
    step = 2 if flat.shape[0] >= 128 else 1

    def explain(turned: float) -> float:
        across = _lay_across(flat.shape, turned)[::step]
        places = ((across - across.min()) / _WIDTH).astype(np.int32)
        return share_explained(thin, places, int(places.max()) + 1)

    best, value = angle, explain(angle)
    for axis in (-np.pi / 2, 0.0, np.pi / 2):
        if abs(best - axis) < np.radians(_SNAP):
            best, value = axis, max(explain(axis), value)
            break
    for width in _STEPS:
        for turn in (-2, -1, 1, 2):
            turned = best + np.radians(width * turn)
            share = explain(turned)
            if share > value * _GAIN:
                best, value = turned, share
    return best if value > _EXPLAINED else None


def _lay_across(shape: tuple[int, ...], angle: float) -> Values:
    """Return each pixel's position across the lines in pixels, (h, w)."""
    rows = np.arange(shape[0], dtype=np.float32)[:, None]
    columns = np.arange(shape[1], dtype=np.float32)[None, :]
    across: Values = columns * np.float32(np.cos(angle)) + rows * np.float32(np.sin(angle))
    return across


def _find_pitch(flat: Values, across: Values) -> float:
    """Return the pitch in pixels, 0 where the lines do not repeat."""
    first = float(across.min())
    fine = ((across - first) / _FINE).astype(np.int32).ravel()
    counts = np.bincount(fine).astype(np.float64)
    sums = np.bincount(fine, flat.ravel())
    there = counts > 0
    centres = (np.arange(len(counts))[there] + 0.5) * _FINE
    counts, sums = counts[there], sums[there]
    total = float(np.square(flat, dtype=np.float64).sum())
    whole = float((sums * sums / counts).sum()) / total  # what the position explains

    def explain(pitch: float) -> float:
        cells = max(8, round(pitch / _WIDTH))
        n, of = add_up_phases(centres, counts, sums, pitch=pitch, cells=cells)
        return float((of * of / np.maximum(n, 1)).sum()) / total - 3 * cells / flat.size

    extent = float(centres[-1])
    best, value = 0.0, 0.0
    for rough in _list_pitches(centres, counts, sums, extent):
        pitch, share = _refine_pitch(explain, rough, extent)
        if share > value * 1.03:  # the shorter of two that explain the same
            best, value = pitch, share
    return best if value > _REPEATS * whole else 0.0


def _list_pitches(
    centres: NDArray[Any],
    counts: NDArray[Any],
    sums: NDArray[Any],
    extent: float,
) -> list[float]:
    """Return pitches from the strongest lines of the profile's spectrum, the shortest first."""
    pixel = centres.astype(np.int32)
    length = int(pixel[-1]) + 1
    n = np.bincount(pixel, counts, minlength=length)
    profile = np.bincount(pixel, sums, minlength=length) / np.maximum(n, 1)
    profile -= profile.mean()
    padded = 8 * length
    power = np.abs(np.fft.rfft(profile * np.hanning(length), padded)) ** 2
    frequency = np.arange(len(power)) / padded
    power[(frequency < _LEAST_LINES / length) | (frequency > 0.4)] = 0
    top = float(power.max())
    pitches = []
    for _ in range(_PEAKS):
        at = int(power.argmax())
        if power[at] <= 0.02 * top:
            break
        pitches += [1 / frequency[at], 2 / frequency[at]]
        power[max(0, at - 16) : at + 17] = 0
    return sorted(one for one in pitches if one < extent / 2.5)


def _refine_pitch(
    explain: Callable[[float], float], rough: float, extent: float
) -> tuple[float, float]:
    pitch, share = rough, explain(rough)
    for width in _STEPS:
        step = width * rough / extent  # that many pixels of drift over the picture
        tried = [
            (explain(pitch + step * turn), pitch + step * turn) for turn in (-3, -2, -1, 1, 2, 3)
        ]
        better = max(tried)
        if better[0] > share:
            share, pitch = better
    return pitch, share


def _fold(flat: Values, across: Values, pitch: float, angle: float) -> Pattern:
    if pitch:
        cells = max(8, round(pitch / _WIDTH))
        place = (across / np.float32(pitch)) % 1 * np.float32(cells)
    else:
        place = (across - across.min()) / np.float32(_WIDTH)
        cells = int(place.max()) + 1
    middle = fold_median(flat, np.minimum(place.astype(np.int32), cells - 1), cells)
    expected = draw_lines(middle, place, is_grating=bool(pitch))
    # The spread is measured pixel by pixel.
    coarse = (place * _WIDTH).astype(np.int32)
    return Pattern(
        kind="grating" if pitch else "lines",
        expected=expected,
        places=coarse,
        count=int(coarse.max()) + 1,
        angle=angle,
    )
