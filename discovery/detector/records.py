"""The nouns of counting: boxes in a picture, a picture with its boxes, and what a detector is.

`Boxes` holds truth and detections alike. `DetectorSpec` is all that decides what the network looks
like and what it is shown; with the tensors of one training it is a `Detector`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Norm = Literal["frozen-batch", "group"]
Window = tuple[float, float]
LEVELS = 5  # of the feature pyramid: strides 4, 8, 16, 32, 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes:
    """The boxes of one picture.

    Attributes
    ----------
    edges : (k, 4) float32
        xmin, ymin, xmax, ymax in pixels; the latter two are one past the last pixel.
    labels : (k,) int64
        Positions in the detector's list of labels.
    scores : (k,) float32
        In [0, 1]; 1 where a person drew the box.
    """

    edges: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        k = len(self.edges)
        if self.edges.shape != (k, 4) or self.labels.shape != (k,) or self.scores.shape != (k,):
            raise ValueError(
                f"{self.edges.shape} edges, {self.labels.shape} labels, {self.scores.shape} scores"
            )

    @classmethod
    def make(cls, edges: Any, labels: Any, scores: Any = None) -> "Boxes":
        """Hold any sequences as boxes; without scores each is 1."""
        held = np.asarray(edges, np.float32).reshape(-1, 4)
        given = np.ones(len(held)) if scores is None else scores
        return cls(
            edges=held,
            labels=np.asarray(labels, np.int64).reshape(-1),
            scores=np.asarray(given, np.float32).reshape(-1),
        )

    def __len__(self) -> int:
        return len(self.edges)

    @property
    def areas(self) -> NDArray[np.float32]:
        """(k,) in square pixels."""
        sides = self.edges[:, 2:] - self.edges[:, :2]
        return np.asarray(sides[:, 0] * sides[:, 1])

    @property
    def lengths(self) -> NDArray[np.float32]:
        """(k,) the longer side of each box in pixels: a defect's size."""
        return np.asarray((self.edges[:, 2:] - self.edges[:, :2]).max(axis=1, initial=0))

    def take(self, which: NDArray[Any]) -> "Boxes":
        """Return some of the boxes, by position or by mask."""
        return Boxes(edges=self.edges[which], labels=self.labels[which], scores=self.scores[which])

    def place(self, scale: tuple[float, float], shift: tuple[float, float]) -> "Boxes":
        """Return the boxes multiplied by (x, y) and then moved by (x, y)."""
        factors, moves = np.tile(scale, 2), np.tile(shift, 2)
        edges = (self.edges * factors + moves).astype(np.float32)
        return Boxes(edges=edges, labels=self.labels, scores=self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one picture is: a page of a file, and its golden reference where there is one."""

    path: Path
    page: int = 0
    reference: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A file that could not be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One picture with all its boxes; a picture without any is one without defects."""

    place: Place
    boxes: Boxes


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
    """

    labels: tuple[str, ...]
    norm: Norm
    anchors: tuple[float, ...]
    ratios: tuple[float, ...]
    tile: int
    size: int
    has_reference: bool = False
    windows: Mapping[str, Window] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) != len(self.labels) or "" in self.labels:
            raise ValueError(f"labels {self.labels}: expected one or more, each once, none empty")
        if self.norm not in ("frozen-batch", "group"):
            raise ValueError(f"norm {self.norm!r}: expected frozen-batch or group")
        if len(self.anchors) != LEVELS or not self.ratios:
            raise ValueError(f"{len(self.anchors)} anchors, {len(self.ratios)} ratios")
        if not all(v > 0 and math.isfinite(v) for v in (*self.anchors, *self.ratios)):
            raise ValueError(f"anchors {self.anchors}, ratios {self.ratios}: expected above 0")
        if self.tile < 1 or self.size < 1:
            raise ValueError(f"tile {self.tile}, size {self.size}: expected 1 or more")
        for kind, (low, high) in self.windows.items():
            if not low < high:
                raise ValueError(f"window of {kind} is {low} to {high}: expected low below high")

    @property
    def scale(self) -> float:
        """Network pixels a picture pixel."""
        return self.size / self.tile
