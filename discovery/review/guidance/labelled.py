"""What is decided so far, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from discovery.review.guidance.copies import Places


def _make_none() -> Places:
    return np.empty(0, np.intp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """The labels of n images, and how they came.

    Attributes
    ----------
    codes : (n,) int32
        The type each image bears, -1 for none.
    seen : (n,) bool
        A person looked at the image and gave or confirmed its label.
    proposals : (n,) int32
        The proposal each image is in, -1 for none.
    accepted : (q,) int32
        The type each proposal was accepted as, -1 for those that were not.
    n_types : int
    excluded : sequence of (e,) intp
        For each type the images that a person said are not of it.
    aside : (a,) intp
        Images that stay without a label on purpose.
    copies : (n,) int32 or None
        Group of near copies, -1 without. One of a copy that a person saw counts as settled where
        both bear the same label, though nobody looked at it itself.
    """

    codes: NDArray[np.int32]
    seen: NDArray[np.bool_]
    proposals: NDArray[np.int32]
    accepted: NDArray[np.int32]
    n_types: int
    excluded: Sequence[Places] = field(default=(), repr=False)
    aside: Places = field(default_factory=_make_none, repr=False)
    copies: NDArray[np.int32] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        n = len(self.codes)
        if self.seen.shape != (n,) or self.proposals.shape != (n,):
            raise ValueError("codes, seen and proposals are of different numbers of images")
        if self.proposals.max(initial=-1) >= len(self.accepted):
            raise ValueError("an image is in a proposal that nothing is said of")
        if self.excluded and len(self.excluded) != self.n_types:
            raise ValueError(f"excluded names {len(self.excluded)} of {self.n_types} types")

    @property
    def is_seen(self) -> NDArray[np.bool_]:
        """Images with a label that a person gave or confirmed one by one, (n,)."""
        return np.asarray(self.seen & (self.codes >= 0))

    @property
    def is_open(self) -> NDArray[np.bool_]:
        """Images that wait for a decision: neither seen, nor a copy of one, nor set aside, (n,)."""
        is_open = ~self.is_seen
        if self.copies is not None:
            is_open &= ~_find_vouched(self.codes, self.is_seen, self.copies)
        is_open[self.aside] = False
        return is_open

    @property
    def hinted(self) -> NDArray[np.int32]:
        """The type that each open image has from its accepted proposal alone, -1 for none, (n,)."""
        inside = self.is_open & (self.proposals >= 0)
        hinted = np.full(len(self.codes), -1, np.int32)
        hinted[inside] = self.accepted[self.proposals[inside]]
        for code, images in enumerate(self.excluded):
            hinted[images[hinted[images] == code]] = -1
        return hinted

    def forbid(self) -> NDArray[np.bool_]:
        """Say which image can be of which type, (n, k): True where a person said it is not."""
        forbidden = np.zeros((len(self.codes), self.n_types), np.bool_)
        for code, images in enumerate(self.excluded):
            forbidden[images, code] = True
        return forbidden


def _find_vouched(
    codes: NDArray[np.int32], is_seen: NDArray[np.bool_], copies: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Say which images bear the label of a near copy that a person saw."""
    width = int(codes.max(initial=0)) + 1
    keys = copies.astype(np.int64) * width + codes  # one for each group and type
    known = np.unique(keys[is_seen & (copies >= 0)])
    inside = (copies >= 0) & (codes >= 0)
    return np.asarray(inside & np.isin(keys, known))
