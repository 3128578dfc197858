"""Which way up a picture is shown: EXIF in JPEG, PNG and WebP, and tag 274 of a TIFF.

Cameras and viewers agree on eight ways to lay stored pixels. A picture is turned as a viewer turns
it, so that boxes that were drawn in a viewer lie on what they were drawn round.
"""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from embeddings.images.bounds import count_chunk

UPRIGHT = 1
_TAG = 274
_SHORT, _LONG = 3, 4  # types of a tag
_MOST_TAGS, _MOST_EXIF = 1000, 1_000_000
_MARKER = b"Exif\0\0"  # before the tags, in JPEG always and in WebP with some writers


def turn_upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Lay (h, w) or (h, w, c) stored pixels as a viewer does.

    Parameters
    ----------
    orientation : int
        1 to 8, as EXIF has it; anything else is taken for 1, as viewers do.
    """
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def turn_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Return width and height as a viewer shows them."""
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def read_exif(data: bytes) -> int:
    """Return the orientation of a block of EXIF; 1 where it says none or is damaged."""
    tags = data.removeprefix(_MARKER)
    orders = {b"II*\0": "little", b"MM\0*": "big"}
    if tags[:4] not in orders:
        return UPRIGHT
    is_little = orders[tags[:4]] == "little"

    def number(at: int, length: int) -> int:
        return int.from_bytes(tags[at : at + length], "little" if is_little else "big")

    start = number(4, 4)
    for i in range(min(number(start, 2), _MOST_TAGS)):
        at = start + 2 + 12 * i
        if number(at, 2) == _TAG:
            kind = number(at + 2, 2)
            value = number(at + 8, {_SHORT: 2, _LONG: 4}.get(kind, 1))
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT


def find_png_exif(handle: BinaryIO) -> bytes:
    """Return the EXIF of an open PNG, before or behind its pixels; empty where there is none."""
    return _find_chunk(handle, b"eXIf", head=8, is_png=True)


def find_webp_exif(handle: BinaryIO) -> bytes:
    """Return the EXIF of an open WebP; empty where there is none."""
    return _find_chunk(handle, b"EXIF", head=12, is_png=False)


def _find_chunk(handle: BinaryIO, wanted: bytes, *, head: int, is_png: bool) -> bytes:
    """Go from chunk to chunk: in PNG length, kind, data, checksum; in WebP kind, length, data."""
    at, chunks = head, 0
    while True:
        handle.seek(at)
        start = handle.read(8)
        if len(start) < 8:
            return b""
        kind = start[4:] if is_png else start[:4]
        length = int.from_bytes(start[:4] if is_png else start[4:], "big" if is_png else "little")
        if kind == wanted:
            return handle.read(min(length, _MOST_EXIF))
        chunks = count_chunk(chunks)
        # Behind the data lies a checksum, or a byte where the next would begin at an odd place.
        at += 8 + length + (4 if is_png else length % 2)
