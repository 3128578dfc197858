"""types.csv: the rows as text."""

from collections.abc import Sequence

from discovery.formats.type_sheet.rows import COLUMNS, TypeRow
from embeddings.files import format_csv


def format_types_csv(rows: Sequence[TypeRow]) -> bytes:
    """Return types.csv: UTF-8, comma, one header line."""
    cells = [[str(row.cells()[name]) for name in COLUMNS] for row in rows]
    return format_csv([COLUMNS, *cells])
