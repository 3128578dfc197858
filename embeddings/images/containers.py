"""Which kind of file it is, by its first bytes: a name's ending says little."""

from embeddings.errors import ImageError
from embeddings.images.jpeg2000 import CODESTREAM, FILE

HEAD = 32  # bytes that tell
TIFF = "TIFF"
_READ = {
    b"II*\0": TIFF, b"MM\0*": TIFF, b"II+\0": TIFF, b"MM\0+": TIFF,  # + is BigTIFF
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"BM": "BMP",
    b"P2": "PGM", b"P5": "PGM", b"P3": "PPM", b"P6": "PPM",
    b"GIF87a": "GIF", b"GIF89a": "GIF", FILE: "JPEG 2000", CODESTREAM: "JPEG 2000",
}  # fmt: skip
# Pictures all the same, and their user must know why they are not taken.
_NOT_READ = {
    b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL", b"II\xbc": "JPEG XR",
    b"8BPS": "Photoshop", b"P1": "PBM", b"P4": "PBM", b"P7": "PAM", b"SIMPLE  =": "FITS",
    b"\x0a\x05\x01": "PCX", b"v/1\x01": "OpenEXR", b"ZISRAWFILE": "Zeiss CZI",
    b"%PDF": "PDF", b"\0\0\0\x03\0\0\0\0": "DigitalMicrograph DM3",
}  # fmt: skip
_BRANDS = {
    b"avif": "AVIF", b"avis": "AVIF", b"crx ": "Canon CR3", b"heic": "HEIC", b"heix": "HEIC",
    b"mif1": "HEIC", b"msf1": "HEIC", b"hevc": "HEIC",
}  # fmt: skip


def find_container(head: bytes) -> str:
    """Return the kind of a file, such as ``"TIFF"``, ``"JPEG"`` or ``"JPEG 2000"``.

    Parameters
    ----------
    head : bytes
        Its first `HEAD` bytes, or more.

    Raises
    ------
    ImageError
        It is no image, or one of a kind that is not read, which is named.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    for magic, name in _READ.items():
        if head.startswith(magic):
            return name
    for magic, name in _NOT_READ.items():
        if head.startswith(magic):
            raise _refuse(name)
    if head[4:8] == b"ftyp" and head[8:12] in _BRANDS:
        raise _refuse(_BRANDS[head[8:12]])
    raise ImageError(
        "not an image: the content is neither JPEG, PNG, TIFF, BMP, GIF, WebP, JPEG 2000, PGM nor "
        "PPM"
    )


def _refuse(name: str) -> ImageError:
    return ImageError(f"a {name} file, which is not read: save the picture as PNG or TIFF")
