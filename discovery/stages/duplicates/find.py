"""`find_duplicates`: pairs are proposed, sketched, compared, and joined to groups."""

from collections.abc import Callable, Iterator
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from discovery.records import Neighbours
from discovery.records.duplicates import Duplicates
from discovery.stages.duplicates.candidates import (
    MAY_BE_COPY,
    NEAREST,
    SKETCH,
    propose_pairs,
    screen_pairs,
    sketch_picture,
)
from discovery.stages.duplicates.likeness import compare_pictures
from embeddings.images import MAX_PIXELS
from embeddings.reader import (
    Preparation,
    Preview,
    Previews,
    list_parts,
    make_preview,
    map_parts,
)
from embeddings.records import DataBars, Vectors

# Reads the images at some positions: (position, preview) file by file; an image whose file is no
# longer there or readable is left out.
PreviewReader = Callable[[NDArray[np.intp]], Iterator[tuple[int, Preview]]]

# Pictures in memory at a time: 100 kB each. A pair's two are read anew in another batch.
_BATCH = 256


def make_reader(
    vectors: Vectors,
    *,
    max_pixels: int = MAX_PIXELS,
    previews: Previews | None = None,
    bars: DataBars = MappingProxyType({}),
) -> PreviewReader:
    """Return a function that reads small grey pictures of images that have vectors.

    Parameters
    ----------
    max_pixels : int
        Most pixels a picture may have; what is embedded may always be read again.
    previews : Previews, optional
        What this process has just extracted: of that no file is opened.
    bars : DataBars
        Of the store: a date that differs makes no other picture.
    """
    how = Preparation.to_reopen(vectors, vectors.spec, {}, max_pixels=max_pixels, bars=bars)

    def read(positions: NDArray[np.intp]) -> Iterator[tuple[int, Preview]]:
        left = []
        for position in positions.tolist():
            name = str(vectors.ids[position])
            kept = None if previews is None else previews.find(name, how.spec)
            if kept is None:
                left.append(position)
            else:
                yield position, kept
        # What was over the bound of the previews, or is of a store that was there before.
        place = {str(vectors.ids[position]): position for position in left}
        parts = list_parts(vectors, np.array(left, np.intp))
        for part, preview in map_parts(parts, lambda opened: make_preview(opened.seen_pixels), how):
            yield place[part.image_id], preview

    return read


def find_duplicates(
    vectors: Vectors, neighbours: Neighbours, read: PreviewReader, *, nearest: int = NEAREST
) -> Duplicates:
    """Find the near copies among n images.

    Each image is read once as a sketch (1 kB), and again where a sketch has a look-alike.

    Parameters
    ----------
    vectors : Vectors of n images
        Exact copies share an id already; their paths are counted.
    neighbours : Neighbours of n images
        A copy must be among the `nearest` of its original, or much nearer than the others.
    read : callable
        As `make_reader` returns it.

    Raises
    ------
    ValueError
        Vectors and neighbours are of different images.
    """
    if len(vectors) != len(neighbours):
        raise ValueError(f"{len(vectors)} vectors, neighbours of {len(neighbours)} images")
    parents = vectors.rows["parent_id"].to_numpy(dtype=np.str_)
    pairs = propose_pairs(neighbours, parents, nearest=nearest)
    sketches, seen = _sketch(len(vectors), pairs, read)
    scores = screen_pairs(sketches, pairs)
    likely = scores >= MAY_BE_COPY
    groups = _Groups(len(vectors))
    # The surest pairs first: those of one group by then are not compared any more.
    for first, second, one, other in _read_pairs(
        _sort_pairs(pairs[likely], scores[likely], vectors.ids), groups, read
    ):
        likeness = compare_pictures(one, other)
        if likeness.is_copy:
            groups.join(first, second, likeness.similarity)
    roots = np.array([groups.find(i) for i in range(len(vectors))], np.int64)
    return Duplicates(
        ids=vectors.ids,
        groups=_number_groups(roots),
        kept=_choose_kept(roots, vectors),
        similarities=groups.similarities,
        files=np.array([len(paths) for paths in vectors.rows["paths"]], np.int32),
        unread=len(np.unique(pairs)) - seen,
    )


class _Groups:
    """Groups that grow together (union-find)."""

    def __init__(self, n: int) -> None:
        self._parents = list(range(n))
        self.similarities = np.ones(n, np.float32)
        self._alone = np.ones(n, bool)

    def find(self, i: int) -> int:
        while self._parents[i] != i:
            self._parents[i] = self._parents[self._parents[i]]
            i = self._parents[i]
        return i

    def join(self, first: int, second: int, similarity: float) -> None:
        self._parents[self.find(second)] = self.find(first)
        for i in (first, second):  # the pair that brought an image in says how alike
            if self._alone[i]:
                self.similarities[i], self._alone[i] = similarity, False


def _sketch(
    n: int, pairs: NDArray[np.int32], read: PreviewReader
) -> tuple[NDArray[np.float16], int]:
    """Return the (n, 32, 32) sketches, zero where there is none, and how many were read."""
    sketches = np.zeros((n, SKETCH, SKETCH), np.float16)
    seen = 0
    # From the size of the comparison: shrunk in one step, a wafer map would lose its dies.
    for position, preview in read(np.unique(pairs).astype(np.intp)):
        sketches[position] = sketch_picture(preview)
        seen += 1
    return sketches, seen


def _sort_pairs(
    pairs: NDArray[np.int32], scores: NDArray[np.float32], ids: NDArray[np.str_]
) -> list[tuple[int, int]]:
    """Order pairs from the most alike on, by ids where alike: the order of the rows is no matter.

    Once joined, an image is not compared with the rest of its group any more.
    """
    names = ids[pairs]  # (m, 2)
    swapped = names[:, 0] > names[:, 1]
    pairs = np.where(swapped[:, None], pairs[:, ::-1], pairs)
    names = ids[pairs]
    order = np.lexsort((names[:, 1], names[:, 0], -scores))
    return [(int(first), int(second)) for first, second in pairs[order]]


def _read_pairs(
    pairs: list[tuple[int, int]], groups: _Groups, read: PreviewReader
) -> Iterator[tuple[int, int, Preview, Preview]]:
    """Yield pairs with their pictures, a bounded number of pictures in memory."""
    start = 0
    while start < len(pairs):
        batch: list[tuple[int, int]] = []
        wanted: set[int] = set()
        while start < len(pairs) and len(wanted) < _BATCH:
            pair = pairs[start]
            start += 1
            if groups.find(pair[0]) != groups.find(pair[1]):
                batch.append(pair)
                wanted.update(pair)
        pictures = dict(read(np.array(sorted(wanted), np.intp)))
        for first, second in batch:
            apart = groups.find(first) != groups.find(second)
            if apart and first in pictures and second in pictures:
                yield first, second, pictures[first], pictures[second]


def _number_groups(roots: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return (n,) groups numbered by their first image."""
    _, first, inverse = np.unique(roots, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return rank[inverse]


def _choose_kept(roots: NDArray[np.int64], vectors: Vectors) -> NDArray[np.bool_]:
    """Keep the largest picture of each group, the first by id where several are."""
    # The largest has lost least: shrunk copies and crops are of it.
    area = (vectors.rows["width"] * vectors.rows["height"]).to_numpy(np.int64)
    order = np.lexsort((vectors.ids, -area, roots))
    kept = np.zeros(len(roots), bool)
    kept[order[np.unique(roots[order], return_index=True)[1]]] = True
    return kept
