"""`find_look_alikes`: one image against all of a store, block by block; and its contact sheet.

The image is embedded with the store's own extractor and grey-level windows, so that distances
mean the same as between the store's images; one that the store holds already is not embedded
again, and needs no weights.
"""

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.console import get_logger, stage
from embeddings.errors import ImageError, InputError, OptionError, StoreError
from embeddings.extract import ExtractOptions
from embeddings.extract.batches import Batches, default_batch_size
from embeddings.extract.choose import choose_extractor, make_extractor
from embeddings.extract.pieces import Job, Prepared, join_pieces
from embeddings.extract.rows import RowPlan, make_frame, read_job
from embeddings.files import write_bytes
from embeddings.images import MAX_PIXELS, fingerprint_file, read_headers
from embeddings.odd_names import spell_path
from embeddings.paths import takes_paths
from embeddings.reader import Preparation
from embeddings.records import Vectors
from embeddings.store import Store
from embeddings.thumbnails import draw_contact_sheet

_SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_PARTS = {"tile": "tiles of pictures", "box": "crops around defects"}
_BLOCK_ROWS = 4096  # 50 MB of 3072-d float32, and as much again for the differences


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlikes:
    """The images of a store that look most like one image, nearest first.

    Attributes
    ----------
    table : DataFrame
        Columns rank (from 1), distance (L2 between unit rows, 0 to 2), image_id, path.
    query : Vectors
        The one image that was asked for.
    """

    table: pd.DataFrame
    query: Vectors


@takes_paths
def find_look_alikes(
    store: Store, image: Path, *, k: int = 10, page: int = 0, options: ExtractOptions | None = None
) -> LookAlikes:
    """Find the k images of a store that are nearest to an image.

    Parameters
    ----------
    store : Store
    image : Path
        Any image file; where the store holds it, it is its own nearest.
    k : int
        How many; fewer where the store holds fewer.
    page : int
        Which page of a file of several, from 0.
    options : ExtractOptions, optional
        Where the weights are and what to compute on; never another extractor than the store's.

    Raises
    ------
    InputError
        The image cannot be read, or is of a kind the store has never seen.
    OptionError
        k is below 1, or the file has no such page.
    StoreError
        The store is empty or damaged, or an option asks for another extractor.
    WeightsError
        The image must be embedded and the store's weights are not here.
    """
    if k < 1:
        raise OptionError(f"-k {k}: expected 1 or more")
    if not len(store):
        raise StoreError(f"{store.path} holds no vectors yet: extract images into it first")
    options = options or ExtractOptions()
    choice = choose_extractor(options, store)
    warn_of_parts(store, image)
    prepared = _read_query(store, image, page, max_pixels=options.max_pixels)
    query = _find_known(store, prepared)
    if query is None:  # not one of the store's own: it must be embedded, which needs the weights
        with stage("load extractor"):
            extractor = make_extractor(choice, options)
        batches = Batches(lambda: extractor, default_batch_size(store.spec))
        batches.add(prepared.ids[0], prepared.images[0])
        query = _make_vectors(store, prepared, batches.take()[prepared.ids[0]])
    with stage("search") as facts:
        ids, distances = _nearest(store, np.asarray(query.values)[0], k)
        facts.update(vectors=len(store), found=len(ids))
    paths = store.load_vectors(ids).rows["path"]
    ranks = range(1, len(ids) + 1)
    columns = {"rank": ranks, "distance": distances, "image_id": ids, "path": paths.tolist()}
    return LookAlikes(table=pd.DataFrame(columns), query=query)


def warn_of_parts(store: Store, image: Path) -> None:
    """Say so where a whole picture is compared with parts of pictures: they are not alike.

    A store's rows say how each was cut: tiles, crops around defects, or not at all.
    """
    regions = set(store.rows()["region"].tolist())
    if "" in regions:
        return
    parts = " and ".join(sorted({_PARTS.get(one.partition(":")[0], one) for one in regions}))
    get_logger().warning(
        "WARNING: %s holds %s, and %s is compared as a whole picture: unlike is compared with "
        "unlike; give an image that shows a defect as they do",
        store.path, parts, image,
    )  # fmt: skip


def _read_query(store: Store, image: Path, page: int, *, max_pixels: int) -> Prepared:
    """Read one page as the store's images were read."""
    how = Preparation(
        spec=store.spec, windows=store.windows, max_pixels=max_pixels, bars=store.bars
    )
    path = spell_path(Path(image).absolute())
    try:
        job = Job(path=str(path), file_id=fingerprint_file(path))
        headers = read_headers(path, reading=store.spec.reading)
    except ImageError as error:
        raise InputError(f"{image}: {error}") from error
    numbers = [header.page for header in headers if header.is_picture]
    if page not in numbers:
        raise OptionError(f"--page {page}: {image} has the pages {', '.join(map(str, numbers))}")
    # The wanted page alone is decoded, however long the stack.
    prepared = next(join_pieces(read_job(job, RowPlan(how=how), pages=(page,))))
    if prepared.fault:
        raise InputError(f"{image}: {prepared.fault}")
    if prepared.is_deferred:
        kinds = ", ".join(sorted(store.windows))
        raise InputError(
            f"{image} is of a kind of picture that {store.path} has never seen (it has {kinds}): "
            "its grey levels cannot be compared; extract it into the store instead"
        )
    return prepared


def _find_known(store: Store, prepared: Prepared) -> Vectors | None:
    name = prepared.ids[0]
    return store.load_vectors([name]) if name in set(store.ids().tolist()) else None


def _make_vectors(store: Store, prepared: Prepared, values: NDArray[np.float32]) -> Vectors:
    path = prepared.job.path
    return Vectors(
        ids=np.array(prepared.ids, dtype=np.str_),
        values=values[None],  # (1, d)
        rows=make_frame(prepared.rows).assign(path=path, paths=pd.Series([[path]], dtype=object)),
        spec=store.spec,
    )


def _nearest(
    store: Store, query: NDArray[np.float32], k: int
) -> tuple[list[str], NDArray[np.float64]]:
    """Return ids and distances of the k nearest whose file is still there, by distance and id."""
    rows = store.rows()
    there = set(store.files()["file_id"])
    # Rows of files that have gone stay in the store; they are nobody's look-alike.
    is_live = np.array([one in there for one in rows["file_id"].tolist()], dtype=bool)
    best_ids = np.empty(0, dtype=np.str_)
    best = np.empty(0)
    base = 0
    for ids, values in store.iter_blocks(block_rows=_BLOCK_ROWS):
        live = is_live[base : base + len(ids)]
        base += len(ids)
        # Differences, not 2 - 2 cos: that loses half the digits between near twins.
        distances = np.linalg.norm(values - query, axis=1).astype(np.float64)  # (b,)
        best_ids = np.concatenate([best_ids, ids[live]])
        best = np.concatenate([best, distances[live]])
        order = np.lexsort((best_ids, best))[:k]  # k and one block in memory, never all
        best_ids, best = best_ids[order], best[order]
    return best_ids.tolist(), best


def check_sheet_path(path: Path) -> None:
    """Refuse a file that could not be written, before anything is computed.

    Raises
    ------
    OptionError
        It is neither PNG nor JPEG.
    InputError
        Its folder is absent, or it is a folder.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise OptionError(f"--out {path}: expected a name that ends with {', '.join(_SUFFIXES)}")
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise InputError(f"--out {path}: expected a file in a folder that exists")


def check_no_picture(path: Path, image: Path, store: Store) -> None:
    """Refuse to draw a sheet over the image that is asked for, or over one of the store's.

    Raises
    ------
    OptionError
        It would be lost.
    """
    if not path.exists():
        return
    pictures = {str(image.resolve()), *(os.path.realpath(one) for one in store.files()["path"])}
    if str(path.resolve()) in pictures:
        raise OptionError(f"--out {path} is one of the images: it would be lost, choose another")


def write_sheet(
    found: LookAlikes, store: Store, path: Path, *, max_pixels: int = MAX_PIXELS
) -> None:
    """Draw the sheet and write it, whole or not at all.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    ids = found.table["image_id"].tolist()
    vectors = _join(found.query, store.load_vectors(ids))
    asked = str(found.query.ids[0])
    captions = [f"{row.rank}: {row.distance:.3f}" for row in found.table.itertuples()]
    sheet = draw_contact_sheet(
        vectors,
        [asked, *ids],
        store,
        title=f"Look-alikes of {Path(found.query.rows['path'].iloc[0]).name}",
        captions=["asked for", *captions],
        max_pixels=max_pixels,
    )
    buffer = BytesIO()
    sheet.save(buffer, _SUFFIXES[path.suffix.lower()])
    write_bytes(path, buffer.getvalue())


def _join(query: Vectors, found: Vectors) -> Vectors:
    """Return the query and what was found as one, the query first and only once."""
    # Where the store holds the image, it is its own nearest, and on the sheet already.
    others = found.take(np.flatnonzero(found.ids != query.ids[0]))
    columns = list(found.rows.columns)
    return Vectors(
        ids=np.concatenate([query.ids, others.ids]),
        values=np.concatenate([query.values, others.values]),
        rows=pd.concat([query.rows[columns], others.rows], ignore_index=True),
        spec=found.spec,
    )
