"""The order of a round: a table of steps, read from top to bottom, and the one loop that runs it.

Each row says what a step writes, what that is made of, and which function makes it. An artefact
whose provenance is what it was is kept; so a round with nothing to do opens a few small files,
and loads neither torch nor UMAP. To add a step, write its function and give it a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from discovery.flow import outputs
from discovery.flow import steps as do
from discovery.flow.beside import save_made
from discovery.flow.context import RoundContext, check_places, find_user, prepare_round
from discovery.flow.embedding import begin_embedding, describe_embedding
from discovery.flow.enough import check_enough
from discovery.flow.lineage_ids import LINEAGE_SPEC, settle_lineage
from discovery.flow.options import RoundOptions
from discovery.flow.own_source import claim_source, find_images, refuse_run, tell_of_loss
from discovery.flow.refresh import absorb_sheets
from discovery.flow.settings import describe_choice, describe_graph
from discovery.flow.step import Step
from discovery.ledger import read_decisions
from discovery.runs import (
    ASSOCIATIONS,
    CLUSTERING,
    COPIES,
    EMBEDDING,
    FACTS,
    HANDOFF_CSV,
    HANDOFF_JSON,
    LEDGER,
    LEVELS,
    MAP,
    MATCHED,
    NEIGHBOURS,
    PICTURES,
    PROPOSALS,
    RARE,
    REPORT,
    STABILITY,
    SWEEP,
    TYPES_CSV,
    TYPES_XLSX,
    VIEWS_CSV,
    Run,
    making_run,
)
from discovery.runs.lineage import LINEAGE, LINEAGE_MEMORY
from discovery.stages.stability import DRAWS
from embeddings.console import stage
from embeddings.locks import working
from embeddings.paths import takes_paths
from embeddings.usage import give_memory_back

# A number in a spec stands for the method: it is raised when the same inputs come to another
# result, so that artefacts of an earlier version are made again.
STEPS: tuple[Step, ...] = (
    Step(
        name="views",
        writes=(VIEWS_CSV,),
        needs=("candidates",),
        spec=lambda c: {"granularity": c.options.clusterer.view_granularity, "evidence": 1},
        when=lambda c: len(c.candidates) > 1,
        make=do.compare_candidates,
    ),
    Step(
        name="match known types",
        writes=(MATCHED,),
        needs=("unmatched vectors", "known types"),
        spec=lambda c: {"target_purity": c.options.target_purity},
        when=lambda c: c.sets_matches_aside,
        make=do.match_known_types,
    ),
    # Writes nothing, so it always runs: the source is refused before anything is made of it.
    Step(name="images", make=do.check_images),
    Step(
        name="neighbours",
        writes=(NEIGHBOURS,),
        needs=("vectors", "guide"),
        spec=lambda c: describe_graph(len(c.source.ids)) | {"guided": c.options.guided},
        make=do.build_graph,
    ),
    Step(
        name="map",
        writes=(MAP,),
        reads=(NEIGHBOURS,),
        needs=("vectors", "guide"),
        begin=do.begin_map,
    ),
    # Apart from the clusters, so that another minimum size does not lay the images out again.
    Step(
        name="embed",
        writes=(EMBEDDING,),
        reads=(NEIGHBOURS,),
        needs=("vectors", "guide"),
        spec=lambda _: describe_embedding(),
        when=lambda c: c.options.clusterer.rows == "umap",
        begin=begin_embedding,
    ),
    Step(
        name="duplicates",
        writes=(COPIES,),
        reads=(NEIGHBOURS,),
        needs=("vectors",),
        spec=lambda _: {"copies": 1},
        make=do.find_copies,
    ),
    # clustering.parquet holds the places on the map, too; they are copied from map.npz, which is
    # made of nothing else than is named here: groups are found while the map is at work.
    Step(
        name="cluster",
        writes=(SWEEP, LEVELS, CLUSTERING),
        reads=(NEIGHBOURS,),
        needs=("vectors", "guide"),
        spec=lambda c: (
            describe_choice(c.options.clusterer, len(c.source.ids))
            | {"assign_noise": c.options.assign_noise}
        ),
        make=do.group_images,
    ),
    Step(
        name="rare",
        writes=(RARE,),
        reads=(NEIGHBOURS, CLUSTERING),
        make=do.list_rare_images,
    ),
    Step(
        name="stability",
        writes=(STABILITY,),
        reads=(CLUSTERING, COPIES),
        needs=("vectors", "guide"),
        spec=lambda _: {"draws": DRAWS},
        make=do.measure_cluster_stability,
    ),
    # All that is costly lies above: new metadata begin here.
    Step(
        name="propose",
        writes=(ASSOCIATIONS, PROPOSALS),
        reads=(CLUSTERING, COPIES, STABILITY),
        needs=("metadata", "known types"),
        spec=lambda _: {"associations": 2},  # 2: says where nothing stands out
        make=do.make_proposals,
    ),
    Step(
        name="lineage",
        # lineage.jsonl is no artefact of these clusters: it grows by what became of them.
        writes=(LINEAGE_MEMORY,),
        reads=(CLUSTERING, PROPOSALS),
        spec=lambda _: LINEAGE_SPEC,
        is_random=False,
        make=do.write_lineage,
    ),
    # Previews are at hand in a first run; later nothing but new thumbnails opens a file.
    Step(
        name="pictures",
        writes=(PICTURES,),
        reads=(CLUSTERING, PROPOSALS, RARE),
        needs=("vectors",),
        spec=lambda c: {"thumbnails": c.options.thumbnails, "pictures": 2},
        is_random=False,
        make=outputs.keep_pictures,
    ),
    # The ledger is nobody's artefact: a person's decisions come from outside of the round.
    Step(
        name="handoff",
        writes=(HANDOFF_CSV, HANDOFF_JSON),
        reads=(CLUSTERING, PROPOSALS, LEDGER),
        spec=lambda c: {"store": c.run.store},
        make=outputs.write_handoff,
    ),
    Step(
        name="types",
        writes=(TYPES_CSV, TYPES_XLSX),
        reads=(CLUSTERING, PROPOSALS, LEDGER, PICTURES),
        is_random=False,
        make=outputs.write_types,
    ),
    Step(
        name="report",
        writes=(FACTS, REPORT),
        reads=(CLUSTERING, COPIES, SWEEP, RARE, PROPOSALS, PICTURES, LEDGER, LINEAGE, VIEWS_CSV),
        needs=("quarantine",),
        make=outputs.draw_report,
    ),
)


def run_pipeline(context: RoundContext, *, steps: Sequence[Step] = STEPS) -> None:
    """Go through the steps in their order; what is current is left as it is.

    Raises
    ------
    DefectDiscoveryError
        A step cannot do its work. What the steps before it wrote is kept, and reused.
    """
    with context.beside:
        for step in steps:
            if step.when(context):
                _run_step(step, context)


def _run_step(step: Step, context: RoundContext) -> None:
    run = context.run
    context.beside.finish(*step.reads)
    made_by = step.describe(context)  # before it is made: what it reads must not change meanwhile
    if step.writes and all(run.is_current(name, made_by) for name in step.writes):
        return
    if step.begin is not None:
        work = step.begin(context)
        context.beside.begin(step.name, writes=step.writes, made_by=made_by, work=work)
    if step.make is not None:
        # Facts and seconds go into the log, what it took into run.json, too.
        with stage(step.name) as facts:
            made = step.make(context, facts)
        save_made(run, step.name, made, made_by=made_by, usage=facts.usage.to_dict())
    give_memory_back()  # what steps leave free adds up


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


@takes_paths
def discover_types(
    source: Path,
    out: Path,
    *,
    options: RoundOptions | None = None,
    steps: Sequence[Step] = STEPS,
) -> Discovered:
    """Run one round: from images, or a store, to proposals, handoff and report in a run folder.

    Parameters
    ----------
    source : Path
        A store, a folder of images, a CSV with a column ``path``, or one image.
    out : Path
        The run's folder. Run again into the same one, decisions are never touched and decided
        labels are carried over.
    steps : sequence of Step
        The order of the round; further steps may be added to `STEPS`.

    Raises
    ------
    BusyError
        Another round is at work on this run.
    DefectDiscoveryError
        The source, an option, the store or the run cannot be used, or the source is not the
        run's own; nothing is lost.
    """
    options = options or RoundOptions()
    refuse_run(source)
    check_places(source, out, known=options.known, since=options.since)
    check_enough(source, options)
    # A second round into the same folder is told of the first.
    with working(out), making_run(out) as run:
        claim_source(run, source, options.extract, replace=options.replace)
        return _run_round(run, source, options, steps)


def _run_round(run: Run, source: Path, options: RoundOptions, steps: Sequence[Step]) -> Discovered:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    before = find_images(run)
    # What a person typed into the run's sheets goes into the ledger before anything is made anew.
    absorb_sheets(run, by=find_user(), at=now)
    read_decisions(run.path / LEDGER)  # a damaged ledger is reported before the work, not after
    # What a crash left unwritten is written while its clusters are still there.
    settle_lineage(run, at=now, since=options.since)
    context = prepare_round(source, run, options)
    run_pipeline(context, steps=steps)
    outputs.follow_move(run)
    tell_of_loss(before, run)
    images = run.load_images()  # one row a path: exact copies count, as in every table
    return Discovered(
        run=run,
        counts=context.source.counts,
        images=len(images),
        proposals=len(run.load_proposals()),
        noise=int((images["cluster_id"] < 0).sum()),
    )
