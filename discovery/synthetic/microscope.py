"""A model of a review SEM: a surface becomes the grey levels of a picture.

`image_surface` is the physics without noise: secondary electrons escape more easily from slopes
and edges (the edge effect) and less from the bottom of a trench (shadowing). `expose` adds what a
detector and a stage add: shot noise, vibration, charging, uneven lighting. `digitise` cuts the
signal into the grey levels of the file. Model after Goldstein et al., Scanning Electron
Microscopy and X-Ray Microanalysis, chapters 3 to 5, with effects as closed formulae, not traced
electrons.
"""

import numpy as np
import scipy.ndimage
import scipy.signal
from numpy.random import Generator
from numpy.typing import NDArray

from discovery.synthetic.records import Image, Microscope, Surface
from discovery.synthetic.surfaces import correlated_noise

_SIDEWALL = 0.9  # blur of the topography in pixels: walls are not upright
_ESCAPE = 0.30  # slope, in line heights a pixel, at which half of the edge effect is reached
_EDGE_GAIN = 0.62  # signal of a steep edge above its material's: bright, short of white
_SHADOW_REACH = 5.0  # distance in pixels over which walls take electrons away
_SHADOW = 0.30  # share lost a line height below the surroundings


def image_surface(surface: Surface, microscope: Microscope) -> Image:
    """Return the (h, w) secondary-electron signal without noise; about 0 to 1."""
    height = scipy.ndimage.gaussian_filter(surface.height, _SIDEWALL, truncate=3)
    down, right = np.gradient(height)  # (h, w) each
    slope = np.hypot(down, right)
    edge = slope**2 / (slope**2 + _ESCAPE**2)  # saturates as 1 / cos of the slope's angle does
    below = scipy.ndimage.gaussian_filter(height, _SHADOW_REACH, truncate=2.5) - height
    shadow = np.clip(_SHADOW * below, -0.12, 0.6)  # what stands out is seen a little better
    signal = surface.emission * (1 - shadow) + _EDGE_GAIN * edge * (1 - np.maximum(shadow, 0))
    # A side detector sees slopes that face it and misses those that do not.
    signal = signal + microscope.side * np.clip(right, -1, 1)
    seen: Image = scipy.ndimage.gaussian_filter(signal, microscope.beam, truncate=3)
    return np.clip(seen, 0.01, None).astype(np.float32)


def expose(signal: Image, microscope: Microscope, rng: Generator) -> Image:
    """Scan the signal line by line, with all that goes wrong on the way; (h, w) float32."""
    lit = _trail(signal, microscope.streak) * _shading(rng, signal.shape)
    shaken = _shake(lit, rng, jitter=microscope.jitter)
    # The gun's current wanders slower than a line is scanned: one gain a line, (h, 1).
    flicker = 1 + 0.008 * rng.standard_normal((len(signal), 1), dtype=np.float32)
    electrons = rng.poisson(np.maximum(shaken * flicker, 0) * microscope.dose)
    noise = microscope.read_noise * rng.standard_normal(signal.shape, dtype=np.float32)
    return (electrons / np.float32(microscope.dose) + noise).astype(np.float32)


def digitise(signal: Image, microscope: Microscope) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Cut a signal of about 0 to 1 into grey levels between the microscope's black and white."""
    levels = np.rint(microscope.black + signal * (microscope.white - microscope.black))
    levels = np.clip(levels, 0, 2**microscope.bit_depth - 1)
    return levels.astype(np.uint8) if microscope.bit_depth == 8 else levels.astype(np.uint16)


def _trail(signal: Image, share: float) -> Image:
    """Take away what charge left by bright spots holds back on the rest of their scan line."""
    # 0.15 above the median is more than grain and less than an edge.
    bright = np.maximum(signal - np.median(signal) - 0.15, 0)
    # A first-order low-pass along the line: charge leaks away over some 40 pixels.
    tail: Image = scipy.signal.lfilter([0.025], [1, -0.975], bright, axis=1)
    kept: Image = (1 - np.clip(share * tail, 0, 0.5)).astype(np.float32)
    return signal * kept


def _shading(rng: Generator, shape: tuple[int, ...]) -> Image:
    """Brightness over the field of view: a tilt and a bowl of a few percent, (h, w)."""
    rows = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    tilt = rng.normal(0, 0.03, size=2).astype(np.float32)
    bowl = np.float32(rng.uniform(0.0, 0.08))
    shading: Image = 1 + tilt[0] * rows + tilt[1] * columns - bowl * (rows**2 + columns**2) / 2
    return shading


def _shake(signal: Image, rng: Generator, *, jitter: float) -> Image:
    """Shift each scan line by a small correlated amount, between pixels linearly."""
    rows, width = signal.shape
    shift = jitter * correlated_noise(rng, (rows,), length=1.0)
    start = np.floor(shift).astype(np.intp)[:, None]
    share = shift[:, None] - start  # (rows, 1) in [0, 1)
    columns = np.arange(width)[None, :] + start
    row = np.arange(rows)[:, None]
    # At the rim the last pixel is repeated.
    here: Image = signal[row, np.clip(columns, 0, width - 1)]
    after: Image = signal[row, np.clip(columns + 1, 0, width - 1)]
    between: Image = (here * (1 - share) + after * share).astype(np.float32)
    return between
