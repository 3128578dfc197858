"""What each verdict changes: one function a kind of decision, and nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from discovery.ledger.labels import ABSENT, ON_PURPOSE
from discovery.ledger.tables import Column, Part, Places, Tables
from discovery.records import Decision, ImageLabel
from discovery.records.decisions import NAMING

_LAYERS: tuple[Column, ...] = ("own", "shared")
_NO_PLACES: Places = np.empty(0, np.intp)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A decision with its images looked up.

    Attributes
    ----------
    decision : Decision
    images : (m,) intp
    parts : dict of proposal id to (p,) intp
    order : int
        Its line in the ledger, from 0.
    """

    decision: Decision
    images: Places
    parts: dict[str, Places]
    order: int


def apply_line(tables: Tables, line: Line) -> None:
    """Do what a decision says."""
    decision = line.decision
    if decision.verdict in NAMING:
        if decision.note:
            tables.put(tables.definitions, decision.label, decision.note)
        if decision.label not in tables.first_use and decision.scope != "type":
            tables.put(tables.first_use, decision.label, line.order)
    _MEANINGS[decision.scope, decision.verdict](tables, line)


# --- on images ---


def _name_images(tables: Tables, line: Line) -> None:
    tables.assign("own", line.images, _add_label(tables, line.decision, source="human"))
    barred = tables.excluded.get(line.decision.label)
    # On purpose: the person says so of these very images.
    if barred is not None and np.isin(line.images, barred).any():
        left = np.setdiff1d(barred, line.images)
        tables.put(tables.excluded, line.decision.label, left)


def _leave_images(tables: Tables, line: Line) -> None:
    tables.assign("own", line.images, ON_PURPOSE)


def _release_images(tables: Tables, line: Line) -> None:
    tables.assign("own", line.images, ABSENT)


def _exclude_images(tables: Tables, line: Line) -> None:
    label = line.decision.label
    _take_away(tables, line.images, label)
    barred = tables.excluded.get(label, _NO_PLACES)
    tables.put(tables.excluded, label, np.union1d(barred, line.images))


def _mark_prototypes(tables: Tables, line: Line) -> None:
    label = line.decision.label
    marked = dict.fromkeys((*tables.prototypes.get(label, ()), *line.images.tolist()))
    tables.put(tables.prototypes, label, tuple(marked))


def _unmark_prototypes(tables: Tables, line: Line) -> None:
    label, gone = line.decision.label, set(line.images.tolist())
    left = tuple(place for place in tables.prototypes.get(label, ()) if place not in gone)
    tables.put(tables.prototypes, label, left)


# --- on groups and proposals ---


def _name_group(tables: Tables, line: Line) -> None:
    _share(tables, line, giver=ABSENT)


def _name_proposal(tables: Tables, line: Line) -> None:
    _share(tables, line, giver=_find_giver(tables, line.decision.proposal_id))
    _settle(tables, line.decision)


def _take_back(tables: Tables, line: Line) -> None:
    """Reject or split: the proposal's own label goes, one from another proposal stays."""
    name = line.decision.proposal_id
    own = line.images[tables.giver[line.images] == _find_giver(tables, name)]
    tables.assign("shared", own, ABSENT)
    tables.assign("giver", own, ABSENT)
    _settle(tables, line.decision)
    _add_parts(tables, line, parent=name)


def _defer_proposal(tables: Tables, line: Line) -> None:
    tables.put(tables.deferred, line.decision.proposal_id, line.decision)


def _regroup_rest(tables: Tables, line: Line) -> None:
    _add_parts(tables, line, parent="")


def _share(tables: Tables, line: Line, *, giver: int) -> None:
    barred = tables.excluded.get(line.decision.label)
    images = line.images
    if barred is not None:
        images = images[~np.isin(images, barred)]
    tables.assign("shared", images, _add_label(tables, line.decision, source="cluster"))
    tables.assign("giver", images, giver)


def _settle(tables: Tables, decision: Decision) -> None:
    tables.put(tables.proposals, decision.proposal_id, decision)
    tables.drop(tables.deferred, decision.proposal_id)


def _add_parts(tables: Tables, line: Line, *, parent: str) -> None:
    selection = line.decision.selection
    likely = selection.get("likely")
    for name, images in line.parts.items():
        part = Part(
            images=images,
            parent=parent,
            order=line.order,
            selection=selection,
            likely=str(likely.get(name, "")) if isinstance(likely, dict) else "",
        )
        tables.put(tables.parts, name, part)


# --- on types ---


def _rename_type(tables: Tables, line: Line) -> None:
    """Give the new label to all that bears the previous one, in every layer."""
    old, new = line.decision.previous, line.decision.label
    if old == new:
        return
    # Before anything moves: what bears either name now, and keeps its name.
    bearing = np.flatnonzero(np.isin(_current_names(tables), _find_names(tables, old, new)))
    for column in _LAYERS:
        _rename_column(tables, column, line.decision)
    _rename_exclusions(tables, old, new, kept=bearing)
    if old in tables.prototypes:
        marked = dict.fromkeys((*tables.prototypes.get(new, ()), *tables.prototypes[old]))
        tables.put(tables.prototypes, new, tuple(marked))
        tables.drop(tables.prototypes, old)
    for name, decision in list(tables.proposals.items()):
        if decision.label == old:
            tables.put(tables.proposals, name, replace(decision, label=new))
    for name, part in list(tables.parts.items()):
        if part.likely == old:
            tables.put(tables.parts, name, replace(part, likely=new))
    _move_entry(tables, tables.definitions, old, new)
    _move_entry(tables, tables.first_use, old, new)


def _rename_column(tables: Tables, column: Column, decision: Decision) -> None:
    """Replace the labels of a column; each keeps its source."""
    array: NDArray[np.int32] = getattr(tables, column)
    places = np.flatnonzero(_bearing(tables, array, decision.previous))
    numbers = array[places]
    renamed = numbers.copy()
    for number in np.unique(numbers).tolist():
        label = replace(tables.labels[number], label=decision.label, by=decision.by, at=decision.at)
        renamed[numbers == number] = tables.labels.add(label)
    tables.assign(column, places, renamed)


def _rename_exclusions(tables: Tables, old: str, new: str, *, kept: Places) -> None:
    if old not in tables.excluded and new not in tables.excluded:
        return
    barred = (tables.excluded.get(name, _NO_PLACES) for name in (old, new))
    # An image that bears one of two names which are now the same is no longer barred from it.
    left = np.setdiff1d(np.union1d(*barred), kept)
    tables.put(tables.excluded, new, left)
    tables.drop(tables.excluded, old)
    # Below another label it may bear the name of its proposal, which it is barred from now.
    _take_away(tables, left, new)


def _move_entry(tables: Tables, table: dict[str, Value], old: str, new: str) -> None:
    if old in table:
        if new not in table:
            tables.put(table, new, table[old])
        tables.drop(table, old)


# --- helpers ---


def _take_away(tables: Tables, images: Places, label: str) -> None:
    """Take a label from those of the images that bear it, in either layer."""
    for column in _LAYERS:
        array: NDArray[np.int32] = getattr(tables, column)
        borne = images[_bearing(tables, array[images], label)]
        if len(borne):
            tables.assign(column, borne, ABSENT)
            if column == "shared":
                tables.assign("giver", borne, ABSENT)


def _bearing(tables: Tables, numbers: NDArray[np.int32], label: str) -> NDArray[np.bool_]:
    """Tell which of the numbers are of this label, whoever gave it."""
    code = tables.labels.find_name(label)
    bearing: NDArray[np.bool_] = tables.labels.names_of(numbers) == code
    return bearing


def _current_names(tables: Tables) -> NDArray[np.int32]:
    return tables.labels.names_of(tables.current(slice(None)))


def _find_names(tables: Tables, *labels: str) -> list[int]:
    return [tables.labels.find_name(label) for label in labels]


def _add_label(tables: Tables, decision: Decision, *, source: str) -> int:
    label = ImageLabel(
        label=decision.label,
        source="human" if source == "human" else "cluster",
        by=decision.by,
        at=decision.at,
    )
    return tables.labels.add(label)


def _find_giver(tables: Tables, proposal_id: str) -> int:
    return tables.givers.setdefault(proposal_id, len(tables.givers))


_MEANINGS: dict[tuple[str, str], Callable[[Tables, Line], None]] = {
    ("image", "accept"): _name_images,
    ("image", "reject"): _leave_images,
    ("image", "defer"): _release_images,
    ("image", "exclude"): _exclude_images,
    ("image", "prototype"): _mark_prototypes,
    ("image", "unprototype"): _unmark_prototypes,
    ("group", "accept"): _name_group,
    ("proposal", "accept"): _name_proposal,
    ("proposal", "merge"): _name_proposal,
    ("proposal", "split"): _take_back,
    ("proposal", "reject"): _take_back,
    ("proposal", "defer"): _defer_proposal,
    ("rest", "regroup"): _regroup_rest,
    ("type", "rename"): _rename_type,
    ("type", "merge"): _rename_type,
}
