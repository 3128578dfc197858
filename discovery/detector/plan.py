"""Choose what the boxes of a training decide: tile, scale, anchors.

`choose_spec` looks at the sizes of pictures and boxes only. The rules are simple on purpose: a
detector learns what its anchors miss by a factor of two, not by a factor of ten.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.detector.options import TrainOptions
from discovery.detector.records import LEVELS, Boxes, DetectorSpec, Norm, Window
from discovery.detector.tiles import join_boxes

_TILES = (320, 640)  # pixels: a CPU computes 6 of the smaller in a second, and learns from 1.5
_ROOM = 5.0  # times the length that 95 % of the defects stay below: most are whole in a tile
_LEAST_SIDE = 12.0  # network pixels: 3 cells of the finest level for the median defect
_MOST_ENLARGED = 2.0  # beyond, interpolation shows nothing new, and time grows with the square
_ANCHOR = (4.0, 32.0)  # bounds of the smallest anchor in network pixels
_STRIDE = 32  # torchvision pads to a multiple of the coarsest stride of the backbone
_RATIOS = (0.5, 1.0, 2.0)
_LONG_RATIOS = (0.25, 0.5, 1.0, 2.0, 4.0)
_LONG = 3.0  # a tenth of the boxes longer than this many times their width: long anchors too


def choose_spec(
    boxes: Sequence[Boxes],
    sizes: Sequence[tuple[int, int]],
    *,
    labels: Sequence[str],
    norm: Norm,
    has_reference: bool,
    windows: Mapping[str, Window],
    options: TrainOptions,
) -> DetectorSpec:
    """Choose the spec of a detector for these boxes.

    Parameters
    ----------
    boxes : sequence of Boxes
        One a picture.
    sizes : sequence of (int, int)
        Width and height of each picture.
    labels, norm, has_reference, windows
        As in `DetectorSpec`.
    options : TrainOptions
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
        windows=windows,
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
