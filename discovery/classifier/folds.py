"""Which images are held out together, so that networks that have not learned them vouch for all."""

import numpy as np
from numpy.typing import NDArray

# Four fifths teach nearly what all do, and six trainings are still quick.
FOLDS = 5


def assign_folds(
    labels: NDArray[np.str_], *, count: int, seed: int, groups: NDArray[np.str_] | None = None
) -> NDArray[np.int32]:
    """Give each image a fold 0 to count - 1, each label spread evenly over them.

    Parameters
    ----------
    labels : (n,) array of str
    groups : (n,) array of str, optional
        Images of one group (copies of a file, crops of one picture) share a fold: a copy must
        not vouch for itself.

    Returns
    -------
    (n,) int32
        -1 for the only group of a label: it is always learned, and nothing vouches for it.

    Notes
    -----
    A group of several labels (tiles of one picture) is spread as its first image's label.
    """
    rng = np.random.default_rng(seed)
    # Without groups each image is its own; `first` is where each group begins, (g,).
    names = np.arange(len(labels)).astype(np.str_) if groups is None else groups
    _, first, which = np.unique(names, return_index=True, return_inverse=True)
    of_group = np.full(len(first), -1, np.int32)
    start = 0  # where the last label stopped: small labels do not all fall into the first folds
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels[first] == label))
        if len(members) > 1:
            of_group[members] = (start + np.arange(len(members))) % count
            start += len(members)
    # A group of several labels may have taken the only other image of one of them.
    single = find_single_fold(labels, of_group[which])
    of_group[which[single]] = -1
    folds: NDArray[np.int32] = of_group[which]
    return folds


def find_single_fold(labels: NDArray[np.str_], folds: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell which images' label (n,) is in one fold only: held out, it would not be learned."""
    _, code = np.unique(labels, return_inverse=True)
    pairs = np.unique(np.stack([code, folds], axis=1), axis=0)  # (pairs of label and fold, 2)
    single = np.bincount(pairs[:, 0]) == 1
    return np.asarray(single[code] & (folds >= 0), np.bool_)


def divide_images(
    labels: NDArray[np.str_],
    weights: NDArray[np.float32],
    *,
    seed: int,
    groups: NDArray[np.str_] | None = None,
    folds: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """Give each image a fold, or take the folds that are given, as far as they can be held out.

    Returns
    -------
    (n,) int32
        -1 for images of weight 0, which are left out, and for those whose label no other fold has.

    Raises
    ------
    ValueError
        There is not one fold a label.
    """
    divided = np.full(len(labels), -1, np.int32)
    weighted = np.flatnonzero(weights > 0)
    if folds is None:
        inside = None if groups is None else np.asarray(groups)[weighted]
        divided[weighted] = assign_folds(labels[weighted], count=FOLDS, seed=seed, groups=inside)
        return divided
    if folds.shape != labels.shape:
        raise ValueError(f"folds {folds.shape} for {len(labels)} labels")
    # Given folds are kept, but for labels that would be held out whole: nothing would teach them.
    divided[weighted] = folds[weighted]
    divided[weighted[find_single_fold(labels[weighted], folds[weighted])]] = -1
    return divided
