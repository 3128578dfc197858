"""The eight ways up of a picture, and the same vector for all of them."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from embeddings.records import unit_rows

Batch = NDArray[np.float32]


def turn_pictures(batch: Batch, orientations: int) -> Iterator[Batch]:
    """Yield pictures as they are, or in all orientations: four quarter turns, each mirrored too.

    Parameters
    ----------
    batch : (..., h, w)
        A quarter turn swaps h and w.
    orientations : {1, 8}
    """
    for number in range(orientations):
        turned = np.rot90(batch, number % 4, axes=(-2, -1))
        yield np.ascontiguousarray(turned[..., ::-1] if number >= 4 else turned)


def embed_turned(
    embed: Callable[[Batch], NDArray[np.float32]], batch: Batch, orientations: int
) -> NDArray[np.float32]:
    """Return the mean over the orientations of what `embed` makes of a batch, as unit rows.

    Parameters
    ----------
    embed : callable
        (b, c, h, w) pictures to (b, d) unit rows.
    batch : (b, c, h, w) float32
    orientations : {1, 8}
        With 8 a picture gets the same vector whichever way up it lies, but for rounding.
    """
    if orientations == 1:
        return embed(batch)
    total = sum(embed(turned).astype(np.float64) for turned in turn_pictures(batch, orientations))
    return unit_rows(np.asarray(total))
