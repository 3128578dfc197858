"""A handoff without its labels: what stays is formatted once, and filled whenever they change."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from discovery.formats.handoff.row_checksums import make_checksums
from discovery.records import HANDOFF_COLUMNS, HANDOFF_FORMAT, DefectType, Handoff, ImageLabel
from embeddings.files import format_csv_row

VERSION = 1
_FIXED = HANDOFF_COLUMNS[:5]  # what a label does not change
_FILLED = HANDOFF_COLUMNS[5:]
_MEMBERSHIP = _FIXED.index("membership")
_SOURCES: dict[str, Any] = {"": "", "human": "human", "cluster": "cluster"}


class HandoffTemplate:
    """handoff.csv and handoff.json up to their labels.

    Parameters
    ----------
    handoff : Handoff
        Its labels and types do not matter.
    """

    def __init__(self, handoff: Handoff) -> None:
        self._handoff = handoff
        self._checksums = make_checksums(handoff.rows, handoff.proposals)
        self._witness = self._checksums.encode()
        # Images, not rows: exact duplicates have a row each.
        self._first_rows = ~handoff.rows["image_id"].duplicated().to_numpy()
        fixed = handoff.rows[list(_FIXED)].itertuples(index=False, name=None)
        self._heads = [format_csv_row(_spell(row), _FIXED) for row in fixed]

    def format(
        self,
        labels: Sequence[ImageLabel],
        numbers: NDArray[np.int32],
        *,
        types: Sequence[DefectType],
    ) -> tuple[bytes, bytes]:
        """Return the bytes of handoff.csv and of handoff.json.

        Parameters
        ----------
        labels : sequence of ImageLabel
            Different ones.
        numbers : (rows,) int32
            Which of them each row bears.
        types : sequence of DefectType
            Sorted by label.
        """
        tails = [
            "," + format_csv_row((one.label, one.source, one.by, one.at), _FILLED) + "\n"
            for one in labels
        ]
        heads = zip(self._heads, numbers.tolist(), strict=True)
        lines = [format_csv_row(HANDOFF_COLUMNS) + "\n", *(head + tails[n] for head, n in heads)]
        table = "".join(lines).encode(errors="surrogateescape")
        text = json.dumps(self._describe(labels, numbers, types), indent=2, ensure_ascii=False)
        return table, (text + "\n").encode(errors="backslashreplace")

    def list_types(
        self,
        labels: Sequence[ImageLabel],
        numbers: NDArray[np.int32],
        *,
        definitions: Mapping[str, str],
        accepted: Mapping[str, Sequence[str]],
    ) -> tuple[DefectType, ...]:
        """List the types the rows bear, by label, with the proposals that were `accepted` as each.

        Labels and numbers are those of `format`.
        """
        counts: dict[str, int] = {}
        borne = np.bincount(numbers[self._first_rows], minlength=len(labels)).tolist()
        for label, count in zip(labels, borne, strict=True):
            if label.label and count:
                counts[label.label] = counts.get(label.label, 0) + count
        return make_types(counts, definitions=definitions, accepted=accepted)

    def _describe(
        self,
        labels: Sequence[ImageLabel],
        numbers: NDArray[np.int32],
        types: Sequence[DefectType],
    ) -> dict[str, Any]:
        handoff = self._handoff
        borne = np.bincount(numbers, minlength=len(labels)).tolist()
        by_source = {"": 0, "human": 0, "cluster": 0}
        for label, count in zip(labels, borne, strict=True):
            by_source[label.source] += count
        return {
            "format": HANDOFF_FORMAT,
            "version": VERSION,
            "run_id": handoff.run_id,
            "store": dict(handoff.store),
            "sha256": self._checksums.sha256,
            # For a reader's eye alone: nothing is checked against them.
            "counts": {
                "rows": len(numbers),
                "images": int(self._first_rows.sum()),
                "labelled": sum(n for one, n in zip(labels, borne, strict=True) if one.label),
                "human": by_source["human"],
                "cluster": by_source["cluster"],
                "types": len(types),
                "proposals": len(handoff.proposals),
            },
            "types": [asdict(kind) for kind in types],
            "proposals": {str(k): name for k, name in sorted(handoff.proposals.items())},
            "witness": self._witness,
            "provenance": dict(handoff.provenance),
        }


def number_labels(rows: pd.DataFrame) -> tuple[list[ImageLabel], NDArray[np.int32]]:
    """Return the different labels of a handoff's rows, and which of them each row bears."""
    numbers: dict[tuple[str, ...], int] = {}
    cells = rows[list(_FILLED)].itertuples(index=False, name=None)
    found = [numbers.setdefault(row, len(numbers)) for row in cells]
    labels = [
        ImageLabel(label=label, source=_SOURCES[source], by=by, at=at)
        for label, source, by, at in numbers
    ]
    return labels, np.array(found, np.int32)


def make_types(
    counts: Mapping[str, int],
    *,
    definitions: Mapping[str, str],
    accepted: Mapping[str, Sequence[str]],
) -> tuple[DefectType, ...]:
    """List types by label: with their number of images, and the proposals accepted as each."""
    return tuple(
        DefectType(
            label=label,
            definition=definitions.get(label, ""),
            proposals=tuple(sorted(accepted.get(label, ()))),
            images=count,
        )
        for label, count in sorted(counts.items())
    )


def _spell(row: Sequence[Any]) -> list[str]:
    cells = [str(cell) for cell in row]
    # Never 1e-05: a spreadsheet set to another language reads that as text.
    cells[_MEMBERSHIP] = np.format_float_positional(np.float32(row[_MEMBERSHIP]), trim="0")
    return cells
