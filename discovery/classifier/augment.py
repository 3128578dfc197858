"""More pictures from few: the ways in which a review SEM may see the same defect again.

    copies = augment_many(image, AugmentOptions(copies=8), seed=0)  # (8, c, h, w)

Orientation, place and size first (geometry), then the beam (blur), the detector's gain and
offset, charging, and noise last, as in the instrument: so noise is never turned or blurred.
"""

import zlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.ndimage
from numpy.random import Generator
from numpy.typing import NDArray

from embeddings.errors import OptionError

Image = NDArray[np.float32]

# The largest amount that makes sense of each; beyond it the picture is no longer the same defect.
_MOST: Final = {
    "shift": 0.5, "scale": 0.5, "shot_noise": 0.5, "gaussian_noise": 0.5, "brightness": 0.5,
    "contrast": 0.9, "charging": 0.5, "blur": 10.0,
}  # fmt: skip
_BAND: Final = 0.04  # of the height: width of charging's bands, as charge leaks away
ORIENTATIONS: Final = 8  # orientations of a square


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentOptions:
    """What may vary from copy to copy; an amount of 0 (or False) switches it off.

    Each amount is the largest: every copy draws its own, evenly, up to it.

    Attributes
    ----------
    copies : int
        Number of pictures made of one.
    flips : bool
        Mirror left-right and up-down.
    quarter_turns : bool
        Turn by quarters of a circle; a picture that is not square only by halves, so that its
        shape stays.
    shift : float
        As a share of the sides, in both directions.
    scale : float
        0.1 makes things up to 10 % larger, or smaller by the same factor.
    shot_noise : float
        Standard deviation of the electrons' noise where the picture is white, as a share of the
        grey range; it grows with the root of the signal (Gaussian limit of Poisson noise, for
        some 20 electrons a pixel or more, which is 0.22 or less).
    gaussian_noise : float
        Standard deviation of the detector's noise, the same everywhere.
    brightness : float
        Added to all pixels, up or down.
    contrast : float
        0.2 stretches or compresses grey values about their mean by up to 20 %.
    charging : float
        Brightness that drifts down the picture, the slow scan direction: a slope and smooth
        bands, alike along each scan line, up to this much.
    blur : float
        Standard deviation of the beam in pixels, added to the one it had.
    """

    copies: int = 8
    flips: bool = True
    quarter_turns: bool = True
    shift: float = 0.05
    scale: float = 0.08
    shot_noise: float = 0.04
    gaussian_noise: float = 0.02
    brightness: float = 0.05
    contrast: float = 0.15
    charging: float = 0.04
    blur: float = 0.6

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise OptionError(f"{self.copies} copies, expected 1 or more")
        for name, most in _MOST.items():
            amount = getattr(self, name)
            # NaN fails the comparison.
            if not 0 <= amount <= most:
                raise OptionError(f"{name} is {amount}, expected 0 (off) to {most:g}")

    @classmethod
    def none(cls, *, copies: int = 1) -> "AugmentOptions":
        """Return options with all switched off, to be switched on one by one (`replace`)."""
        amounts: dict[str, Any] = dict.fromkeys(_MOST, 0.0)
        return cls(copies=copies, flips=False, quarter_turns=False, **amounts)


def turn_picture(image: Image, k: int) -> Image:
    """Return one of the eight orientations of a picture.

    Parameters
    ----------
    image : (c, h, w) float32 array
    k : int
        Quarter turns anticlockwise are k modulo 4; from 4 on the picture is mirrored left-right
        first. 0 leaves it as it is.

    Returns
    -------
    (c, h, w) or (c, w, h) float32 array
        Contiguous; odd k swap height and width.

    Raises
    ------
    ValueError
        k is not 0 to 7.
    """
    if not 0 <= k < ORIENTATIONS:
        raise ValueError(f"orientation {k}, expected 0 to {ORIENTATIONS - 1}")
    mirrored = image[:, :, ::-1] if k >= 4 else image
    return np.ascontiguousarray(np.rot90(mirrored, k % 4, axes=(1, 2)))


def list_orientations(image: Image) -> tuple[int, ...]:
    """List the orientations that keep the shape of a picture (c, h, w): 8 of a square, else 4."""
    is_square = image.shape[1] == image.shape[2]
    # As it is, turned by half, mirrored left-right, up-down: none swaps height and width.
    return tuple(range(ORIENTATIONS)) if is_square else (0, 2, 4, 6)


def augment_picture(image: Image, options: AugmentOptions, *, rng: Generator) -> Image:
    """Make one varied copy of a picture.

    Parameters
    ----------
    image : (c, h, w) float32 array
        Values in [0, 1]. The channels are one detector's: they get the same noise, so that equal
        channels stay equal.
    options : AugmentOptions
    rng : Generator
        Advanced by the call.

    Returns
    -------
    (c, h, w) float32 array
        Values in [0, 1], contiguous, never the argument itself. What a shift or a smaller scale
        brings in at the border repeats the border.

    Raises
    ------
    ValueError
        The image is not (c, h, w) float32 in [0, 1].
    """
    _check_image(image)
    allowed = _list_allowed(image, options)
    return _vary(turn_picture(image, allowed[int(rng.integers(len(allowed)))]), options, rng)


def augment_many(image: Image, options: AugmentOptions, *, seed: int) -> Image:
    """Make `options.copies` varied copies of a picture, all orientations before any comes again.

    The copies depend on the image, the seed and their number alone: more copies of the same image
    begin with the same ones.

    Parameters
    ----------
    image : (c, h, w) float32 array
        Values in [0, 1].
    options : AugmentOptions
    seed : int
        0 or more.

    Returns
    -------
    (copies, c, h, w) float32 array
        Values in [0, 1].

    Raises
    ------
    ValueError
        The image is not (c, h, w) float32 in [0, 1].
    """
    _check_image(image)
    allowed = _list_allowed(image, options)
    # The image itself is in the seed: two images of a class do not get the same variations.
    mark = zlib.crc32(np.ascontiguousarray(image).tobytes())
    copies = np.empty((options.copies, *image.shape), np.float32)  # (copies, c, h, w)
    for number in range(options.copies):
        round_, place = divmod(number, len(allowed))
        order = np.random.default_rng([seed, mark, 0, round_]).permutation(len(allowed))
        rng = np.random.default_rng([seed, mark, 1, number])
        copies[number] = _vary(turn_picture(image, allowed[int(order[place])]), options, rng)
    return copies


def _check_image(image: NDArray[Any]) -> None:
    if image.ndim != 3 or 0 in image.shape or image.dtype != np.float32:
        raise ValueError(f"image is {image.shape} {image.dtype}, expected (c, h, w) float32")
    low, high = float(image.min()), float(image.max())
    # NaN fails both comparisons.
    if not (low >= 0 and high <= 1):
        raise ValueError(f"image holds {low:g} to {high:g}, expected values in [0, 1]")


def _list_allowed(image: Image, options: AugmentOptions) -> tuple[int, ...]:
    """List the orientations that the options allow and that keep the picture's shape."""
    kept = list_orientations(image)
    if options.flips and options.quarter_turns:
        return kept
    if options.flips:
        return 0, 2, 4, 6
    return tuple(k for k in kept if k < 4) if options.quarter_turns else (0,)


def _vary(image: Image, options: AugmentOptions, rng: Generator) -> Image:
    """Move, blur, light and expose a picture; each amount is drawn on its own, in one go."""
    channels = len(image)
    if channels > 1 and (image[1:] == image[:1]).all():
        image = image[:1]  # a grey picture three times over is worked on once
    # Python's floats: numpy's own would widen the picture to float64.
    drawn: list[float] = rng.uniform(-1, 1, size=9).tolist()
    down, right, zoom, blur, bright, contrast, charge, shot, steady = drawn
    if options.shift or options.scale:
        shift = (options.shift * down, options.shift * right)
        image = _move(image, shift, zoom=(1 + options.scale) ** zoom)
    if options.blur:
        image = scipy.ndimage.gaussian_filter(
            image, options.blur * abs(blur), mode="nearest", axes=(1, 2)
        )
    if options.contrast:
        image = image.mean() + (1 + options.contrast * contrast) * (image - image.mean())
    image = image + options.brightness * bright
    if options.charging:
        image = image + options.charging * abs(charge) * _draw_charging(image.shape[1], rng)
    if options.shot_noise or options.gaussian_noise:
        image = image + _draw_noise(
            image, rng, shot=options.shot_noise * shot, steady=options.gaussian_noise * steady
        )
    held = np.clip(image, 0, 1).astype(np.float32, copy=False)
    return np.ascontiguousarray(np.broadcast_to(held, (channels, *held.shape[1:])))


def _move(image: Image, shift: tuple[float, float], *, zoom: float) -> Image:
    """Shift by shares of the sides and zoom about the middle, between pixels linearly."""
    sides = np.array(image.shape[1:])
    middle = (sides - 1) / 2
    # What is seen at `there` comes from (there - middle - shift) / zoom + middle.
    offset = middle - (middle + np.array(shift) * sides) / zoom
    moved = np.empty_like(image)
    for channel, target in zip(image, moved, strict=True):
        scipy.ndimage.affine_transform(
            channel, [1 / zoom, 1 / zoom], offset, output=target, order=1, mode="nearest"
        )
    return moved


def _draw_charging(rows: int, rng: Generator) -> Image:
    """Draw brightness that drifts from scan line to scan line: (rows, 1) in [-1, 1]."""
    slope = rng.uniform(-1, 1) * np.linspace(-1, 1, rows)
    bands = scipy.ndimage.gaussian_filter1d(
        rng.standard_normal(rows), max(1.0, _BAND * rows), mode="nearest"
    )
    drift = slope + bands / max(float(np.abs(bands).max()), 1e-12)
    drift /= max(float(np.abs(drift).max()), 1e-12)
    return np.asarray(drift[:, None], dtype=np.float32)


def _draw_noise(image: Image, rng: Generator, *, shot: float, steady: float) -> Image:
    """Draw the electrons' and the detector's noise, one for all channels: (h, w).

    Two independent normal noises are one whose variances add.
    """
    signal = np.clip(image.mean(axis=0), 0, 1)  # (h, w)
    deviation = np.sqrt(np.float32(shot**2) * signal + np.float32(steady**2))
    noise: Image = deviation * rng.standard_normal(signal.shape, dtype=np.float32)
    return noise
