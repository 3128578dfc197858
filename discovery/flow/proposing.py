"""From clusters to proposals: stability, evidence, and what the metadata have in common."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from discovery.flow.material import Material
from discovery.flow.settings import DRAWS
from discovery.flow.space import join_views
from discovery.records import NOISE, Clustering, Proposal
from discovery.stages.enrich import Enrichment, attach_associations, find_associations
from discovery.stages.propose import KnownTypes, propose_types
from discovery.stages.stability import measure_stability
from embeddings.console import stage


def draft_proposals(
    material: Material, clustering: Clustering
) -> tuple[Sequence[Proposal], Enrichment]:
    """Make a proposal of each cluster, under the id it would have if it were new.

    Returns
    -------
    sequence of Proposal
        In rank order, with what their metadata have in common.
    Enrichment
        The same associations, for a table.
    """
    copies, parts = material.copies, material.partitioned
    with stage("stability") as facts:
        stability = measure_stability(
            parts.reduced,
            clustering,
            fit=parts.fit,
            seed=material.seed,
            draws=DRAWS,
            groups=copies.groups,
        )
        facts.update(clusters=clustering.k)
    with stage("propose") as facts:
        known = None
        if material.known is not None:
            views, labels = material.known
            known = KnownTypes(values=join_views(views), labels=labels)
        proposals = propose_types(
            material.vectors, clustering, stability, known=known, duplicates=copies
        )
        facts.update(proposals=len(proposals))
    with stage("associations") as facts:
        # What was set aside is part of the lot: beside it a new type shows what is its own.
        metadata, aside = material.load_metadata()
        whole = _add_others(clustering, len(aside))
        enrichment = find_associations([*metadata, *aside], whole, seed=material.seed)
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
