"""Heat maps: where in a picture the patches are that a defect-weighted vector was made of.

::

    heats = weigh_images(vectors, ids, store, options=ExtractOptions(weights="imagenet"))
    thumbnails = read_thumbnails(vectors, ids, store)
    jpeg = draw_heat(thumbnails[image_id], heats[image_id])

Each patch's distance is drawn in spreads above what is usual for the lot, on one scale for all
pictures: a picture without anything unusual stays grey.
"""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.bounded import parse_json
from embeddings.errors import ImageError, StoreError
from embeddings.extract import ExtractOptions
from embeddings.extract.choose import choose_extractor, make_extractor
from embeddings.extract.references import COLUMN
from embeddings.images import Picture
from embeddings.pooling import PatchWeights
from embeddings.reader import (
    OpenPart,
    Preparation,
    list_parts,
    map_parts,
    open_reference,
)
from embeddings.records import REFERENCE, Vectors
from embeddings.store import Store

# Spreads above the centre: below the first nothing is drawn, from the second on all is red.
COOL, HOT = 1.0, 5.0
_STRENGTH = 0.7  # of the colour at its hottest: the defect itself still shows
_AMBER, _RED = np.array([255.0, 190.0, 60.0]), np.array([214.0, 24.0, 24.0])
_QUALITY = 85


class PatchWeigher:
    """Weighs the patches of a store's images again; the network is loaded once.

    Parameters
    ----------
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

    def __init__(self, store: Store, *, options: ExtractOptions | None = None) -> None:
        _check_places(store)
        from embeddings.extract.defect import DefectExtractor

        self._store, self._options = store, options or ExtractOptions()
        extractor = make_extractor(choose_extractor(self._options, store), self._options)
        if not isinstance(extractor, DefectExtractor):  # for mypy: by the spec it is
            raise TypeError(f"{type(extractor).__name__} weighs no patches")
        self._extractor = extractor

    def weigh(self, vectors: Vectors, ids: Sequence[str]) -> dict[str, PatchWeights]:
        """Look at images again; one that is no longer there or readable is left out.

        Parameters
        ----------
        vectors : Vectors
            Their rows say where the images' pixels are.
        ids : sequence of str
        """
        spec = self._store.spec
        how = Preparation.to_reopen(
            vectors,
            spec,
            self._store.windows,
            max_pixels=self._options.max_pixels,
            bars=self._store.bars,
        )
        wanted = np.flatnonzero(np.isin(vectors.ids, list(ids)))
        noted = vectors.rows["metadata"].iloc[wanted]
        known = dict(zip(vectors.ids[wanted].tolist(), noted, strict=True))
        is_paired = spec.normals_sha256 == REFERENCE

        def show(opened: OpenPart) -> tuple[NDArray[np.float32], tuple[float, float]]:
            text = known[opened.part.image_id]
            golden = _read_golden(opened, text, how) if is_paired else None
            return how.show(opened, golden=golden), _find_rows(opened)

        prepared = map_parts(list_parts(vectors, wanted), show, how)
        return {
            part.image_id: replace(self._extractor.weigh(image[None])[0], rows=rows)
            for part, (image, rows) in prepared
        }


def weigh_images(
    vectors: Vectors, ids: Sequence[str], store: Store, *, options: ExtractOptions | None = None
) -> dict[str, PatchWeights]:
    """Look at images again, once; see `PatchWeigher`.

    Raises
    ------
    StoreError
        The store's vectors are not weighted by place, or its view of wafer maps is polar.
    WeightsError
        The store's weights are not here.
    """
    return PatchWeigher(store, options=options).weigh(vectors, ids)


def draw_heat(thumbnail: bytes, heat: PatchWeights) -> bytes:
    """Colour a thumbnail where its patches are unlike the rest; returns a JPEG of its size."""
    with Image.open(BytesIO(thumbnail)) as opened:
        base = np.asarray(opened.convert("RGB"), dtype=np.float64)  # (h, w, 3)
    heights = np.clip((heat.standard - COOL) / (HOT - COOL), 0, 1)  # (rows, columns) of patches
    small = Image.fromarray(heights.astype(np.float32))
    top, bottom = (round(share * len(base)) for share in heat.rows)
    size = base.shape[1], max(1, bottom - top)
    level = np.zeros((*base.shape[:2], 1))
    drawn = np.asarray(small.resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
    level[top : top + size[1], :, 0] = drawn
    colour = _AMBER + (_RED - _AMBER) * level  # (h, w, 3)
    # By the root: what is only just unusual is seen too.
    mixed = base + (colour - base) * (_STRENGTH * np.sqrt(level))
    sink = BytesIO()
    Image.fromarray(np.rint(mixed).astype(np.uint8)).save(sink, "JPEG", quality=_QUALITY)
    return sink.getvalue()


def _check_places(store: Store) -> None:
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
    if store.spec.view == "highlight":
        raise StoreError(
            f"{store.path} has no heat maps: what stood out was looked at alone; expected a store "
            "made with another --view"
        )


def _find_rows(opened: OpenPart) -> tuple[float, float]:
    """Return which share of a thumbnail's height the patches cover: a bar is left out of them."""
    height = opened.picture.height
    if opened.bar is None or opened.part.region is not None:
        return 0.0, 1.0
    kept = opened.bar.rows_kept(height)
    return kept.start / height, kept.stop / height


def _read_golden(opened: OpenPart, metadata: str, how: Preparation) -> Picture:
    path = parse_json(metadata or "{}").get(COLUMN)
    golden = open_reference(path, max_pixels=how.max_pixels, reading=how.spec.reading)
    if golden is None:
        raise ImageError("its reference is not known")
    return golden.match(opened.page, how.spec.level)
