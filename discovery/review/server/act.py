"""The method ``act``: every decision of a person, by the name of the engine's method."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from discovery.review.server.answers import Answer
from discovery.review.server.arguments import (
    Argument,
    check_arguments,
    flag,
    number,
    parts,
    positions,
    positions_by_text,
    record,
    text,
    texts,
    whole,
)
from discovery.review.server.context import ApiContext
from discovery.review.server.grow import commit_growth
from discovery.review.server.lasso import check_lasso
from discovery.review.server.method import Method
from discovery.review.state import SOURCE_HUMAN, Places
from embeddings.errors import OptionError
from embeddings.plurals import tell_count

_MOST_LINES = 2**53  # a revision: what a number of JSON holds exactly

# The arguments of `Review`'s methods of these names, and of those in `_SPECIAL`.
ACTIONS: Mapping[str, Mapping[str, Argument]] = {
    "accept": {
        "proposal": text(),
        "label": text(),
        "shown": positions(default=()),
        "thrown": positions(default=()),
        "definition": text(default=""),
    },
    "reject": {"proposal": text()},
    "defer": {"proposal": text()},
    "merge_proposals": {"proposals": texts(), "label": text()},
    "split": {"proposal": text(), "parts": parts()},
    "regroup": {"parts": parts()},
    "move": {
        "images": positions(),
        "label": text(),
        "as_group": flag(default=False),
        "definition": text(default=""),
    },
    "settle": {
        "moves": positions_by_text(),
        "copies": positions_by_text(default=None),
        "thrown": positions_by_text(default=None),
    },
    "exclude": {"images": positions(), "label": text()},
    "release": {"images": positions()},
    "discard": {"images": positions()},
    "rename": {"label": text(), "to": text(), "definition": text(default="")},
    "merge_types": {"labels": texts(), "to": text()},
    "move_with_copies": {"images": positions(), "label": text()},
    "grow": {"label": text(), "cursor": text(), "thrown": positions(default=())},
    "label_rest": {},
    "set_prototypes": {"images": positions(), "label": text(), "on": flag(default=True)},
    "undo": {},
    "redo": {},
}


def carry_out(
    context: ApiContext,
    *,
    action: dict[str, Any],
    seen: int | None,
    seconds: float | None,
    selection: dict[str, Any] | None,
) -> Answer:
    """Carry out an action; it is on the disk when this returns."""
    name = action.get("name")
    given = {key: value for key, value in action.items() if key != "name"}
    asked: dict[str, Any] = {"seen": seen, "seconds": seconds}
    if selection is not None:
        asked["selection"] = selection
    if not isinstance(name, str) or name not in ACTIONS:
        names = ", ".join(ACTIONS)
        raise OptionError(f"act: there is no action {str(name)[:60]!r}, expected one of {names}")
    values = check_arguments(given, ACTIONS[name], n=context.n, what=name)
    check_lasso(context, selection, values)
    special, note = _SPECIAL.get(name), None
    if special is None:
        getattr(context.review, name)(**values, **asked)
    else:
        note = special(context, asked, **values)
    state = context.state
    context.tell_revision()
    done = f"undone: {state.redoable}" if name == "undo" else state.undoable
    text = "; ".join(filter(None, (done, note, context.review.hint)))
    return Answer(json={"revision": state.revision, "text": text})


def _move(
    context: ApiContext, asked: dict[str, Any], *, images: Places, as_group: bool, **given: Any
) -> str | None:
    """Name images; as a group only those that a decision on them alone does not hold."""
    if not as_group:
        context.review.move(images, **given, **asked)
        return None
    excluded = context.state.excluded.get(given["label"], ())
    free = images[~context.state.held[images] & ~np.isin(images, excluded)]
    if not len(free):
        raise OptionError(
            f"each of {tell_count(len(images), 'image')} was decided by itself, and a name for the "
            "group changes none of these: release them first, or name them a screen at a time"
        )
    context.review.move(free, as_group=True, **given, **asked)
    left = len(images) - len(free)
    return f"{left} that were decided one by one keep what they are" if left else None


def _move_with_copies(
    context: ApiContext, asked: dict[str, Any], *, images: Places, label: str
) -> None:
    """Name images, and with them, as a group, their near copies that nobody decided on."""
    state, groups = context.state, context.data.copies
    borne = groups[images]
    alike = np.flatnonzero(np.isin(groups, borne[borne >= 0]))
    barred = np.concatenate([state.rejected, state.excluded.get(label, state.rejected)])
    is_free = (state.sources[alike] != SOURCE_HUMAN) & ~np.isin(alike, barred)
    context.review.grow(label, taken=alike[is_free], shown=images, **asked)


def _label_rest(context: ApiContext, asked: dict[str, Any]) -> None:
    """Give the images that nobody looked at the types that the judge takes them for."""
    moves = context.advisor.rest()
    if not moves:
        raise OptionError("nothing is left to label: fewer than two types, or all is settled")
    asked.setdefault("selection", {"kind": "rest"})
    context.review.settle(moves, as_group=True, **asked)


_SPECIAL: Mapping[str, Callable[..., str | None]] = {
    "move": _move,
    "move_with_copies": _move_with_copies,
    "grow": commit_growth,
    "label_rest": _label_rest,
}
METHODS = {
    "act": Method(
        run=carry_out,
        arguments={
            "action": record(most=None),
            "seen": whole(0, _MOST_LINES, default=None),
            "seconds": number(0, default=None),
            "selection": record(default=None),
        },
    )
}
