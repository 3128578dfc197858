"""The types already known: the labelled rows of a handoff, or of any CSV with path and label."""

import os
from pathlib import Path

import pandas as pd

from discovery.formats.handoff.sheet import parse_sheet
from discovery.records import find_label_fault, tidy_label
from discovery.runs import HANDOFF_CSV
from embeddings.errors import HandoffError


def read_known_types(path: Path) -> pd.DataFrame:
    """Read labelled images: columns image_id (empty where not given), path, label.

    `path` is a handoff.csv, a handoff.json, their folder, or any CSV with the columns path and
    label; relative paths in it start at its folder. Rows without a label are left out.

    Raises
    ------
    HandoffError
        The file is missing, lacks a column, has no labelled row, or a label that cannot be one.
    """
    if path.is_dir():
        table = path / HANDOFF_CSV
    else:
        table = path.with_suffix(".csv") if path.suffix.lower() == ".json" else path
    if not table.is_file():
        raise HandoffError(f"{table} does not exist: give a handoff.csv or a CSV with path,label")
    try:
        sheet = parse_sheet(table.read_bytes(), str(table), required=("path", "label"))
    except OSError as error:
        raise HandoffError(f"{table} cannot be read: {error.strerror}") from error
    labels = [tidy_label(cell) for cell in sheet.column("label")]
    for number, label in zip(sheet.numbers, labels, strict=True):
        if label and (fault := find_label_fault(label)):
            raise HandoffError(f"{table}: row {number}, column label: {fault}")
    rows = pd.DataFrame(
        {
            "image_id": [cell.strip() for cell in sheet.column("image_id")],
            "path": [os.path.join(table.parent.absolute(), p) for p in sheet.column("path")],  # noqa: PTH118 - an absolute path must stay as it was written
            "label": labels,
        },
        dtype="str",
    )
    rows = rows[rows["label"] != ""].reset_index(drop=True)
    if rows.empty:
        raise HandoffError(f"{table} has no row with a label: fill its column label first")
    return rows
