"""How a round looks at its images: the views it may take.

A view is one extractor, or several joined. *given* is what the options of extraction say. *maps*
shows wafer maps as maps twice: without lone bad dies, and as density by radius and angle. *defect*
weighs places by how unlike the other images they are. Views live side by side: the given one in
RUN/store, the stores of the others in RUN/views.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from discovery.flow.options import RoundOptions, ViewName
from discovery.flow.sources import RoundSource, extract_view, join_sources
from discovery.runs import VIEWS
from embeddings.console import get_logger
from embeddings.errors import ImageError, OptionError
from embeddings.extract import ExtractOptions
from embeddings.files import parse_csv
from embeddings.images import is_wafer_map, read_pictures
from embeddings.records import View
from embeddings.store import store_exists

_LOOKS: tuple[View, ...] = ("map", "polar")
_SAMPLE = 32  # pictures that are looked at
_MOSTLY = 0.9  # of them


def open_views(
    source: Path, run: Path, given: RoundSource, *, options: RoundOptions
) -> dict[ViewName, RoundSource]:
    """Extract the views that the options ask for.

    Parameters
    ----------
    given : RoundSource
        The view that the options of extraction describe.

    Raises
    ------
    OptionError
        A view is asked for that this source cannot have.
    DefectDiscoveryError
        As `extract_vectors`.
    """
    names = _choose_names(source, given, options)
    views: dict[ViewName, RoundSource] = {}
    for name in names:
        if name == "given":
            views[name] = given
        elif name == "maps":
            looks = [replace(options.extract, view=look) for look in _LOOKS]
            views[name] = _extract(source, run, _LOOKS, looks, options=options)
        else:
            weighted = replace(options.extract, pooling="defect", layers=None)
            views[name] = _extract(source, run, ("defect",), [weighted], options=options)
    return views


def read_taken(table: bytes) -> ViewName:
    """Return the view that views.csv says is taken."""
    taken = next(row["view"] for row in parse_csv(table) if row["taken"])
    return next(name for name in get_args(ViewName) if name == taken)


def _choose_names(source: Path, given: RoundSource, options: RoundOptions) -> tuple[ViewName, ...]:
    """Return the views to take, the given one first; more than one are compared."""
    asked = tuple(dict.fromkeys(options.views))
    is_store = source.is_dir() and store_exists(source)
    if asked:
        other = [name for name in asked if name != "given"]
        if other and is_store:
            raise OptionError(
                f"--views {' '.join(other)}: a store is one view; give the images themselves"
            )
        return asked
    is_plain = not is_store and not _describes(options.extract)
    if is_plain and given.store.spec.name == "resnet50" and _are_maps(given):
        get_logger().info("the pictures are wafer maps: they are shown as maps too")
        return "given", "maps"
    return ("given",)


def _describes(options: ExtractOptions) -> bool:
    """Tell whether the user has said how pictures are to be seen, or wants parts of them."""
    said = (options.view, options.pooling, options.layers, options.normal, options.tau)
    parts = (options.turns, options.tile, options.boxes)
    return any(one is not None for one in (*said, *parts))


def _are_maps(given: RoundSource) -> bool:
    """Tell whether nearly all of a sample of the pictures are wafer maps."""
    paths = given.paths["path"].tolist()
    rng = np.random.default_rng(0)
    drawn = rng.permutation(len(paths))[:_SAMPLE]
    seen: list[bool] = []
    for place in drawn.tolist():
        try:
            seen += [is_wafer_map(page.pixels) for page in read_pictures(Path(paths[place]))]
        except ImageError:  # gone since
            continue
    return bool(seen) and float(np.mean(seen)) >= _MOSTLY


def _extract(
    source: Path,
    run: Path,
    places: Sequence[str],
    extract: Sequence[ExtractOptions],
    *,
    options: RoundOptions,
) -> RoundSource:
    return join_sources(
        [
            extract_view(source, run, f"{VIEWS}/{place}", options=how, known=options.known)
            for place, how in zip(places, extract, strict=True)
        ]
    )
