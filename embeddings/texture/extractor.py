"""The texture extractor: blocks of descriptors, standardised and joined to one unit row."""

import functools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from embeddings.records import ExtractorSpec, unit_rows
from embeddings.texture.descriptors import (
    Features,
    Grey,
    describe_glcm,
    describe_lbp,
    describe_levels,
    describe_zernike,
)
from embeddings.texture.standout import describe_standout

INPUT_SIZE = 256  # longest side in pixels: fine texture survives, 8192 px do not take minutes
_CLIP = 5.0  # standard deviations: one odd feature must not outweigh all others

# Each block and its weight. What stands out is what an inspection image was taken for;
# brightness drifts from lot to lot: it may help, not decide.
BLOCKS: dict[str, tuple[Callable[[Grey], Features], float]] = {
    "glcm": (describe_glcm, 1.0),
    "lbp": (describe_lbp, 1.0),
    "zernike": (describe_zernike, 0.5),
    "levels": (describe_levels, 0.5),
    "standout": (describe_standout, 2.0),
}


def make_spec() -> ExtractorSpec:
    """Return the spec of the texture descriptors."""
    return ExtractorSpec(
        name="texture",
        layers=tuple(BLOCKS),
        input_size=INPUT_SIZE,
        fit="none",
        backend="scikit-image+mahotas",
        dim=sum(len(mean) for mean, _ in _load_scale().values()),
    )


def describe_blocks(image: NDArray[np.float32]) -> dict[str, Features]:
    """Describe one (c, h, w) picture in [0, 1] by every block, before standardising."""
    grey = image.mean(axis=0)  # (h, w)
    return {name: describe(grey) for name, (describe, _) in BLOCKS.items()}


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
        parts.append(BLOCKS[name][1] * standard / np.sqrt(len(values)))
    return np.concatenate(parts)


@functools.cache
def _load_scale() -> dict[str, tuple[Features, Features]]:
    text = files("embeddings.texture").joinpath("scale.json").read_text(encoding="utf-8")
    return {
        name: (np.array(block["mean"]), np.array(block["spread"]))
        for name, block in json.loads(text)["blocks"].items()
    }
