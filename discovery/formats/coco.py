"""COCO: labelled images and crops as boxes, with the level above as `supercategory`.

A crop is its defect's box in its file, or, where that is not known, its own place; a tile is its
place; a whole image is a box of its own size. One entry of `images` a file (and page), so several
crops of a file are several annotations.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from discovery.records import Handoff
from embeddings.images import split_id

_Box = Sequence[float]  # xmin, ymin, xmax, ymax


def format_coco(
    handoff: Handoff,
    sizes: Mapping[str, Sequence[tuple[int, int]]],
    *,
    boxes: Mapping[str, _Box] | None = None,
) -> bytes:
    """Return the bytes of a COCO file.

    Parameters
    ----------
    sizes : mapping of path to (width, height) of each page
        In pixels. Images whose size is not known are left out.
    boxes : mapping of image id to (xmin, ymin, xmax, ymax), optional
        The defect's box in its picture, in pixels, where it is known.
    """
    # Numbered by name from 1: 0 is the background to most readers of COCO.
    labels = sorted(set(handoff.labelled["label"]))
    category = {label: number for number, label in enumerate(labels, start=1)}
    images: dict[tuple[str, int | None], dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    for row, page, size in _list_known(handoff, sizes):
        image = images.setdefault(
            (row["path"], page), _make_image(len(images) + 1, row["path"], size=size, page=page)
        )
        box = _find_box(row["image_id"], size, boxes or {})
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": image["id"],
                "category_id": category[row["label"]],
                **_describe_row(row, box),
            }
        )
    values = {
        "info": {"description": "defect-discovery", "run_id": handoff.run_id},
        "images": list(images.values()),
        "annotations": annotations,
        "categories": [
            {"id": number, "name": label, "supercategory": label.rpartition("/")[0]}
            for label, number in category.items()
        ],
    }
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode(
        errors="backslashreplace"
    )


def count_images(handoff: Handoff, sizes: Mapping[str, Sequence[tuple[int, int]]]) -> int:
    """Return how many images `format_coco` lists: each page of a file is one."""
    return len({(row["path"], page) for row, page, _ in _list_known(handoff, sizes)})


def _list_known(
    handoff: Handoff, sizes: Mapping[str, Sequence[tuple[int, int]]]
) -> Iterator[tuple[dict[Any, Any], int | None, tuple[int, int]]]:
    """Yield the labelled rows whose size is known, with their page and its width and height."""
    for row in handoff.labelled.to_dict("records"):
        page, _ = split_id(row["image_id"])
        known = sizes.get(row["path"], ())
        if len(known) > (page or 0):
            yield row, page, known[page or 0]


def _make_image(
    number: int, path: str, *, size: tuple[int, int], page: int | None
) -> dict[str, Any]:
    image = {"id": number, "file_name": path, "width": size[0], "height": size[1]}
    return image if page is None else {**image, "page": page}


def _describe_row(row: Mapping[Any, Any], box: Sequence[float]) -> dict[str, Any]:
    x0, y0, width, height = box
    x1, y1 = x0 + width, y0 + height
    return {
        "bbox": box,
        "area": width * height,
        # The box again: tools that draw masks take it for granted.
        "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
        "iscrowd": 0,
        # No field of COCO's own: CVAT and Datumaro read and keep it.
        "attributes": {
            "image_id": row["image_id"],
            "label_source": row["label_source"],
            "membership": round(float(row["membership"]), 6),
        },
    }


def _find_box(image_id: str, size: tuple[int, int], boxes: Mapping[str, _Box]) -> Sequence[float]:
    """Return x, y, width, height, within the picture and not empty."""
    region = split_id(image_id)[1]
    if image_id in boxes:
        box = _clip(boxes[image_id], size)
        if min(box[2:]) > 0:  # a defect of unknown size is a point
            return box
    if region is None:
        return [0, 0, *size]
    x0, y0 = region.x0, region.y0
    return _clip((x0, y0, x0 + region.width, y0 + region.height), size)


def _clip(box: _Box, size: tuple[int, int]) -> list[float]:
    # A crop may stick out of its picture, a box of COCO may not.
    x0, y0, x1, y1 = (min(max(edge, 0), limit) for edge, limit in zip(box, size * 2, strict=True))
    return [x0, y0, x1 - x0, y1 - y0]
