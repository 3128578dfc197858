"""How far a type reaches down a ranking, asked in few pages: gallop, then bisect."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowSearch:
    """A cursor over the pages of a ranking, nearest first; `answer` gives the next one.

    While pages are pure it jumps on by 1, 2, 4, 8 pages; from the first impure page on it bisects.
    Of p pages that belong to the type it shows about 2 log2 p. It rests on the ranking: where
    pages beyond an impure one are pure again they are not found.

    Attributes
    ----------
    of : int
        Images in the ranking.
    size : int
        Images a page.
    pure : int
        All pages before this one are taken to belong.
    impure : int
        The first page that is known not to, or the number of pages.
    page : int
        The page to look at; no page once `done`.
    step : int
        How far the next jump goes; 0 from the first impure page on.
    """

    of: int
    size: int = 60
    pure: int = 0
    impure: int = -1
    page: int = 0
    step: int = 1

    def __post_init__(self) -> None:
        if self.of < 0 or self.size < 1:
            raise ValueError(f"{self.of} images in pages of {self.size}")
        if self.impure < 0:
            object.__setattr__(self, "impure", self.pages)
        inside = 0 <= self.pure <= self.impure <= self.pages and self.step >= 0
        if not inside or not (self.done or self.pure <= self.page < self.impure):
            raise ValueError("the cursor points beside its pages")

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return math.ceil(self.of / self.size)

    @property
    def done(self) -> bool:
        """Whether no page is left to look at."""
        return self.pure >= self.impure

    @property
    def start(self) -> int:
        """Place in the ranking of the page's first image."""
        return min(self.page * self.size, self.of)

    @property
    def stop(self) -> int:
        """Place behind the page's last image; as `start` once the search is done."""
        return self.start if self.done else min(self.start + self.size, self.of)

    @property
    def take(self) -> int:
        """How many images from the front belong, by what is known so far."""
        return min(self.pure * self.size, self.of)

    def answer(self, pure: bool) -> "GrowSearch":
        """Return the cursor after a person looked at the page.

        Parameters
        ----------
        pure : bool
            All of the page belongs, but for what was thrown out of it one by one.

        Raises
        ------
        ValueError
            The search is done.
        """
        if self.done:
            raise ValueError("the search is done: there is no page to answer for")
        if not pure:
            return self._bisect(self.pure, self.page)
        if self.step == 0:
            return self._bisect(self.page + 1, self.impure)
        page = min(self.page + self.step, self.pages - 1)
        return replace(self, pure=self.page + 1, page=page, step=2 * self.step)

    def _bisect(self, pure: int, impure: int) -> "GrowSearch":
        return replace(self, pure=pure, impure=impure, page=(pure + impure) // 2, step=0)
