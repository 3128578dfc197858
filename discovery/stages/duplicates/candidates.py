"""Pairs of images that may be copies: proposed by the neighbour graph, thinned by a sketch.

How far a copy lies from its original depends on what was done to it: JPEG at quality 95 moves an
image by a tenth of the way to its 15th neighbour, half the resolution by nine tenths, no less
than an ordinary neighbour. The rank says more than the distance: a copy is among the nearest.

Of the pairs proposed, sketches of 32 x 32 pixels throw most out. They are held against each other
by a softened phase correlation: each frequency weighs by the root of its strength, so that a few
strong ones (a line pattern, the outline of a wafer) do not make two pictures alike.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from discovery.records import Neighbours
from embeddings.reader import Preview, resize_values

# Of 30 copies a kind and data set, at least these many are among the first three: JPEG q75-95 93 %,
# PNG 100 %, 0.7x to 2x 96 % (wafer maps, which shrinking tears apart, not counted); docs/log.md.
NEAREST = 3
CLOSE = 0.5  # of the distance to the last neighbour: nearer ones are looked at whatever their rank
# An image with more copies than the graph has neighbours has no far neighbour to compare with.
_LEAST_SCALE = 0.25  # of the usual distance to the last neighbour
SKETCH = 32  # pixels: half the pictures are rejected at 1,024 numbers each
# Least of 1,700 copies, but for 6 % crops of smooth surfaces, was 0.54; the median of the nearest
# neighbours that are no copies 0.14 (textured steel) to 0.58 (printed circuit boards).
MAY_BE_COPY = 0.4
_SHIFT = 3  # pixels of the sketch in which the best match is looked for: a tenth of the picture
_SHARP, _BROAD = 0.5, 2.5  # pixels: what is finer or coarser is lighting or rounding
_BLOCK = 1024  # pairs transformed at a time: 30 MB

Floats = NDArray[np.float32]


def propose_pairs(
    neighbours: Neighbours, parents: NDArray[np.str_], *, nearest: int = NEAREST
) -> NDArray[np.int32]:
    """List the pairs worth looking at.

    Parameters
    ----------
    neighbours : Neighbours of n images
    parents : (n,) array of str
        The picture that a tile or crop is part of, "" for whole images. Parts of one picture may
        overlap, but are no copies.
    nearest : int
        So many neighbours of each image are looked at, however far they are.

    Returns
    -------
    (m, 2) int32
        Positions i < j without repetition, ascending; m is at most n k.
    """
    n, k = neighbours.indices.shape
    if k == 0:
        return np.empty((0, 2), np.int32)
    far = neighbours.distances[:, -1]
    scale = np.maximum(far, _LEAST_SCALE * np.median(far))  # (n,)
    wanted = neighbours.distances <= CLOSE * scale[:, None]  # (n, k)
    wanted[:, :nearest] = True
    first = np.repeat(np.arange(n, dtype=np.int64), k)[wanted.ravel()]
    second = neighbours.indices.ravel()[wanted.ravel()].astype(np.int64)
    same_parent = (parents[first] == parents[second]) & (parents[first] != "")
    low, high = np.minimum(first, second)[~same_parent], np.maximum(first, second)[~same_parent]
    keys = np.unique(low * n + high)  # each pair once
    return np.stack([keys // n, keys % n], axis=1).astype(np.int32)


def sketch_picture(preview: Preview) -> NDArray[np.float16]:
    """Return the (32, 32) windowed detail of a picture, zero for a field without any."""
    values = resize_values(preview.values, (SKETCH, SKETCH)).astype(np.float64)
    sharp, broad, window = _find_filters()
    detail = (sharp @ values @ sharp.T - broad @ values @ broad.T) * window
    spread = float(np.sqrt((detail**2).mean()))
    if spread <= 1e-6 * max(1.0, float(np.abs(values).max())):
        return np.zeros((SKETCH, SKETCH), np.float16)
    return np.asarray(detail / spread, dtype=np.float16)


@cache
def _find_filters() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return two Gaussians as matrices, and the root of a Hann window, (32, 32) each.

    Of so small a picture a product takes a tenth of the time of a filter.
    """
    sharp, broad = (ndimage.gaussian_filter1d(np.eye(SKETCH), s, axis=0) for s in (_SHARP, _BROAD))
    rise = np.sin(np.pi * (np.arange(SKETCH) + 1) / (SKETCH + 1))
    return sharp, broad, np.outer(rise, rise)


def screen_pairs(sketches: NDArray[np.float16], pairs: NDArray[np.int32]) -> Floats:
    """Return how alike the sketches of each pair are, (m,) in [-1, 1].

    Parameters
    ----------
    sketches : (n, 32, 32) float16
    pairs : (m, 2) int32
    """
    shifts = np.r_[0 : _SHIFT + 1, -_SHIFT:0]
    scores = np.zeros(len(pairs), np.float32)
    # A field without detail, or a picture that is not there, is like no other.
    there = np.asarray(sketches.any(axis=(1, 2)))  # (n,)
    looked_at = np.flatnonzero(there[pairs].all(axis=1))
    for start in range(0, len(looked_at), _BLOCK):
        places = looked_at[start : start + _BLOCK]
        block = pairs[places]
        first, second = (
            fft.rfft2(sketches[block[:, side]].astype(np.float32)) for side in (0, 1)
        )  # (b, 32, 17) complex
        cross = first * second.conj()
        strength = np.abs(cross)
        softened = cross / np.sqrt(np.maximum(strength, 1e-12))
        surface = fft.irfft2(softened, (SKETCH, SKETCH))[:, shifts[:, None], shifts]
        most = fft.irfft2(np.sqrt(strength), (SKETCH, SKETCH))[:, 0, 0]
        best = surface.reshape(len(block), -1).max(axis=1)
        scores[places] = np.divide(best, most, out=np.zeros_like(best), where=most > 0)
    return scores
