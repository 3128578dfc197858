"""Decode JPEG 2000, as a file (JP2, JPX) or as the bare codestream, in all of its bits."""

from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.images.bounds import check_room
from embeddings.images.picture import check_size, name_damage

FILE, CODESTREAM = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"
_MOST_BOXES = 10_000
_MOST_TILES = 65_535  # that the format has numbers for
_DEEPEST = 16  # bits a sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the codestream says of itself: its size, its components and their bits."""

    width: int
    height: int
    components: int
    bits: int
    tiles: int


def decode_jpeg2000(data: bytes, *, max_pixels: int) -> tuple[NDArray[Any], int]:
    """Return the (H, W) or (H, W, C) pixels and the bits of a sample.

    Raises
    ------
    ImageError
        Damaged, cut short, too large, too small, or of a kind that is not supported.
    """
    start, stop = _find_codestream(data)
    header = _parse(data[start : start + 65_536])
    check_size(header.width, header.height, max_pixels=max_pixels)
    if header.bits > _DEEPEST:
        raise ImageError(f"JPEG 2000 of {header.bits} bits, expected at most {_DEEPEST}")
    if header.tiles > _MOST_TILES:
        raise ImageError(f"damaged JPEG 2000: {header.tiles} tiles")
    if not data[start:stop].rstrip(b"\0").endswith(_END):
        raise ImageError("truncated JPEG 2000: it ends before its last marker")
    check_room(
        header.width,
        header.height,
        bits=header.components * header.bits,
        file_bytes=stop - start,
        max_pixels=max_pixels,
    )
    with name_damage("JPEG 2000 that cannot be decoded"):
        pixels: NDArray[Any] = imagecodecs.jpeg2k_decode(data)
    if pixels.shape[:2] != (header.height, header.width) or pixels.ndim not in (2, 3):
        raise ImageError(
            f"JPEG 2000 of {pixels.shape} samples, expected {header.height}x{header.width}"
        )
    if pixels.dtype.kind != "u":  # signed samples are grey levels all the same
        pixels = (pixels.astype(np.int64) + 2 ** (header.bits - 1)).astype(np.uint16)
    if header.bits < 8:  # spread over 0 to 255, as in all other files
        pixels = (pixels.astype(np.uint16) * 255 // (2**header.bits - 1)).astype(np.uint8)
    return pixels, header.bits


def read_size(data: bytes) -> tuple[int, int]:
    """Return width and height by the header.

    Raises
    ------
    ImageError
        It is damaged.
    """
    start, _ = _find_codestream(data)
    header = _parse(data[start : start + 65_536])
    return header.width, header.height


def _find_codestream(data: bytes) -> tuple[int, int]:
    """Return where the codestream begins and ends: boxes of other things may come before it."""
    if data[:4] == CODESTREAM:
        return 0, len(data)
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(data):
            break
        length, begin = int.from_bytes(data[at : at + 4]), at + 8
        if length == 1:
            length, begin = int.from_bytes(data[at + 8 : at + 16]), at + 16
        end = len(data) if length == 0 else at + length
        if data[at + 4 : at + 8] == b"jp2c":
            if end > len(data):
                raise ImageError("truncated JPEG 2000: its pixels lie beyond the end of the file")
            return begin, end
        if end <= at:
            break
        at = end
    raise ImageError("damaged JPEG 2000: it holds no pixels")


def _parse(data: bytes) -> Header:
    """Read the marker SIZ (ISO 15444-1, A.5.1)."""
    if not data.startswith(CODESTREAM) or len(data) < 45:
        raise ImageError("damaged JPEG 2000: its header is missing")
    numbers = [int.from_bytes(data[at : at + 4]) for at in range(8, 40, 4)]
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top = numbers
    if not (tile_width and tile_height):
        raise ImageError("damaged JPEG 2000: tiles of no size")
    across = -(-(right - tile_left) // tile_width)
    down = -(-(bottom - tile_top) // tile_height)
    components = int.from_bytes(data[40:42])
    depths = [(one & 0x7F) + 1 for one in data[42 : 42 + 3 * components : 3]]
    return Header(
        width=right - left,
        height=bottom - top,
        components=components,
        bits=max(depths, default=1),
        tiles=across * down,
    )
