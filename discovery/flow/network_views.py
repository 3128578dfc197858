"""Views that only a network has, and the stores of a run that are of none."""

from collections.abc import Iterable
from pathlib import Path

from discovery.flow.options import ViewName, list_network_views
from embeddings.errors import OptionError
from embeddings.extractors import find_extractor
from embeddings.extractors.standout import NAME as STANDOUT
from embeddings.store import open_store, store_exists


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
