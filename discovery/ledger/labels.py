"""Every label that was ever given, under a number: what a column over the images can hold."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from discovery.records import ImageLabel

ABSENT = -1  # nothing was decided
ON_PURPOSE = 0  # without a label, because a person said so
SOURCES = ("", "cluster", "human")  # by their codes
_ROOM = 256  # doubled when it is full


class LabelTable:
    """The labels with their source, person and time, each under a number of its own.

    Number 0 is the label that is none, on purpose; `names` are the different label texts.
    """

    def __init__(self) -> None:
        self._known: dict[ImageLabel, int] = {}
        self._labels: list[ImageLabel] = []
        self._name_codes: dict[str, int] = {"": -1}
        self.names: list[str] = []
        # Longer than needed: the last entry says of ABSENT, which points there, that it is none.
        self._names_of = np.full(_ROOM, -1, np.int32)
        self._sources_of = np.zeros(_ROOM, np.uint8)
        self.add(ImageLabel())

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, number: int) -> ImageLabel:
        return self._labels[number] if number != ABSENT else self._labels[ON_PURPOSE]

    def __iter__(self) -> Iterator[ImageLabel]:
        return iter(self._labels)

    def add(self, label: ImageLabel) -> int:
        """Return the number of a label, a new one where it has none yet."""
        number = self._known.get(label)
        if number is None:
            number = self._known[label] = len(self._labels)
            self._labels.append(label)
            if number + 1 == len(self._names_of):
                self._grow()
            self._names_of[number] = self.find_name(label.label)
            self._sources_of[number] = SOURCES.index(label.source)
        return number

    def find_name(self, text: str) -> int:
        """Return the place of a label's text in `names`; -1 of the empty one."""
        code = self._name_codes.get(text)
        if code is None:
            code = self._name_codes[text] = len(self.names)
            self.names.append(text)
        return code

    def names_of(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return places in `names`; -1 where there is no label."""
        names: NDArray[np.int32] = self._names_of[numbers]
        return names

    def sources_of(self, numbers: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Return places in `SOURCES`."""
        sources: NDArray[np.uint8] = self._sources_of[numbers]
        return sources

    def _grow(self) -> None:
        room = len(self._names_of)
        self._names_of = np.append(self._names_of, np.full(room, -1, np.int32))
        self._sources_of = np.append(self._sources_of, np.zeros(room, np.uint8))
