"""The stores that each view is made of: where they lie in the run, and how they are extracted."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from discovery.flow.options import ViewName, list_network_views
from discovery.runs import VIEWS_FOLDER
from embeddings.errors import OptionError
from embeddings.extract import ExtractOptions
from embeddings.extractors import NETWORK_OPTIONS, find_extractor
from embeddings.extractors.standout import NAME as STANDOUT
from embeddings.records import View
from embeddings.store import open_store, store_exists

_MAP_VIEWS: tuple[View, ...] = ("map", "polar")
# A mirrored defect is of another type now and then, and four more directions were no better.
_TURNS: Final = 4


def list_view_stores(name: ViewName, given: ExtractOptions) -> dict[str, ExtractOptions]:
    """Return the stores of a view, by their places in the run's folder, and how each is made."""
    if name == "given":
        return {"store": given}
    if name == "maps":
        return {f"{VIEWS_FOLDER}/{view}": replace(given, view=view) for view in _MAP_VIEWS}
    nothing: dict[str, Any] = dict.fromkeys(NETWORK_OPTIONS | {"size", "resize"})
    numbers = {f"{VIEWS_FOLDER}/{STANDOUT}": replace(given, extractor=STANDOUT, **nothing)}
    if name == "numbers":
        return {"store": given} | numbers
    if name == "highlight":
        alone = {f"{VIEWS_FOLDER}/highlight": replace(given, view="highlight")}
        return {"store": given} | alone | numbers
    if name == "turned":
        return {f"{VIEWS_FOLDER}/turned": replace(given, turns=_TURNS)}
    return {f"{VIEWS_FOLDER}/defect": replace(given, pooling="defect", layers=None)}


def refuse_other_stores(places: Iterable[Path], views: Iterable[ViewName]) -> None:
    """Refuse views that need a network beside what another extractor left in a run's stores.

    Parameters
    ----------
    places : iterable of Path
        The stores of all views that are asked for; they need not be there yet.

    Raises
    ------
    OptionError
        One holds vectors of no network. It wins over what is asked for now.
    """
    asked = list_network_views(views)
    for place in places if asked else ():
        if place.name == STANDOUT or not store_exists(place):
            continue  # numbers are of no network in any view
        name = open_store(place).spec.name
        if not find_extractor(name).is_network:
            raise OptionError(
                f"--views {' '.join(asked)}: {place} holds vectors of {name}, which is no "
                "network: give another --out"
            )
