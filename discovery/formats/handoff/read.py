"""A handoff comes back: every row is checked against what was written, every fault is named.

Or its labelled rows alone are taken, as types that are known (`read_known_types`).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.formats.filled_sheet import FilledSheet, RowFault, parse_sheet, raise_faults
from discovery.formats.handoff.cells import looks_like_number, parse_rows, restore_ids
from discovery.formats.handoff.row_checksums import (
    KEY_COLUMNS,
    RowChecksums,
    decode_checksums,
    digest_rows,
    find_row_faults,
    have_moved,
    make_checksums,
)
from discovery.formats.handoff.template import VERSION
from discovery.formats.handoff.write import list_types
from discovery.records import HANDOFF_FORMAT, Handoff, find_label_fault, tidy_label
from discovery.runs import HANDOFF_CSV, HANDOFF_JSON
from embeddings.bounded import parse_json
from embeddings.console import get_logger
from embeddings.errors import HandoffError
from embeddings.paths import takes_paths
from embeddings.tables.locate import Locator
from embeddings.versions import advise_version

_LABELLED = ("path", "label")  # columns of any table of labelled images
_KEYS = ("run_id", "store", "sha256", "types", "proposals", "witness", "provenance")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Description:
    """What handoff.json says, checked."""

    checksums: RowChecksums
    run_id: str
    store: Mapping[str, Any]
    provenance: Mapping[str, Any]
    definitions: Mapping[str, str]
    accepted: Mapping[str, Sequence[str]]


@takes_paths
def read_handoff(path: Path, *, written: Handoff | None = None) -> Handoff:
    """Read a handoff, filled or not, from its CSV, its JSON or the folder of both.

    The two files are checked against each other; with `written`, the run's own handoff, the JSON
    may be missing, and ids that a spreadsheet took for numbers are put back.

    Raises
    ------
    HandoffError
        A file is missing or not a handoff, or rows do not match what was written: names file,
        row and column of each fault.
    """
    table, beside = _locate(path)
    described = _read_description(beside) if beside is not None else None
    if described is None and written is None:
        raise HandoffError(
            f"{table} has no {HANDOFF_JSON} beside it, so its rows cannot be checked: "
            "put both into one folder"
        )
    if described and written and described.run_id != written.run_id:
        raise HandoffError(
            f"{beside} is of the run {described.run_id}, but this is the run {written.run_id}: "
            "read it into its own run"
        )
    # A column of memberships may be missing: nothing is decided by it.
    sheet = parse_sheet(_read_bytes(table), str(table), required=(*KEY_COLUMNS, "label"))
    rows, faults = parse_rows(sheet, str(table), need_membership=written is None)
    # Before the comparison, which would name every such id as a fault.
    if written is not None:
        rows = _restore(rows, written, name=str(table))
    # handoff.json first: the run may have been clustered again since the file went out.
    own = _describe_written(written) if written is not None else None
    chosen, row_faults = _choose(rows, sheet, [one for one in (described, own) if one])
    raise_faults(str(table), [*faults, *row_faults])
    # The row checksums are 32 bits each; the sha256 is what makes sure.
    if digest_rows(rows) != chosen.checksums.sha256:
        raise HandoffError(
            f"{beside or table}: its sha256 is not that of the rows: take it as it was written"
        )
    return _make_handoff(rows, chosen)


def find_handoff(path: Path) -> Path | None:
    """Return the CSV of a handoff that has its JSON beside it, None for any other table.

    Raises
    ------
    HandoffError
        There is no such table, or it lacks the columns path and label.
    """
    table = _name_files(path)[0]
    if not table.is_file():
        raise HandoffError(f"{table} does not exist: give a handoff.csv or a CSV with path,label")
    # Both may have been renamed, or the CSV alone.
    if not any(p.is_file() for p in (table.with_suffix(".json"), table.with_name(HANDOFF_JSON))):
        return None
    if table.name == HANDOFF_CSV or table != path:
        return table  # it says that it is one: what it lacks is a fault
    sheet = parse_sheet(_read_bytes(table), str(table), required=_LABELLED)
    return table if {*KEY_COLUMNS, "label"} <= sheet.columns.keys() else None


@takes_paths
def read_known_types(path: Path) -> pd.DataFrame:
    """Read labelled images: columns image_id (empty where not given), path, label.

    `path` is a handoff.csv, a handoff.json, their folder, or any CSV with the columns path and
    label; relative paths in it start at its folder. Rows without a label are left out. Where
    handoff.json is there, the rows are checked against it as `read_handoff` does.

    Raises
    ------
    HandoffError
        The file is missing, lacks a column, has no labelled row, a label that cannot be one, or
        rows that are not those that were written; all paths at once may be others, where the images
        were moved.
    """
    table = find_handoff(path)
    if table is not None:
        rows = _read_checked(table)[["image_id", "path", "label"]]
    else:
        table = _name_files(path)[0]
        rows = _read_labels(table)
    paths = _locate_images(rows["path"].tolist(), table.parent.absolute())
    rows = rows.assign(path=pd.Series(paths, index=rows.index, dtype="str"))
    rows = rows[rows["label"] != ""].reset_index(drop=True)
    if rows.empty:
        raise HandoffError(f"{table} has no row with a label: fill its column label first")
    return rows


def _read_checked(table: Path) -> pd.DataFrame:
    """Read the rows of a handoff of any run; its images may have been moved, all of them."""
    try:
        return read_handoff(table).rows
    except HandoffError:
        beside = _locate(table)[1]
        sheet = parse_sheet(_read_bytes(table), str(table), required=(*KEY_COLUMNS, "label"))
        rows, faults = parse_rows(sheet, str(table), need_membership=False)
        if beside is None or faults or not have_moved(rows, _read_description(beside).checksums):
            raise
        # Known images are found by their content.
        get_logger().info("%s: its %d paths are others than were written", table, len(rows))
        return rows


def _read_labels(table: Path) -> pd.DataFrame:
    """Read image_id, path and label of a table that nothing is known of."""
    sheet = parse_sheet(_read_bytes(table), str(table), required=_LABELLED)
    labels = [tidy_label(cell) for cell in sheet.column("label")]
    faults = [
        RowFault(row=number, column="label", text=fault)
        for number, label in zip(sheet.numbers, labels, strict=True)
        if label and (fault := find_label_fault(label))
    ]
    raise_faults(str(table), faults)
    return pd.DataFrame(
        {
            "image_id": [cell.strip() for cell in sheet.column("image_id")],
            "path": sheet.column("path"),
            "label": labels,
        },
        dtype="str",
    )


def _locate_images(cells: Sequence[str], folder: Path) -> list[str]:
    """Return the absolute path of each cell; one that is there stays as it was written."""
    # An absolute path must stay as it was written, which Path does not promise.
    as_written = [os.path.join(folder, cell) for cell in cells]  # noqa: PTH118
    if all(map(os.path.isfile, as_written)):
        return as_written
    # Of another system, or in another case: where there is no such file either, as it was.
    located = Locator(folder).locate_all(cells)
    return [
        place if not os.path.isfile(path) and os.path.isfile(place) else path  # noqa: PTH113
        for path, place in zip(as_written, located, strict=True)
    ]


def _locate(path: Path) -> tuple[Path, Path | None]:
    """Find the CSV, and the JSON where there is one."""
    table, beside = _name_files(path)
    if not beside.is_file():
        beside = table.parent / HANDOFF_JSON  # the CSV was saved under another name
    if not table.is_file():
        raise HandoffError(f"{table} does not exist: give a handoff.csv or the folder it is in")
    return table, beside if beside.is_file() else None


def _name_files(path: Path) -> tuple[Path, Path]:
    """Return the CSV and the JSON that are meant by one of them, or by their folder."""
    if path.is_dir():
        return path / HANDOFF_CSV, path / HANDOFF_JSON
    if path.suffix.lower() == ".json":
        return path.with_suffix(".csv"), path
    return path, path.with_suffix(".json")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HandoffError(f"{path} cannot be read: {error.strerror}") from error


def _read_description(path: Path) -> _Description:
    try:
        values = parse_json(_read_bytes(path))
    except ValueError as error:
        raise HandoffError(f"{path} is not JSON ({error}): take it as it was written") from error
    if not isinstance(values, dict) or values.get("format") != HANDOFF_FORMAT:
        raise HandoffError(
            f"{path} is not of the format {HANDOFF_FORMAT}: take it as it was written"
        )
    if values.get("version") != VERSION:
        advice = advise_version(values.get("version"), VERSION, otherwise="take it as written")
        raise HandoffError(
            f"{path} has version {values.get('version')}, this program reads {VERSION}: {advice}"
        )
    missing = [key for key in _KEYS if key not in values]
    if missing:
        raise HandoffError(f"{path} lacks {missing[0]}: take it as it was written")
    try:
        proposals = {int(cluster): str(name) for cluster, name in values["proposals"].items()}
        return _Description(
            checksums=decode_checksums(values["witness"], proposals, sha256=values["sha256"]),
            run_id=str(values["run_id"]),
            store=values["store"],
            provenance=values["provenance"],
            definitions={kind["label"]: kind["definition"] for kind in values["types"]},
            accepted={kind["label"]: kind["proposals"] for kind in values["types"]},
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HandoffError(f"{path} cannot be read ({error!r}): take it as written") from error


def _describe_written(written: Handoff) -> _Description:
    return _Description(
        checksums=make_checksums(written.rows, written.proposals),
        run_id=written.run_id,
        store=written.store,
        provenance=written.provenance,
        definitions={kind.label: kind.definition for kind in written.types},
        accepted={kind.label: kind.proposals for kind in written.types},
    )


def _restore(rows: pd.DataFrame, written: Handoff, *, name: str) -> pd.DataFrame:
    rows, restored = restore_ids(rows, written.rows)
    if restored:
        get_logger().info("%s: %d ids a spreadsheet took for numbers put back", name, restored)
    # A spreadsheet rounds numbers: the run's own memberships are taken instead.
    known = written.rows.set_index(["image_id", "path"])["membership"]
    index = pd.MultiIndex.from_frame(rows[["image_id", "path"]])
    return rows.assign(membership=known.reindex(index).to_numpy("float32"))


def _choose(
    rows: pd.DataFrame, sheet: FilledSheet, described: Sequence[_Description]
) -> tuple[_Description, list[RowFault]]:
    """Take the first description the rows match; otherwise the first and all that is wrong."""
    attempts = [(one, find_row_faults(rows, sheet.numbers, one.checksums)) for one in described]
    chosen, faults = next((attempt for attempt in attempts if not attempt[1]), attempts[0])
    ids = dict(zip(sheet.numbers, rows["image_id"], strict=True))
    return chosen, [_explain(fault, str(ids.get(fault.row, ""))) for fault in faults]


def _explain(fault: RowFault, image_id: str) -> RowFault:
    # Without the run at hand nothing tells which id it was: say where it can be put back.
    if fault.column == "image_id" and "not what was" in fault.text and looks_like_number(image_id):
        text = (
            f"{image_id!r} is a number a spreadsheet made of the id: read the file into its run "
            "with discovery.handoff RUN --read, which puts it back"
        )
        return replace(fault, text=text)
    return fault


def _make_handoff(rows: pd.DataFrame, described: _Description) -> Handoff:
    return Handoff(
        rows=rows,
        types=list_types(rows, definitions=described.definitions, accepted=described.accepted),
        proposals=described.checksums.proposals,
        run_id=described.run_id,
        store=described.store,
        provenance=described.provenance,
    )
