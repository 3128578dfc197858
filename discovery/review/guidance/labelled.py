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
    """

    codes: NDArray[np.int32]
    seen: NDArray[np.bool_]
    proposals: NDArray[np.int32]
    accepted: NDArray[np.int32]
    n_types: int
    excluded: Sequence[Places] = field(default=(), repr=False)
    aside: Places = field(default_factory=_make_none, repr=False)

    def __post_init__(self) -> None:
        n = len(self.codes)
        if self.seen.shape != (n,) or self.proposals.shape != (n,):
            raise ValueError("codes, seen and proposals are of different numbers of images")
        if self.proposals.max(initial=-1) >= len(self.accepted):
            raise ValueError("an image is in a proposal that nothing is said of")
        if self.excluded and len(self.excluded) != self.n_types:
            raise ValueError(f"excluded names {len(self.excluded)} of {self.n_types} types")

    @property
    def is_open(self) -> NDArray[np.bool_]:
        """Images that no person has decided on, one by one, (n,)."""
        is_open = ~(self.seen & (self.codes >= 0))
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
