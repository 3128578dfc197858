"""A column of a KLARF is filled, and not one other byte changes."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.errors import TableError
from embeddings.tables import fill_column, parse_klarf
from embeddings.tables.klarf import decode_klarf

ENDS = st.sampled_from(["\n", "\r\n"])
GAPS = st.sampled_from([" ", "  ", "\t", " \t "])
WORDS = st.text("abcäé_-.0123456789", min_size=1, max_size=6)
CLASSES = st.one_of(st.integers(-1, 300).map(str), st.sampled_from(["007", "1.0", "+3", "NA"]))
OTHERS = ["XREL", "TEST", "MEMO", "CLASSNUMBER", "FINEBINNUMBER", "ROUGHBINNUMBER"]


@st.composite
def defects(draw, columns):
    """Rows of cells, by column; the class columns hold classes, the others numbers or words."""
    rows = []
    for number in range(draw(st.integers(0, 6))):
        cells = {"DEFECTID": str(number + 1)}
        for name in columns[1:]:
            is_class = name.endswith("NUMBER")
            cells[name] = draw(CLASSES if is_class else WORDS if name == "MEMO" else
                               st.integers(0, 9999).map(str))  # fmt: skip
        rows.append(cells)
    return rows


@st.composite
def flat_files(draw):
    """A KLARF 1.1 or 1.2 with one or two wafers, wrapped rows and lists of images anywhere."""
    end = draw(ENDS)
    columns = ["DEFECTID", *draw(st.permutations(OTHERS))]
    split = draw(st.integers(1, len(columns)))
    spec = [*columns[:split], "IMAGELIST", *columns[split:]]
    text = f'FileVersion 1 {draw(st.sampled_from("12"))};{end}LotID "{draw(WORDS)}; x";{end}'
    text += f'ClassLookup 2{end} 0 "none"{end} 5 "Grießkorn";{end}'
    text += f"DefectRecordSpec {len(spec)} {draw(GAPS).join(spec)} ;{end}"
    ends_lists = draw(st.booleans())
    for wafer in range(draw(st.integers(1, 2))):
        text += f'WaferID "W{wafer}";{end}TiffFileName a.tif;{end}DefectList{end}'
        for cells in draw(defects(columns)):
            count = draw(st.integers(0, 2))
            images = [str(count), *(str(n) for n in range(2 * count))]
            words = [*(cells[c] for c in columns[:split]), *images]
            words += [cells[c] for c in columns[split:]]
            line = " " + words[0]
            for word in words[1:]:
                wrap = draw(st.integers(0, 9)) == 0
                line += (end + "  " if wrap else draw(GAPS)) + word
            text += line + draw(st.sampled_from(["", " "])) + end
        text += f";{end}" if ends_lists else ""
    tail = draw(st.sampled_from([f"EndOfFile;{end}", f"SummarySpec 1 TESTNO ;{end}EndOfFile;"]))
    return text + tail


@st.composite
def nested_files(draw):
    """A KLARF 1.8 with records in records, marks in strings, and commas."""
    end = draw(ENDS)
    columns = ["DEFECTID", *draw(st.permutations([*OTHERS, "MANSEMCLASS"]))]
    split = draw(st.integers(1, len(columns)))
    names = [f"int32 {c}" for c in columns]
    names.insert(split, "ImageList IMAGEINFO")
    text = f'Record FileRecord "1.8"{end}{{{end} Record LotRecord "L {{;}}" {{{end}'
    for wafer in range(draw(st.integers(1, 2))):
        rows = draw(defects(columns))
        text += f'Record WaferRecord "W{wafer}"{end}{{ Field SlotNumber 1 {{5}}{end}'
        text += f"List DefectList {{ Columns {len(names)} {{ {', '.join(names)} }}{end}"
        text += f"Data {len(rows)} {{{end}"
        for cells in rows:
            n = draw(st.integers(0, 2))
            images = f"Images {n} {{" + ", ".join(f'"p{i},.tif" "TIF" {i} "x"' for i in range(n))
            words = [cells[c] for c in columns]
            # A class that is text stands in quotes.
            words = [f'"{w}"' if draw(st.integers(0, 5)) == 0 else w for w in words]
            words.insert(split, draw(st.sampled_from(["N"])) if not n else images + "}")
            text += draw(GAPS).join(words) + draw(st.sampled_from([";", " ;"])) + end
        text += f"}} }} }}{end}"
    return text + f"}} }}{end}EndOfFile;{end}"


def compare(text, column, encoding, numbers_of):
    data = text.encode(encoding)
    before = parse_klarf(decode_klarf(data)[0])
    numbers = [numbers_of(len(wafer.defects)) for wafer in before.wafers]
    filled = fill_column(data, column.lower(), numbers)
    after = parse_klarf(decode_klarf(filled)[0])
    assert len(before.wafers) == len(after.wafers)
    for old, new, wanted in zip(before.wafers, after.wafers, numbers, strict=True):
        assert old.images == new.images
        others = [name for name in old.defects.columns if name != column]
        pd.testing.assert_frame_equal(old.defects[others], new.defects[others])
        for row in range(len(old.defects)):
            is_, was = new.defects[column][row], old.defects[column][row]
            if row in wanted:
                assert float(is_) == wanted[row]
            else:
                assert str(is_) == str(was) or float(is_) == float(was) or is_ != is_
    # With every cell of the column taken out, what is left is the same bytes.
    assert cut_out(data, column) == cut_out(filled, column)
    # Filled with what stands there already, nothing changes.
    assert fill_column(filled, column, numbers) == filled
    assert fill_column(data, column, [{} for _ in numbers]) == data


def cut_out(data, column):
    text, encoding = decode_klarf(data)
    klarf = parse_klarf(text, column=column)
    rest, end = "", 0
    for start, stop in sorted(span for wafer in klarf.wafers for span in wafer.spans):
        quotes = text[start:stop].count('"')
        rest, end = rest + text[end:start] + '"' * quotes, stop
    return (rest + text[end:]).encode(encoding)


def draw_numbers(data):
    number = st.integers(-1, 99_999)
    return lambda n: data.draw(st.dictionaries(st.integers(0, n - 1), number) if n else st.just({}))


# utf-16 as editors on Windows save it, with a mark; utf-16-be is without one.
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-be"])


@settings(deadline=None)  # nothing is timed
@given(flat_files(), st.sampled_from(["CLASSNUMBER", "FINEBINNUMBER"]), ENCODINGS, st.data())
def test_a_flat_file_differs_in_the_column_alone(text, column, encoding, data):
    compare(text, column, encoding, draw_numbers(data))


@settings(deadline=None)
@given(nested_files(), st.sampled_from(["CLASSNUMBER", "MANSEMCLASS"]), ENCODINGS, st.data())
def test_a_nested_file_differs_in_the_column_alone(text, column, encoding, data):
    compare(text, column, encoding, draw_numbers(data))


FLAT = (
    b"FileVersion 1 2;\r\nDefectRecordSpec 4 DEFECTID CLASSNUMBER IMAGELIST NOTE ;\r\n"
    b"DefectList\r\n 1 0 1 7 0 gr\xfcn\r\n 2\r\n   0012\t0   x\r\n 3 -1 0 y\r\n"
    b"SummarySpec 1 A ;\r\n"
)


def test_tokens_grow_shrink_and_stay():
    filled = fill_column(FLAT, "classnumber", [{0: 123, 1: 5, 2: -1}])
    assert filled == FLAT.replace(b" 1 0 1 7", b" 1 123 1 7").replace(b"0012", b"5")
    assert fill_column(FLAT, "CLASSNUMBER", [{1: 12}]) == FLAT  # 0012 is 12 already


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(TableError, match="have no column MANSEMCLASS: expected one of DEFECTID, "):
        fill_column(FLAT, "MANSEMCLASS", [{0: 1}])
    with pytest.raises(TableError, match="no column IMAGELIST"):
        fill_column(FLAT, "IMAGELIST", [{0: 1}])
