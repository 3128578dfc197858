"""types.xlsx: the rows with their pictures, a list to choose the verdict from, and how to fill it.

Every text is written as text, so that a spreadsheet runs none of it.
"""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from discovery.formats.type_sheet.rows import VERDICTS, TypeRow
from embeddings.cells import is_run

# XML holds neither control characters nor halves of a character.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PICTURES = "pictures"
# What a person looks at and fills in first; how it was made is on the right.
_ORDER = (
    "number", _PICTURES, "label", "verdict", "note", "size", "named_images", "in_common",
    "nearest_known", "distinct", "cohesion", "separation", "stability", "novelty", "proposal_id",
    "cluster_id", "decided_by", "decided_at", "revision",
)  # fmt: skip
_WIDTHS = {
    "number": 8, "label": 30, "verdict": 11, "note": 36, "size": 7, "named_images": 26,
    "in_common": 44, "nearest_known": 20, "proposal_id": 13, "decided_by": 14, "decided_at": 26,
}  # fmt: skip
_FILLED = ("label", "verdict", "note")
_SIDE = 88  # pixels of a picture in the sheet
_SHOWN = 6  # pictures a row: the medoid, typical ones, then the least typical
_HELP = (
    "One row a proposed type. Fill in label, verdict and note; leave the rest as it is.",
    "label: the type's name, a path such as defect/large/particle.",
    "verdict: accept (the same as a label alone) names the type; merge gives it a label that "
    "another type has already; split: it holds several types; reject: it is no type; defer: later.",
    "note: with a label, the type's definition.",
    "split, reject and defer take no label.",
    "Read it back: python -m discovery.handoff RUN --read types.xlsx",
)


# When a workbook was made and last changed, in docProps/core.xml.
_TIME = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*<")


def format_types_xlsx(
    rows: Sequence[TypeRow], pictures: Mapping[str, bytes], *, labels: Sequence[str] = ()
) -> bytes:
    """Return types.xlsx.

    Parameters
    ----------
    pictures : mapping of image id to bytes
        Small JPEGs; an image without one is left out.
    labels : sequence of str
        Names there are already, to choose from.
    """
    # Imported here: a round with nothing to do need not wait for it.
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "Types"
    _write_rows(sheet, rows)
    for number, row in enumerate(rows, start=2):
        _place_strip(sheet, number, _draw_strip(row, pictures))
    _add_choices(sheet, len(rows), labels=len(labels))
    guide = book.create_sheet("How to fill in")
    guide.column_dimensions["A"].width = 110
    for text in _HELP:
        guide.append([text])
    names = book.create_sheet("Names")
    names.column_dimensions["A"].width = 40
    for number, label in enumerate(labels, start=1):
        _write_cell(names.cell(number, 1), label)
    file = io.BytesIO()
    book.save(file)
    return _drop_times(file.getvalue())


def _drop_times(data: bytes) -> bytes:
    """Write a workbook again without its times: the same rows are then the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _TIME.sub(rb"\g<1>1980-01-01T00:00:00Z<", content)
            # An entry that is named alone is of 1980, the first year that a zip knows.
            new.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _write_rows(sheet: Any, rows: Sequence[TypeRow]) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    for place, name in enumerate(_ORDER, start=1):
        cell = sheet.cell(1, place, name)
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="FFF4DC" if name in _FILLED else "EEF0F2")
        # A character is seven pixels wide.
        width = _SHOWN * (_SIDE + 3) // 7 + 2 if name == _PICTURES else _WIDTHS.get(name, 11)
        sheet.column_dimensions[get_column_letter(place)].width = width
    for number, row in enumerate(rows, start=2):
        cells = row.cells()
        sheet.row_dimensions[number].height = (_SIDE + 6) * 0.75  # in points
        for place, name in enumerate(_ORDER, start=1):
            if name == _PICTURES:
                continue
            cell = sheet.cell(number, place)
            _write_cell(cell, cells[name])
            cell.alignment = Alignment(vertical="center", wrap_text=name not in ("decided_at",))
            if name in _FILLED:
                # As text: 007 and 1-2 stay what is typed.
                cell.number_format = "@"
                cell.fill = PatternFill("solid", fgColor="FFFBF1")
    sheet.freeze_panes = "C2"  # the header, the numbers and the pictures stay in view
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(_ORDER))}{len(rows) + 1}"


def _write_cell(cell: Any, value: str | int | float) -> None:
    if value == "":
        return
    cell.value = _UNPRINTABLE.sub(" ", value) if isinstance(value, str) else value
    if isinstance(value, str):
        cell.data_type = "s"  # also what begins with =
        cell.quotePrefix = is_run(value)


def _draw_strip(row: TypeRow, pictures: Mapping[str, bytes]) -> bytes | None:
    """Put a proposal's pictures side by side: one drawing a row is sorted and filtered with it."""
    one = row.proposal
    central, edge = one.exemplars["central"], one.exemplars["edge"]
    wanted = list(dict.fromkeys([one.medoid, *central[:3], *edge[:4], *central]))
    shown = [pictures[name] for name in wanted if name in pictures][:_SHOWN]
    if not shown:
        return None
    strip = Image.new("RGB", (len(shown) * (_SIDE + 3), _SIDE), "white")
    for place, data in enumerate(shown):
        with Image.open(io.BytesIO(data)) as picture:
            small = picture.convert("RGB")
        small.thumbnail((_SIDE, _SIDE))
        corner = place * (_SIDE + 3) + (_SIDE - small.width) // 2, (_SIDE - small.height) // 2
        strip.paste(small, corner)
    file = io.BytesIO()
    strip.save(file, "JPEG", quality=85)
    return file.getvalue()


def _place_strip(sheet: Any, number: int, strip: bytes | None) -> None:
    from openpyxl.drawing.image import Image as Drawing
    from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, TwoCellAnchor
    from openpyxl.utils.units import pixels_to_EMU

    if strip is None:
        return
    drawing = Drawing(io.BytesIO(strip))
    column = _ORDER.index(_PICTURES)
    start = AnchorMarker(
        col=column, row=number - 1, colOff=pixels_to_EMU(3), rowOff=pixels_to_EMU(3)
    )
    end = AnchorMarker(
        col=column,
        row=number - 1,
        colOff=pixels_to_EMU(3 + drawing.width),
        rowOff=pixels_to_EMU(3 + drawing.height),
    )
    drawing.anchor = TwoCellAnchor(editAs="twoCell", _from=start, to=end)
    sheet.add_image(drawing)


def _add_choices(sheet: Any, count: int, *, labels: int) -> None:
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    def add(column: str, formula: str, *, strict: bool) -> None:
        choice = DataValidation(type="list", formula1=formula, allow_blank=True)
        choice.showErrorMessage = strict
        choice.errorTitle, choice.error = "verdict", f"one of {', '.join(VERDICTS)}"
        letter = get_column_letter(_ORDER.index(column) + 1)
        choice.add(f"{letter}2:{letter}{max(count, 1) + 1}")
        sheet.add_data_validation(choice)

    add("verdict", f'"{",".join(VERDICTS)}"', strict=True)
    if labels:
        # Offered, not asked for: a new type has a new name.
        add("label", f"Names!$A$1:$A${labels}", strict=False)
