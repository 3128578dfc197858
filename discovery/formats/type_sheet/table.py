"""types.csv: the rows as text; no cell of it is one that a spreadsheet would run."""

from collections.abc import Sequence

from discovery.formats.type_sheet.rows import COLUMNS, TypeRow
from embeddings.files import format_csv

# What a spreadsheet runs as a formula begins so, after a tab or a line break too.
_RUN = ("=", "+", "-", "@", "\t", "\r")
_NUMBERS = frozenset({"separation", "cohesion"})  # may be below 0, and are no text


def format_types_csv(rows: Sequence[TypeRow]) -> bytes:
    """Return types.csv: UTF-8, comma, one header line."""
    cells = [[_write(name, row.cells()[name]) for name in COLUMNS] for row in rows]
    return format_csv([COLUMNS, *cells])


def _write(column: str, value: str | int | float) -> str:
    text = str(value)
    return text if column in _NUMBERS else guard_text(text)


def guard_text(text: str) -> str:
    """Put the apostrophe before a text that spreadsheets would run; they read it as text then."""
    return f"'{text}" if text.startswith(_RUN) else text


def unguard_text(text: str) -> str:
    """Take the apostrophe away again."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_RUN) else text
