"""New images among a run's clusters: what the command `discovery.assign` does.

The images of the run are seen again in the space its clusterer saw them in; the new ones come
into the same space and are placed by the run's own labels. Nothing of the run is written.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from discovery.flow.adaptation import Adaptation, load_adapted, open_fitted_adaptation
from discovery.flow.alarm import LookAlikeGroup, find_new_groups
from discovery.flow.new_images import AssignOptions, open_fitted_stores, open_new_images
from discovery.flow.own_source import refuse_run
from discovery.flow.sources import RoundSource
from discovery.flow.space import Space, fit_space, join_views
from discovery.graph import choose_n_neighbors
from discovery.ledger import read_decisions, replay_decisions
from discovery.records import Clustering, Decided, Decision
from discovery.runs import CLUSTERING, LEDGER, Run
from discovery.stages.place import (
    NAMED,
    UNDECIDED,
    UNKNOWN,
    Fitted,
    Limits,
    NeighborVotes,
    Placement,
    PlaceOptions,
    answer_rows,
    calibrate_limits,
    measure_cluster_distances,
)
from embeddings.console import stage
from embeddings.errors import InputError
from embeddings.paths import takes_paths
from embeddings.records import Vectors
from embeddings.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """New images, placed.

    Attributes
    ----------
    ids : (m,) array of str
    paths : m tuples of str
        Every path of each image.
    placement : Placement of m images
    labels : tuple of str
        The decided label of each image's cluster, or empty. Of a cluster that was not accepted or
        rejected as a whole: what most of its images bear, if that is the target purity of the
        labelled ones.
    groups : tuple of LookAlikeGroup
        Images without a cluster that look alike; positions among the m images.
    limits : Limits
    quarantined : tuple of (path, reason)
    reused : int
        Images that are in the run itself and bear the fit's own answer.
    """

    ids: NDArray[np.str_]
    paths: tuple[tuple[str, ...], ...]
    placement: Placement
    labels: tuple[str, ...]
    groups: tuple[LookAlikeGroup, ...]
    limits: Limits
    quarantined: tuple[tuple[str, str], ...]
    reused: int


@takes_paths
def assign_images(run: Run, source: Path, *, options: AssignOptions | None = None) -> Assigned:
    """Place the images of a source among the clusters of a run.

    Parameters
    ----------
    source : Path
        A store of the run's extractor, a folder of images, a CSV with a column ``path``, or one
        image.

    Raises
    ------
    DefectDiscoveryError
        The run, its store, the source or an option cannot be used.
    """
    options = options or AssignOptions()
    refuse_run(source)
    wanted = PlaceOptions(target_purity=options.target_purity, max_rejection=options.max_rejection)
    clustering = run.load_clustering()
    decided = replay_decisions(read_decisions(run.path / LEDGER))
    names = {one.cluster_id: one.proposal_id for one in run.load_proposals()}
    # Before the network is at work: what the run lacks is told at once.
    stores, adaptation = open_fitted_stores(run), open_fitted_adaptation(run)
    # New pictures are cut as the run's were: a tile is not like a whole picture.
    region = _find_region(stores[0], clustering)
    with open_new_images(source, stores, region=region, options=options) as opened:
        views = _load_new(replace(opened, adaptation=adaptation), source)
    new = views[0]
    # The fit's own seed: the axes of the space must be the same again.
    seed = int((run.entry(CLUSTERING) or {}).get("seed", 0))
    with stage("fit") as facts:
        fitted, space = _fit(stores, adaptation, clustering, seed)
        # The image itself counts among its neighbours, and has no vote.
        votes = NeighborVotes(fitted, n_neighbors=choose_n_neighbors(len(fitted)) - 1)
        limits = calibrate_limits(fitted, votes, options=wanted)
        facts.update(images=len(fitted), clusters=fitted.k, by=limits.rule)
    with stage("place") as facts:
        placed = answer_rows(
            space.place(views), np.asarray(join_views(views)), votes=votes, limits=limits
        )
        placed, reused = _keep_fit(placed, new.ids, clustering)
        facts.update(images=len(placed), placed=int((placed.verdicts == NAMED).sum()))
    return Assigned(
        ids=new.ids,
        paths=tuple(tuple(paths) for paths in new.rows["paths"]),
        placement=placed,
        labels=_find_labels(
            placed,
            new.ids,
            clustering,
            names=names,
            decided=decided,
            target_purity=options.target_purity,
        ),
        groups=_find_groups(views, placed, fitted, limits=limits, seed=seed),
        limits=limits,
        quarantined=opened.quarantined,
        reused=reused,
    )


def _find_region(store: Store, clustering: Clustering) -> str:
    """Return how the run's pictures were cut; where in several ways, the one of most."""
    rows = store.rows()
    wanted = set(clustering.ids.tolist())
    pairs = zip(rows["image_id"].tolist(), rows["region"].tolist(), strict=True)
    # A store may hold pictures whole and in parts.
    counts = Counter(region for image_id, region in pairs if image_id in wanted)
    return counts.most_common(1)[0][0] if counts else ""


def _load_new(opened: RoundSource, source: Path) -> tuple[Vectors, ...]:
    if not len(opened.ids):
        first = f" (the first: {': '.join(opened.quarantined[0])})" if opened.quarantined else ""
        raise InputError(f"{source} holds no image that can be read{first}")
    return opened.load_views()


def _fit(
    stores: Sequence[Store], adaptation: Adaptation | None, clustering: Clustering, seed: int
) -> tuple[Fitted, Space]:
    """See the run's images again in the space its clusterer saw them in."""
    views = load_adapted(stores, clustering.ids, adaptation)
    made = clustering.spec
    # K-means and agglomerative: plain principal axes.
    if made.get("reducer") == "pca":
        space = fit_space(views, seed=seed, dimensions=made["dimensions"], whiten=0.0)
    else:  # UMAP places no new image: its neighbours are those of the graph's own rows
        space = fit_space(
            views,
            seed=seed,
            dimensions=made["graph_dimensions"],
            whiten=made["graph_whiten"],
        )
    return Fitted.of(clustering, space.rows, full_vectors=np.asarray(join_views(views))), space


def _keep_fit(
    placed: Placement, ids: NDArray[np.str_], clustering: Clustering
) -> tuple[Placement, int]:
    """Give images that are in the run itself the answer of the fit, to the letter."""
    place_of = {name: position for position, name in enumerate(clustering.ids.tolist())}
    at = np.array([place_of.get(name, -1) for name in ids.tolist()], dtype=np.intp)
    # (m,): an image of the run itself needs no vote.
    own = at >= 0
    clusters = np.where(own, clustering.labels[at], placed.cluster_ids).astype(np.int32)
    # Of the run's noise it is only told whether it lies far out or in between.
    refused = np.where(placed.novelties > 0.5, UNKNOWN, UNDECIDED)
    verdicts = np.where(own, np.where(clusters >= 0, NAMED, refused), placed.verdicts)
    confidences = np.where(own & (clusters >= 0), clustering.memberships[at], placed.confidences)
    kept = Placement(
        cluster_ids=clusters,
        confidences=confidences.astype(np.float32),
        novelties=placed.novelties,
        verdicts=verdicts.astype(np.str_),
        nearest=np.where(clusters >= 0, clusters, placed.nearest).astype(np.int32),
    )
    return kept, int(own.sum())


def _find_labels(
    placed: Placement,
    ids: NDArray[np.str_],
    clustering: Clustering,
    *,
    names: dict[int, str],
    decided: Decided,
    target_purity: float,
) -> tuple[str, ...]:
    """Return each image's label: its own where the run has it, else that of its cluster."""
    of_cluster = {
        cluster: _name_cluster(
            clustering.ids[clustering.members(cluster)].tolist(),
            decided,
            decision=decided.proposals.get(names.get(cluster, "")),
            target_purity=target_purity,
        )
        for cluster in range(clustering.k)
    }
    fitted = set(clustering.ids.tolist())
    labels = []
    for image_id, cluster in zip(ids.tolist(), placed.cluster_ids.tolist(), strict=True):
        if image_id in fitted:
            # An image of the run bears what was decided of it, or nothing yet.
            own = decided.images.get(image_id)
            labels.append(own.label if own else "")
        else:
            labels.append(of_cluster.get(cluster, ""))
    return tuple(labels)


def _name_cluster(
    members: Sequence[str], decided: Decided, *, decision: Decision | None, target_purity: float
) -> str:
    """Return the label decided for a cluster's proposal, or borne by nearly all of its images."""
    # Of one that was split the parts have names: a later round may have kept one type of it.
    if decision is not None and decision.verdict != "split":
        return decision.label
    borne = Counter(decided.images[name].label for name in members if name in decided.images)
    for label, count in borne.most_common(1):
        if 2 * count > len(members) and count >= target_purity * borne.total():
            return label
    return ""


def _find_groups(
    views: Sequence[Vectors], placed: Placement, fitted: Fitted, *, limits: Limits, seed: int
) -> tuple[LookAlikeGroup, ...]:
    if not fitted.k:
        return ()  # nothing says how near is near
    with stage("look for a new type") as facts:
        # Undecided ones, too: a new type may lie between two clusters.
        left = np.flatnonzero(placed.verdicts != NAMED)
        found = find_new_groups(
            views,
            left,
            placed.verdicts == UNKNOWN,
            nearest=measure_cluster_distances(np.asarray(join_views(views)), fitted).min(axis=1),
            sibling_distance=float(limits.reaches.mean()),
            seed=seed,
        )
        facts.update(images=len(left), groups=len(found))
    return found
