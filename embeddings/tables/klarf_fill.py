"""Fill one column of a KLARF: the cells that change, and not one other byte.

The text is cut as the reader cuts it, cells are put in by their place, and the file's own encoding
gives the bytes back: line ends, blanks, wrapped rows and what no reader knows stay as they are.
"""

from collections.abc import Iterator, Mapping, Sequence

from embeddings.errors import TableError
from embeddings.tables.klarf import decode_klarf, parse_klarf
from embeddings.tables.klarf_records import Klarf, Span


def fill_column(
    data: bytes,
    column: str,
    numbers: Sequence[Mapping[int, int]],
    *,
    source: str = "KLARF",
    klarf: Klarf | None = None,
) -> bytes:
    """Return the bytes of a KLARF with numbers put into one column.

    Parameters
    ----------
    data : bytes
        The file as it is.
    column : str
        Such as CLASSNUMBER; upper and lower case are the same.
    numbers : sequence of mappings of int to int
        For each wafer, in the file's order, the number of each defect that gets one, by its row.
        A cell that has the number already is left as it is written.
    klarf : Klarf, optional
        What `parse_klarf` made of the text for this column, where it is at hand.

    Raises
    ------
    TableError
        The file cannot be read, or a defect has no such column.
    """
    text, encoding = decode_klarf(data, source=source)
    name = column.upper()
    klarf = klarf or parse_klarf(text, source=source, column=name)
    pieces, end = [], 0
    for (start, stop), number in sorted(_find_cells(klarf, name, numbers, source=source)):
        pieces += [text[end:start], _write(text[start:stop], number)]
        end = stop
    return "".join([*pieces, text[end:]]).encode(encoding)


def _find_cells(
    klarf: Klarf, column: str, numbers: Sequence[Mapping[int, int]], *, source: str
) -> Iterator[tuple[Span, int]]:
    for wafer, wanted in zip(klarf.wafers, numbers, strict=True):
        for position, number in wanted.items():
            span = wafer.spans[position]
            if span is None:
                have = ", ".join(wafer.defects.columns)
                raise TableError(
                    f"{source}: defects of wafer {wafer.wafer!r} have no column {column}: "
                    f"expected one of {have}"
                )
            yield span, number


def _write(cell: str, number: int) -> str:
    quote = '"' if cell.startswith('"') else ""
    try:
        is_there = float(cell.strip('"')) == number
    except ValueError:
        is_there = False
    return cell if is_there else f"{quote}{number}{quote}"
