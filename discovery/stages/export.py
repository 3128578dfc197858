"""A handoff in the formats of other tools: `export_handoff` writes one of them into a folder.

A folder of images appears whole or not at all: it is filled under another name and then renamed.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from discovery.formats.coco import format_coco
from discovery.formats.handoff import write_handoff
from discovery.formats.image_folders import IMAGES_CSV, plan_fiftyone, plan_imagefolder
from discovery.formats.klarf import format_klarf
from discovery.formats.label_studio import format_label_studio
from discovery.formats.pictures import measure_pictures, write_pictures
from discovery.records import Handoff
from discovery.runs import HANDOFF_CSV
from embeddings.errors import InputError, OptionError
from embeddings.files import write_bytes

Format = Literal["csv", "imagefolder", "coco", "label-studio", "fiftyone", "klarf"]
_LABELLED_ONLY = ("imagefolder", "coco", "fiftyone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Attributes
    ----------
    path : Path
        The file or folder to open.
    images : int
        Images in it.
    left_out : int
        Rows without a label, where the format takes labelled images only.
    faults : tuple of str
        Images that could not be read, with the reason.
    """

    path: Path
    images: int
    left_out: int
    faults: tuple[str, ...] = ()


def export_handoff(
    handoff: Handoff,
    folder: Path,
    kind: Format = "csv",
    *,
    at: datetime,
    boxes: Mapping[str, Sequence[float]] | None = None,
) -> Exported:
    """Write a handoff into a folder in one format.

    Parameters
    ----------
    boxes : mapping of image id to (xmin, ymin, xmax, ymax), optional
        The boxes of defects in their pictures, for COCO.

    Raises
    ------
    OptionError
        The format needs labelled images and there are none, or an empty folder and it is not.
    InputError
        The folder cannot be written to.
    """
    if kind in _LABELLED_ONLY and not len(handoff.labelled):
        raise OptionError(
            f"--format {kind} takes labelled images and none has a label: fill the column label "
            f"of {HANDOFF_CSV} and read it back with --read"
        )
    # Formats that train a model take labelled images; the others take all.
    left_out = len(handoff) - len(handoff.labelled)
    if kind == "imagefolder":
        plan, listed = plan_imagefolder(handoff)
        return _export_pictures(plan, folder, left_out=left_out, more={IMAGES_CSV: listed})
    if kind == "fiftyone":
        plan, labels = plan_fiftyone(handoff)
        return _export_pictures(plan, folder, left_out=left_out, more={"labels.json": labels})
    if kind == "coco":
        sizes, faults = measure_pictures(dict.fromkeys(handoff.labelled["path"]))
        path = folder / "coco.json"
        write_bytes(path, format_coco(handoff, sizes, boxes=boxes))
        return Exported(path=path, images=len(sizes), left_out=left_out, faults=tuple(faults))
    if kind == "label-studio":
        path = folder / "tasks.json"
        tasks, config = format_label_studio(handoff)
        write_bytes(path, tasks)
        write_bytes(folder / "label_config.xml", config)
    elif kind == "klarf":
        path = folder / "handoff.klarf"
        write_bytes(path, format_klarf(handoff, at=f"{at:%m-%d-%Y %H:%M:%S}"))
    else:
        path = folder / HANDOFF_CSV
        write_handoff(handoff, folder)
    return Exported(path=path, images=len(handoff), left_out=0)


def _export_pictures(
    plan: Mapping[PurePosixPath, tuple[str, str]],
    folder: Path,
    *,
    left_out: int,
    more: Mapping[str, bytes] | None = None,
) -> Exported:
    # Images of an earlier export would stay in the folder of a type they no longer have.
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError(f"{folder} is not an empty folder: give a new one")
    # Beside its place, on the same disk: only there is a rename one step.
    half = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        half.mkdir(parents=True)
        faults = write_pictures(plan, half)
        for name, data in (more or {}).items():
            write_bytes(half / name, data)
        half.replace(folder)
    except OSError as error:
        raise InputError(
            f"cannot write {folder}: {error.strerror}; choose a writable place"
        ) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return Exported(
        path=folder, images=len(plan) - len(faults), left_out=left_out, faults=tuple(faults)
    )
