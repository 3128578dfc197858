"""From a run to its report: thumbnails are read, facts gathered, the page drawn."""

from datetime import datetime
from pathlib import Path

from discovery.flow.options import RoundOptions
from discovery.flow.sources import RoundSource
from discovery.ledger import read_decisions, replay_decisions
from discovery.runs import CLUSTERING, LEDGER, NEIGHBOURS, PROPOSALS, Run, package_versions
from discovery.stages.report import ReportData, ReportFacts, choose_thumbnails, render_report
from embeddings.records import Vectors
from embeddings.thumbnails import read_thumbnails

LISTED = 200  # quarantined files named in the report; the rest are counted, all are in the CSV


def compose_report(
    run: Run, source: RoundSource, vectors: Vectors, *, given: Path, options: RoundOptions
) -> bytes:
    """Draw the report of a run as it stands.

    Parameters
    ----------
    vectors : Vectors
        Of the run's images; their rows say where each image's pixels are.
    given : Path
        The source as the user typed it.
    """
    clustering, layout = run.load_clustering(), run.load_layout()
    proposals = run.load_proposals()
    shown = choose_thumbnails(clustering, proposals, limit=options.thumbnails)
    decided = replay_decisions(read_decisions(run.path / LEDGER))
    data = ReportData(
        clustering=clustering,
        xy=layout.xy,
        paths=layout.paths,
        proposals=proposals,
        thumbnails=read_thumbnails(vectors, shown, source.store),
        labels={
            name: decision.label for name, decision in decided.proposals.items() if decision.label
        },
        facts=_gather_facts(run, source, given, options),
        title=f"Defect types proposed for {given.name or given}",
    )
    return render_report(data).encode()


def _gather_facts(run: Run, source: RoundSource, given: Path, options: RoundOptions) -> ReportFacts:
    spec = source.store.spec
    entries = {name: run.entry(name) or {} for name in (NEIGHBOURS, CLUSTERING, PROPOSALS)}
    layers = "+".join(spec.layers)
    return ReportFacts(
        source=str(given),
        run=str(run.path),
        extractor=f"{spec.name} ({spec.weights}), {layers} {spec.pooling}"
        if spec.weights
        else f"{spec.name}, {layers}",
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
        quarantined=source.quarantined[:LISTED],
        quarantined_count=len(source.quarantined),
        ignored=source.ignored,
        warnings=source.warnings,
        made_at=datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
    )
