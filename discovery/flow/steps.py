"""What each step of a round does: ``step(context, facts)`` returns what it writes, as bytes.

`facts` are figures for the log. What a step computes with is imported inside it, so that a round
whose artefacts are current loads none of it.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from discovery.flow.beside import Facts, Made, Work
from discovery.flow.context import RoundContext
from discovery.flow.settings import MIN_IMAGES, describe_graph
from discovery.records import NOISE, Clustering, Layout
from discovery.runs import (
    ASSOCIATIONS,
    CLUSTERING,
    COPIES,
    LEVELS,
    MAP,
    MATCHED,
    NEIGHBOURS,
    PROPOSALS,
    RARE,
    STABILITY,
    SWEEP,
    VIEWS_CSV,
)
from embeddings.bounded import parse_json
from embeddings.console import get_logger
from embeddings.errors import InputError
from embeddings.files import format_csv
from embeddings.plurals import tell_count


def compare_candidates(context: RoundContext, facts: Facts) -> Made:
    """Group the images as each view shows them, and take the view with the best evidence."""
    from discovery.flow.view_selection import compare_views, read_taken, tabulate_views

    # Always by the default route, whatever the clusterer: evidence must be comparable.
    found = compare_views(
        context.candidates,
        granularity=context.options.clusterer.view_granularity,
        seed=context.seed,
    )
    data = tabulate_views(found)
    facts.update(compared=len(found), taken=read_taken(data))
    return {VIEWS_CSV: data}


def match_known_types(context: RoundContext, facts: Facts) -> Made:
    """Name the images that match a known type as surely as the target purity asks."""
    from discovery.flow.known_types import tabulate_matches

    known, options = context.known, context.options
    if known is None:
        return {}
    # One row a path; verdicts are named, unknown and undecided.
    table = tabulate_matches(
        context.unmatched, known, seed=context.seed, target_purity=options.target_purity
    )
    facts.update(images=len(table) - 1, named=sum(row[-1] == "named" for row in table[1:]))
    return {MATCHED: format_csv(table)}


def check_images(context: RoundContext, facts: Facts) -> Made:
    """Refuse to group fewer images than make a group, or than the clusters asked for."""
    source, matched = context.source, context.matched
    n = len(source.ids)
    facts.update(images=n)
    # Two causes, two remedies: most were set aside, or the source is small.
    if n < MIN_IMAGES and matched:
        raise InputError(
            f"{len(matched)} of {len(context.unmatched.ids)} images match a known type "
            f"({context.run.path / MATCHED} names them) and {tell_count(n, 'is', 'are')} left, "
            f"expected {MIN_IMAGES} or more: there is nothing to discover; --keep-matches "
            "clusters them all the same"
        )
    if n < MIN_IMAGES:
        first = f"; the first: {': '.join(source.quarantined[0])}" if source.quarantined else ""
        raise InputError(
            f"{tell_count(n, 'image')} to cluster, expected {MIN_IMAGES} or more "
            f"({source.counts}{first})"
        )
    context.options.clusterer.check(n)
    # From here on the run is of these images: assign and handoff look for this store.
    context.run.set_store(source.identity)
    return {}


def build_graph(context: RoundContext, facts: Facts) -> Made:
    """Find the k-nearest-neighbour graph that map, copies and clusters share."""
    from discovery.flow.neighbour_search import find_graph
    from discovery.runs.tables import format_neighbours

    # The same k stands in the provenance, so that another rule makes another graph.
    k = describe_graph(len(context.source.ids))["k"]
    graph = find_graph(context, k, facts)
    facts.update(images=len(graph), k=k, exact=graph.exact)
    return {NEIGHBOURS: format_neighbours(graph, context.vectors.ids)}


def begin_map(context: RoundContext) -> Work:
    """Lay the images out in two dimensions, for the eye alone."""
    from discovery.flow.route import map_rows
    from discovery.runs.tables import format_map

    # Of the graph alone: another clusterer, or other metadata, moves no point.
    rows, graph, seed = context.graph_rows, context.graph, context.seed

    def work(facts: Facts) -> Made:
        xy = map_rows(rows, graph, seed=seed)
        facts.update(images=len(xy))
        return {MAP: format_map(xy)}

    return work


def find_copies(context: RoundContext, facts: Facts) -> Made:
    """Look for copies among the nearest neighbours: they count once as evidence."""
    from discovery.stages.duplicates import find_duplicates, make_reader, tabulate_duplicates

    vectors = context.vectors
    # What was extracted just now is looked at in its previews; no file is opened for it.
    reader = make_reader(
        vectors,
        max_pixels=context.options.extract.max_pixels,
        previews=context.previews,
        bars=context.source.store.bars,
    )
    found = find_duplicates(vectors, context.graph, reader)
    facts.update(exact=found.exact, near=found.near, groups=found.near_groups)
    if found.unread:
        get_logger().warning(
            "WARNING: %s not be read again: copies were not looked for there",
            tell_count(found.unread, "image could", "images could"),
        )
    return {COPIES: tabulate_duplicates(found, _list_paths(context))}


def group_images(context: RoundContext, facts: Facts) -> Made:
    """Group the images by the route that was chosen."""
    from discovery.flow.route import partition_vectors
    from discovery.runs.tables import format_clustering, hash_ids, parse_map
    from discovery.stages.levels import format_levels
    from discovery.stages.rarity import assign_noise
    from discovery.stages.sweep import format_sweep

    parts = partition_vectors(
        context.vectors,
        None,
        context.graph,
        rows=context.cluster_rows,
        choice=context.options.clusterer,
        seed=context.seed,
    )
    found = parts.clustering
    noise = int((found.labels < 0).sum())
    facts.update(by=found.made_by, clusters=found.k, noise=tell_count(noise, "image"))
    # After the count above: what is assigned on request was noise all the same.
    if context.options.assign_noise:
        found = assign_noise(found, context.graph)
    # Only the default clusterer looks at many resolutions; the others have no sweep.
    sweep = None if parts.sweep is None else parts.sweep(found.core_labels)
    levels = parts.levels()
    context.beside.finish(MAP)  # as late as can be
    xy = parse_map(context.run.read_bytes(MAP))
    layout = Layout(ids=found.ids, paths=tuple(_list_paths(context)), xy=xy)
    return {
        SWEEP: format_sweep(sweep),
        LEVELS: format_levels(levels, hash_ids(found.ids)),
        CLUSTERING: format_clustering(found, layout),
    }


def list_rare_images(context: RoundContext, facts: Facts) -> Made:
    """Order the images that are in no cluster, or far out in theirs, rarest first."""
    from discovery.stages.rarity import tabulate_rare

    clustering, layout = context.run.load_clustering(), context.run.load_layout()
    facts.update(images=len(context.rarity))
    return {RARE: tabulate_rare(context.rarity, clustering, layout.paths)}


def measure_cluster_stability(context: RoundContext, facts: Facts) -> Made:
    """Measure how well each cluster comes back when images are drawn anew, copies together."""
    from discovery.flow.route import make_fit
    from discovery.stages.stability import measure_stability

    clustering = context.run.load_clustering()
    stability = measure_stability(
        context.cluster_rows,
        clustering,
        # The draws cluster by the same method, and from the same rows, as the round did.
        fit=make_fit(context.options.clusterer, clustering, seed=context.seed),
        seed=context.seed,
        groups=context.copies.groups,
        in_threads=context.options.clusterer.fits_in_threads,
    )
    facts.update(clusters=clustering.k)
    return {STABILITY: json.dumps([float(one) for one in stability]).encode()}


def make_proposals(context: RoundContext, facts: Facts) -> Made:
    """Make a proposal of each cluster, under the id that the same group had before."""
    from discovery.flow.lineage_ids import keep_ids
    from discovery.flow.space import join_views
    from discovery.flow.standing_out import note_clean_groups
    from discovery.runs.tables import format_proposals
    from discovery.stages.enrich import (
        attach_associations,
        find_associations,
        format_associations,
    )
    from discovery.stages.propose import KnownTypes, propose_types

    run, clustering = context.run, context.run.load_clustering()
    known = None
    if context.known is not None:
        views, labels = context.known.views, context.known.labels
        known = KnownTypes(values=np.asarray(join_views(views)), labels=labels)
    drafts = propose_types(
        context.vectors,
        clustering,
        # Read back: neither clusters nor draws are made again for new metadata.
        np.array(parse_json(run.read_bytes(STABILITY)), float),  # (k,)
        known=known,
        duplicates=context.copies,
    )
    # What was set aside is part of the lot: beside it a new type shows what is its own.
    metadata, aside = context.load_metadata()
    whole = _add_others(clustering, len(aside))
    enrichment = find_associations([*metadata, *aside], whole, seed=context.seed)
    told = note_clean_groups(
        attach_associations(drafts, enrichment), clustering.labels, context.views
    )
    # Drafts bear the ids of new groups; the same group as before gets its id back.
    proposals = keep_ids(
        run,
        clustering,
        told,
        vectors=context.vectors,
        since=context.options.since,
    )
    facts.update(
        proposals=len(proposals),
        tests=enrichment.tests,
        associations=sum(map(len, enrichment.found.values())),
    )
    for one in proposals:
        if "warning" in one.associations:
            get_logger().warning(
                "WARNING: %s, of %s, %s",
                one.proposal_id, tell_count(one.size, "image"), one.associations["warning"],
            )  # fmt: skip
    return {
        ASSOCIATIONS: format_associations(proposals, enrichment),
        PROPOSALS: format_proposals(proposals),
    }


def write_lineage(context: RoundContext, facts: Facts) -> Made:
    """Write down what became of the proposals of the round before; it saves what it writes."""
    from discovery.flow.lineage_ids import settle_lineage

    entry = settle_lineage(
        context.run,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        # Called only where something changed: reading vectors takes longer than the rest.
        load_vectors=lambda: context.vectors,
        since=context.options.since,
    )
    facts.update(events=0 if entry is None else len(entry.events))
    return {}


def _list_paths(context: RoundContext) -> list[tuple[str, ...]]:
    return [tuple(paths) for paths in context.vectors.rows["paths"]]


def _add_others(clustering: Clustering, count: int) -> Clustering:
    """Return the clustering with so many more images that are in no cluster."""
    none = np.zeros(count, np.float32)
    assigned = clustering.assigned
    return replace(
        clustering,
        ids=np.concatenate([clustering.ids, [f"aside {i}" for i in range(count)]]).astype(np.str_),
        labels=np.concatenate([clustering.labels, np.full(count, NOISE, np.int32)]),
        memberships=np.concatenate([clustering.memberships, none]),
        outlier_scores=np.concatenate([clustering.outlier_scores, none]),
        assigned=None if assigned is None else np.concatenate([assigned, np.zeros(count, bool)]),
    )
