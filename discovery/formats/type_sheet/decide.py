"""What a person filled in becomes decisions on proposals; what they left as it was does not.

Each row says how many decisions there were when it was written. So it is known what the person saw,
and what was decided since: an older copy never undoes that.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from discovery.formats.filled_sheet import FilledSheet, RowFault, raise_faults
from discovery.formats.type_sheet.read import FilledTypes
from discovery.formats.type_sheet.rows import VERDICTS, TypeState
from discovery.records import (
    Decision,
    Proposal,
    find_label_fault,
    is_same_to_spreadsheet,
    tidy_label,
)
from embeddings.plurals import tell_count

_NAMING = ("accept", "merge")
_INTEGER = re.compile(r"\d+([.,]0*)?")  # a spreadsheet writes 3 as 3.0 or 3,0
_ANEW = "take a sheet that was written since the last round"
_MOST_NAMED = 8  # labels listed in an error


@dataclass(frozen=True, slots=True, kw_only=True)
class TypesTaken:
    """What a filled sheet of types says that the ledger does not.

    Attributes
    ----------
    decisions : tuple of Decision
    named, judged : int
        Proposals that got a label, and those that were split, rejected or put off.
    kept : int
        Proposals whose row is older than the ledger, which stands.
    overruled : int
        Proposals that were decided on after the row was written, and whose row counts.
    rewritten : int
        Labels that the spreadsheet rewrote by itself (007 to 7); the ledger's stand.
    """

    decisions: tuple[Decision, ...]
    named: int
    judged: int
    kept: int
    overruled: int
    rewritten: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What one row says; a label alone accepts, a note alone puts off."""

    number: int
    proposal_id: str
    label: str
    verdict: str
    note: str
    by: str
    revision: int

    @property
    def is_blank(self) -> bool:
        return not (self.label or self.verdict or self.note)


def decide_types(
    filled: FilledTypes,
    proposals: Sequence[Proposal],
    members: Mapping[str, tuple[str, ...]],
    *,
    decisions: Sequence[Decision],
    states_at: Callable[[int], Mapping[str, TypeState]],
    labels: Collection[str],
    by: str,
    at: str,
) -> TypesTaken:
    """Compare a sheet that came back with what is decided.

    Parameters
    ----------
    members : mapping of proposal id to tuple of str
        The images of each proposal.
    decisions : sequence of Decision
        The ledger.
    states_at : callable
        ``states_at(n)`` returns what held of each proposal after the first n decisions.
    labels : collection of str
        Of the types that exist.
    by, at
        Who read it back and when; a name that a person wrote into ``decided_by`` goes first.

    Raises
    ------
    HandoffError
        Names file, sheet, row and column of each fault.
    """
    rows, faults = parse_type_rows(filled.sheet, now=len(decisions))
    faults += find_shifted(filled.sheet, proposals)
    edited: list[tuple[_Row, TypeState]] = []
    counts: Counter[str] = Counter()
    for row in rows:
        base = states_at(row.revision).get(row.proposal_id, TypeState())
        now = states_at(len(decisions)).get(row.proposal_id, TypeState())
        row = _drop_left_note(row, base, labels)
        outcome = _compare(row, base, now, since=decisions[row.revision :])
        counts[outcome] += 1
        if outcome in ("edited", "overruled"):
            edited.append((row, base))
    named = {*labels, *(row.label for row, _ in edited if row.verdict == "accept")}
    for row, base in edited:
        faults += _find_faults(row, base, known=members, labels=named)
    raise_faults(filled.name, sorted(faults, key=lambda fault: fault.row))
    taken = tuple(_decide(row, base, members, by=by, at=at) for row, base in edited)
    return TypesTaken(
        decisions=taken,
        named=sum(bool(one.label) for one in taken),
        judged=sum(not one.label for one in taken),
        kept=counts["kept"],
        overruled=counts["overruled"],
        rewritten=counts["rewritten"],
    )


def parse_type_rows(sheet: FilledSheet, *, now: int) -> tuple[list[_Row], list[RowFault]]:
    """Turn text into rows, and name every cell that is not what it must be."""
    rows: list[_Row] = []
    faults: list[RowFault] = []
    first: dict[str, int] = {}  # proposal id -> its row
    columns = [sheet.column(name) for name in ("proposal_id", "label", "verdict", "note")]
    others = [sheet.column(name) for name in ("decided_by", "revision")]
    for number, name, label, verdict, note, by, revision in zip(
        sheet.numbers, *columns, *others, strict=True
    ):
        name, label, verdict = name.strip(), tidy_label(label), verdict.strip().casefold()
        found = [
            ("label", find_label_fault(label) if label else ""),
            ("verdict", "" if verdict in ("", *VERDICTS) else _expect_verdict(verdict)),
            ("revision", _find_revision_fault(revision.strip(), now)),
            ("proposal_id", f"repeats row {first[name]}: delete one" if name in first else ""),
        ]
        faults += [RowFault(row=number, column=c, text=text) for c, text in found if text]
        first.setdefault(name, number)
        if any(text for _, text in found):
            continue
        rows.append(
            _Row(
                number=number,
                proposal_id=name,
                label=label,
                verdict=verdict or ("accept" if label else "defer" if note.strip() else ""),
                note=note.strip(),
                by=by.strip(),
                revision=_parse_revision(revision.strip(), now),
            )
        )
    return rows, faults


def _expect_verdict(came: str) -> str:
    return f"{came!r} came, expected {', '.join(VERDICTS)} or nothing"


def _parse_revision(cell: str, now: int) -> int:
    # Without one nothing tells what the person saw: the state of now.
    return int(re.split("[.,]", cell)[0]) if cell else now


def _find_revision_fault(cell: str, now: int) -> str:
    if cell and not _INTEGER.fullmatch(cell):
        return f"{cell!r} is not a whole number: put back what was written"
    if _parse_revision(cell, now) > now:
        there = tell_count(now, "decision")
        return f"{cell} came, but the run has {there}: the sheet is of another run"
    return ""


def find_shifted(sheet: FilledSheet, proposals: Sequence[Proposal]) -> list[RowFault]:
    """Name rows whose id and figures are those of two proposals: a column was sorted alone."""
    own = {one.proposal_id: (one.rank, one.cluster_id, one.size) for one in proposals}
    names = {key: name for name, key in own.items()}
    faults = []
    figures = (sheet.column(name) for name in ("number", "cluster_id", "size"))
    for number, name, *cells in zip(
        sheet.numbers, sheet.column("proposal_id"), *figures, strict=True
    ):
        rank, cluster, size = (int(cell) if cell.isdigit() else -1 for cell in map(_whole, cells))
        other = names.get((rank, cluster, size))
        if name.strip() in own and other not in (None, name.strip()):
            text = (
                f"{name.strip()!r} came beside number {rank} and size {size}, which are "
                f"{other!r}'s: put the rows together again"
            )
            faults.append(RowFault(row=number, column="proposal_id", text=text))
    return faults


def _whole(cell: str) -> str:
    return re.sub(r"[.,]0*$", "", cell.strip())


def _compare(row: _Row, base: TypeState, now: TypeState, *, since: Sequence[Decision]) -> str:
    """Say what a row comes to: same, kept, rewritten, edited or overruled."""
    if _is_same(row, base) or (row.is_blank and not base.said_anything):
        return "same" if base.said == now.said else "kept"
    if is_same_to_spreadsheet(base.label, row.label) and _is_same(
        replace(row, label=base.label), base
    ):
        return "rewritten"
    if _is_same(row, now):
        return "same"
    # Read already, and changed since: a copy of what was read undoes nothing.
    read = any(
        (one.proposal_id, one.verdict, one.label) == (row.proposal_id, row.verdict, row.label)
        and row.note in ("", one.note)
        for one in since
        if one.scope == "proposal"
    )
    if read:
        return "kept"
    return "edited" if base.said == now.said else "overruled"


def _drop_left_note(row: _Row, base: TypeState, labels: Collection[str]) -> _Row:
    """Leave out what stands there of the label before: no other type's definition, nor a reason."""
    left = row.note == base.note and row.label != base.label
    return replace(row, note="") if left and (not row.label or row.label in labels) else row


def _is_same(row: _Row, state: TypeState) -> bool:
    """Tell whether a row says what holds; accept and merge come to the same label."""
    as_named = row.verdict in _NAMING and state.verdict in _NAMING
    return (
        row.label == state.label
        and (as_named or row.verdict == state.verdict)
        and row.note in ("", state.note)
    )


def _find_faults(
    row: _Row, base: TypeState, *, known: Collection[str], labels: Collection[str]
) -> list[RowFault]:
    """Name what makes no sense in a row that was filled in."""

    def blame(column: str, text: str) -> list[RowFault]:
        return [RowFault(row=row.number, column=column, text=text)]

    if row.proposal_id not in known:
        came = repr(row.proposal_id) if row.proposal_id else "nothing"
        return blame("proposal_id", f"{came} came, which is no proposal of the run: {_ANEW}")
    if row.is_blank:
        what = base.label or base.verdict
        return blame(
            "verdict", f"{what!r} was taken out: put it back, or say reject, split or defer"
        )
    if row.verdict in _NAMING and not row.label:
        return blame("label", f"{row.verdict} needs a label: fill it in, or say reject")
    if row.verdict not in _NAMING and row.label:
        return blame("label", f"{row.verdict} takes no label, {row.label!r} came: take it out")
    if row.verdict == "merge" and row.label not in labels:
        types = ", ".join(sorted(labels)[:_MOST_NAMED]) or "none"
        return blame(
            "label", f"no type has the label {row.label!r} to merge with (there are {types})"
        )
    return []


def _decide(
    row: _Row, base: TypeState, members: Mapping[str, tuple[str, ...]], *, by: str, at: str
) -> Decision:
    return Decision(
        proposal_id=row.proposal_id,
        verdict=row.verdict,  # type: ignore[arg-type]  # checked: one of VERDICTS
        label=row.label,
        # The name of who decided before is nobody's entry.
        by=row.by if row.by and row.by != base.by else by,
        at=at,
        note=row.note,
        image_ids=members[row.proposal_id],
    )
