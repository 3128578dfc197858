"""The sheet of types goes out and comes back: types.csv and types.xlsx in the run.

`publish_types` writes both into the run. A person may fill in either, so before they are written
anew `absorb_types` takes what they say into the ledger.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from discovery.formats.type_sheet import (
    TypesTaken,
    TypeState,
    build_type_rows,
    decide_types,
    find_type_states,
    format_types_csv,
    format_types_xlsx,
    read_type_sheet,
)
from discovery.ledger import append_decisions, mark_sheet, read_decisions, replay_decisions
from discovery.records import Decided, Decision, Pictures, warn_of_alike_labels
from discovery.runs import (
    CLUSTERING,
    LEDGER,
    PICTURES,
    PROPOSALS,
    TYPES_CSV,
    TYPES_XLSX,
    Provenance,
    Run,
)
from embeddings.errors import HandoffError, RunError
from embeddings.paths import takes_paths


def compose_types(run: Run) -> dict[str, bytes]:
    """Make types.csv and types.xlsx of a run as it stands: its proposals, pictures and ledger.

    Raises
    ------
    RunError
        An artefact is missing or damaged, or the ledger has a line that cannot be read.
    """
    decisions = read_decisions(run.path / LEDGER)
    decided = replay_decisions(decisions)
    proposals = run.load_proposals()
    rows = build_type_rows(
        proposals,
        run.load_clustering(),
        decided,
        states=find_type_states(decided),
        revision=len(decisions),
    )
    # A run of an earlier version has no pictures: its sheet has none either.
    pictures = run.load_pictures() if (run.path / PICTURES).exists() else Pictures()
    known = {one.nearest_known for one in proposals if one.nearest_known}
    labels = sorted(_list_labels(decided) | known)
    return {
        TYPES_CSV: format_types_csv(rows),
        TYPES_XLSX: format_types_xlsx(rows, pictures.thumbnails, labels=labels),
    }


def publish_types(run: Run) -> None:
    """Write the run's own types.csv and types.xlsx and enter them into run.json, if not current.

    What was there is replaced: call `absorb_types` first.
    """
    provenance = Provenance(
        command="discovery.handoff",
        spec={},
        seed=0,
        inputs=run.hash_inputs(CLUSTERING, PROPOSALS, LEDGER, PICTURES),
    )
    if all(run.is_current(name, provenance) for name in (TYPES_CSV, TYPES_XLSX)):
        return
    for name, data in compose_types(run).items():
        run.save_bytes(name, data, provenance)


@takes_paths
def take_types(run: Run, path: Path, *, by: str, at: str) -> TypesTaken:
    """Read a filled sheet of types into the run's ledger, all of it or nothing.

    Raises
    ------
    HandoffError
        Names file, sheet, row and column of each fault.
    RunError
        The run or its ledger cannot be read or written.
    """
    taken = read_types(run, path, by=by, at=at)
    _append(run, taken.decisions, path.name)
    return taken


def absorb_types(run: Run, *, by: str, at: str) -> dict[Path, TypesTaken]:
    """Take back the run's own types.csv and types.xlsx where someone edited them.

    Call it before the proposals or the sheets of the run are replaced: what was typed into them but
    never read back would be lost.

    Returns
    -------
    dict
        What each edited file said.

    Raises
    ------
    HandoffError
        An edited file has faults, or the two disagree. Nothing is lost: mend or remove the file.
    """
    edited = [run.path / name for name in (TYPES_CSV, TYPES_XLSX) if run.is_edited(name)]
    try:
        found = {path: read_types(run, path, by=by, at=at) for path in edited}
    except RunError as error:
        raise HandoffError(
            f"{edited[0]} was filled in, but its proposals cannot be read ({error}): move the file "
            "away and read it with discovery.handoff RUN --read when the run is whole again"
        ) from error
    decisions: dict[str, Decision] = {}
    for taken in found.values():
        for one in taken.decisions:
            other = decisions.setdefault(one.proposal_id, one)
            # Which of two words on one type holds is not for a program to say.
            if (other.verdict, other.label, other.note) != (one.verdict, one.label, one.note):
                raise HandoffError(
                    f"{' and '.join(map(str, edited))} differ on {one.proposal_id} "
                    f"({other.label or other.verdict!r} and {one.label or one.verdict!r}): "
                    "give it the same in both, or remove one file"
                )
    file = " and ".join(path.name for path in edited)
    _append(run, list(decisions.values()), file)
    return found


def read_types(run: Run, path: Path, *, by: str, at: str) -> TypesTaken:
    """Say what a filled sheet of types would add to the run's ledger; nothing is written.

    Raises
    ------
    HandoffError
        Names file, sheet, row and column of each fault.
    RunError
        The run or its ledger cannot be read.
    """
    decisions = read_decisions(run.path / LEDGER)
    proposals, clustering = run.load_proposals(), run.load_clustering()
    members = {
        one.proposal_id: tuple(clustering.ids[clustering.members(one.cluster_id)].tolist())
        for one in proposals
    }

    @cache
    def states_at(count: int) -> Mapping[str, TypeState]:
        return find_type_states(replay_decisions(decisions[:count]))

    return decide_types(
        read_type_sheet(path),
        proposals,
        members,
        decisions=decisions,
        states_at=states_at,
        labels=_list_labels(replay_decisions(decisions)),
        by=by,
        at=at,
    )


def _append(run: Run, decisions: Sequence[Decision], file: str) -> None:
    ledger = run.path / LEDGER
    append_decisions(ledger, mark_sheet(decisions, file))
    if decisions:
        labels = _list_labels(replay_decisions(read_decisions(ledger)))
        warn_of_alike_labels(file, labels & {one.label for one in decisions}, labels)


def _list_labels(decided: Decided) -> set[str]:
    """Return the labels of the types there are."""
    named = {label.label for label in decided.images.values()}
    return named | {last.label for last in decided.proposals.values() if last.label}
