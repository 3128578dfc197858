"""Which files and rows of a store a call is about: the recipe, --boxes, --only, and their order."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.errors import InputError, OptionError
from embeddings.extract.options import ExtractOptions
from embeddings.extract.reader import Box, Recipe
from embeddings.extract.sources import OnlyList
from embeddings.images import read_sizes
from embeddings.tables import read_boxes


def make_recipe(options: ExtractOptions) -> Recipe:
    """Return how files become rows, with the boxes read.

    Raises
    ------
    TableError, OptionError
        The boxes cannot be used.
    """
    if options.boxes is None:
        return Recipe(tile=options.tile or 0)
    table = read_boxes(options.boxes, um_per_pixel=options.um_per_pixel, read_sizes=read_sizes)
    boxes: dict[str, list[Box]] = {}
    columns = ["path", "xmin", "ymin", "xmax", "ymax", "page"]
    for path, *box, page in table[columns].itertuples(index=False, name=None):
        xmin, ymin, xmax, ymax = box
        boxes.setdefault(path, []).append((xmin, ymin, xmax, ymax, int(page)))
    return Recipe(boxes=boxes)


def check_boxes(recipe: Recipe, paths: Iterable[str], table: Path | None) -> None:
    """Check that boxes are of images of the source.

    Raises
    ------
    InputError
        None of them is.
    """
    if recipe.boxes is not None and not set(recipe.boxes).intersection(paths):
        raise InputError(
            f"--boxes {table}: none of its {len(recipe.boxes)} paths is an image of "
            "the source; expected paths relative to the file itself, or absolute"
        )


def select_files(files: pd.DataFrame, recipe: Recipe, only: OnlyList | None) -> pd.DataFrame:
    """Leave out files without a box, and those that --only does not list.

    Raises
    ------
    OptionError
        --only lists none of the files.
    """
    kept = files
    if recipe.boxes is not None:
        kept = kept[kept["path"].isin(list(recipe.boxes))]
    if only is not None:
        mask = [only.has_file(p, f) for p, f in zip(kept["path"], kept["file_id"], strict=True)]
        kept = kept[mask]
        if kept.empty:
            raise OptionError(f"--only {only.table}: none of its images is in the source")
    return kept.reset_index(drop=True)


def order_ids(
    rows: pd.DataFrame, files: pd.DataFrame, *, recipe: Recipe, only: OnlyList | None
) -> NDArray[np.str_]:
    """Return the ids of the files' rows: by path, then page, then position.

    Parameters
    ----------
    rows : DataFrame
        The store's rows of this recipe.
    files : DataFrame
        Columns path and file_id, in order.
    """
    first = files.drop_duplicates("file_id").reset_index(drop=True)
    place = pd.Series(first.index, index=first["file_id"])
    mine = rows[rows["file_id"].isin(place.index)]
    if recipe.boxes is not None:
        wanted = {
            crop
            for path, file_id in zip(files["path"], files["file_id"], strict=True)
            for crop in recipe.crop_ids(path, file_id)
        }
        mine = mine[mine["image_id"].isin(list(wanted))]
    if only is not None:
        paths = first["path"].loc[mine["file_id"].map(place)]
        mine = mine[[only(p, i) for p, i in zip(paths, mine["image_id"], strict=True)]]
    order = mine.assign(place=mine["file_id"].map(place))
    order = order.sort_values(["place", "page", "y0", "x0", "image_id"])
    return order["image_id"].to_numpy(dtype=np.str_)


def is_under(path: str, root: Path | None) -> bool:
    """Tell whether a file lies in the folder that was searched, by name alone."""
    return root is not None and path.startswith(str(root).rstrip(os.sep) + os.sep)
