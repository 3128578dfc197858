"""What a file's header asks for, held against the file itself before anything is allocated.

A few kilobytes can ask for gigabytes, or for minutes: a size that the bytes behind it cannot fill,
a progressive JPEG of hundreds of scans, a compressed text beside the pixels. A real picture never
does; each of these is refused by what the header says, and with its numbers.
"""

from collections.abc import Iterator

import numpy as np
from PIL import ImageFile

from embeddings.errors import ImageError

# Deflate packs at most 1032 to one, baseline JPEG 1024: beyond it a file is cut short, or a bomb.
MOST_TIMES = 1100
FREE_BYTES = 64_000_000  # of pixels: below that nothing can come of any header
BYTES_A_PIXEL = 8  # of the largest picture that is allowed: colours of 16 bits, or float64
MAX_SCANS = 50  # of a progressive JPEG: writers make 10, a few optimisers 20
_MAX_MARKERS = 100_000  # of a JPEG
_MOST_RUNS = 16_000_000  # pixels, and bytes, of a BMP that is run-length encoded
_MAX_CHUNKS = 1_000_000  # of a PNG: writers make one each 8 kB
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_END = 0xD9
# What may follow a byte 0xFF that begins a marker: stuffed zeros, restarts and fill bytes do not.
_IS_KIND = np.ones(256, np.bool_)
_IS_KIND[[0x00, *range(0xD0, 0xD8), 0xFF]] = False
_FIRST_LOOK, _LONGEST_LOOK = 256, 65_536  # bytes that are looked at together


def check_room(width: int, height: int, *, bits: int, file_bytes: int, max_pixels: int) -> None:
    """Refuse pixels that would take more memory than a picture may, or than their file can fill.

    Parameters
    ----------
    width, height : int
        In pixels; already held against `max_pixels`.
    bits : int
        Of a pixel, all its samples together.
    file_bytes : int
        Bytes that the pixels are packed in.
    max_pixels : int
        Most pixels a picture may have.

    Raises
    ------
    ImageError
        With the numbers.
    """
    needed = width * height * bits // 8
    if needed <= FREE_BYTES:
        return
    if needed > max_pixels * BYTES_A_PIXEL:
        raise ImageError(
            f"{width}x{height} pixels of {bits} bits take {needed} bytes: over the limit of "
            f"{max_pixels * BYTES_A_PIXEL} bytes"
        )
    if needed > file_bytes * MOST_TIMES:
        raise ImageError(
            f"{width}x{height} pixels of {bits} bits take {needed} bytes, and the file has "
            f"{file_bytes} for them: truncated, or packed more than {MOST_TIMES} to one"
        )


def list_markers(data: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """Yield kind and place of each marker of a JPEG; entropy-coded data is passed over.

    Raises
    ------
    ImageError
        No writer makes so many.
    """
    at, size = 2, len(data)
    for _ in range(_MAX_MARKERS):
        place = _find_marker(data, at)
        if place is None:
            return
        kind = data[place + 1]
        yield kind, place
        if kind == _END:
            return
        at = place + 2
        if kind not in _STANDALONE:
            at += int.from_bytes(data[at : at + 2])
        if at >= size:
            return
    raise ImageError(f"damaged JPEG: more than {_MAX_MARKERS} markers")


def _find_marker(data: bytes | memoryview, at: int) -> int | None:
    """Return the place of the first marker from `at` on; None where there is none."""
    # A regular expression takes 13 ns a byte of entropy-coded data, and holds the interpreter's
    # lock: as long as half of the decoding.
    length = _FIRST_LOOK
    while (count := min(length + 1, len(data) - at)) > 1:
        part = np.frombuffer(data, np.uint8, count=count, offset=at)
        places = np.flatnonzero(part[:-1] == 0xFF)
        places = places[_IS_KIND[part[places + 1]]]
        if len(places):
            return at + int(places[0])
        at += count - 1
        length = min(8 * length, _LONGEST_LOOK)
    return None


def check_run_length(image: ImageFile.ImageFile, file_bytes: int) -> None:
    """Refuse a large BMP that is run-length encoded: Pillow takes a microsecond a run.

    Raises
    ------
    ImageError
        With the numbers.
    """
    is_packed = any(tile[0] == "bmp_rle" for tile in image.tile)
    if is_packed and max(image.width * image.height, file_bytes) > _MOST_RUNS:
        raise ImageError(
            f"a run-length encoded BMP of {image.width}x{image.height} pixels in {file_bytes} "
            f"bytes: expected at most {_MOST_RUNS} of either, save it as PNG"
        )


def count_chunk(chunks: int) -> int:
    """Return one more than `chunks`, the chunks of a PNG so far.

    Raises
    ------
    ImageError
        No writer makes so many.
    """
    if chunks >= _MAX_CHUNKS:
        raise ImageError(f"damaged PNG: more than {_MAX_CHUNKS} chunks")
    return chunks + 1
