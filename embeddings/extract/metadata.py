"""What is known of each image beside its pixels: a table joined on the file name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from embeddings.console import get_logger
from embeddings.errors import InputError
from embeddings.tables import read_metadata

ALL_PAGES = -1
Joined = Mapping[str, Mapping[int, str]]  # a JSON object by path and page


def join_metadata(table: Path | None, paths: Sequence[str]) -> dict[str, dict[int, str]]:
    """Return for each path a JSON object by page; `ALL_PAGES` where the table has no pages.

    Raises
    ------
    TableError
        The table cannot be read.
    InputError
        No row has the name of one of these files: it is the wrong table.
    """
    if table is None:
        return {}
    frame = read_metadata(table)
    by_name: dict[str, dict[int, str]] = {}
    for name, row in zip(frame.index, frame.to_dict("records"), strict=True):
        page = int(row.pop("page", ALL_PAGES))
        known = {str(key): value for key, value in row.items() if value != ""}
        by_name.setdefault(str(name), {})[page] = json.dumps(known)
    joined = {path: by_name[Path(path).name] for path in paths if Path(path).name in by_name}
    get_logger().info("metadata: %d of %d images have a row in %s", len(joined), len(paths), table)
    if not joined:
        raise InputError(f"--metadata {table}: no row has the file name of an image of the source")
    return joined


def pick_page(pages: Mapping[int, str], page: int) -> str:
    """Return what is known of one page, or of all of them, or nothing."""
    return pages.get(page, pages.get(ALL_PAGES, ""))


def count_outdated(joined: Joined, files: pd.DataFrame, rows: pd.DataFrame) -> int:
    """Count rows of the store whose metadata is not what the table says now.

    Rows are never changed once committed: a user must be told that theirs are older.
    """
    path_of = dict(zip(files["file_id"][::-1], files["path"][::-1], strict=True))  # first by name
    mine = rows[rows["file_id"].isin(list(path_of))]
    columns = (mine[name].tolist() for name in ("file_id", "page", "metadata"))
    return sum(
        pick_page(joined[path_of[file_id]], page) != metadata
        for file_id, page, metadata in zip(*columns, strict=True)
        if path_of[file_id] in joined
    )
