"""Decode TIFF: 1 to 64 bits, float, tiled, compressed, planar, palette, several pages, BigTIFF.

Before a page is decoded its header is held against the file: a size over the limit, strips that
lie outside of the file and pages that cannot be reached are errors, where tifffile would fill
with zeros or log and go on: a file cut short would lose pages without an error. Thumbnails and
masks that a writer put beside a page are left out, but counted: a page keeps its number.
"""

import logging
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from embeddings.errors import ImageError
from embeddings.images.data_bar_tags import read_bar_rows
from embeddings.images.orientation import UPRIGHT, turn_size, turn_upright
from embeddings.images.picture import (
    PageHeader,
    Picture,
    convert_cmyk,
    drop_equal_channels,
    make_picture,
    name_damage,
)
from embeddings.images.pixel_size import SizeClaim, read_tags, settle_size
from embeddings.images.tiff_directories import count_directories
from embeddings.images.tiff_header import check_page, count_bits
from embeddings.images.tiff_stack import check_imagej, check_stack, is_picture, was_picture
from embeddings.reading import READING, UPRIGHT_READING

# tifffile logs what it works round; without a handler Python would print that to the console.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_NAME = "a.tif"  # of an open file, which tifffile wants


def stream_tiff(
    handle: BinaryIO,
    *,
    max_pixels: int,
    pages: Collection[int] | None = None,
    companions: Sequence[SizeClaim] = (),
    reading: int = READING,
) -> Iterator[Picture]:
    """Yield each page of an open TIFF file, or those of these numbers.

    Parameters
    ----------
    companions : sequence of SizeClaim
        What files beside it say of the size of its pixels.
    reading : int
        The rules of reading (`embeddings.reading.READING`).

    Raises
    ------
    ImageError
        The file or a page is damaged, cut short, too large, too small or of a kind that is not
        supported; pages before it have been yielded.
    """
    with name_damage("damaged or truncated TIFF"):
        size = handle.seek(0, os.SEEK_END)
        n_pages = count_directories(handle, size)
        handle.seek(0)
        file = tifffile.TiffFile(handle, name=_NAME)
    with file:
        with name_damage("damaged or truncated TIFF"):
            _check_pages(file, n_pages, reading)
        for index in range(n_pages):
            if pages is not None and index not in pages:
                continue
            where = "" if n_pages == 1 else f" (page {index} of {n_pages})"
            # All of a page is in: tifffile reads a header's values when they are asked for, and
            # damaged ones are of any type.
            with name_damage(f"damaged or truncated TIFF{where}"):
                page: Any = file.pages[index]
                if not _is_wanted(file, page, index, n_pages=n_pages, reading=reading):
                    continue
                check_page(page, file, max_pixels=max_pixels)
                picture = _read_page(
                    file, page, n_pages=n_pages, companions=companions, reading=reading
                )
            yield picture


def read_tiff_headers(path: Path, *, reading: int = READING) -> list[PageHeader]:
    """Return number and size of each page from its header, thumbnails and masks too.

    Raises
    ------
    ImageError
        A header is damaged.
    """
    with name_damage("damaged or truncated TIFF"), path.open("rb") as handle:
        n_pages = count_directories(handle, handle.seek(0, os.SEEK_END))
        handle.seek(0)
        with tifffile.TiffFile(handle, name=_NAME) as file:
            _check_pages(file, n_pages, reading)
            return [
                _describe(file, file.pages[index], index, n_pages=n_pages, reading=reading)
                for index in range(n_pages)
            ]


def _describe(file: Any, page: Any, index: int, *, n_pages: int, reading: int) -> PageHeader:
    width, height = turn_size(
        int(page.imagewidth), int(page.imagelength), _find_orientation(page, reading)
    )
    return PageHeader(
        page=index,
        n_pages=n_pages,
        width=width,
        height=height,
        is_picture=_is_wanted(file, page, index, n_pages=n_pages, reading=reading),
    )


def _is_wanted(file: Any, page: Any, index: int, *, n_pages: int, reading: int) -> bool:
    if reading < UPRIGHT_READING:
        return was_picture(page, index)
    return is_picture(file, page, index, n_pages=n_pages)


def _check_pages(file: Any, n_pages: int, reading: int) -> None:
    if reading < UPRIGHT_READING:
        check_imagej(file)
    else:
        check_stack(file, n_pages)


def _find_orientation(page: Any, reading: int) -> int:
    value = page.tags.valueof(274) if reading >= UPRIGHT_READING else UPRIGHT
    return int(value) if isinstance(value, int) else UPRIGHT


def _read_page(
    file: Any, page: Any, *, n_pages: int, companions: Sequence[SizeClaim], reading: int
) -> Picture:
    pixels = _drop_extra(_channels_last(page.asarray(maxworkers=1), page.axes), page)
    pixels, kind = _read_levels(pixels, page)
    claims = [*read_tags(file, page), *companions]
    size = settle_size(claims, width=page.imagewidth, height=page.imagelength)
    orientation = _find_orientation(page, reading)
    return make_picture(
        turn_upright(pixels, orientation),
        kind,
        bit_depth=count_bits(page),
        page=page.index,
        n_pages=n_pages,
        size=size,
        # A bar is below what a microscope scanned: of a picture that is turned nothing is known.
        bar_rows=read_bar_rows(file, page) if orientation == UPRIGHT else 0,
    )


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
        if pixels.dtype.kind not in "bu":
            raise ImageError(f"CMYK colours of {pixels.dtype} are not supported: save as RGB")
        return convert_cmyk(pixels[..., :4], 2 ** count_bits(page) - 1)
    if colours not in (1, 3):
        raise ImageError(f"{samples} channels, expected 1 (grey) or 3 (colour): save one a file")
    return pixels[..., 0] if colours == 1 else pixels[..., :3]


def _read_levels(pixels: NDArray[Any], page: Any) -> tuple[NDArray[Any], str]:
    """Return light-is-high grey levels and the kind of picture."""
    bits = count_bits(page)
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
