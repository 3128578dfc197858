"""The contact sheet of a search: the image that was asked for, then its look-alikes."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from embeddings.errors import InputError, OptionError
from embeddings.records import Vectors
from embeddings.search.verb import LookAlikes
from embeddings.store import Store
from embeddings.store.disk import sync_folder, write_file
from embeddings.thumbnails import draw_contact_sheet

_SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def check_sheet_path(path: Path) -> None:
    """Refuse a file that could not be written, before anything is computed.

    Raises
    ------
    OptionError
        It is neither PNG nor JPEG.
    InputError
        Its folder is absent, or it is a folder.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise OptionError(f"--out {path}: expected a name that ends with {', '.join(_SUFFIXES)}")
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise InputError(f"--out {path}: expected a file in a folder that exists")


def write_sheet(found: LookAlikes, store: Store, path: Path) -> None:
    """Draw the sheet and write it, whole or not at all.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    ids = found.table["image_id"].tolist()
    vectors = _join(found.query, store.load_vectors(ids))
    asked = str(found.query.ids[0])
    captions = [f"{row.rank}: {row.distance:.3f}" for row in found.table.itertuples()]
    sheet = draw_contact_sheet(
        vectors,
        [asked, *ids],
        store,
        title=f"Look-alikes of {Path(found.query.rows['path'].iloc[0]).name}",
        captions=["asked for", *captions],
    )
    buffer = BytesIO()
    sheet.save(buffer, _SUFFIXES[path.suffix.lower()])
    try:
        write_file(path, buffer.getvalue())
        sync_folder(path.absolute().parent)
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written ({error.strerror})") from error


def _join(query: Vectors, found: Vectors) -> Vectors:
    """Return the query and what was found as one, the query first and only once."""
    others = found.take(np.flatnonzero(found.ids != query.ids[0]))
    columns = list(found.rows.columns)
    return Vectors(
        ids=np.concatenate([query.ids, others.ids]),
        values=np.concatenate([query.values, others.values]),
        rows=pd.concat([query.rows[columns], others.rows], ignore_index=True),
        spec=found.spec,
    )
