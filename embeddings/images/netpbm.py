"""Decode PGM and PPM, as text and as bytes: Pillow's decoder takes a microsecond a sample.

Levels are those that Pillow makes of them: a highest level that is neither 255 nor 65535 is spread
over 8 bits, or over 16 where a grey picture has more than 256 levels.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.images.picture import check_size

_SPACES = re.compile(rb"\s*")
_NUMBER = re.compile(rb"\d{1,10}(?=\s|#)")
_LINE_END = re.compile(rb"[\r\n]")
_COMMENT = re.compile(rb"#[^\r\n]*")
_SPACE = re.compile(rb"\s")
_TEXT = b"0123456789 \t\r\n\v\f"
_BLOCK = 1 << 20  # bytes of text that become numbers at once


def decode_netpbm(data: bytes, *, max_pixels: int) -> NDArray[Any]:
    """Return the (H, W) uint8 or uint16, or (H, W, 3) uint8 of a PGM or PPM file.

    Raises
    ------
    ImageError
        Damaged, cut short, too large or too small.
    """
    name = "PGM" if data[1:2] in b"25" else "PPM"
    (width, height, most), at = _read_header(data, name)
    check_size(width, height, max_pixels=max_pixels)
    if not 0 < most < 65_536:
        raise ImageError(f"damaged {name}: its highest level is {most}, expected 1 to 65535")
    shape = (height, width) if name == "PGM" else (height, width, 3)
    count = width * height * (1 if name == "PGM" else 3)
    if data[1:2] in b"23":
        levels = _read_text(data[at:], count, most, name)
    else:
        levels = _read_bytes(data, at, count, most)
    if levels is None:
        raise ImageError(f"truncated {name}: it holds fewer than {count} levels")
    return _spread(levels, most, is_wide=most > 255 and name == "PGM").reshape(shape)


def _read_header(data: bytes, name: str) -> tuple[list[int], int]:
    """Return width, height and highest level, and where the levels begin."""
    at = 2
    numbers: list[int] = []
    while len(numbers) < 3:
        at = _SPACES.match(data, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if data[at : at + 1] == b"#":
            end = _LINE_END.search(data, at)
            at = len(data) if end is None else end.end()
            continue
        found = _NUMBER.match(data, at)
        if found is None:
            raise ImageError(f"damaged or truncated {name}: no size in its header")
        numbers.append(int(found[0]))
        at = found.end()
    return numbers, at + 1


def _read_bytes(data: bytes, at: int, count: int, most: int) -> NDArray[Any] | None:
    dtype = np.dtype(np.uint8 if most < 256 else ">u2")
    if len(data) - at < count * dtype.itemsize:
        return None
    return np.frombuffer(data, dtype, count=count, offset=at)


def _read_text(text: bytes, count: int, most: int, name: str) -> NDArray[np.uint16] | None:
    if b"#" in text:
        text = _COMMENT.sub(b"", text)
    if text.translate(None, _TEXT):
        raise ImageError(f"damaged {name}: its levels hold something else than digits")
    if len(text) < 2 * count - 1:  # a digit each, and a space between them
        return None
    levels = np.empty(count, np.uint16)
    start = filled = 0
    while filled < count and start < len(text):
        stop = _SPACE.search(text, min(start + _BLOCK, len(text)))
        end = len(text) if stop is None else stop.end()
        block = text[start:end].strip()
        if not block:
            break
        found = np.fromstring(block, np.int64, sep=" ")[: count - filled]
        highest = int(found.max())
        if highest > most:
            raise ImageError(f"damaged {name}: a level of {highest}, its highest is {most}")
        levels[filled : filled + len(found)] = found
        filled, start = filled + len(found), end
    return levels if filled == count else None


def _spread(levels: NDArray[Any], most: int, *, is_wide: bool) -> NDArray[Any]:
    dtype, highest = (np.uint16, 65_535) if is_wide else (np.uint8, 255)
    if most == highest:
        return levels.astype(dtype)
    # A level above the highest is damage that Pillow lets pass as the highest.
    table = np.arange(65_536 if most > 255 else 256) / most * highest
    spread = np.rint(np.minimum(table, highest)).astype(dtype)
    return np.take(spread, levels)
