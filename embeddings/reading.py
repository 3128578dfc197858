"""The rules by which a file becomes pictures: their number is part of a store's identity."""

from collections.abc import Mapping
from typing import Any

from embeddings.errors import StoreError
from embeddings.versions import UPGRADE

# Rules by which a file becomes pictures. 1: as its pixels are stored, a TIFF's first page always
# taken, colours never as a wafer map. 2: as a viewer shows it (EXIF and TIFF orientation), without
# thumbnails wherever they stand, and with wafer maps in colour.
READING = 2
# The first that turns pictures, and the first that draws wafer maps in colour as maps.
UPRIGHT_READING, COLOUR_MAP_READING = 2, 2


def find_reading(store: Mapping[str, Any]) -> int:
    """Return the rules of reading of a store, by what a run or a handoff notes of it."""
    spec = store.get("spec")
    return int(spec.get("reading", 1)) if isinstance(spec, Mapping) else READING


def check_reading(rules: Any) -> None:
    """Refuse rules that this version does not know.

    Raises
    ------
    StoreError
        They are another version's.
    """
    if rules not in range(1, READING + 1):
        raise StoreError(
            f"an extractor spec whose pictures are read by rules {rules!r}, and this version knows "
            f"1 to {READING}: {UPGRADE}"
        )
