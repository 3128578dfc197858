"""A tree of folders that a person sorted anew: each image's folder is its label.

Images are known by their content, so they may be renamed; a page, tile or crop by what its TIFF
says of itself. One that is missing, or lies in no folder, says nothing. ``images.csv`` says what
each image's label was when the tree was written; a tree without it is read as typed anew.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import tifffile

from discovery.formats.folder_names import read_folder
from discovery.formats.image_folders import IMAGES_COLUMNS, IMAGES_CSV
from discovery.formats.pictures import PART_PREFIX
from discovery.formats.returned import Returned, place_labels, raise_faults, read_base
from discovery.records import Handoff, ImageLabel, find_label_fault, tidy_label
from embeddings.errors import HandoffError, ImageError, InputError, TableError
from embeddings.images import find_images, fingerprint_file
from embeddings.tables import read_table


def read_imagefolder(folder: Path, *, written: Handoff) -> Returned:
    """Read the labels of a tree of folders.

    Parameters
    ----------
    written : Handoff
        The run's own handoff as it is now.

    Raises
    ------
    HandoffError
        A folder is no label, an image lies in two folders, a file cannot be read, or none of the
        images is of this run: every fault is named.
    """
    try:
        found = find_images(folder)
    except InputError as error:
        raise HandoffError(str(error)) from error
    root = Path(os.path.abspath(folder))  # noqa: PTH100 - as `find_images` names its files
    faults = [f"{path.relative_to(root)}: {why}" for path, why in found.quarantined]
    parts = _count_parts(written)
    labels: dict[str, str] = {}
    places: dict[str, Path] = {}
    strangers: list[str] = []
    for path in found.files:
        place = path.relative_to(root)
        if place.parent == Path():
            continue  # in no folder: nobody has said yet what it is
        label = tidy_label(read_folder(place.parent))
        image_id = _identify(path, parts, faults)
        if fault := find_label_fault(label):
            faults.append(f"folder {place.parent}: {fault}")
        elif image_id is None:
            strangers.append(str(place))
        elif labels.setdefault(image_id, label) != label:
            faults.append(f"{place} and {places[image_id]} are the same image: keep one of them")
        places.setdefault(image_id or "", place)
    raise_faults(str(folder), list(dict.fromkeys(faults)))
    if not labels:
        raise HandoffError(
            f"{folder}: none of its {len(found.files)} images lies in a folder and is of this run: "
            "expected folders named after types, with the run's images in them"
        )
    handoff = place_labels(written, labels, _read_bases(folder))
    # Nobody is known to have looked at an image that stayed where it was.
    return Returned(handoff=handoff, judged={}, strangers=tuple(strangers))


def _count_parts(written: Handoff) -> dict[str, int]:
    """Return every id of the run with 0, and the file of pages or crops with their number."""
    ids = dict.fromkeys(written.rows["image_id"].tolist(), 0)
    for image_id in list(ids):
        if image_id[:16] != image_id:
            ids[image_id[:16]] = ids.get(image_id[:16], 0) + 1
    return ids


def _identify(path: Path, parts: Mapping[str, int], faults: list[str]) -> str | None:
    """Return the id of the run's image that a file holds; None where it holds none."""
    try:
        file_id = fingerprint_file(path)
    except ImageError as error:
        faults.append(f"{path}: {error}")
        return None
    if parts.get(file_id):
        faults.append(
            f"{path.name} holds {parts[file_id]} images of the run: expected each as a file of "
            "its own, as --format imagefolder writes them"
        )
    if file_id in parts:
        return file_id
    own = _read_description(path)
    return own if own in parts else None


def _read_description(path: Path) -> str:
    if path.suffix.lower() not in (".tif", ".tiff"):
        return ""
    try:
        with tifffile.TiffFile(path) as file:
            text = file.pages.first.description
    except (tifffile.TiffFileError, OSError, ValueError, IndexError):
        return ""  # not one that was written here
    return text.removeprefix(PART_PREFIX) if text.startswith(PART_PREFIX) else ""


def _read_bases(folder: Path) -> dict[str, ImageLabel]:
    path = folder / IMAGES_CSV
    if not path.exists():
        return {}
    try:
        rows = read_table(path, required=IMAGES_COLUMNS)
    except TableError as error:
        raise HandoffError(f"{error}; take it as it was written, or remove it") from error
    return {row["image_id"]: read_base(row) for row in rows.to_dict("records")}
