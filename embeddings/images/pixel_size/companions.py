"""What a text beside a picture says of its pixels: JEOL, Hitachi and TESCAN write such files."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from embeddings.images.pixel_size.claims import SizeClaim
from embeddings.images.pixel_size.units import read_length, read_number

_MOST_BYTES = 1_000_000  # they have a few kilobytes; another text of that name may be of any size
_KEY = re.compile(r"(\$*\w+)[=\s]")

Keys = dict[str, str]


def read_companions(path: Path) -> list[SizeClaim]:
    """Return what the text files beside a picture say; none where there is none, or of others."""
    claims: list[SizeClaim] = []
    for place in _list_places(path):
        text = _read_text(place)
        keys = _read_keys(text)
        if "[semimagefile]" in text.lower() or "[temimagefile]" in text.lower():
            claims.extend(_read_hitachi(keys))
        elif any(key.startswith(("$cm_", "$$sm_", "$sm_")) for key in keys):
            claims.extend(_read_jeol(keys))
        elif place.suffix.lower() == ".hdr":
            claims.extend(_read_tescan(keys))
    return claims


def _list_places(path: Path) -> Iterator[Path]:
    """Yield the files that may be there, each once also where names differ by case alone."""
    kind = path.suffix.lower().removeprefix(".")
    names = [f"{path.stem}{suffix}" for suffix in (".txt", ".TXT", ".Txt", ".hdr", ".HDR")]
    names += [f"{path.name}.txt", f"{path.stem}-{kind}.hdr"]
    seen: set[tuple[int, int]] = set()
    for name in dict.fromkeys(names):
        place = path.with_name(name)
        try:
            # A pipe of that name would block for ever.
            if not place.is_file():
                continue
            status = place.stat()
        except (OSError, ValueError):
            continue
        key = status.st_dev, status.st_ino
        if key not in seen and 0 < status.st_size <= _MOST_BYTES:
            seen.add(key)
            yield place


def _read_text(path: Path) -> str:
    """Decode a file: UTF-16 with or without its mark, UTF-8, else as Windows writes it."""
    try:
        with path.open("rb") as handle:
            data = handle.read(_MOST_BYTES)
    except OSError:
        return ""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    if data[1::2].count(0) > len(data) // 4:  # every second byte of Latin text in UTF-16
        return data.decode("utf-16-le", errors="replace")
    if data[::2].count(0) > len(data) // 4:
        return data.decode("utf-16-be", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _read_keys(text: str) -> Keys:
    """Return ``KEY VALUE`` and ``KEY=VALUE`` lines by key, in small letters; the first counts."""
    keys: Keys = {}
    for line in text.splitlines():
        plain = line.strip()
        match = _KEY.match(plain)
        if match:
            keys.setdefault(match[1].lower(), plain[match.end(1) :].strip("= \t"))
    return keys


def _read_hitachi(keys: Keys) -> Iterator[SizeClaim]:
    """PixelSize in nanometres, of a picture of DataSize pixels."""
    sides = _split_size(keys.get("datasize", ""))
    um = read_length(keys.get("pixelsize", ""), unit="nm")
    yield SizeClaim(source="Hitachi .txt beside the picture", um=um, size=sides)


def _read_jeol(keys: Keys) -> Iterator[SizeClaim]:
    """Read the size itself, the bar on the picture, and the field of view."""
    source = "JEOL .txt beside the picture"
    size = _split_size(keys.get("$cm_full_size", "") or keys.get("$cm_image_size", ""))
    yield SizeClaim(source=source, um=read_length(keys.get("$cm_pixel_size", ""), unit="um"))
    bar = _find(keys, "sm_micron_bar")
    marker = read_length(_find(keys, "sm_micron_marker"))
    pixels = read_number(bar)
    yield SizeClaim(source=source, um=marker / pixels if pixels > 0 else math.nan, size=size)
    field = re.match(r"[\d.,]+\s*[^\d\s]{0,20}", _find(keys, "cm_field_of_view"))
    if size and field:
        um = read_length(field[0], unit="um") / size[0]
        yield SizeClaim(source=f"{source} (field of view)", um=um, size=size)


def _read_tescan(keys: Keys) -> Iterator[SizeClaim]:
    """PixelSizeX and PixelSizeY in metres."""
    um, um_down = (read_number(keys.get(f"pixelsize{axis}", "")) * 1e6 for axis in "xy")
    yield SizeClaim(source="TESCAN .hdr beside the picture", um=um, um_down=um_down)


def _find(keys: Keys, name: str) -> str:
    """Return a value of JEOL's: one $ or two, as its versions have it."""
    return keys.get(f"$${name}", keys.get(f"${name}", ""))


def _split_size(text: str) -> tuple[int, int] | None:
    """Return width and height of ``1280x960`` or ``1280 960``."""
    match = re.match(r"\s*(\d{1,6})\s*[xX*, ]\s*(\d{1,6})", text)
    return (int(match[1]), int(match[2])) if match else None
