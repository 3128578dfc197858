"""One line of text a person reads of an action: in undo, redo, conflicts and histories."""

from collections.abc import Callable, Mapping, Sequence

from discovery.records import Decision
from embeddings.plurals import tell_count

_MOST_NAMES = 3  # proposals or labels named in a line; the rest are counted


def describe_action(decisions: Sequence[Decision], numbers: Mapping[str, str]) -> str:
    """Say what an action does: ``accept scratch on P12 (61 images)``.

    Parameters
    ----------
    decisions : sequence of Decision
        All of the action.
    numbers : mapping of proposal id to str
        As proposals are numbered for a person; others are named by their id.
    """
    whole = [one for one in decisions if one.scope in ("proposal", "rest", "type")]
    # A decision on proposals is what the action is about; those on images come with it.
    subject = whole or list(decisions)
    first = subject[0]
    text = _TEXTS[first.scope](subject, numbers)
    sheet = first.selection.get("kind") == "sheet"
    return f"read {first.selection.get('file', 'a sheet')}: {text}" if sheet else text


def _describe_proposals(decisions: Sequence[Decision], numbers: Mapping[str, str]) -> str:
    first = decisions[0]
    names = [
        f"P{numbers[name]}" if name[:1] != "R" and name in numbers else name
        for name in dict.fromkeys(one.proposal_id for one in decisions)
    ]
    images = len({name for one in decisions for name in one.image_ids})
    verdict = "merge" if len(names) > 1 and first.label else first.verdict
    label = f" {first.label} on" if first.label else ""
    into = f" into {len(first.parts)}" if first.parts else ""
    return f"{verdict}{label} {_list(names)}{into} ({tell_count(images, 'image')})"


def _describe_images(decisions: Sequence[Decision], _: Mapping[str, str]) -> str:
    naming = [one for one in decisions if one.verdict == "accept"] or list(decisions)
    labels = list(dict.fromkeys(one.label for one in naming if one.label))
    images = len({name for one in naming for name in one.image_ids})
    words, count = _IMAGE_VERDICTS[naming[0].verdict], tell_count(images, "image")
    return f"{words[0]} {count}{words[1]}{' ' + _list(labels) if labels else ''}"


def _describe_type(decisions: Sequence[Decision], _: Mapping[str, str]) -> str:
    first = decisions[0]
    if first.previous == first.label:  # only what it means was said
        return f"define {first.label}"
    return f"{first.verdict} {_list([one.previous for one in decisions])} to {first.label}"


def _describe_rest(decisions: Sequence[Decision], _: Mapping[str, str]) -> str:
    parts = decisions[0].parts
    images = sum(len(ids) for ids in parts.values())
    return f"cluster the rest into {len(parts)} ({tell_count(images, 'image')})"


def _list(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    listed = ", ".join(names[:_MOST_NAMES])
    return f"{listed} and {more} more" if more > 0 else listed


_IMAGE_VERDICTS = {
    "accept": ("move", " to"),
    "reject": ("reject", ""),
    "defer": ("let", " follow their proposal"),
    "exclude": ("exclude", " from"),
    "prototype": ("mark", " as prototypes of"),
    "unprototype": ("unmark", " as prototypes of"),
}
_TEXTS: dict[str, Callable[[Sequence[Decision], Mapping[str, str]], str]] = {
    "proposal": _describe_proposals,
    "image": _describe_images,
    "group": _describe_images,
    "type": _describe_type,
    "rest": _describe_rest,
}
