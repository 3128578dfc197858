"""Descriptors of texture and of the region that stands out: scikit-image and mahotas compute."""

from embeddings.texture.descriptors import (
    describe_glcm,
    describe_lbp,
    describe_levels,
    describe_zernike,
)
from embeddings.texture.salient_regions import describe_salient

__all__ = [
    "describe_glcm",
    "describe_lbp",
    "describe_levels",
    "describe_salient",
    "describe_zernike",
]
