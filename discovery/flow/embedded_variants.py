"""Images of a store, shown to its extractor again in another way."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.console import track
from embeddings.extract import ExtractOptions
from embeddings.extract.batches import Batches, default_batch_size
from embeddings.extract.choose import choose_extractor, make_extractor
from embeddings.reader import Preparation, list_parts, read_parts
from embeddings.records import Vectors
from embeddings.store import Store

Image = NDArray[np.float32]  # (c, h, w) in [0, 1]
Vary = Callable[[str, Image], Iterable[Image]]  # as many variants of each image


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedVariants:
    """What became of the images that were asked for.

    Attributes
    ----------
    vectors : Vectors of all n images, as they are stored
    read : (r,) intp
        Places among these of the images that could be read again.
    variants : (r, m, d) float32
        The extractor's answers to the variants of each.
    """

    vectors: Vectors
    read: NDArray[np.intp]
    variants: NDArray[np.float32]


def embed_variants(
    store: Store, ids: NDArray[np.str_], *, vary: Vary, options: ExtractOptions, what: str
) -> EmbeddedVariants:
    """Show variants of images to the extractor of their store.

    Parameters
    ----------
    ids : (n,) str
    vary : callable
        Takes the image's id and the prepared image; gives its m variants.
    options : ExtractOptions
        Weights, device, size of a batch and most pixels; all else is in the store's spec.
    what : str
        For the progress bar.

    Raises
    ------
    DefectDiscoveryError
        The extractor cannot be loaded.
    """
    vectors = store.load_vectors(ids)
    how = Preparation.to_reopen(
        vectors, store.spec, store.windows, max_pixels=options.max_pixels, bars=store.bars
    )
    # A store is opened as it is: what was said of a new one's extractor is in its spec.
    own = ExtractOptions(weights=options.weights, device=options.device)
    extractor = make_extractor(choose_extractor(own, store, tells=False), own)
    batches = Batches(lambda: extractor, options.batch_size or default_batch_size(store.spec))
    counts: dict[str, int] = {}
    files = read_parts(list_parts(vectors), how)
    for file in track(files, total=len(vectors), what=what, ends=lambda one: one.is_last):
        for part, image in file.images:
            for number, variant in enumerate(vary(part.image_id, image)):
                batches.add(f"{number} {part.image_id}", variant)
                counts[part.image_id] = number + 1
    found = batches.take()
    names = vectors.ids.tolist()
    read = [place for place, name in enumerate(names) if f"0 {name}" in found]
    variants = [
        [found[f"{number} {names[place]}"] for number in range(counts[names[place]])]
        for place in read
    ]
    return EmbeddedVariants(
        vectors=vectors,
        read=np.array(read, dtype=np.intp),
        variants=np.array(variants, dtype=np.float32),
    )
