"""Every label an image was ever given, undone ones too: an older file holds one of them."""

from dataclasses import replace

import numpy as np

from discovery.ledger.labels import ON_PURPOSE, LabelTable
from discovery.ledger.tables import Places
from discovery.records import Decision, ImageLabel
from discovery.records.decisions import NAMING

_NONE = ""  # the name of what took a label away


class History:
    """What decisions gave to which images, in the order of the ledger.

    It asks only what the lines say, never what they come to: so it is the same whatever is undone.

    Parameters
    ----------
    labels : LabelTable
        Knows the labels by their numbers.
    """

    def __init__(self, labels: LabelTable) -> None:
        self._labels = labels
        # By the name of the label: its number, and the images that were given it.
        self._given: dict[str, list[tuple[int, Places]]] = {}

    def add(self, decision: Decision, images: Places) -> None:
        """Note the next line of the ledger."""
        if decision.scope == "type":
            if decision.label != decision.previous:
                self._rename(decision)
        elif decision.verdict in NAMING:
            label = ImageLabel(
                label=decision.label,
                source="human" if decision.scope == "image" else "cluster",
                by=decision.by,
                at=decision.at,
            )
            self._note(decision.label, self._labels.add(label), images)
        elif len(images):
            self._note(_NONE, ON_PURPOSE, images)

    def gather(self, ids: list[str]) -> dict[str, frozenset[ImageLabel]]:
        """Return the labels of each image by its id, in `ids` at its place."""
        found: dict[int, list[int]] = {}
        for given in self._given.values():
            for number, images in given:
                for image in images.tolist():
                    found.setdefault(image, []).append(number)
        # Images that were decided together have the same past: it is put together once.
        pasts: dict[tuple[int, ...], frozenset[ImageLabel]] = {}
        for numbers in {tuple(numbers) for numbers in found.values()}:
            pasts[numbers] = frozenset(self._labels[number] for number in numbers)
        return {ids[image]: pasts[tuple(numbers)] for image, numbers in found.items()}

    def _rename(self, decision: Decision) -> None:
        """Give the images that ever bore the previous label the new one, each with its source."""
        by_label: dict[int, list[Places]] = {}
        for number, images in self._given.get(decision.previous, ()):
            renamed = replace(
                self._labels[number], label=decision.label, by=decision.by, at=decision.at
            )
            by_label.setdefault(self._labels.add(renamed), []).append(images)
        # One entry a source: a name that is changed to and fro stays as short.
        for number, groups in by_label.items():
            self._note(decision.label, number, np.unique(np.concatenate(groups)))

    def _note(self, name: str, number: int, images: Places) -> None:
        self._given.setdefault(name, []).append((number, images))
