"""Cells of a table that a spreadsheet would run as a formula, made harmless and read back exactly.

A text that begins with ``=``, ``+``, ``-`` or ``@`` is a formula to a spreadsheet, also behind
blanks or quotation marks and in full width; so is what begins with a tab or a line break to some.
`guard_cell` puts an apostrophe before such a text, `unguard_cell` takes it away. A text that would
be run but for apostrophes that it begins with gets one more, so that every text comes back as it
was, those with an apostrophe of their own too.

Numbers, paths and ids are left alone: other programs take them as they are.
"""

import re
import unicodedata

# As this project writes one; +49 is no number but what begins a telephone's.
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|-(inf|nan)", re.ASCII)
_RUN = frozenset("=+-@")
_BREAKS = ("\t", "\r", "\n")
# Blanks of every kind, marks without width, and quotation marks: what may stand before a formula.
_BEFORE = re.compile(r"[\s\x00-\x1f\x7f\ufeff\u200b-\u200f\u2060\"'`\u00b4\u2018-\u201f]*")
_LEFT_ALONE = frozenset({"path", "id"})


def is_run(text: str) -> bool:
    """Tell whether a spreadsheet would run a text as a formula, apostrophes before it aside."""
    bare = text.lstrip("'")
    # Most cells begin with a letter or a digit; none of these is a mark of a formula.
    if not bare or bare[0].isalnum() or _NUMBER.fullmatch(bare):
        return False
    if bare.startswith(_BREAKS):
        return True
    first = bare[_BEFORE.match(bare).end() :][:1]  # type: ignore[union-attr]  # matches anything
    # NFKC makes the wide, small and raised forms of a mark the mark itself.
    return first != "" and unicodedata.normalize("NFKC", first) in _RUN


def guard_text(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run."""
    return f"'{text}" if is_run(text) else text


def unguard_text(text: str) -> str:
    """Take away the apostrophe that `guard_text` put there."""
    return text[1:] if text.startswith("'") and is_run(text) else text


def is_guarded(column: str) -> bool:
    """Tell whether cells of a column are guarded: they are text, and no path or id."""
    return column.strip().casefold().rpartition("_")[2] not in _LEFT_ALONE


def guard_cell(text: str, column: str) -> str:
    """Make a cell harmless, where its column is one of text."""
    return guard_text(text) if is_guarded(column) else text


def unguard_cell(text: str, column: str) -> str:
    """Return the text of a cell that `guard_cell` may have made harmless."""
    return unguard_text(text) if is_guarded(column) else text
