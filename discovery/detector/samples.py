"""Training samples: crops of the pictures, turned and lit anew, with their boxes turned along.

    make_sample(pixels, boxes, spec, rng=np.random.default_rng([seed, epoch, index]))

depends on its arguments alone, so samples may be made in any order and on any thread.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from discovery.classifier.augment import AugmentOptions, augment_picture, turn_picture
from discovery.detector.boxes import Boxes, clip_boxes, turn_boxes
from discovery.detector.pictures import Pixels, rescale_pixels, stack_channels
from discovery.detector.spec import DetectorSpec

# Sizes stay: a small and a large particle are two types. What the boxes do not follow is off.
_LIGHT: Final = replace(
    AugmentOptions.none(), brightness=0.08, contrast=0.25, shot_noise=0.02, blur=0.3
)
_ON_A_BOX = 0.7  # share of the crops of a large picture that are placed on one of its boxes
_VISIBLE = 0.4  # share of a box that a crop must show for it to count as one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """What the network is shown, (3, h, w) in [0, 1], and the boxes in its pixels."""

    image: torch.Tensor
    boxes: Boxes

    @property
    def target(self) -> dict[str, torch.Tensor]:
        """The boxes as torchvision takes them: class 0 is the background."""
        return {
            "boxes": torch.from_numpy(self.boxes.edges),
            "labels": torch.from_numpy(self.boxes.labels + 1),
        }


def make_sample(
    pixels: Pixels, boxes: Boxes, spec: DetectorSpec, *, rng: Generator, share: float = 1.0
) -> Sample:
    """Crop, turn and light a picture; its boxes follow.

    Parameters
    ----------
    pixels : (c, h, w) float32
    boxes : Boxes
        In the picture's pixels.
    spec : DetectorSpec
    rng : Generator
        Advanced by the call.
    share : float
        Side of the crop as a share of a tile's: a smaller one costs less, and still shows most
        defects whole.
    """
    cropped, kept = _crop(pixels, boxes, round(spec.tile * share), rng=rng)
    k = int(rng.integers(8))  # a wafer has no up: all eight orientations are as likely
    turned = turn_picture(cropped, k)
    kept = turn_boxes(kept, k, shape=cropped.shape[1:])
    lit = augment_picture(turned, _LIGHT, rng=rng)
    return prepare_sample(lit, kept, spec)


def prepare_sample(pixels: Pixels, boxes: Boxes, spec: DetectorSpec) -> Sample:
    """Bring a picture of at most one tile, with its boxes, to the network's pixels."""
    image = rescale_pixels(stack_channels(pixels), spec.scale)
    height, width = pixels.shape[1:]
    scale = (image.shape[2] / width, image.shape[1] / height)  # of whole pixels: not quite equal
    return Sample(image=image, boxes=boxes.transform(scale, (0.0, 0.0)))


def list_crops(
    positions: NDArray[np.int64], sizes: Sequence[tuple[int, int]], tile: int
) -> NDArray[np.int64]:
    """List the (picture, number) of an epoch's crops: as many of a picture as tiles fill it.

    Parameters
    ----------
    positions : (n,) int64
        Pictures that are learned from.
    sizes : sequence of (int, int)
        Width and height of all pictures.
    tile : int
        Side of a tile in pixels.
    """
    counts = [max(1, round(math.prod(sizes[i]) / tile**2)) for i in positions]
    crops = [(i, number) for i, n in zip(positions, counts, strict=True) for number in range(n)]
    return np.array(crops, np.int64)


def _crop(pixels: Pixels, boxes: Boxes, tile: int, *, rng: Generator) -> tuple[Pixels, Boxes]:
    height, width = pixels.shape[1:]
    if width <= tile and height <= tile:
        return pixels, boxes
    x0, y0 = _choose_corner(boxes, (width, height), tile, rng=rng)
    x1, y1 = min(x0 + tile, width), min(y0 + tile, height)
    # What is cut to a sliver is no example of its type: whether it is found does not matter.
    cut, visible = clip_boxes(boxes, (x0, y0, x1, y1))
    return np.ascontiguousarray(pixels[:, y0:y1, x0:x1]), cut.take(visible >= _VISIBLE)


def _choose_corner(
    boxes: Boxes, size: tuple[int, int], tile: int, *, rng: Generator
) -> tuple[int, int]:
    """Place a crop on one of the boxes, or anywhere."""
    most = [max(0, side - tile) for side in size]
    if len(boxes) and rng.random() < _ON_A_BOX:
        edges = boxes.edges[int(rng.integers(len(boxes)))]
        middle = (edges[:2] + edges[2:]) / 2
        # Not centred: the network would learn that defects lie in the middle of a tile.
        corner = middle - tile * rng.uniform(0.15, 0.85, size=2)
    else:
        corner = rng.uniform(0, 1, size=2) * (np.array(most) + 1)
    x0, y0 = (int(np.clip(v, 0, m)) for v, m in zip(corner, most, strict=True))
    return x0, y0
