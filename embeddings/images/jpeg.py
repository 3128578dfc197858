"""The header of a JPEG, and what it asks of a decoder: found in one walk, without decoding.

Pillow would look into the EXIF for a resolution, and warn where it is damaged: it is given none.
"""

from dataclasses import dataclass

from embeddings.errors import ImageError
from embeddings.images.bounds import MAX_SCANS, START_OF_FRAME, list_markers

_APP1, _START_OF_SCAN = 0xE1, 0xDA
_EXIF = b"Exif\0\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegHeader:
    """What stands before the pixels.

    Attributes
    ----------
    size : (int, int) or None
        Width and height; None where no header says it.
    exif : bytes
        The first block of EXIF; empty where there is none.
    exif_places : tuple of int
        Where each block of EXIF begins.
    """

    size: tuple[int, int] | None
    exif: bytes
    exif_places: tuple[int, ...]

    def require_size(self) -> tuple[int, int]:
        """Return width and height.

        Raises
        ------
        ImageError
            No header says them.
        """
        if self.size is None:
            raise ImageError("damaged or truncated JPEG: it says no size")
        return self.size


def read_jpeg_header(data: bytes | memoryview, *, max_pixels: int | None = None) -> JpegHeader:
    """Read the header of a JPEG; refuse too many pixels or scans, before a decoder sees it.

    Parameters
    ----------
    max_pixels : int, optional
        Without it the walk ends where the pixels begin, and nothing is refused.

    Raises
    ------
    ImageError
        With the numbers. What is no JPEG, or is cut short, is left to the decoder.
    """
    size: tuple[int, int] | None = None
    exif, places, scans = b"", list[int](), 0
    for kind, at in list_markers(data):
        if kind == _APP1 and not scans and data[at + 4 : at + 10] == _EXIF:
            exif = exif or bytes(data[at + 4 : at + 2 + int.from_bytes(data[at + 2 : at + 4])])
            places.append(at + 4)
        elif kind in START_OF_FRAME:
            height, width = (int.from_bytes(data[at + i : at + i + 2]) for i in (5, 7))
            size = size or (width, height)
            if max_pixels is not None and width * height > max_pixels:
                raise ImageError(
                    f"a JPEG of {width}x{height} pixels: over the limit of {max_pixels} pixels"
                )
        elif kind == _START_OF_SCAN:
            scans += 1
            if max_pixels is None:
                break
            # Each scan passes over the whole picture once more.
            if scans > MAX_SCANS:
                raise ImageError(
                    f"a progressive JPEG of more than {MAX_SCANS} scans, expected about 10: "
                    "save it again"
                )
    return JpegHeader(size=size, exif=exif, exif_places=tuple(places))


def hide_exif(data: bytes, header: JpegHeader) -> bytes:
    """Return a JPEG whose blocks of EXIF no reader takes for such."""
    if not header.exif_places:
        return data
    hidden = bytearray(data)
    for at in header.exif_places:
        hidden[at : at + 4] = b"exif"
    return bytes(hidden)
