"""What the steps of a round do that takes more than a call: copies and proposals."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from discovery.flow.context import RoundContext
from discovery.flow.settings import DRAWS
from discovery.flow.space import join_views
from discovery.records import NOISE, Clustering, Duplicates, Neighbours, Proposal
from discovery.runs import COPIES, Provenance, Run
from discovery.stages.duplicates import (
    find_duplicates,
    make_reader,
    read_duplicates,
    tabulate_duplicates,
)
from discovery.stages.enrich import Enrichment, attach_associations, find_associations
from discovery.stages.propose import KnownTypes, propose_types
from discovery.stages.stability import measure_stability
from embeddings.console import get_logger, stage
from embeddings.images import MAX_PIXELS
from embeddings.reader import Previews
from embeddings.records import Vectors


def find_copies(
    run: Run,
    vectors: Vectors,
    neighbours: Neighbours,
    *,
    made_by: Provenance,
    max_pixels: int = MAX_PIXELS,
    previews: Previews | None = None,
) -> Duplicates:
    """Find the copies among a round's images, and write them into the run.

    Parameters
    ----------
    vectors : Vectors of n images
        Their rows say where the pixels are.
    made_by : Provenance
        Where duplicates.csv was made just so, it is read and no picture is opened.
    max_pixels, previews
        As in `make_reader`.
    """
    if run.is_current(COPIES, made_by):
        files = np.array([len(paths) for paths in vectors.rows["paths"]], np.int32)
        return read_duplicates(run.check(COPIES).read_bytes(), vectors.ids, files)
    start = time.monotonic()
    with stage("duplicates") as facts:
        reader = make_reader(vectors, max_pixels=max_pixels, previews=previews)
        found = find_duplicates(vectors, neighbours, reader)
        facts.update(exact=found.exact, near=found.near, groups=found.near_groups)
    if found.unread:
        get_logger().warning(
            "WARNING: %d images could not be read again, and were not looked at for copies",
            found.unread,
        )
    paths = [tuple(each) for each in vectors.rows["paths"]]
    data = tabulate_duplicates(found, paths)
    run.save_bytes(COPIES, data, made_by, seconds=time.monotonic() - start)
    return found


def draft_proposals(
    context: RoundContext, clustering: Clustering
) -> tuple[Sequence[Proposal], Enrichment]:
    """Make a proposal of each cluster, under the id it would have if it were new.

    Returns
    -------
    sequence of Proposal
        In rank order, with what their metadata have in common.
    Enrichment
        The same associations, for a table.
    """
    copies, parts = context.copies, context.partitioned
    with stage("stability") as facts:
        stability = measure_stability(
            parts.reduced,
            clustering,
            fit=parts.fit,
            seed=context.seed,
            draws=DRAWS,
            groups=copies.groups,
        )
        facts.update(clusters=clustering.k)
    with stage("propose") as facts:
        known = None
        if context.known is not None:
            views, labels = context.known
            known = KnownTypes(values=join_views(views), labels=labels)
        proposals = propose_types(
            context.vectors, clustering, stability, known=known, duplicates=copies
        )
        facts.update(proposals=len(proposals))
    with stage("associations") as facts:
        # What was set aside is part of the lot: beside it a new type shows what is its own.
        metadata, aside = context.load_metadata()
        whole = _add_others(clustering, len(aside))
        enrichment = find_associations([*metadata, *aside], whole, seed=context.seed)
        found = sum(map(len, enrichment.found.values()))
        facts.update(tests=enrichment.tests, found=found)
    return attach_associations(proposals, enrichment), enrichment


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
