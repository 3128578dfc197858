"""The method ``act``: every decision of a person, by the name of the engine's method."""

from collections.abc import Mapping
from typing import Any

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
from discovery.review.server.method import Method
from embeddings.errors import OptionError

_MOST_LINES = 2**53  # a revision: what a number of JSON holds exactly

# The arguments of `Review`'s methods of these names.
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
    "settle": {"moves": positions_by_text()},
    "exclude": {"images": positions(), "label": text()},
    "release": {"images": positions()},
    "discard": {"images": positions()},
    "rename": {"label": text(), "to": text(), "definition": text(default="")},
    "merge_types": {"labels": texts(), "to": text()},
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
    getattr(context.review, name)(**values, **asked)
    state = context.state
    context.tell({"revision": state.revision})
    done = f"undone: {state.redoable}" if name == "undo" else state.undoable
    return Answer(json={"revision": state.revision, "text": done or ""})


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
