"""What a proposal's images have in common, in words a person reads on the page."""

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_SUMMED_UP = 2


def sum_up_associations(associations: Mapping[str, Any]) -> str:
    """Say in a few words what the images of a proposal have in common; empty where nothing is."""
    words = [f"{one['column']} {one['value']}" for one in list_firm(associations)]
    signature = associations.get("signature")
    if signature is not None and signature.get("measures"):
        words.insert(0, str(signature["name"]))
    text = ", ".join(words[:_MOST_SUMMED_UP])
    if associations.get("note"):
        text = f"nothing stands out; {text}" if text else "nothing stands out"
    return f"{text} (may be one tool's picture)" if associations.get("warning") else text


def list_firm(associations: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the associations that no stronger one explains, strongest first."""
    found: Sequence[Mapping[str, Any]] = associations.get("found", ())
    return [one for one in found if not one.get("explained_by")]


def describe_association(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return an association with its shares, and a sentence."""
    share_in = one["count"] / one["size"]
    share_out = one["others"] / one["rest"] if one.get("rest") else 0.0
    text = f"{share_in:.0%} of these, {share_out:.0%} of all others"
    behind = [
        f"{one[name]} {name if one[name] != 1 else name[:-1]}"
        for name in ("wafers", "lots")
        if one.get(name)
    ]
    if behind:
        text += f"; from {' in '.join(behind)}"
    if one.get("explained_by"):
        text += f"; explained by {one['explained_by']}"
    return {
        "column": one["column"],
        "value": one["value"],
        "share_in": share_in,
        "share_out": share_out,
        "p": one.get("p"),
        "text": text,
    }
