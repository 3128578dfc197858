"""Label Studio: a task an image; a person's label is an annotation, a cluster's a prediction.

Import tasks.json into a project with label_config.xml. Images are named by their paths through
Label Studio's local storage (``/data/local-files/?d=...``), nothing is copied. Its *lowest
prediction score first* order shows the least certain members first.
"""

import json
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from discovery.records import Handoff
from embeddings.images import split_id

CONTROL, _TO = "choice", "image"
LOCAL_FILES = "/data/local-files/?d="
_KEPT = (
    "image_id", "path", "cluster_id", "proposal_id",
    # As it went out: what comes back is told from what was decided since.
    "label", "label_source", "decided_by", "decided_at",
)  # fmt: skip


def format_label_studio(handoff: Handoff) -> tuple[bytes, bytes]:
    """Return the bytes of tasks.json, all images in it, and of label_config.xml."""
    tasks = [_make_task(row, handoff.run_id) for row in handoff.rows.to_dict("records")]
    choices = sorted(set(handoff.labelled["label"]))
    lines = [
        "<View>",
        f'  <Image name="{_TO}" value="$image"/>',
        f'  <Choices name="{CONTROL}" toName="{_TO}" choice="single-radio">',
        *(f"    <Choice value={quoteattr(label)}/>" for label in choices),
        "  </Choices>",
        "</View>",
    ]
    text = json.dumps(tasks, indent=1, ensure_ascii=False)
    return (text + "\n").encode(), ("\n".join(lines) + "\n").encode()


def _make_task(row: dict[Any, Any], run_id: str) -> dict[str, Any]:
    task: dict[str, Any] = {
        "data": {
            # Its local storage serves paths from the root of the disk, without the first slash.
            "image": LOCAL_FILES + quote(str(row["path"]).lstrip("/")),
            **{name: row[name] for name in _KEPT},
        }
    }
    page, region = split_id(row["image_id"])
    if page is not None:
        task["data"]["page"] = page
    if region is not None:
        task["data"]["region"] = [region.x0, region.y0, region.width, region.height]
    if not row["label"]:
        return task
    result = [
        {
            "id": "label",
            "type": "choices",
            "from_name": CONTROL,
            "to_name": _TO,
            "value": {"choices": [row["label"]]},
        }
    ]
    # An annotation counts as done; a prediction is shown and waits for a person.
    if row["label_source"] == "human":
        task["annotations"] = [{"result": result}]
    else:
        score = round(float(row["membership"]), 6)
        version = f"defect-discovery {run_id}"
        task["predictions"] = [{"model_version": version, "score": score, "result": result}]
    return task
