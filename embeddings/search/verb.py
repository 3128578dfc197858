"""The verb `find_look_alikes`: one image against all of a store, block by block.

The image is embedded with the store's own extractor and grey-level windows, so that distances
mean the same as between the store's images; one that the store holds already is not embedded
again, and needs no weights.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.console import stage
from embeddings.errors import ImageError, InputError, OptionError, StoreError
from embeddings.extract import ExtractOptions
from embeddings.extract.batches import Batches, default_batch_size
from embeddings.extract.choose import choose_extractor, make_extractor
from embeddings.extract.reader import Job, Prepared, Reading, Recipe, make_frame, read_job
from embeddings.images import fingerprint_file
from embeddings.records import Vectors
from embeddings.store import Store

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
    choice = choose_extractor(options or ExtractOptions(), store)
    prepared = _read_query(store, image, page)
    query = _find_known(store, prepared)
    if query is None:
        with stage("load extractor"):
            extractor = make_extractor(choice, options or ExtractOptions())
        batches = Batches(lambda: extractor, default_batch_size(store.spec))
        batches.add(prepared.ids[0], prepared.images[0])
        query = _make_vectors(store, prepared, batches.take()[prepared.ids[0]])
    with stage("search") as facts:
        ids, distances = _nearest(store, query.values[0], k)
        facts.update(vectors=len(store), found=len(ids))
    paths = store.load_vectors(ids).rows["path"]
    ranks = range(1, len(ids) + 1)
    columns = {"rank": ranks, "distance": distances, "image_id": ids, "path": paths.tolist()}
    return LookAlikes(table=pd.DataFrame(columns), query=query)


def _read_query(store: Store, image: Path, page: int) -> Prepared:
    """Read one page as the store's images were read."""
    reading = Reading(
        spec=store.spec,
        recipe=Recipe(),
        windows=store.windows,
        um_per_pixel=None,
        max_pixels=ExtractOptions().max_pixels,
    )
    path = Path(image).absolute()
    try:
        job = Job(path=str(path), file_id=fingerprint_file(path))
    except ImageError as error:
        raise InputError(f"{image}: {error}") from error
    prepared = read_job(job, reading)
    if prepared.fault:
        raise InputError(f"{image}: {prepared.fault}")
    if prepared.is_deferred:
        kinds = ", ".join(sorted(store.windows))
        raise InputError(
            f"{image} is of a kind of picture that {store.path} has never seen (it has {kinds}): "
            "its grey levels cannot be compared; extract it into the store instead"
        )
    position = next((i for i, row in enumerate(prepared.rows) if row["page"] == page), None)
    if position is None:
        raise OptionError(f"--page {page}: {image} has the pages 0 to {len(prepared.ids) - 1}")
    return Prepared(
        job=job,
        ids=[prepared.ids[position]],
        images=[prepared.images[position]],
        rows=[prepared.rows[position]],
    )


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
        order = np.lexsort((best_ids, best))[:k]
        best_ids, best = best_ids[order], best[order]
    return best_ids.tolist(), best
