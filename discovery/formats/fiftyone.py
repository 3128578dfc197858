"""FiftyOne: a FiftyOneImageClassificationDataset folder, readable without this project.

``data/`` holds the labelled images, ``labels.json`` the classes and each file's class::

    kind = fiftyone.types.FiftyOneImageClassificationDataset
    fiftyone.Dataset.from_dir(folder, dataset_type=kind)
"""

import json
from pathlib import PurePosixPath

from discovery.formats.pictures import name_picture
from discovery.records import Handoff


def plan_fiftyone(handoff: Handoff) -> tuple[dict[PurePosixPath, tuple[str, str]], bytes]:
    """Say where each labelled image goes (``data/...`` -> image id, path), and make labels.json.

    A file is named after its image id: the ids of labels.json are file names without suffix,
    and two images may have the same name.
    """
    classes = sorted(set(handoff.labelled["label"]))
    number = {label: place for place, label in enumerate(classes)}
    plan: dict[PurePosixPath, tuple[str, str]] = {}
    labels: dict[str, int] = {}
    for image_id, path, label in handoff.labelled[["image_id", "path", "label"]].itertuples(
        index=False, name=None
    ):
        key = image_id.replace(",", "_")
        if key not in labels:
            suffix = PurePosixPath(name_picture(image_id, path)).suffix
            plan[PurePosixPath("data", key + suffix)] = (image_id, path)
            labels[key] = number[label]
    text = json.dumps({"classes": classes, "labels": labels}, indent=2, ensure_ascii=False)
    return plan, (text + "\n").encode()
