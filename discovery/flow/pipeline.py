"""One round of discovery, stage by stage, each artefact kept and reused while it is current.

Read `discover_types` for the order. Each method of `_Round` is one stage: how its artefact would
be made now, whether the one in the run was made just so, and if not, making it. What a stage
needs is imported there, so that a round with nothing to do loads neither torch nor UMAP.
What they share is in `RoundContext`.
"""

import getpass
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from discovery.flow.context import RoundContext, check_places, prepare_round
from discovery.flow.lineage_ids import keep_ids, settle_lineage
from discovery.flow.options import RoundOptions
from discovery.flow.settings import DRAWS, MIN_IMAGES, describe_choice, describe_graph
from discovery.ledger import read_decisions
from discovery.records import Layout
from discovery.runs import (
    ASSOCIATIONS,
    CLUSTERING,
    COPIES,
    LEDGER,
    NEIGHBOURS,
    PROPOSALS,
    RARE,
    REPORT,
    SWEEP,
    VIEWS_CSV,
    Run,
    create_run,
)
from discovery.runs.lineage import LINEAGE
from discovery.stages.handoff_io import absorb_handoff, publish_handoff
from embeddings.console import stage
from embeddings.errors import InputError
from embeddings.files import hash_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """What a round came to.

    Attributes
    ----------
    counts : str
        ``computed N, reused N, quarantined N, ignored N``.
    images, proposals, noise : int
        Images clustered, types proposed, images in none of them.
    """

    run: Run
    counts: str
    images: int
    proposals: int
    noise: int


def discover_types(source: Path, out: Path, *, options: RoundOptions | None = None) -> Discovered:
    """Run one round: from images, or a store, to proposals, handoff and report in a run folder.

    Parameters
    ----------
    source : Path
        A store, a folder of images, a CSV with a column ``path``, or one image.
    out : Path
        The run's folder. Run again into the same one, decisions are never touched and decided
        labels are carried over.

    Raises
    ------
    DefectDiscoveryError
        The source, an option, the store or the run cannot be used; nothing is lost.
    """
    options = options or RoundOptions()
    check_places(source, out, options.known)
    run = create_run(out)
    # What a person typed into handoff.csv goes into the ledger before anything is made anew.
    absorb_handoff(run, by=_find_user(), at=_find_now())
    read_decisions(run.path / LEDGER)  # a damaged ledger is told before the work, not after it
    # What a crash left untold is told while its clusters are still there.
    settle_lineage(run, at=_find_now(), since=options.since)
    round_ = _Round(prepare_round(source, run, options))
    round_.check_images()
    round_.build_neighbours()
    round_.find_copies()
    round_.cluster()
    round_.rank_rare()
    round_.propose()
    round_.tell_lineage()
    publish_handoff(run)
    round_.report()
    return round_.summary()


class _Round:
    """One call's stages in order, each skipped while its artefact is current."""

    def __init__(self, context: RoundContext) -> None:
        self.context = context
        self.run, self.options = context.run, context.options
        self.source = context.source

    def check_images(self) -> None:
        """Refuse to group fewer images than make a group, or than the clusters asked for."""
        n, quarantined = len(self.source.ids), self.source.quarantined
        if n < MIN_IMAGES:
            first = f"; the first: {': '.join(quarantined[0])}" if quarantined else ""
            raise InputError(
                f"{n} images to cluster, expected {MIN_IMAGES} or more "
                f"({self.source.counts}{first})"
            )
        self.options.clusterer.check(n)

    def build_neighbours(self) -> None:
        """Find the k-nearest-neighbour graph that the map and the clusters share."""
        spec = describe_graph(len(self.source.ids))
        context = self.context
        seeds = context.known_input() if self.options.guided else {}
        made_by = context.provenance(
            spec | {"guided": self.options.guided}, context.vectors_input() | seeds
        )
        if self.run.is_current(NEIGHBOURS, made_by):
            return
        from discovery.graph.neighbours import find_neighbours

        start = time.monotonic()
        with stage("neighbours") as facts:
            graph = find_neighbours(context.graph_rows, spec["k"], seed=self.options.seed)
            facts.update(images=len(graph), k=spec["k"], exact=graph.exact)
        seconds = time.monotonic() - start
        self.run.save_neighbours(graph, context.vectors.ids, made_by, seconds=seconds)

    def find_copies(self) -> None:
        """Look for copies among the nearest neighbours: they count once as evidence."""
        if not self.run.is_current(COPIES, self.context.copies_made_by()):
            _ = self.context.copies  # found, and written

    def cluster(self) -> None:
        """Group the images and lay out the 2-D map."""
        context = self.context
        spec = describe_choice(self.options.clusterer, len(self.source.ids))
        made_by = context.provenance(
            spec | {"assign_noise": self.options.assign_noise},
            context.vectors_input() | context.file_inputs(NEIGHBOURS),
        )
        if all(self.run.is_current(name, made_by) for name in (SWEEP, CLUSTERING)):
            return
        from discovery.flow.route import map_rows
        from discovery.stages.rarity import assign_noise
        from discovery.stages.sweep import format_sweep

        start = time.monotonic()
        with stage("cluster") as facts:
            found = context.partitioned.clustering
            noise = int((found.labels < 0).sum())
            facts.update(by=found.made_by, clusters=found.k, noise=f"{noise} images")
            if self.options.assign_noise:
                found = assign_noise(found, context.graph)
        with stage("map"):
            xy = map_rows(context.graph_rows, context.graph, seed=self.options.seed)
        paths = tuple(tuple(p) for p in context.vectors.rows["paths"])
        layout = Layout(ids=found.ids, paths=paths, xy=xy)
        seconds = time.monotonic() - start
        swept = context.partitioned.sweep
        data = format_sweep(None if swept is None else swept(found.core_labels))
        self.run.save_bytes(SWEEP, data, made_by)
        self.run.save_clustering(found, layout, made_by, seconds=seconds)

    def rank_rare(self) -> None:
        """Order the images that are in no cluster, or far out in theirs, rarest first."""
        made_by = self.context.provenance({}, self.context.file_inputs(NEIGHBOURS, CLUSTERING))
        if self.run.is_current(RARE, made_by):
            return
        from discovery.stages.rarity import tabulate_rare

        start = time.monotonic()
        clustering, layout = self.run.load_clustering(), self.run.load_layout()
        data = tabulate_rare(self.context.rarity, clustering, layout.paths)
        self.run.save_bytes(RARE, data, made_by, seconds=time.monotonic() - start)

    def propose(self) -> None:
        """Measure each cluster's evidence and make proposals of them."""
        context = self.context
        made_by = context.provenance(
            {"draws": DRAWS, "associations": 1},
            context.file_inputs(CLUSTERING, COPIES)
            | {"metadata": self.source.metadata_digest}
            | context.known_input(),
        )
        if all(self.run.is_current(name, made_by) for name in (ASSOCIATIONS, PROPOSALS)):
            return
        from discovery.flow.steps import draft_proposals
        from discovery.stages.enrich import format_associations

        start = time.monotonic()
        clustering = self.run.load_clustering()
        drafts, enrichment = draft_proposals(context, clustering)
        proposals = keep_ids(
            self.run, clustering, drafts, vectors=context.vectors, since=self.options.since
        )
        table = format_associations(proposals, enrichment)
        self.run.save_bytes(ASSOCIATIONS, table, made_by)
        self.run.save_proposals(proposals, made_by, seconds=time.monotonic() - start)

    def tell_lineage(self) -> None:
        """Write down what became of the proposals of the round before."""
        settle_lineage(
            self.run,
            at=_find_now(),
            load_vectors=lambda: self.context.vectors,
            since=self.options.since,
        )

    def report(self) -> None:
        """Draw the page that a person looks at."""
        made_by = self.context.provenance(
            {"thumbnails": self.options.thumbnails},
            self.context.file_inputs(
                CLUSTERING, COPIES, SWEEP, RARE, PROPOSALS, LEDGER, LINEAGE, VIEWS_CSV
            )
            | {"quarantine": hash_bytes(repr(self.source.quarantined).encode())},
        )
        if self.run.is_current(REPORT, made_by):
            return
        from discovery.flow.report import compose_report

        start = time.monotonic()
        with stage("report") as facts:
            page = compose_report(self.context)
            facts.update(size=f"{len(page) / 1e6:.1f} MB")
        self.run.save_bytes(REPORT, page, made_by, seconds=time.monotonic() - start)

    def summary(self) -> Discovered:
        """Count what came of it."""
        images = self.run.load_images()
        return Discovered(
            run=self.run,
            counts=self.source.counts,
            images=len(images),
            proposals=len(self.run.load_proposals()),
            noise=int((images["cluster_id"] < 0).sum()),
        )


def _find_user() -> str:
    """Return who is at the keyboard; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _find_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
