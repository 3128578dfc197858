"""How many micrometres a pixel of a TIFF page is, where the file really says so.

Electron microscopes write it into tags of their own (Thermo Fisher/FEI, Zeiss), ImageJ and others
into the resolution tags. A resolution that an editor writes by default says nothing of the sample.
"""

import math
from typing import Any

import tifffile

_UM = {
    "m": 1e6, "mm": 1e3, "cm": 1e4, "inch": 25_400.0, "um": 1.0, "micron": 1.0, "microns": 1.0,
    "µm": 1.0, "μm": 1.0, "nm": 1e-3, "pm": 1e-6,
}  # fmt: skip
# Dots per inch of screens and printers, which editors put into every file: not a pixel size.
_DEFAULT_DPI = (1, 72, 96, 150, 200, 300, 600)
_SQUARE = 0.01  # pixels longer than wide by more have no one size


def read_um_per_pixel(file: Any, page: Any) -> float:
    """Return micrometres a pixel, or NaN where the file does not say."""
    for read in (_read_fei, _read_zeiss):
        size = read(file)
        if size > 0 and math.isfinite(size):
            return size
    return _read_resolution(file, page)


def _read_fei(file: Any) -> float:
    """Thermo Fisher/FEI: metres, in the section Scan (EScan in older files)."""
    metadata = file.fei_metadata or {}
    for section in ("Scan", "EScan"):
        width = metadata.get(section, {}).get("PixelWidth")
        if isinstance(width, int | float):
            return float(width) * 1e6
    return math.nan


def _read_zeiss(file: Any) -> float:
    """Zeiss: (name, number, unit) under ap_image_pixel_size, or ap_pixel_size."""
    metadata = file.sem_metadata or {}
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        value = metadata.get(key)
        if isinstance(value, tuple) and len(value) == 3 and isinstance(value[1], int | float):
            return float(value[1]) * _UM.get(str(value[2]), math.nan)
    return math.nan


def _read_resolution(file: Any, page: Any) -> float:
    """XResolution and YResolution: pixels a unit."""
    x, y = (_ratio(page.tags.valueof(name)) for name in ("XResolution", "YResolution"))
    if not (x > 0 and y > 0 and abs(x - y) <= _SQUARE * max(x, y)):
        return math.nan
    if file.is_imagej:
        unit = str((file.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ")
        return _UM.get(unit, math.nan) / x
    unit = {
        tifffile.RESUNIT.INCH: "inch",
        tifffile.RESUNIT.CENTIMETER: "cm",
    }.get(page.tags.valueof("ResolutionUnit", tifffile.RESUNIT.INCH), "")
    size = _UM.get(unit, math.nan) / x
    if any(math.isclose(_UM["inch"] / size, dpi, rel_tol=1e-3) for dpi in _DEFAULT_DPI):
        return math.nan
    return size


def _ratio(value: Any) -> float:
    """Divide a TIFF rational, (numerator, denominator)."""
    if not isinstance(value, tuple) or len(value) != 2 or not value[1]:
        return math.nan
    return float(value[0]) / float(value[1])
