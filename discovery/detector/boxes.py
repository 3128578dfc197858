"""`Boxes`, the rectangles of one picture, true or found, and the geometry of rectangles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
        held = np.asarray(edges, np.float32).reshape(-1, 4)  # nothing at all is (0, 4)
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
        sides = self.edges[:, 2:] - self.edges[:, :2]  # (k, 2) width and height
        return np.asarray(sides[:, 0] * sides[:, 1])

    @property
    def lengths(self) -> NDArray[np.float32]:
        """(k,) the longer side of each box in pixels: a defect's size."""
        return np.asarray((self.edges[:, 2:] - self.edges[:, :2]).max(axis=1, initial=0))

    def take(self, which: NDArray[Any]) -> "Boxes":
        """Return some of the boxes, by position or by mask."""
        return Boxes(edges=self.edges[which], labels=self.labels[which], scores=self.scores[which])

    def transform(self, scale: tuple[float, float], shift: tuple[float, float]) -> "Boxes":
        """Return the boxes multiplied by (x, y) and then moved by (x, y)."""
        factors, moves = np.tile(scale, 2), np.tile(shift, 2)  # (4,): x, y, x, y
        edges = (self.edges * factors + moves).astype(np.float32)
        return Boxes(edges=edges, labels=self.labels, scores=self.scores)


def join_boxes(parts: Sequence[Boxes]) -> Boxes:
    """Put boxes one after the other."""
    # An empty part in front: numpy refuses to concatenate nothing.
    return Boxes(
        edges=np.concatenate([np.zeros((0, 4), np.float32), *(part.edges for part in parts)]),
        labels=np.concatenate([np.zeros(0, np.int64), *(part.labels for part in parts)]),
        scores=np.concatenate([np.zeros(0, np.float32), *(part.scores for part in parts)]),
    )


def intersect_areas(edges: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (n, m) areas that boxes (n, 4) and (m, 4) have in common."""
    low = np.maximum(edges[:, None, :2], other[None, :, :2])
    high = np.minimum(edges[:, None, 2:], other[None, :, 2:])
    sides = np.clip(high - low, 0, None)  # (n, m, 2); negative where boxes lie apart
    return np.asarray(sides[..., 0] * sides[..., 1], np.float32)


def turn_boxes(boxes: Boxes, k: int, *, shape: tuple[int, ...]) -> Boxes:
    """Turn boxes as `turn_picture(image, k)` turns a picture of that (height, width)."""
    height, width = shape
    xmin, ymin, xmax, ymax = boxes.edges.T
    if k >= 4:  # the last four of the eight orientations are mirrored first
        xmin, xmax = width - xmax, width - xmin
    for _ in range(k % 4):  # a quarter anticlockwise: the right edge becomes the upper one
        xmin, ymin, xmax, ymax = ymin, width - xmax, ymax, width - xmin
        height, width = width, height
    return Boxes.make(np.stack([xmin, ymin, xmax, ymax], axis=1), boxes.labels, boxes.scores)


def clip_boxes(
    boxes: Boxes, window: tuple[int, int, int, int]
) -> tuple[Boxes, NDArray[np.float32]]:
    """Cut boxes at x0, y0, x1, y1, in coordinates of it; also the share of each that is left."""
    x0, y0, x1, y1 = window
    low, high = np.array([x0, y0, x0, y0]), np.array([x1, y1, x1, y1])
    edges = (np.clip(boxes.edges, low, high) - low).astype(np.float32)
    cut = Boxes(edges=edges, labels=boxes.labels, scores=boxes.scores)
    # A box without area would divide by 0; nothing of it is left either.
    return cut, np.asarray(cut.areas / np.maximum(boxes.areas, 1e-6), np.float32)
