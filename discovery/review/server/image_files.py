"""Where the pixels of each image of a review are; the only place a path comes from.

A client names an image by its position. Which file that is, which page and which region of it,
stands in the store; a file that has changed since is never shown in the place of what was
embedded.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from embeddings.bounded import parse_json
from embeddings.errors import ImageError
from embeddings.images import MAX_PIXELS, Region, fingerprint_file
from embeddings.odd_names import real_path
from embeddings.reader import Part
from embeddings.store import Store

REFERENCE_COLUMN = "reference"  # of the metadata: the golden image of that very picture

_Stamp = tuple[int, int]  # size and time of change


class ImageFiles:
    """The files of n images.

    Parameters
    ----------
    store : Store
        Its rows say page, region and size of each image.
    ids : (n,) array of str
    paths : n sequences of str
        Every path of each image.
    """

    def __init__(self, store: Store, ids: NDArray[np.str_], paths: Sequence[Sequence[str]]) -> None:
        self.store, self.ids, self._paths = store, ids, paths
        rows = store.rows().set_index("image_id")
        self.rows: pd.DataFrame = rows.loc[ids.tolist()].reset_index()
        files = store.files()
        stamps = zip(files["size"].tolist(), files["mtime_ns"].tolist(), strict=True)
        self._stamps: dict[str, _Stamp] = dict(zip(files["path"].tolist(), stamps, strict=True))

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def max_pixels(self) -> int:
        """Most pixels a page may have: a picture that has a vector is no decompression bomb."""
        rows = self.rows
        extents = (rows["x0"] + rows["width"]).astype(np.int64) * (rows["y0"] + rows["height"])
        return max(MAX_PIXELS, int(extents.max()) if len(rows) else 0)

    @property
    def has_references(self) -> bool:
        """Whether the images have golden references: all of a store have one, or none."""
        return len(self) > 0 and self.find_reference(0) is not None

    def describe(self, index: int) -> dict[str, Any]:
        """Return what the store says of an image, by column."""
        return {str(name): value for name, value in self.rows.iloc[index].items()}

    def read_metadata(self, index: int) -> dict[str, Any]:
        """Return what is known of an image beside its pixels."""
        text = self.rows["metadata"].iloc[index]
        return dict(parse_json(text)) if text else {}

    def find_reference(self, index: int) -> str | None:
        """Return the path of an image's golden reference; None where it has none."""
        named = self.read_metadata(index).get(REFERENCE_COLUMN)
        return str(named) if named else None

    def name_path(self, index: int) -> str:
        """Return the first path of an image, as a person knows it."""
        paths = self._paths[index]
        return paths[0] if paths else ""

    def find_part(self, index: int) -> Part:
        """Return the file, page and region of an image.

        Raises
        ------
        ImageError
            None of its files is there any more, or all have changed.
        """
        row = self.rows.iloc[index]
        for path in self._paths[index]:
            if self._is_unchanged(path, str(row["file_id"])):
                return Part(
                    path=path,
                    image_id=str(row["image_id"]),
                    page=int(row["page"]),
                    region=_find_region(row),
                )
        raise ImageError(f"{self.name_path(index)} is not there any more, or has changed")

    def _is_unchanged(self, path: str, file_id: str) -> bool:
        try:
            status = real_path(Path(path)).stat()
        except (OSError, ValueError):
            return False
        stamp = status.st_size, status.st_mtime_ns
        if self._stamps.get(path) == stamp:
            return True
        # Copied or touched: its content tells, and the file is hashed only once.
        try:
            is_same = fingerprint_file(Path(path)) == file_id[:16]
        except ImageError:
            return False
        if is_same:
            self._stamps[path] = stamp
        return is_same


def _find_region(row: "pd.Series[Any]") -> Region | None:
    if not row["parent_id"]:
        return None
    x0, y0, width, height = (int(row[name]) for name in ("x0", "y0", "width", "height"))
    return Region(x0=x0, y0=y0, width=width, height=height)
