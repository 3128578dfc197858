"""HTML as values: `node` builds one element and escapes every text it is given.

Only `Markup` passes through as it is, and only `node` and `raw` make it, so that a file name
can reach the page as text and in no other way. Numbers, pictures and data travel inside the page
as base64 arrays, data URIs and JSON: `encode_array`, `encode_picture`, `encode_json`.
"""

import base64
import html
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Elements without an end tag; path and rect are SVG's and close themselves.
VOID_TAGS = frozenset({"br", "hr", "img", "input", "link", "meta", "path", "rect", "wbr"})

# First bytes of the formats every browser shows, with their media types.
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"RIFF", "image/webp"),
)

Attribute = str | int | float | bool | None


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape_text(text: str) -> Markup:
    r"""Escape a text for an element or a quoted attribute.

    File names that are no valid Unicode come as lone surrogates, which no UTF-8 file can hold:
    they are written as ``\udcXX``.
    """
    return Markup(html.escape(text.encode("utf-8", "backslashreplace").decode("utf-8")))


def node(tag: str, /, *children: str | None, **attributes: Attribute) -> Markup:
    """Build one element; children that are not Markup are escaped, None is left out.

    Attribute names lose a trailing underscore (``class_``) and write ``-`` for ``_``; a value of
    None or False leaves the attribute out, True writes its name alone.
    """
    written = "".join(_write_attribute(name, value) for name, value in attributes.items())
    if tag in VOID_TAGS:
        return Markup(f"<{tag}{written}>" if tag not in ("path", "rect") else f"<{tag}{written}/>")
    inside = "".join(
        child if isinstance(child, Markup) else escape_text(child)
        for child in children
        if child is not None
    )
    return Markup(f"<{tag}{written}>{inside}</{tag}>")


def join(parts: Iterable[Markup | None], separator: str = "\n") -> Markup:
    """Put elements one after the other, each on its own line; None is left out.

    A line break is a blank to a browser: between words that must touch, give no separator.
    """
    return Markup(separator.join(part for part in parts if part is not None))


def raw(tag: str, content: str, **attributes: Attribute) -> Markup:
    """Build a script or style element, whose content is not escaped.

    Raises
    ------
    ValueError
        The content would end the element early.
    """
    # What a browser looks for inside a script or style, whatever the letters' case.
    if f"</{tag}" in content.lower() or "<!--" in content:
        raise ValueError(f"the content of <{tag}> would end it early")
    written = "".join(_write_attribute(name, value) for name, value in attributes.items())
    return Markup(f"<{tag}{written}>{content}</{tag}>")


def _write_attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    # class and for are Python's words: class_ and for_ here; http_equiv is http-equiv.
    spelled = name.rstrip("_").replace("_", "-")
    return f" {spelled}" if value is True else f' {spelled}="{escape_text(str(value))}"'


def encode_array(values: NDArray[Any]) -> str:
    """Write an array as base64 of its little-endian bytes, as JavaScript's typed arrays read it."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode("ascii")


def encode_picture(data: bytes) -> str:
    """Write a JPEG, PNG or WebP as a data URI.

    Raises
    ------
    ValueError
        The bytes are none of these.
    """
    for magic, media_type in _MAGIC:
        if data.startswith(magic) and (magic != b"RIFF" or data[8:12] == b"WEBP"):
            return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
    raise ValueError(f"a thumbnail begins with {data[:12]!r}, expected JPEG, PNG or WebP")


def encode_json(value: Any) -> str:
    """Write JSON that cannot end or confuse the script element it stands in.

    Everything outside ASCII is escaped (U+2028 and lone surrogates among it), and so are the
    three characters that HTML gives a meaning.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":  # in JSON these occur inside strings only
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
