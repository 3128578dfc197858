"""A handoff in the formats of other tools; a folder of images appears whole or not at all."""

import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from discovery.formats.coco import count_images, format_coco
from discovery.formats.folder_names import FolderLayout
from discovery.formats.grey_levels import GreyLevels
from discovery.formats.handoff import write_handoff
from discovery.formats.klarf import format_klarf
from discovery.formats.klarf_back import LabelledKlarf, fill_klarf, label_defects, name_files
from discovery.formats.klarf_classes import number_labels, read_class_numbers
from discovery.formats.label_studio import format_label_studio
from discovery.formats.origins import NO_ORIGINS, Origins
from discovery.formats.picture_folders import Exported, export_pictures, refuse_unreadable
from discovery.formats.pictures import measure_pictures
from discovery.records import HANDOFF_FORMAT, Handoff
from discovery.runs import HANDOFF_CSV, HANDOFF_JSON
from embeddings.errors import InputError, OptionError
from embeddings.files import check_out_file, format_csv, match_header, write_bytes
from embeddings.images import split_id
from embeddings.paths import takes_paths
from embeddings.plurals import tell_count
from embeddings.reading import find_reading
from embeddings.tables import read_table

Format = Literal["csv", "imagefolder", "coco", "label-studio", "fiftyone", "klarf"]
CLASSES_CSV = "classes.csv"
_WAFER_BYTES = 2_000  # of a KLARF that tell it from another wafer's
_ORIGINALS = "-originals"  # ends the name of the folder beside: in it, it would be a class
# What the files of a format begin with: such a file may be written over, no other.
_WRITTEN: dict[str, dict[str, bytes]] = {
    "csv": {HANDOFF_JSON: rf'\{{\s*"format": "{HANDOFF_FORMAT}"'.encode()},
    "coco": {"coco.json": rb'\{\s*"info": \{\s*"description": "defect-discovery"'},
    # An export of Label Studio, which bears a person's work, begins with the ids of its tasks.
    "label-studio": {
        "tasks.json": rb'\[\s*\{\s*"data": \{\s*"image": "/data/local-files',
        "label_config.xml": rb'<View>\s*<Image name="image" value="\$image"/>',
    },
    "klarf": {"handoff.klarf": rb'(?s)FileVersion 1 2;.*InspectionStationID "defect-discovery"'},
}
_LABELLED_ONLY = ("imagefolder", "coco", "fiftyone")


def check_export(folder: Path, kind: Format) -> None:
    """Refuse, before the work, to write an export over files that are something else.

    Raises
    ------
    OptionError
        A file of one of its names is there and is no such export.
    """
    if not folder.is_dir():
        return  # nothing is in the way, or more than a file
    for name, begins in _WRITTEN.get(kind, {}).items():
        check_out_file(folder / name, None, begins=begins)


@takes_paths
def export_handoff(
    handoff: Handoff,
    folder: Path,
    kind: Format = "csv",
    *,
    at: datetime,
    origins: Origins = NO_ORIGINS,
    grey: GreyLevels | None = None,
    layout: FolderLayout = "flat",
    originals: bool = False,
) -> Exported:
    """Write a handoff into a folder in one format.

    Parameters
    ----------
    origins : Origins, optional
        The boxes of defects for COCO, and what is known of their wafers for a KLARF.
    grey : GreyLevels, optional
        How pictures of more than 8 bits are shown in 8; by default as they need it.
    layout : {"flat", "nested"}
        Of an ImageFolder: one folder a label, or one a level.
    originals : bool
        What was made 8-bit is kept as it was, too, in a folder beside.

    Raises
    ------
    OptionError
        The format needs labelled images and there are none, or an empty folder and it is not; or
        files are in the way that are no such export.
    InputError
        The folder cannot be written to, or no image can be read that is to be in it.
    """
    check_export(folder, kind)
    if kind in _LABELLED_ONLY and not len(handoff.labelled):
        raise OptionError(
            f"--format {kind} takes labelled images and none has a label: fill the column label "
            f"of {HANDOFF_CSV} and read it back with --read"
        )
    # Formats that train a model take labelled images; the others take all.
    left_out = len(handoff) - len(handoff.labelled)
    if kind in ("imagefolder", "fiftyone"):
        beside = folder.with_name(f"{folder.name}{_ORIGINALS}") if originals else None
        return export_pictures(
            handoff, folder, layout if kind == "imagefolder" else None,
            grey=grey or GreyLevels(), originals=beside, left_out=left_out,
        )  # fmt: skip
    if kind == "coco":
        labelled = dict.fromkeys(handoff.labelled["path"])
        sizes, faults = measure_pictures(labelled, reading=find_reading(handoff.store))
        images = count_images(handoff, sizes)
        if not images:
            raise refuse_unreadable(faults)
        path = folder / "coco.json"
        write_bytes(path, format_coco(handoff, sizes, boxes=origins.boxes))
        return Exported(path=path, images=images, left_out=left_out, faults=tuple(faults))
    if kind == "label-studio":
        return _export_label_studio(handoff, folder)
    if kind == "klarf":
        path = folder / "handoff.klarf"
        write_bytes(path, format_klarf(handoff, at=at, known=origins.known))
    else:
        path = folder / HANDOFF_CSV
        write_handoff(handoff, folder)
    return Exported(path=path, images=len(handoff), left_out=0)


def _export_label_studio(handoff: Handoff, folder: Path) -> Exported:
    # Whole images need no frame: only the files of tiles and crops are opened.
    rows = zip(handoff.rows["image_id"], handoff.rows["path"], strict=True)
    framed = dict.fromkeys(path for image_id, path in rows if split_id(image_id)[1])
    sizes, faults = measure_pictures(framed, reading=find_reading(handoff.store))
    tasks, config = format_label_studio(handoff, sizes)
    path = folder / "tasks.json"
    write_bytes(path, tasks)
    write_bytes(folder / "label_config.xml", config)
    notes = (
        [f"crops of {tell_count(len(faults), 'unreadable picture')} have no frame"]
        if faults
        else []
    )
    return Exported(path=path, images=len(handoff), left_out=0, notes=tuple(notes))


def fill_klarfs(
    handoff: Handoff,
    folder: Path,
    paths: Sequence[Path],
    *,
    origins: Origins,
    column: str = "CLASSNUMBER",
    classes: Path | None = None,
) -> Exported:
    """Write the KLARFs that images came from again, with the classes of their defects filled in.

    Each keeps its name; where they lie in several folders, those are kept too. Labels that a file
    has no class for are listed in ``classes.csv`` beside them.

    Parameters
    ----------
    paths : sequence of Path
    origins : Origins
    column : str
        That the class numbers go into.
    classes : Path, optional
        A CSV with the columns label and number.

    Raises
    ------
    OptionError, TableError
        A KLARF, the column or the numbers cannot be used; nothing is written then.
    """
    given = {}
    if classes is not None:
        rows = read_table(classes, required=("label", "number"))[["label", "number"]]
        given = read_class_numbers(rows.itertuples(index=False, name=None), source=str(classes))
    sources = list(dict.fromkeys(path.absolute() for path in paths))
    targets = _name_targets(sources, folder)
    contents = [_read(path) for path in sources]
    for target, content in zip(targets, contents, strict=True):
        check_out_file(target, None, begins=_match_wafer(content))
    labelled = [
        label_defects(path, content, handoff, origins=origins, column=column)
        for path, content in zip(sources, contents, strict=True)
    ]
    numbers, new = number_labels(labelled, column.upper(), given)
    # All of them first: one that cannot be filled leaves nothing behind.
    filled = [fill_klarf(one, column, mine) for one, mine in zip(labelled, numbers, strict=True)]
    if new:
        check_out_file(folder / CLASSES_CSV, classes, begins=match_header(("label", "number")))
    notes = []
    for one, target, data in zip(labelled, targets, filled, strict=True):
        write_bytes(target, data)
        notes.append(_describe_klarf(one, target))
    if new:
        listed = [("label", "number"), *((label, str(number)) for label, number in new.items())]
        write_bytes(folder / CLASSES_CSV, format_csv(listed))
        notes.append(
            f"{tell_count(len(new), 'label is', 'labels are')} no class of the KLARF and a class "
            f"cannot be added without changing more of it: {folder / CLASSES_CSV} has the numbers"
        )
    images = {image_id for one in labelled for image_id in one.images}
    strangers = set(handoff.labelled["image_id"]) - images
    if strangers:
        notes.append(
            f"{len(strangers)} labelled images are no picture of a defect of the KLARF: "
            f"{name_files(handoff, strangers)}"
        )
    return Exported(
        path=targets[0] if len(targets) == 1 else folder,
        images=len(images),
        left_out=0,
        notes=tuple(notes),
    )


def _match_wafer(klarf: bytes) -> bytes:
    """Return a regular expression of how a KLARF begins when it is filled in: as it was."""
    # Time, station, lot and wafer stand before the defects; another wafer's file has others.
    return re.escape(klarf[:_WAFER_BYTES].partition(b"DefectList")[0])


def _name_targets(sources: Sequence[Path], folder: Path) -> list[Path]:
    """Say where each file goes: under its own name, in the folders that tell files apart."""
    root = os.path.commonpath([path.parent for path in sources])
    targets = [folder / path.relative_to(root) for path in sources]
    # Also through a link: the file that the tool wrote is not ours to change.
    for path, target in zip(sources, targets, strict=True):
        if target.resolve() == path.resolve():
            raise OptionError(f"{target} is the KLARF itself: give another folder with --out")
    return targets


def _describe_klarf(one: LabelledKlarf, target: Path) -> str:
    filled = sum(len(wafer) for wafer in one.labels)
    total = sum(len(wafer.defects) for wafer in one.klarf.wafers)
    said = f"{target}: {filled} of {total} defects have a class now, the others are as they were"
    return f"{said}; of the pictures that it names {one.lost}" if one.lost else said


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}; the images came from it, say where it is "
            "with --klarf FILE"
        ) from error
