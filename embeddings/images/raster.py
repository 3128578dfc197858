"""Decode JPEG, PNG, BMP, PGM/PPM, GIF, WebP and JPEG 2000: files of one picture.

Pillow's plugins are called by name, not through `Image.open`: that keeps its process-wide
decompression-bomb limit, which warns or raises by a global setting, out of the way, and the size is
checked before a pixel is allocated. Of several frames of an MPO or an APNG the first is the
picture; a GIF or a WebP of several is a film, and refused.
"""

import io
import zlib
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    WebPImagePlugin,
)

from embeddings.errors import ImageError
from embeddings.images.bounds import check_room, check_run_length, count_chunk
from embeddings.images.containers import find_container
from embeddings.images.jpeg import hide_exif, read_jpeg_header
from embeddings.images.jpeg2000 import decode_jpeg2000, read_size
from embeddings.images.netpbm import decode_netpbm
from embeddings.images.orientation import UPRIGHT, find_png_exif, find_webp_exif, read_exif
from embeddings.images.picture import (
    check_size,
    convert_cmyk,
    drop_equal_channels,
    name_damage,
)
from embeddings.images.tiff_header import read_webp_size

_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})  # chunks of a PNG
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "PGM": PpmImagePlugin.PpmImageFile,  # for their headers: see `netpbm`
    "PPM": PpmImagePlugin.PpmImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
}
_USUAL_HEADER = 262_144  # bytes: a preview in the EXIF has 64 kB
_FILMS = ("GIF", "WebP")

Decoded = tuple[NDArray[Any], int, int]  # pixels as stored, bits of a sample, orientation


def decode_pixels(data: bytes, *, max_pixels: int) -> Decoded:
    """Decode the bytes of a file; the pixels are as they are stored, not yet turned.

    Raises
    ------
    ImageError
        None of these kinds, damaged, cut short, too large or too small.
    """
    name = find_container(data)
    if name in ("PGM", "PPM"):
        pixels = decode_netpbm(data, max_pixels=max_pixels)
        return pixels, pixels.itemsize * 8, UPRIGHT
    if name == "JPEG 2000":
        pixels, bits = decode_jpeg2000(data, max_pixels=max_pixels)
        return _drop_alpha(pixels), bits, UPRIGHT
    orientation = UPRIGHT
    if name == "PNG":
        data = _check_chunks(data)
        orientation = read_exif(find_png_exif(io.BytesIO(data)))
    elif name == "JPEG":
        header = read_jpeg_header(data, max_pixels=max_pixels)
        header.require_size()
        orientation, data = read_exif(header.exif), hide_exif(data, header)
    elif name == "WebP":
        _check_webp(data, max_pixels=max_pixels)
        orientation = read_exif(find_webp_exif(io.BytesIO(data)))
    pixels, bits = _decode_by_pillow(data, name, max_pixels=max_pixels)
    return pixels, bits, orientation


def _decode_by_pillow(data: bytes, name: str, *, max_pixels: int) -> tuple[NDArray[Any], int]:
    what = f"damaged or truncated {name}"
    with name_damage(what):
        image = _PLUGINS[name](io.BytesIO(data))
    with image:
        check_size(*image.size, max_pixels=max_pixels)
        check_run_length(image, len(data))
        bits = _count_bits(image)
        check_room(*image.size, bits=bits, file_bytes=len(data), max_pixels=max_pixels)
        _check_film(image, name)
        if name == "PNG" and data[24] == 16:
            # Pillow drops 16-bit colour to 8 bits; libpng keeps it.
            with name_damage(what):
                pixels = _drop_alpha(imagecodecs.png_decode(data))
        else:
            with name_damage(what):
                image.load()
            pixels = _read_mode(image)
    if name == "WebP" and pixels.ndim == 3:  # it has no grey of its own
        pixels = drop_equal_channels(pixels)
    depth = data[24] if name == "PNG" else pixels.itemsize * 8
    return pixels, 1 if image.mode == "1" else depth


def read_raster_size(handle: BinaryIO, head: bytes) -> tuple[int, int, int]:
    """Return width and height as stored, and the orientation, from the headers alone.

    Parameters
    ----------
    handle : open file
    head : bytes
        Its first bytes.

    Raises
    ------
    ImageError
        None of these kinds, or its header is damaged.
    """
    name = find_container(head)
    if name == "JPEG 2000":
        return *read_size(handle.read()), UPRIGHT
    if name == "WebP":
        width, height = read_webp_size(head) or _refuse_webp()
        return width, height, read_exif(find_webp_exif(handle))
    if name == "JPEG":
        # All of the file only where its header is longer than any that is usual.
        start = handle.read(_USUAL_HEADER)
        is_whole = b"\xff\xda" in start or len(start) < _USUAL_HEADER
        header = read_jpeg_header(start if is_whole else start + handle.read())
        return *header.require_size(), read_exif(header.exif)
    # The plugins read no further than they must.
    with name_damage(f"damaged or truncated {name}"), _PLUGINS[name](handle) as image:
        width, height = image.size
        orientation = read_exif(find_png_exif(handle)) if name == "PNG" else UPRIGHT
        return width, height, orientation


def _check_film(image: ImageFile.ImageFile, name: str) -> None:
    """Refuse a picture that moves: all but its first frame would be lost."""
    if name not in _FILMS:
        return
    with name_damage(f"damaged or truncated {name}"):
        is_film = bool(getattr(image, "is_animated", False))
    if is_film:
        raise ImageError(f"a {name} of several frames, expected one picture: save them apart")


def _check_webp(data: bytes, *, max_pixels: int) -> None:
    """Refuse by the header: the decoder makes room for the picture when it is opened."""
    width, height = read_webp_size(data[:32]) or _refuse_webp()
    check_size(width, height, max_pixels=max_pixels)
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise ImageError("truncated WebP: it is shorter than its header says")


def _refuse_webp() -> tuple[int, int]:
    raise ImageError("damaged WebP: its header says no size")


def _count_bits(image: ImageFile.ImageFile) -> int:
    """Return the bits of a pixel that its file packs, from the header."""
    if image.mode == "1":
        return 1
    sample = 16 if image.mode.startswith("I") else 8  # of colours of 16 bits Pillow says 8
    return sample * len(image.getbands())


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
