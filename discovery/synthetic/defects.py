"""Defects, each put on a surface by a function `(surface, rng, where) -> Mark`.

`where` is the (row, column) aimed at; a defect of the pattern moves to the line or space nearest
to it. A `Mark` is the new surface and the mask of what changed, from which the box is taken.
Shapes follow what review SEMs show: a particle is a rough lump with a shadow around it, a scratch
a groove with thrown-up rims, a bridge a neck of resist between two lines, a void a hole with
nothing in it, residue a thin film that dulls the pattern below it, and a collapse two lines that
lean together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from discovery.synthetic.records import Box, Image, Lines, Surface
from discovery.synthetic.surfaces import correlated_noise, cover_lines, find_line_cells, raise_lines

Where = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A surface with one more defect, and the (h, w) bool mask of where it is."""

    surface: Surface
    mask: NDArray[np.bool_]

    def box(self, label: str) -> Box:
        """Return the smallest box around the defect; its mask must not be empty."""
        rows = np.flatnonzero(self.mask.any(axis=1))
        columns = np.flatnonzero(self.mask.any(axis=0))
        return Box(
            label=label,
            xmin=int(columns[0]),
            ymin=int(rows[0]),
            xmax=int(columns[-1]) + 1,
            ymax=int(rows[-1]) + 1,
        )


def add_small_particle(surface: Surface, rng: Generator, where: Where) -> Mark:
    """Put a round particle of 7 to 14 pixels on the surface."""
    return _add_particle(surface, rng, where=where, radius=rng.uniform(3.5, 7), roughness=0.12)


def add_large_particle(surface: Surface, rng: Generator, where: Where) -> Mark:
    """Put a ragged particle of 36 to 84 pixels on the surface."""
    return _add_particle(surface, rng, where=where, radius=rng.uniform(18, 42), roughness=0.3)


def add_scratch(surface: Surface, rng: Generator, where: Where) -> Mark:
    """Cut one to three parallel grooves that bend, fade at their ends, and cut the lines."""
    rows, columns = _offsets(surface.shape, where)
    along, across = _turned(rows, columns, angle=rng.uniform(0, np.pi))
    length = rng.uniform(55, 150)  # half of it, in pixels: long ones leave the picture
    bend = rng.uniform(-1, 1) * 0.15 / length
    groove, rim = np.zeros_like(across), np.zeros_like(across)
    for number in range(rng.integers(1, 4)):
        # The first groove is the deepest; the others are shorter and run beside it.
        share = 1.0 if number == 0 else rng.uniform(0.35, 0.8)
        width = rng.uniform(0.9, 2.2) * share**0.5
        middle = 0.0 if number == 0 else rng.uniform(-0.4, 0.4) * length
        ends = share * _smooth_step(1 - np.abs(along - middle) / (length * share), width=0.35)
        # The grain that cuts skips: its depth varies along the way.
        ends *= 0.8 + 0.25 * np.sin(along / rng.uniform(5, 12) + rng.uniform(0, 6))
        aside = 0.0 if number == 0 else rng.choice([-1, 1]) * rng.uniform(4, 11)
        distance = np.abs(across - bend * along**2 - aside)
        groove = np.maximum(groove, ends * np.exp(-((distance / width) ** 2)))
        rim = np.maximum(rim, ends * np.exp(-(((distance - 2 * width) / (0.7 * width)) ** 2)))
    # The groove takes the lines away before it cuts into what is below them.
    height = surface.height * (1 - 0.9 * np.minimum(groove, 1)) - 0.9 * groove + 0.45 * rim
    emission = surface.emission * (1 - 0.25 * np.minimum(groove, 1)) + 0.10 * rim
    return Mark(surface=_changed(surface, height=height, emission=emission), mask=groove > 0.3)


def add_bridge(surface: Surface, rng: Generator, where: Where) -> Mark:
    """Fill the space between two neighbouring lines with a neck of their material.

    The surface must have lines.
    """
    lines = _lines_of(surface)
    row, _ = where
    left = _line_near(lines, where)  # the line on the left of the space
    start, stop = lines.right[:, left], lines.left[:, left + 1]  # (rows,)
    rows, x = _grid(surface.shape)
    # 0 at one line and 1 at the other; the neck is thinnest half-way.
    share = np.clip((x - start[:, None]) / np.maximum(stop - start, 1)[:, None], 0, 1)
    half = rng.uniform(4, 11) * (1 - rng.uniform(0.1, 0.5) * np.sin(np.pi * share))
    rough = 0.8 * correlated_noise(rng, surface.shape, length=4)
    # One pixel into either line, so that no seam shows.
    inside = (x > start[:, None] - 1) & (x < stop[:, None] + 1)
    fill = inside * np.clip(half + rough - np.abs(rows - row) + 0.5, 0, 1)
    top = rng.uniform(0.75, 1.0)  # some bridges are lower than their lines
    height = surface.height + fill * np.maximum(top - surface.height, 0)
    emission = surface.emission + fill * np.maximum(0.30 + 0.18 * top - surface.emission, 0)
    return Mark(
        surface=_changed(surface, height=height, emission=emission),
        mask=(fill > 0.5) & (surface.height < 0.7),
    )


def add_void(surface: Surface, rng: Generator, where: Where) -> Mark:
    """Take a rounded hole out of the film, or out of a line where there are lines."""
    if surface.lines is None:
        radius = rng.uniform(6, 15)  # most are larger than a small particle
    else:
        where = (where[0], _middle_of_line(surface.lines, where))
        # At half a pitch a line is cut through.
        radius = surface.lines.pitch * rng.uniform(0.28, 0.5)
    distance = _ragged_distance(surface.shape, rng, where=where, roughness=0.1)
    hole = np.clip((radius - distance) / 1.5 + 0.5, 0, 1)  # a wall of 1.5 pixels
    height = surface.height * (1 - hole) - 1.3 * hole
    emission = surface.emission * (1 - 0.7 * hole)
    return Mark(surface=_changed(surface, height=height, emission=emission), mask=hole > 0.5)


def add_residue(surface: Surface, rng: Generator, where: Where) -> Mark:
    """Leave a thin mottled film with a dried rim; the pattern shows through it, dulled."""
    distance = _ragged_distance(surface.shape, rng, where=where, roughness=0.2)
    # Wetting is patchy: the outline frays and drops off satellites.
    distance = distance * np.exp(0.22 * correlated_noise(rng, surface.shape, length=9))
    radius = rng.uniform(28, 62)
    film = _smooth_step(1 - distance / radius, width=0.10)
    # A drying drop carries what is dissolved in it to its edge (coffee-ring effect).
    rim = np.exp(-(((distance / radius - 0.95) / 0.06) ** 2))
    mottle = correlated_noise(rng, surface.shape, length=rng.uniform(3, 6))
    cover = film * np.clip(0.75 + 0.15 * mottle, 0, 1)
    # The film fills the spaces first, and yields less than what it covers.
    height = surface.height * (1 - 0.55 * cover) + 0.5 * cover + 0.12 * rim
    emission = surface.emission * (1 - 0.42 * cover) + 0.06 * rim
    return Mark(surface=_changed(surface, height=height, emission=emission), mask=film > 0.5)


def add_collapse(surface: Surface, rng: Generator, where: Where) -> Mark:
    """Lean two neighbouring lines together until their tops touch. The surface must have lines.

    The capillary force of a drying rinse does this to tall resist; the lines spring back some
    way along.
    """
    lines = _lines_of(surface)
    row, _ = where
    left = _line_near(lines, where)
    gap = (lines.left[:, left + 1] - lines.right[:, left]).mean()
    rows = np.arange(surface.shape[0], dtype=np.float32)
    # A flat-topped lean: the tops stick together over a length, then let go.
    reach, soft = rng.uniform(14, 28), rng.uniform(5, 9)
    lean = (gap / 2 + 0.6) / (1 + np.exp((np.abs(rows - row) - reach) / soft))  # (rows,)
    shift = np.zeros_like(lines.left)
    shift[:, left], shift[:, left + 1] = lean, -lean
    leaning = replace(lines, left=lines.left + shift, right=lines.right + shift)
    # Only what the lean changes is added: grain and earlier defects stay.
    change = cover_lines(leaning, surface.shape[1]) - cover_lines(lines, surface.shape[1])
    raised = raise_lines(leaning, grain=np.zeros(surface.shape, np.float32))
    clean = raise_lines(lines, grain=np.zeros(surface.shape, np.float32))
    return Mark(
        surface=Surface(
            height=surface.height + raised.height - clean.height,
            emission=surface.emission + raised.emission - clean.emission,
            lines=leaning,
        ),
        mask=np.abs(change) > 0.5,
    )


DEFECTS: Mapping[str, Callable[[Surface, Generator, Where], Mark]] = {
    "particle_small": add_small_particle,
    "particle_large": add_large_particle,
    "scratch": add_scratch,
    "bridge": add_bridge,
    "void": add_void,
    "residue": add_residue,
    "collapse": add_collapse,
}


def _add_particle(
    surface: Surface, rng: Generator, *, where: Where, radius: float, roughness: float
) -> Mark:
    distance = _ragged_distance(surface.shape, rng, where=where, roughness=roughness) / radius
    inside = distance < 1
    dome = np.sqrt(np.clip(1 - distance**2, 0, None))
    # Small particles are taller for their width: nothing is flatter than a quarter of it.
    tall = max(1.2, radius * rng.uniform(0.08, 0.13))
    texture = correlated_noise(rng, surface.shape, length=max(1.2, radius / 9))
    # It lies on what is below at its skirt and hides it further in.
    hidden = np.clip(3 * dome, 0, 1)
    height = surface.height * (1 - hidden) + hidden + tall * dome * (1 + 0.10 * texture)
    own = rng.uniform(0.42, 0.62) + 0.03 * texture  # foreign material: brighter than the film
    emission = np.where(inside, own, surface.emission)
    return Mark(surface=_changed(surface, height=height, emission=emission), mask=inside)


def _ragged_distance(
    shape: tuple[int, int], rng: Generator, *, where: Where, roughness: float
) -> Image:
    """Distance from a point in a stretched, turned and ragged metric, (h, w)."""
    rows, columns = _offsets(shape, where)
    along, across = _turned(rows, columns, angle=rng.uniform(0, np.pi))
    stretch = rng.uniform(1.0, 1.0 + 1.8 * roughness)
    distance = np.hypot(along / stretch, across * stretch)
    # Harmonics of the angle make the outline; higher ones are weaker, as in a real grain.
    angle = np.arctan2(across, along)
    outline = np.zeros_like(distance)
    for harmonic in range(2, 9):
        phase = rng.uniform(0, 2 * np.pi)
        outline += rng.normal(0, 1 / harmonic) * np.cos(harmonic * angle + phase)
    ragged: Image = distance * np.exp(roughness * 0.6 * outline)
    return ragged


def _turned(rows: Image, columns: Image, *, angle: float) -> tuple[Image, Image]:
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * columns + sin * rows, cos * rows - sin * columns


def _offsets(shape: tuple[int, int], where: Where) -> tuple[Image, Image]:
    rows, columns = _grid(shape)
    return np.broadcast_arrays(  # type: ignore[return-value]  # two arrays in, two out
        rows - np.float32(where[0]), columns - np.float32(where[1])
    )


def _grid(shape: tuple[int, int]) -> tuple[Image, Image]:
    rows = np.arange(shape[0], dtype=np.float32)[:, None]
    columns = np.arange(shape[1], dtype=np.float32)[None, :]
    return rows, columns


def _smooth_step(value: Image, *, width: float) -> Image:
    """0 below 0, 1 above `width`, and a cubic between."""
    t = np.clip(value / width, 0, 1)
    step: Image = t * t * (3 - 2 * t)
    return step


def _changed(surface: Surface, *, height: Image, emission: Image) -> Surface:
    return replace(surface, height=height.astype(np.float32), emission=emission.astype(np.float32))


def _lines_of(surface: Surface) -> Lines:
    if surface.lines is None:
        raise ValueError("a defect of the pattern needs a surface with lines")
    return surface.lines


def _line_near(lines: Lines, where: Where) -> int:
    """Return the line left of the space nearest to `where`, away from the picture's edge."""
    return min(_cell_of(lines, where[1] - lines.pitch / 2), lines.count - 4)


def _middle_of_line(lines: Lines, where: Where) -> float:
    index = _cell_of(lines, where[1])
    row = int(np.clip(where[0], 0, len(lines.left) - 1))
    return float(lines.left[row, index] + lines.right[row, index]) / 2


def _cell_of(lines: Lines, column: float) -> int:
    """Return the line whose cell the column lies in, the cut-off ones at the edges left out."""
    cell = int(find_line_cells(lines, np.array([column], np.float32))[0])
    return max(1, min(cell, lines.count - 3))
