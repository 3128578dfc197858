"""The data classes of the synthetic images: what a picture shows, its surface, its defects.

Heights are in units of one line's height, lateral lengths in pixels, yields in secondary
electrons per beam electron (about 0.1 to 1).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Background = Literal["plain", "line_space"]
Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where one defect is, in pixels; `xmax` and `ymax` are one past its last pixel."""

    label: str
    xmin: int
    ymin: int
    xmax: int
    ymax: int

    def __post_init__(self) -> None:
        if not (0 <= self.xmin < self.xmax and 0 <= self.ymin < self.ymax):
            raise ValueError(f"box {self} is empty or starts outside the picture")

    def transpose(self) -> "Box":
        """Swap x and y."""
        return Box(label=self.label, xmin=self.ymin, ymin=self.xmin, xmax=self.ymax, ymax=self.xmax)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The edges of parallel vertical lines at every row.

    Attributes
    ----------
    left, right : (rows, lines) float32
        Where a line starts and ends, in pixels from the left; roughness included.
    pitch : float
        Distance from one line to the next in pixels.
    offset : float
        Where the first line's cell starts, in pixels; 0 or less.
    """

    left: Image
    right: Image
    pitch: float
    offset: float

    @property
    def count(self) -> int:
        """Number of lines, the cut-off ones included."""
        return int(self.left.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What the beam meets: topography and material.

    Attributes
    ----------
    height : (h, w) float32
    emission : (h, w) float32
        Secondary-electron yield of the material when flat.
    lines : Lines or None
        None on a plain film.
    """

    height: Image
    emission: Image
    lines: Lines | None = None

    def __post_init__(self) -> None:
        if self.height.shape != self.emission.shape or self.height.ndim != 2:
            raise ValueError(f"shapes {self.height.shape} and {self.emission.shape} differ")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height.shape[0], self.height.shape[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Microscope:
    """One review SEM: what its pictures look like.

    Attributes
    ----------
    name : str
    size : (int, int)
        Rows and columns of its pictures.
    bit_depth : {8, 16}
    black, white : int
        Grey levels of no signal and of a signal of 1; a 16-bit detector uses few of its levels.
    dose : float
        Electrons a pixel at a signal of 1: sets the shot noise.
    read_noise : float
        Detector noise, as a share of a signal of 1.
    beam : float
        Standard deviation of the beam in pixels.
    side : float
        Share of the side detectors, which light slopes from the left.
    jitter : float
        Standard deviation of a scan line's shift in pixels (vibration).
    streak : float
        Share of the signal that trails along the scan line (charging).
    """

    name: str
    size: tuple[int, int]
    bit_depth: Literal[8, 16]
    black: int
    white: int
    dose: float
    read_noise: float
    beam: float
    side: float
    jitter: float
    streak: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePlan:
    """All that decides what one picture shows, but for the seed of its noise.

    Attributes
    ----------
    index : int
        Number of the picture; with the seed of the plan it seeds the picture.
    label : str
        Its defect type, or ``no_defect``.
    count : int
        Number of defects, all of that type.
    background, pitch, duty, vertical
        A plain film, or lines of that pitch in pixels and that share of line, up or across.
    microscope : Microscope
    gain, offset : float
        Contrast and brightness of the day, which drift from lot to lot.
    lot, wafer, tool, recipe, step, die_x, die_y
        Where it comes from; `tool` is the process tool.
    """

    index: int
    label: str
    count: int
    background: Background
    pitch: float
    duty: float
    vertical: bool
    microscope: Microscope
    gain: float
    offset: float
    lot: str
    wafer: int
    tool: str
    recipe: str
    step: str
    die_x: int
    die_y: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= 12:
            raise ValueError(f"{self.count} defects, expected 0 to 12")

    @property
    def file_name(self) -> str:
        """Name of the file, which does not give the label away."""
        return f"img_{self.index:04d}.{'tif' if self.microscope.bit_depth == 16 else 'png'}"
