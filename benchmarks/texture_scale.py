"""Make embeddings/texture/scale.json: mean and spread of each texture feature over references.

The references are the synthetic inspection images and patches of the textures that ship with
scikit-image (brick, grass, gravel and photographs), none of them from a data set that results
are reported on.

    python benchmarks/texture_scale.py
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray

from discovery.synthetic import draw_picture, plan_pictures
from embeddings.extractors.texture import BLOCKS, INPUT_SIZE, describe_blocks
from embeddings.images import Picture, fix_window, prepare_picture

TEXTURES = ("brick", "grass", "gravel", "coins", "moon", "page", "text", "camera", "clock")
SIDE, IMAGES = 128, 400


def main() -> None:
    """Describe the references and write their statistics."""
    described = [describe_blocks(image) for image in (*synthetic_images(), *texture_patches())]
    blocks = {}
    for name in BLOCKS:
        values = np.stack([blocks_[name] for blocks_ in described])  # (images, features)
        spread = values.std(axis=0)
        # A feature that hardly varies here must not be blown up where it does.
        spread = np.maximum(spread, 0.1 * np.sqrt(np.mean(spread**2)))
        blocks[name] = {
            "mean": values.mean(axis=0).round(6).tolist(),
            "spread": spread.round(6).tolist(),
        }
    target = Path(__file__).parents[1] / "embeddings" / "texture" / "scale.json"
    made = {"made_by": "benchmarks/texture_scale.py", "images": len(described), "blocks": blocks}
    target.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print(f"{target}: {len(described)} reference pictures")


def synthetic_images() -> Iterator[NDArray[np.float32]]:
    """Yield the synthetic inspection images as the extractor sees them."""
    drawings = [draw_picture(p, seed=1) for p in plan_pictures(IMAGES, seed=1)]
    pictures = [
        Picture(
            pixels=drawing.pixels,
            kind=str(drawing.pixels.dtype),
            page=0,
            bit_depth=8 * drawing.pixels.itemsize,
            um_per_pixel=float("nan"),
            nan_pixels=0,
        )
        for drawing in drawings
    ]
    kinds = {p.kind: fix_window([q for q in pictures if q.kind == p.kind]) for p in pictures}
    for picture in pictures:
        yield prepare_picture(picture, window=kinds[picture.kind], size=INPUT_SIZE, fit="none")


def texture_patches() -> Iterator[NDArray[np.float32]]:
    """Yield square patches of scikit-image's pictures, without overlap."""
    for name in TEXTURES:
        grey = np.asarray(getattr(skimage.data, name)(), dtype=np.float32) / 255
        for top in range(0, grey.shape[0] - SIDE + 1, SIDE):
            for left in range(0, grey.shape[1] - SIDE + 1, SIDE):
                yield grey[None, top : top + SIDE, left : left + SIDE]


if __name__ == "__main__":
    main()
