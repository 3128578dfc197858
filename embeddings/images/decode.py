"""Decode an image file into its pictures: one a page, in the grey levels that were stored.

The container is told by content, not by suffix. TIFF is read in `embeddings.images.tiff`; JPEG,
PNG, BMP and PGM/PPM here. Pillow's plugins are called by name, not through `Image.open`: that
keeps its process-wide decompression-bomb limit, which warns or raises by a global setting, out of
the way, and the size is checked before a pixel is allocated. EXIF orientation is ignored: boxes
and coordinates of inspection tools are those of the stored pixels. Of several frames (MPO, APNG)
the first is read.

Thread-safe: nothing is shared between calls, and the decoders release the GIL.
"""

import io
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, ImageFile, JpegImagePlugin, PngImagePlugin, PpmImagePlugin

from embeddings.errors import ImageError
from embeddings.images.bounds import check_jpeg, check_room, check_run_length, count_chunk
from embeddings.images.find import check_regular
from embeddings.images.netpbm import decode_netpbm
from embeddings.images.one_file import OneFile
from embeddings.images.picture import (
    MAX_PIXELS,
    PageHeader,
    Picture,
    check_size,
    convert_cmyk,
    drop_equal_channels,
    make_picture,
    name_damage,
)
from embeddings.images.pixel_size import SizeClaim, read_companions, settle_size
from embeddings.images.tiff import read_tiff_headers, stream_tiff
from embeddings.odd_names import real_path

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # little and big endian; + is BigTIFF
_BYTES_A_PIXEL = 16  # four samples of 16 bits, doubled for what a file carries beside its pixels
_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})  # chunks of a PNG
_PLUGINS: dict[bytes, tuple[str, type[ImageFile.ImageFile]]] = {
    b"\xff\xd8\xff": ("JPEG", JpegImagePlugin.JpegImageFile),
    _PNG: ("PNG", PngImagePlugin.PngImageFile),
    b"BM": ("BMP", BmpImagePlugin.BmpImageFile),
    b"P2": ("PGM", PpmImagePlugin.PpmImageFile),  # for its header: see `netpbm`
    b"P3": ("PPM", PpmImagePlugin.PpmImageFile),
    b"P5": ("PGM", PpmImagePlugin.PpmImageFile),
    b"P6": ("PPM", PpmImagePlugin.PpmImageFile),
}


def read_pictures(path: Path, *, max_pixels: int = MAX_PIXELS) -> list[Picture]:
    """Return every page of an image file.

    Parameters
    ----------
    path : Path
    max_pixels : int
        Most pixels a page may have; told from the header, before anything is allocated.

    Raises
    ------
    ImageError
        With the reason, when the file or any page of it cannot be used.
    """
    return list(stream_pictures(path, max_pixels=max_pixels))


def stream_pictures(
    path: Path,
    *,
    max_pixels: int = MAX_PIXELS,
    pages: Collection[int] | None = None,
    file_id: str = "",
) -> Iterator[Picture]:
    """Yield the pages of an image file one by one, for files too large to be held whole.

    Parameters
    ----------
    path : Path
    max_pixels : int
        As in `read_pictures`.
    pages : collection of int, optional
        Numbers of the pages that are wanted, by default all; the others are not decoded. A number
        that the file does not have yields nothing.
    file_id : str
        The fingerprint of the file that is meant: the very bytes that are decoded must have it.
        By default any file is.

    Raises
    ------
    ImageChangedError
        The bytes are others, or change meanwhile.
    ImageError
        At the page that cannot be used; the pages before it have been yielded.
    """
    check_regular(path)
    with OneFile.open(path) as file:
        # By content: a TIFF is often called .jpg by the tool that exported it.
        if file.head.startswith(_TIFF):
            handle, beside = file.check(file_id), read_companions(real_path(path))
            for page in stream_tiff(handle, max_pixels=max_pixels, pages=pages, companions=beside):
                file.check_unchanged()
                yield page
        elif file.size > max_pixels * _BYTES_A_PIXEL:
            raise ImageError(
                f"{file.size} bytes: more than a picture of {max_pixels} pixels can need"
            )
        elif pages is None or 0 in pages:
            picture = decode_raster(file.read(file_id), max_pixels=max_pixels)
            yield _set_size(picture, read_companions(real_path(path)))


def read_headers(path: Path) -> list[PageHeader]:
    """Return number and size of every page from the headers alone, thumbnails and masks too.

    The position of a header is its page's number; `read_pictures` leaves out those that are no
    pictures.

    Raises
    ------
    ImageError
        Not an image, or its header is damaged.
    """
    check_regular(path)
    path = real_path(path)
    head = _read_head(path)
    if head.startswith(_TIFF):
        return read_tiff_headers(path)
    name, plugin = _find_plugin(head)
    # The plugins read no further than they must: of a JPEG up to its first frame.
    what = f"damaged or truncated {name}"
    with name_damage(what), path.open("rb") as handle, plugin(handle) as image:
        width, height = image.size
    return [PageHeader(page=0, width=width, height=height)]


def read_sizes(path: Path) -> list[tuple[int, int]]:
    """Return width and height of every page in pixels, from the headers alone.

    A TIFF's thumbnails and masks are counted too: the position is the page's number.

    Raises
    ------
    ImageError
        Not an image, or its header is damaged.
    """
    return [(header.width, header.height) for header in read_headers(path)]


def _set_size(picture: Picture, claims: Sequence[SizeClaim]) -> Picture:
    size = settle_size(claims, width=picture.width, height=picture.height)
    return replace(picture, um_per_pixel=size.um, size_source=size.source, size_doubt=size.doubt)


def _read_head(path: Path) -> bytes:
    with name_damage("cannot be read"), path.open("rb") as handle:
        return handle.read(16)


def decode_raster(data: bytes, *, max_pixels: int) -> Picture:
    """Decode the bytes of a JPEG, PNG, BMP, PGM or PPM file.

    Raises
    ------
    ImageError
        Not one of these, damaged, cut short, too large or too small.
    """
    name, plugin = _find_plugin(data)
    what = f"damaged or truncated {name}"
    if name in ("PGM", "PPM"):
        pixels = decode_netpbm(data, max_pixels=max_pixels)
        return make_picture(pixels, str(pixels.dtype), bit_depth=pixels.itemsize * 8)
    if name == "PNG":
        data = _check_chunks(data)
    elif name == "JPEG":
        check_jpeg(data, max_pixels=max_pixels)
    with name_damage(what):
        image = plugin(io.BytesIO(data))
    with image:
        check_size(*image.size, max_pixels=max_pixels)
        check_run_length(image, len(data))
        bits = _count_bits(image)
        check_room(*image.size, bits=bits, file_bytes=len(data), max_pixels=max_pixels)
        if name == "PNG" and data[24] == 16:
            # Pillow drops 16-bit colour to 8 bits; libpng keeps it.
            with name_damage(what):
                pixels = _drop_alpha(imagecodecs.png_decode(data))
        else:
            with name_damage(what):
                image.load()
            pixels = _read_mode(image)
    depth = data[24] if name == "PNG" else pixels.itemsize * 8
    if image.mode == "1":
        depth = 1
    return make_picture(pixels, str(pixels.dtype), bit_depth=depth)


def _count_bits(image: ImageFile.ImageFile) -> int:
    """Return the bits of a pixel that its file packs, from the header."""
    if image.mode == "1":
        return 1
    sample = 16 if image.mode.startswith("I") else 8  # of colours of 16 bits Pillow says 8
    return sample * len(image.getbands())


def _find_plugin(data: bytes) -> tuple[str, type[ImageFile.ImageFile]]:
    for magic, found in _PLUGINS.items():
        if data.startswith(magic):
            return found
    raise ImageError("not an image: the content is neither JPEG, PNG, BMP, TIFF, PGM nor PPM")


def _read_mode(image: ImageFile.ImageFile) -> NDArray[Any]:
    """Return a loaded image's pixels without alpha."""
    mode = image.mode
    if mode == "1":
        return np.asarray(image).astype(np.uint8) * 255
    if mode in ("P", "PA"):
        return _read_palette(image)
    if mode in ("L", "LA", "La"):
        return np.asarray(image if mode == "L" else image.getchannel(0))
    if mode in ("RGB", "RGBA", "RGBX", "RGBa"):
        return np.ascontiguousarray(np.asarray(image)[..., :3])
    if mode == "CMYK":
        return convert_cmyk(np.asarray(image), 255)
    if mode.startswith("I"):  # "I;16"
        return np.asarray(image).astype(np.uint16)
    raise ImageError(f"pixels of mode {mode} are not supported: expected grey or colour")


def _read_palette(image: ImageFile.ImageFile) -> NDArray[np.uint8]:
    """Look the colours up; Pillow's own conversion warns about transparent palettes."""
    indices = np.asarray(image if image.mode == "P" else image.getchannel(0))
    given = np.frombuffer(bytes(image.getpalette("RGB") or ()), np.uint8).reshape(-1, 3)
    palette = np.zeros((256, 3), np.uint8)  # an index beyond the palette is black, as in libpng
    palette[: len(given)] = given
    return drop_equal_channels(palette[indices])


def _drop_alpha(pixels: NDArray[Any]) -> NDArray[Any]:
    # libpng gives grey (2-D), grey with alpha (2), colour (3) and colour with alpha (4).
    if pixels.ndim == 2:
        return pixels
    return pixels[..., 0] if pixels.shape[2] <= 2 else pixels[..., :3]


def _check_chunks(data: bytes) -> bytes:
    """Check every chunk's CRC up to IEND: Pillow does not check those of the pixels.

    Returns the file without its texts and colour profile: nothing is read from them, and a few
    bytes of them can unpack to gigabytes.
    """
    view, at, chunks, kept = memoryview(data), len(_PNG), 0, [memoryview(_PNG)]
    while at + 12 <= len(data):
        length = int.from_bytes(view[at : at + 4])
        end = at + 8 + length
        kind = bytes(view[at + 4 : at + 8])
        if end + 4 > len(data):
            break
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4]):
            raise ImageError(f"damaged PNG: the checksum of its {kind!r} chunk does not match")
        chunks = count_chunk(chunks)
        if kind not in _TEXTS:
            kept.append(view[at : end + 4])
        if kind == b"IEND":
            return b"".join(kept) if len(kept) < chunks + 1 else data
        at = end + 4
    raise ImageError("truncated PNG: it ends before its IEND chunk")
