"""Every label that was ever given, under a number: what a column over the images can hold."""

import numpy as np
from numpy.typing import NDArray

from discovery.records import ImageLabel

ABSENT = -1  # nothing was decided
ON_PURPOSE = 0  # without a label, because a person said so
SOURCES = ("", "cluster", "human")  # by their codes


class LabelTable:
    """The labels with their source, person and time, each under a number of its own.

    Number 0 is the label that is none, on purpose; `names` are the different label texts.
    """

    def __init__(self) -> None:
        self._known: dict[ImageLabel, int] = {}
        self._labels: list[ImageLabel] = []
        self._name_codes: dict[str, int] = {"": -1}
        self.names: list[str] = []
        self._arrays: tuple[NDArray[np.int32], NDArray[np.uint8]] | None = None
        self.add(ImageLabel())

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, number: int) -> ImageLabel:
        return self._labels[number] if number != ABSENT else self._labels[ON_PURPOSE]

    def add(self, label: ImageLabel) -> int:
        """Return the number of a label, a new one where it has none yet."""
        number = self._known.get(label)
        if number is None:
            number = self._known[label] = len(self._labels)
            self._labels.append(label)
            self.find_name(label.label)
            self._arrays = None
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
        names: NDArray[np.int32] = self._get_arrays()[0][numbers]  # ABSENT takes the last entry
        return names

    def sources_of(self, numbers: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Return places in `SOURCES`."""
        sources: NDArray[np.uint8] = self._get_arrays()[1][numbers]
        return sources

    def _get_arrays(self) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        if self._arrays is None:
            # One more at the end, where the number ABSENT points.
            labels = [*self._labels, self._labels[ON_PURPOSE]]
            names = np.array([self._name_codes[one.label] for one in labels], np.int32)
            sources = np.array([SOURCES.index(one.source) for one in labels], np.uint8)
            self._arrays = names, sources
        return self._arrays
