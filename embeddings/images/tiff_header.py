"""What a page of a TIFF asks for, refused before it is decoded where it cannot be had."""

import re
from typing import Any

import numpy as np
import tifffile

from embeddings.errors import ImageError
from embeddings.images.bounds import FREE_BYTES, check_room
from embeddings.images.jpeg import read_jpeg_header
from embeddings.images.picture import check_size
from embeddings.images.tiff_directories import MAX_SEGMENTS

_UNSUPPORTED = {
    tifffile.PHOTOMETRIC.CIELAB: "CIELAB colours",
    tifffile.PHOTOMETRIC.ICCLAB: "CIELAB colours",
    tifffile.PHOTOMETRIC.ITULAB: "CIELAB colours",
    tifffile.PHOTOMETRIC.LOGL: "LogLuv colours",
    tifffile.PHOTOMETRIC.LOGLUV: "LogLuv colours",
}
_JPEG = frozenset({tifffile.COMPRESSION.OJPEG, tifffile.COMPRESSION.JPEG})
# These unpack as much as their own header says, whatever the page's says.
_OWN_SIZE = frozenset(int(kind) for kind in tifffile.TIFF.IMAGE_COMPRESSIONS)
_JPEGS = _JPEG | {33007, 34892}  # ALT_JPEG and lossy DNG
_JPEG_2000 = frozenset({33003, 33004, 33005, 34712})
_PNG, _WEBP = 34933, frozenset({50001})
_MAX_SAMPLES = 5  # four inks and an alpha
_PADDING = 4  # a strip or tile may be coded larger than it is


def check_page(page: Any, file: Any, *, max_pixels: int) -> None:
    """Refuse a page by its header, before anything is allocated for its pixels.

    Parameters
    ----------
    page : tifffile.TiffPage
    file : tifffile.TiffFile
    max_pixels : int

    Raises
    ------
    ImageError
        It is too large, of a kind that is not supported, or asks for more than its file holds.
    """
    check_size(page.imagewidth, page.imagelength, max_pixels=max_pixels)
    _check_kind(page)
    segment = _count_segment_pixels(page)
    if segment > max_pixels:
        raise ImageError(f"strips or tiles of {segment} pixels: over the limit of {max_pixels}")
    offsets, counts = page.dataoffsets, page.databytecounts
    n_segments = int(np.prod(page.chunked, dtype=object))
    if n_segments > MAX_SEGMENTS:
        raise ImageError(f"{n_segments} strips or tiles, expected at most {MAX_SEGMENTS}")
    if min(len(offsets), len(counts)) < n_segments or not all(counts[:n_segments]):
        raise ImageError("damaged TIFF: strips or tiles are missing")
    size = file.filehandle.size
    if any(at + count > size for at, count in zip(offsets, counts, strict=False)):
        raise ImageError("truncated TIFF: pixels lie beyond the end of the file")
    bits = page.samplesperpixel * count_bits(page)
    needed, given = page.imagewidth * page.imagelength * bits // 8, sum(map(int, counts))
    if page.compression == tifffile.COMPRESSION.NONE and given < needed:
        raise ImageError("truncated TIFF: its strips hold fewer bytes than its size needs")
    if given > 2 * needed + FREE_BYTES:  # strips and tiles may lie on one another
        raise ImageError(f"damaged TIFF: strips or tiles of {given} bytes for {needed} of pixels")
    packed = min(given, size)
    width, height = page.imagewidth, max(page.imagelength, -(-segment // page.imagewidth))
    check_room(width, height, bits=bits, file_bytes=packed, max_pixels=max_pixels)
    if int(page.compression) in _OWN_SIZE:
        _check_segments(page, file, n_segments, most=min(_PADDING * segment, max_pixels))


def count_bits(page: Any) -> int:
    """Return the bits of a sample."""
    bits = page.bitspersample
    return int(bits if isinstance(bits, int) else max(bits))


def _check_kind(page: Any) -> None:
    """Refuse what is not supported, whatever its size."""
    if page.imagedepth != 1:
        raise ImageError(f"a volume of {page.imagedepth} slices, expected a picture")
    if page.samplesperpixel > _MAX_SAMPLES:
        raise ImageError(
            f"{page.samplesperpixel} channels, expected 1 (grey) or 3 (colour): save one a file"
        )
    if page.dtype is None:
        bits = str(page.bitspersample)[:40]
        raise ImageError(f"{bits} bits of {page.sampleformat!s:.40} are not supported")
    if page.dtype.kind == "c":
        raise ImageError("complex pixels are not supported: save magnitude or phase")
    if page.photometric in _UNSUPPORTED:
        raise ImageError(f"{_UNSUPPORTED[page.photometric]} are not supported: save as RGB")
    if page.photometric == tifffile.PHOTOMETRIC.YCBCR and page.compression not in _JPEG:
        raise ImageError("YCbCr colours without JPEG compression are not supported: save as RGB")


def _count_segment_pixels(page: Any) -> int:
    if page.is_tiled:
        if page.tilewidth < 1 or page.tilelength < 1 or getattr(page, "tiledepth", 1) != 1:
            raise ImageError("damaged TIFF: tiles of no size")
        return int(page.tilewidth) * int(page.tilelength)
    # A strip of more rows than the picture has is decoded up to the picture's end.
    return int(page.imagewidth) * min(int(page.rowsperstrip), int(page.imagelength))


def _check_segments(page: Any, file: Any, n_segments: int, *, most: int) -> None:
    """Hold the header of each strip or tile that is a file of its own against the page's."""
    handle = file.filehandle
    for at, count in zip(page.dataoffsets[:n_segments], page.databytecounts, strict=False):
        handle.seek(int(at))
        data = handle.read(int(count))
        if page.compression in _JPEGS:
            read_jpeg_header(data, max_pixels=most)
            continue
        found = _read_size(data, int(page.compression))
        if found is None:
            raise ImageError(
                f"pixels packed as {page.compression!s:.40} are not supported: save them "
                "uncompressed, or by LZW or deflate"
            )
        if found[0] * found[1] > most:
            raise ImageError(
                f"damaged TIFF: a strip or tile of {found[0]}x{found[1]} pixels, expected at most "
                f"{most} pixels"
            )


def _read_size(data: bytes, compression: int) -> tuple[int, int] | None:
    """Return width and height that a strip or tile says of itself; None where none is known."""
    if compression in _JPEG_2000:
        found = re.search(rb"\xff\x4f\xff\x51(?s:.{4})((?s:.{16}))", data[:65_536])
        if found is None:
            return None
        x1, y1, x0, y0 = (int.from_bytes(found[1][i : i + 4]) for i in (0, 4, 8, 12))
        return x1 - x0, y1 - y0
    if compression == _PNG and data[12:16] == b"IHDR":
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if compression in _WEBP:
        return read_webp_size(data)
    return None


def read_webp_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height that a WebP file says of itself; None where it says none."""
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X" and len(body) == 10:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        sides = (int.from_bytes(body[i : i + 2], "little") & 0x3FFF for i in (6, 8))
        return next(sides), next(sides)
    if kind == b"VP8L" and body[:1] == b"\x2f":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None
