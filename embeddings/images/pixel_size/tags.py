"""What the tags of a TIFF page say of its pixels.

Electron microscopes write into tags of their own, image programs into a description and the
resolution tags. A resolution an inch or a centimetre is mostly a printer's or a screen's: it is
believed only where it is plausible for a microscope. What a damaged tag holds is no claim: the
picture itself may be sound.
"""

import math
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

import tifffile

from embeddings.images.pixel_size.claims import SizeClaim
from embeddings.images.pixel_size.ome import read_ome
from embeddings.images.pixel_size.units import find_unit, read_length, read_number

MOST_UM = 5.0  # a pixel, of a resolution an inch or a centimetre: 5,080 dpi
_ZEISS_SCREEN = 1024  # pixels wide, of which AP_PIXEL_SIZE speaks whatever the picture has
_MOST_BYTES = 16_000_000  # of a tag that is searched
_NO_RESOLUTION = ("inch", "in", '"', "cm")  # units that ImageJ takes over from a printer's tags
_MILLIMETRE, _MICROMETRE = 4, 5  # units of the resolution that TIFF 6.0 has not, and some write
_DAMAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, struct.error)

Reader = Callable[[Any, Any], Iterator[SizeClaim]]


def read_tags(file: Any, page: Any) -> list[SizeClaim]:
    """Return what the tags of a page say, the most trusted first.

    Parameters
    ----------
    file : tifffile.TiffFile
    page : tifffile.TiffPage
    """
    claims: list[SizeClaim] = []
    for read in _READERS:
        try:
            claims.extend(read(file, page))
        except _DAMAGE:  # of a tag that is no picture's
            continue
    return claims


def _find_tag(file: Any, page: Any, code: int) -> Any:
    """Return the value of a tag of the page, or else of the first: tools write one a file."""
    value = page.tags.valueof(code)
    return file.pages.first.tags.valueof(code) if value is None else value


def _read_fei(file: Any, page: Any) -> Iterator[SizeClaim]:
    """Thermo Fisher/FEI: metres, in the section of the scan that made the picture."""
    for code in (34682, 34680):
        metadata = _find_tag(file, page, code)
        if not isinstance(metadata, dict):
            continue
        parts = {name: part for name, part in metadata.items() if isinstance(part, dict)}
        image = parts.get("Image", {})
        size = _read_size(image.get("ResolutionX"), image.get("ResolutionY"))
        named = str(parts.get("Beam", {}).get("Scan", ""))
        for name in (named, "Scan", "EScan", "IScan", *sorted(parts)):
            part = parts.get(name, {})
            width, height = (read_number(part.get(key)) for key in ("PixelWidth", "PixelHeight"))
            if width > 0:
                yield SizeClaim(
                    source=f"FEI tag {code}", um=width * 1e6, um_down=height * 1e6, size=size
                )
                return
        yield from _read_field_width(parts, size, code)


def _read_field_width(
    parts: dict[str, Any], size: tuple[int, int] | None, code: int
) -> Iterator[SizeClaim]:
    """FEI, of a picture that was not scanned: the width of the field over its pixels."""
    beams = [part for name, part in sorted(parts.items()) if name.endswith("Beam")]
    for part in beams if size else ():
        width = read_number(part.get("HFW"))
        if size and width > 0:
            yield SizeClaim(source=f"FEI tag {code}", um=width * 1e6 / size[0], size=size)
            return


def _read_fei_xml(file: Any, page: Any) -> Iterator[SizeClaim]:
    """Thermo Fisher: <PixelSize><X unit="m">...</X> in the XML of tag 34683."""
    text = _as_text(_find_tag(file, page, 34683))
    start = text.find("<PixelSize>")
    part = text[start : start + 2000].partition("</PixelSize>")[0] if start >= 0 else ""
    axes = re.findall(r'<([XY])(?:\s+unit="(\w+)")?[^>]{0,99}>([^<]{1,40})<', part)
    sizes = {name: read_length(number, unit=unit or "m") for name, unit, number in axes}
    if "X" in sizes:
        um_down = sizes.get("Y", math.nan)
        yield SizeClaim(source="FEI tag 34683", um=sizes["X"], um_down=um_down)


def _read_zeiss(file: Any, page: Any) -> Iterator[SizeClaim]:
    """Zeiss: (name, number, unit) by key, and unnamed lines of which the fourth is metres."""
    metadata = _find_tag(file, page, 34118)
    if not isinstance(metadata, dict):
        return

    def read(key: str) -> float:
        value = metadata.get(key, ())
        return read_length(" ".join(str(part) for part in value[1:]))

    own = read("ap_image_pixel_size")
    yield SizeClaim(source="Zeiss AP_IMAGE_PIXEL_SIZE", um=own)
    to_picture = _ZEISS_SCREEN / page.imagewidth
    yield SizeClaim(
        source=f"Zeiss AP_PIXEL_SIZE (of {_ZEISS_SCREEN} pixels)",
        um=read("ap_pixel_size") * to_picture,
    )
    unnamed = metadata.get("", ())
    if not own > 0 and "ap_pixel_size" not in metadata and len(unnamed) > 3:
        metres = read_number(unnamed[3])
        yield SizeClaim(
            source=f"Zeiss tag 34118 (of {_ZEISS_SCREEN} pixels)", um=metres * 1e6 * to_picture
        )


def _read_tescan(file: Any, page: Any) -> Iterator[SizeClaim]:
    """TESCAN: lines of ``PixelSizeX=`` in metres, after a picture in a format of their own."""
    text = _as_text(_find_tag(file, page, 50431))
    yield from _read_lines(text, source="TESCAN tag 50431")


def _read_lines(text: str, *, source: str) -> Iterator[SizeClaim]:
    """Read ``PixelSizeX=`` and ``PixelSizeY=`` in metres, wherever they stand."""
    lines = re.findall(r"PixelSize([XY])[ \t]*=[ \t]*([-+.,\deE]{1,40})", text)
    axes = {axis: read_number(number) * 1e6 for axis, number in reversed(lines)}  # the first counts
    if "X" in axes:
        yield SizeClaim(source=source, um=axes["X"], um_down=axes.get("Y", math.nan))


def _read_sis(file: Any, page: Any) -> Iterator[SizeClaim]:
    """Olympus SIS: metres, in a structure or in lines of ``PixelSizeX=``."""
    metadata = _find_tag(file, page, 33560)
    if isinstance(metadata, dict):
        um, um_down = (read_number(metadata.get(f"pixelsize{axis}")) * 1e6 for axis in "xy")
        yield SizeClaim(source="Olympus SIS tag 33560", um=um, um_down=um_down)
    # As it is in the file: tifffile gives up on one that names no stack.
    yield from _read_lines(_read_raw(file, page, 33471), source="Olympus SIS tag 33471")


def _read_digital_micrograph(file: Any, page: Any) -> Iterator[SizeClaim]:
    """Gatan's DigitalMicrograph: a number a pixel and its unit, each for x and y."""
    scales = [read_number(_find_tag(file, page, code)) for code in (65009, 65010)]
    units = [find_unit(_find_tag(file, page, code)) for code in (65003, 65004)]
    down = units[1] if math.isfinite(units[1]) else units[0]
    yield SizeClaim(
        source="DigitalMicrograph tag 65009", um=scales[0] * units[0], um_down=scales[1] * down
    )


def _read_jeol_tem(file: Any, page: Any) -> Iterator[SizeClaim]:
    """JEOL's TEM: the resolution is the camera's, and the XML says how much was magnified."""
    text = _as_text(_find_tag(file, page, 270))
    if "<TemReporter" not in text or "MAG" not in _find_element(text, "ModeString"):
        return
    magnification = read_number(_find_element(text, "SelectorValue"))
    um, um_down, _ = _read_resolution(page)
    if magnification > 0:
        yield SizeClaim(
            source="JEOL magnification and resolution",
            um=um / magnification,
            um_down=um_down / magnification,
        )


def _read_imagej(file: Any, page: Any) -> Iterator[SizeClaim]:
    """ImageJ: the unit in the description, pixels a unit in the resolution tags."""
    unit = _find_imagej_unit(file)
    x, y = _read_ratios(page)
    um, um_down = (find_unit(unit) / ratio if ratio > 0 else math.nan for ratio in (x, y))
    if unit.strip().lower() in _NO_RESOLUTION and um > MOST_UM:
        return
    yield SizeClaim(source=f"ImageJ ({unit})", um=um, um_down=um_down)


def _read_plain(file: Any, page: Any) -> Iterator[SizeClaim]:
    """XResolution and YResolution an inch or a centimetre."""
    um, um_down, unit = _read_resolution(page)
    # ImageJ's numbers are of the unit in its description, where that is one.
    is_imagejs = file.is_imagej and math.isfinite(find_unit(_find_imagej_unit(file)))
    if not is_imagejs and (um <= MOST_UM or unit not in _NO_RESOLUTION):
        source = f"resolution tags ({unit})"
        yield SizeClaim(source=source, um=um, um_down=um_down, is_weak=True)


def _read_resolution(page: Any) -> tuple[float, float, str]:
    """Return the micrometres of a pixel along x and y by the resolution tags, and their unit."""
    unit = {
        tifffile.RESUNIT.INCH: "inch",
        tifffile.RESUNIT.CENTIMETER: "cm",
        _MILLIMETRE: "mm",
        _MICROMETRE: "um",
    }.get(page.tags.valueof(296, tifffile.RESUNIT.INCH), "")
    x, y = (find_unit(unit) / ratio if ratio > 0 else math.nan for ratio in _read_ratios(page))
    return x, y, unit


def _read_ratios(page: Any) -> tuple[float, float]:
    """Return XResolution and YResolution, each a rational (numerator, denominator)."""
    values = [page.tags.valueof(code) for code in (282, 283)]
    x, y = (
        float(value[0]) / float(value[1])
        if isinstance(value, tuple) and len(value) == 2 and value[1]
        else math.nan
        for value in values
    )
    return x, y


def _find_imagej_unit(file: Any) -> str:
    return str((file.imagej_metadata or {}).get("unit", "")) if file.is_imagej else ""


def _find_element(text: str, name: str) -> str:
    """Return the short text of the first element of a name in XML."""
    start = text.find(f"<{name}>")
    return text[start + len(name) + 2 :][:60].partition("<")[0] if start >= 0 else ""


def _read_size(width: Any, height: Any) -> tuple[int, int] | None:
    sides = read_number(width), read_number(height)
    return (int(sides[0]), int(sides[1])) if all(side >= 1 for side in sides) else None


def _read_raw(file: Any, page: Any, code: int) -> str:
    """Return a tag's bytes as text."""
    tag = page.tags.get(code) or file.pages.first.tags.get(code)
    if tag is None:
        return ""
    file.filehandle.seek(tag.valueoffset)
    return _as_text(file.filehandle.read(min(tag.valuebytecount, _MOST_BYTES)))


def _as_text(value: Any) -> str:
    if isinstance(value, tuple):  # one byte a number
        value = bytes(value[:_MOST_BYTES]) if all(isinstance(one, int) for one in value) else b""
    if isinstance(value, bytes):
        return value[-_MOST_BYTES:].decode("latin-1")
    return value[:_MOST_BYTES] if isinstance(value, str) else ""


_READERS: tuple[Reader, ...] = (
    _read_fei, _read_fei_xml, _read_zeiss, _read_tescan, _read_sis, _read_digital_micrograph,
    _read_jeol_tem, read_ome, _read_imagej, _read_plain,
)  # fmt: skip
