"""What a trained detector finds: the boxes of one picture, and the counts of many files.

    for answer in count_defects(detector, refs, threshold=0.6):
        ...  # Counted, or path and reason of what cannot be read

A detector's answer does not depend on which pictures it sees together: the tiles of one picture
have one size, and pictures are not batched with others.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.models.detection import FasterRCNN

from discovery.detector.boxes import Boxes
from discovery.detector.dataset import PictureRef
from discovery.detector.pictures import Pixels, stream_pixels
from discovery.detector.presentation import Presentation
from discovery.detector.samples import prepare_sample
from discovery.detector.spec import DetectorSpec
from discovery.detector.tiling import MOST_OVERLAP, OVERLAP, merge_tiles
from embeddings.errors import ImageError
from embeddings.images import (
    MAX_PIXELS,
    Picture,
    Region,
    fingerprint_file,
    image_id,
    read_headers,
    tile_picture,
)
from embeddings.networks.hardware import choose_precision
from embeddings.reader import Fault

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """The defects of one picture.

    Attributes
    ----------
    path : Path
    image_id : str
        As in the store: the fingerprint of the file, and its page where it has several.
    page : int
    boxes : Boxes
        At or above the threshold, highest score first, in pixels.
    um_per_pixel : float
        NaN where it is not known.
    size : (int, int)
        Width and height of the picture.
    pixels : (c, h, w) float32 or None
        The whole picture as it was shown; None once it is no longer needed.
    """

    path: Path
    image_id: str
    page: int
    boxes: Boxes
    um_per_pixel: float
    size: tuple[int, int]
    pixels: Pixels | None = None


def count_defects(
    detector: Detector,
    refs: Sequence[PictureRef],
    *,
    threshold: float | None = None,
    tile: int | None = None,
    um_per_pixel: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Counted | Fault]:
    """Count the defects of each picture; every page of a file is a picture.

    Parameters
    ----------
    detector : Detector
    refs : sequence of PictureRef
        Files, with their golden references where the detector was trained with them.
    threshold : float, optional
        Score from which a box counts, instead of the detector's.
    tile : int, optional
        Side of the tiles that a large picture is read by, in pixels, instead of the detector's.
    um_per_pixel : float, optional
        Instead of what the files say.
    max_pixels : int
        Most pixels a page may have.

    Yields
    ------
    Counted or (path, reason)
        In order; what cannot be read is named with the reason, and the rest goes on.
    """
    how = recall_presentation(detector.spec, max_pixels=max_pixels)
    # Kinds and sizes that training did not meet, such as 16-bit pictures of a new microscope.
    how.fix_from(refs)
    least = detector.threshold if threshold is None else threshold
    for ref in refs:
        try:
            # The store's id of this very image, so that counts.csv joins with its clusters.
            fingerprint = fingerprint_file(ref.path)
            for page, pixels in _read_pages(detector, replace(ref, file_id=fingerprint), how):
                rows = how.find_rows(page)
                found = find_boxes(detector, pixels[:, rows], tile=tile)
                found = found.transform((1.0, 1.0), (0.0, rows.start))
                yield Counted(
                    path=ref.path,
                    image_id=image_id(fingerprint, page=page.page, n_pages=page.n_pages),
                    page=page.page,
                    boxes=found.take(found.scores >= least),
                    um_per_pixel=page.um_per_pixel if um_per_pixel is None else um_per_pixel,
                    size=(page.width, page.height),
                    pixels=pixels,
                )
        except ImageError as error:
            yield str(ref.path), str(error)


def recall_presentation(spec: DetectorSpec, *, max_pixels: int) -> Presentation:
    """Return how a detector was shown its pictures."""
    return Presentation(spec.windows, spec.bars, data_bar=spec.data_bar, max_pixels=max_pixels)


def find_boxes(detector: Detector, pixels: Pixels, *, tile: int | None = None) -> Boxes:
    """Find the defects of a picture with all scores down to `network.LOWEST_SCORE`.

    Parameters
    ----------
    detector : Detector
    pixels : (c, h, w) float32
        What is seen of the picture, in its own pixels (`pictures.prepare_pixels`).
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


def _read_pages(
    detector: Detector, ref: PictureRef, how: Presentation
) -> Iterator[tuple[Picture, Pixels]]:
    """Yield the pages of a file one by one.

    A file is counted whole or not at all: a page that cannot be read spoils it. So a stack is read
    through before it is counted, instead of being held: reading costs little beside the network.
    """
    reference = None
    if detector.spec.has_reference:
        reference = ref.reference
        if reference is None:
            raise ImageError(
                "no golden reference: the detector was trained with them, give a CSV with the "
                "columns path and reference"
            )
    numbers = [header.page for header in read_headers(ref.path) if header.is_picture]
    pages = [replace(ref, page=page, reference=reference) for page in numbers]
    if len(pages) > 1:  # one page alone is read or not
        for _ in stream_pixels(pages, how):
            pass
    for _, page, pixels in stream_pixels(pages, how):
        yield page, pixels


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
