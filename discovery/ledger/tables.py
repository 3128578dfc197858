"""What decisions come to: columns over the images and tables beside them, with a way back.

Every change goes through `assign`, `put` or `drop`, which note what was there: `rewind` takes the
changes of one action back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from discovery.ledger.labels import ABSENT, LabelTable
from discovery.records import Decision

Places = NDArray[np.intp]
Column = Literal["own", "shared", "giver"]
Journal = list[tuple[Any, Any, Any]]  # a column's name or a table, where, and what was there
_COLUMNS: tuple[Column, ...] = ("own", "shared", "giver")
_NOTHING = object()  # a table had no such key
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A proposal that a person's split, or the clustering of what was left, brought about.

    Attributes
    ----------
    images : (m,) intp
        As they were when it was made.
    parent : str
        The proposal that was split; empty where what is left was clustered again.
    order : int
        The line of the ledger.
    selection : mapping
        Of the decision.
    likely : str
        The type that its images were matched with, under the name it has now; or empty.
    """

    images: Places
    parent: str
    order: int
    selection: Any
    likely: str = ""


class Tables:
    """The state that decisions lead to.

    Attributes
    ----------
    ids : list of str
        The images, in the order they were first heard of.
    labels : LabelTable
    own : (n,) int32
        The number of the label that a decision on the image gave; 0 none on purpose, -1 absent.
    shared : (n,) int32
        The number of the label that a decision on its proposal or group gave, or -1.
    giver : (n,) int32
        Which proposal gave the shared label (a place in `givers`), or -1.
    excluded : dict of label to (m,) intp
        Images that are not of a type, sorted.
    prototypes : dict of label to tuple of int
        Images that were marked, in this order.
    proposals, deferred : dict of proposal id to Decision
    parts : dict of proposal id to Part
    definitions : dict of label to str
    first_use : dict of label to int
        The line that named it first.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self.ids = list(ids)
        self._place_of = {name: place for place, name in enumerate(self.ids)}
        self.labels = LabelTable()
        self.own, self.shared, self.giver = (
            np.full(len(self.ids), ABSENT, np.int32) for _ in _COLUMNS
        )
        self.givers: dict[str, int] = {}
        self.excluded: dict[str, Places] = {}
        self.prototypes: dict[str, tuple[int, ...]] = {}
        self.proposals: dict[str, Decision] = {}
        self.deferred: dict[str, Decision] = {}
        self.parts: dict[str, Part] = {}
        self.definitions: dict[str, str] = {}
        self.first_use: dict[str, int] = {}
        self.journal: Journal = []

    def find_images(self, ids: Iterable[str]) -> Places:
        """Return the places of images; those never heard of get one."""
        places = []
        for name in ids:
            place = self._place_of.setdefault(name, len(self.ids))
            if place == len(self.ids):
                self.ids.append(name)
            places.append(place)
        if len(self.ids) > len(self.own):
            self._grow()
        return np.array(places, np.intp)

    def current(self, places: Places | slice) -> NDArray[np.int32]:
        """Return the number of the label that holds for each of the images."""
        own: NDArray[np.int32] = self.own[places]
        return np.where(own == ABSENT, self.shared[places], own)

    def assign(self, column: Column, places: Places, values: NDArray[np.int32] | int) -> None:
        """Set a column at some places."""
        array: NDArray[np.int32] = getattr(self, column)
        self.journal.append((column, places, array[places]))
        array[places] = values

    def put(self, table: dict[str, Value], key: str, value: Value) -> None:
        """Set a table's entry."""
        self.journal.append((table, key, table.get(key, _NOTHING)))
        table[key] = value

    def drop(self, table: dict[str, Value], key: str) -> None:
        """Take a table's entry out, where it has one."""
        if key in table:
            self.journal.append((table, key, table.pop(key)))

    def rewind(self, journal: Journal) -> None:
        """Take changes back, the last one first."""
        for table, key, value in reversed(journal):
            if isinstance(table, str):
                getattr(self, table)[key] = value
            elif value is _NOTHING:
                del table[key]
            else:
                table[key] = value

    def _grow(self) -> None:
        # Half as much again: a ledger names images one decision after the other.
        room = max(64, len(self.ids) * 3 // 2) - len(self.own)
        for column in _COLUMNS:
            array = getattr(self, column)
            setattr(self, column, np.append(array, np.full(room, ABSENT, np.int32)))
