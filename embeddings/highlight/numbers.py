"""Numbers of what stands out: size, shape, tone and number of the regions of a picture.

describe_regions(highlight(grey))   # (18,) float64; the first is 0 where nothing stands out
"""

from typing import Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from embeddings.highlight.regions import Highlight

NUMBERS: Final = (
    "found", "area", "total area", "count", "length", "width", "roundness", "fill", "tone",
    "contrast", "centre", "rim", "bright share", "along the lines", "level", "mottle",
    "below it", "edges below it",
)  # fmt: skip
_TENTH: Final = 10.0  # deviations at which a tone is well told


def describe_regions(seen: Highlight) -> NDArray[np.float64]:
    """Describe the region that stands out most, and how many others there are.

    Lengths and areas are logarithms of pixels, tones are bounded: one odd picture does not
    stretch an axis.

    Returns
    -------
    (18,) float64
        In the order of `NUMBERS`; all 0 where nothing stands out.
    """
    numbers = np.zeros(len(NUMBERS))
    if not seen.regions:
        return numbers
    main = seen.regions[0]
    mask = seen.labels[main.box] == main.label
    deviations = np.clip(seen.deviations[main.box], -30, 30)
    rest = seen.rest.values[main.box]
    # A bridge lies in a space, a void in a line, a particle anywhere.
    layout = seen.rest.layout[main.box]
    size = np.abs(deviations) * mask
    core = size >= 0.5 * size.max()
    length, width, turn = _measure_axes(mask)
    inside = scipy.ndimage.binary_erosion(mask, iterations=2)
    centre = float(deviations[inside if inside.any() else mask].mean())
    rim = float(deviations[mask & ~inside].mean()) if (mask & ~inside).any() else centre
    numbers[:] = (
        1.0,
        np.log(main.area),
        np.log(sum(one.area for one in seen.regions)),
        np.log(len(seen.regions)),
        np.log1p(length),
        np.log1p(width),
        width / max(length, 1e-9),
        main.area / max(np.pi / 4 * length * width, 1.0),
        np.tanh(float(deviations[mask].mean()) / _TENTH),
        np.tanh(float(np.abs(deviations[mask]).mean()) / _TENTH),
        np.tanh(centre / _TENTH),
        np.tanh((rim - centre) / _TENTH),
        float((deviations[mask] > 0).mean()),
        _lie_along(seen, turn),
        np.tanh(float(rest[mask].mean()) / seen.spread / 3),
        np.log1p(float(rest[mask].std()) / seen.spread),
        float(layout[core].mean()),
        float(layout[core].std()),
    )
    return numbers


def _measure_axes(mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return length and width of the ellipse with the mask's second moments, and its direction."""
    rows, columns = np.nonzero(mask)
    spread = np.atleast_2d(np.cov(np.stack([rows, columns]), bias=True)) + np.eye(2) / 12
    powers, axes = np.linalg.eigh(spread)
    along = axes[:, 1]
    return (
        4 * float(np.sqrt(powers[1])),
        4 * float(np.sqrt(powers[0])),
        float(np.arctan2(along[0], along[1])),
    )


def _lie_along(seen: Highlight, turn: float) -> float:
    """Return 1 where the region lies along the lines, -1 across them, 0 where there are none."""
    if seen.rest.kind not in ("lines", "grating"):
        return 0.0
    return -float(np.cos(2 * (turn - seen.rest.angle)))
