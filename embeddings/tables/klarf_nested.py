"""Parse KLARF 1.8: records in braces that hold fields, lists and further records.

    Record FileRecord "1.8" { Record LotRecord "lot" { Field StepID 1 {"etch"}
      Record WaferRecord "7" { List DefectList { Columns 2 { int32 DEFECTID, ImageList IMAGEINFO }
        Data 1 { 1 Images 1 { "a.tif" "TIF" 3 "top" }; } } } } } EndOfFile;

A wafer inherits the fields of the records round it. Lengths are nanometres.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from embeddings.errors import TableError
from embeddings.tables.klarf_records import (
    DefectRow,
    Klarf,
    KlarfImage,
    KlarfWafer,
    Span,
    make_wafer,
)
from embeddings.tables.klarf_time import is_day_first
from embeddings.tables.klarf_tokens import Tokens, is_whole

_UM = 1e-3  # micrometres a nanometre
_DEEPEST = 50  # records in records: the format has three
_ID_FIELDS = {"lotrecord": "lotid", "waferrecord": "waferid"}


@dataclass(slots=True, kw_only=True)
class _Record:
    """A record; names of it, its fields and lists are lower case."""

    name: str
    label: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    lists: dict[str, list[DefectRow]] = field(default_factory=dict)
    records: list["_Record"] = field(default_factory=list)


def parse_nested(text: str, *, source: str, column: str = "") -> Klarf:
    """Parse the text of a KLARF file of version 1.8.

    Parameters
    ----------
    column : str
        In upper case: each wafer's `spans` say where its cells stand.

    Raises
    ------
    TableError
        Naming the line of what is no KLARF, is missing or does not fit its column.
    """
    tokens = Tokens(text, source=source, has_commas=True)
    _expect(tokens, "record")
    root = _read_record(tokens, column)
    day_first = is_day_first(text)
    records = list(_walk(root, {}))
    # A lookup may stand in the file, lot or wafer record: numbers mean the same in all of them.
    classes: dict[int, str] = {}
    for record, _ in records:
        classes |= _read_classes(record, source)
    return Klarf(
        version=root.label,
        wafers=tuple(
            _make_wafer(record, fields, source=source, day_first=day_first)
            for record, fields in records
            if record.name == "waferrecord"
        ),
        classes=classes,
    )


def _walk(
    record: _Record, outer: dict[str, list[str]]
) -> Iterator[tuple[_Record, dict[str, list[str]]]]:
    """Yield each record with its fields and those it inherits."""
    fields = outer | record.fields
    if record.name in _ID_FIELDS:
        fields = fields | {_ID_FIELDS[record.name]: [record.label]}
    yield record, fields
    for inner in record.records:
        yield from _walk(inner, fields)


def _make_wafer(
    record: _Record, fields: dict[str, list[str]], *, source: str, day_first: bool
) -> KlarfWafer:
    # A wafer without a list is clean.
    defects = record.lists.get("defectlist", [])
    common = next(iter(fields.get("imagefilename", ())), "")
    defects = [_name_images(row, common) for row in defects] if common else defects
    return make_wafer(fields, defects, scale=_UM, source=source, day_first=day_first)


def _name_images(row: DefectRow, common: str) -> DefectRow:
    """Give images that are a number alone the file that has all of the wafer's."""
    return replace(
        row,
        images=tuple(image if image.file else replace(image, file=common) for image in row.images),
    )


def _read_classes(record: _Record, source: str) -> dict[int, str]:
    classes: dict[int, str] = {}
    for row in record.lists.get("classlookuplist", ()):
        number, name = row.cells.get("CLASSNUMBER", ""), row.cells.get("CLASSNAME")
        if not is_whole(number) or name is None:
            raise TableError(f"{source}, line {row.line}: expected a CLASSNUMBER and a CLASSNAME")
        classes[int(number)] = name
    return classes


def _read_record(tokens: Tokens, column: str, depth: int = 1) -> _Record:
    """Read a record from its name to its closing brace."""
    if depth > _DEEPEST:
        raise tokens.fail(f"records in records, {depth} deep: is it a KLARF?")
    name = tokens.take("the name of a record").lower()
    # The label is the record's own name: a version, a lot or a wafer.
    label = "" if tokens.at_mark("{") else tokens.take("the label of a record")
    record = _Record(name=name, label=label)
    tokens.take_mark("{")
    while not tokens.at_mark("}"):
        line = tokens.line
        match tokens.take("Record, Field, List or '}'").lower():
            case "record":
                record.records.append(_read_record(tokens, column, depth + 1))
            case "field":
                key = tokens.take("the name of a field").lower()
                record.fields[key] = _read_field(tokens)
            case "list":
                key = tokens.take("the name of a list").lower()
                record.lists[key] = _read_list(tokens, column if key == "defectlist" else "")
            case other:
                raise TableError(
                    f"{tokens.source}, line {line}: expected Record, Field or List, got {other!r}"
                )
    tokens.take_mark("}")
    return record


def _read_field(tokens: Tokens) -> list[str]:
    # The number is not compared: the braces say where the values end.
    tokens.take_count("the number of values")
    tokens.take_mark("{")
    return _read_words(tokens)


def _read_words(tokens: Tokens) -> list[str]:
    """Return the words up to a closing brace, and go past it."""
    words: list[str] = []
    while not tokens.at_mark("}"):
        if tokens.at_mark(","):
            tokens.take_mark(",")
        else:
            words.append(tokens.take("a value or '}'"))
    tokens.take_mark("}")
    return words


def _read_list(tokens: Tokens, column: str) -> list[DefectRow]:
    """Read the columns and rows between the braces of a list."""
    tokens.take_mark("{")
    _expect(tokens, "columns")
    line = tokens.line
    count = tokens.take_count("the number of columns")
    tokens.take_mark("{")
    words = _read_words(tokens)
    # Pairs of a type and a name; of the types only ImageList changes how a row is read.
    kinds, columns = words[::2], [name.upper() for name in words[1::2]]
    if len(columns) != count or len(kinds) != count:
        raise TableError(
            f"{tokens.source}, line {line}: {count} columns announced, {len(columns)} named"
        )
    image_columns = [n for n, kind in enumerate(kinds) if kind.lower() == "imagelist"]
    _expect(tokens, "data")
    line = tokens.line
    n_rows = tokens.take_count("the number of rows")
    tokens.take_mark("{")
    rows: list[DefectRow] = []
    while not tokens.at_mark("}"):
        if tokens.at_mark(";"):  # some end a row twice
            tokens.take_mark(";")
            continue
        rows.append(_read_row(tokens, columns, image_columns, column=column))
    tokens.take_mark("}")
    tokens.take_mark("}")
    # A file cut short ends without its braces, one that was edited has another count.
    if len(rows) != n_rows:
        raise TableError(f"{tokens.source}, line {line}: {n_rows} rows announced, {len(rows)} read")
    return rows


def _read_row(
    tokens: Tokens, columns: list[str], image_columns: list[int], *, column: str
) -> DefectRow:
    """Read one row up to its semicolon."""
    line = tokens.line
    cells: dict[str, str] = {}
    images: tuple[KlarfImage, ...] = ()
    span: Span | None = None
    for position, name in enumerate(columns):
        if position in image_columns:
            images += _read_images(tokens)
        else:
            if name == column:
                span = tokens.span(tokens.position)
            cells[name] = tokens.take(f"{len(columns)} values, {name} among them")
    tokens.take_mark(";")
    return DefectRow(cells=cells, images=images, line=line, span=span)


def _read_images(tokens: Tokens) -> tuple[KlarfImage, ...]:
    """Read ``Images 2 { "a.tif" "TIF" 1 "top", ... }``, or ``N`` for none."""
    if tokens.at_mark(";"):
        return ()  # some tools leave the cell out where there is no image
    word = tokens.take("Images or N")
    if word.lower() not in ("images", "image"):
        return ()
    count = tokens.take_count("the number of images")
    tokens.take_mark("{")
    found: list[KlarfImage] = []
    for _ in range(count):
        file = tokens.take("an image's file, or its number in the wafer's ImageFileName")
        if is_whole(file):
            found.append(KlarfImage(file="", number=int(file)))
        else:
            tokens.take("an image's format")
            found.append(KlarfImage(file=file, number=tokens.take_count("an image's number")))
        while not tokens.at_mark(",}"):
            tokens.take("',' or '}'")  # the image's kind, which not every tool writes
        if tokens.at_mark(","):
            tokens.take_mark(",")
    tokens.take_mark("}")
    return tuple(found)


def _expect(tokens: Tokens, keyword: str) -> None:
    line = tokens.line
    word = tokens.take(keyword)
    if word.lower() != keyword:
        raise TableError(f"{tokens.source}, line {line}: expected {keyword}, got {word!r}")
