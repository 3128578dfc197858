"""The verb `trace_lineage`: which ids go on from one generation to the next, and what changed."""

import hashlib
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from discovery.records import Generation, Lineage
from discovery.stages.lineage.kinship import find_kinship
from discovery.stages.lineage.pairing import NO_ONE, pair_groups
from discovery.stages.lineage.telling import Story, tell_events, tell_fates


def trace_lineage(
    before: Generation,
    after: Generation,
    *,
    values: NDArray[np.float32] | None = None,
    decided: Collection[str] = (),
    taken: Collection[str] = (),
    keep: bool = True,
) -> Lineage:
    """Trace proposals from one run to the next.

    Groups are matched by the images they share, and by their centroids where most images of both
    are not in the other run. How, and why there, is in `kinship` and `pairing`.

    Parameters
    ----------
    before : Generation
        The earlier groups, with the ids that ended before them.
    after : Generation
        The new groups, each under the id it would have if it were new.
    values : (n, d) float32, optional
        Rows of after's images. Without them, or where `before` has no centroids of the same
        space, members alone decide.
    decided : collection of str
        Ids a person decided on: each keeps its id where a majority of its members is together.
    taken : collection of str
        Ids that must not be given to a new group, besides those of `before`.
    keep : bool
        False: the groups of `after` bear their final ids, two of the same id are the same
        group, and the lineage only tells what became of what.

    Returns
    -------
    Lineage
    """
    kinship = find_kinship(before, after, values=values)
    pairs = pair_groups(before, after, kinship, decided=decided, same_name=not keep)
    names = _name_groups(before, after, pairs, taken=taken) if keep else after.names
    story = Story(before=before, after=after, names=names, kinship=kinship, pairs=pairs)
    return Lineage(
        names=dict(zip(after.names, names, strict=True)),
        sources={
            name: before.names[i]
            for name, i in zip(after.names, pairs.tolist(), strict=True)
            if i != NO_ONE
        },
        fates=tell_fates(story),
        events=tell_events(story),
    )


def _name_groups(
    before: Generation, after: Generation, pairs: NDArray[np.intp], *, taken: Collection[str]
) -> tuple[str, ...]:
    """Give each new group the id it goes on with, or one that nothing ever bore."""
    used = {*before.names, *taken}
    names = []
    for name, i in zip(after.names, pairs.tolist(), strict=True):
        chosen = before.names[i] if i != NO_ONE else renew_name(name, used)
        used.add(chosen)
        names.append(chosen)
    return tuple(names)


def renew_name(name: str, used: Collection[str]) -> str:
    """Return the name, or where it is used one made from it that is not; the same every time."""
    attempt, renewed = 0, name
    while renewed in used:
        attempt += 1
        renewed = "P" + hashlib.sha256(f"{name}/{attempt}".encode()).hexdigest()[:8]
    return renewed
