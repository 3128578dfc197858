"""A tree of folders that a person sorted anew: each image's folder is its label.

Images are known by their content, so they may be renamed; what was made for the tree (a page, tile
or crop, or a picture of 16 bits shown in 8) by what the file says of itself; one that another
program has saved anew by its name. One that is missing, or lies in no folder, says nothing.
``images.csv`` says what each image's label was when the tree was written, and which folder is which
label's; a tree without it is read as typed anew.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import get_args

import tifffile
from PIL import Image

from discovery.formats.folder_names import FolderLayout, name_folders, read_folder
from discovery.formats.image_folders import IMAGES_COLUMNS, IMAGES_CSV
from discovery.formats.pictures import PART_PREFIX
from discovery.formats.returned import Returned, place_labels, raise_faults, read_base
from discovery.records import (
    Handoff,
    ImageLabel,
    find_label_fault,
    is_same_to_spreadsheet,
    tidy_label,
)
from embeddings.errors import HandoffError, ImageError, InputError, TableError
from embeddings.images import find_images, fingerprint_file
from embeddings.plurals import tell_count
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
    listed = _read_list(folder)
    find_label = _LabelFinder(written, listed)
    faults += listed.find_faults(find_label)
    labels: dict[str, str] = {}
    places: dict[str, Path] = {}
    strangers: list[str] = []
    for path in found.files:
        place = path.relative_to(root)
        if place.parent == Path():
            continue  # in no folder: nobody has said yet what it is
        image_id = _identify(path, parts, faults) or listed.find_saved(place, root)
        image_id = image_id if image_id in parts else None
        label, fault = find_label(place.parent)
        if fault:
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
    handoff = place_labels(written, labels, listed.bases)
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
            f"{path.name} holds {tell_count(parts[file_id], 'image')} of the run: expected each as "
            "a file of its own, as --format imagefolder writes them"
        )
    if file_id in parts:
        return file_id
    own = _read_description(path)
    return own if own in parts else None


def _read_description(path: Path) -> str:
    """Return the id that a file made here says of itself; empty where it says none."""
    text: object = ""
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            with tifffile.TiffFile(path) as file:
                text = file.pages.first.description
        elif path.suffix.lower() == ".png":
            with Image.open(path) as picture:
                text = picture.info.get("Description")
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, SyntaxError):
        return ""  # not one that was written here
    said = text if isinstance(text, str) else ""
    return said.removeprefix(PART_PREFIX) if said.startswith(PART_PREFIX) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """What images.csv says; nothing where there is none.

    Attributes
    ----------
    files : mapping of the file as it was written to its image id
    labels : mapping of the file to its label
    bases : mapping of image id to ImageLabel
    """

    files: Mapping[PurePosixPath, str] = field(default_factory=dict)
    labels: Mapping[PurePosixPath, str] = field(default_factory=dict)
    bases: Mapping[str, ImageLabel] = field(default_factory=dict)

    def find_faults(self, find_label: Callable[[Path], tuple[str, str]]) -> list[str]:
        """Name the labels that are not those of the folders that the files were written into.

        Somebody typed them there; to move the file is what says so.
        """
        return [
            f"{IMAGES_CSV}: {file} has the label {label!r} there: move the file into the folder of "
            "that label, or put back what was written"
            for file, label in self.labels.items()
            if not is_same_to_spreadsheet(find_label(Path(file.parent))[0], label)
        ]

    def find_saved(self, place: Path, root: Path) -> str | None:
        """Return the image of a file that another program has saved anew: by its name alone.

        That is the file of that name and place; or, where nothing is left there, the only one of
        that name.
        """
        if PurePosixPath(place) in self.files:
            return self.files[PurePosixPath(place)]
        named = [one for one in self.files if one.name == place.name]
        if len(named) == 1 and not (root / named[0]).exists():
            return self.files[named[0]]
        return None


class _LabelFinder:
    """Finds the label of a folder."""

    def __init__(self, written: Handoff, listed: _Listed) -> None:
        # Names that were cut say not all of their label. The labels that were written together
        # come last: which of two that differ by case kept its letters depends on all of them.
        self._named: dict[PurePosixPath, str] = {
            folder: label
            for labels in ({kind.label for kind in written.types}, set(listed.labels.values()))
            for layout in get_args(FolderLayout)
            for label, folder in name_folders(labels, layout).items()
        }

    def __call__(self, folder: Path) -> tuple[str, str]:
        """Return the label, and what is wrong with it."""
        label = self._named.get(PurePosixPath(folder))
        if label is not None:
            return label, find_label_fault(label)
        try:
            label = tidy_label(read_folder(folder))
        except ValueError as error:
            return "", f"{error}: put back {IMAGES_CSV}, or name the folder anew"
        return label, find_label_fault(label)


def _read_list(folder: Path) -> _Listed:
    path = folder / IMAGES_CSV
    if not path.exists():
        return _Listed()
    try:
        rows = read_table(path, required=IMAGES_COLUMNS).to_dict("records")
    except TableError as error:
        raise HandoffError(f"{error}; take it as it was written, or remove it") from error
    files = [PurePosixPath(row["file"].replace("\\", "/")) for row in rows]
    return _Listed(
        files={file: row["image_id"] for file, row in zip(files, rows, strict=True)},
        labels={file: row["label"] for file, row in zip(files, rows, strict=True)},
        bases={row["image_id"]: read_base(row) for row in rows},
    )
