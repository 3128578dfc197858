"""What each action of a review writes into the ledger: values in, decisions out.

Lines stand so that any beginning of an action is harmless, should a crash cut it there: what is
thrown out comes first, then what a person looked at, then what follows from it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from discovery.records import Decision, Scope, Verdict
from discovery.review.scene import Scene, take_label
from discovery.review.state import OpenProposal, Places
from embeddings.errors import OptionError

# --- proposals ---


def accept_proposal(
    scene: Scene,
    proposal: str,
    label: str,
    *,
    shown: ArrayLike = (),
    thrown: ArrayLike = (),
    definition: str = "",
) -> list[Decision]:
    """Name a proposal: what was shown becomes a person's, what was thrown out is barred."""
    group, label = scene.take_proposal(proposal), take_label(label)
    out = scene.take_images(thrown, what="thrown")
    seen = _without(scene.take_images(shown, what="shown"), out)
    if not np.isin(np.concatenate([seen, out]), group.images).all():
        raise OptionError(f"shown and thrown: not all are images of proposal {group.number}")
    rest = _find_followers(scene, group, label, barred=out, shown=seen)
    if not len(rest):
        raise OptionError("all images were thrown out: reject the proposal instead")
    return [
        *_exclude(scene, out, label, proposal),
        *_name(scene, seen, label, proposal=proposal),
        scene.decide(
            "accept", "proposal", label=label, images=rest, proposal=proposal, note=definition
        ),
    ]


def reject_proposal(scene: Scene, proposal: str) -> list[Decision]:
    """Say that a proposal is no type."""
    images = scene.take_proposal(proposal).images
    return [scene.decide("reject", "proposal", images=images, proposal=proposal)]


def defer_proposal(scene: Scene, proposal: str) -> list[Decision]:
    """Put a proposal off."""
    images = scene.take_proposal(proposal).images
    return [scene.decide("defer", "proposal", images=images, proposal=proposal)]


def merge_proposals(scene: Scene, proposals: Sequence[str], label: str) -> list[Decision]:
    """Give several proposals one name."""
    label = take_label(label)
    groups = [scene.take_proposal(name) for name in dict.fromkeys(proposals)]
    if not groups:
        raise OptionError("no proposal was given: choose one or more")
    known = label in scene.state.labels
    decisions = []
    for place, group in enumerate(groups):
        # The first names the type where it is new; *merge* is with a type that exists.
        verdict: Verdict = "merge" if known or place else "accept"
        name = group.proposal_id
        images = _find_followers(scene, group, label)
        decisions.append(
            scene.decide(verdict, "proposal", label=label, images=images, proposal=name)
        )
    return decisions


def split_proposal(scene: Scene, proposal: str, parts: Sequence[ArrayLike]) -> list[Decision]:
    """Divide a proposal; what is in none of the parts becomes one more."""
    group = scene.take_proposal(proposal)
    taken = [part for part in _take_parts(scene, parts) if len(part)]
    together = np.concatenate([*taken, np.empty(0, np.intp)])
    if not np.isin(together, group.images).all():
        raise OptionError(f"parts: not all are images of proposal {group.number}")
    left = _without(group.images, together)
    taken = [*taken, left] if len(left) else taken
    if len(taken) < 2:
        raise OptionError(f"one part is the whole proposal {group.number}: give two or more")
    names = _name_parts(scene, f"{proposal}.", len(taken))
    named = {name: scene.name(part) for name, part in zip(names, taken, strict=True)}
    return [scene.decide("split", "proposal", images=group.images, proposal=proposal, parts=named)]


def regroup_rest(
    scene: Scene, parts: Sequence[ArrayLike], *, likely: Mapping[int, str] | None = None
) -> list[Decision]:
    """Propose what is left anew; images that were named since the clustering stay out of it."""
    free = np.flatnonzero(scene.state.label_codes < 0)
    taken = [part[np.isin(part, free)] for part in _take_parts(scene, parts)]
    kept = [place for place, part in enumerate(taken) if len(part)]
    if not kept:
        raise OptionError("parts: none holds an image without a label")
    names = dict(zip(kept, _name_parts(scene, "R", len(kept)), strict=True))
    named = {name: scene.name(taken[place]) for place, name in names.items()}
    # A type that was renamed while the rest was clustered is not known by the old name any more.
    matched = {
        names[place]: label
        for place, label in (likely or {}).items()
        if place in names and label in scene.state.labels
    }
    selection = {**scene.selection, "kind": "rest", "clustering": scene.clustering}
    selection.pop("likely", None)
    if matched:
        selection["likely"] = matched
    return [scene.decide("regroup", "rest", parts=named, selection=selection)]


# --- images ---


def move_images(
    scene: Scene, images: ArrayLike, label: str, *, as_group: bool = False, definition: str = ""
) -> list[Decision]:
    """Name images, one by one or as a group."""
    places, label = scene.take_some(images), take_label(label)
    return _name(scene, places, label, scope="group" if as_group else "image", note=definition)


def settle_images(
    scene: Scene,
    moves: Mapping[str, ArrayLike],
    *,
    as_group: bool = False,
    copies: Mapping[str, ArrayLike] | None = None,
    thrown: Mapping[str, ArrayLike] | None = None,
) -> list[Decision]:
    """Name images, each under its own label, at once; their near copies follow as groups."""
    named, followers = _take_moves(scene, moves), _take_moves(scene, copies or {})
    out = _take_moves(scene, thrown or {})
    together = np.concatenate([*named.values(), *followers.values(), np.empty(0, np.intp)])
    if len(np.unique(together)) < len(together) or not any(map(len, (together, *out.values()))):
        raise OptionError("moves: expected one image or more, none of them under two labels")
    scope: Scope = "group" if as_group else "image"
    return [
        *(one for label, of in out.items() for one in _exclude(scene, of, label)),
        *(one for label, of in named.items() for one in _name(scene, of, label, scope=scope)),
        *(one for label, of in followers.items() for one in _name(scene, of, label, scope="group")),
    ]


def grow_type(
    scene: Scene,
    label: str,
    *,
    taken: ArrayLike = (),
    shown: ArrayLike = (),
    thrown: ArrayLike = (),
) -> list[Decision]:
    """Add images to a type: those shown as a person's, the rest taken as a group."""
    label = take_label(label)
    out = scene.take_images(thrown, what="thrown")
    seen = _without(scene.take_images(shown, what="shown"), out)
    rest = _without(scene.take_images(taken, what="taken"), np.concatenate([seen, out]))
    decisions = [
        *_exclude(scene, out, label),
        *_name(scene, seen, label),
        *_name(scene, rest, label, scope="group"),
    ]
    if not decisions:
        raise OptionError("no image was given: choose one or more")
    return decisions


def exclude_images(scene: Scene, images: ArrayLike, label: str) -> list[Decision]:
    """Say that images are not of a type."""
    return _exclude(scene, scene.take_some(images), take_label(label))


def release_images(scene: Scene, images: ArrayLike) -> list[Decision]:
    """Let images follow their proposal again."""
    return [scene.decide("defer", "image", images=scene.take_some(images))]


def discard_images(scene: Scene, images: ArrayLike) -> list[Decision]:
    """Leave images without a label on purpose."""
    return [scene.decide("reject", "image", images=scene.take_some(images))]


def mark_prototypes(
    scene: Scene, images: ArrayLike, label: str, *, on: bool = True
) -> list[Decision]:
    """Mark images that show their type best, or take the mark away."""
    places, label = scene.take_some(images), scene.take_type(label)
    bears = scene.state.label_codes[places] == scene.state.labels.index(label)
    if on and not bears.all():
        raise OptionError(f"not all of these images are {label!r}: move them there first")
    verdict: Verdict = "prototype" if on else "unprototype"
    return [scene.decide(verdict, "image", label=label, images=places)]


# --- types ---


def rename_type(scene: Scene, label: str, to: str, *, definition: str = "") -> list[Decision]:
    """Give a type another name that no type has."""
    label, to = scene.take_type(label), take_label(to)
    if to in scene.state.labels and to != label:
        raise OptionError(f"there is a type {to!r} already: merge {label!r} into it instead")
    if to == label and not definition:
        raise OptionError(f"the type is called {to!r} already: give another name")
    return [scene.decide("rename", "type", label=to, previous=label, note=definition)]


def merge_types(scene: Scene, labels: Sequence[str], to: str) -> list[Decision]:
    """Give several types one name, an old one or a new one."""
    to = take_label(to)
    merged = [one for one in dict.fromkeys(map(scene.take_type, labels)) if one != to]
    if not merged:
        raise OptionError("no other type was given: choose one or more to merge")
    new = to not in scene.state.labels
    return [
        scene.decide("rename" if new and not place else "merge", "type", label=to, previous=label)
        for place, label in enumerate(merged)
    ]


# --- helpers ---


def _find_followers(
    scene: Scene,
    group: OpenProposal,
    label: str,
    *,
    barred: ArrayLike = (),
    shown: ArrayLike = (),
) -> Places:
    """Return the images that take a proposal's label: not those a person grouped elsewhere."""
    images = _without(group.images, barred)
    tables = scene.replay.tables
    numbers = tables.shared[images]
    other = tables.labels.names_of(numbers) != tables.labels.find_name(label)
    grouped = (numbers >= 0) & (tables.giver[images] < 0) & other
    followers: Places = images[~grouped | np.isin(images, shown)]
    return followers


def _exclude(scene: Scene, images: Places, label: str, proposal: str = "") -> list[Decision]:
    if not len(images):
        return []
    return [scene.decide("exclude", "image", label=label, images=images, proposal=proposal)]


def _name(
    scene: Scene, images: Places, label: str, *, scope: Scope = "image", **more: Any
) -> list[Decision]:
    if not len(images):
        return []
    return [scene.decide("accept", scope, label=label, images=images, **more)]


def _take_moves(scene: Scene, moves: Mapping[str, ArrayLike]) -> dict[str, Places]:
    return {take_label(label): scene.take_images(images) for label, images in moves.items()}


def _take_parts(scene: Scene, parts: Sequence[ArrayLike]) -> list[Places]:
    taken = [scene.take_images(part, what="parts") for part in parts]
    together = np.concatenate([*taken, np.empty(0, np.intp)])
    if len(np.unique(together)) < len(together):
        raise OptionError("parts: an image is in two of them")
    return taken


def _name_parts(scene: Scene, prefix: str, count: int) -> list[str]:
    """Return new ids: a part that was undone keeps its own, so that it can come back."""
    used = scene.replay.part_names
    numbers = (
        int(name.removeprefix(prefix))
        for name in used
        if name.startswith(prefix) and name.removeprefix(prefix).isdigit()
    )
    first = max(numbers, default=0) + 1
    return [f"{prefix}{number}" for number in range(first, first + count)]


def _without(images: Places, gone: ArrayLike) -> Places:
    left: Places = images[~np.isin(images, gone)]
    return left
