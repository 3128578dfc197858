"""The spaces a round works in, and how new images come into them.

    space = fit_space([vectors], seed=0)
    space.rows               # (n, p) of the images it was fitted on
    space.place([new])       # (m, p) of new ones, in the same axes

A view is one way to see the images: the vectors of one extractor. Its blocks (`ExtractorSpec`)
are of different kinds. Each block of each view is reduced by itself, and they are put side by
side, each weighing the same: in the principal axes of all together the strongest would drown the
others.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from discovery.estimators.pca import PCAReducer
from discovery.flow.settings import GRAPH_WHITEN, choose_dimensions
from embeddings.extractors import vector_blocks
from embeddings.records import Vectors

JOINED = "joined"  # in the place of an extractor's name, where vectors are of several


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Reduced rows, and the axes they lie along.

    Attributes
    ----------
    rows : (n, p) float32, unit rows
        Of the images the space was fitted on.
    reducers : tuple of PCAReducer
        Fitted, one a block.
    """

    rows: NDArray[np.float32]
    reducers: tuple[PCAReducer, ...]

    def place(self, views: Sequence[Vectors]) -> NDArray[np.float32]:
        """Bring new images into the space, (m, p), unit rows.

        Parameters
        ----------
        views : sequence of Vectors
            As many as the space was fitted on, of the same extractors, in the same order.
        """
        pairs = zip(self.reducers, _split_blocks(views), strict=True)
        return _put_side_by_side([reducer.transform(block) for reducer, block in pairs])


def fit_space(
    views: Sequence[Vectors],
    *,
    seed: int,
    dimensions: int | None = None,
    whiten: float = GRAPH_WHITEN,
) -> Space:
    """Reduce the views of n images to the rows whose neighbour graph every stage shares.

    Parameters
    ----------
    views : sequence of Vectors, one or more
    dimensions : int, optional
        Of each block; by default as many as n images bear.
    whiten : float
        As in `PCAReducer`.

    Raises
    ------
    ValueError
        There is no view, or they are of different images.
    """
    _check_views(views)
    # The same number for each block, so that none outweighs another.
    wanted = choose_dimensions(len(views[0])) if dimensions is None else dimensions
    reducers, rows = [], []
    for block in _split_blocks(views):
        reducer = PCAReducer(wanted, whiten=whiten, random_state=seed)
        rows.append(reducer.fit_transform(block))
        reducers.append(reducer)
    return Space(rows=_put_side_by_side(rows), reducers=tuple(reducers))


def join_vectors(views: Sequence[Vectors]) -> Vectors:
    """Return the views of the same images as one, for evidence that needs no axes.

    The rows say what the first view's say. The spec is no extractor's: its name is `JOINED`, its
    layers are the hashes of the views' specs, and the rest, of how pictures are read and levelled,
    is the first view's.
    """
    values = join_views(views)
    first = views[0]
    if len(views) == 1:
        return first
    spec = replace(
        first.spec,
        name=JOINED,
        weights="",
        weights_sha256="",
        layers=tuple(view.spec.hash for view in views),
        dim=values.shape[1],
    )
    return Vectors(ids=first.ids, values=values, rows=first.rows, spec=spec)


def join_views(views: Sequence[Vectors]) -> NDArray[np.float32]:
    """Put the views of the same images side by side, (n, sum of d), unit rows.

    Raises
    ------
    ValueError
        There is no view, or they are of different images.
    """
    # No copy where there is nothing to join.
    _check_views(views)
    if len(views) == 1:
        return views[0].values
    return _put_side_by_side([view.values for view in views])


def _check_views(views: Sequence[Vectors]) -> None:
    if not views:
        raise ValueError("a space needs one view or more")
    if any(not np.array_equal(views[0].ids, view.ids) for view in views[1:]):
        raise ValueError("the views are of different images, or in another order")


def _split_blocks(views: Sequence[Vectors]) -> Iterator[NDArray[np.float32]]:
    """Yield each block of each view, (n, its length)."""
    for view in views:
        # An extractor says where its blocks end; most have one.
        bounds = np.cumsum([0, *vector_blocks(view.spec)])
        for start, stop in itertools.pairwise(bounds.tolist()):
            yield view.values[:, start:stop]


def _put_side_by_side(blocks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    if len(blocks) == 1:
        return blocks[0]
    share = np.float32(1 / np.sqrt(len(blocks)))  # unit blocks: the joined rows are unit again
    return np.concatenate(blocks, axis=1) * share
