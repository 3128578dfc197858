"""What was noticed about the pictures of a source, told once, when all of them are there."""

from collections.abc import Sequence

import pandas as pd

from embeddings.console import get_logger
from embeddings.extract.data_bars import describe_bars
from embeddings.extract.pixel_sizes import tell_sizes
from embeddings.plurals import tell_count


def tell_noticed(rows: pd.DataFrame, files: pd.DataFrame) -> list[str]:
    """Log pixel sizes, data bars and pixels that are no numbers; return the warnings.

    Parameters
    ----------
    rows : DataFrame
        The images of the source, as the store has them.
    files : DataFrame
        Columns path and file_id.
    """
    warnings = tell_sizes(rows, files)
    for line in describe_bars(rows["metadata"]):
        get_logger().info("%s", line)
    return warnings + _tell_not_finite(rows, files)


def tell_idle(patterns: Sequence[str]) -> list[str]:
    """Warn of each pattern of --exclude that left nothing out; return the warnings."""
    warnings = [
        f"--exclude '{one}' leaves nothing out: no file or folder is named so" for one in patterns
    ]
    for warning in warnings:
        get_logger().warning("WARNING: %s", warning)
    return warnings


def _tell_not_finite(rows: pd.DataFrame, files: pd.DataFrame) -> list[str]:
    # Tiles and crops each bear the count of their whole picture.
    pictures = rows[rows["nan_pixels"] > 0].drop_duplicates(["file_id", "page"])
    if pictures.empty:
        return []
    path = files.loc[files["file_id"].isin(pictures["file_id"]), "path"].min()
    have = tell_count(len(pictures), "image has", "images have")
    warning = (
        f"{have} pixels that are not finite (NaN or infinite), {pictures['nan_pixels'].sum()} in "
        f"all, such as {path}: they are filled with the median of their picture"
    )
    get_logger().warning("WARNING: %s", warning)
    return [warning]
