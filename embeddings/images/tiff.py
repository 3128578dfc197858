"""Decode TIFF: 1 to 64 bits, float, tiled, compressed, planar, palette, several pages, BigTIFF.

Before a page is decoded its header is held against the file: a size over the limit, strips that
lie outside of the file and pages that cannot be reached are errors, where tifffile would fill
with zeros or log and go on: a file cut short would lose pages without an error. Thumbnails and
masks that a writer put beside a page are left out, but counted: a page keeps its number.
"""

import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.images.picture import (
    PageHeader,
    Picture,
    check_size,
    convert_cmyk,
    drop_equal_channels,
    make_picture,
    name_damage,
)
from embeddings.images.pixel_size import read_um_per_pixel

# tifffile logs what it works round; without a handler Python would print that to the console.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_THUMBNAIL_OR_MASK = 1 | 4  # bits of NewSubfileType (TIFF 6.0, p. 36)
_UNSUPPORTED = {
    tifffile.PHOTOMETRIC.CIELAB: "CIELAB colours",
    tifffile.PHOTOMETRIC.ICCLAB: "CIELAB colours",
    tifffile.PHOTOMETRIC.ITULAB: "CIELAB colours",
    tifffile.PHOTOMETRIC.LOGL: "LogLuv colours",
    tifffile.PHOTOMETRIC.LOGLUV: "LogLuv colours",
}
MAX_PAGES = 1_000_000
_BIG = 43  # the version number of BigTIFF; 42 is TIFF 6.0
_JPEG = {tifffile.COMPRESSION.OJPEG, tifffile.COMPRESSION.JPEG}


def stream_tiff(
    path: Path, *, max_pixels: int, pages: Collection[int] | None = None
) -> Iterator[Picture]:
    """Yield each page of a TIFF file, or those of these numbers.

    Raises
    ------
    ImageError
        The file or a page is damaged, cut short, too large, too small or of a kind that is not
        supported; pages before it have been yielded.
    """
    with name_damage("damaged or truncated TIFF"):
        n_pages = _count_directories(path)
        file = tifffile.TiffFile(path)
    with file:
        _check_stack(file)
        for index in range(n_pages):
            if pages is not None and index not in pages:
                continue
            where = "" if n_pages == 1 else f" (page {index} of {n_pages})"
            # All of a page is in: tifffile reads a header's values when they are asked for, and
            # damaged ones are of any type.
            with name_damage(f"damaged or truncated TIFF{where}"):
                page: Any = file.pages[index]
                if not _is_picture(page, index):
                    continue
                picture = _read_page(file, page, n_pages=n_pages, max_pixels=max_pixels)
            yield picture


def read_tiff_headers(path: Path) -> list[PageHeader]:
    """Return number and size of each page from its header, thumbnails and masks too.

    Raises
    ------
    ImageError
        A header is damaged.
    """
    with name_damage("damaged or truncated TIFF"):
        n_pages = _count_directories(path)
        with tifffile.TiffFile(path) as file:
            found: list[Any] = [file.pages[index] for index in range(n_pages)]
            return [
                PageHeader(
                    page=index,
                    n_pages=n_pages,
                    width=int(page.imagewidth),
                    height=int(page.imagelength),
                    is_picture=_is_picture(page, index),
                )
                for index, page in enumerate(found)
            ]


def _is_picture(page: Any, index: int) -> bool:
    """Tell a page from a thumbnail or mask of it; the first is always one."""
    return index == 0 or not int(page.subfiletype) & _THUMBNAIL_OR_MASK


def _check_stack(file: Any) -> None:
    """Refuse ImageJ's stacks of one header: all but the first picture would be lost."""
    if file.is_imagej and len(file.pages) == 1:
        images = int((file.imagej_metadata or {}).get("images", 1))
        if images > 1:
            raise ImageError(
                f"an ImageJ stack of {images} images under one header: save them apart"
            )


def _read_page(file: Any, page: Any, *, n_pages: int, max_pixels: int) -> Picture:
    _check_header(page, file.filehandle.size, max_pixels=max_pixels)
    pixels = _drop_extra(_channels_last(page.asarray(maxworkers=1), page.axes), page)
    pixels, kind = _read_levels(pixels, page)
    return make_picture(
        pixels,
        kind,
        bit_depth=_bits(page),
        page=page.index,
        n_pages=n_pages,
        um_per_pixel=read_um_per_pixel(file, page),
    )


def _check_header(page: Any, file_size: int, *, max_pixels: int) -> None:
    check_size(page.imagewidth, page.imagelength, max_pixels=max_pixels)
    if page.imagedepth != 1:
        raise ImageError(f"a volume of {page.imagedepth} slices, expected a picture")
    if page.is_tiled and page.tilewidth * page.tilelength > max_pixels:
        raise ImageError(f"tiles of {page.tilewidth}x{page.tilelength} pixels: over the limit")
    if page.dtype is None:
        raise ImageError(f"{page.bitspersample} bits of {page.sampleformat!s} are not supported")
    if page.dtype.kind == "c":
        raise ImageError("complex pixels are not supported: save magnitude or phase")
    if page.photometric in _UNSUPPORTED:
        raise ImageError(f"{_UNSUPPORTED[page.photometric]} are not supported: save as RGB")
    if page.photometric == tifffile.PHOTOMETRIC.YCBCR and page.compression not in _JPEG:
        raise ImageError("YCbCr colours without JPEG compression are not supported: save as RGB")
    offsets, counts = page.dataoffsets, page.databytecounts
    n_segments = int(np.prod(page.chunked))
    if min(len(offsets), len(counts)) < n_segments or not all(counts[:n_segments]):
        raise ImageError("damaged TIFF: strips or tiles are missing")
    if any(at + count > file_size for at, count in zip(offsets, counts, strict=False)):
        raise ImageError("truncated TIFF: pixels lie beyond the end of the file")
    if page.compression == tifffile.COMPRESSION.NONE:
        needed = (page.imagewidth * page.imagelength * page.samplesperpixel * _bits(page)) // 8
        if sum(counts) < needed:
            raise ImageError("truncated TIFF: its strips hold fewer bytes than its size needs")


def _channels_last(pixels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return (H, W, S) of what tifffile reads as YX, YXS or SYX."""
    if axes == "YX":
        return pixels[..., None]
    if axes == "YXS":
        return pixels
    if axes == "SYX":
        return np.moveaxis(pixels, 0, 2)
    raise ImageError(f"axes {axes} are not supported: expected a grey or a colour picture")


def _drop_extra(pixels: NDArray[Any], page: Any) -> NDArray[Any]:
    """Drop alpha; refuse what is neither grey nor colour, such as one channel a detector."""
    samples = pixels.shape[2]
    extra = [int(kind) for kind in page.extrasamples]
    alpha = sum(kind in (1, 2) for kind in extra)
    colours = samples - alpha
    is_rgb = page.photometric in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)
    if is_rgb and colours > 3:
        colours = 3 if samples == 4 else colours  # an unnamed fourth sample is alpha (Photoshop)
    if page.photometric == tifffile.PHOTOMETRIC.SEPARATED and colours == 4:
        return convert_cmyk(pixels[..., :4], int(np.iinfo(pixels.dtype).max))
    if colours not in (1, 3):
        raise ImageError(f"{samples} channels, expected 1 (grey) or 3 (colour): save one a file")
    return pixels[..., 0] if colours == 1 else pixels[..., :3]


def _read_levels(pixels: NDArray[Any], page: Any) -> tuple[NDArray[Any], str]:
    """Return light-is-high grey levels and the kind of picture."""
    bits = _bits(page)
    is_dark_high = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        return _read_palette(pixels, page), "uint8"
    if pixels.dtype.kind in "bu":
        highest = 2**bits - 1
        if bits < 8:
            pixels = (pixels.astype(np.uint16) * 255 // highest).astype(np.uint8)
            highest = 255
        if is_dark_high:
            pixels = (highest - pixels).astype(pixels.dtype)
        return pixels, f"uint{max(bits, 8)}"
    # No highest level to count down from: the sign is turned instead.
    kind = "int" if pixels.dtype.kind == "i" else "float"
    with np.errstate(invalid="ignore"):  # signalling NaN; counted with the others later
        return (-pixels.astype(np.float64) if is_dark_high else pixels), f"{kind}{bits}"


def _read_palette(pixels: NDArray[Any], page: Any) -> NDArray[np.uint8]:
    table = np.asarray(page.colormap)  # (3, 2**bits) of 16 bits
    # Some writers put 8-bit colours there; libtiff tells them the same way.
    colours = table >> 8 if int(table.max()) > 255 else table
    return drop_equal_channels(colours.astype(np.uint8).T[pixels.astype(np.intp)])


def _bits(page: Any) -> int:
    bits = page.bitspersample
    return int(bits if isinstance(bits, int) else max(bits))


def _count_directories(path: Path) -> int:
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
        # Where the first directory lies: 8 bytes in BigTIFF, 4 in TIFF 6.0 (p. 13).
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
