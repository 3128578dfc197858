"""Validate: the members of a proposal in the order in which a person should see them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.review.guidance.copies import Places, fold_copies

# Of a screen that cannot hold all: the rest is spread over the others, as a sample of them.
AGAINST = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A proposal's members for a screen.

    Attributes
    ----------
    images : (m,) intp
        What to show, those first that speak most against the proposal.
    folded : dict of int to (c,) intp
        The near copies that an image stands for, in the proposal.
    of : int
        How many members there are in all, copies folded; m are shown.
    """

    images: Places
    folded: dict[int, Places]
    of: int


def order_members(
    rows: NDArray[np.float32],
    members: Places,
    *,
    prototypes: Places,
    copies: NDArray[np.int32],
    limit: int = 60,
) -> Order:
    """Put the members first that are least like the prototypes; fold near copies.

    Where not all fit, half of the screen is the most extreme ones. The other half is spread evenly
    over what is left, from far to near: a screen of extremes alone says nothing of the rest, and
    its majority may be another type than the proposal's.

    Parameters
    ----------
    rows : (n, d) unit rows
    members : (m,) intp
    prototypes : (p,) intp
        None: the members' own mean stands for them.
    copies : (n,) int32
        Group of near copies, -1 without.
    limit : int
        Images at most.
    """
    against = -_measure_likeness(rows, members, prototypes)
    order = members[np.lexsort((members, -against))]
    kept, folded = fold_copies(order, copies)
    if len(kept) > limit:
        first = round(AGAINST * limit)
        spread = np.linspace(first, len(kept) - 1, limit - first).round().astype(np.intp)
        shown = np.concatenate([kept[:first], kept[spread]])
    else:
        shown = kept
    there = set(shown.tolist())
    stands_for = {one: of for one, of in folded.items() if one in there}
    return Order(images=shown, folded=stands_for, of=len(kept))


def _measure_likeness(
    rows: NDArray[np.float32], images: Places, prototypes: Places
) -> NDArray[np.float32]:
    """Return how alike images are to the nearest prototype, (m,)."""
    if not len(images):  # nothing is left of the proposal, and nothing has no mean
        return np.zeros(0, np.float32)
    if not len(prototypes):
        return np.asarray(rows[images] @ rows[images].mean(axis=0))
    return np.asarray((rows[images] @ rows[prototypes].T).max(axis=1))
