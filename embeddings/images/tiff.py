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

# tifffile logs what it works round; without a handler Python would print that to the console.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_NAME = "a.tif"  # of an open file, which tifffile wants
_THUMBNAIL_OR_MASK = 1 | 4  # bits of NewSubfileType (TIFF 6.0, p. 36)


def stream_tiff(
    handle: BinaryIO,
    *,
    max_pixels: int,
    pages: Collection[int] | None = None,
    companions: Sequence[SizeClaim] = (),
) -> Iterator[Picture]:
    """Yield each page of an open TIFF file, or those of these numbers.

    Parameters
    ----------
    companions : sequence of SizeClaim
        What files beside it say of the size of its pixels.

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
                check_page(page, file, max_pixels=max_pixels)
                picture = _read_page(file, page, n_pages=n_pages, companions=companions)
            yield picture


def read_tiff_headers(path: Path) -> list[PageHeader]:
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


def _read_page(file: Any, page: Any, *, n_pages: int, companions: Sequence[SizeClaim]) -> Picture:
    pixels = _drop_extra(_channels_last(page.asarray(maxworkers=1), page.axes), page)
    pixels, kind = _read_levels(pixels, page)
    claims = [*read_tags(file, page), *companions]
    size = settle_size(claims, width=page.imagewidth, height=page.imagelength)
    return make_picture(
        pixels,
        kind,
        bit_depth=count_bits(page),
        page=page.index,
        n_pages=n_pages,
        size=size,
        bar_rows=read_bar_rows(file, page),
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
        return convert_cmyk(pixels[..., :4], int(np.iinfo(pixels.dtype).max))
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
