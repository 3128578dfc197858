"""COCO: labelled images and crops as boxes, with the level above as `supercategory`.

A crop or tile is a box in its file; a whole image is a box of its own size. One entry of
`images` a file (and page), so several crops of a file are several annotations.
"""

import json
from collections.abc import Mapping
from typing import Any

from discovery.records import Handoff
from embeddings.images import Region, split_id


def format_coco(handoff: Handoff, sizes: Mapping[str, tuple[int, int]]) -> bytes:
    """Return the bytes of a COCO file.

    Parameters
    ----------
    sizes : mapping of path to (width, height)
        In pixels. Images whose size is not known are left out.
    """
    # Numbered by name from 1: 0 is the background to most readers of COCO.
    labels = sorted(set(handoff.labelled["label"]))
    category = {label: number for number, label in enumerate(labels, start=1)}
    images: dict[tuple[str, int | None], dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    for row in handoff.labelled.to_dict("records"):
        if row["path"] not in sizes:
            continue
        page, region = split_id(row["image_id"])
        size = sizes[row["path"]]
        image = images.setdefault(
            (row["path"], page), _make_image(len(images) + 1, row["path"], size=size, page=page)
        )
        box = _clip_box(region, size)
        annotation = {
            "id": len(annotations) + 1,
            "image_id": image["id"],
            "category_id": category[row["label"]],
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            # No field of COCO's own: CVAT and Datumaro read and keep it.
            "attributes": {
                "image_id": row["image_id"],
                "label_source": row["label_source"],
                "membership": round(float(row["membership"]), 6),
            },
        }
        annotations.append(annotation)
    values = {
        "info": {"description": "defect-discovery", "run_id": handoff.run_id},
        "images": list(images.values()),
        "annotations": annotations,
        "categories": [
            {"id": number, "name": label, "supercategory": label.rpartition("/")[0]}
            for label, number in category.items()
        ],
    }
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def _make_image(
    number: int, path: str, *, size: tuple[int, int], page: int | None
) -> dict[str, Any]:
    image = {"id": number, "file_name": path, "width": size[0], "height": size[1]}
    return image if page is None else {**image, "page": page}


def _clip_box(region: Region | None, size: tuple[int, int]) -> list[int]:
    """Return x, y, width, height: a crop may stick out of its picture, a box of COCO may not."""
    width, height = size
    if region is None:
        return [0, 0, width, height]
    x0, y0 = max(region.x0, 0), max(region.y0, 0)
    x1, y1 = min(region.x0 + region.width, width), min(region.y0 + region.height, height)
    return [x0, y0, x1 - x0, y1 - y0]
