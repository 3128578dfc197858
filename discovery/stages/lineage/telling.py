"""From pairs and kinship to what a person reads: merged, split, kept, revived, born, vanished."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from discovery.records import EventKind, Fate, Generation, LineageEvent
from discovery.stages.lineage.kinship import Kinship
from discovery.stages.lineage.pairing import NO_ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Two generations and who goes on as whom.

    Attributes
    ----------
    before, after : Generation
    names : tuple of str
        The id each group of `after` bears from now on.
    pairs : (a,) array of int
        Position in `before` of the group it goes on with, or -1.
    """

    before: Generation
    after: Generation
    names: tuple[str, ...]
    kinship: Kinship
    pairs: NDArray[np.intp]

    def find_living(self) -> list[int]:
        """Positions of the old groups that were alive."""
        return [int(i) for i in np.flatnonzero(self.before.alive)]

    def find_heirs(self) -> dict[int, int]:
        """Return the new group that goes on with each old one, ids that came back not counted."""
        return {int(i): j for j, i in enumerate(self.pairs) if i != NO_ONE and self.before.alive[i]}

    def find_takers(self) -> dict[int, list[int]]:
        """Return, for each old group without an heir, the new ones that took most of it.

        One where most of it went; else those that were mostly made of it.
        """
        heirs, kinship = self.find_heirs(), self.kinship
        takers = {}
        for i in self.find_living():
            if i not in heirs:
                went = kinship.fates[i] if kinship.fates[i].any() else kinship.origins[i]
                takers[i] = self.order(kinship.shared[i], np.flatnonzero(went).tolist(), self.names)
        return takers

    def find_parents(self) -> dict[int, int]:
        """Return, for each new group that is no heir, the old one it came off; none: it is new."""
        alive, kinship = self.before.alive, self.kinship
        heirs = set(self.find_heirs().values())
        parents = {}
        for j in range(len(self.after)):
            kin = np.flatnonzero((kinship.origins[:, j] | kinship.fates[:, j]) & alive)
            if j not in heirs and len(kin):
                parents[j] = self.order(kinship.shared[:, j], kin.tolist(), self.before.names)[0]
        return parents

    @staticmethod
    def order(shared: NDArray[np.int64], groups: Iterable[int], names: Sequence[str]) -> list[int]:
        """Order groups by the images they share, most first; then by id."""
        return sorted(groups, key=lambda group: (-shared[group], names[group]))

    def tell(self, kind: EventKind, olds: Sequence[int], news: Sequence[int]) -> LineageEvent:
        """Put one event into words: ids, sizes, common images, and what matched them."""
        shared = self.kinship.shared[np.ix_(olds, news)]
        by_members = bool(shared.size) and bool(self.kinship.kin[np.ix_(olds, news)].any())
        return LineageEvent(
            kind=kind,
            before=tuple(self.before.names[i] for i in olds),
            after=tuple(self.names[j] for j in news),
            before_sizes=tuple(int(size) for size in self.before.sizes[list(olds)]),
            after_sizes=tuple(int(size) for size in self.after.sizes[list(news)]),
            shared=int(shared.sum()),
            by=("members" if by_members else "centroid") if shared.size else "",
        )


def tell_fates(story: Story) -> dict[str, Fate]:
    """Say what became of each old id: kept, merged, split or vanished."""
    heirs, takers = story.find_heirs(), story.find_takers()
    fates: dict[str, Fate] = {}
    for i in story.find_living():
        if i in heirs:
            fate: Fate = "kept"
        elif len(takers[i]) == 1:
            fate = "merged"
        else:
            fate = "split" if takers[i] else "vanished"
        fates[story.before.names[i]] = fate
    return fates


def tell_events(story: Story) -> tuple[LineageEvent, ...]:
    """List what changed, kind by kind, each in the order of its ids."""
    heirs, takers, parents = story.find_heirs(), story.find_takers(), story.find_parents()
    merged = _list_merged(story, heirs, takers)
    split = _list_split(story, heirs, takers, parents)
    told = {name for event in (*merged, *split) for name in event.before}
    kept = [
        story.tell("kept", [i], [j])
        for i, j in sorted(heirs.items())
        if story.before.names[i] not in told and not _is_unchanged(story, i, j)
    ]
    fresh = [j for j in range(len(story.after)) if j not in heirs.values() and j not in parents]
    revived = [
        story.tell("revived", [int(story.pairs[j])], [j]) for j in fresh if story.pairs[j] != NO_ONE
    ]
    born = [story.tell("born", [], [j]) for j in fresh if story.pairs[j] == NO_ONE]
    vanished = [story.tell("vanished", [i], []) for i in takers if not takers[i]]
    events = (*merged, *split, *kept, *revived, *born, *vanished)
    kinds = get_args(EventKind)
    return tuple(sorted(events, key=lambda e: (kinds.index(e.kind), e.before, e.after)))


def _list_merged(
    story: Story, heirs: dict[int, int], takers: dict[int, list[int]]
) -> list[LineageEvent]:
    first = {j: [i] for i, j in heirs.items()}
    joined: dict[int, list[int]] = {}
    for i, news in takers.items():
        if len(news) == 1:
            joined.setdefault(news[0], []).append(i)
    shared, names = story.kinship.shared, story.before.names
    return [
        story.tell("merged", [*first.get(j, []), *story.order(shared[:, j], olds, names)], [j])
        for j, olds in sorted(joined.items())
    ]


def _list_split(
    story: Story,
    heirs: dict[int, int],
    takers: dict[int, list[int]],
    parents: dict[int, int],
) -> list[LineageEvent]:
    events = []
    for i in story.find_living():
        came_off = {j for j, parent in parents.items() if parent == i}
        # Without an heir it may lie in groups that go on with other ids.
        scattered = set(takers.get(i, [])) if len(takers.get(i, [])) > 1 else set()
        parts = story.order(story.kinship.shared[i], came_off | scattered, story.names)
        if parts:
            first = [heirs[i]] if i in heirs else []
            events.append(story.tell("split", [i], [*first, *parts]))
    return events


def _is_unchanged(story: Story, i: int, j: int) -> bool:
    same = story.kinship.shared[i, j] == story.before.sizes[i] == story.after.sizes[j]
    return bool(same and story.before.names[i] == story.names[j])
