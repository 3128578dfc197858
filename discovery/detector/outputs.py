"""What counting writes: counts.csv, boxes as CSV or COCO, boxes drawn into pictures.

All is formatted here and written by the command. A size is the longer side of a box; in
micrometres where the pixel size is known, empty where it is not.
"""

import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw

from discovery.detector.boxes import Boxes
from discovery.detector.pictures import Pixels
from discovery.detector.predict import Counted
from embeddings.files import format_csv, match_header

BOX_COLUMNS = (
    "image_id", "path", "page", "label", "score", "xmin", "ymin", "xmax", "ymax",
    "width_px", "height_px", "width_um", "height_um", "size_um",
)  # fmt: skip
_SIZE_COLUMNS = ("size_median_px", "size_max_px", "size_median_um", "size_max_um")
_COUNT_COLUMNS = ("image_id", "path", "count")
# What the files begin with that are written, and may be written over.
COUNTS = match_header(_COUNT_COLUMNS, more=f"(,.*)?,{','.join(_SIZE_COLUMNS)}")
COCO = rb'\{\s*"info": \{\s*"description": "defect-discovery"'
# Okabe and Ito's palette without black: told apart by colour-blind eyes too.
_COLOURS: Final = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_LEAST_SIDE = 512  # smaller pictures are enlarged, so that words beside a box can be read


def format_counts(answers: Sequence[Counted], labels: Sequence[str]) -> bytes:
    """Return counts.csv: `image_id,path,count`, `count_<label>` each, and the sizes."""
    header = (*_COUNT_COLUMNS, *(f"count_{label}" for label in labels), *_SIZE_COLUMNS)
    return format_csv([header, *(_count_row(answer, len(labels)) for answer in answers)])


def _count_row(answer: Counted, n_labels: int) -> list[str]:
    by_label = np.bincount(answer.boxes.labels, minlength=n_labels)
    lengths = answer.boxes.lengths
    # NaN, written as an empty cell: a picture without defects has no size, not size 0.
    sizes = (float(np.median(lengths)), float(lengths.max())) if len(lengths) else (math.nan,) * 2
    return [
        answer.image_id,
        str(answer.path),
        str(len(answer.boxes)),
        *map(str, by_label),
        *map(_format_number, sizes),
        *(_format_number(size * answer.um_per_pixel, digits=4) for size in sizes),
    ]


def format_boxes_csv(answers: Sequence[Counted], labels: Sequence[str]) -> bytes:
    """Return the boxes as CSV, one row a defect."""
    rows = (row for answer in answers for row in _box_rows(answer, labels))
    return format_csv([BOX_COLUMNS, *rows])


def _box_rows(answer: Counted, labels: Sequence[str]) -> Iterator[list[str]]:
    boxes = answer.boxes
    for edges, label, score in zip(boxes.edges, boxes.labels, boxes.scores, strict=True):
        width, height = (float(v) for v in edges[2:] - edges[:2])
        # NaN where the pixel size is not known: the cells stay empty.
        in_um = [side * answer.um_per_pixel for side in (width, height, max(width, height))]
        yield [
            answer.image_id,
            str(answer.path),
            str(answer.page),
            labels[label],
            f"{score:.4f}",
            *(_format_number(float(edge)) for edge in edges),
            _format_number(width),
            _format_number(height),
            *(_format_number(side, digits=4) for side in in_um),
        ]


def format_boxes_coco(answers: Sequence[Counted], labels: Sequence[str]) -> bytes:
    """Return the boxes as COCO: pixels, each with its score."""
    categories = [
        {"id": number, "name": label, "supercategory": label.rpartition("/")[0]}
        for number, label in enumerate(labels, start=1)
    ]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, answer in enumerate(answers, start=1):
        width, height = answer.size
        images.append(
            {"id": number, "file_name": str(answer.path), "width": width, "height": height,
             "attributes": {"image_id": answer.image_id, "page": answer.page}}
        )  # fmt: skip
        for edges, label, score in zip(
            answer.boxes.edges, answer.boxes.labels, answer.boxes.scores, strict=True
        ):
            x, y, right, bottom = (round(float(edge), 2) for edge in edges)
            # The box again: tools that draw masks take it for granted.
            outline = [x, y, right, y, right, bottom, x, bottom]
            # Two digits: a hundredth of a pixel is far below what a box can be trusted to.
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": int(label) + 1,
                 "bbox": [x, y, round(right - x, 2), round(bottom - y, 2)],
                 "area": round((right - x) * (bottom - y), 2), "segmentation": [outline],
                 "iscrowd": 0, "score": round(float(score), 4)}
            )  # fmt: skip
    values = {
        "info": {"description": "defect-discovery"},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")  # a path that is not UTF-8: as JSON escapes it


def draw_boxes(pixels: Pixels, boxes: Boxes, labels: Sequence[str]) -> Image.Image:
    """Draw each box with its type and score; a colour a type.

    Parameters
    ----------
    pixels : (c, h, w) float32
        In [0, 1]; of two channels (picture and reference) the first is shown.
    boxes : Boxes
        In the picture's pixels.
    labels : sequence of str

    Returns
    -------
    PIL.Image.Image
        RGB; pictures below 512 pixels are enlarged by a whole factor.
    """
    visible = pixels if len(pixels) == 3 else pixels[:1]
    levels = np.rint(np.broadcast_to(visible, (3, *pixels.shape[1:])) * 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(levels.transpose(1, 2, 0)))
    # A whole factor, rounded up, so that pixels stay squares of one size.
    factor = max(1, -(-_LEAST_SIDE // max(image.size)))
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(image)
    for edges, label, score in zip(boxes.edges, boxes.labels, boxes.scores, strict=True):
        colour = _COLOURS[int(label) % len(_COLOURS)]
        corners = [float(edge) * factor for edge in edges]
        pen.rectangle(corners, outline=colour, width=2)
        # The leaf alone: whole label paths would cover the picture.
        words = f"{labels[label].rpartition('/')[2]} {score:.2f}"
        pen.text((corners[0] + 1, max(0.0, corners[1] - 12)), words, fill=colour)
    return image


def encode_png(image: Image.Image) -> bytes:
    """Return the bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _format_number(value: float, *, digits: int = 2) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
