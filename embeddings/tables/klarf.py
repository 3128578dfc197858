"""KLARF, the defect list of inspection tools: what one holds, and the way to read one.

Versions 1.0 to 1.7 are flat (`klarf_flat`), 1.8 is nested (`klarf_nested`). Lengths come back in
micrometres from both: 1.8 writes them in nanometres. Its pictures are named as the inspection tool
saw them; they are looked for beside the KLARF, under the path as written and then under the bare
file name.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embeddings.errors import TableError
from embeddings.odd_names import spell_path
from embeddings.tables.klarf_flat import parse_flat
from embeddings.tables.klarf_nested import parse_nested
from embeddings.tables.klarf_records import Klarf, KlarfImage, KlarfWafer
from embeddings.tables.locate import Locator, base_name, resolve_path

_SUFFIXES = frozenset({".klarf", ".kla", ".klf", ".000", ".001"})
# Of formats that hold one picture. Tools call their TIFFs of many .I01, .T01, .001 or as they like.
_SINGLE = frozenset(
    {".jpg", ".jpeg", ".jfif", ".jpe", ".jp2", ".png", ".bmp", ".gif", ".webp", ".pgm", ".ppm"}
)
_NESTED = re.compile(r"\s*Record\s+FileRecord\b", re.IGNORECASE)
_START = re.compile(r"\ufeff?\s*(FileVersion\s+\d|Record\s+FileRecord\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectImage:
    """One picture of one defect: `position` is the defect's row in `wafer.defects`."""

    wafer: KlarfWafer
    position: int
    rank: int
    path: Path
    page: int
    name: str
    """The file as the KLARF calls it."""


def is_klarf(path: Path) -> bool:
    """Tell a KLARF by its suffix, or by how it begins.

    Raises
    ------
    TableError
        The file cannot be read.
    """
    # .000 and .001 are what most tools write; any other name may hold one too.
    if path.suffix.lower() in _SUFFIXES:
        return True
    start = _read(path)[:4096]
    # Cut anywhere: what is no letter any more is at the end.
    return _START.match(start.decode(_tell_encoding(start), errors="replace")) is not None


def read_klarf(path: Path) -> Klarf:
    """Read a KLARF file; errors name it.

    Raises
    ------
    TableError
        The file cannot be read, or as `parse_klarf`.
    """
    return parse_klarf(decode_klarf(_read(path), source=str(path))[0], source=str(path))


def decode_klarf(data: bytes, *, source: str = "KLARF") -> tuple[str, str]:
    """Return the text of a KLARF and its encoding, in which it gives the same bytes again.

    Raises
    ------
    TableError
        It is UTF-16, and damaged.
    """
    encoding = _tell_encoding(data)
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        if encoding.startswith("utf-16"):
            raise TableError(
                f"{source} is written in {encoding.upper()}, and its byte {error.start + 1} is no "
                "letter of it: it is damaged; save it as UTF-8"
            ) from error
        # Tools write names in the system's own 8-bit letters.
        return data.decode("latin-1"), "latin-1"


def _tell_encoding(data: bytes) -> str:
    """Tell UTF-8 from the UTF-16 that editors on Windows save; its mark stays in the text."""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    for byte_order, mark in (("le", codecs.BOM_UTF16_LE), ("be", codecs.BOM_UTF16_BE)):
        # A KLARF begins with plain letters: every other byte is 0, whether or not it has a mark.
        zeros = data.removeprefix(mark)[byte_order == "le" : 8 : 2]
        if zeros and not any(zeros):
            return f"utf-16-{byte_order}"
    return "utf-8"


def parse_klarf(text: str, *, source: str = "KLARF", column: str = "") -> Klarf:
    """Parse the text of a KLARF file of any version from 1.0 to 1.8.

    Parameters
    ----------
    text : str
    source : str
        The file, as errors name it.
    column : str
        In upper case: each wafer's `spans` say where its cells stand in the text.

    Raises
    ------
    TableError
        Naming the line of what is no KLARF, is missing or does not fit its column.
    """
    if text.startswith("\ufeff"):
        text = " " + text[1:]  # of UTF-16: no letter, and all others stay at their places
    if _NESTED.match(text):
        return parse_nested(text, source=source, column=column)
    return parse_flat(text, source=source, column=column)


def list_images(klarf: Klarf, folder: Path) -> Iterator[DefectImage]:
    """Yield every picture of every defect; `rank` 0 is a defect's first.

    The page is the picture's number less the lowest number tools count from: 0 where the number 0
    occurs for that file, else 1. Files of formats that hold one picture have one page.
    """
    locator, located = Locator(folder), dict[str, Path]()
    # Whether a tool counts from 0 is written nowhere: it shows in the files where a 0 occurs.
    from_zero = {
        image.file
        for wafer in klarf.wafers
        for images in wafer.images
        for image in images
        if image.number == 0
    }
    for wafer in klarf.wafers:
        for position, images in enumerate(wafer.images):
            for rank, image in enumerate(images):
                if image.file not in located:
                    located[image.file] = _locate(image.file, folder, locator)
                yield DefectImage(
                    wafer=wafer,
                    position=position,
                    rank=rank,
                    path=located[image.file],
                    name=image.file,
                    page=_page(image, is_from_zero=image.file in from_zero),
                )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error


def _locate(file: str, folder: Path, locator: Locator) -> Path:
    # A path of the tool's own disk rarely means anything here; where it does, it goes first.
    found = locator.find(file, by_ending=True)
    return spell_path(resolve_path(base_name(file), folder) if found is None else found)


def _page(image: KlarfImage, *, is_from_zero: bool) -> int:
    if Path(base_name(image.file)).suffix.lower() in _SINGLE:
        return 0
    return image.number if is_from_zero else image.number - 1
