"""Heat maps: where in a picture the patches are that a defect-weighted vector was made of.

::

    heats = weigh_images(vectors, ids, store, options=ExtractOptions(weights="imagenet"))
    thumbnails = read_thumbnails(vectors, ids, store)
    jpeg = draw_heat(thumbnails[image_id], heats[image_id])

Each patch's distance is drawn in spreads above what is usual for the lot, on one scale for all
pictures: a picture without anything unusual stays grey.
"""

import json
from collections.abc import Iterator, Sequence
from io import BytesIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from embeddings.errors import ImageError, StoreError
from embeddings.extract import ExtractOptions
from embeddings.extract.choose import choose_extractor, make_extractor
from embeddings.extract.references import COLUMN, Golden, open_reference
from embeddings.images import show_picture
from embeddings.pooling import PatchWeights
from embeddings.records import REFERENCE, Vectors
from embeddings.reopen import Reopened, find_window, reopen_rows
from embeddings.store import Store

# Spreads above the centre: below the first nothing is drawn, from the second on all is red.
COOL, HOT = 1.0, 5.0
_STRENGTH = 0.7  # of the colour at its hottest: the defect itself still shows
_AMBER, _RED = np.array([255.0, 190.0, 60.0]), np.array([214.0, 24.0, 24.0])
_QUALITY = 85


def weigh_images(
    vectors: Vectors, ids: Sequence[str], store: Store, *, options: ExtractOptions | None = None
) -> dict[str, PatchWeights]:
    """Look at images again; one that is no longer there or readable is left out.

    Parameters
    ----------
    vectors : Vectors
        Their rows say where the images' pixels are.
    ids : sequence of str
    store : Store
        Where the vectors came from, with its patch bank.
    options : ExtractOptions, optional
        Where the weights are and what to compute on.

    Raises
    ------
    StoreError
        The store's vectors are not weighted by place, or its view of wafer maps is polar.
    WeightsError
        The store's weights are not here.
    """
    if not store.spec.compares:
        raise StoreError(
            f"{store.path} has no heat maps: its vectors are the {store.spec.pooling} over the "
            "picture; expected a store made with --pooling defect or residual"
        )
    if store.spec.view == "polar":
        raise StoreError(
            f"{store.path} has no heat maps: wafer maps were looked at by radius and angle, which "
            "cannot be laid over a picture; expected a store made with another --view"
        )
    from embeddings.extract.defect import DefectExtractor

    options = options or ExtractOptions()
    extractor = make_extractor(choose_extractor(options, store), options)
    if not isinstance(extractor, DefectExtractor):  # by the spec it is
        raise TypeError(f"{type(extractor).__name__} weighs no patches")
    wanted = vectors.rows.assign(image_id=vectors.ids)
    wanted = wanted[wanted["image_id"].isin(list(ids))]
    return {
        image_id: extractor.weigh(image[None])[0]
        for _, rows in wanted.groupby("path")
        for image_id, image in _read_file(rows, store)
    }


def draw_heat(thumbnail: bytes, heat: PatchWeights) -> bytes:
    """Colour a thumbnail where its patches are unlike the rest; returns a JPEG of its size."""
    with Image.open(BytesIO(thumbnail)) as opened:
        shown = np.asarray(opened.convert("RGB"), dtype=np.float64)  # (h, w, 3)
    heights = np.clip((heat.standard - COOL) / (HOT - COOL), 0, 1)  # (rows, columns) of patches
    small = Image.fromarray(heights.astype(np.float32))
    size = shown.shape[1], shown.shape[0]
    level = np.asarray(small.resize(size, Image.Resampling.BICUBIC)).clip(0, 1)[..., None]
    colour = _AMBER + (_RED - _AMBER) * level  # (h, w, 3)
    # By the root: what is only just unusual is seen too.
    mixed = shown + (colour - shown) * (_STRENGTH * np.sqrt(level))
    sink = BytesIO()
    Image.fromarray(np.rint(mixed).astype(np.uint8)).save(sink, "JPEG", quality=_QUALITY)
    return sink.getvalue()


def _read_file(rows: pd.DataFrame, store: Store) -> list[tuple[str, NDArray[np.float32]]]:
    try:
        return list(_prepare_rows(rows, store))
    except ImageError:  # moved or changed since it was embedded
        return []


def _prepare_rows(rows: pd.DataFrame, store: Store) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for part in reopen_rows(rows, level=store.spec.level):
        window, golden = find_window(part.picture, store), None
        if store.spec.normals_sha256 == REFERENCE:
            golden = _open_golden(part).match(part.page, store.spec.level)
        image = show_picture(
            part.picture, store.spec, window=window, region=part.region, golden=golden
        )
        yield part.row["image_id"], image


def _open_golden(part: Reopened) -> Golden:
    path = json.loads(part.row["metadata"] or "{}").get(COLUMN)
    golden = open_reference(path, max_pixels=ExtractOptions().max_pixels)
    if golden is None:
        raise ImageError("its reference is not known")
    return golden
