"""Whether two pictures are copies, from their pixels: only a copy has the same noise.

Both are brought to one scale and shifted onto each other. Then each frequency of the one is held
against that of the other: in a copy the phases agree from the coarse shapes down to the grain;
two photographs of uniform film, or of the same line pattern, agree in the pattern's few
frequencies and nowhere else. Strong frequencies are weighed down (a power of the amplitude
between correlation and phase correlation, Kuglin and Hines 1975), so that the pattern does not
outweigh the noise. A compact defect with sharp edges has all frequencies, and the same particle on
another film would agree: so the faint detail away from it must agree too, pixel by pixel.

Pictures without grain (wafer maps, binarised boards) have nothing but their shapes to compare:
there nearly all must agree, everywhere in the picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from embeddings.reader import Preview, resize_values

# Of copies (JPEG, PNG, 0.5x to 2x) 95 in 100 lie above .79; of pairs of different gratings, films
# and steel the highest was .59 (docs/log.md).
COPY = 0.7
# Of faint detail: copies .8 and more (.5 where half the grey levels were clipped), other films 0.
SAME_NOISE = 0.5
COPY_WITHOUT_NOISE, LEAST_BLOCK = 0.95, 0.7
# Half a grey level of 8 bits: above .004 in nearly all photographs, 0 in maps and boards.
_LEAST_NOISE = 0.002
_WEIGHT = 0.25  # power of the amplitudes: 1 is plain correlation, 0 phase correlation
_COARSEST, _FINEST = 0.03, 0.5  # of the Nyquist frequency: lighting below, rounding above
_SHARP, _BROAD = 0.7, 3.0  # pixels
_SHIFT = 0.12  # of a side: how far copies may be shifted
_SAME_SHAPE, _SAME_SCALE = 0.1, 0.25  # differences in aspect ratio, and in area, of copies
_LEAST = 8  # pixels a side
_FAINT = 2.5  # standard deviations of the detail (by its median): stronger is structure
_BLOCKS = 4  # a side

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How alike two pictures are.

    Attributes
    ----------
    similarity : float
        Agreement of their frequencies, in [0, 1].
    noise_correlation : float
        Correlation of the faint detail, in [-1, 1].
    worst_block : float
        Agreement of the block of the picture that agrees least, in [0, 1].
    has_noise : bool
    """

    similarity: float
    noise_correlation: float
    worst_block: float
    has_noise: bool

    @property
    def is_copy(self) -> bool:
        """Whether one is a copy of the other."""
        if self.has_noise:
            return self.similarity >= COPY and self.noise_correlation >= SAME_NOISE
        return self.similarity >= COPY_WITHOUT_NOISE and self.worst_block >= LEAST_BLOCK


_NOTHING_ALIKE = Likeness(similarity=0.0, noise_correlation=0.0, worst_block=0.0, has_noise=True)


def compare_pictures(first: Preview, second: Preview) -> Likeness:
    """Compare two shrunk pictures; a field without any detail is like no other."""
    has_noise = min(first.noise_level, second.noise_level) >= _LEAST_NOISE
    found = [_compare(a, b, has_noise=has_noise) for a, b in _bring_to_scale(first, second)]
    return max(found, key=lambda each: each.similarity, default=_NOTHING_ALIKE)


def _bring_to_scale(first: Preview, second: Preview) -> Iterator[tuple[Floats, Floats]]:
    """Yield both as if one were the other resized, and as if it were cut from the other."""
    if abs(np.log(first.width / first.height * second.height / second.width)) < _SAME_SHAPE:
        height = min(first.values.shape[0], second.values.shape[0])
        width = min(first.values.shape[1], second.values.shape[1])
        yield tuple(resize_values(one.values, (width, height)) for one in (first, second))  # type: ignore[misc]
    sizes = (first.width, first.height), (second.width, second.height)
    areas = first.width * first.height, second.width * second.height
    if sizes[0] != sizes[1] and min(areas) > (1 - _SAME_SCALE) * max(areas):
        scale = min(one.values.shape[1] / one.width for one in (first, second))
        a, b = (
            resize_values(one.values, (round(one.width * scale), round(one.height * scale)))
            for one in (first, second)
        )
        yield a, b


def _compare(first: Floats, second: Floats, *, has_noise: bool) -> Likeness:
    details = _find_detail(first), _find_detail(second)
    if min(float(detail.std()) for detail in details) < 1e-6:
        return _NOTHING_ALIKE
    shift = _find_shift(*details)
    inside = _overlap(first.shape, second.shape, shift)
    if inside is None:
        return _NOTHING_ALIKE
    a, b = details[0][inside[0]], details[1][inside[1]]
    return Likeness(
        similarity=max(0.0, min(_agree(first[inside[0]], second[inside[1]]), 1.0)),
        noise_correlation=_correlate_faint(a, b),
        worst_block=max(0.0, _find_worst_block(a, b)),
        has_noise=has_noise,
    )


def _find_detail(values: Floats) -> Floats:
    sharp = ndimage.gaussian_filter(values, _SHARP, mode="nearest")
    return np.asarray(sharp - ndimage.gaussian_filter(values, _BROAD, mode="nearest"), np.float32)


def _find_shift(first: Floats, second: Floats) -> tuple[int, int]:
    """Return by how many rows and columns the second lies off the first, by cross-correlation."""
    a, b = (np.clip(d, -3 * d.std(), 3 * d.std()) for d in (first, second))
    sides = np.add(a.shape, b.shape)
    size = [fft.next_fast_len(int(side), real=True) for side in sides]
    surface = fft.irfft2(fft.rfft2(a, size) * fft.rfft2(b, size).conj(), size)
    most = np.abs(np.subtract(a.shape, b.shape)) + np.ceil(
        _SHIFT * np.minimum(a.shape, b.shape)
    ).astype(int)
    rows, columns = (np.r_[0 : limit + 1, -limit:0] for limit in most.tolist())
    near = surface[np.ix_(rows, columns)]
    row, column = np.unravel_index(int(near.argmax()), near.shape)
    return int(rows[row]), int(columns[column])


def _overlap(
    first: tuple[int, ...], second: tuple[int, ...], shift: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Return where both are, in the first and in the second; None where that is too little."""
    starts = [max(0, step) for step in shift]
    stops = [min(a, b + step) for a, b, step in zip(first, second, shift, strict=True)]
    if min(stop - start for start, stop in zip(starts, stops, strict=True)) < _LEAST:
        return None
    in_first = tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))
    in_second = tuple(
        slice(one.start - step, one.stop - step) for one, step in zip(in_first, shift, strict=True)
    )
    return in_first, in_second  # type: ignore[return-value]


def _agree(first: Floats, second: Floats) -> float:
    """Return the weighted mean cosine of the phase differences over the frequencies."""
    height, width = first.shape
    window = np.outer(_hann(height), _hann(width))
    a, b = (
        fft.rfft2((one - (one * window).sum() / window.sum()) * window) for one in (first, second)
    )
    radius = np.hypot(2 * fft.fftfreq(height)[:, None], 2 * fft.rfftfreq(width))
    band = (radius >= _COARSEST) & (radius <= _FINEST)
    cross = (a * b.conj())[band]
    strength = np.abs(cross)
    # Below a thousandth of the middle one a frequency is rounding alone.
    floor = 1e-3 * float(np.median(strength)) + 1e-12
    weights = (strength + floor) ** (_WEIGHT - 1)
    whole = float((strength * weights).sum())
    return float((cross.real * weights).sum()) / whole if whole > 0 else 0.0


def _correlate_faint(first: Floats, second: Floats) -> float:
    """Return the correlation of two details where both are faint, 0 where too little is."""
    faint = np.ones(first.shape, bool)
    for detail in (first, second):
        size = np.abs(detail)
        faint &= size < _FAINT * 1.4826 * np.median(size)
    if faint.sum() < _LEAST**2:
        return 0.0
    a, b = (detail[faint] - detail[faint].mean() for detail in (first, second))
    power = float((a**2).sum() * (b**2).sum())
    return float((a * b).sum()) / power**0.5 if power > 0 else 0.0


def _find_worst_block(first: Floats, second: Floats) -> float:
    """Return the agreement of the block that agrees least; faint blocks hardly count."""
    gain = float((first * second).sum()) / max(float((second**2).sum()), 1e-12)
    scaled = gain * second
    usual = float((first**2).mean() + (scaled**2).mean())
    worst = 1.0
    for rows in np.array_split(np.arange(first.shape[0]), _BLOCKS):
        for columns in np.array_split(np.arange(first.shape[1]), _BLOCKS):
            block = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            a, b = first[block], scaled[block]
            power = float((a**2).mean() + (b**2).mean()) + 0.1 * usual
            worst = min(worst, 1 - float(((a - b) ** 2).mean()) / max(power, 1e-12))
    return worst


def _hann(length: int) -> Floats:
    return np.hanning(length + 2)[1:-1].astype(np.float32)
