"""What a user can say about training, counting and scoring, for Python and command line alike."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from embeddings.errors import OptionError
from embeddings.extract.options import DataBarOption

MAX_SEED = 2**31 - 1  # what numpy and torch both take
MAX_PIXELS = 100_000_000  # as everywhere: 100 megapixels decode to 100 to 600 MB
_MIN_TILE = 64  # pixels: below, the coarsest level of the pyramid is a single cell
Device = Literal["auto", "cpu", "cuda"]
BoxFormat = Literal["csv", "coco"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorTrainOptions:
    """How a detector is trained.

    Attributes
    ----------
    images : Path or None
        CSV with a column path, or folder, of all pictures: those without a box teach what no
        defect looks like. Without it only the pictures in BOXES are used.
    exclude : tuple of str
        Leave out files of the folder of images that match these patterns, such as: 'masks/*'.
    weights : str or None
        imagenet (downloaded), imagenet-v1, a file (safetensors or state dict) of ResNet-50, or
        none to start from nothing, which takes longer and needs more pictures. By default
        imagenet where it can be had, else none.
    epochs : int or None
        Times that all pictures are seen, of large ones as many crops as tiles fill them. By
        default 8 or more, until the network has taken 1,000 steps with weights, 2,500 without.
    max_minutes : float or None
        Training ends in time to stop after this many minutes; the learning rate falls in step.
    tile : int or None
        Side in picture pixels of what the network sees at once; larger pictures are cut into
        overlapping tiles. By default 320 to 640, several times as long as the defects.
    size : int or None
        Side of a tile in network pixels. By default such that the median defect has 12 pixels or
        more, and pictures are never shrunk.
    batch_size : int
        Pictures a step.
    lr : float or None
        Highest learning rate, of AdamW. By default 2e-4 with weights, 4e-4 without.
    holdout : float
        Share of the pictures kept aside, to choose the best epoch and the threshold.
    patience : int
        Epochs without a better held-out score after which training ends.
    class_agnostic : bool
        Learn one type, defect, whatever the labels.
    seed : int
        Of everything random.
    device : {"auto", "cpu", "cuda"}
    data_bar : {"auto", "keep", "crop"}
        The band of text that an electron microscope writes along an edge. auto leaves it out where
        it is found, keep shows it as any other part of the picture, crop leaves it out and does
        not learn pictures without one. Boxes are always of the whole picture; the model counts as
        it was trained.
    max_pixels : int
        Larger pictures are left out: a guard against decompression bombs.
    """

    images: Path | None = None
    exclude: tuple[str, ...] = ()
    weights: str | None = None
    epochs: int | None = None
    max_minutes: float | None = None
    tile: int | None = None
    size: int | None = None
    batch_size: int = 4
    lr: float | None = None
    holdout: float = 0.15
    patience: int = 8
    class_agnostic: bool = False
    seed: int = 0
    device: Device = "auto"
    data_bar: DataBarOption = "auto"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        _check_exclude(self.exclude, self.images)
        for flag, value, least in (
            ("--epochs", self.epochs, 1),
            ("--batch-size", self.batch_size, 1),
            ("--patience", self.patience, 1),
            ("--tile", self.tile, _MIN_TILE),
            ("--size", self.size, _MIN_TILE),
        ):
            if value is not None and value < least:
                raise OptionError(f"{flag} {value}: expected {least} or more")
        for flag, amount in (("--max-minutes", self.max_minutes), ("--lr", self.lr)):
            if amount is not None and not (amount > 0 and math.isfinite(amount)):
                raise OptionError(f"{flag} {amount}: expected a number above 0")
        if not 0 < self.holdout <= 0.5:
            raise OptionError(f"--holdout {self.holdout}: expected a share above 0, .5 at most")
        if not 0 <= self.seed <= MAX_SEED:
            raise OptionError(f"--seed {self.seed}: expected 0 to {MAX_SEED}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionOptions:
    """How a trained detector looks at pictures.

    Attributes
    ----------
    threshold : float or None
        Score from which a box counts; by default the model's, at which held-out counts erred
        least. Higher finds fewer.
    tile : int or None
        Side in picture pixels of the tiles that larger pictures are read by; by default the
        model's.
    device : {"auto", "cpu", "cuda"}
    max_pixels : int
        Larger pictures are left out: a guard against decompression bombs.
    """

    threshold: float | None = None
    tile: int | None = None
    device: Device = "auto"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise OptionError(f"--threshold {self.threshold}: expected a score from 0 to 1")
        if self.tile is not None and self.tile < _MIN_TILE:
            raise OptionError(f"--tile {self.tile}: expected {_MIN_TILE} or more pixels")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOptions(DetectionOptions):
    """How pictures are counted, and what is written beside the counts.

    Attributes
    ----------
    exclude : tuple of str
        Leave out files of a folder that match these patterns, such as: 'masks/*'.
    um_per_pixel : float or None
        Micrometres a pixel, where the files do not say or say it wrongly.
    boxes_out : Path or None
        File to write one entry a box into.
    format : {"csv", "coco"}
        Of the boxes.
    overlay : Path or None
        Folder to write pictures with their boxes into.
    """

    exclude: tuple[str, ...] = ()
    um_per_pixel: float | None = None
    boxes_out: Path | None = None
    format: BoxFormat = "csv"
    overlay: Path | None = None

    def __post_init__(self) -> None:
        # Not super(): a dataclass with slots is another class than the one that is written here.
        DetectionOptions.__post_init__(self)
        size = self.um_per_pixel
        if size is not None and not (size > 0 and math.isfinite(size)):
            raise OptionError(f"--um-per-pixel {size}: expected a number above 0")
        if self.format == "coco" and self.boxes_out is None:
            raise OptionError("--format coco is of the boxes: give --boxes-out FILE to write into")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorEvaluateOptions(DetectionOptions):
    """How a model is scored.

    Attributes
    ----------
    images : Path or None
        CSV with a column path, or folder, of all pictures: those without a box have no defect.
    exclude : tuple of str
        Leave out files of the folder of images that match these patterns, such as: 'masks/*'.
    """

    images: Path | None = None
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        DetectionOptions.__post_init__(self)
        _check_exclude(self.exclude, self.images)


def _check_exclude(exclude: tuple[str, ...], images: Path | None) -> None:
    if exclude and images is None:
        raise OptionError(
            "--exclude leaves out files of the folder that --images names, and there is none: "
            "give both, or neither"
        )
