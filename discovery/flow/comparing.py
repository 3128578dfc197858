"""The evidence that picks a view, without labels.

How long the groups of a view last (persistence), how well they come back when images are left out
(stability), and how alike the groups of two views are (agreement). It is weighted by what is known
of the kind of view: on the sets of docs/log.md evidence alone does not rank views as the truth
does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from discovery.flow.options import AutoOptions, ViewName
from discovery.flow.route import group_rows
from discovery.flow.sources import RoundSource
from discovery.flow.space import fit_space
from discovery.records import number_by_size
from embeddings.console import stage
from embeddings.files import format_csv

# What a view must have to be taken, as a multiple of the given one's score. Maps are worth more
# than photographs of maps, and weighted places less than all of them, unless they last far longer.
_PRIOR: dict[ViewName, float] = {"given": 1.0, "maps": 1.25, "defect": 0.8}
_DRAWS, _SHARE = 5, 0.8  # images are left out at random this many times; the share that is kept
COLUMNS = ("view", "clusters", "persistence", "stability", "agreement", "score", "taken")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one view came to.

    Attributes
    ----------
    name : {"given", "maps", "defect"}
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


def compare_views(
    views: Mapping[ViewName, RoundSource], *, choice: AutoOptions, seed: int
) -> tuple[Looked, ...]:
    """Group the images as each view shows them, and tell which view is taken."""
    found: list[Looked] = []
    labels: list[NDArray[np.int32]] = []
    for name, source in views.items():
        with stage(f"view {name}") as facts:
            one, groups = _look(name, source, choice=choice, seed=seed)
            facts.update(
                clusters=one.clusters,
                persistence=f"{one.persistence:.2f}",
                stability=f"{one.stability:.2f}",
            )
        found.append(one)
        labels.append(_by_id(groups, source, views))
    agreement = _measure_agreement(labels)
    weighed = [
        replace(one, score=one.persistence * one.stability * _PRIOR[one.name], agreement=alike)
        for one, alike in zip(found, agreement, strict=True)
    ]
    best = max(weighed, key=lambda one: one.score)
    return tuple(replace(one, is_taken=one is best) for one in weighed)


def tabulate_views(looked: Sequence[Looked]) -> bytes:
    """Write views.csv: one row a view."""
    rows: list[Sequence[str]] = [COLUMNS]
    for one in looked:
        figures = (one.persistence, one.stability, one.agreement, one.score)
        said = ["" if np.isnan(figure) else f"{figure:.4f}" for figure in figures]
        rows.append((one.name, str(one.clusters), *said, "yes" if one.is_taken else ""))
    return format_csv(rows)


def _look(
    name: ViewName, source: RoundSource, *, choice: AutoOptions, seed: int
) -> tuple[Looked, NDArray[np.int32]]:
    rows = fit_space(source.load_views(), seed=seed).rows
    n = len(rows)
    groups, persistence = _group(rows, choice, n, seed)
    rng = np.random.default_rng(seed)
    alike = []
    for _ in range(_DRAWS):
        kept = np.sort(rng.permutation(n)[: max(2, round(_SHARE * n))])
        again, _ = _group(rows[kept], choice, n, seed)
        alike.append(adjusted_rand_score(groups[kept], again))
    clusters = int(groups.max(initial=-1)) + 1
    stability = float(np.mean(alike))
    return Looked(
        name=name, clusters=clusters, persistence=persistence, stability=stability
    ), groups


def _group(
    rows: NDArray[np.float32], choice: AutoOptions, n: int, seed: int
) -> tuple[NDArray[np.int32], float]:
    """Return groups and their mean persistence, by the default route."""
    clusterer = group_rows(rows, choice, seed=seed, of=n)
    found = clusterer.persistence_  # None where all are tied to all
    lasting = 0.0 if found is None else float(found.persistence)
    return number_by_size(clusterer.labels_), lasting


def _by_id(
    groups: NDArray[np.int32], source: RoundSource, views: Mapping[ViewName, RoundSource]
) -> NDArray[np.int32]:
    """Return the groups of the images that all views have, in one order."""
    everywhere = sorted(set.intersection(*(set(view.ids.tolist()) for view in views.values())))
    place = {image_id: i for i, image_id in enumerate(source.ids.tolist())}
    return groups[[place[image_id] for image_id in everywhere]]


def _measure_agreement(labels: Sequence[NDArray[np.int32]]) -> list[float]:
    """Return each view's mean adjusted Rand index with the others."""
    alike = np.array([[adjusted_rand_score(one, other) for other in labels] for one in labels])
    if len(labels) < 2:
        return [float("nan")] * len(labels)
    mean: list[float] = ((alike.sum(axis=1) - 1) / (len(labels) - 1)).tolist()
    return mean
