"""Read the list of images a user gives in place of a folder: a CSV with a `path` column."""

from pathlib import Path

import pandas as pd

from embeddings.errors import TableError
from embeddings.tables.delimited import read_located, resolve_path


def read_image_list(path: Path) -> pd.DataFrame:
    """Read a CSV with a `path` column; paths are absolute or relative to the CSV's folder.

    Returns
    -------
    DataFrame of text
        `path`, absolute and each once, in the table's order, whether the file is there or not;
        and the other columns, of the first row of a path that is there several times.

    Raises
    ------
    TableError
        The file cannot be read, has no `path` column, no row, or a row without a path.
    """
    table = read_located(path, required=("path",))
    if not len(table.rows):
        raise TableError(f"{path} has a header and no row: expected one row an image")
    for position, text in enumerate(table.rows["path"]):
        if not text:
            raise table.fail(position, "path is empty")
    files = [str(resolve_path(text, path.parent)) for text in table.rows["path"]]
    listed = table.rows.assign(path=pd.Series(files, dtype="str"))
    return listed.drop_duplicates("path").reset_index(drop=True)
