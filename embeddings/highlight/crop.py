"""What is shown of a highlighted picture: the main region's surroundings, without background.

draw_crop(highlight(grey), side=224)   # (1, 224, 224) in [0, 1]; 0.5 is the background
"""

from typing import Final

import numpy as np
from PIL import Image

from embeddings.highlight.folding import Values
from embeddings.highlight.regions import Highlight

_MARGIN: Final = 1.6  # times the region's longer side
_LEAST: Final = 64  # pixels: below, a network sees grain
_WHITE: Final = 16.0  # deviations of a single pixel that become white, and black


def frame_region(seen: Highlight) -> tuple[int, int, int]:
    """Return top, left and side of the square around what stands out most; it may stick out.

    The middle of the whole picture, where nothing stands out.
    """
    h, w = seen.labels.shape
    if not seen.regions:
        side = min(h, w)
        return (h - side) // 2, (w - side) // 2, side
    main = seen.regions[0]
    longer = max(main.bottom - main.top, main.right - main.left)
    side = round(min(max(_MARGIN * longer, _LEAST), max(h, w)))
    top = round((main.top + main.bottom - side) / 2)
    left = round((main.left + main.right - side) / 2)
    return top, left, side


def draw_crop(seen: Highlight, *, side: int) -> Values:
    """Draw the surroundings of what stands out, less the background, (1, side, side) in [0, 1]."""
    return draw_surroundings(cut_surroundings(seen), side=side)


def cut_surroundings(seen: Highlight) -> Values:
    """Return the square of `frame_region` less the background, (s, s) in [0, 1]."""
    top, left, wide = frame_region(seen)
    h, w = seen.labels.shape
    rows, columns = np.arange(top, top + wide), np.arange(left, left + wide)
    inside = ((rows >= 0) & (rows < h))[:, None] & ((columns >= 0) & (columns < w))[None, :]
    values = seen.rest.values[np.ix_(np.clip(rows, 0, h - 1), np.clip(columns, 0, w - 1))]
    shown = 0.5 + np.where(inside, values, 0) / np.float32(2 * _WHITE * seen.spread)
    cut: Values = np.clip(shown, 0, 1).astype(np.float32)
    return cut


def draw_surroundings(surroundings: Values, *, side: int) -> Values:
    """Bring the square to size, (1, side, side)."""
    image = Image.fromarray(surroundings)
    drawn = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)
    return drawn[None]
