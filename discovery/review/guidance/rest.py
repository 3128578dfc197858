"""The end: how many labels are right, and what the images get that nobody looked at."""

import numpy as np
from numpy.typing import NDArray

from discovery.review.guidance.copies import Places
from discovery.review.guidance.judge import Judge
from discovery.review.guidance.labelled import Labelled


def expected_right(judge: Judge, labelled: Labelled, *, after_rest: bool = False) -> float:
    """Return the share of all images whose label is probably right, as a person would count them.

    What a person saw counts as right, what has no label as wrong, and the others by the judge's
    held-out answers. Images that stay without a label on purpose are not counted.

    Parameters
    ----------
    judge : Judge
    labelled : Labelled
        What the judge was fitted on.
    after_rest : bool
        As it would be with `label_rest` done.
    """
    counted = np.ones(len(labelled.codes), np.bool_)
    counted[labelled.aside] = False
    if not counted.any():
        return 1.0
    right = _estimate(judge, labelled, labelled.codes)
    if after_rest:
        is_open = labelled.is_open
        right[is_open] = judge.right[is_open]
    return float(right[counted].mean())


def label_rest(judge: Judge, labelled: Labelled) -> dict[int, Places]:
    """Return what each type gets of the images that no person looked at.

    Where the judge agrees with the label that an image bears it is not named. No image goes to a
    type it was excluded from; one that was excluded from all of them goes nowhere.

    Returns
    -------
    dict of int to (m,) intp
        Images by code, ascending; types that get none are left out.
    """
    forbidden = labelled.forbid()
    allowed = ~forbidden[np.arange(len(forbidden)), judge.likely]
    changes = labelled.is_open & allowed & (judge.likely != labelled.codes)
    wanted = np.where(changes, judge.likely, -1)
    codes = np.unique(wanted[wanted >= 0]).tolist()
    return {int(code): np.flatnonzero(wanted == code) for code in codes}


def _estimate(judge: Judge, labelled: Labelled, codes: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return how probably each image's label is right, (n,)."""
    spread = np.float32(max(labelled.n_types - 1, 1))
    # What is not the likely type is one of the others, nobody knows which.
    right = np.where(codes == judge.likely, judge.right, (1 - judge.right) / spread)
    right[codes < 0] = 0
    right[~labelled.is_open] = 1
    return right.astype(np.float32)
