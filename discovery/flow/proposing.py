"""From clusters to proposals: stability, evidence, and what the metadata have in common."""

from collections.abc import Sequence

from discovery.flow.material import Material
from discovery.flow.settings import DRAWS
from discovery.flow.space import join_views
from discovery.records import Clustering, Proposal
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
        enrichment = find_associations(material.metadata, clustering, seed=material.seed)
        found = sum(map(len, enrichment.found.values()))
        facts.update(tests=enrichment.tests, found=found)
    return attach_associations(proposals, enrichment), enrichment
