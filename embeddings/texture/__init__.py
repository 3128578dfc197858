"""Classical descriptors as an extractor: no weights, no GPU; scikit-image and mahotas compute.

Five blocks side by side: GLCM, local binary patterns, Zernike moments, grey levels, and the
shape of what stands out from the background. Each feature is standardised with the mean and
spread it has over reference pictures (scale.json, made by benchmarks/texture_scale.py), since
an extractor sees one picture at a time.
"""

from embeddings.texture.extractor import (
    INPUT_SIZE,
    TextureExtractor,
    describe_blocks,
    make_spec,
)

__all__ = ["INPUT_SIZE", "TextureExtractor", "describe_blocks", "make_spec"]
