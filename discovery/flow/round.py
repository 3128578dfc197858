"""One round of discovery, stage by stage, each artefact kept and reused while it is current.

Read `discover_types` for the order. Each method of `_Round` is one stage: how its artefact would
be made now, whether the one in the run was made just so, and if not, making it. What a stage
needs is imported there, so that a round with nothing to do loads neither torch nor UMAP.
"""

import getpass
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from discovery.flow.options import RoundOptions
from discovery.flow.settings import DRAWS, MIN_IMAGES, describe_choice, describe_graph
from discovery.flow.sources import RoundSource, open_round, split_known
from discovery.ledger import read_decisions
from discovery.records import Layout, Neighbours
from discovery.runs import (
    CLUSTERING,
    LEDGER,
    NEIGHBOURS,
    PROPOSALS,
    REPORT,
    Provenance,
    Run,
    create_run,
    hash_bytes,
    hash_file,
)
from discovery.stages.handback import absorb_handoff, publish_handoff
from embeddings.console import stage
from embeddings.errors import InputError, OptionError
from embeddings.records import Vectors

if TYPE_CHECKING:
    from discovery.flow.route import Partitioned

COMMAND = "discovery.cluster"


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
    _check_places(source, out, options.known)
    run = create_run(out)
    # What a person typed into handoff.csv goes into the ledger before anything is made anew.
    absorb_handoff(run, by=_find_user(), at=datetime.now(UTC).isoformat(timespec="seconds"))
    read_decisions(run.path / LEDGER)  # a damaged ledger is told before the work, not after it
    opened = open_round(source, out, options=options.extract, known=options.known)
    round_ = _Round(source, run, opened, options)
    round_.check_images()
    round_.build_neighbours()
    round_.cluster()
    round_.propose()
    publish_handoff(run)
    round_.report()
    return round_.summary()


class _Round:
    """One call's state: the stages in order, each skipped while its artefact is current."""

    def __init__(self, source: Path, run: Run, opened: RoundSource, options: RoundOptions) -> None:
        self.given, self.run, self.options = source, run, options
        self.source = opened
        self.known: tuple[Vectors, NDArray[np.str_]] | None = None
        if options.known is not None:
            self.source, vectors, labels = split_known(opened, options.known)
            self.known = (vectors, labels)
        run.set_store(self.source.identity)

    @cached_property
    def vectors(self) -> Vectors:
        """The vectors, read when a stage first needs them."""
        with stage("read vectors") as facts:
            vectors = self.source.load_vectors()
            facts.update(images=len(vectors), dimensions=vectors.spec.dim)
        return vectors

    def check_images(self) -> None:
        """Refuse to group fewer images than make a group, or than the clusters asked for."""
        n, quarantined = len(self.source.ids), self.source.quarantined
        wanted = getattr(self.options.clusterer, "n_clusters", None)
        if n < MIN_IMAGES:
            first = f"; the first: {': '.join(quarantined[0])}" if quarantined else ""
            raise InputError(
                f"{n} images to cluster, expected {MIN_IMAGES} or more "
                f"({self.source.counts}{first})"
            )
        if isinstance(wanted, int) and wanted > n:
            raise OptionError(f"--n-clusters {wanted}: there are {n} images, ask for fewer")

    def build_neighbours(self) -> None:
        """Find the k-nearest-neighbour graph that the map and the clusters share."""
        spec = describe_graph(len(self.source.ids))
        made_by = self._provenance(spec, {"vectors": self.source.digest})
        if self.run.is_current(NEIGHBOURS, made_by):
            return
        from discovery.stages.neighbours import build_neighbours

        start = time.monotonic()
        with stage("neighbours") as facts:
            graph = build_neighbours(self._graph_rows, spec["k"], seed=self.options.seed)
            facts.update(images=len(graph), k=spec["k"], exact=graph.exact)
        seconds = time.monotonic() - start
        self.run.save_neighbours(graph, self.vectors.ids, made_by, seconds=seconds)

    def cluster(self) -> None:
        """Group the images and lay out the 2-D map."""
        made_by = self._provenance(
            describe_choice(self.options.clusterer, len(self.source.ids)),
            {"vectors": self.source.digest} | self._file_inputs(NEIGHBOURS),
        )
        if self.run.is_current(CLUSTERING, made_by):
            return
        from discovery.flow.route import map_rows

        start = time.monotonic()
        with stage("cluster") as facts:
            found = self._partitioned.clustering
            noise = int((found.labels < 0).sum())
            facts.update(by=found.made_by, clusters=found.k, noise=f"{noise} images")
        with stage("map"):
            xy = map_rows(self._graph_rows, self._graph(), seed=self.options.seed)
        layout = Layout(
            ids=found.ids, paths=tuple(tuple(p) for p in self.vectors.rows["paths"]), xy=xy
        )
        seconds = time.monotonic() - start
        self.run.save_clustering(found, layout, made_by, seconds=seconds)

    def propose(self) -> None:
        """Measure each cluster's evidence and make proposals of them."""
        made_by = self._provenance(
            {"draws": DRAWS}, self._file_inputs(CLUSTERING) | self._known_input()
        )
        if self.run.is_current(PROPOSALS, made_by):
            return
        from discovery.stages.propose import KnownTypes, propose_types
        from discovery.stages.stability import measure_stability

        start = time.monotonic()
        clustering = self.run.load_clustering()
        with stage("stability") as facts:
            parts = self._partitioned
            stability = measure_stability(
                parts.reduced, clustering, fit=parts.fit, seed=self.options.seed, draws=DRAWS
            )
            facts.update(clusters=clustering.k)
        with stage("propose") as facts:
            known = None
            if self.known is not None:
                known = KnownTypes(values=self.known[0].values, labels=self.known[1])
            proposals = propose_types(self.vectors, clustering, stability, known=known)
            facts.update(proposals=len(proposals))
        self.run.save_proposals(proposals, made_by, seconds=time.monotonic() - start)

    def report(self) -> None:
        """Draw the page that a person looks at."""
        made_by = self._provenance(
            {"thumbnails": self.options.thumbnails},
            self._file_inputs(CLUSTERING, PROPOSALS, LEDGER)
            | {"quarantine": hash_bytes(repr(self.source.quarantined).encode())},
        )
        if self.run.is_current(REPORT, made_by):
            return
        from discovery.flow.reporting import compose_report

        start = time.monotonic()
        with stage("report") as facts:
            page = compose_report(
                self.run, self.source, self.vectors, given=self.given, options=self.options
            )
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

    def _graph(self) -> Neighbours:
        return self.run.load_neighbours(self.vectors.ids)

    @cached_property
    def _graph_rows(self) -> NDArray[np.float32]:
        """The reduced rows, (n, p), that the neighbour graph is made of."""
        from discovery.flow.route import reduce_vectors

        with stage("reduce") as facts:
            rows = reduce_vectors(self.vectors, seed=self.options.seed)
            facts.update(images=len(rows), dimensions=rows.shape[1])
        return rows

    @cached_property
    def _partitioned(self) -> "Partitioned":
        """The clusters; the stability draws from the same reduced rows by the same method."""
        from discovery.flow.route import partition_vectors

        return partition_vectors(
            self.vectors,
            self._graph_rows,
            self._graph(),
            choice=self.options.clusterer,
            seed=self.options.seed,
        )

    def _known_input(self) -> dict[str, str]:
        if self.known is None:
            return {}
        pairs = sorted(zip(self.known[0].ids.tolist(), self.known[1].tolist(), strict=True))
        return {"known": hash_bytes(repr(pairs).encode())}

    def _file_inputs(self, *names: str) -> dict[str, str]:
        there = [name for name in names if (self.run.path / name).exists()]
        return {name: hash_file(self.run.path / name) for name in there}

    def _provenance(self, spec: Mapping[str, Any], inputs: Mapping[str, str]) -> Provenance:
        return Provenance(
            command=COMMAND, spec=dict(spec), seed=self.options.seed, inputs=dict(inputs)
        )


def _check_places(source: Path, out: Path, known: Path | None) -> None:
    """Refuse before the run's folder is made what could only leave an empty or a stripped run."""
    if not source.exists():
        raise InputError(
            f"{source} does not exist; expected a folder of images, a CSV with a column path, or "
            "a store"
        )
    if known is not None and out.resolve() in (known.resolve(), known.resolve().parent):
        # Its labelled images would be set aside, and so fall out of its own handoff.
        raise OptionError(
            f"--known {known} is the handoff of the run {out} itself, whose labels are carried "
            "over anyway: leave it out, or give another --out"
        )


def _find_user() -> str:
    """Return who is at the keyboard; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
