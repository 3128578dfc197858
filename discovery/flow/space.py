"""The spaces a round works in, and how new images come into them.

    space = fit_space([vectors], seed=0)
    space.rows               # (n, p) of the images it was fitted on
    space.place([new])       # (m, p) of new ones, in the same axes

A view is one way to see the images: the vectors of one extractor. Its blocks (`ExtractorSpec`)
are of different kinds. Each block of each view is reduced by itself, and they are put side by
side, each weighing the same: in the principal axes of all together the strongest would drown the
others.

Where numbers of what stands out are among the views (`embeddings.extractors.standout`), they and
the network's look at what stands out weigh more than its look at the whole picture; beside that
alone, the numbers weigh a third of it. Where there are all three, images
in which nothing stands out all get one row, apart from all others, and the axes are those of the
rest: what a network sees in an image without a defect is its background.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from discovery.estimators.pca import PCAReducer
from discovery.estimators.standout import NumbersReducer
from discovery.flow.settings import GRAPH_WHITEN, MIN_IMAGES, choose_dimensions
from embeddings.extractors import vector_blocks
from embeddings.extractors.standout import NAME as STANDOUT
from embeddings.extractors.standout import find_found, read_numbers
from embeddings.large_values import Values, join_columns, select, take_columns
from embeddings.records import Vectors, unit_rows

_HIGHLIGHT_WEIGHT, _NUMBERS_WEIGHT = 3.0, 3.0  # beside 1 of the whole picture; see docs/log.md
_PICTURE_WEIGHT = 3.0  # beside 1 of the numbers alone
JOINED = "joined"  # in the place of an extractor's name, where vectors are of several


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Reduced rows, and the axes they lie along.

    Attributes
    ----------
    rows : (n, p) float32, unit rows
        Of the images the space was fitted on.
    reducers : tuple of PCAReducer or NumbersReducer
        Fitted, one a block.
    """

    rows: NDArray[np.float32]
    reducers: tuple[PCAReducer | NumbersReducer, ...]

    def place(self, views: Sequence[Vectors]) -> NDArray[np.float32]:
        """Bring new images into the space, (m, p), unit rows.

        Parameters
        ----------
        views : sequence of Vectors
            As many as the space was fitted on, of the same extractors, in the same order.
        """
        pairs = zip(self.reducers, _split_blocks(views), strict=True)
        rows = [reducer.transform(block) for reducer, block in pairs]
        return _set_apart(_put_side_by_side(rows, _weigh_blocks(views)), views)


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
        Of each block; by default as many as n images bear. Never more than those bear in which
        something stands out, where these alone are looked at.
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
    used = find_standing_out(views) if _looks_alone(views) else None
    if used is not None and np.count_nonzero(used) < MIN_IMAGES:
        used = None  # too few to find axes of
    if used is not None:
        wanted = min(wanted, choose_dimensions(int(np.count_nonzero(used))))
    reducers: list[PCAReducer | NumbersReducer] = []
    rows = []
    for view, block in zip(_repeat_views(views), _split_blocks(views), strict=True):
        reducer: PCAReducer | NumbersReducer = PCAReducer(wanted, whiten=whiten, random_state=seed)
        if view.spec.name == STANDOUT:
            # Beside the whole picture alone all that they say counts as it is.
            reducer = NumbersReducer(whiten=whiten if _looks_alone(views) else 0.0, seed=seed)
        reducer.fit(block if used is None else select(block, used))
        rows.append(reducer.transform(block))
        reducers.append(reducer)
    joined = _put_side_by_side(rows, _weigh_blocks(views))
    return Space(rows=_set_apart(joined, views), reducers=tuple(reducers))


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


def join_views(views: Sequence[Vectors]) -> Values:
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
    return join_columns([view.values for view in views], _put_side_by_side)


def _check_views(views: Sequence[Vectors]) -> None:
    if not views:
        raise ValueError("a space needs one view or more")
    if any(not np.array_equal(views[0].ids, view.ids) for view in views[1:]):
        raise ValueError("the views are of different images, or in another order")


def _split_blocks(views: Sequence[Vectors]) -> Iterator[Values]:
    """Yield each block of each view, (n, its length)."""
    for view in views:
        if view.spec.name == STANDOUT:
            yield read_numbers(np.asarray(view.values))
            continue
        # An extractor says where its blocks end; most have one.
        bounds = np.cumsum([0, *vector_blocks(view.spec)])
        for start, stop in itertools.pairwise(bounds.tolist()):
            yield take_columns(view.values, start, stop)


def _repeat_views(views: Sequence[Vectors]) -> Iterator[Vectors]:
    """Yield the view of each block."""
    for view in views:
        yield from itertools.repeat(view, len(vector_blocks(view.spec)))


def _weigh_blocks(views: Sequence[Vectors]) -> list[float]:
    """Return what each block weighs: all the same, but where it is known what stands out."""
    weights = {"numbers": 1.0, "highlight": 1.0, "picture": 1.0}
    if _looks_alone(views):
        weights |= {"numbers": _NUMBERS_WEIGHT, "highlight": _HIGHLIGHT_WEIGHT}
    elif _find_numbers(views):
        weights |= {"picture": _PICTURE_WEIGHT}
    kinds = ["numbers" if v.spec.name == STANDOUT else v.spec.view for v in _repeat_views(views)]
    return [weights.get(kind, 1.0) for kind in kinds]


def _find_numbers(views: Sequence[Vectors]) -> Vectors | None:
    """Return the numbers of what stands out, where they are joined with something."""
    found = [view for view in views if view.spec.name == STANDOUT]
    return found[0] if found and len(views) > 1 else None


def _looks_alone(views: Sequence[Vectors]) -> bool:
    """Tell whether what stands out is looked at alone, and known in numbers."""
    is_shown = any(view.spec.view == "highlight" for view in views)
    return is_shown and _find_numbers(views) is not None


def find_standing_out(views: Sequence[Vectors]) -> NDArray[np.bool_] | None:
    """Return in which images something stands out, (n,); None where no view tells it."""
    numbers = _find_numbers(views)
    return None if numbers is None else find_found(read_numbers(np.asarray(numbers.values)))


def _set_apart(rows: NDArray[np.float32], views: Sequence[Vectors]) -> NDArray[np.float32]:
    """Give all images in which nothing stands out one row, farther from the rest than any is."""
    stands_out = find_standing_out(views)
    if stands_out is None:
        return rows
    if not _looks_alone(views):
        return unit_rows(rows)  # of images of which the numbers say nothing, too
    # Two rows of the rest are at 60 degrees or less where they are alike at all, these at 120.
    rest = np.concatenate([rows * np.float32(np.sqrt(0.75)), np.full((len(rows), 1), 0.5)], axis=1)
    lone = np.zeros((1, rest.shape[1]))
    lone[0, -1] = -1
    return np.where(stands_out[:, None], rest, lone).astype(np.float32)


def _put_side_by_side(
    blocks: Sequence[NDArray[np.float32]], weights: Sequence[float] | None = None
) -> NDArray[np.float32]:
    if len(blocks) == 1:
        return blocks[0]
    weights = [1.0] * len(blocks) if weights is None else weights
    total = sum(weights)
    # Unit blocks: the joined rows are unit again.
    shares = [np.float32(1 / np.sqrt(total / weight)) for weight in weights]
    return np.concatenate([b * s for b, s in zip(blocks, shares, strict=True)], axis=1)
