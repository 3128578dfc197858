"""HTML as values: `node` builds one element and escapes every text it is given.

Only `Markup` passes through as it is, and only `node` and `raw` make it, so that a file name
can reach the page as text and in no other way.
"""

import html
from collections.abc import Iterable

VOID_TAGS = frozenset({"br", "hr", "img", "input", "link", "meta", "path", "rect", "wbr"})

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


def join(parts: Iterable[Markup]) -> Markup:
    """Put elements one after the other, each on its own line."""
    return Markup("\n".join(parts))


def raw(tag: str, content: str, **attributes: Attribute) -> Markup:
    """Build a script or style element, whose content is not escaped.

    Raises
    ------
    ValueError
        The content would end the element early.
    """
    if f"</{tag}" in content.lower() or "<!--" in content:
        raise ValueError(f"the content of <{tag}> would end it early")
    written = "".join(_write_attribute(name, value) for name, value in attributes.items())
    return Markup(f"<{tag}{written}>{content}</{tag}>")


def _write_attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    spelled = name.rstrip("_").replace("_", "-")
    return f" {spelled}" if value is True else f' {spelled}="{escape_text(str(value))}"'


def make_head(title: str, style: str, *, policy: str) -> Markup:
    """Build the head of a self-contained page: its policy, and its style inside it.

    Parameters
    ----------
    policy : str
        Content-Security-Policy; it must allow the style by its hash.
    """
    return node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", http_equiv="Content-Security-Policy", content=policy),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("meta", name="color-scheme", content="light dark"),
        node("meta", name="referrer", content="no-referrer"),
        node("title", f"{title} \u2013 defect-discovery"),
        raw("style", style),
    )
