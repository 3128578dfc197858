"""Files become rows: whole pages, tiles or crops, prepared as the extractor sees them.

Threads decode ahead while the network computes. A file comes in pieces, so that a stack of a
thousand pages, or a picture of a thousand tiles, is never held whole.
"""

import math
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from embeddings.errors import ImageError, InputError
from embeddings.extract.metadata import name_klarf, note_box, pick_page
from embeddings.extract.options import ExtractOptions
from embeddings.extract.pixel_sizes import choose_size, note_size
from embeddings.images import (
    PageHeader,
    Picture,
    Region,
    crop_box,
    image_id,
    level_picture,
    read_sizes,
    stream_pictures,
    tile_picture,
)
from embeddings.reader import (
    CHUNK,
    Image,
    OpenPart,
    Part,
    Preparation,
    Previews,
    open_reference,
    read_ahead,
)
from embeddings.tables import read_boxes

TILE_OVERLAP = 0.25  # of a side: a defect of a quarter tile is whole in at least one
BOX_MARGIN = 0.5  # of a box's longer side, on each side: the surroundings tell types apart
BOX_MIN_SIDE = 32  # pixels: below, a crop is a blur

Box = tuple[float, float, float, float, int]  # xmin, ymin, xmax, ymax, page from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a file becomes rows: whole pages, tiles of a side, or crops around boxes.

    `boxes` holds (xmin, ymin, xmax, ymax, page) by path; `listed` notes the KLARF they are of.
    """

    tile: int = 0
    boxes: Mapping[str, Sequence[Box]] | None = None
    listed: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the store calls it: rows of one recipe are never taken for another's."""
        if self.boxes is not None:
            return f"box:{BOX_MARGIN:g}:{BOX_MIN_SIDE}"
        return f"tile:{self.tile}:{TILE_OVERLAP:g}" if self.tile else ""

    def crop_ids(self, path: str, file_id: str) -> list[str]:
        """Ids of a file's crops, known before it is read; pages count from 0."""
        # Without reading the file: a second run must find that all its crops are there.
        boxes = (self.boxes or {}).get(path, ())
        return [_crop_id(file_id, box) for box in boxes]

    def list_parts(
        self, page: Picture | PageHeader, path: str, file_id: str
    ) -> list[tuple[Part, Box | None]]:
        """Return the parts of a page, each with its defect's box."""
        whole = image_id(file_id, page=page.page, n_pages=page.n_pages)
        named: list[tuple[str, Region | None, Box | None]] = [(whole, None, None)]
        if self.boxes is not None:
            named = [
                (_crop_id(file_id, box), _crop(box), box)
                for box in self.boxes.get(path, ())
                if box[4] == page.page
            ]
        elif self.tile:
            tiles = tile_picture(page.width, page.height, tile=self.tile, overlap=TILE_OVERLAP)
            named = [(image_id(whole, region=tile), tile, None) for tile in tiles]
        return [
            (Part(path=path, image_id=name, page=page.page, region=region), box)
            for name, region, box in named
        ]


def make_recipe(options: ExtractOptions) -> Recipe:
    """Return how files become rows, with the boxes read.

    Raises
    ------
    TableError, OptionError
        The boxes cannot be used.
    """
    if options.boxes is None:
        return Recipe(tile=options.tile or 0)
    table = read_boxes(options.boxes, um_per_pixel=options.um_per_pixel, read_sizes=read_sizes)
    boxes: dict[str, list[Box]] = {}  # several defects of one picture are several rows
    columns = ["path", "xmin", "ymin", "xmax", "ymax", "page"]
    for path, *box, page in table[columns].itertuples(index=False, name=None):
        xmin, ymin, xmax, ymax = box
        boxes.setdefault(path, []).append((xmin, ymin, xmax, ymax, int(page)))
    return Recipe(boxes=boxes, listed=name_klarf(options.boxes))


def check_boxes(recipe: Recipe, paths: Iterable[str], table: Path | None) -> None:
    """Check that boxes are of images of the source.

    Raises
    ------
    InputError
        None of them is.
    """
    if recipe.boxes is not None and not set(recipe.boxes).intersection(paths):
        raise InputError(
            f"--boxes {table}: none of its {len(recipe.boxes)} paths is an image of "
            "the source; expected paths relative to the file itself, or absolute"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """All that making rows of a file needs to know beside the file.

    Attributes
    ----------
    how : Preparation
    recipe : Recipe
    um_per_pixel : float or None
        Instead of what the files say.
    references : mapping of path to path
        The golden image of a path; its channels are put behind the picture's own.
    previews : Previews or None
        Where small pictures of what is read are kept, and read from if they are there.
    """

    how: Preparation
    recipe: Recipe = field(default_factory=Recipe)
    um_per_pixel: float | None = None
    references: Mapping[str, str] = field(default_factory=dict)
    previews: Previews | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file to read, and the metadata that its rows carry, by page."""

    path: str
    file_id: str
    metadata: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A piece of a file's rows, `CHUNK` at most, or the reason why the file has none.

    Attributes
    ----------
    ids, images, rows : list
        Aligned.
    fault : str
        The file cannot be used: pieces that came before do not count.
    is_deferred : bool
        A page is of a kind that has no grey-level window yet: pieces before do not count either.
    is_last : bool
        No piece of this file follows.
    """

    job: Job
    ids: list[str] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    fault: str = ""
    is_deferred: bool = False
    is_last: bool = True


def read_jobs(
    jobs: Iterable[Job], plan: RowPlan, *, workers: int, ahead: int
) -> Iterator[Prepared]:
    """Yield the pieces of each job's file in order; of `ahead` files a piece is in memory."""
    return read_ahead(lambda job: read_job(job, plan), jobs, workers=workers, ahead=ahead)


def read_job(
    job: Job, plan: RowPlan, *, pages: Collection[int] | None = None
) -> Iterator[Prepared]:
    """Yield the pieces of one file; what is wrong with it is returned, not raised.

    Parameters
    ----------
    pages : collection of int, optional
        Numbers of the pages that are wanted, by default all.
    """
    # The last piece from here: `_read` has ended by then, and so its page is not held with it.
    try:
        last = yield from _read(job, plan, pages)
    except ImageError as error:
        last = Prepared(job=job, fault=str(error))
    yield last


def join_pieces(pieces: Iterable[Prepared]) -> Iterator[Prepared]:
    """Yield whole files, for what draws a sample of a file's rows."""
    whole: Prepared | None = None
    for piece in pieces:
        if whole is None or piece.fault or piece.is_deferred:
            whole = piece  # what came before a fault does not count
        else:
            whole.ids.extend(piece.ids)
            whole.images.extend(piece.images)
            whole.rows.extend(piece.rows)
        if piece.is_last:
            yield whole
            whole = None


def _read(
    job: Job, plan: RowPlan, pages: Collection[int] | None
) -> Generator[Prepared, None, Prepared]:
    """Yield all pieces but the last, which is returned."""
    how = plan.how
    piece = Prepared(job=job, is_last=False)
    lost = set(plan.recipe.crop_ids(job.path, job.file_id))
    is_deferred, n_pages = False, 1
    reference = open_reference(plan.references.get(job.path), max_pixels=how.max_pixels)
    stream = stream_pictures if plan.previews is None else plan.previews.stream
    for page in stream(Path(job.path), max_pixels=how.max_pixels, pages=pages):
        n_pages = page.n_pages
        picture = level_picture(page, how.spec.level)
        is_deferred = is_deferred or how.find_window(picture) is None
        if is_deferred:
            continue  # read on: what breaks at its last page must not wait for a window
        # By the page as stored: a levelled one is of another kind than its reference.
        golden = None if reference is None else reference.match(page, how.spec.level)
        for part, box in plan.recipe.list_parts(page, job.path, job.file_id):
            opened = OpenPart(part=part, page=page, picture=picture)
            if plan.previews is not None:
                plan.previews.add(opened, how)
            piece.ids.append(part.image_id)
            piece.images.append(how.show(opened, golden=golden))
            piece.rows.append(_make_row(opened, job, plan, box=box))
            lost.discard(part.image_id)
            if len(piece.ids) == CHUNK:
                yield piece
                piece = Prepared(job=job, is_last=False)
    # Decoded to its end first: a file that is deferred can be read, and so gets its window.
    if is_deferred:
        return Prepared(job=job, is_deferred=True)
    if lost:
        raise ImageError(f"a box of --boxes lies on none of its {n_pages} pages: {min(lost)}")
    return replace(piece, is_last=True)


def _crop_id(file_id: str, box: Box) -> str:
    """Id of a crop: the page is named from the second on, since the file is not read yet."""
    return image_id(file_id, page=box[4], n_pages=2 if box[4] else 1, region=_crop(box))


def _crop(box: Box) -> Region:
    return crop_box(box[:4], margin=BOX_MARGIN, min_side=BOX_MIN_SIDE)


def _make_row(opened: OpenPart, job: Job, plan: RowPlan, *, box: Box | None) -> dict[str, Any]:
    picture, region = opened.picture, opened.part.region
    whole = image_id(job.file_id, page=picture.page, n_pages=picture.n_pages)
    size = choose_size(picture, plan.um_per_pixel)
    known = note_size(pick_page(job.metadata, picture.page), size)
    return {
        "file_id": job.file_id,
        "region": plan.recipe.name,
        "width": region.width if region else picture.width,
        "height": region.height if region else picture.height,
        "bit_depth": picture.bit_depth,
        "channels": picture.channels,
        "nan_pixels": picture.nan_pixels,
        "um_per_pixel": size.um,
        "page": picture.page,
        "x0": region.x0 if region else 0,
        "y0": region.y0 if region else 0,
        "metadata": known if box is None else note_box(known, box, listed=plan.recipe.listed),
        "parent_id": whole if region else "",
        "defect_px": math.nan if box is None else max(box[2] - box[0], box[3] - box[1]),
    }


def make_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with fixed types, the same for any subset."""
    # A column of nothing but NaN or "" must not get a type, and the segment a schema, of its own.
    return pd.DataFrame(rows).astype(
        {"file_id": "str", "region": "str", "parent_id": "str", "metadata": "str",
         "um_per_pixel": "float64", "defect_px": "float64"}
    )  # fmt: skip
