"""What becomes of proposals from one run to the next: generations, lineages, and their history.

A generation is the groups of one run under their proposal ids, with what is remembered of ids
that ended earlier. A lineage says what became of each id between two generations; one entry of
lineage.jsonl keeps it with its time and parameters.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

# In the order in which they are told: what a person should know of first.
EventKind = Literal["merged", "split", "vanished", "born", "revived", "kept"]
MatchedBy = Literal["members", "centroid", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The groups of one run under their ids, k of them, and the n images they were found among.

    Attributes
    ----------
    ids : (n,) array of str
        Every image that was looked at, those in no group too; unique.
    names : tuple of k str
        Proposal ids, ascending and unique.
    members : k arrays of int
        Positions in `ids` of each group's images, one or more.
    alive : (k,) bool
        False for an id that ended in an earlier run and is remembered as it was last seen. Only
        groups that are alive are disjoint.
    centroids : (k, d) float32
        Mean row of each group, NaN where it is not known; d is 0 where none is.
    scatters : (k,) float64
        Unbiased total variance of each group's rows around their mean, NaN where not known.
    space : str
        What the rows are, such as the hash of an extractor's spec: only centroids of the same
        space are compared.
    """

    ids: NDArray[np.str_]
    names: tuple[str, ...]
    members: tuple[NDArray[np.int64], ...]
    alive: NDArray[np.bool_]
    centroids: NDArray[np.float32]
    scatters: NDArray[np.float64]
    space: str = ""

    def __post_init__(self) -> None:
        n, k = len(self.ids), len(self.names)
        shapes = {len(self.members), len(self.centroids), len(self.scatters), len(self.alive)}
        if shapes - {k} or self.centroids.ndim != 2:
            raise ValueError(f"{k} names, but other arrays have the lengths {sorted(shapes)}")
        if "" in self.names or list(self.names) != sorted(set(self.names)):
            raise ValueError("names must be ascending, unique and not empty")
        if len(np.unique(self.ids)) != n:
            raise ValueError("ids are not unique")
        for name, positions in zip(self.names, self.members, strict=True):
            if not len(positions) or positions.min() < 0 or positions.max() >= n:
                raise ValueError(f"group {name} has no members, or some outside 0..{n - 1}")
        # Ended groups may overlap: each is remembered as it was last seen.
        alive = [m for m, lives in zip(self.members, self.alive, strict=True) if lives]
        every = np.concatenate(alive) if alive else np.empty(0, np.int64)
        if len(np.unique(every)) != len(every):
            raise ValueError("an image is in two groups that are alive")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Images of each group, (k,)."""
        return np.array([len(positions) for positions in self.members], dtype=np.int64)

    @property
    def digest(self) -> str:
        """16 hex digits over the groups that are alive: their names and members alone."""
        digest = hashlib.sha256()
        for name, positions, lives in zip(self.names, self.members, self.alive, strict=True):
            if lives:
                # Order and numbers are the clusterer's: names and members alone make a run.
                digest.update("\n".join([name, *sorted(self.ids[positions].tolist()), ""]).encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEvent:
    """One thing that became of one or several proposals.

    Attributes
    ----------
    kind : {"merged", "split", "vanished", "born", "revived", "kept"}
        *kept*: the same id, with other members than before (a group left exactly as it was is no
        event). *revived*: an id that had ended is back.
    before, after : tuple of str
        Ids in the earlier and the later run; the one that goes on stands first.
    before_sizes, after_sizes : tuple of int
        Images of each.
    shared : int
        Images that are in one of `before` and in one of `after`.
    by : {"members", "centroid", ""}
        What they were matched by; empty where nothing was.
    """

    kind: EventKind
    before: tuple[str, ...]
    after: tuple[str, ...]
    before_sizes: tuple[int, ...]
    after_sizes: tuple[int, ...]
    shared: int = 0
    by: MatchedBy = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(EventKind) or self.by not in get_args(MatchedBy):
            raise ValueError(f"event {self.kind!r} matched by {self.by!r} is not known")
        lengths = (len(self.before), len(self.after))
        if lengths != (len(self.before_sizes), len(self.after_sizes)):
            raise ValueError(f"{lengths} ids, but other numbers of sizes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What became of every proposal between two generations.

    Attributes
    ----------
    names : mapping of str to str
        For each new group, under the name it came with: the id it bears from now on.
    events : tuple of LineageEvent
        What changed, in the order of `EventKind`.
    """

    names: Mapping[str, str]
    events: tuple[LineageEvent, ...]

    def __post_init__(self) -> None:
        if len(set(self.names.values())) != len(self.names):
            raise ValueError("an id is given to two groups")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEntry:
    """One line of lineage.jsonl: a run came to other groups than the one before it.

    Attributes
    ----------
    at : str
        ISO 8601 with the offset from UTC.
    command, spec, seed
        What the clusters were made by, as run.json has it.
    generation : str
        Digest of the groups, see `Generation.digest`.
    images : int
    proposals : mapping of str to int
        Images of every proposal of this run.
    events : tuple of LineageEvent
    since : str
        The run it was compared with, where that was another folder.
    """

    at: str
    command: str
    spec: Mapping[str, Any]
    seed: int
    generation: str
    images: int
    proposals: Mapping[str, int]
    events: tuple[LineageEvent, ...] = field(default_factory=tuple)
    since: str = ""

    def __post_init__(self) -> None:
        # The history is read in other time zones than it is written in.
        if datetime.fromisoformat(self.at).tzinfo is None:
            raise ValueError(f"at is {self.at!r}, expected an offset from UTC")
