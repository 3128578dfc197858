"""Decode an image file into its pictures: one a page, in the grey levels that were stored.

The container is told by content, not by suffix: TIFF is read in `embeddings.images.tiff`, all
others in `embeddings.images.raster`. Pictures are laid as a viewer lays them (EXIF, TIFF tag 274),
so boxes and coordinates are those that a viewer shows. `reading` says by which rules: those of
`embeddings.reading.READING`, or earlier ones, by which the pictures of an older store were read
and are read again.

Thread-safe: nothing is shared between calls, and the decoders release the GIL.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from embeddings.errors import ImageError
from embeddings.images.containers import HEAD, TIFF, find_container
from embeddings.images.find import check_regular
from embeddings.images.one_file import OneFile
from embeddings.images.orientation import turn_size, turn_upright
from embeddings.images.picture import (
    MAX_PIXELS,
    PageHeader,
    Picture,
    make_picture,
    name_damage,
)
from embeddings.images.pixel_size import SizeClaim, read_companions, settle_size
from embeddings.images.raster import decode_pixels, read_raster_size
from embeddings.images.tiff import read_tiff_headers, stream_tiff
from embeddings.odd_names import real_path
from embeddings.paths import takes_paths
from embeddings.reading import READING, UPRIGHT_READING

_BYTES_A_PIXEL = 16  # four samples of 16 bits, doubled for what a file carries beside its pixels


@takes_paths
def read_pictures(
    path: Path, *, max_pixels: int = MAX_PIXELS, reading: int = READING
) -> list[Picture]:
    """Return every page of an image file.

    Parameters
    ----------
    path : Path
    max_pixels : int
        Most pixels a page may have; told from the header, before anything is allocated.
    reading : int
        The rules of reading, as `ExtractorSpec.reading` has them.

    Raises
    ------
    ImageError
        With the reason, when the file or any page of it cannot be used.
    """
    return list(stream_pictures(path, max_pixels=max_pixels, reading=reading))


def stream_pictures(
    path: Path,
    *,
    max_pixels: int = MAX_PIXELS,
    pages: Collection[int] | None = None,
    file_id: str = "",
    reading: int = READING,
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
    reading : int
        As in `read_pictures`.

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
        if find_container(file.head) == TIFF:
            handle, beside = file.check(file_id), read_companions(real_path(path))
            for page in stream_tiff(
                handle, max_pixels=max_pixels, pages=pages, companions=beside, reading=reading
            ):
                file.check_unchanged()
                yield page
        elif file.size > max_pixels * _BYTES_A_PIXEL:
            raise ImageError(
                f"{file.size} bytes: more than a picture of {max_pixels} pixels can need"
            )
        elif pages is None or 0 in pages:
            picture = decode_raster(file.read(file_id), max_pixels=max_pixels, reading=reading)
            yield _set_size(picture, read_companions(real_path(path)))


def read_headers(path: Path, *, reading: int = READING) -> list[PageHeader]:
    """Return number and size of every page from the headers alone, thumbnails and masks too.

    The position of a header is its page's number; `read_pictures` leaves out those that are no
    pictures.

    Parameters
    ----------
    path : Path
    reading : int
        As in `read_pictures`.

    Raises
    ------
    ImageError
        Not an image, or its header is damaged.
    """
    check_regular(path)
    path = real_path(path)
    head = _read_head(path)
    if find_container(head) == TIFF:
        return read_tiff_headers(path, reading=reading)
    with name_damage("cannot be read"), path.open("rb") as handle:
        width, height, orientation = read_raster_size(handle, head)
    if reading >= UPRIGHT_READING:
        width, height = turn_size(width, height, orientation)
    return [PageHeader(page=0, width=width, height=height)]


def read_sizes(path: Path, *, reading: int = READING) -> list[tuple[int, int]]:
    """Return width and height of every page in pixels, from the headers alone.

    A TIFF's thumbnails and masks are counted too: the position is the page's number. The sizes are
    those of the pictures as `reading` lays them.

    Raises
    ------
    ImageError
        Not an image, or its header is damaged.
    """
    return [(header.width, header.height) for header in read_headers(path, reading=reading)]


def _set_size(picture: Picture, claims: Sequence[SizeClaim]) -> Picture:
    size = settle_size(claims, width=picture.width, height=picture.height)
    return replace(picture, um_per_pixel=size.um, size_source=size.source, size_doubt=size.doubt)


def _read_head(path: Path) -> bytes:
    with name_damage("cannot be read"), path.open("rb") as handle:
        return handle.read(HEAD)


def decode_raster(data: bytes, *, max_pixels: int, reading: int = READING) -> Picture:
    """Decode the bytes of a file that holds one picture.

    Raises
    ------
    ImageError
        Not one of these, damaged, cut short, too large or too small.
    """
    pixels, bits, orientation = decode_pixels(data, max_pixels=max_pixels)
    kind = f"uint{max(bits, 8)}"
    if reading >= UPRIGHT_READING:
        pixels = turn_upright(pixels, orientation)
    return make_picture(pixels, kind, bit_depth=bits)
