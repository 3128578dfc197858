"""From one generation to the next: which ids go on, and what merged, split, is new or has gone."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from discovery.records import EventKind, Generation, Lineage, LineageEvent
from discovery.stages.lineage.group_overlap import (
    NO_PREDECESSOR,
    GroupOverlap,
    compare_groups,
    find_predecessors,
)
from embeddings.files import hash_bytes
from embeddings.large_values import Values


def trace_lineage(
    before: Generation,
    after: Generation,
    *,
    values: Values | None = None,
    decided: Collection[str] = (),
    taken: Collection[str] = (),
    keep: bool = True,
) -> Lineage:
    """Trace proposals from one run to the next.

    Groups are matched by the images they share, and by their centroids where most images of both
    are not in the other run. How, and why there, is in `group_overlap` and `predecessors`.

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
        group, and the lineage only says what became of what.

    Returns
    -------
    Lineage
    """
    overlap = compare_groups(before, after, values=values)
    predecessors = find_predecessors(before, after, overlap, decided=decided, same_name=not keep)
    names = _name_groups(before, after, predecessors, taken=taken) if keep else after.names
    diff = _LineageDiff(
        before=before, after=after, names=names, overlap=overlap, predecessors=predecessors
    )
    return Lineage(
        names=dict(zip(after.names, names, strict=True)),
        events=diff.list_events(),
    )


def _name_groups(
    before: Generation, after: Generation, predecessors: NDArray[np.intp], *, taken: Collection[str]
) -> tuple[str, ...]:
    """Give each new group the id it goes on with, or one that nothing ever bore."""
    # An id that anybody ever saw stays bound to what they saw under it.
    used = {*before.names, *taken}
    names = []
    for name, i in zip(after.names, predecessors.tolist(), strict=True):
        chosen = before.names[i] if i != NO_PREDECESSOR else renew_name(name, used)
        used.add(chosen)
        names.append(chosen)
    return tuple(names)


def renew_name(name: str, used: Collection[str]) -> str:
    """Return the name, or where it is used one made from it that is not; the same every time."""
    attempt, renewed = 0, name
    while renewed in used:
        attempt += 1
        renewed = "P" + hash_bytes(f"{name}/{attempt}".encode())[:8]
    return renewed


@dataclass(frozen=True, kw_only=True)
class _LineageDiff:
    """Two generations and who goes on as whom; groups are positions, `i` before and `j` after.

    Attributes
    ----------
    names : tuple of str
        The id each group of `after` bears from now on.
    predecessors : (a,) array of int
        Position in `before` of the group it goes on with, or -1.
    successors : dict of int to int
        The new group that goes on with each old one; ids that came back are not among them.
    recipients : dict of int to list of int
        For each old group without a successor, the new ones that took most of it: one where most
        of it went, else those that were mostly made of it.
    parents : dict of int to int
        For each new group that is no successor, the old one it came off; it is new without one.
    """

    before: Generation
    after: Generation
    names: tuple[str, ...]
    overlap: GroupOverlap
    predecessors: NDArray[np.intp]

    @cached_property
    def living(self) -> list[int]:
        """Old groups that were alive."""
        return np.flatnonzero(self.before.alive).tolist()

    @cached_property
    def successors(self) -> dict[int, int]:
        alive = self.before.alive
        return {
            i: j
            for j, i in enumerate(self.predecessors.tolist())
            if i != NO_PREDECESSOR and alive[i]
        }

    @cached_property
    def recipients(self) -> dict[int, list[int]]:
        recipients = {}
        for i in self.living:
            if i not in self.successors:
                # Most of it in one place: it merged. Else it came apart, and the parts say so.
                went_to = self.overlap.went_to[i]
                went = np.flatnonzero(went_to if went_to.any() else self.overlap.came_from[i])
                recipients[i] = self._order_new(i, went.tolist())
        return recipients

    @cached_property
    def parents(self) -> dict[int, int]:
        parents = {}
        for j in set(range(len(self.after))) - set(self.successors.values()):
            related = np.flatnonzero(self.overlap.related[:, j] & self.before.alive)
            if len(related):
                # One parent: the most images decide, as they do for who keeps an id.
                parents[j] = self._order_old(j, related.tolist())[0]
        return parents

    def list_events(self) -> tuple[LineageEvent, ...]:
        """List what changed, kind by kind, each in the order of its ids."""
        merged, split = self._list_merged(), self._list_split()
        # A merge or a split names the groups that went on: no line of their own beside it.
        listed = {name for event in (*merged, *split) for name in event.before}
        kept = [
            self._make_event("kept", [i], [j])
            for i, j in self.successors.items()
            if self.before.names[i] not in listed and not self._is_unchanged(i, j)
        ]
        known = {*self.successors.values(), *self.parents}
        fresh = [
            self._make_event("born", [], [j])
            if i == NO_PREDECESSOR
            else self._make_event("revived", [i], [j])
            for j, i in enumerate(self.predecessors.tolist())
            if j not in known
        ]
        vanished = [
            self._make_event("vanished", [i], []) for i, news in self.recipients.items() if not news
        ]
        # What a person must know first stands first, and every run lists alike.
        kinds = get_args(EventKind)
        events = (*merged, *split, *kept, *fresh, *vanished)
        return tuple(sorted(events, key=lambda e: (kinds.index(e.kind), e.before, e.after)))

    def _list_merged(self) -> list[LineageEvent]:
        joined: dict[int, list[int]] = {}
        for i, news in self.recipients.items():
            if len(news) == 1:
                joined.setdefault(news[0], []).append(i)
        # The one whose id goes on stands first.
        first = {j: [i] for i, j in self.successors.items()}
        return [
            self._make_event("merged", [*first.get(j, []), *self._order_old(j, olds)], [j])
            for j, olds in joined.items()
        ]

    def _list_split(self) -> list[LineageEvent]:
        events = []
        for i in self.living:
            parts = {j for j, parent in self.parents.items() if parent == i}
            # Without a successor it may lie in groups that go on with other ids.
            if len(self.recipients.get(i, [])) > 1:
                parts |= set(self.recipients[i])
            if parts:
                first = [self.successors[i]] if i in self.successors else []
                events.append(self._make_event("split", [i], [*first, *self._order_new(i, parts)]))
        return events

    def _is_unchanged(self, i: int, j: int) -> bool:
        shared = self.overlap.shared[i, j]
        # The same images under the same id: nothing happened that anyone need read.
        same = shared == self.before.sizes[i] == self.after.sizes[j]
        return bool(same and self.before.names[i] == self.names[j])

    def _order_new(self, i: int, news: Iterable[int]) -> list[int]:
        """Order new groups by the images they share with an old one, most first; then by id."""
        shared = self.overlap.shared[i]
        return sorted(news, key=lambda j: (-shared[j], self.names[j]))

    def _order_old(self, j: int, olds: Iterable[int]) -> list[int]:
        """Order old groups by the images they share with a new one, most first; then by id."""
        shared = self.overlap.shared[:, j]
        return sorted(olds, key=lambda i: (-shared[i], self.before.names[i]))

    def _make_event(
        self, kind: EventKind, olds: Sequence[int], news: Sequence[int]
    ) -> LineageEvent:
        """Make one event of ids, sizes, common images, and what matched them."""
        shared = self.overlap.shared[np.ix_(olds, news)]
        by_members = bool(self.overlap.related[np.ix_(olds, news)].any())
        return LineageEvent(
            kind=kind,
            before=tuple(self.before.names[i] for i in olds),
            after=tuple(self.names[j] for j in news),
            before_sizes=tuple(self.before.sizes[list(olds)].tolist()),
            after_sizes=tuple(self.after.sizes[list(news)].tolist()),
            shared=int(shared.sum()),
            by=("members" if by_members else "centroid") if shared.size else "",
        )
