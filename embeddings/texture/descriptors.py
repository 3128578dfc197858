"""Descriptors of the whole picture: GLCM, local binary patterns, Zernike moments, grey levels."""

import numpy as np
from mahotas.features import zernike_moments
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from skimage.transform import resize_local_mean

ZERNIKE_DEGREE = 8
ZERNIKE_SIDE = 64  # moments of degree 8 see nothing finer than an eighth of the disc

_LEVELS = 32  # grey levels of the GLCM: enough for texture, few enough to be filled
_DISTANCES = (1, 2, 4, 8)  # pixels
_ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy")
_LBP = ((8, 1.0), (16, 2.0), (24, 4.0))  # points, radius in pixels
_HISTOGRAM_BINS = 16

Grey = NDArray[np.float32]
Features = NDArray[np.float64]


def stretch_contrast(grey: Grey) -> Grey:
    """Map the 1st and 99th percentile to 0 and 1: texture apart from brightness and contrast."""
    low, high = np.percentile(grey, (1, 99))
    if high - low < 1e-6:  # a uniform field has no texture
        return np.zeros_like(grey)
    stretched: Grey = np.clip((grey - low) / (high - low), 0, 1).astype(np.float32)
    return stretched


def describe_glcm(grey: Grey) -> Features:
    """Haralick's properties (1973), mean and spread over the angles, for each distance."""
    levels = np.minimum(stretch_contrast(grey) * _LEVELS, _LEVELS - 1).astype(np.uint8)
    distances = [min(d, min(grey.shape) - 1) for d in _DISTANCES]
    matrix = graycomatrix(
        levels, distances, list(_ANGLES), levels=_LEVELS, symmetric=True, normed=True
    )  # (levels, levels, distances, angles)
    # What is bounded by the number of levels is divided by it: every property is about 0..1.
    scale = {
        "contrast": 1 / _LEVELS**2,
        "dissimilarity": 1 / _LEVELS,
        "entropy": 1 / np.log(_LEVELS**2),
    }
    values = [
        np.sqrt(graycoprops(matrix, name) * scale.get(name, 1.0))
        if name != "correlation"
        else (graycoprops(matrix, name) + 1) / 2
        for name in _PROPERTIES
    ]  # each (distances, angles)
    stacked = np.stack(values)  # (properties, distances, angles)
    return np.concatenate([stacked.mean(axis=2).ravel(), stacked.std(axis=2).ravel()])


def describe_lbp(grey: Grey) -> Features:
    """Histograms of uniform local binary patterns (Ojala 2002), square-rooted (Hellinger)."""
    bytes_ = (stretch_contrast(grey) * 255).astype(
        np.uint8
    )  # LBP of floats warns: ties are noise there
    parts = []
    for points, radius in _LBP:
        codes = local_binary_pattern(bytes_, points, radius, method="uniform")
        counts = np.bincount(codes.astype(np.intp).ravel(), minlength=points + 2)
        parts.append(np.sqrt(counts / counts.sum()))
    return np.concatenate(parts)


def describe_zernike(grey: Grey) -> Features:
    """Zernike moments (Khotanzad & Hong 1990) of the picture and of what stands out of it."""
    # Moments of degree 8 see nothing finer than an eighth of the disc: 64 pixels carry them all.
    small = resize_local_mean(grey, (ZERNIKE_SIDE, ZERNIKE_SIDE), preserve_range=True)
    planes = (small, np.abs(small - np.median(small)))
    moments = [
        zernike_moments(plane.astype(np.float64), ZERNIKE_SIDE / 2, degree=ZERNIKE_DEGREE)
        for plane in planes
    ]
    joined: Features = np.concatenate(moments)
    return np.nan_to_num(joined)  # an all-black disc has no mass: 0/0


def describe_levels(grey: Grey) -> Features:
    """Grey-level histogram, square-rooted: brightness and contrast, which texture leaves out."""
    counts, _ = np.histogram(grey, bins=_HISTOGRAM_BINS, range=(0, 1))
    shares: Features = counts / counts.sum()
    return np.sqrt(shares)
