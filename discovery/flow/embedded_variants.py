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


class VariantEmbedder:
    """Shows variants of images to the extractor of their store, which is loaded once.

    Parameters
    ----------
    options : ExtractOptions
        Weights, device, size of a batch and most pixels; all else is in the store's spec.

    Raises
    ------
    DefectDiscoveryError
        The extractor cannot be loaded.
    """

    def __init__(self, store: Store, options: ExtractOptions) -> None:
        self._store, self._options = store, options
        # A store is opened as it is: what was said of a new one's extractor is in its spec.
        own = ExtractOptions(weights=options.weights, device=options.device)
        self._extractor = make_extractor(choose_extractor(own, store, tells=False), own)

    def embed(self, ids: NDArray[np.str_], *, vary: Vary, what: str) -> EmbeddedVariants:
        """Show variants of the images to the extractor.

        Parameters
        ----------
        ids : (n,) str
        vary : callable
            Takes the image's id and the prepared image; gives its m variants.
        what : str
            For the progress bar.
        """
        store, most = self._store, self._options.max_pixels
        vectors = store.load_vectors(ids)
        how = Preparation.to_reopen(
            vectors, store.spec, store.windows, max_pixels=most, bars=store.bars
        )
        size = self._options.batch_size or default_batch_size(store.spec)
        batches = Batches(lambda: self._extractor, size)
        names: dict[str, list[str]] = {}  # of the variants of each image
        files = read_parts(list_parts(vectors), how)
        for file in track(files, total=len(vectors), what=what, ends=lambda one: one.is_last):
            for part, image in file.images:
                own = names.setdefault(part.image_id, [])
                for number, variant in enumerate(vary(part.image_id, image)):
                    own.append(f"{number} {part.image_id}")
                    batches.add(own[-1], variant)
        found = batches.take()
        read = [place for place, name in enumerate(vectors.ids.tolist()) if name in names]
        variants = [[found[name] for name in names[vectors.ids[place]]] for place in read]
        return EmbeddedVariants(
            vectors=vectors,
            read=np.array(read, dtype=np.intp),
            variants=np.array(variants, dtype=np.float32),
        )
