"""From a run to its report: the page is drawn of the run's own files, so that it is never stale.

The round draws it first; `refresh_report` draws it again after decisions, without store and images.
"""

from dataclasses import replace

from discovery.flow.facts import format_facts, has_moved, parse_facts
from discovery.formats.type_sheet import find_type_states
from discovery.ledger import read_decisions, replay_decisions
from discovery.records import LineageEntry
from discovery.runs import FACTS, LEDGER, REPORT, SWEEP, USAGE, Provenance, Run
from discovery.runs.lineage import LINEAGE, read_lineage
from discovery.stages.rarity import rank_rare
from discovery.stages.report import ReportData, ReportFacts, render_report
from discovery.stages.sweep import read_sweep
from embeddings.console import get_logger


def compose_report(run: Run, facts: ReportFacts) -> bytes:
    """Draw the report of a run as it stands."""
    clustering, layout = run.load_clustering(), run.load_layout()
    pictures = run.load_pictures()
    decided = replay_decisions(read_decisions(run.path / LEDGER))
    data = ReportData(
        clustering=clustering,
        xy=layout.xy,
        paths=layout.paths,
        proposals=run.load_proposals(),
        thumbnails=pictures.thumbnails,
        labels={
            name: decision.label for name, decision in decided.proposals.items() if decision.label
        },
        judged={
            name: state.verdict
            for name, state in find_type_states(decided).items()
            if not state.label
        },
        images=decided.images,
        definitions=decided.definitions,
        larger=pictures.larger,
        tiles=pictures.tiles,
        rarity=rank_rare(clustering, run.load_neighbours(clustering.ids)),
        heats=pictures.heats,
        history=_find_history(run),
        sweep=read_sweep(run.read_bytes(SWEEP)),
        facts=facts,
        title=facts.title,
    )
    return render_report(data).encode()


def refresh_report(run: Run) -> None:
    """Draw the report again where decisions came since, or the run was moved; else do nothing.

    Raises
    ------
    RunError
        An artefact is missing or damaged, or the ledger has a line that cannot be read.
    """
    entry = run.entry(FACTS)
    if not (run.path / REPORT).exists():
        return  # no round has come so far yet
    if entry is None:
        get_logger().warning(
            "WARNING: %s is of an earlier version and is left as it is: run discovery.cluster into "
            "the same folder again",
            run.path / REPORT,
        )
        return
    # As the round would have made it, so that the next one finds it current.
    made_by = Provenance(
        command=entry["command"],
        spec=entry["spec"],
        seed=entry["seed"],
        inputs=entry["inputs"] | run.hash_inputs(*entry["inputs"], LEDGER),
    )
    if run.is_current(REPORT, made_by) and not has_moved(run):
        return
    told = run.read_bytes(FACTS)
    facts = parse_facts(told, run.path / FACTS)
    # The commands on the page are of the run where it is now.
    if has_moved(run):
        facts = replace(facts, run=str(run.path))
        told = format_facts(facts)
    page = compose_report(run, facts)
    for name, data in ((REPORT, page), (FACTS, told)):
        usage = {name: entry[name] for name in USAGE if name in entry}
        run.save_bytes(name, data, made_by, usage=usage)


def _find_history(run: Run) -> LineageEntry | None:
    """Return what the last round changed; of a first round there is nothing to tell."""
    # The first entry says that all groups are new, which the page need not say.
    entries = read_lineage(run.path / LINEAGE)
    return entries[-1] if len(entries) > 1 or (entries and entries[0].since) else None
