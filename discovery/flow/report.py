"""From a run to its report: thumbnails are read, facts gathered, the page drawn."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from discovery.flow.context import RoundContext
from discovery.ledger import read_decisions, replay_decisions
from discovery.records import LineageEntry
from discovery.runs import (
    CLUSTERING,
    LEDGER,
    MAP,
    NEIGHBOURS,
    PROPOSALS,
    STABILITY,
    SWEEP,
    VIEWS_CSV,
    Run,
    package_versions,
)
from discovery.runs.lineage import LINEAGE, read_lineage
from discovery.stages.report import ReportData, ReportFacts, choose_thumbnails, render_report
from discovery.stages.sweep import read_sweep
from embeddings.console import get_logger
from embeddings.errors import WeightsError
from embeddings.files import parse_csv
from embeddings.records import ExtractorSpec
from embeddings.thumbnails import read_thumbnails

_TIMED = (NEIGHBOURS, MAP, CLUSTERING, STABILITY, PROPOSALS)  # whose seconds the report names
MOST_QUARANTINED = (
    200  # quarantined files named in the report; the rest are counted, all are in the CSV
)


def compose_report(context: RoundContext) -> bytes:
    """Draw the report of a run as it stands."""
    run, given = context.run, context.given
    clustering, layout = run.load_clustering(), run.load_layout()
    proposals = run.load_proposals()
    rarity = context.rarity
    wanted = choose_thumbnails(
        clustering, proposals, limit=context.options.thumbnails, rarity=rarity
    )
    decided = replay_decisions(read_decisions(run.path / LEDGER))
    # Of previews where this process extracted; else files are opened once more.
    pictures = read_thumbnails(
        context.vectors,
        wanted,
        context.source.store,
        max_pixels=context.options.extract.max_pixels,
        previews=context.previews,
    )
    data = ReportData(
        clustering=clustering,
        xy=layout.xy,
        paths=layout.paths,
        proposals=proposals,
        thumbnails=pictures,
        labels={
            name: decision.label for name, decision in decided.proposals.items() if decision.label
        },
        rarity=rarity,
        heats=_draw_heats(context, [one.medoid for one in proposals], pictures),
        history=_find_history(run),
        sweep=read_sweep(run.read_bytes(SWEEP)),
        facts=_gather_facts(context),
        title=f"Defect types proposed for {given.name or given}",
    )
    return render_report(data).encode()


def _find_history(run: Run) -> LineageEntry | None:
    """Return what the last round changed; of a first round there is nothing to tell."""
    # The first entry says that all groups are new, which the page need not say.
    entries = read_lineage(run.path / LINEAGE)
    return entries[-1] if len(entries) > 1 or (entries and entries[0].since) else None


def _draw_heats(
    context: RoundContext, medoids: list[str], pictures: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Colour the medoids where they are unlike the rest, where the vectors were made so."""
    store = context.source.store
    if not store.spec.bank_sha256 or store.spec.view == "polar":
        return {}  # of no places, or of places that are not the picture's
    from embeddings.heat import draw_heat, weigh_images

    try:
        # Only the medoids: a heat map takes as long as extracting the picture.
        heats = weigh_images(context.vectors, medoids, store, options=context.options.extract)
    except WeightsError as error:
        get_logger().warning("WARNING: the report has no heat maps: %s", error)
        return {}
    return {name: draw_heat(pictures[name], heats[name]) for name in heats if name in pictures}


def _read_views(context: RoundContext) -> list[dict[str, str]]:
    """Return the rows of views.csv, where views were compared in this round."""
    if len(context.candidates) == 1:
        return []
    return parse_csv(context.run.read_bytes(VIEWS_CSV))


def _gather_facts(context: RoundContext) -> ReportFacts:
    run, source, options = context.run, context.source, context.options
    spec = source.store.spec
    # Of an artefact that was damaged since, seconds are left out.
    entries = {name: run.entry(name) or {} for name in _TIMED}
    return ReportFacts(
        source=str(context.given),
        run=str(run.path),
        extractor=", joined with ".join(_name_view(store.spec) for store in source.stores),
        precision=f"{spec.precision} on {spec.backend}",
        parameters={
            "input size": spec.input_size,
            "fit": spec.fit,
            "resize": spec.resize,
            "neighbours": entries[NEIGHBOURS].get("spec", {}).get("k", ""),
            "known types": str(options.known or "none"),
        },
        seed=options.seed,
        versions=package_versions(),
        seconds={name: float(entry.get("seconds", 0.0)) for name, entry in entries.items()},
        quarantined=source.quarantined[:MOST_QUARANTINED],
        quarantined_count=len(source.quarantined),
        ignored=source.ignored,
        matched=dict(sorted(Counter(context.matched.values()).items())),
        views=_read_views(context),
        copies=context.copies.describe(),
        warnings=source.warnings,
        made_at=datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
    )


def _name_view(spec: ExtractorSpec) -> str:
    layers = "+".join(spec.layers)
    name = f"{spec.name} ({spec.weights}), {layers} {spec.pooling}"
    if not spec.weights:
        name = f"{spec.name}, {layers}"
    return name if spec.view == "picture" else f"{name}, seen as {spec.view}"
