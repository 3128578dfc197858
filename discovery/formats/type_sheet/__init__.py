"""types.csv and types.xlsx: one row a proposed type, for a person to name it or say what it is.

`build_type_rows` makes the rows, `format_types_csv` and `format_types_xlsx` the files,
`read_type_sheet` reads a filled one, and `decide_types` turns what was filled in into decisions.
The format is public: docs/handoff-format.md.
"""

from discovery.formats.type_sheet.decide import TypesTaken, decide_types
from discovery.formats.type_sheet.read import is_type_sheet, read_type_sheet
from discovery.formats.type_sheet.rows import (
    TypeRow,
    TypeState,
    build_type_rows,
    find_type_states,
)
from discovery.formats.type_sheet.table import format_types_csv
from discovery.formats.type_sheet.workbook import format_types_xlsx

__all__ = [
    "TypeRow",
    "TypeState",
    "TypesTaken",
    "build_type_rows",
    "decide_types",
    "find_type_states",
    "format_types_csv",
    "format_types_xlsx",
    "is_type_sheet",
    "read_type_sheet",
]
