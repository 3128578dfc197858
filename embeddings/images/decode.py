"""Decode an image file into its pictures: one a page, in the grey levels that were stored.

Thread-safe: nothing is shared between calls, and the decoders release the GIL.
"""

from collections.abc import Iterator
from pathlib import Path

from embeddings.errors import ImageError
from embeddings.images.find import check_regular
from embeddings.images.picture import MAX_PIXELS, Picture, name_damage
from embeddings.images.raster import decode_raster, read_raster_size
from embeddings.images.tiff import read_tiff_sizes, stream_tiff

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # little and big endian; + is BigTIFF
_BYTES_A_PIXEL = 16  # four samples of 16 bits, doubled for what a file carries beside its pixels


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


def stream_pictures(path: Path, *, max_pixels: int = MAX_PIXELS) -> Iterator[Picture]:
    """Yield the pages of an image file one by one, for files too large to be held whole.

    Raises
    ------
    ImageError
        At the page that cannot be used; the pages before it have been yielded.
    """
    size = check_regular(path)
    if _read_head(path).startswith(_TIFF):
        yield from stream_tiff(path, max_pixels=max_pixels)
    elif size > max_pixels * _BYTES_A_PIXEL:
        raise ImageError(f"{size} bytes: more than a picture of {max_pixels} pixels can need")
    else:
        yield decode_raster(_read_bytes(path), max_pixels=max_pixels)


def read_sizes(path: Path) -> list[tuple[int, int]]:
    """Return width and height of every page in pixels, from the headers alone.

    A TIFF's thumbnails and masks are counted too: the position is the page's number.

    Raises
    ------
    ImageError
        Not an image, or its header is damaged.
    """
    check_regular(path)
    if _read_head(path).startswith(_TIFF):
        return read_tiff_sizes(path)
    return [read_raster_size(_read_bytes(path))]


def _read_head(path: Path) -> bytes:
    with name_damage("cannot be read"), path.open("rb") as handle:
        return handle.read(16)


def _read_bytes(path: Path) -> bytes:
    with name_damage("cannot be read"):
        return path.read_bytes()
