"""Tables as countries and systems write them: numbers, paths, workbooks."""

import contextlib
import io
import zipfile

import openpyxl
import pytest

from embeddings.errors import TableError
from embeddings.tables import read_boxes, read_image_list, read_metadata, read_table
from embeddings.tables.decimals import read_number, respell_column
from embeddings.tables.locate import Locator, split_path
from embeddings.tables.workbook import read_workbook


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["12,5", "7", "-0,25"], ["12.5", "7", "-0.25"]),
        (["12.5", "7"], ["12.5", "7"]),
        (["1.234,5", "2.000.000"], ["1234.5", "2000000"]),
        (["1,234.5", "12"], ["1234.5", "12"]),
        (["1 234,5", "1\u202f000"], ["1234.5", "1000"]),
        (["1'234.5", "7'000"], ["1234.5", "7000"]),
        (["0,873", "1,234"], ["0.873", "1.234"]),  # no group of thousands begins with 0
        (["1,234", "12,345,678"], ["1234", "12345678"]),  # no number has two decimal signs
        (["1,5", "n/a", "", "-"], ["1.5", "n/a", "", "-"]),
        (["1,5", "2.5"], ["1.5", "2.5"]),  # each is clear by itself
        (["\u22121,5", "1,2E+03"], ["-1.5", "1.2E+03"]),
        (["1.234", "5.678"], ["1.234", "5.678"]),  # what every program writes
        (["007", "012"], ["007", "012"]),
        (["1,2", "lot 3,4"], ["1,2", "lot 3,4"]),
        (["24.11.2026"], ["24.11.2026"]),
        (["1.2.3", "1.2"], ["1.2.3", "1.2"]),
    ],
)
def test_a_column_of_numbers_is_written_with_a_point(cells, expected):
    assert (expected, "") == respell_column(cells)


def test_a_number_that_may_be_two_is_never_guessed():
    assert (["1,234", "999"], "1,234") == respell_column(["1,234", "999"])
    assert (["1.234", "999"], "1,234") == respell_column(["1,234", "999"], of_file="comma")
    assert (["1234", "999"], "1,234") == respell_column(["1,234", "999"], of_file="point")
    assert (["1234", "999"], "1.234") == respell_column(["1.234", "999"], of_file="comma")


@pytest.mark.parametrize(
    "text", ["", "x", "nan", "inf", "1e999", "1_000", "\u0661", "1,234", "0x10"]
)
def test_what_is_no_number_is_none(text):
    assert read_number(text) is None


GERMAN = "path;cd_nm;tool;dose\na.png;45,5;T1;1,234\nb.png;46,25;T2;2,5\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("hint", ["", "sep={}\r\n", "SEP={}\r\n"])
def test_metadata_of_a_german_spreadsheet(tmp_path, encoding, separator, hint):
    path = tmp_path / "de.csv"
    text = hint.format(separator) + GERMAN.replace(";", separator)
    path.write_bytes(text.encode(encoding))
    frame = read_metadata(path)
    assert {
        "cd_nm": ["45.5", "46.25"], "tool": ["T1", "T2"], "dose": ["1.234", "2.5"]
    } == frame.to_dict("list")  # fmt: skip


def test_numbers_that_may_be_two_stay_text_and_are_told(tmp_path, caplog):
    path = tmp_path / "m.csv"
    path.write_text("path;n\na.png;1,234\nb.png;12,500\n")
    assert ["1,234", "12,500"] == read_metadata(path)["n"].tolist()
    (told,) = caplog.messages
    assert "column n is kept as text: 1,234 has a decimal comma or a mark of thousands" in told
    caplog.clear()
    path.write_text("path;n;cd\na.png;1,234;4,5\nb.png;12,500;3,25\n")
    assert ["1.234", "12.500"] == read_metadata(path)["n"].tolist()
    (told,) = caplog.messages
    assert "column n: 1,234 is read as 1.234, as other columns tell" in told


def test_boxes_that_may_be_two_are_refused(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text("path;xmin;ymin;xmax;ymax\na.png;1;2;1,234;4\n")
    with pytest.raises(TableError, match=r"line 2: xmax is '1,234', expected a number such as 12"):
        read_boxes(path)
    path.write_text("path;xmin;ymin;xmax;ymax\na.png;1,5;2;1,234;4\n")
    with pytest.raises(TableError, match=r"line 2: xmin 1.5 is not below xmax 1.234"):
        read_boxes(path)


def write_book(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_is_a_table(tmp_path):
    import datetime

    when = datetime.datetime(2026, 11, 24, 10, 30)
    rows = [["path", "cd", "when", "ok", "n"], ["a.png", 4.5, when, True, 7], ["b.png", 5.0]]
    path = write_book(tmp_path / "m.xlsx", {"About": [["made by me"]], "Data": [[], *rows]})
    assert {
        "a.png": {"cd": "4.5", "when": "2026-11-24T10:30:00", "ok": "TRUE", "n": "7"},
        "b.png": {"cd": "5", "when": "", "ok": "", "n": ""},
    } == read_metadata_of(path)
    assert [str(tmp_path / "a.png"), str(tmp_path / "b.png")] == read_image_list(path)[
        "path"
    ].tolist()


def read_metadata_of(path):
    from embeddings.tables.sheet import read_sheet

    rows = read_sheet(path, required=("path",)).rows.set_index("path")
    return rows.to_dict("index")


def test_boxes_and_metadata_of_a_workbook(tmp_path):
    header = ["path", "xmin", "ymin", "xmax", "ymax"]
    path = write_book(tmp_path / "b.xlsx", {"S": [header, ["a.png", 1.5, 2, 30, 40.25]]})
    assert [[1.5, 2, 30, 40.25]] == read_boxes(path)[header[1:]].to_numpy().tolist()
    path = write_book(tmp_path / "m.xlsx", {"S": [["file", "lot"], ["x\\a.png", "L1"]]})
    assert {"x/a.png": {"lot": "L1"}} == read_metadata(path).to_dict("index")


def test_a_formula_that_nobody_worked_out_is_told(tmp_path):
    path = write_book(tmp_path / "m.xlsx", {"S": [["path", "n"], ["a.png", "=1+1"]]})
    with pytest.raises(TableError, match=r"sheet S, row 2: '=1\+1' was never worked out"):
        read_table(path, required=["path"])


def zip_of(**files):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in files.items():
            # Without the time of day, which would be in the names of the tests.
            archive.writestr(zipfile.ZipInfo(name.replace("__", "/")), data)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Excel workbook"),
        (b"<html><table><tr><td>path</td></tr></table></html>", "a web page or XML"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Workbook/>", "a web page or XML"),
        (b"%PDF-1.7", "a PDF"),
        (b"PAR1", "a Parquet file"),
        (b"\x1f\x8b\x08", "a compressed file"),
        (zip_of(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "an OpenDocument"),
        (zip_of(a="b"), "a zip and no workbook"),
        (zip_of(xl__workbook="b"), "no .xlsx workbook that can be read"),
        (b"PK\x03\x04" + bytes(40), "no .xlsx workbook that can be read"),
    ],
)
def test_what_is_no_table_is_named_for_what_it_is(tmp_path, data, told):
    path = tmp_path / "table.xls"
    path.write_bytes(data)
    with pytest.raises(TableError) as error:
        read_table(path, required=["path"])
    assert told in str(error.value)
    assert "CSV UTF-8" in str(error.value)


def test_a_flipped_bit_of_a_workbook_is_one_line(tmp_path):
    rows = [["path", "lot"], *([f"{number}.png", "lot A"] for number in range(40))]
    path = write_book(tmp_path / "m.xlsx", {"S": rows})
    sound = path.read_bytes()
    refused = 0
    for place in range(0, 8 * len(sound), 131):
        data = bytearray(sound)
        data[place // 8] ^= 1 << place % 8
        # It is read, or refused by its name.
        with contextlib.suppress(TableError):
            read_workbook(bytes(data), "m.xlsx")
            continue
        refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("imgs/lotA\\a.png", ["imgs", "lotA", "a.png"]),
        ("C:\\data\\imgs\\a.png", ["data", "imgs", "a.png"]),
        ("C:a.png", ["a.png"]),
        ("\\\\server\\share\\a.png", ["server", "share", "a.png"]),
        ("./a.png", ["a.png"]),
    ],
)
def test_a_path_of_any_system_is_cut(text, parts):
    assert parts == split_path(text)


@pytest.mark.parametrize(
    "text",
    [
        "imgs/lotA/a.png", "imgs/lotA\\a.png", "imgs\\lotA\\a.png", "IMGS/lota/A.PNG",
        "C:\\data\\imgs\\lotA\\a.png", "d:/imgs/LOTA/a.png", "\\\\server\\share\\imgs\\lotA\\a.png",
        "\\imgs\\lotA\\a.png",
    ],
)  # fmt: skip
def test_a_cell_names_a_file_whatever_system_wrote_it(tmp_path, text):
    there = tmp_path / "imgs" / "lotA" / "a.png"
    there.parent.mkdir(parents=True)
    there.touch()
    (tmp_path / "t.csv").write_text(f"path,label\n{text},x\n")
    assert [str(there)] == read_image_list(tmp_path / "t.csv")["path"].tolist()


def test_a_file_that_is_there_as_written_goes_first(tmp_path):
    (tmp_path / "lot\\a.png").touch()
    (tmp_path / "lot").mkdir()
    (tmp_path / "lot" / "a.png").touch()
    (tmp_path / "B.png").touch()
    (tmp_path / "b.png").touch()
    cells = ["lot\\a.png", "B.png", "b.png"]
    assert [str(tmp_path / cell) for cell in cells] == Locator(tmp_path).locate_all(cells)
    assert Locator(tmp_path).find("b.PNG") is None  # either of two


def test_two_cells_of_another_disk_are_never_one_file(tmp_path):
    (tmp_path / "a.png").touch()
    one, other = Locator(tmp_path).locate_all(["C:\\lotA\\a.png", "C:\\lotB\\a.png"])
    assert one != other
    assert str(tmp_path / "a.png") not in (one, other)
    assert [str(tmp_path / "a.png")] == Locator(tmp_path).locate_all(["C:\\lotA\\a.png"])


@pytest.mark.parametrize("cell", ["x" * 300 + ".png", "a\0b.png", "C:\\" + "y" * 400, "..", "C:"])
def test_a_name_that_no_file_may_have_is_not_there(tmp_path, cell):
    assert Locator(tmp_path).find(cell, by_ending=True) is None
    assert 1 == len(Locator(tmp_path).locate_all([cell]))
