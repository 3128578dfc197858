"""Parse KLARF 1.0 to 1.7: statements that end in a semicolon, defects by their record spec.

``DefectRecordSpec`` names the columns of the rows of ``DefectList``; rows may wrap over lines,
and have no mark between them. ``IMAGELIST`` is a count and that many pairs (number of the picture
in the file of the last ``TiffFileName``, its kind). Fields stand before the wafer they belong to
and hold for those after it until they are said again. Lengths are micrometres.
"""

import re
from collections.abc import Collection
from dataclasses import replace

from embeddings.errors import TableError
from embeddings.tables.klarf_records import (
    NUMERIC,
    DefectRow,
    Klarf,
    KlarfImage,
    KlarfWafer,
    Span,
    make_wafer,
)
from embeddings.tables.klarf_time import is_day_first
from embeddings.tables.klarf_tokens import Tokens, is_whole

_KEYWORD = re.compile(r"[A-Za-z_]\w*")
# What ends a list of defects where its semicolon is missing; no defect begins with a word.
_AFTER_LIST = frozenset(
    {"summaryspec", "summarylist", "endoffile", "defectlist", "defectrecordspec", "waferid",
     "slot", "tifffilename", "inspectiontest", "classlookup", "lotid", "sampletestplan"}
)  # fmt: skip


class _Reader:
    """What has been read so far of a flat file."""

    def __init__(self, text: str, *, source: str, column: str) -> None:
        self.tokens = Tokens(text, source=source)
        self.column = column  # whose places in the text are wanted
        self.version = ""
        self.fields: dict[str, list[str]] = {}
        self.columns: list[str] = []
        self.rows: list[DefectRow] = []
        self.wafers: list[KlarfWafer] = []
        self.classes: dict[int, str] = {}
        self.day_first = is_day_first(text)
        self.has_list = False  # of the wafer: rows may go on below statements between them

    def read(self) -> Klarf:
        # EndOfFile may be missing; what stands after it is no part of the file.
        while self.tokens and self.tokens.peek().lower() != "endoffile":
            self.read_statement()
        self.end_wafer()
        if not self.version and not self.columns:
            raise TableError(f"{self.tokens.source}, line 1: no KLARF: no FileVersion in it")
        return Klarf(version=self.version, wafers=tuple(self.wafers), classes=self.classes)

    def read_statement(self) -> None:
        if self.tokens.at_mark(";"):  # an empty statement: some tools end DefectList twice
            self.tokens.take_mark(";")
            return
        line = self.tokens.line
        if self.has_list and self.begins_row():
            self.read_defects(line)
            return
        keyword = self.tokens.take("a keyword")
        if not _KEYWORD.fullmatch(keyword):
            raise TableError(
                f"{self.tokens.source}, line {line}: {keyword[:40]!r} is no KLARF keyword"
            )
        match keyword.lower():
            case "defectrecordspec":
                self.read_spec()
            case "defectlist":
                self.read_defects(line)
            case "classlookup":
                self.read_classes()
            case "filename" if self.rows:
                self.name_picture(self.tokens.take("a file name"))
            case "waferid":  # begins the next wafer: a file may hold a whole lot
                self.end_wafer()
                self.fields["waferid"] = self.tokens.take_until(";")
            case "fileversion":
                self.version = ".".join(self.tokens.take_until(";"))
            case other:
                self.fields[other] = self.tokens.take_until(";")

    def read_spec(self) -> None:
        line = self.tokens.line
        count = self.tokens.take_count("the number of columns")
        columns = [name.upper() for name in self.tokens.take_until(";")]
        if len(columns) != count or len(set(columns)) != count:
            raise TableError(
                f"{self.tokens.source}, line {line}: DefectRecordSpec announces {count} "
                f"columns and names {len(columns)} ({len(set(columns))} of them different)"
            )
        self.columns = columns

    def read_classes(self) -> None:
        for _ in range(self.tokens.take_count("the number of classes")):
            number = self.tokens.take_class()
            self.classes[number] = self.tokens.take("a class name")
        self.tokens.take_mark(";")

    def read_defects(self, line: int) -> None:
        # Without the spec nothing tells how many words a row has.
        if not self.columns:
            raise TableError(
                f"{self.tokens.source}, line {line}: DefectList before any DefectRecordSpec"
            )
        self.has_list = True
        file = " ".join(self.fields.get("tifffilename") or self.fields.get("imagefilename", ())[:1])
        # A picture's file stands before its defect: there may be a list for every row.
        while not self.tokens.at_mark(";"):
            if self.begins_line(_AFTER_LIST):
                return
            if self.begins_line({"filename"}) and self.rows:
                self.tokens.take("FILENAME")
                self.name_picture(self.tokens.take("a file name"))
            elif self.begins_statement():
                self.tokens.take_line()
            else:
                self.rows.append(self.read_row(file))
                continue
            # Some end the list here, and some write a semicolon and go on with the next row.
            if self.tokens.at_mark(";"):
                self.tokens.take_mark(";")
                if not self.tokens:
                    return
        self.tokens.take_mark(";")

    def begins_row(self) -> bool:
        """Tell whether a number stands where a defect's first column may."""
        return self.is_numbered and self.tokens.starts_line() and is_whole(self.tokens.peek())

    def begins_statement(self) -> bool:
        """Tell whether a keyword stands where the number of a defect would."""
        # Of letters alone: what is damaged must not be left out as if it were one.
        is_word = re.fullmatch(r"[A-Za-z_]{4,}", self.tokens.peek()) is not None
        return self.is_numbered and self.tokens.starts_line() and is_word

    @property
    def is_numbered(self) -> bool:
        return bool(self.columns) and self.columns[0] in ("DEFECTID", *NUMERIC)

    def begins_line(self, words: Collection[str]) -> bool:
        return self.tokens.peek().lower() in words and self.tokens.starts_line()

    def name_picture(self, file: str) -> None:
        """Take ``FILENAME a.jpg`` below a row for the picture of that row."""
        row = self.rows[-1]
        images = tuple(replace(image, file=file) for image in row.images)
        self.rows[-1] = replace(row, images=images or (KlarfImage(file=file, number=1),))

    def read_row(self, file: str) -> DefectRow:
        """Read one defect; what is not IMAGELIST is one word a column."""
        line, first = self.tokens.line, self.tokens.position
        what = f"{len(self.columns)} values of a defect"
        # IMAGELIST alone has as many words as there are pictures.
        split = self.columns.index("IMAGELIST") if "IMAGELIST" in self.columns else None
        before = self.tokens.take_many(len(self.columns[:split]), what)
        cells = dict(zip(self.columns[:split], before, strict=True))
        images: tuple[KlarfImage, ...] = ()
        if split is not None:
            names = self.columns[split + 1 :]
            images = self.read_images(file, announced=cells.get("IMAGECOUNT"), is_last=not names)
            cells |= zip(names, self.tokens.take_many(len(names), what), strict=True)
            if cells.get("FILENAME"):  # a column for what others say before each list
                images = tuple(replace(image, file=cells["FILENAME"]) for image in images)
        return DefectRow(cells=cells, images=images, line=line, span=self.find_span(first, split))

    def find_span(self, first: int, split: int | None) -> Span | None:
        """Return where the wanted cell of the row that was read stands; `first` is its token."""
        if self.column not in self.columns or self.column == "IMAGELIST":
            return None
        place = self.columns.index(self.column)
        if split is None or place < split:
            return self.tokens.span(first + place)
        # Counted from the row's end: IMAGELIST is as long as it likes.
        return self.tokens.span(self.tokens.position - len(self.columns) + place)

    def read_images(
        self, file: str, *, announced: str | None, is_last: bool
    ) -> tuple[KlarfImage, ...]:
        """Read IMAGELIST: a count, then the number and kind of each picture."""
        tokens = self.tokens
        # Some tools leave the list out where there is none: the next word then begins a row,
        # while the 0 of a list that was wrapped has its line for itself.
        begins_row = tokens.starts_line() and not tokens.is_alone_on_line()
        if announced == "0" and is_last and (tokens.at_mark(";") or begins_row):
            return ()
        line = tokens.line
        count = tokens.take_count("the number of images")
        if announced is not None and announced != str(count):
            raise TableError(
                f"{tokens.source}, line {line}: IMAGECOUNT is {announced} and IMAGELIST "
                f"holds {count} images"
            )
        numbers: list[int] = []
        for _ in range(count):
            numbers.append(tokens.take_count("an image number"))
            tokens.take("an image kind")
        return tuple(KlarfImage(file=file, number=number) for number in numbers)

    def end_wafer(self) -> None:
        """Close the wafer whose defects or name have been read."""
        # A wafer without a defect counts too; a WaferID before any spec is but the file's head.
        if self.rows or (self.fields.get("waferid") and self.columns):
            source = self.tokens.source
            self.wafers.append(self.make_wafer(source))
            self.rows = []
        self.has_list = False

    def make_wafer(self, source: str) -> KlarfWafer:
        return make_wafer(
            self.fields, self.rows, scale=1.0, source=source, day_first=self.day_first
        )


def parse_flat(text: str, *, source: str, column: str = "") -> Klarf:
    """Parse the text of a KLARF file of version 1.0 to 1.7.

    Parameters
    ----------
    column : str
        In upper case: each wafer's `spans` say where its cells stand.

    Raises
    ------
    TableError
        Naming the line of what is no KLARF, is missing or does not fit its column.
    """
    return _Reader(text, source=source, column=column).read()
