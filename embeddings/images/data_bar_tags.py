"""How many rows of a TIFF page are a data bar, where the microscope's own tags say so."""

import re
from typing import Any

_TESCAN_TAG = 50431
_TESCAN = re.compile(rb"ImageStripSize=(\d{1,5})\b")
_MOST_BYTES = 100_000  # of the tag's text: its lists are a few thousand long
_MOST_SHARE = 0.5  # of the page: more is another number, not a bar


def read_bar_rows(file: Any, page: Any) -> int:
    """Return the rows of the bar below the picture; 0 where the file does not say."""
    height = int(page.imagelength)
    for read in (_read_fei, _read_tescan):
        rows = read(file, page)
        if 0 < rows <= height * _MOST_SHARE:
            return rows
    return 0


def _read_fei(file: Any, page: Any) -> int:
    """Thermo Fisher/FEI: the rows that were scanned are fewer than the page has."""
    metadata = file.fei_metadata or {}
    scanned = metadata.get("Image", {})
    # A page that was shrunk since has other rows than its tags speak of.
    if scanned.get("ResolutionX") != page.imagewidth:
        return 0
    rows = scanned.get("ResolutionY")
    if isinstance(rows, int) and rows < page.imagelength:
        return int(page.imagelength) - rows
    rows = metadata.get("PrivateFei", {}).get("DatabarHeight")
    return rows if isinstance(rows, int) and not scanned.get("ResolutionY") else 0


def _read_tescan(_file: Any, page: Any) -> int:
    """TESCAN: the strip below the picture, in a tag of lines such as ``ImageStripSize=80``."""
    tag = page.tags.get(_TESCAN_TAG)
    text = b"" if tag is None else tag.value
    if isinstance(text, str):
        text = text.encode("latin-1", "replace")
    found = _TESCAN.search(bytes(text)[:_MOST_BYTES]) if isinstance(text, bytes) else None
    return int(found[1]) if found else 0
