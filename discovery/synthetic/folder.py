"""The folder that synthetic images are written to: images, truth, boxes and metadata.

`truth.csv` is written last, so a folder that has it is complete; `synthetic.json` is written
first, so an interrupted folder is still known as ours and can be written again.
"""

import io
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage

from discovery.synthetic.pictures import draw_picture
from discovery.synthetic.records import Box, PicturePlan
from embeddings.bounded import parse_json
from embeddings.console import track
from embeddings.errors import InputError
from embeddings.files import format_csv, write_bytes
from embeddings.litter import strip_temporary

_FORMAT: Final = {"format": "defect-discovery-synthetic", "version": 1}
_MARKER: Final = "synthetic.json"

_TRUTH: Final = ("path", "label", "defects", "background", "bit_depth", "microscope")
_BOXES: Final = ("path", "label", "xmin", "ymin", "xmax", "ymax")
_METADATA: Final = ("path", "lot", "wafer", "tool", "recipe", "step", "die_x", "die_y")


def write_folder(pictures: Sequence[PicturePlan], folder: Path, *, seed: int) -> None:
    """Draw the pictures and write them with their truth into the folder.

    Raises
    ------
    InputError
        The folder holds something that did not come from here, or another set of pictures;
        nothing was changed.
    """
    _check_ours(folder)
    _check_set(folder, n=len(pictures), seed=seed)
    images = folder / "images"
    made_by = {**_FORMAT, "n": len(pictures), "seed": seed}
    # First, so that a folder of a killed command is known as ours.
    write_bytes(folder / _MARKER, (json.dumps(made_by) + "\n").encode())
    images.mkdir(parents=True, exist_ok=True)
    (folder / "truth.csv").unlink(missing_ok=True)
    _remove_others(images, {picture.file_name for picture in pictures})
    truth: list[Sequence[Any]] = []
    boxes: list[Sequence[Any]] = []
    # Threads, as numpy, scipy and the disk let others run. Each picture has a random generator of
    # its own, so that the order in which they are drawn is no matter.
    with ThreadPoolExecutor(max_workers=2 + (os.cpu_count() or 1)) as pool:
        drawn = pool.map(partial(_write_picture, folder=images, seed=seed), pictures)
        for picture in track(pictures, total=len(pictures), what="drawing"):
            found = next(drawn)
            truth.append(_truth_row(picture, len(found)))
            boxes.extend(_box_row(picture, box) for box in found)
    write_bytes(folder / "boxes.csv", _table(_BOXES, boxes))
    write_bytes(folder / "metadata.csv", _table(_METADATA, map(_metadata_row, pictures)))
    write_bytes(folder / "truth.csv", _table(_TRUTH, truth))


def _write_picture(picture: PicturePlan, *, folder: Path, seed: int) -> tuple[Box, ...]:
    """Draw a picture into its file and return its boxes."""
    drawing = draw_picture(picture, seed=seed)
    write_bytes(folder / picture.file_name, _encode(drawing.pixels))
    return drawing.boxes


def _check_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, expected a folder: choose another name")
    # Runs may lie beside the images, before or after: nothing of theirs is touched.
    others = [path for path in _entries(folder) if not path.name.startswith("run")]
    if others and not _has_marker(folder):
        raise InputError(
            f"{folder} is not empty and was not written by this command: "
            f"choose a new folder, or empty this one"
        )
    strangers = sorted(p.name for p in _entries(folder / "images") if not _is_picture(p))
    if strangers:
        raise InputError(
            f"{folder / 'images'} holds {strangers[0]}, which is not a synthetic image: "
            f"move it away, or choose a new folder"
        )


def _check_set(folder: Path, *, n: int, seed: int) -> None:
    """Refuse to put other pictures in the place of those that are there: runs may be of them."""
    made_by = _read_marker(folder)
    there = made_by.get("n", n), made_by.get("seed", seed)
    if there != (n, seed) and _entries(folder / "images"):
        raise InputError(
            f"{folder} holds another set (--n {there[0]} --seed {there[1]}, and --n {n} --seed "
            f"{seed} is asked for): choose another folder, or remove this one first"
        )


def _has_marker(folder: Path) -> bool:
    return bool(_read_marker(folder))


def _read_marker(folder: Path) -> dict[str, Any]:
    """Return what a folder says of its set; nothing where it is not one of this command's."""
    try:
        found = parse_json((folder / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    is_ours = isinstance(found, dict) and found.get("format") == _FORMAT["format"]
    return found if is_ours else {}


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _is_picture(path: Path) -> bool:
    name = strip_temporary(path.name)
    number = name.removeprefix("img_").split(".")[0]
    ours = name.startswith("img_") and number.isdecimal() and path.is_file()
    # Version 0.1 wrote NAME.partial first.
    return ours and name.endswith((".png", ".tif", ".partial"))


def _remove_others(images: Path, names: set[str]) -> None:
    """Remove what an interrupted set left; only pictures of ours are there."""
    for path in _entries(images):
        if path.name not in names:
            path.unlink()


def _encode(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Encode as PNG (8-bit) or uncompressed TIFF (16-bit); no date, so the same bytes twice."""
    buffer = io.BytesIO()
    if pixels.dtype == np.uint16:
        tifffile.imwrite(buffer, pixels, photometric="minisblack", metadata=None, software=False)
    else:
        # Noise does not compress: a higher level costs time and saves little.
        PillowImage.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _truth_row(picture: PicturePlan, defects: int) -> Sequence[Any]:
    microscope = picture.microscope
    return (
        f"images/{picture.file_name}", picture.label, defects, picture.background,
        microscope.bit_depth, microscope.name,
    )  # fmt: skip


def _box_row(picture: PicturePlan, box: Box) -> Sequence[Any]:
    return f"images/{picture.file_name}", box.label, box.xmin, box.ymin, box.xmax, box.ymax


def _metadata_row(picture: PicturePlan) -> Sequence[Any]:
    return (
        f"images/{picture.file_name}", picture.lot, picture.wafer, picture.tool, picture.recipe,
        picture.step, picture.die_x, picture.die_y,
    )  # fmt: skip


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    return format_csv([columns, *([str(cell) for cell in row] for row in rows)])
