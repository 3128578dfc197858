"""How a round looks at its images: the views it may take, and the one the evidence picks.

A view is one extractor, or several joined. *given* is what the options of extraction say. *maps*
shows wafer maps as maps twice: without lone bad dies, and as density by radius and angle.
*highlight* joins the given one with what stands out of its background: as a network sees it, and
in numbers; *numbers* leaves out the network's look. *turned* sees each picture in four quarter
turns. *defect* weighs places by how unlike the other images they are. Views live side by side: the
given one in RUN/store, the stores of the others in RUN/views.

The evidence needs no labels: how long the groups of a view last (persistence), how well they come
back when images are left out (stability), and how alike the groups of two views are (agreement).
It is weighted by what is known of the kind of view: on the sets of docs/log.md evidence alone does
not rank views as the truth does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from discovery.flow.directions import judge_directions
from discovery.flow.known_types import extract_known
from discovery.flow.options import RoundOptions, ViewName
from discovery.flow.settings import name_view
from discovery.flow.sources import (
    RoundSource,
    extract_source,
    join_sources,
    open_stored,
)
from discovery.flow.standing_out import judge_pictures
from discovery.flow.view_stores import list_view_stores, refuse_other_stores
from discovery.graph import Granularity
from discovery.records import number_by_size
from embeddings.activities import naming_part
from embeddings.console import get_logger, stage
from embeddings.errors import OptionError
from embeddings.extract import ExtractOptions
from embeddings.extractors import find_extractor
from embeddings.files import format_csv, parse_csv
from embeddings.reader import Previews, are_maps
from embeddings.store import store_exists

# What a view must have to be taken, as a multiple of the given one's score. Maps are worth more
# than photographs of maps, and weighted places less than all of them, unless they last far longer.
_PRIOR: dict[ViewName, float] = {
    "given": 1.0,
    "maps": 1.25,
    "highlight": 1.0,
    "numbers": 1.0,
    "turned": 1.0,
    "defect": 0.8,
}
_DRAWS, _SHARE = 5, 0.8  # images are left out at random this many times; the share that is kept
COLUMNS = ("view", "clusters", "persistence", "stability", "agreement", "score", "taken")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewEvidence:
    """What one view came to.

    Attributes
    ----------
    name : {"given", "maps", "highlight", "numbers", "turned", "defect"}
    clusters : int
    persistence : float
        Mean over the images: how much coarser the resolution gets, in powers of e, before the
        group of an image is gone.
    stability : float
        Mean adjusted Rand index with the groups of part of the images.
    agreement : float
        Mean adjusted Rand index with the groups of the other views; NaN where there is none.
    score : float
        persistence x stability, weighted by the kind of view.
    is_taken : bool
    """

    name: ViewName
    clusters: int
    persistence: float
    stability: float
    agreement: float = float("nan")
    score: float = 0.0
    is_taken: bool = False


def open_views(
    source: Path, run: Path, *, options: RoundOptions, previews: Previews
) -> dict[ViewName, RoundSource]:
    """Extract the views that the options ask for, and no other.

    Parameters
    ----------
    previews : Previews
        Filled with what the given view sees of the images.

    Raises
    ------
    OptionError
        A view is asked for that this source cannot have.
    DefectDiscoveryError
        As `extract_vectors` and `open_store`.
    """
    # Named twice is named once; the order is the user's.
    names = tuple(dict.fromkeys(options.views))
    other = [name for name in names if name != "given"]
    if source.is_dir() and store_exists(source):
        if other:
            raise OptionError(
                f"--views {' '.join(other)}: a store is one view; give the images themselves"
            )
        return {"given": open_stored(source, options.extract)}

    places = {place for name in names for place in list_view_stores(name, options.extract)}
    refuse_other_stores([run / place for place in sorted(places)], names)
    turn = count()

    def extract(name: ViewName) -> RoundSource:
        is_one = names in ((), ("given",)) and name == "given"
        parts = []
        for place, how in list_view_stores(name, options.extract).items():
            with naming_part("" if is_one else name_view(run / place)):
                if options.known is not None:
                    # First, so that the source has the last word on what is quarantined.
                    extract_known(options.known, run, place, options=how)
                found = extract_source(
                    source,
                    run / place,
                    options=how,
                    previews=previews,
                    tells=not next(turn),  # the files are the same in each view
                )
            parts.append(found)
        return join_sources(parts)

    if names:
        return {name: extract(name) for name in names}
    # Nothing was asked for: the pictures themselves say what they are.
    given = extract("given")
    # Texture descriptors take the background off themselves, and see a polar map as a texture.
    if _says_how(options.extract) or not find_extractor(given.store.spec.name).is_network:
        return {"given": given}
    is_whole = options.extract.boxes is None
    if is_whole and _shows_maps(given, options, previews):
        return {"given": given, "maps": extract("maps")}
    better: ViewName | None = None
    if is_whole and judge_pictures(given, run, max_pixels=options.extract.max_pixels).is_taken:
        better = "highlight"
    elif judge_directions(given, run, options=options.extract).is_taken:
        better = "turned"
    if better is None:
        return {"given": given}
    # What the first look computed counts, too: by now there is nothing left of it to do.
    found = extract(better)
    return {better: replace(found, computed=found.computed | given.computed)}


def _shows_maps(given: RoundSource, options: RoundOptions, previews: Previews) -> bool:
    """Tell whether the pictures are wafer maps that nobody has said how to look at."""
    paths: list[str] = given.paths["path"].tolist()
    if not are_maps(paths, max_pixels=options.extract.max_pixels, previews=previews):
        return False
    get_logger().info("the pictures are wafer maps: they are shown as maps too")
    return True


def read_taken(table: bytes) -> ViewName:
    """Return the view that views.csv says is taken."""
    # One row says yes; all others leave the cell empty.
    taken = next(row["view"] for row in parse_csv(table) if row["taken"])
    return next(name for name in get_args(ViewName) if name == taken)


def _says_how(options: ExtractOptions) -> bool:
    """Tell whether the user has said how pictures are to be seen, or wants tiles of them."""
    shown = (options.view, options.pooling, options.layers, options.normal, options.tau)
    return any(one is not None for one in (*shown, options.turns, options.tile))


def compare_views(
    views: Mapping[ViewName, RoundSource], *, granularity: Granularity, seed: int
) -> tuple[ViewEvidence, ...]:
    """Group the images as each view shows them, and tell which view is taken."""
    found: list[ViewEvidence] = []
    labels: list[NDArray[np.int32]] = []
    for name, source in views.items():
        with stage(f"view {name}") as facts:
            one, groups = _measure_view(name, source, granularity=granularity, seed=seed)
            facts.update(
                clusters=one.clusters,
                persistence=f"{one.persistence:.2f}",
                stability=f"{one.stability:.2f}",
            )
        found.append(one)
        labels.append(_align_groups(groups, source, views))
    agreement = _measure_agreement(labels)
    scored = [
        replace(one, score=one.persistence * one.stability * _PRIOR[one.name], agreement=alike)
        for one, alike in zip(found, agreement, strict=True)
    ]
    # Of equal scores the first.
    best = max(scored, key=lambda one: one.score)
    return tuple(replace(one, is_taken=one is best) for one in scored)


def tabulate_views(evidence: Sequence[ViewEvidence]) -> bytes:
    """Write views.csv: one row a view."""
    rows: list[Sequence[str]] = [COLUMNS]
    for one in evidence:
        figures = (one.persistence, one.stability, one.agreement, one.score)
        cells = ["" if np.isnan(figure) else f"{figure:.4f}" for figure in figures]
        rows.append((one.name, str(one.clusters), *cells, "yes" if one.is_taken else ""))
    return format_csv(rows)


def _measure_view(
    name: ViewName, source: RoundSource, *, granularity: Granularity, seed: int
) -> tuple[ViewEvidence, NDArray[np.int32]]:
    from sklearn.metrics import adjusted_rand_score

    from discovery.flow.space import fit_space

    # (n, p), reduced as the round would reduce them.
    rows = fit_space(source.load_views(), seed=seed).rows
    n = len(rows)
    groups, persistence = _group(rows, granularity, n, seed)
    rng = np.random.default_rng(seed)
    alike = []
    for _ in range(_DRAWS):
        # In their order, as the whole is: ties between neighbours then fall alike.
        kept = np.sort(rng.permutation(n)[: max(2, round(_SHARE * n))])
        again, _ = _group(rows[kept], granularity, n, seed)
        alike.append(adjusted_rand_score(groups[kept], again))
    clusters = int(groups.max(initial=-1)) + 1
    stability = float(np.mean(alike))
    return ViewEvidence(
        name=name, clusters=clusters, persistence=persistence, stability=stability
    ), groups


def _group(
    rows: NDArray[np.float32], granularity: Granularity, n: int, seed: int
) -> tuple[NDArray[np.int32], float]:
    """Return groups and their mean persistence, by the default route."""
    from discovery.flow.route import find_lasting_groups

    clusterer = find_lasting_groups(rows, granularity=granularity, seed=seed, of=n)
    found = clusterer.persistence_  # None where all are tied to all
    lasting = 0.0 if found is None else float(found.persistence)
    return number_by_size(clusterer.labels_), lasting


def _align_groups(
    groups: NDArray[np.int32], source: RoundSource, views: Mapping[ViewName, RoundSource]
) -> NDArray[np.int32]:
    """Return the groups of the images that all views have, in one order."""
    # Labels of two views can be compared image by image only.
    everywhere = sorted(set.intersection(*(set(view.ids.tolist()) for view in views.values())))
    place = {image_id: i for i, image_id in enumerate(source.ids.tolist())}
    return groups[[place[image_id] for image_id in everywhere]]


def _measure_agreement(labels: Sequence[NDArray[np.int32]]) -> list[float]:
    """Return each view's mean adjusted Rand index with the others."""
    from sklearn.metrics import adjusted_rand_score

    alike = np.array([[adjusted_rand_score(one, other) for other in labels] for one in labels])
    if len(labels) < 2:
        return [float("nan")] * len(labels)
    # Less one: each view agrees with itself.
    mean: list[float] = ((alike.sum(axis=1) - 1) / (len(labels) - 1)).tolist()
    return mean
