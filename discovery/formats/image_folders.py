"""The formats that are folders of labelled images: ImageFolder and FiftyOne's.

ImageFolder is one folder a type, the layout torchvision's ImageFolder, Keras and MVTec-like tools
read: the label's levels become nested folders, of which ImageFolder takes the first as the class.

FiftyOneImageClassificationDataset has the images in ``data/``, and in ``labels.json`` the classes
and each file's class::

    kind = fiftyone.types.FiftyOneImageClassificationDataset
    fiftyone.Dataset.from_dir(folder, dataset_type=kind)
"""

import json
from pathlib import PurePosixPath

from discovery.formats.pictures import name_picture
from discovery.records import Handoff


def plan_imagefolder(handoff: Handoff) -> dict[PurePosixPath, tuple[str, str]]:
    """Say where each labelled image goes: ``<label>/<file name>`` -> (image id, path).

    Exact duplicates go once. Two images of one name in one folder are told apart by the image
    id's first digits.
    """
    plan: dict[PurePosixPath, tuple[str, str]] = {}
    seen: set[str] = set()
    for image_id, path, label in handoff.labelled[["image_id", "path", "label"]].itertuples(
        index=False, name=None
    ):
        if image_id in seen:
            continue
        seen.add(image_id)
        name = PurePosixPath(name_picture(image_id, path))
        # A label is a path without .. or empty parts: it cannot lead out of the folder.
        target = PurePosixPath(label) / name
        if target in plan:
            target = PurePosixPath(label) / f"{name.stem}_{image_id[:16]}{name.suffix}"
        plan[target] = (image_id, path)
    return plan


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
