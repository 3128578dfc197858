"""Classical descriptors as an extractor: no weights, no GPU; scikit-image and mahotas compute.

Five blocks side by side: GLCM, local binary patterns, Zernike moments, grey levels, and the
shape of what stands out from the background. Each feature is standardised with the mean and
spread it has over reference pictures (embeddings/texture/scale.json, made by
benchmarks/texture_scale.py), since an extractor sees one picture at a time.
"""

import functools
import json
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.extractors.plugin import Extractor, ExtractorPlugin, SpecRequest
from embeddings.records import ExtractorSpec, unit_rows
from embeddings.weights import Weights

Features = NDArray[np.float64]

INPUT_SIZE = 256  # longest side in pixels: fine texture survives, 8192 px do not take minutes
_CLIP = 5.0  # standard deviations: one odd feature must not outweigh all others

# The weight of each block. What stands out is what an inspection image was taken for;
# brightness drifts from lot to lot: it may help, not decide.
BLOCKS = {"glcm": 1.0, "lbp": 1.0, "zernike": 0.5, "levels": 0.5, "standout": 2.0}


class Texture(ExtractorPlugin):
    """GLCM, LBP, Zernike moments, grey levels and the region that stands out."""

    name = "texture"

    def make_spec(self, request: SpecRequest) -> ExtractorSpec:
        """Return the spec of the texture descriptors, the same for all."""
        return ExtractorSpec(
            name=self.name,
            layers=tuple(BLOCKS),
            input_size=INPUT_SIZE,
            fit="none",
            backend="scikit-image+mahotas",
            dim=sum(len(mean) for mean, _ in _load_scale().values()),
        )

    def load(
        self,
        spec: ExtractorSpec,
        weights: Weights | None = None,
        device: Any = None,
    ) -> Extractor:
        """Return the descriptors; they have neither weights nor a device."""
        return TextureExtractor(spec)


EXTRACTOR = Texture()


def describe_blocks(image: NDArray[np.float32]) -> dict[str, Features]:
    """Describe one (c, h, w) picture in [0, 1] by every block, before standardising."""
    from embeddings.texture import (
        describe_glcm,
        describe_lbp,
        describe_levels,
        describe_salient,
        describe_zernike,
    )

    describe = (describe_glcm, describe_lbp, describe_zernike, describe_levels, describe_salient)
    grey = image.mean(axis=0)  # (h, w)
    return {name: one(grey) for name, one in zip(BLOCKS, describe, strict=True)}


class TextureExtractor:
    """Prepared pictures in, unit rows out; several pictures at once on several cores."""

    fills_batches = False  # each picture is described apart

    def __init__(self, spec: ExtractorSpec) -> None:
        self.spec = spec
        self._pool = ThreadPoolExecutor(thread_name_prefix="texture")

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed (b, c, h, w) float32 in [0, 1] to (b, dim) float32 unit rows."""
        return unit_rows(np.stack(list(self._pool.map(_describe, batch))))


def _describe(image: NDArray[np.float32]) -> Features:
    scale = _load_scale()
    parts = []
    for name, values in describe_blocks(image).items():
        mean, spread = scale[name]
        standard = np.clip((values - mean) / spread, -_CLIP, _CLIP)
        # By the square root of its length: a block counts by its weight, not by its features.
        parts.append(BLOCKS[name] * standard / np.sqrt(len(values)))
    return np.concatenate(parts)


@functools.cache
def _load_scale() -> dict[str, tuple[Features, Features]]:
    text = files("embeddings.texture").joinpath("scale.json").read_text(encoding="utf-8")
    return {
        name: (np.array(block["mean"]), np.array(block["spread"]))
        for name, block in json.loads(text)["blocks"].items()
    }
