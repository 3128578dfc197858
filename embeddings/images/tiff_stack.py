"""Which pages of a TIFF are pictures, and whether all are there that it speaks of.

Thumbnails and masks are flagged, wherever they stand. A stack may lie under one header (ImageJ and
tifffile write such files), or have lost its last pages: a reader that goes from page to page would
see fewer pictures, and no error.
"""

import math
import re
from typing import Any

from embeddings.errors import ImageError
from embeddings.images.pixel_size.ome import list_ome_images

_THUMBNAIL_OR_MASK = 1 | 4  # bits of NewSubfileType (TIFF 6.0, p. 36)
_MOST_PAGES = 100_000  # whose headers are looked at twice
_DAMAGE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError)


def is_picture(file: Any, page: Any, index: int, *, n_pages: int) -> bool:
    """Tell a page from a thumbnail or mask; where all are flagged, the largest is the picture."""
    if not _is_flagged(page):
        return True
    pages = [file.pages[number] for number in range(n_pages)]
    if not all(_is_flagged(one) for one in pages):
        return False
    sizes = [int(one.imagewidth) * int(one.imagelength) for one in pages]
    return sizes.index(max(sizes)) == index


def was_picture(page: Any, index: int) -> bool:
    """Tell it as the first rules of reading did: the first page is always one."""
    return index == 0 or not _is_flagged(page)


def check_stack(file: Any, n_pages: int) -> None:
    """Refuse a file that speaks of more pictures than it has pages.

    Parameters
    ----------
    file : tifffile.TiffFile
    n_pages : int
        Thumbnails and masks counted.

    Raises
    ------
    ImageError
        With both numbers.
    """
    for count in (_count_imagej, _count_shaped, _count_ome, _count_metamorph):
        try:
            name, told = count(file)
        except _DAMAGE:  # of a description, which is not what the picture is read by
            continue
        if told > n_pages > 1:
            raise ImageError(
                f"{name} of {told} pictures, of which {n_pages} are in the file: it was cut short, "
                "save it again"
            )
        if told > n_pages:
            raise ImageError(f"{name} of {told} images under one header: save them apart")


def check_imagej(file: Any) -> None:
    """Refuse ImageJ's stacks of one header, as the first rules of reading did.

    Raises
    ------
    ImageError
        It is one.
    """
    if file.is_imagej and len(file.pages) == 1:
        images = int((file.imagej_metadata or {}).get("images", 1))
        if images > 1:
            raise ImageError(
                f"an ImageJ stack of {images} images under one header: save them apart"
            )


def _is_flagged(page: Any) -> bool:
    return bool(int(page.subfiletype) & _THUMBNAIL_OR_MASK)


def _count_imagej(file: Any) -> tuple[str, int]:
    """Count by ``images=``, or by channels, slices and frames of a hyperstack."""
    known = (file.imagej_metadata or {}) if file.is_imagej else {}
    planes = 1
    for axis in ("channels", "slices", "frames"):
        planes *= max(1, int(known.get(axis, 1)))
    # The channels of a colour picture are in one page.
    if file.is_imagej and file.pages.first.samplesperpixel > 1:
        planes //= max(1, int(known.get("channels", 1)))
    return "an ImageJ stack", max(planes, int(known.get("images", 1)))


def _count_shaped(file: Any) -> tuple[str, int]:
    """Count by the shapes that tifffile notes in the first page of each series."""
    if not file.pages.first.is_shaped:
        return "", 0
    ends: list[int] = []
    for index, page in enumerate(file.pages):
        if index >= _MOST_PAGES:
            break
        if page.is_shaped:
            ends.append(index + _count_shape(page))
        elif not ends or index >= ends[-1]:
            ends.append(index + 1)
    return "a stack", max(ends)


def _count_shape(page: Any) -> int:
    """Return the pages of a shape such as [5, 40, 50]; 1 where the page is not of that shape."""
    # The list alone: a description is somebody else's text.
    found = re.search(r"shape[\"']?\s*[:=]\s*[\[(]([\d,\s]{1,200})[\])]", page.description[:1000])
    shape = [int(side) for side in re.findall(r"\d{1,9}", found[1])] if found else []
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    if page.imagedepth > 1:
        return 1  # a volume, which is refused as one
    for own in ([height, width], [height, width, samples], [samples, height, width]):
        if shape[-len(own) :] == own and (len(own) == 3) == (samples > 1):
            return math.prod(shape[: -len(own)])
    return 1


def _count_ome(file: Any) -> tuple[str, int]:
    """Count by the pages that the XML places in this very file."""
    images = [one for one in list_ome_images(file) if one.is_here]
    return "an OME-TIFF", max((one.first + one.planes for one in images), default=0)


def _count_metamorph(file: Any) -> tuple[str, int]:
    """Count by the planes of a MetaMorph STK, which lie under one header."""
    known = (file.stk_metadata or {}) if file.is_stk else {}
    return "a MetaMorph stack", int(known.get("NumberPlanes", 0))
