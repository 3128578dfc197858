"""What is known of each image beside its pixels: a table joined on the file name."""

import json
from collections.abc import Sequence
from pathlib import Path

from embeddings.console import get_logger
from embeddings.errors import InputError
from embeddings.tables import read_metadata

ALL_PAGES = -1


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
