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
from collections.abc import Iterator
from itertools import count
from pathlib import PurePosixPath

from discovery.formats.folder_names import FolderLayout, name_folders
from discovery.formats.pictures import WrittenPictures, name_picture
from discovery.formats.portable_names import fold_name, make_portable
from discovery.records import Handoff
from embeddings.files import format_csv

IMAGES_CSV = "images.csv"
IMAGES_COLUMNS = ("file", "image_id", "label", "label_source", "decided_by", "decided_at")
Plan = dict[PurePosixPath, tuple[str, str]]  # name without its ending -> image id, path
_MOST_BYTES = 215  # of a file's name before its ending, and what tells two of one name apart


def plan_imagefolder(handoff: Handoff, layout: FolderLayout = "flat") -> Plan:
    """Say where each labelled image goes: ``<label>/<file name>``, without the ending.

    Exact duplicates go once. Two images of one name in one folder are told apart by the image
    id's first digits; names that some file system takes for one are one name here.
    """
    images = handoff.labelled.drop_duplicates("image_id")
    folders = name_folders(images["label"], layout)
    # A folder of a level and a file beside it have different names, too.
    taken = {fold_name(str(place)) for one in folders.values() for place in (one, *one.parents)}
    plan: Plan = {}
    columns = (images[name].tolist() for name in ("image_id", "path", "label"))
    for image_id, path, label in zip(*columns, strict=True):
        target = next(
            place
            for name in _propose_names(image_id, path)
            if fold_name(str(place := folders[label] / name)) not in taken
        )
        taken.add(fold_name(str(target)))
        plan[target] = (image_id, path)
    return plan


def format_images_csv(handoff: Handoff, written: WrittenPictures, plan: Plan) -> bytes:
    """Return images.csv: what each file is and what was decided of it."""
    columns = handoff.labelled[list(IMAGES_COLUMNS[1:])].itertuples(index=False, name=None)
    known = {image_id: decided for image_id, *decided in columns}
    more = ("original",) if written.originals else ()
    listed: list[tuple[str, ...]] = [(*IMAGES_COLUMNS, *more)]
    for name, file in written.files.items():
        image_id = plan[name][0]
        kept = (str(written.originals.get(name, "")),) if more else ()
        listed.append((str(file), image_id, *known[image_id], *kept))
    return format_csv(listed)


def _propose_names(image_id: str, path: str) -> Iterator[str]:
    """Yield names for an image: its own, the same with its id, and then with a number, too."""
    name = name_picture(image_id, path)
    yield make_portable(name, _MOST_BYTES)
    # The digits are those of the file: its parts are told apart by what stands before them.
    for number in count(1):
        mark = f"_{image_id[:16]}" + (f"_{number}" if number > 1 else "")
        yield make_portable(name, _MOST_BYTES - len(mark)) + make_portable(mark)


def plan_fiftyone(handoff: Handoff) -> tuple[Plan, bytes]:
    """Say where each labelled image goes (``data/...``, without the ending), and make labels.json.

    A file is named after its image id: the ids of labels.json are file names without suffix,
    and two images may have the same name.
    """
    classes = sorted(set(handoff.labelled["label"]))
    number = {label: place for place, label in enumerate(classes)}
    plan: Plan = {}
    labels: dict[str, int] = {}
    for image_id, path, label in handoff.labelled[["image_id", "path", "label"]].itertuples(
        index=False, name=None
    ):
        key = image_id.replace(",", "_")
        if key not in labels:
            plan[PurePosixPath("data", key)] = (image_id, path)
            labels[key] = number[label]
    text = json.dumps({"classes": classes, "labels": labels}, indent=2, ensure_ascii=False)
    return plan, (text + "\n").encode(errors="backslashreplace")
