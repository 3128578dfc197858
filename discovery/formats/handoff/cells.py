"""The cells of a filled handoff become rows; each cell that cannot be is a fault with its place.

Only what a spreadsheet does by itself is forgiven: other separators and encodings, blank rows and
columns, numbers in its own spelling. Each row keeps the number it has on the screen.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from discovery.formats.filled_sheet import FilledSheet, RowFault, tell_other_labels
from discovery.formats.handoff.write import set_types
from discovery.records import find_label_fault, tidy_label

_NO_CLUSTER = -2  # stands for a cluster id that could not be read, so that it equals none
_INTEGER = re.compile(r"[-+]?\d+([.,]0*)?")  # a spreadsheet writes 3 as 3.0 or 3,0
# 1.23457E+15, or all digits: what a spreadsheet makes of an id that looks like a number
_NUMBER = re.compile(r"(\d+)(?:[.,](\d+))?(?:[eE]\+?(\d+))?")


def parse_rows(
    sheet: FilledSheet, name: str, *, need_membership: bool
) -> tuple[pd.DataFrame, list[RowFault]]:
    """Turn text into the columns of a handoff, and name every cell that is not what it must be.

    Blanks around ids, numbers and labels are dropped; a path is kept to the letter. `name` is the
    file, in messages.
    `need_membership` is False where memberships are known from elsewhere and are not read.
    """
    tell_other_labels(sheet, name)
    faults: list[RowFault] = []  # all of them at once: a person mends the file in one go

    def parse(column: str, convert: Callable[[str], Any], otherwise: Any) -> list[Any]:
        values = []
        for number, cell in zip(sheet.numbers, sheet.column(column), strict=True):
            try:
                values.append(convert(cell.strip()))
            except ValueError as error:
                faults.append(RowFault(row=number, column=column, text=str(error)))
                values.append(otherwise)
        return values

    columns: dict[str, Sequence[Any]] = {
        "image_id": parse("image_id", str, ""),
        "path": sheet.column("path"),  # a file's name may begin or end with a blank
        "cluster_id": parse("cluster_id", _parse_cluster, _NO_CLUSTER),
        "membership": (
            parse("membership", _parse_membership, 0.0)
            if need_membership and "membership" in sheet.columns
            else [float("nan")] * len(sheet)
        ),
        "proposal_id": parse("proposal_id", str, ""),
        "label": parse("label", _parse_label, ""),
        "label_source": parse("label_source", _parse_source, ""),
        "decided_by": parse("decided_by", str, ""),
        "decided_at": parse("decided_at", str, ""),
    }
    rows = set_types(pd.DataFrame(columns))
    return rows, faults + _find_disagreements(rows, sheet.numbers)


def restore_ids(rows: pd.DataFrame, written: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Put back ids that a spreadsheet took for numbers; they are found by their path.

    An id of sixteen digits, or of digits around one ``e``, loses its last digits for good. The
    path still says which image it was, and the number must agree with that image's id.

    Returns
    -------
    rows, restored
        The rows, and how many ids were put back.
    """
    known = set(written["image_id"])
    ids, paths, restored = rows["image_id"].tolist(), rows["path"].tolist(), 0
    damaged = [p for p, one in enumerate(ids) if one not in known and looks_like_number(one)]
    by_path = written.groupby("path")["image_id"].agg(list).to_dict() if damaged else {}
    for place in damaged:
        matches = [one for one in by_path.get(paths[place], []) if _may_become(one, ids[place])]
        # Two images of one path (tiles) whose ids agree in 15 digits are not told apart.
        if len(matches) == 1:
            ids[place] = matches[0]
            restored += 1
    return rows.assign(image_id=pd.Series(ids, index=rows.index, dtype="str")), restored


def looks_like_number(text: str) -> bool:
    """Tell whether a spreadsheet could take, or could have made, this id as a number."""
    return _NUMBER.fullmatch(text) is not None


def _may_become(image_id: str, read: str) -> bool:
    """Tell whether the number that came back is the id as far as its digits go."""
    match = _NUMBER.fullmatch(read)
    if match is None or not looks_like_number(image_id):
        return False
    whole, decimals, exponent = match.group(1), match.group(2) or "", int(match.group(3) or 0)
    if exponent > 400:  # beyond what a float holds; a spreadsheet leaves such text alone
        return False
    number = float(f"{whole}.{decimals or 0}e{exponent}")
    last_digit = 10.0 ** (exponent - len(decimals)) if match.group(3) else 0.0
    # A spreadsheet keeps 15 digits and shows as many as the column is wide.
    return abs(float(image_id) - number) <= max(0.51 * last_digit, 1e-14 * number)


def _parse_cluster(cell: str) -> int:
    # Never float(): 1e3 or 3.7 is no cluster that was written.
    if not _INTEGER.fullmatch(cell):
        raise ValueError(f"{cell!r} is not a whole number: put back what was written")
    return int(re.split("[.,]", cell)[0])


def _parse_membership(cell: str) -> float:
    try:
        number = float(cell.replace(",", "."))
    except ValueError:
        number = float("nan")
    if not 0 <= number <= 1:
        raise ValueError(f"{cell!r} is not a number from 0 to 1: put back what was written")
    return number


def _parse_label(cell: str) -> str:
    label = tidy_label(cell)  # blanks round the levels are a typist's
    if label and (fault := find_label_fault(label)):
        raise ValueError(fault)
    return label


def _parse_source(cell: str) -> str:
    source = cell.casefold()  # autocorrection writes Human
    if source not in ("human", "cluster", ""):
        raise ValueError(f"{cell!r} came, expected human, cluster or nothing: leave it empty")
    return source


def _find_disagreements(rows: pd.DataFrame, numbers: Sequence[int]) -> list[RowFault]:
    """Name freshly filled rows of one image (exact duplicates) that have different labels."""
    first: dict[str, tuple[int, str]] = {}
    faults = []
    cells = (rows[name].tolist() for name in ("image_id", "label", "label_source"))
    for number, image_id, label, source in zip(numbers, *cells, strict=True):
        # One with a source was labelled before it went out: only what was typed since can differ.
        if not label or source:
            continue
        earlier, other = first.setdefault(image_id, (number, label))
        if other != label:
            text = f"{label!r}, but row {earlier} is the same image and says {other!r}: choose one"
            faults.append(RowFault(row=number, column="label", text=text))
    return faults
