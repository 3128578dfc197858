"""What is left without a label is clustered again, finer, beside the types that have a name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.flow.route import find_lasting_groups
from discovery.flow.settings import describe_graph
from discovery.graph import choose_n_neighbors
from discovery.graph.levels import Levels
from discovery.graph.neighbours import find_neighbours
from discovery.stages.place import NAMED, match_known

Ints = NDArray[np.int64]
# ``progress(share, text)``; what it raises ends the work.
Progress = Callable[[float, str], None]

_MOST_KNOWN = 5_000  # images of known types that vote; more change hardly an answer
_LEAST_LEFT = 5  # images: below there is nothing to group


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Images that are proposed together.

    Attributes
    ----------
    images : (m,) int64
        Positions, ascending.
    label : int
        Code of the type they match, -1 where they are a group of their own.
    """

    images: Ints
    label: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Regrouped:
    """What is left, clustered again.

    Attributes
    ----------
    parts : tuple of Part
        Those that match a type first, then by size; no image is in two.
    noise : (m,) int64
        Images left in none.
    """

    parts: tuple[Part, ...]
    noise: Ints


def regroup_rest(
    rows: NDArray[np.float32],
    left: NDArray[np.integer],
    labels: NDArray[np.int32],
    *,
    levels: Levels,
    excluded: Mapping[int, NDArray[np.integer]] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Regrouped:
    """Group what is left.

    First come the images that match a known type, as surely as known types are matched in a round
    (95 of 100 right); the others are grouped by themselves with a preference for fine groups, as
    what is large and common has its name by now.

    Parameters
    ----------
    rows : (n, p) float32, unit rows
        Those of the neighbour graph.
    left : (m,) int
        Positions of the images to group.
    labels : (n,) int32
        Code of each image's type, -1 for none; those of `left` do not count.
    levels : Levels of n images
        Where one of the finest groups holds more unnamed images for its named ones than others do,
        the surplus is new.
    excluded : mapping of int to (e,) int, optional
        Images that are not of a type, by its code: they are not proposed to it again.
    seed : int
    progress : callable, optional
        Told the share that is done, before each part of the work. To cancel, raise from it.
    """
    tell = progress or (lambda _share, _text: None)
    images = np.unique(left).astype(np.int64)
    tell(0.0, "compare with the named types")
    matched = _match(rows, images, labels, levels.cut_finest())
    for code, refused in (excluded or {}).items():
        matched[np.isin(images, refused) & (matched == code)] = -1
    parts = [Part(images=images[matched == code], label=int(code)) for code in _list(matched)]
    rest = images[matched < 0]
    if len(rest) < _LEAST_LEFT:
        tell(1.0, "done")
        return Regrouped(parts=_order(parts), noise=rest)
    tell(0.3, f"find the neighbours of {len(rest)} images")
    neighbours = find_neighbours(rows[rest], describe_graph(len(rest))["k"], seed=seed)
    tell(0.6, f"group {len(rest)} images")
    found = find_lasting_groups(rows[rest], seed=seed, granularity="fine", neighbours=neighbours)
    parts += [Part(images=rest[found.labels_ == group]) for group in _list(found.labels_)]
    tell(1.0, "done")
    return Regrouped(parts=_order(parts), noise=rest[found.labels_ < 0])


def _match(
    rows: NDArray[np.float32], images: Ints, labels: NDArray[np.int32], groups: Ints
) -> NDArray[np.int32]:
    """Return the code of the type that each image matches, (m,), -1 for none."""
    known = np.flatnonzero(labels >= 0)
    known = known[~np.isin(known, images)]
    if len(known) > _MOST_KNOWN:
        # Evenly by type, so that each keeps its share.
        known = known[np.argsort(labels[known], kind="stable")]
        known = known[np.linspace(0, len(known) - 1, _MOST_KNOWN).astype(np.int64)]
    if not len(known) or not len(images):
        return np.full(len(images), -1, np.int32)
    found = match_known(
        rows[images],
        rows[known],
        labels[known].astype(np.str_),
        groups=np.concatenate([groups[images], groups[known]]).astype(np.int32),
        n_neighbors=max(1, choose_n_neighbors(len(known)) - 1),
    )
    named = found.verdicts == NAMED
    return np.where(named, np.where(named, found.labels, "-1").astype(np.int32), np.int32(-1))


def _list(codes: NDArray[np.int32]) -> list[int]:
    found: list[int] = np.unique(codes[codes >= 0]).tolist()
    return found


def _order(parts: list[Part]) -> tuple[Part, ...]:
    key = [(part.label < 0, -len(part.images), int(part.images[0])) for part in parts]
    return tuple(parts[i] for i in sorted(range(len(parts)), key=key.__getitem__))
