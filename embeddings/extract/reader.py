"""Files become prepared pictures: threads decode ahead while the network computes."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.extract.ahead import run_ahead
from embeddings.extract.metadata import pick_page
from embeddings.extract.references import open_reference
from embeddings.images import (
    Picture,
    Region,
    crop_box,
    image_id,
    level_picture,
    read_sizes,
    show_picture,
    stream_pictures,
    tile_picture,
)
from embeddings.records import ExtractorSpec

TILE_OVERLAP = 0.25  # of a side: a defect of a quarter tile is whole in at least one
BOX_MARGIN = 0.5  # of a box's longer side, on each side: the surroundings tell types apart
BOX_MIN_SIDE = 32  # pixels: below, a crop is a blur

Window = tuple[float, float]
Box = tuple[float, float, float, float, int]  # xmin, ymin, xmax, ymax, page from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a file becomes rows: whole pages, tiles of a side, or crops around boxes.

    `boxes` holds (xmin, ymin, xmax, ymax, page) by path.
    """

    tile: int = 0
    boxes: Mapping[str, Sequence[Box]] | None = None

    @property
    def name(self) -> str:
        """What the store calls it: rows of one recipe are never taken for another's."""
        if self.boxes is not None:
            return f"box:{BOX_MARGIN:g}:{BOX_MIN_SIDE}"
        return f"tile:{self.tile}:{TILE_OVERLAP:g}" if self.tile else ""

    def crop_ids(self, path: str, file_id: str) -> list[str]:
        """Ids of a file's crops, known before it is read; pages count from 0."""
        boxes = (self.boxes or {}).get(path, ())
        return [_crop_id(file_id, box) for box in boxes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that reading needs to know beside the file.

    `references`: the golden image of a path; its channels are put behind the picture's own.
    """

    spec: ExtractorSpec
    recipe: Recipe
    windows: Mapping[str, Window]
    um_per_pixel: float | None
    max_pixels: int
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file to read, and the metadata that its rows carry, by page."""

    path: str
    file_id: str
    metadata: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A file's rows, or the reason why there are none.

    `is_deferred`: a page is of a kind that has no grey-level window yet.
    """

    job: Job
    ids: list[str] = field(default_factory=list)
    images: list[NDArray[np.float32]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    fault: str = ""
    is_deferred: bool = False


def read_jobs(
    jobs: Iterable[Job], reading: Reading, *, workers: int, ahead: int
) -> Iterator[Prepared]:
    """Yield each job's prepared pictures in order, with at most `ahead` files in memory."""
    return run_ahead(
        lambda job: read_job(job, reading), jobs, workers=workers, ahead=ahead, name="reader"
    )


def read_job(job: Job, reading: Reading) -> Prepared:
    """Read one file; what is wrong with it is returned, not raised."""
    try:
        return _read(job, reading)
    except ImageError as error:
        return Prepared(job=job, fault=str(error))


def _read(job: Job, reading: Reading) -> Prepared:
    prepared = Prepared(job=job)
    is_deferred = False
    n_pages = len(read_sizes(Path(job.path)))
    golden = open_reference(reading.references.get(job.path), max_pixels=reading.max_pixels)
    # Page by page: a stack of a thousand pages is never held whole.
    for page in stream_pictures(Path(job.path), max_pixels=reading.max_pixels):
        picture = level_picture(page, reading.spec.level)
        if reading.spec.window is None and picture.kind not in reading.windows:
            is_deferred = True
        if not is_deferred:
            reference = None if golden is None else golden.match(picture, reading.spec.level)
            _prepare_page((picture, reference), n_pages, reading, prepared=prepared)
    # Decoded to its end first: a file that is deferred can be read, and so gets its window.
    if is_deferred:
        return Prepared(job=job, is_deferred=True)
    lost = set(reading.recipe.crop_ids(job.path, job.file_id)) - set(prepared.ids)
    if lost:
        raise ImageError(f"a box of --boxes lies on none of its {n_pages} pages: {min(lost)}")
    return prepared


def _prepare_page(
    pair: tuple[Picture, Picture | None], n_pages: int, reading: Reading, *, prepared: Prepared
) -> None:
    picture, reference = pair
    job = prepared.job
    whole = image_id(job.file_id, page=picture.page, n_pages=n_pages)
    for name, region, defect_px in _parts(picture, job, reading.recipe, whole):
        prepared.ids.append(name)
        window = reading.spec.window or reading.windows[picture.kind]
        image = show_picture(picture, reading.spec, window=window, region=region, golden=reference)
        prepared.images.append(image)
        row = _make_row(picture, job, reading, region)
        parent = whole if region else ""
        prepared.rows.append(row | {"parent_id": parent, "defect_px": defect_px})


def _parts(
    picture: Picture, job: Job, recipe: Recipe, whole: str
) -> list[tuple[str, Region | None, float]]:
    """Return the parts of a page: id, region, and the longest side of the defect's box."""
    if recipe.boxes is not None:
        boxes = [box for box in recipe.boxes.get(job.path, ()) if box[4] == picture.page]
        return [
            (_crop_id(job.file_id, box), _crop(box), max(box[2] - box[0], box[3] - box[1]))
            for box in boxes
        ]
    if recipe.tile:
        tiles = tile_picture(picture.width, picture.height, tile=recipe.tile, overlap=TILE_OVERLAP)
        return [(image_id(whole, region=tile), tile, math.nan) for tile in tiles]
    return [(whole, None, math.nan)]


def _crop_id(file_id: str, box: Box) -> str:
    """Id of a crop: the page is named from the second on, since the file is not read yet."""
    return image_id(file_id, page=box[4], n_pages=2 if box[4] else 1, region=_crop(box))


def _crop(box: Box) -> Region:
    return crop_box(box[:4], margin=BOX_MARGIN, min_side=BOX_MIN_SIDE)


def _make_row(
    picture: Picture, job: Job, reading: Reading, region: Region | None
) -> dict[str, Any]:
    um_per_pixel = picture.um_per_pixel if reading.um_per_pixel is None else reading.um_per_pixel
    return {
        "file_id": job.file_id,
        "region": reading.recipe.name,
        "width": region.width if region else picture.width,
        "height": region.height if region else picture.height,
        "bit_depth": picture.bit_depth,
        "channels": picture.channels,
        "nan_pixels": picture.nan_pixels,
        "um_per_pixel": um_per_pixel,
        "page": picture.page,
        "x0": region.x0 if region else 0,
        "y0": region.y0 if region else 0,
        "metadata": pick_page(job.metadata, picture.page),
    }


def make_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with fixed types, the same for any subset."""
    return pd.DataFrame(rows).astype(
        {"file_id": "str", "region": "str", "parent_id": "str", "metadata": "str",
         "um_per_pixel": "float64", "defect_px": "float64"}
    )  # fmt: skip
