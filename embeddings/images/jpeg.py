"""The header of a JPEG: its size and its EXIF, found without decoding.

Pillow would look into the EXIF for a resolution, and warn where it is damaged: it is given none.
"""

from embeddings.errors import ImageError
from embeddings.images.bounds import START_OF_FRAME, list_markers

_APP1, _START_OF_SCAN = 0xE1, 0xDA
_EXIF = b"Exif\0\0"


def read_jpeg_header(data: bytes) -> tuple[int, int, bytes]:
    """Return width, height and the block of EXIF, which is empty where there is none.

    Raises
    ------
    ImageError
        It says no size.
    """
    exif = b""
    size: tuple[int, int] | None = None
    for kind, at in list_markers(data):
        if kind == _APP1 and not exif:
            block = data[at + 4 : at + 2 + int.from_bytes(data[at + 2 : at + 4])]
            exif = block if block.startswith(_EXIF) else b""
        elif kind in START_OF_FRAME and size is None:
            height, width = (int.from_bytes(data[at + i : at + i + 2]) for i in (5, 7))
            size = width, height
        elif kind == _START_OF_SCAN:
            break
    if size is None:
        raise ImageError("damaged or truncated JPEG: it says no size")
    return *size, exif


def hide_exif(data: bytes) -> bytes:
    """Return a JPEG whose blocks of EXIF no reader takes for such."""
    hidden = bytearray(data)
    for kind, at in list_markers(data):
        if kind == _APP1 and data[at + 4 : at + 10] == _EXIF:
            hidden[at + 4 : at + 8] = b"exif"
        elif kind == _START_OF_SCAN:
            break
    return bytes(hidden)
