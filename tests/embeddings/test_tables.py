"""Tables: CSV as people write it, and errors that name file, line and column."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.errors import OptionError, TableError
from embeddings.tables import read_boxes, read_image_list, read_metadata, read_table

DATA = Path(__file__).parents[3] / "shared" / "data"


def _write(tmp_path: Path, text: str, *, encoding: str = "utf-8", name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_common_spelling_of_a_csv_is_read(tmp_path, encoding, delimiter, newline):
    lines = ["path{}lot", "a.png{}Köln 1", "b.png{}"]
    text = newline.join(line.format(delimiter) for line in lines) + newline
    frame = read_table(_write(tmp_path, text, encoding=encoding), required=["path"])
    assert frame.to_dict("list") == {"path": ["a.png", "b.png"], "lot": ["Köln 1", ""]}


def test_quotes_blank_lines_spaces_and_trailing_delimiters(tmp_path):
    text = '\npath, lot,,\n"a, b.png", "x" ,,\n\n ,,,\n"c\nd.png",y,,\n'
    frame = read_table(_write(tmp_path, text), required=["path"])
    assert list(frame.columns) == ["path", "lot"]
    assert list(frame["path"]) == ["a, b.png", "c\nd.png"]


def test_a_line_for_excel_alone_is_no_row_of_the_table(tmp_path):
    path = _write(tmp_path, "sep=|\r\npath|lot\r\na;b.png|1\r\nc.png\r\n")
    with pytest.raises(TableError, match="line 4: 1 cells, expected 2 as in the header"):
        read_table(path, required=["path"])
    frame = read_table(_write(tmp_path, "sep=|\npath|lot\na;b.png|1\n"), required=["path"])
    assert frame.to_dict("list") == {"path": ["a;b.png"], "lot": ["1"]}


def test_a_decimal_comma_is_read_where_the_comma_separates_nothing(tmp_path):
    text = "path;xmin;ymin;xmax;ymax\na.png;1,5;2;3,25;4.5\n"
    boxes = read_boxes(_write(tmp_path, text))
    assert boxes[["xmin", "ymin", "xmax", "ymax"]].to_numpy().tolist() == [[1.5, 2, 3.25, 4.5]]
    with pytest.raises(TableError, match="line 2: xmin is '1,234', expected a number"):
        read_boxes(_write(tmp_path, 'path,xmin,ymin,xmax,ymax\na.png,"1,234",2,3000,4\n'))


def test_columns_are_found_in_any_case_and_spelt_as_asked(tmp_path):
    frame = read_table(_write(tmp_path, "Path,Lot\na,b\n"), required=["path"])
    assert list(frame.columns) == ["path", "Lot"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty: expected a header line with path"),
        ("\n \n", "is empty"),
        ("file,lot\na,b\n", "has no column path: its columns are file, lot"),
        ("path,lot\na,b\nc\n", "line 3: 1 cells, expected 2"),
        ("path,lot\n\na,b,c\n", "line 3: 3 cells, expected 2"),
        ("path,PATH\na,b\n", "has the column path twice"),
        ('path,lot\n"a,b\n', "line 2: unexpected end of data"),
        ("path,lot\na\0,b\n", "is not a text file"),
    ],
)
def test_a_wrong_table_is_told_by_file_and_line(tmp_path, text, reason):
    path = _write(tmp_path, text)
    with pytest.raises(TableError) as error:
        read_table(path, required=["path"])
    assert reason in str(error.value)
    assert str(path) in str(error.value)


def test_other_encodings_and_missing_files_are_told(tmp_path):
    path = _write(tmp_path, "path\na\nKöln.png\n", encoding="cp1252")
    with pytest.raises(
        TableError, match="row 3 is not UTF-8, so its letters cannot be told: save it as CSV UTF-8"
    ) as error:
        read_table(path, required=["path"])
    # What it says to do does it.
    command = str(error.value).partition("; of a Western Windows, ")[2].partition(" does it")[0]
    subprocess.run(["sh", "-c", command], check=True, cwd=tmp_path)
    assert ["a", "Köln.png"] == read_table(tmp_path / "utf8.csv", required=["path"])[
        "path"
    ].tolist()
    with pytest.raises(TableError, match="cannot be read: No such file"):
        read_table(tmp_path / "gone.csv", required=["path"])
    with pytest.raises(TableError, match="cannot be read: Is a directory"):
        read_table(tmp_path, required=["path"])


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_what_python_writes_is_read_back(tmp_path_factory, cells):
    import csv

    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("path", "lot"), *cells])
    frame = read_table(path, required=["path"])
    assert list(frame.itertuples(index=False, name=None)) == cells


def test_an_image_list_is_absolute_each_once_in_order(tmp_path):
    text = "path,label\nb.png,1\nsub/../b.png,2\n/x/a.png,3\nsub\\c.png,4\n../d.png,5\n"
    frame = read_image_list(_write(tmp_path, text))
    expected = [tmp_path / "b.png", Path("/x/a.png"), tmp_path / "sub/c.png"]
    assert list(frame["path"]) == [str(p) for p in [*expected, tmp_path.parent / "d.png"]]
    assert list(frame["label"]) == ["1", "3", "4", "5"]


def test_an_image_list_from_another_folder(tmp_path, monkeypatch):
    _write(tmp_path, "path\na.png\n")
    monkeypatch.chdir(tmp_path.parent)
    frame = read_image_list(Path(tmp_path.name) / "t.csv")
    assert list(frame["path"]) == [str(tmp_path / "a.png")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("path\n", "has a header and no row"), ("path,lot\na,1\n,2\n", "line 3: path is empty")],
)
def test_an_image_list_without_images_is_told(tmp_path, text, reason):
    with pytest.raises(TableError, match=reason):
        read_image_list(_write(tmp_path, text))


def test_boxes_are_pixels_with_page_and_label(tmp_path):
    text = "label,path,xmin,ymin,xmax,ymax,page\nhole,a.tif,1,2.5,30,40,2\n"
    frame = read_boxes(_write(tmp_path, text))
    row = {"path": str(tmp_path / "a.tif"), "page": 2, "xmin": 1.0, "ymin": 2.5, "xmax": 30.0,
           "ymax": 40.0, "label": "hole"}  # fmt: skip
    assert frame.to_dict("records") == [row]


def test_boxes_need_neither_page_nor_label(tmp_path):
    frame = read_boxes(_write(tmp_path, "path,xmin,ymin,xmax,ymax\na.png,1,2,3,4\n"))
    assert list(frame.columns) == ["path", "page", "xmin", "ymin", "xmax", "ymax"]
    assert list(frame["page"]) == [0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.png,1,2,x,4", "line 2: xmax is 'x', expected a number such as 12.5"),
        ("a.png,1,2,nan,4", "line 2: xmax is 'nan'"),
        ("a.png,1,,3,4", "line 2: ymin is ''"),
        ("a.png,3,2,3,4", "line 2: xmin 3 is not below xmax 3"),
        ("a.png,1,5,3,4", "line 2: ymin 5 is not below ymax 4"),
        (",1,2,3,4", "line 2: path is empty"),
    ],
)
def test_a_wrong_box_is_told_by_line_and_column(tmp_path, row, reason):
    path = _write(tmp_path, f"path,xmin,ymin,xmax,ymax\n{row}\n")
    with pytest.raises(TableError) as error:
        read_boxes(path)
    assert reason in str(error.value)


@pytest.mark.parametrize("page", ["-1", "1.5"])
def test_a_wrong_page_is_told(tmp_path, page):
    with pytest.raises(TableError, match="expected a whole number from 0"):
        read_boxes(_write(tmp_path, f"path,page,xmin,ymin,xmax,ymax\na.tif,{page},1,2,3,4\n"))


def test_boxes_without_a_row_or_with_a_wrong_pixel_size(tmp_path):
    path = _write(tmp_path, "path,xmin,ymin,xmax,ymax\n")
    with pytest.raises(TableError, match="no row"):
        read_boxes(path)
    with pytest.raises(OptionError, match="um-per-pixel is 0, expected micrometres above 0"):
        read_boxes(path, um_per_pixel=0)


@pytest.mark.parametrize("key", ["path", "file", "Filename", "IMAGE"])
def test_metadata_is_keyed_by_the_path_as_written(tmp_path, key):
    text = f"lot,{key},tool\nL1,x/a.png,T1\nL2,C:\\data\\b.png,T2\nL1,y/a.png,T1\n"
    frame = read_metadata(_write(tmp_path, text))
    assert frame.to_dict("index") == {
        "x/a.png": {"lot": "L1", "tool": "T1"},
        "data/b.png": {"lot": "L2", "tool": "T2"},
        "y/a.png": {"lot": "L1", "tool": "T1"},
    }


def test_metadata_of_pages(tmp_path):
    frame = read_metadata(_write(tmp_path, "file,page,lot\na.tif,0,L1\na.tif,1,L2\n"))
    assert list(frame.index) == ["a.tif", "a.tif"]
    assert frame.to_dict("list") == {"page": [0, 1], "lot": ["L1", "L2"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lot\nL1\n", "has no column path, file, filename, image"),
        (
            "file,lot\nx/a.png,L1\nb.png,L1\nx\\a.png,L2\n",
            "line 2 and line 4 say different things of x/a.png",
        ),
        (
            "file,page,lot\na.tif,0,L1\na.tif,1,L1\na.tif,1,L2\n",
            "line 3 and line 4 say different things of a.tif, page 1 (counted from 0)",
        ),
        ("file,lot\n,L1\n", "line 2: file is empty"),
    ],
)
def test_wrong_metadata_is_told(tmp_path, text, reason):
    with pytest.raises(TableError) as error:
        read_metadata(_write(tmp_path, text))
    assert reason in str(error.value)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data are not at {DATA}")
def test_real_tables(tmp_path):
    images = read_image_list(DATA / "neu_det" / "labels.csv")
    assert len(images) == 900
    assert all(Path(path).is_file() for path in images["path"])
    boxes = read_boxes(DATA / "neu_det" / "boxes.csv")
    assert set(boxes["path"]) <= set(images["path"])
    assert boxes["label"].nunique() == 6
