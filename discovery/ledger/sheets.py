"""What a person filled into a file becomes an action, which a review can undo."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from discovery.records import Decision


def mark_sheet(decisions: Sequence[Decision], file: str) -> list[Decision]:
    """Make one action of what a file says: one for each person in it.

    Parameters
    ----------
    file : str
        Its name.
    """
    actions = {one.by: secrets.token_hex(6) for one in decisions}
    selection = {"kind": "sheet", "file": file}
    marked = [replace(one, action=actions[one.by], selection=selection) for one in decisions]
    # The lines of an action stand together.
    return sorted(marked, key=lambda one: list(actions).index(one.by))
