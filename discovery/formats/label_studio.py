"""Label Studio: a task an image; a person's label is an annotation, a cluster's a prediction.

Import tasks.json into a project with label_config.xml. Images are named by their paths through
Label Studio's local storage (``/data/local-files/?d=...``), nothing is copied. Its *lowest
prediction score first* order shows the least certain members first. A tile or crop is shown as a
frame in its picture.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr  # nosec B406 # text is escaped, no XML is read

from discovery.records import Handoff
from embeddings.images import Region, split_id

CONTROL, _TO, _FRAME = "choice", "image", "place"
_NORMAL = "no_defect"
LOCAL_FILES = "/data/local-files/?d="
_KEPT = (
    "image_id", "path", "cluster_id", "proposal_id",
    # As it went out: what comes back is told from what was decided since.
    "label", "label_source", "decided_by", "decided_at",
)  # fmt: skip


def format_label_studio(
    handoff: Handoff, sizes: Mapping[str, Sequence[tuple[int, int]]] | None = None
) -> tuple[bytes, bytes]:
    """Return the bytes of tasks.json, all images in it, and of label_config.xml.

    Parameters
    ----------
    sizes : mapping of path to (width, height) of each page, optional
        In pixels: a tile or crop whose picture is here is shown as a frame in it.
    """
    rows = handoff.rows.to_dict("records")
    tasks = [_make_task(row, handoff.run_id, sizes=sizes or {}) for row in rows]
    # Label Studio takes no Choices without a Choice; a project's settings add those that lack.
    choices = sorted(set(handoff.labelled["label"])) or [_NORMAL]
    has_frames = any(split_id(row["image_id"])[1] for row in rows)
    lines = [
        "<View>",
        f'  <Image name="{_TO}" value="$image"/>',
        *([f'  <Rectangle name="{_FRAME}" toName="{_TO}" canRotate="false"/>'] * has_frames),
        f'  <Choices name="{CONTROL}" toName="{_TO}" choice="single-radio">',
        *(f"    <Choice value={quoteattr(label)}/>" for label in choices),
        "  </Choices>",
        "</View>",
    ]
    text = json.dumps(tasks, indent=1, ensure_ascii=False)
    return (text + "\n").encode(errors="backslashreplace"), ("\n".join(lines) + "\n").encode()


def _make_task(
    row: dict[Any, Any], run_id: str, *, sizes: Mapping[str, Sequence[tuple[int, int]]]
) -> dict[str, Any]:
    page, region = split_id(row["image_id"])
    task: dict[str, Any] = {
        "data": {
            # Its local storage serves paths from the root of the disk, without the first slash.
            "image": LOCAL_FILES + quote(str(row["path"]).lstrip("/")),
            **{name: row[name] for name in _KEPT},
        }
    }
    if page is not None:
        task["data"]["page"] = page
    known = sizes.get(row["path"], ())
    result = []
    if region is not None:
        task["data"]["region"] = [region.x0, region.y0, region.width, region.height]
        if len(known) > (page or 0):
            result.append(_make_frame(region, known[page or 0]))
    if row["label"]:
        choice = {"id": "label", "type": "choices", "from_name": CONTROL, "to_name": _TO}
        result.append({**choice, "value": {"choices": [row["label"]]}})
    # An annotation counts as done; a prediction is shown and waits for a person.
    if row["label_source"] == "human":
        task["annotations"] = [{"result": result}]
    elif result:
        score = round(float(row["membership"]), 6)
        version = f"defect-discovery {run_id}"
        task["predictions"] = [{"model_version": version, "score": score, "result": result}]
    return task


def _make_frame(region: Region, size: tuple[int, int]) -> dict[str, Any]:
    """Return where a crop lies in its picture, in percent of it."""
    width, height = size
    x0, x1 = (min(max(x, 0), width) for x in (region.x0, region.x0 + region.width))
    y0, y1 = (min(max(y, 0), height) for y in (region.y0, region.y0 + region.height))
    return {
        "id": _FRAME,
        "type": "rectangle",
        "from_name": _FRAME,
        "to_name": _TO,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {
            "x": 100 * x0 / width,
            "y": 100 * y0 / height,
            "width": 100 * (x1 - x0) / width,
            "height": 100 * (y1 - y0) / height,
            "rotation": 0,
        },
    }
