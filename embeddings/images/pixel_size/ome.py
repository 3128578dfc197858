"""OME-TIFF: what its XML says of the size of a pixel, and of how many pages there are.

The XML is searched for its two elements that matter here and never parsed whole: it comes with the
file, and a parser could be made to work for hours.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from embeddings.images.pixel_size.claims import SizeClaim
from embeddings.images.pixel_size.units import find_unit, read_number

_ELEMENT = re.compile(r"<(?:\w+:)?(OME|Pixels|TiffData|UUID|Channel)\b([^<>]*)>([^<]{0,100})")
_ATTRIBUTE = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|\'([^\']*)\')')
_MOST_CHARACTERS = 20_000_000

Attributes = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeImage:
    """One image of the XML: its attributes, and the pages of the file it says it lies on.

    Attributes
    ----------
    pixels : dict of str to str
        As ``PhysicalSizeX``.
    first, planes : int
        Number of its first page in the file, and how many there are.
    is_here : bool
        Some of its pages are not, as the XML may say, in another file; only those are counted.
    """

    pixels: Attributes
    first: int
    planes: int
    is_here: bool = True


def read_ome(file: Any, page: Any) -> Iterator[SizeClaim]:
    """PhysicalSizeX and Y with their units, which are micrometres where none is given."""
    images = list_ome_images(file)
    own = [one for one in images if one.first <= page.index < one.first + one.planes]
    for image in (own or list(images))[:1]:
        um, um_down = (
            read_number(image.pixels.get(f"PhysicalSize{axis}"))
            * find_unit(image.pixels.get(f"PhysicalSize{axis}Unit", "um"))
            for axis in "XY"
        )
        yield SizeClaim(source="OME PhysicalSizeX", um=um, um_down=um_down)


def list_ome_images(file: Any) -> tuple[OmeImage, ...]:
    """Return the images that the XML of an OME-TIFF names; none where the file is no such."""
    return _parse(file.ome_metadata or "") if file.is_ome else ()


@lru_cache(maxsize=2)  # asked for by every page of a stack
def _parse(text: str) -> tuple[OmeImage, ...]:
    images: list[OmeImage] = []
    following, own = 0, ""
    blocks: list[tuple[Attributes, list[Attributes], list[Attributes]]] = []
    for match in _ELEMENT.finditer(text[:_MOST_CHARACTERS]):
        attributes = _read_attributes(match[2])
        if match[1] == "OME":
            own = attributes.get("UUID", "").strip()
        elif match[1] == "Pixels":
            blocks.append((attributes, [], []))
        elif not blocks:
            continue
        elif match[1] == "TiffData":
            blocks[-1][1].append(attributes)
        elif match[1] == "Channel":
            blocks[-1][2].append(attributes)
        elif blocks[-1][1]:  # the file that the block before it is of
            blocks[-1][1][-1]["UUID"] = match[3].strip()
    for pixels, places, channels in blocks:
        images.append(_place(pixels, places, channels=channels, own=own, following=following))
        following += images[-1].planes if images[-1].is_here else 0
    return tuple(images)


def _place(
    pixels: Attributes,
    places: list[Attributes],
    *,
    channels: list[Attributes],
    own: str,
    following: int,
) -> OmeImage:
    """Find the pages of an image: as the XML says, else as many as it has planes, in order."""
    samples = max([1, *(_read_count(one, "SamplesPerPixel") for one in channels)])
    planes = 1
    for axis in "ZCT":
        planes *= _read_count(pixels, f"Size{axis}")
    first, count = following, max(1, planes // samples)
    # A file of several has the XML of all. Of one without an id of its own nobody can tell which
    # pages are meant: its name may be another by now.
    here = [one for one in places if "UUID" not in one or one["UUID"] == own != ""]
    is_shared = len(here) < len(places)
    if is_shared:
        count = sum(_read_count(one, "PlaneCount") for one in here or places)
    named = [one for one in here or places if "IFD" in one]
    if named:
        starts = [_read_count(one, "IFD", least=0) for one in named]
        ends = [
            start + _read_count(one, "PlaneCount") for start, one in zip(starts, named, strict=True)
        ]
        first = min(starts)
        # A block that says no number of planes holds one, but for a block that is alone.
        is_alone = len(named) == 1 and "PlaneCount" not in named[0] and not is_shared
        count = count if is_alone else max(ends) - first
    return OmeImage(pixels=pixels, first=first, planes=count, is_here=bool(here) or not places)


def _read_count(attributes: Attributes, name: str, *, least: int = 1) -> int:
    number = read_number(attributes.get(name, ""))
    return int(number) if least <= number < 1e9 else least


def _read_attributes(text: str) -> Attributes:
    return {name: html.unescape(one or two) for name, one, two in _ATTRIBUTE.findall(text)}
