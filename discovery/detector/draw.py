"""Draw boxes into a picture, to see what was counted and what was missed."""

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from discovery.detector.records import Boxes
from discovery.detector.views import View

# Okabe and Ito's palette without black: told apart by colour-blind eyes too.
_COLOURS: Final = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_LEAST_SIDE = 512  # smaller pictures are enlarged, so that words beside a box can be read


def draw_boxes(view: View, boxes: Boxes, labels: Sequence[str]) -> Image.Image:
    """Draw each box with its type and score; a colour a type.

    Parameters
    ----------
    view : (c, h, w) float32
        In [0, 1]; of two channels (picture and reference) the first is shown.
    boxes : Boxes
        In the view's pixels.
    labels : sequence of str

    Returns
    -------
    PIL.Image.Image
        RGB; pictures below 512 pixels are enlarged by a whole factor.
    """
    shown = view if len(view) == 3 else view[:1]
    levels = np.rint(np.broadcast_to(shown, (3, *view.shape[1:])) * 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(levels.transpose(1, 2, 0)))
    factor = max(1, -(-_LEAST_SIDE // max(image.size)))
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(image)
    for edges, label, score in zip(boxes.edges, boxes.labels, boxes.scores, strict=True):
        colour = _COLOURS[int(label) % len(_COLOURS)]
        corners = [float(edge) * factor for edge in edges]
        pen.rectangle(corners, outline=colour, width=2)
        words = f"{labels[label].rpartition('/')[2]} {score:.2f}"
        pen.text((corners[0] + 1, max(0.0, corners[1] - 12)), words, fill=colour)
    return image


def encode_png(image: Image.Image) -> bytes:
    """Return the bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
