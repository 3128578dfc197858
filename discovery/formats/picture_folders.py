"""Pictures in folders, for the programs that take a folder of them: ImageFolder and FiftyOne."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from discovery.formats.folder_names import FolderLayout
from discovery.formats.grey_levels import GreyLevels
from discovery.formats.image_folders import (
    IMAGES_CSV,
    format_images_csv,
    plan_fiftyone,
    plan_imagefolder,
)
from discovery.formats.pictures import WrittenPictures, write_pictures
from discovery.records import Handoff
from embeddings.errors import InputError, OptionError
from embeddings.files import write_bytes
from embeddings.litter import name_temporary
from embeddings.plurals import tell_count


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
    faults : tuple of (path, reason)
        Images that could not be read.
    notes : tuple of str
        What else a person must know, a line each.
    """

    path: Path
    images: int
    left_out: int
    faults: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def export_pictures(
    handoff: Handoff,
    folder: Path,
    layout: FolderLayout | None,
    *,
    grey: GreyLevels,
    originals: Path | None,
    left_out: int,
) -> Exported:
    """Write an ImageFolder; without a layout FiftyOne's."""
    # Whole, or "." has no name of which that of the unfinished folder is made.
    targets = [Path(os.path.abspath(place)) for place in (folder, originals) if place]  # noqa: PTH100
    # Images of an earlier export would stay in the folder of a type they no longer have.
    for place in targets:
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise OptionError(f"{place} is not an empty folder: give a new one with --out")
    # Beside its place, on the same disk: only there is a rename one step.
    halves = [name_temporary(place) for place in targets]
    half, kept = halves[0], halves[1] if originals else None
    try:
        half.mkdir(parents=True)
        if layout is None:
            plan, labels = plan_fiftyone(handoff)
            written = write_pictures(plan, half, grey=grey, originals=kept)
            write_bytes(half / "labels.json", labels)
        else:
            plan = plan_imagefolder(handoff, layout)
            written = write_pictures(plan, half, grey=grey, originals=kept)
            write_bytes(half / IMAGES_CSV, format_images_csv(handoff, written, plan))
        if not written.files:
            raise refuse_unreadable(written.faults)
        # The folder that is asked for comes last: where it is, all is there.
        for unfinished, target in reversed(list(zip(halves, targets, strict=True))):
            if unfinished.exists():
                unfinished.replace(target)
    except OSError as error:
        raise InputError(
            f"cannot write {folder}: {error.strerror}; choose a writable place"
        ) from error
    finally:
        for unfinished in halves:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Exported(
        path=folder,
        images=len(written.files),
        left_out=left_out,
        faults=written.faults,
        notes=_describe_pictures(written, originals),
    )


def refuse_unreadable(faults: Sequence[tuple[str, str]]) -> InputError:
    """Return what to raise where no image of an export can be read: (path, reason) of each."""
    first = f" (the first: {': '.join(faults[0])})" if faults else ""
    return InputError(
        f"none of the labelled images can be read{first}, nothing is written: put them back where "
        "they were, or run discovery.cluster on where they are now into the same run, which keeps "
        "their labels"
    )


def _describe_pictures(written: WrittenPictures, originals: Path | None) -> tuple[str, ...]:
    if not written.shown:
        return ()
    kept = f"as they were: {originals}" if originals else "--originals keeps them as they were"
    notes = [
        f"written as 8-bit PNG: {tell_count(written.shown, 'image')} that most programs would not "
        f"show unchanged (of 16 bits, of numbers, of a format of their own); {kept}"
    ]
    if written.apart:
        notes.append(
            f"{written.apart} of their files are shown in grey levels of their own: in those of "
            "the run nothing would be seen of them"
        )
    return tuple(notes)
