"""Near copies shown as one, and the order in which a screen shows its images."""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage

Places = NDArray[np.intp]


def fold_copies(images: Places, copies: NDArray[np.int32]) -> tuple[Places, dict[int, Places]]:
    """Keep the first image of each group of near copies.

    Parameters
    ----------
    images : (m,) intp
        Their order is kept.
    copies : (n,) int32
        The group of each of n images, -1 for an image without a copy.

    Returns
    -------
    (q,) intp
        Of each group the image that comes first.
    dict of int to (c,) intp
        For a kept image the others of `images` that it stands for; none where there are none.
    """
    groups = copies[images]
    single = groups < 0
    # An image without a copy is a group of its own.
    keys = np.where(single, -1 - np.arange(len(images)), groups)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    is_kept = np.zeros(len(images), np.bool_)
    is_kept[first] = True
    folded: dict[int, list[int]] = {}
    for place in np.flatnonzero(~is_kept).tolist():
        keeper = int(images[first[inverse[place]]])
        folded.setdefault(keeper, []).append(int(images[place]))
    return images[is_kept], {one: np.array(of, np.intp) for one, of in folded.items()}


def arrange_alike(rows: NDArray[np.float32], images: Places) -> Places:
    """Put images that look alike side by side: what differs then stands in runs.

    A run is marked by its first and its last image, however long it is.

    Parameters
    ----------
    rows : (n, d)
    images : (m,) intp
        A screen of them: the time grows with the square of m.
    """
    if len(images) < 3:
        return images
    tree = linkage(rows[images].astype(np.float64), "average", optimal_ordering=True)
    order: Places = leaves_list(tree)
    return images[order]
