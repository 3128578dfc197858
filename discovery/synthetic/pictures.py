"""One picture from its plan: surface, defects, microscope.

    drawing = draw_picture(plan_pictures(600, seed=0)[17], seed=0)

gives `drawing.pixels`, as the file has them, and `drawing.boxes`, one a defect.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from discovery.synthetic.defects import DEFECTS
from discovery.synthetic.microscope import digitise, expose, image_surface
from discovery.synthetic.records import Box, PicturePlan, Surface
from discovery.synthetic.surfaces import make_line_space, make_plain

_TRIES = 20  # places tried for a further defect before it is put where it falls


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture as its file has it, (h, w) uint8 or uint16, and the boxes of its defects."""

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    boxes: tuple[Box, ...]


def draw_picture(picture: PicturePlan, *, seed: int) -> Drawing:
    """Draw one picture; the same picture and seed give the same pixels in any order of drawing."""
    rng = np.random.default_rng([seed, picture.index])
    rows, columns = picture.microscope.size
    # Lines are built upright; a picture of level lines is built on its side and turned.
    shape = (rows, columns) if picture.vertical else (columns, rows)
    surface, boxes = _add_defects(_make_background(picture, rng, shape=shape), picture, rng)
    if not picture.vertical:
        surface = Surface(height=surface.height.T, emission=surface.emission.T)
        boxes = tuple(box.transpose() for box in boxes)
    # The scan runs along the rows of the file, whichever way the lines run.
    signal = image_surface(surface, picture.microscope)
    exposed = expose(signal, picture.microscope, rng)
    pixels = digitise(picture.gain * exposed + picture.offset, picture.microscope)
    return Drawing(pixels=pixels, boxes=boxes)


def _make_background(picture: PicturePlan, rng: Generator, *, shape: tuple[int, int]) -> Surface:
    if picture.background == "plain":
        return make_plain(rng, shape)
    return make_line_space(rng, shape, pitch=picture.pitch, duty=picture.duty)


def _add_defects(
    surface: Surface, picture: PicturePlan, rng: Generator
) -> tuple[Surface, tuple[Box, ...]]:
    boxes: list[Box] = []
    taken = np.zeros(surface.shape, bool)
    for number in range(picture.count):
        where = _choose_place(rng, taken, first=number == 0)
        mark = DEFECTS[picture.label](surface, rng, where)
        if not mark.mask.any():
            continue  # it fell where it changes nothing, such as into another bridge
        surface = mark.surface
        taken |= mark.mask
        boxes.append(mark.box(picture.label))
    return surface, tuple(boxes)


def _choose_place(rng: Generator, taken: NDArray[np.bool_], *, first: bool) -> tuple[float, float]:
    """Return (row, column): near the middle first, as review tools centre it, then anywhere."""
    rows, columns = taken.shape
    if first:
        spread = rng.uniform(-0.14, 0.14, size=2)
        return rows * (0.5 + spread[0]), columns * (0.5 + spread[1])
    for _ in range(_TRIES):
        row, column = rng.uniform(0.1, 0.9) * rows, rng.uniform(0.1, 0.9) * columns
        # 22 pixels keep two small defects apart; large ones may touch, as on a wafer.
        near = taken[
            max(0, int(row) - 22) : int(row) + 22, max(0, int(column) - 22) : int(column) + 22
        ]
        if not near.any():
            break
    return row, column
