"""Files become rows: whole pages, tiles or crops, prepared as the extractor sees them.

Threads decode ahead while the network computes. A file comes in pieces, so that a stack of a
thousand pages, or a picture of a thousand tiles, is never held whole.
"""

import math
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from embeddings.errors import ImageChangedError, ImageError
from embeddings.extract.data_bars import NO_BAR, note_bar
from embeddings.extract.metadata import note_box, pick_page
from embeddings.extract.pieces import Job, Prepared
from embeddings.extract.pixel_sizes import choose_size, note_size
from embeddings.extract.recipe import Box, Recipe
from embeddings.images import image_id, level_picture, stream_pictures, tell_fault
from embeddings.reader import (
    CHUNK,
    OpenPart,
    Preparation,
    Previews,
    open_reference,
    read_ahead,
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
    needs_bar : bool
        A file with a page that has no data bar is a fault.
    """

    how: Preparation
    recipe: Recipe = field(default_factory=Recipe)
    um_per_pixel: float | None = None
    references: Mapping[str, str] = field(default_factory=dict)
    previews: Previews | None = None
    needs_bar: bool = False


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
    except (ImageError, MemoryError) as error:  # of this picture alone: the others go on
        changed = isinstance(error, ImageChangedError)
        last = Prepared(job=job, fault=tell_fault(error), has_changed=changed)
    yield last


def _read(
    job: Job, plan: RowPlan, pages: Collection[int] | None
) -> Generator[Prepared, None, Prepared]:
    """Yield all pieces but the last, which is returned."""
    how = plan.how
    piece = Prepared(job=job, is_last=False)
    lost = set(plan.recipe.crop_ids(job.path, job.file_id))
    is_deferred, n_pages = False, 1
    reading = how.spec.reading
    golden_path = plan.references.get(job.path)
    reference = open_reference(golden_path, max_pixels=how.max_pixels, reading=reading)
    stream = stream_pictures if plan.previews is None else plan.previews.stream
    # The bytes that were hashed are the ones that are decoded.
    decode = partial(stream, max_pixels=how.max_pixels, file_id=job.file_id, reading=reading)
    for page in decode(Path(job.path), pages=pages):
        n_pages = page.n_pages
        picture = level_picture(page, how.spec.level)
        is_deferred = is_deferred or how.find_window(picture) is None
        if is_deferred:
            continue  # read on: what breaks at its last page must not wait for a window
        # By the page as stored: a levelled one is of another kind than its reference.
        bar = how.find_bar(page)
        if plan.needs_bar and bar is None:
            raise ImageError(NO_BAR)
        golden = None if reference is None else reference.match(page, how.spec.level)
        for part, box in plan.recipe.list_parts(page, job.path, job.file_id):
            opened = OpenPart(part=part, page=page, picture=picture, bar=bar)
            if plan.recipe.tile and not opened.is_seen:  # nothing but the data bar
                continue
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


def _make_row(opened: OpenPart, job: Job, plan: RowPlan, *, box: Box | None) -> dict[str, Any]:
    picture, region = opened.picture, opened.part.region
    whole = image_id(job.file_id, page=picture.page, n_pages=picture.n_pages)
    size = choose_size(picture, plan.um_per_pixel)
    known = note_size(pick_page(job.metadata, picture.page), size)
    known = note_bar(known, opened.bar)
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
