"""Walk the chain of a TIFF file's directories, one a page, and check that none is out of reach.

tifffile logs a page that lies beyond the end of the file and reads the others: a file cut short
would lose pages without an error.
"""

from pathlib import Path
from typing import BinaryIO

from embeddings.errors import ImageError

MAX_PAGES = 1_000_000
_BIG = 43  # the version number of BigTIFF; 42 is TIFF 6.0


def count_directories(path: Path) -> int:
    """Return the number of pages.

    Raises
    ------
    ImageError
        There is none, one lies beyond the end of the file, or they form a circle.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(16)
        order: str = "little" if head[:2] == b"II" else "big"
        is_big = _number(head[2:4], order) == _BIG
        at = _number(head[8:16] if is_big else head[4:8], order)
        seen: set[int] = set()
        while at:
            if at in seen or len(seen) >= MAX_PAGES:
                raise ImageError("damaged TIFF: its pages form a circle")
            seen.add(at)
            at = _next_directory(handle, at, is_big=is_big, order=order, size=size)
    if not seen:
        raise ImageError("damaged TIFF: it holds no page")
    return len(seen)


def _next_directory(handle: BinaryIO, at: int, *, is_big: bool, order: str, size: int) -> int:
    """Return where the next directory begins; 0 after the last."""
    count_bytes, entry_bytes, offset_bytes = (8, 20, 8) if is_big else (2, 12, 4)
    _check_reach(at + count_bytes, size)
    handle.seek(at)
    entries = _number(handle.read(count_bytes), order)
    end = at + count_bytes + entries * entry_bytes
    _check_reach(end + offset_bytes, size)
    handle.seek(end)
    return _number(handle.read(offset_bytes), order)


def _check_reach(end: int, size: int) -> None:
    if end > size:
        raise ImageError("truncated TIFF: a page lies beyond the end of the file")


def _number(data: bytes, order: str) -> int:
    return int.from_bytes(data, "little" if order == "little" else "big")
