"""Read the pictures of examples or of a source: faults told, windows fixed, views kept at hand.

Every picture is decoded once before anything is learnt, so that what cannot be read, or does not
fit its boxes, is known at the start and not an hour later.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from discovery.detector.boxes import Boxes
from discovery.detector.records import Example, Place, Unreadable
from discovery.detector.views import GreyWindows, View, read_view, stream_views
from embeddings.console import track
from embeddings.errors import ImageError, TableError

_HELD_BYTES = 2_000_000_000  # of prepared pictures; the others are decoded anew each time
_SLACK = 1.0  # pixels that a box may reach beyond its picture: rounding, cut off


class Views(Sequence[View]):
    """The prepared pictures of places; held in memory as far as 2 GB reach."""

    def __init__(self, places: Sequence[Place], windows: GreyWindows) -> None:
        self.places = tuple(places)
        self._windows = windows
        self._held: dict[Place, View] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        place = self.places[index]
        if place in self._held:
            return self._held[place]
        view = read_view(place, self._windows)
        self.hold(place, view)
        return view

    def hold(self, place: Place, view: View) -> None:
        """Keep a view at hand, where there is room."""
        if self._bytes + view.nbytes <= _HELD_BYTES:
            self._held[place] = view
            self._bytes += view.nbytes

    def keep(self, places: Sequence[Place]) -> "Views":
        """Return the views of some of the places, without reading them again."""
        kept = Views(places, self._windows)
        kept._held = {place: self._held[place] for place in places if place in self._held}
        kept._bytes = sum(view.nbytes for view in kept._held.values())
        return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The examples whose pictures can be used, in order, and why the others cannot."""

    items: tuple[Example, ...]
    views: Views
    faults: tuple[Unreadable, ...]


def gather_pictures(items: Sequence[Example], windows: GreyWindows) -> Gathered:
    """Read every picture once, and check that its boxes lie inside.

    Raises
    ------
    TableError
        A box lies outside of its picture by more than a pixel.
    """
    usable: list[Example] = []
    faults: list[Unreadable] = []
    views = Views([item.place for item in items], windows)
    for item, view in track(_read_items(items, windows), total=len(items), what="pictures"):
        if isinstance(view, str):
            faults.append(Unreadable(path=item.place.path, reason=view))
        else:
            usable.append(replace(item, boxes=_fit_inside(item, view)))
            views.hold(item.place, view)
    kept = views.keep([item.place for item in usable])
    return Gathered(items=tuple(usable), views=kept, faults=tuple(faults))


def _read_items(
    items: Sequence[Example], windows: GreyWindows
) -> Iterator[tuple[Example, View | str]]:
    """Yield each example with its view, or why there is none; a file is opened once."""
    for _, group in groupby(items, key=lambda item: item.place.path):
        waiting = {item.place: item for item in group}
        try:
            for place, _, view in stream_views(tuple(waiting), windows):
                yield waiting.pop(place), view
        except ImageError as error:
            for item in waiting.values():
                yield item, str(error)


def _fit_inside(item: Example, view: View) -> Boxes:
    """Cut off what rounding let stick out."""
    height, width = view.shape[1:]
    edges, most = item.boxes.edges, np.array([width, height, width, height], np.float32)
    outside = ((edges < -_SLACK) | (edges > most + _SLACK)).any(axis=1)
    if outside.any():
        told = ",".join(f"{v:g}" for v in edges[outside][0])
        raise TableError(
            f"{item.place.path}: the box {told} lies outside of the {width}x{height} picture; "
            "expected xmin,ymin,xmax,ymax in pixels of this picture"
        )
    return Boxes(edges=np.clip(edges, 0, most), labels=item.boxes.labels, scores=item.boxes.scores)
