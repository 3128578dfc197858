"""What counting writes: counts.csv, the boxes as CSV or COCO, and what could not be read.

All are formatted here and written by the front door. A size is the longer side of a box; in
micrometres where the pixel size is known, empty where it is not.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from discovery.detector.count import Counted
from discovery.detector.records import Unreadable
from embeddings.files import format_csv

_BOX_COLUMNS = (
    "image_id", "path", "page", "label", "score", "xmin", "ymin", "xmax", "ymax",
    "width_px", "height_px", "width_um", "height_um", "size_um",
)  # fmt: skip
_SIZE_COLUMNS = ("size_median_px", "size_max_px", "size_median_um", "size_max_um")


def format_counts(answers: Sequence[Counted], labels: Sequence[str]) -> bytes:
    """Return counts.csv: `image_id,path,count`, `count_<label>` each, and the sizes."""
    header = ("image_id", "path", "count", *(f"count_{label}" for label in labels), *_SIZE_COLUMNS)
    return format_csv([header, *(_count_row(answer, len(labels)) for answer in answers)])


def _count_row(answer: Counted, n_labels: int) -> list[str]:
    by_label = np.bincount(answer.boxes.labels, minlength=n_labels)
    lengths = answer.boxes.lengths
    sizes = (float(np.median(lengths)), float(lengths.max())) if len(lengths) else (math.nan,) * 2
    return [
        answer.image_id,
        str(answer.path),
        str(len(answer.boxes)),
        *map(str, by_label),
        *map(_tell, sizes),
        *(_tell(size * answer.um_per_pixel, digits=4) for size in sizes),
    ]


def format_boxes(answers: Sequence[Counted], labels: Sequence[str]) -> bytes:
    """Return the boxes as CSV, one row a defect."""
    rows = (row for answer in answers for row in _box_rows(answer, labels))
    return format_csv([_BOX_COLUMNS, *rows])


def _box_rows(answer: Counted, labels: Sequence[str]) -> Iterator[list[str]]:
    boxes = answer.boxes
    for edges, label, score in zip(boxes.edges, boxes.labels, boxes.scores, strict=True):
        width, height = (float(v) for v in edges[2:] - edges[:2])
        in_um = [side * answer.um_per_pixel for side in (width, height, max(width, height))]
        yield [
            answer.image_id,
            str(answer.path),
            str(answer.page),
            labels[label],
            f"{score:.4f}",
            *(_tell(float(edge)) for edge in edges),
            _tell(width),
            _tell(height),
            *(_tell(side, digits=4) for side in in_um),
        ]


def format_coco(answers: Sequence[Counted], labels: Sequence[str]) -> bytes:
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
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": int(label) + 1,
                 "bbox": [x, y, round(right - x, 2), round(bottom - y, 2)],
                 "area": round((right - x) * (bottom - y), 2), "iscrowd": 0,
                 "score": round(float(score), 4)}
            )  # fmt: skip
    values = {
        "info": {"description": "defect-discovery"},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def format_quarantine(faults: Sequence[Unreadable]) -> bytes:
    """Return the CSV of what could not be read: `path,reason`."""
    return format_csv([("path", "reason"), *((str(fault.path), fault.reason) for fault in faults)])


def _tell(value: float, *, digits: int = 2) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
