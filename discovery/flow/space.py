"""The spaces a round works in, and how new images come into them.

    space = fit_space([vectors], seed=0)
    space.rows               # (n, p) of the images it was fitted on
    space.place([new])       # (m, p) of new ones, in the same axes

A view is one way to see the images: the vectors of one extractor. Several views of the same
images, in the same order, are joined side by side, each weighing the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.flow.settings import GRAPH_WHITEN, find_dimensions
from discovery.stages.reduce import PCAReducer
from embeddings.records import Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Reduced rows, and the axes they lie along.

    Attributes
    ----------
    rows : (n, p) float32, unit rows
        Of the images the space was fitted on.
    reducer : PCAReducer
        Fitted.
    """

    rows: NDArray[np.float32]
    reducer: PCAReducer

    def place(self, views: Sequence[Vectors]) -> NDArray[np.float32]:
        """Bring new images into the space, (m, p), unit rows.

        Parameters
        ----------
        views : sequence of Vectors
            As many as the space was fitted on, of the same extractors, in the same order.
        """
        return self.reducer.transform(join_views(views))


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
        By default as many as n images bear.
    whiten : float
        As in `PCAReducer`.
    """
    joined = join_views(views)
    wanted = find_dimensions(len(joined)) if dimensions is None else dimensions
    reducer = PCAReducer(wanted, whiten=whiten, random_state=seed)
    return Space(rows=reducer.fit_transform(joined), reducer=reducer)


def join_views(views: Sequence[Vectors]) -> NDArray[np.float32]:
    """Put the views of the same images side by side, (n, sum of d), unit rows.

    Raises
    ------
    ValueError
        There is no view, or they are of different images.
    """
    if not views:
        raise ValueError("a space needs one view or more")
    first = views[0]
    if any(not np.array_equal(first.ids, view.ids) for view in views[1:]):
        raise ValueError("the views are of different images, or in another order")
    if len(views) == 1:
        return first.values
    share = np.float32(1 / np.sqrt(len(views)))  # unit blocks: the joined rows are unit again
    return np.concatenate([view.values for view in views], axis=1) * share
