"""What a filled file or folder is, and how it is read back."""

from pathlib import Path
from typing import Literal

from discovery.formats.handoff import read_handoff
from discovery.formats.image_folders import IMAGES_CSV
from discovery.formats.image_folders_read import read_imagefolder
from discovery.formats.label_studio_read import read_label_studio
from discovery.formats.returned import Returned
from discovery.records import Handoff
from discovery.runs import HANDOFF_CSV, HANDOFF_JSON
from embeddings.bounded import parse_json
from embeddings.errors import HandoffError

ReadFormat = Literal["auto", "handoff", "label-studio", "imagefolder"]


def read_returned(path: Path, kind: ReadFormat = "auto", *, written: Handoff) -> Returned:
    """Read what came back, in whatever format it is.

    Raises
    ------
    HandoffError
        It is none of the formats, or has faults: each is named.
    """
    kind = find_read_format(path) if kind == "auto" else kind
    if kind == "label-studio":
        return read_label_studio(path, written=written)
    if kind == "imagefolder":
        return read_imagefolder(path, written=written)
    return Returned(handoff=read_handoff(path, written=written))


def find_read_format(path: Path) -> ReadFormat:
    """Tell the format by what the file or folder holds.

    Raises
    ------
    HandoffError
        A folder of folders may be anything: only one that was written as an ImageFolder is taken
        for one unasked.
    """
    if path.is_dir():
        return _find_folder_format(path)
    if path.suffix.lower() != ".json" or not path.is_file():
        return "handoff"
    try:
        values = parse_json(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return "handoff"  # whose reader says what is wrong
    is_task = isinstance(values, dict) and bool(values.keys() & {"annotations", "completions"})
    return "label-studio" if isinstance(values, list) or is_task else "handoff"


def _find_folder_format(folder: Path) -> ReadFormat:
    if (folder / HANDOFF_CSV).exists() or (folder / HANDOFF_JSON).exists():
        return "handoff"
    if (folder / IMAGES_CSV).exists():
        return "imagefolder"
    if any(one.is_dir() for one in folder.iterdir()):
        raise HandoffError(
            f"{folder}: {HANDOFF_CSV} does not exist there, nor {IMAGES_CSV}: for a tree of "
            "folders named after types say --read-format imagefolder"
        )
    return "handoff"
