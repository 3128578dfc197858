"""Surfaces without a defect: a plain film with its grain, and a line/space pattern.

The lines are drawn from their edges, which are rough as etched edges are: a random shift whose
neighbours along the line are correlated.
"""

import numpy as np
import scipy.fft
from numpy.random import Generator
from numpy.typing import NDArray

from discovery.synthetic.records import Image, Lines, Surface

_ROUGHNESS = 0.55  # standard deviation of a line's edge in pixels
_ROUGHNESS_LENGTH = 7.0  # correlation length along the edge in pixels


def correlated_noise(rng: Generator, shape: tuple[int, ...], *, length: float) -> Image:
    """Gaussian noise of mean 0 and variance 1, smooth over `length` pixels along the last axes.

    White noise is filtered by a Gaussian in Fourier space, so the cost does not depend on
    `length`; the field is periodic, which a picture cut from it does not show. One- and
    two-dimensional `shape`.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    spectrum = scipy.fft.rfftn(white)
    squared = np.zeros(spectrum.shape, np.float32)
    for axis, size in enumerate(shape):
        last = axis == len(shape) - 1
        frequency = scipy.fft.rfftfreq(size) if last else scipy.fft.fftfreq(size)
        one_axis = [1] * len(shape)
        one_axis[axis] = -1
        squared = squared + frequency.astype(np.float32).reshape(one_axis) ** 2
    # The Fourier transform of a Gaussian of that standard deviation.
    spectrum *= np.exp(-2 * (np.pi * length) ** 2 * squared)
    field: Image = scipy.fft.irfftn(spectrum, s=shape)
    unit: Image = (field - field.mean()) / np.maximum(field.std(), np.float32(1e-6))
    return unit


def make_plain(rng: Generator, shape: tuple[int, int]) -> Surface:
    """Make a blank film: fine grain, and the slow waviness that polishing leaves."""
    grain = correlated_noise(rng, shape, length=rng.uniform(1.5, 2.5))
    waviness = correlated_noise(rng, shape, length=rng.uniform(30, 60))
    emission = np.float32(rng.uniform(0.38, 0.46)) + 0.012 * grain + 0.015 * waviness
    return Surface(height=0.05 * grain, emission=emission.astype(np.float32))


def make_line_space(
    rng: Generator, shape: tuple[int, int], *, pitch: float, duty: float
) -> Surface:
    """Make vertical lines of that pitch in pixels, `duty` of it line and the rest space."""
    lines = _rough_lines(rng, shape, pitch=pitch, duty=duty)
    grain = correlated_noise(rng, shape, length=1.5)
    return raise_lines(lines, grain=grain)


def raise_lines(lines: Lines, *, grain: Image) -> Surface:
    """Build the surface of these lines: height 1 on a line and 0 between; (h, w) `grain`."""
    height = cover_lines(lines, grain.shape[1])
    emission = 0.30 + 0.18 * height + 0.01 * grain  # resist or metal above a darker floor
    return Surface(height=height + 0.02 * grain, emission=emission.astype(np.float32), lines=lines)


def cover_lines(lines: Lines, width: int) -> Image:
    """Share of each pixel that a line covers, (rows, width) in [0, 1]."""
    x = np.arange(width, dtype=np.float32)
    covered = np.zeros((len(lines.left), width), np.float32)
    cell = find_line_cells(lines, x)
    # A leaning line may reach into the cell beside its own.
    for side in (-1, 0, 1):
        index = np.clip(cell + side, 0, lines.count - 1)
        left, right = lines.left[:, index], lines.right[:, index]  # (rows, width)
        share = np.minimum(right, x + 0.5) - np.maximum(left, x - 0.5)
        covered = np.maximum(covered, np.clip(share, 0, 1))
    return covered


def find_line_cells(lines: Lines, x: Image) -> NDArray[np.intp]:
    """Find which line's cell each x lies in: its line and half the space to either side."""
    return ((x - lines.offset) // lines.pitch).astype(np.intp)


def _rough_lines(rng: Generator, shape: tuple[int, int], *, pitch: float, duty: float) -> Lines:
    rows, width = shape
    offset = -float(rng.uniform(0, pitch))
    count = int((width - offset) // pitch) + 1  # the last one is cut off
    middle = offset + pitch * (np.arange(count, dtype=np.float32) + 0.5)  # (lines,)
    # One long walk cut into edges: rough along an edge, independent from edge to edge.
    rough = _ROUGHNESS * correlated_noise(rng, (2 * count * rows,), length=_ROUGHNESS_LENGTH)
    # Left and right edges, which an etch roughens alike but not together.
    shift = rough.reshape(2, count, rows).transpose(0, 2, 1)  # (2, rows, lines)
    half = pitch * duty / 2
    return Lines(
        left=(middle - half + shift[0]).astype(np.float32),
        right=(middle + half + shift[1]).astype(np.float32),
        pitch=pitch,
        offset=offset,
    )
