"""Find the defects of one picture: tiles, the network, one box a defect.

A detector's answer does not depend on which pictures it sees together: the tiles of one picture
have one size, and pictures are not batched with others.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torchvision.models.detection import FasterRCNN

from discovery.detector.boxes import Boxes
from discovery.detector.pictures import Pixels
from discovery.detector.samples import prepare_sample
from discovery.detector.spec import DetectorSpec
from discovery.detector.tiling import MOST_OVERLAP, OVERLAP, merge_tiles
from embeddings.images import Region, tile_picture
from embeddings.networks.hardware import choose_precision

_BATCH = {"cpu": 2, "cuda": 16}  # tiles at once: bounds the memory, whatever the picture's size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detector:
    """A trained network with its spec, and what was found out about it.

    Attributes
    ----------
    spec : DetectorSpec
    network : FasterRCNN
    device : torch.device
    threshold : float
        Score from which a box counts as a defect.
    overlap : float
        Share of a tile that neighbouring tiles have in common.
    facts : dict
        What training noted: weights, seed, held-out figures.
    """

    spec: DetectorSpec
    network: FasterRCNN
    device: torch.device
    threshold: float
    overlap: float
    facts: dict[str, Any]


def find_boxes(detector: Detector, pixels: Pixels, *, tile: int | None = None) -> Boxes:
    """Find the defects of a picture with all scores down to `network.LOWEST_SCORE`.

    Parameters
    ----------
    detector : Detector
    pixels : (c, h, w) float32
        The whole picture in its own pixels (`pictures.prepare_pixels`).
    tile : int, optional
        Side of a tile in picture pixels instead of the spec's.

    Returns
    -------
    Boxes
        In picture pixels, inside of the picture, highest score first.
    """
    height, width = pixels.shape[1:]
    side = tile or detector.spec.tile
    # Smaller tiles need a larger share of overlap for the same defects to be whole in one.
    overlap = min(max(detector.overlap * detector.spec.tile / side, OVERLAP), MOST_OVERLAP)
    regions = tile_picture(width, height, tile=side, overlap=overlap)
    found: list[tuple[Region, Boxes]] = []
    batch = _BATCH[detector.device.type]
    for start in range(0, len(regions), batch):
        part = regions[start : start + batch]
        found += zip(part, _run(detector, [_cut(pixels, region) for region in part]), strict=True)
    return merge_tiles(found, (width, height))


@contextlib.contextmanager
def arithmetic(device: torch.device) -> Iterator[None]:
    """Run in bf16 where the hardware multiplies it, as in training; else in float32."""
    is_fast = device.type == "cuda" or choose_precision("auto", device) == "bf16"
    with torch.autocast(device.type, torch.bfloat16, enabled=is_fast):
        yield


def _cut(pixels: Pixels, region: Region) -> Pixels:
    x0, y0 = region.x0, region.y0
    return np.ascontiguousarray(pixels[:, y0 : y0 + region.height, x0 : x0 + region.width])


def _run(detector: Detector, pictures: list[Pixels]) -> list[Boxes]:
    """Run the network on pictures of one size; the boxes come back in their pixels."""
    # Prepared as samples are: what differs between training and use is lost accuracy.
    images = [
        prepare_sample(pixels, Boxes.make([], []), detector.spec).image for pixels in pictures
    ]
    detector.network.eval()
    with torch.inference_mode(), arithmetic(detector.device):
        answers = detector.network([image.to(detector.device) for image in images])
    height, width = pictures[0].shape[1:]
    # Back to picture pixels by the sizes as they were rounded, not by the spec's scale.
    scale = (width / images[0].shape[2], height / images[0].shape[1])
    return [_read_answer(answer).transform(scale, (0.0, 0.0)) for answer in answers]


def _read_answer(answer: dict[str, torch.Tensor]) -> Boxes:
    edges, labels, scores = (
        answer[key].float().cpu().numpy() for key in ("boxes", "labels", "scores")
    )
    return Boxes.make(edges, labels.astype(np.int64) - 1, scores)  # class 0 is the background
