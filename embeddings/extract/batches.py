"""Pictures become vectors in full batches, while others are still being read."""

from collections import deque
from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from embeddings.extractors import Extractor
from embeddings.records import ExtractorSpec

Image = NDArray[np.float32]  # (c, h, w) in [0, 1]

_USUAL_SIZE = 224  # pixels: of a square for which the default batches were measured


def default_batch_size(spec: ExtractorSpec) -> int:
    """Return the pictures a step of the network takes where the user does not say."""
    most = 128 if "cuda" in spec.backend else 16
    if not spec.compares and spec.fit != "aspect":
        return most
    # Patches of middle layers, and shapes of a few pictures each: as many pixels, fewer pictures.
    return max(1, min(most, most * _USUAL_SIZE**2 // spec.input_size**2))


class Batches:
    """Takes pictures one by one, of any shape, and embeds each batch as soon as it is full.

    Parameters
    ----------
    load : callable
        Gives the extractor; called when the first batch is full, and again for each.
    batch_size : int
        A last batch is filled up to it where the extractor's arithmetic asks for that: so a
        picture gets the same vector, bit for bit, whatever batch it comes in.
    """

    def __init__(self, load: Callable[[], Extractor], batch_size: int) -> None:
        self._load, self._size = load, batch_size
        self._waiting: dict[tuple[int, ...], list[tuple[str, Image]]] = {}
        self._done: dict[str, Image] = {}
        # Of the batches that were begun: their names, and what waits for their vectors.
        self._begun: deque[tuple[list[str], Callable[[], Image]]] = deque()

    def add(self, name: str, image: Image) -> None:
        """Take a picture; runs the extractor when its batch is full."""
        batch = self._waiting.setdefault(image.shape, [])
        batch.append((name, image))
        if len(batch) == self._size:
            self._embed(self._waiting.pop(image.shape))

    def forget(self, names: Collection[str]) -> None:
        """Drop pictures that were taken; what was embedded of them is dropped too."""
        gone = set(names)
        self._finish()
        for shape, batch in list(self._waiting.items()):
            self._waiting[shape] = [(name, image) for name, image in batch if name not in gone]
            if not self._waiting[shape]:
                del self._waiting[shape]
        for name in gone:
            self._done.pop(name, None)

    def take(self) -> dict[str, NDArray[np.float32]]:
        """Embed what waits; return the (d,) vectors of all pictures since the last call."""
        while self._waiting:
            self._embed(self._waiting.popitem()[1])
        self._finish()
        done, self._done = self._done, {}
        return done

    def _embed(self, pictures: list[tuple[str, Image]]) -> None:
        extractor = self._load()
        rows = self._size if extractor.fills_batches else len(pictures)
        batch = np.zeros((rows, *pictures[0][1].shape), np.float32)  # (b, c, h, w)
        for position, (_, image) in enumerate(pictures):
            batch[position] = image
        names = [name for name, _ in pictures]
        begin = getattr(extractor, "submit", None)
        if begin is None:
            self._done.update(zip(names, extractor(batch)[: len(names)], strict=True))
            return
        slots: int = getattr(extractor, "slots", 1)
        # A GPU is at work on it, or other cores are, while those before are taken.
        self._begun.append((names, begin(batch)))
        while len(self._begun) >= slots:
            self._take_first()

    def _finish(self) -> None:
        """Take the vectors of all batches that were begun."""
        while self._begun:
            self._take_first()

    def _take_first(self) -> None:
        names, wait = self._begun.popleft()
        self._done.update(zip(names, wait()[: len(names)], strict=True))
