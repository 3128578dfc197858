"""`DetectorSpec`: what a detector looks for, how it is built and what it is shown; and its choice.

`choose_spec` looks at the sizes of pictures and boxes only. The rules are simple on purpose: a
detector learns what its anchors miss by a factor of two, not by a factor of ten.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from discovery.detector.boxes import Boxes, join_boxes
from discovery.detector.options import DetectorTrainOptions
from discovery.detector.presentation import Presentation
from embeddings.images.prepare import Window
from embeddings.records import DataBars, DataBarUse

Norm = Literal["frozen-batch", "group"]
LEVELS = 5  # of the feature pyramid: strides 4, 8, 16, 32, 64
_TILES = (320, 640)  # pixels: a CPU computes 6 of the smaller in a second, and learns from 1.5
_ROOM = 5.0  # times the length that 95 % of the defects stay below: most are whole in a tile
_LEAST_SIDE = 12.0  # network pixels: 3 cells of the finest level for the median defect
_MOST_ENLARGED = 2.0  # beyond, interpolation shows nothing new, and time grows with the square
_ANCHOR = (4.0, 32.0)  # bounds of the smallest anchor in network pixels
_STRIDE = 32  # torchvision pads to a multiple of the coarsest stride of the backbone
_RATIOS = (0.5, 1.0, 2.0)
_LONG_RATIOS = (0.25, 0.5, 1.0, 2.0, 4.0)
_LONG = 3.0  # a tenth of the boxes longer than this many times their width: long anchors too

_LARGEST = 16_384  # pixels of a side: what the network sees at once has to fit in memory
_MOST_LABELS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSpec:
    """What a detector looks for, how it is built and what it is shown.

    Attributes
    ----------
    labels : tuple of str
        Defect types, sorted; position 0 is the network's class 1, as 0 is the background.
    norm : {"frozen-batch", "group"}
        Normalisation of the backbone: "frozen-batch" for pretrained weights, "group" without.
    anchors : tuple of float
        Side of the anchor boxes on each of the 5 levels of the pyramid, in network pixels.
    ratios : tuple of float
        Height over width of the anchor boxes.
    tile : int
        Side in picture pixels of what the network sees at once; a smaller picture is seen whole.
    size : int
        Side of a tile in network pixels: pictures are resized by size / tile.
    has_reference : bool
        The network sees the picture, its golden reference and the difference of both.
    windows : mapping of kind to (low, high)
        Grey levels shown as 0 and 1.
    data_bar : {"keep", "auto"}
        Whether the network sees the data bar of a microscope.
    bars : DataBars
        Those of the pictures that it was trained on.
    """

    labels: tuple[str, ...]
    norm: Norm
    anchors: tuple[float, ...]
    ratios: tuple[float, ...]
    tile: int
    size: int
    has_reference: bool = False
    windows: Mapping[str, Window] = field(default_factory=dict)
    data_bar: DataBarUse = "keep"  # what models see that were trained before there was a choice
    bars: DataBars = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.data_bar not in ("keep", "auto"):
            raise ValueError(f"data_bar {self.data_bar!r}: expected keep or auto")
        if not self.labels or len(set(self.labels)) != len(self.labels) or "" in self.labels:
            raise ValueError(f"labels {self.labels}: expected one or more, each once, none empty")
        if not all(isinstance(label, str) for label in self.labels):
            raise ValueError(f"labels {self.labels}: expected texts")
        if len(self.labels) > _MOST_LABELS or len(self.ratios) > _MOST_LABELS:
            raise ValueError(f"{len(self.labels)} labels, {len(self.ratios)} ratios: too many")
        if self.norm not in ("frozen-batch", "group"):
            raise ValueError(f"norm {self.norm!r}: expected frozen-batch or group")
        if len(self.anchors) != LEVELS or not self.ratios:
            raise ValueError(f"{len(self.anchors)} anchors, {len(self.ratios)} ratios")
        if not all(0 < v <= _LARGEST for v in (*self.anchors, *self.ratios)):
            raise ValueError(f"anchors {self.anchors}, ratios {self.ratios}: expected above 0")
        sides = (self.tile, self.size)
        if not all(isinstance(side, int) and 1 <= side <= _LARGEST for side in sides):
            raise ValueError(f"tile {self.tile}, size {self.size}: expected 1 to {_LARGEST}")
        for kind, (low, high) in self.windows.items():
            if not (low < high and math.isfinite(low) and math.isfinite(high)):
                raise ValueError(f"window of {kind} is {low} to {high}: expected low below high")

    @property
    def scale(self) -> float:
        """Network pixels a picture pixel."""
        return self.size / self.tile


def choose_spec(
    boxes: Sequence[Boxes],
    sizes: Sequence[tuple[int, int]],
    *,
    labels: Sequence[str],
    norm: Norm,
    has_reference: bool,
    how: Presentation,
    options: DetectorTrainOptions,
) -> DetectorSpec:
    """Choose the spec of a detector for these boxes.

    Parameters
    ----------
    boxes : sequence of Boxes
        One a picture.
    sizes : sequence of (int, int)
        Width and height of each picture.
    labels, norm, has_reference
        As in `DetectorSpec`.
    how : Presentation
        By which the pictures were read.
    options : DetectorTrainOptions
        `tile` and `size` are taken where they are given.
    """
    everything = join_boxes(boxes)
    tile = options.tile or _choose_tile(everything, sizes)
    sides = np.sqrt(everything.areas)  # (k,) picture pixels
    scale = float(np.clip(_LEAST_SIDE / np.median(sides), 1.0, _MOST_ENLARGED))
    size = options.size or -(-round(tile * scale) // _STRIDE) * _STRIDE
    # Nothing is enlarged for the sake of the padding.
    size = tile if options.size is None and scale == 1.0 else size
    return DetectorSpec(
        labels=tuple(labels),
        norm=norm,
        anchors=choose_anchors(sides * np.float32(size / tile)),
        ratios=choose_ratios(everything),
        tile=tile,
        size=size,
        has_reference=has_reference,
        windows=how.windows,
        data_bar="keep" if how.data_bar == "keep" else "auto",
        bars=how.bars,
    )


def _choose_tile(boxes: Boxes, sizes: Sequence[tuple[int, int]]) -> int:
    room = round(float(np.clip(_ROOM * np.percentile(boxes.lengths, 95), *_TILES)))
    return min(max(max(size) for size in sizes), room)


def choose_anchors(sides: NDArray[np.float32]) -> tuple[float, ...]:
    """Return an anchor a level: the 10th percentile of the defects' sides, and doubled 4 times.

    Parameters
    ----------
    sides : (k,) float32
        Square roots of the boxes' areas in network pixels.
    """
    smallest = float(np.clip(np.percentile(sides, 10), *_ANCHOR))
    return tuple(round(smallest * 2**level, 1) for level in range(LEVELS))


def choose_ratios(boxes: Boxes) -> tuple[float, ...]:
    """Return anchors' height over width: long ones where a tenth of the boxes are long."""
    width, height = (boxes.edges[:, 2:] - boxes.edges[:, :2]).T
    elongation = np.maximum(width / height, height / width)
    return _LONG_RATIOS if np.percentile(elongation, 90) > _LONG else _RATIOS
