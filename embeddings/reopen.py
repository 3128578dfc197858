"""Images that have vectors, opened again: thumbnails, heat maps and the search for copies need it.

A store keeps no pixels; its rows say in which file, on which page and in which region each image
lies. A file may have been moved or changed since: then there is an `ImageError`, never another
picture.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from embeddings.errors import ImageError
from embeddings.images import Picture, Region, level_picture, read_pictures
from embeddings.records import Level
from embeddings.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened:
    """One image again.

    Attributes
    ----------
    row : mapping
        Its row of `Vectors.rows`, and what columns the caller added.
    page : Picture
        The whole page as it was read.
    picture : Picture
        The page levelled as it was for the vector.
    region : Region or None
        The part of the page that a tile or crop is; None for a whole page.
    """

    row: Mapping[Any, Any]
    page: Picture
    picture: Picture
    region: Region | None


def reopen_rows(rows: pd.DataFrame, *, level: Level) -> Iterator[Reopened]:
    """Yield the images of rows that are all of one file.

    Raises
    ------
    ImageError
        The file cannot be read any more, or has lost a page.
    """
    pages = {page.page: page for page in read_pictures(Path(rows["path"].iloc[0]))}
    for row in rows.to_dict("records"):
        if row["page"] not in pages:
            raise ImageError(f"page {row['page']} is no longer there")
        page = pages[row["page"]]
        region = None
        if row["parent_id"]:
            region = Region(x0=row["x0"], y0=row["y0"], width=row["width"], height=row["height"])
        yield Reopened(row=row, page=page, picture=level_picture(page, level), region=region)


def find_window(picture: Picture, store: Store) -> tuple[float, float]:
    """Return the grey levels that the store shows as black and white in such a picture.

    Raises
    ------
    ImageError
        The store has never met its kind.
    """
    window = store.spec.window or store.windows.get(picture.kind)
    if window is None:
        raise ImageError(f"{picture.kind} is another kind of picture than was embedded")
    return window
