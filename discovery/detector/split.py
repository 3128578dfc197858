"""Which pictures are learnt from, which are held out, and how often a large one is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.detector.records import Example
from discovery.detector.views import View


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Positions of the pictures learnt from, and of those held out."""

    learnt: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split_examples(items: Sequence[Example], share: float, *, seed: int) -> Split:
    """Hold out a share of the pictures: the same share of those with boxes and of those without.

    Each side gets at least one picture with boxes.
    """
    rng = np.random.default_rng([seed, len(items)])
    has_boxes = np.array([len(item.boxes) > 0 for item in items])
    held: list[NDArray[np.int64]] = []
    for group in (np.flatnonzero(has_boxes), np.flatnonzero(~has_boxes)):
        n = round(share * len(group))
        if len(group) and has_boxes[group[0]]:
            n = min(max(n, 1), len(group) - 1)
        held.append(rng.permutation(group)[:n])
    held_out = np.sort(np.concatenate(held))
    return Split(learnt=np.setdiff1d(np.arange(len(items)), held_out), held_out=held_out)


def list_crops(learnt: NDArray[np.int64], views: Sequence[View], tile: int) -> NDArray[np.int64]:
    """List the (picture, number) of an epoch's crops: as many of a picture as tiles fill it."""
    areas = [views[i].shape[1] * views[i].shape[2] for i in learnt]
    counts = [max(1, round(area / tile**2)) for area in areas]
    return np.array(
        [(i, number) for i, n in zip(learnt, counts, strict=True) for number in range(n)], np.int64
    )
