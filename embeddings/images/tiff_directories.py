"""The directories of a TIFF, followed without reading what they point to.

One directory is a page. A file of some megabytes can hold a million empty ones, a circle of them,
or thousands that all point at the same megabytes of values: each is told here, in a second.
"""

import struct
from typing import BinaryIO

from embeddings.errors import ImageError

MAX_PAGES = 65_536  # reading a page's header takes 0.1 ms
MAX_SEGMENTS = 100_000  # strips or tiles of a page: tiles of 32 x 32 pixels in 100 million
_BIG = 43  # the version number of BigTIFF; 42 is TIFF 6.0
# Bytes of each type of value (TIFF 6.0, p. 15; BigTIFF adds the last three).
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_SEGMENTS = frozenset({273, 279, 324, 325})  # offsets and byte counts of strips and tiles
_FREE_VALUES = 16_000_000  # bytes of values beyond twice the file: pages may share some


def count_directories(handle: BinaryIO, size: int) -> int:
    """Return the number of pages of an open file of `size` bytes.

    Raises
    ------
    ImageError
        There is none, or too many, one is empty or lies beyond the end of the file, they form a
        circle, or their values are more than the file can hold.
    """
    handle.seek(0)
    head = handle.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack(order + "H", head[2:4])[0] == _BIG
    # Where the first directory lies: 8 bytes in BigTIFF, 4 in TIFF 6.0 (p. 13).
    (at,) = struct.unpack(order + "Q", head[8:16]) if is_big else struct.unpack(
        order + "I", head[4:8]
    )  # fmt: skip
    seen: set[int] = set()
    values = 0
    while at:
        if at in seen:
            raise ImageError("damaged TIFF: its pages form a circle")
        if len(seen) >= MAX_PAGES:
            raise ImageError(f"a TIFF of more than {MAX_PAGES} pages: save it as several files")
        seen.add(at)
        at, own = _read_directory(handle, at, is_big=is_big, order=order, size=size)
        values += own
        if values > 2 * size + _FREE_VALUES:
            raise ImageError("damaged TIFF: the values of its pages are more than the file holds")
    if not seen:
        raise ImageError("damaged TIFF: it holds no page")
    return len(seen)


def _read_directory(
    handle: BinaryIO, at: int, *, is_big: bool, order: str, size: int
) -> tuple[int, int]:
    """Return where the next directory begins, 0 after the last, and the bytes of this one's values.

    Values that reach beyond the file count nothing: tifffile leaves them out.
    """
    count_format, entry_format, offset_format = ("Q", "HHQQ", "Q") if is_big else ("H", "HHII", "I")
    count_bytes, offset_bytes = struct.calcsize(count_format), struct.calcsize(offset_format)
    entry = struct.Struct(order + entry_format)
    _check_reach(at + count_bytes, size)
    handle.seek(at)
    (entries,) = struct.unpack(order + count_format, handle.read(count_bytes))
    if not entries:
        raise ImageError("damaged TIFF: a page without any entry")
    _check_reach(at + count_bytes + entries * entry.size + offset_bytes, size)
    if entries > 4096:
        raise ImageError(f"damaged TIFF: a page of {entries} entries")
    data = handle.read(entries * entry.size + offset_bytes)
    values = 0
    for tag, kind, count, place in entry.iter_unpack(data[:-offset_bytes]):
        taken = count * _SIZES.get(kind, 0)
        if taken <= offset_bytes or place + taken > size:
            continue
        if tag in _SEGMENTS and count > MAX_SEGMENTS:
            raise ImageError(
                f"a page of {count} strips or tiles, expected at most {MAX_SEGMENTS}: save it in "
                "fewer"
            )
        values += taken
    return struct.unpack(order + offset_format, data[-offset_bytes:])[0], values


def _check_reach(end: int, size: int) -> None:
    if end > size:
        raise ImageError("truncated TIFF: a page lies beyond the end of the file")
