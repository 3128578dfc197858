"""Descriptors of what stands out: background off, threshold, shape of the largest region.

The classical way of automatic defect classification: a defect is what the background does not
explain. The background is a smooth field, or lines along one of the two axes (a line/space
pattern is the same all along its lines).
"""

from typing import Any

import numpy as np
from mahotas.features import zernike_moments
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops
from skimage.transform import resize_local_mean

from embeddings.texture.descriptors import ZERNIKE_DEGREE, ZERNIKE_SIDE, Features, Grey

_SMOOTH = 2.0  # pixels: shot noise off, a particle of five pixels kept
_SHADING = 32.0  # pixels: slower than any defect at the size described
_THRESHOLD = 5.0  # robust standard deviations of the smoothed rest
_MIN_AREA = 12  # pixels: smaller is noise at this smoothing
_SHAPE_FEATURES = 16
_MOMENTS = 25  # Zernike moments up to degree 8
SALIENT_FEATURES = _SHAPE_FEATURES + _MOMENTS


def describe_salient(grey: Grey) -> Features:
    """Describe size, shape, tone and number of the regions that stand out.

    Parameters
    ----------
    grey : (h, w) float32 in [0, 1]

    Returns
    -------
    (41,) float64
        Tails of the rest; then tone, size, elongation, fill and Zernike moments of the region
        that stands out most, all zero where nothing does.
    """
    rest = remove_background(grey)
    features = np.zeros(SALIENT_FEATURES)
    features[:5] = _describe_tails(rest)
    smooth = _whiten(ndimage.gaussian_filter(rest, _SMOOTH))
    labels, count = ndimage.label(np.abs(smooth) > _THRESHOLD)
    regions = [r for r in regionprops(labels, np.abs(smooth)) if r.area >= _MIN_AREA]
    if count and regions:
        main = max(regions, key=lambda region: region.area * region.intensity_mean)
        total = sum(region.area for region in regions)
        features[5:_SHAPE_FEATURES] = _describe_region(main, smooth, len(regions), total)
        features[_SHAPE_FEATURES:] = _describe_shape(main)
    return features


def remove_background(grey: Grey) -> NDArray[np.float64]:
    """Take away the background that leaves the least, in robust standard deviations of the rest."""
    flat = grey.astype(np.float64) - ndimage.gaussian_filter(grey.astype(np.float64), _SHADING)
    candidates = (
        flat - np.median(flat),
        flat - np.median(flat, axis=0, keepdims=True),  # lines from top to bottom
        flat - np.median(flat, axis=1, keepdims=True),  # lines from left to right
    )
    return _whiten(min(candidates, key=_spread))


def _spread(values: NDArray[np.float64]) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _whiten(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = _spread(values)
    # A map of few levels has a spread of zero: half a grey level of 8 bits stands in for noise.
    return (values - np.median(values)) / max(spread, 0.5 / 255)


def _describe_tails(rest: NDArray[np.float64]) -> Features:
    bounded = np.clip(rest, -20, 20)
    return np.array(
        [
            np.sqrt(np.mean(bounded > 4)),
            np.sqrt(np.mean(bounded < -4)),
            np.cbrt(np.mean(bounded**3)),
            np.log(np.mean(bounded**4) + 1e-9),
            np.log1p(np.abs(bounded).max()),
        ]
    )


def _describe_region(region: Any, smooth: NDArray[np.float64], n: int, total: float) -> Features:
    mask = region.image  # (rows, columns) bool
    values = smooth[region.slice]
    inside = ndimage.binary_erosion(mask, iterations=2)
    rim = mask & ~inside
    centre = values[inside].mean() if inside.any() else values[mask].mean()
    major, minor = region.axis_major_length, region.axis_minor_length
    return np.array(
        [
            1.0,  # something stands out
            np.tanh(values[mask].mean() / 10),  # bright or dark
            np.tanh(centre / 10),
            np.tanh((values[rim].mean() - centre) / 10),  # a bright rim: the SEM's edge effect
            np.log(mask.sum()),
            np.log(total),
            np.log1p(n),
            np.log1p(major),
            np.log1p(minor),
            minor / major if major else 1.0,
            region.solidity,
        ]
    )


def _describe_shape(region: Any) -> Features:
    """Zernike moments of the region in its own square: shape apart from size and place."""
    image = region.image.astype(np.float64)
    side = max(image.shape)
    square = np.zeros((side, side))
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    square[top : top + image.shape[0], left : left + image.shape[1]] = image
    disc = resize_local_mean(square, (ZERNIKE_SIDE, ZERNIKE_SIDE))
    moments: Features = zernike_moments(disc, ZERNIKE_SIDE / 2, degree=ZERNIKE_DEGREE)
    return np.nan_to_num(moments)
