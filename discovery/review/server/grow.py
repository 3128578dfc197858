"""The methods of growing a type: a search through the images that it may still win.

A search is kept by the server, as its ranking must stay the same from page to page while others
decide; each answer makes a new one, so that going back needs nothing. The client holds its name.
"""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from discovery.review.guidance import GrowSearch, Growth
from discovery.review.server.answers import Answer
from discovery.review.server.arguments import choice, positions, text
from discovery.review.server.method import Method
from discovery.review.state import Places
from embeddings.errors import OptionError

if TYPE_CHECKING:
    from discovery.review.server.context import ApiContext

_REMEMBERED = 200  # searches; the steps of one share their ranking


def _no_images() -> Places:
    return np.empty(0, np.intp)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Growing:
    """A search as far as it came.

    Attributes
    ----------
    label : str
    growth : Growth
        What is searched, nearest first.
    search : GrowSearch
    shown : (m,) intp
        Images of the pages that belonged to the type.
    thrown : (t,) intp
        Those a person said are not of it.
    """

    label: str
    growth: Growth
    search: GrowSearch
    shown: Places = field(default_factory=_no_images)
    thrown: Places = field(default_factory=_no_images)

    @property
    def page(self) -> Places:
        """The images to look at."""
        return self.growth.images[self.search.start : self.search.stop]

    @property
    def taken(self) -> Places:
        """The images that belong, by what is known so far."""
        return self.growth.images[: self.search.take]

    def answer(self, *, pure: bool, thrown: NDArray[np.intp]) -> "Growing":
        """Return the search after a person looked at its page."""
        page = self.page
        if not np.isin(thrown, page).all():
            raise OptionError("thrown: not all are images of this page")
        return replace(
            self,
            search=self.search.answer(pure),
            shown=np.concatenate([self.shown, page]) if pure else self.shown,
            thrown=np.union1d(self.thrown, thrown),
        )


class Searches:
    """The searches of one server, by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Growing] = OrderedDict()

    def keep(self, growing: Growing) -> str:
        """Keep a search, and return its name."""
        name = secrets.token_hex(8)
        with self._lock:
            self._kept[name] = growing
            while len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)
        return name

    def find(self, name: str, label: str) -> Growing:
        """Return a search of a type.

        Raises
        ------
        OptionError
            It is not known, or of another type.
        """
        with self._lock:
            found = self._kept.get(name)
        if found is None or found.label != label:
            raise OptionError(f"this search for {label!r} is not known any more: begin it again")
        return found


def search_growth(
    context: "ApiContext", *, label: str, cursor: str | None, answer: str | None, thrown: Any
) -> Answer:
    """Begin a search, or answer its page, and show the next.

    Parameters
    ----------
    label : str
    cursor : str or None
        The search as the last answer named it; None begins one.
    answer : {"pure", "impure"} or None
        *pure*: the page belongs to the type, but for what was thrown out; *impure*: it does not.
    thrown : (t,) ints
        Images of the page that a person said are not of the type.
    """
    if cursor is None:
        growth, search = context.advisor.grow(label)
        growing = Growing(label=label, growth=growth, search=search)
    else:
        growing = context.searches.find(cursor, label)
        if answer is not None:
            if growing.search.done:
                raise OptionError("this search has ended: take what it found, or begin it again")
            growing = growing.answer(pure=answer == "pure", thrown=np.asarray(thrown, np.intp))
    search = growing.search
    return Answer(
        json={
            "cursor": context.searches.keep(growing),
            "images": growing.page.tolist(),
            "from": search.start,
            "to": search.stop,
            "of": search.of,
            "done": search.done,
            "take": len(np.setdiff1d(growing.taken, growing.thrown)),
        }
    )


def commit_growth(
    context: "ApiContext", asked: dict[str, Any], *, label: str, cursor: str, thrown: Any
) -> None:
    """Give the type what a search found: what was shown as a person's, the rest as a group."""
    growing = context.searches.find(cursor, label)
    out = np.union1d(growing.thrown, np.asarray(thrown, np.intp)).astype(np.intp)
    taken = growing.taken
    reach = growing.growth.distances[: len(taken)]
    asked.setdefault(
        "selection",
        {
            "kind": "grow",
            "label": label,
            "distance": float(reach[-1]) if len(reach) else None,
            "shown": len(growing.shown),
            "of": growing.search.of,
        },
    )
    context.review.grow(label, taken=taken, shown=growing.shown, thrown=out, **asked)


METHODS = {
    "grow": Method(
        run=search_growth,
        arguments={
            "label": text(),
            "cursor": text(default=None),
            "answer": choice("pure", "impure", default=None),
            "thrown": positions(default=()),
        },
        pool="slow",
    )
}
