"""Who says how large a pixel is: chosen for each row, noted in the store, counted for the user."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from embeddings.bounded import parse_json
from embeddings.console import get_logger
from embeddings.images import PixelSize, compare_size
from embeddings.images.picture import Picture
from embeddings.records import SIZE_DOUBT, SIZE_SOURCE

UNKNOWN, UNRECORDED = "unknown", "not recorded"  # the second of a store of an earlier version


def choose_size(picture: Picture, given: float | None) -> PixelSize:
    """Return the size of a picture's pixels: what the user gives, else what the file says."""
    size = PixelSize(um=picture.um_per_pixel, source=picture.size_source, doubt=picture.size_doubt)
    return size if given is None else compare_size(size, given, by="--um-per-pixel")


def note_size(text: str, size: PixelSize) -> str:
    """Note in a row's metadata who says the size, and what speaks against it."""
    notes = {SIZE_SOURCE: size.source, SIZE_DOUBT: size.doubt}
    notes = {name: note for name, note in notes.items() if note}
    return json.dumps((parse_json(text) if text else {}) | notes) if notes else text


def count_sizes(rows: pd.DataFrame) -> dict[str, int]:
    """Count images by who says how large their pixels are, the most first.

    Parameters
    ----------
    rows : DataFrame
        Columns metadata and um_per_pixel, as a store has them.
    """
    known = np.isfinite(rows["um_per_pixel"].to_numpy(np.float64))
    counts = Counter(
        _read_note(text, SIZE_SOURCE) or (UNRECORDED if is_known else UNKNOWN)
        for text, is_known in zip(rows["metadata"].tolist(), known.tolist(), strict=True)
    )
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def describe_sizes(rows: pd.DataFrame) -> str:
    """Say it in one line: ``0.002 um by FEI tag 34682 (5 images), unknown (2)``."""
    counts = count_sizes(rows)
    sources = [_read_note(text, SIZE_SOURCE) for text in rows["metadata"].tolist()]
    sizes = rows["um_per_pixel"].groupby(sources)
    lowest, highest = sizes.min().to_dict(), sizes.max().to_dict()
    parts = []
    for source, n in counts.items():
        if source in (UNKNOWN, UNRECORDED):
            parts.append(f"{source} ({n})")
            continue
        low, high = float(lowest[source]), float(highest[source])
        span = f"{low:.4g}" if np.isclose(low, high, rtol=1e-3) else f"{low:.4g} to {high:.4g}"
        parts.append(f"{span} um by {source} ({n})")
    return ", ".join(parts)


def tell_sizes(rows: pd.DataFrame, files: pd.DataFrame) -> list[str]:
    """Log where sizes came from; warn of those in doubt, and return the warnings.

    Parameters
    ----------
    rows : DataFrame
        The images of the source, as the store has them.
    files : DataFrame
        Columns path and file_id.
    """
    if len(rows) and np.isfinite(rows["um_per_pixel"]).any():
        get_logger().info("pixel size: %s", describe_sizes(rows))
    doubts: list[tuple[Any, str]] = [
        (file_id, _read_note(text, SIZE_DOUBT))
        for file_id, text in zip(rows["file_id"].tolist(), rows["metadata"].tolist(), strict=True)
        if SIZE_DOUBT in text
    ]
    if not doubts:
        return []
    path_of = dict(zip(files["file_id"][::-1], files["path"][::-1], strict=True))
    path, doubt = min((path_of[file_id], doubt) for file_id, doubt in doubts)
    images = f"{len(doubts)} images" if len(doubts) > 1 else "1 image"
    warning = f"the pixel size of {images} is in doubt, such as {path}: {doubt}"
    get_logger().warning("WARNING: %s", warning)
    return [warning]


def _read_note(text: str, name: str) -> str:
    return str(parse_json(text).get(name, "")) if name in text else ""
