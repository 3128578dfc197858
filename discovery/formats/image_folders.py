"""The formats that are folders of labelled images: ImageFolder and FiftyOne's.

ImageFolder is one folder a type, the layout torchvision's ImageFolder, Keras and MVTec-like tools
read (`folder_names` says how a label becomes a folder's name). ``images.csv`` beside the folders
says which image a file is and what was decided of it: a tree that a person sorted anew is read
back by it.

FiftyOneImageClassificationDataset has the images in ``data/``, and in ``labels.json`` the classes
and each file's class::

    kind = fiftyone.types.FiftyOneImageClassificationDataset
    fiftyone.Dataset.from_dir(folder, dataset_type=kind)
"""

import json
from pathlib import PurePosixPath

from discovery.formats.folder_names import name_folder
from discovery.formats.pictures import name_picture
from discovery.records import Handoff
from embeddings.files import format_csv

IMAGES_CSV = "images.csv"
IMAGES_COLUMNS = ("file", "image_id", "label", "label_source", "decided_by", "decided_at")


def plan_imagefolder(handoff: Handoff) -> tuple[dict[PurePosixPath, tuple[str, str]], bytes]:
    """Say where each labelled image goes (``<label>/<file name>`` -> image id, path), and the list.

    Exact duplicates go once. Two images of one name in one folder are told apart by the image
    id's first digits.

    Returns
    -------
    plan, images.csv
    """
    plan: dict[PurePosixPath, tuple[str, str]] = {}
    listed: list[tuple[str, ...]] = [IMAGES_COLUMNS]
    columns = ["image_id", "path", *IMAGES_COLUMNS[2:]]
    for image_id, path, label, *decided in handoff.labelled.drop_duplicates("image_id")[
        columns
    ].itertuples(index=False, name=None):
        name = PurePosixPath(name_picture(image_id, path))
        target = PurePosixPath(name_folder(label)) / name
        if target in plan:
            target = target.with_name(f"{name.stem}_{image_id[:16]}{name.suffix}")
        plan[target] = (image_id, path)
        listed.append((str(target), image_id, label, *decided))
    return plan, format_csv(listed)


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
