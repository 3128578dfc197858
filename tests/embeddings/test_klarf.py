"""KLARF: flat and nested, by the record spec, with wrapped rows, images and several wafers."""

import math

import numpy as np
import pytest
import tifffile
from PIL import Image

from embeddings.errors import OptionError, TableError
from embeddings.images import read_sizes
from embeddings.tables import (
    KlarfImage,
    is_klarf,
    parse_klarf,
    read_boxes,
    read_klarf,
    read_metadata,
)
from embeddings.tables.klarf import list_images

FLAT = """FileVersion 1 2;
FileTimestamp 11-24-2026 10:00:00; ResultTimestamp 11-24-26 9:05:00;
InspectionStationID "MAKER" "MODEL" "EQ7";
TiffSpec 6.0 G R;
TiffFileName review.tif;
LotID "LOT 1";
SampleSize 1 300;
DeviceID "DEV";
SetupID "recipe_a" 11-01-2026 09:00:00;
StepID "ETCH";
SampleOrientationMarkType NOTCH;
DiePitch 2.5000000000e+003 3.0000000000e+003;
DieOrigin 0.0 0.0;
WaferID "W01";
Slot 5;
SampleCenterLocation -2.0e+001 2.0e+003;
ClassLookup 2
  0 "Unclassified"
  7 "Big; particle";
InspectionTest 1;
SampleTestPlan 2
 0 0
 1 1;
DefectRecordSpec 12 DEFECTID XREL YREL XINDEX YINDEX
  XSIZE YSIZE CLASSNUMBER TEST IMAGECOUNT IMAGELIST MEMO ;
DefectList
 1 100.5 200.25 1 -2 4.0 2.0 7 1 2 2 1 0 2 3 aa
 2 300 400 0 3 0.5
   0.5 0 1 0
   0 bb
 3 10 20 0 0 1 1 0 1 1 1
 3 0 cc;
WaferID "W02";
Slot 6;
DefectList
 1 5 6 0 0 NA 1 7 1 0 0 dd;
SummarySpec 5 TESTNO NDEFECT DEFDENSITY NDIE NDEFDIE ;
SummaryList
 1 3 1.0e-3 10 2;
EndOfFile;
"""  # fmt: skip

NESTED = """Record FileRecord "1.8"
{
  Record LotRecord "LOT 1"
  {
    Field StepID 1 {"ETCH"}
    Field DeviceID 1 {"DEV"}
    Field RecipeID 3 {"recipe_a", "2026-11-01", "09:00:00"}
    Field InspectionStationID 3 {"MAKER","MODEL","EQ7"}
    Field DiePitch 2 {2500000, 3000000}
    Record WaferRecord "W01"
    {
      Field SampleCenterLocation 2 {-20000, 2000000}
      Field SlotNumber 1 {5}
      List DefectList
      {
        Columns 8 { int32 DEFECTID, int32 XREL, int32 YREL, int32 XINDEX, int32 XSIZE,
          float DEFECTAREA, int32 CLASSNUMBER, ImageList IMAGEINFO }
        Data 3
        {
          1 100500 200250 1 4000 8000000 7 Images 2 { "pic,1.jpg" "JPG" 1 "top", "b.tif" "TIF" 3 };
          2 300000 400000 0 500 250000 0 N;
          3 10000 20000 0 1000 1000000 0 ;
        }
      }
      Record TestRecord "1" { Field AreaPerTest 1 {1e16} }
    }
    Record WaferRecord "W02" { }
    List ClassLookupList
    {
      Columns 3 { int32 CLASSNUMBER, string CLASSNAME, string CLASSCODE }
      Data 2 { 0 "Unclassified" ""; 7 "Big; particle" "BP"; }
    }
  }
}
EndOfFile;
"""


def test_a_flat_file_is_read_by_its_record_spec():
    klarf = parse_klarf(FLAT)
    assert klarf.version == "1.2"
    assert klarf.classes == {0: "Unclassified", 7: "Big; particle"}
    first, _second = klarf.wafers
    assert (first.lot, first.wafer, first.slot, first.step) == ("LOT 1", "W01", "5", "ETCH")
    assert (first.device, first.recipe, first.tool) == ("DEV", "recipe_a", "MAKER MODEL EQ7")
    assert first.die_pitch == (2500.0, 3000.0)
    assert first.die_origin == (0.0, 0.0)
    assert first.sample_center == (-20.0, 2000.0)
    assert (first.diameter, first.time) == (300_000.0, "2026-11-24T09:05:00")
    # XINDEX 1, XREL 100.5: 1 * 2500 + 100.5 + 20; YINDEX -2, YREL 200.25: -6000 + 200.25 - 2000
    assert first.positions.tolist() == [[2620.5, -7799.75], [320.0, 7400.0], [30.0, -1980.0]]
    assert first.defects.to_dict("list") == {
        "DEFECTID": [1, 2, 3],
        "XREL": [100.5, 300.0, 10.0],
        "YREL": [200.25, 400.0, 20.0],
        "XINDEX": [1, 0, 0],
        "YINDEX": [-2, 3, 0],
        "XSIZE": [4.0, 0.5, 1.0],
        "YSIZE": [2.0, 0.5, 1.0],
        "CLASSNUMBER": [7, 0, 0],
        "TEST": [1, 1, 1],
        "IMAGECOUNT": [2, 0, 1],
        "MEMO": ["aa", "bb", "cc"],
    }
    assert [[image.number for image in images] for images in first.images] == [[1, 2], [], [3]]
    assert {image.file for images in first.images for image in images} == {"review.tif"}


def test_a_second_wafer_keeps_the_lot_and_has_its_own_defects():
    second = parse_klarf(FLAT).wafers[1]
    assert (second.lot, second.wafer, second.slot) == ("LOT 1", "W02", "6")
    assert math.isnan(second.defects["XSIZE"][0])
    assert second.images == ((),)


def test_the_defects_of_all_wafers_together():
    defects = parse_klarf(FLAT).defects
    assert list(defects["WAFERID"]) == ["W01", "W01", "W01", "W02"]
    assert list(defects["LOTID"]) == ["LOT 1"] * 4
    assert list(defects["DEFECTID"]) == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("size", "expected"), [("300000000", 300_000.0), ("300", 300_000.0), ("", math.nan)]
)
def test_a_nested_file_may_give_the_diameter_in_either_unit(size, expected):
    field = f"Field SampleSize 2 {{1, {size}}}\n" if size else ""
    text = NESTED.replace("Field SlotNumber", f"{field}Field SlotNumber")
    text = text.replace("Field SlotNumber", 'Field ResultTimestamp 2 {"2026-11-24", "09:05:00"}\n'
                        "Field SlotNumber")  # fmt: skip
    wafer = parse_klarf(text).wafers[0]
    assert wafer.diameter == pytest.approx(expected, nan_ok=True)
    assert wafer.time == "2026-11-24T09:05:00"


def test_a_time_written_in_another_way_is_kept():
    text = FLAT.replace("11-24-26 9:05:00", '"week 48"')
    assert parse_klarf(text).wafers[0].time == "week 48"


def test_metadata_without_geometry_leaves_the_place_empty(tmp_path):
    text = "FileVersion 1 2;\nTiffFileName a.png;\n"
    text += "DefectRecordSpec 3 DEFECTID IMAGECOUNT IMAGELIST ;\nDefectList\n 1 1 1 1 0;\n"
    (tmp_path / "a.klarf").write_text(text)
    row = read_metadata(tmp_path / "a.klarf").iloc[0]
    assert [row[n] for n in ("wafer_x_um", "wafer_y_um", "wafer_diameter_mm", "time")] == [""] * 4


def test_a_file_of_its_own_for_each_defect():
    text = """FileVersion 1 2;
DefectRecordSpec 4 DEFECTID XREL IMAGECOUNT IMAGELIST ;
DefectList;
TiffFileName A_1.jpg;
DefectList
 1 10.5 1 1 1 0
 2 20.5 0 0;
TiffFileName A 2.jpg;
DefectList
 3 30.5 1 1 1 0;
 ;
EndOfFile;
"""
    wafer = parse_klarf(text).wafers[0]
    assert wafer.images == (
        (KlarfImage(file="A_1.jpg", number=1),),
        (),
        (KlarfImage(file="A 2.jpg", number=1),),
    )


def test_an_image_list_left_out_where_there_is_none():
    text = "FileVersion 1 1;\nDefectRecordSpec 3 DEFECTID IMAGECOUNT IMAGELIST ;\nDefectList\n"
    rows = " 1 0\n 2 1 1 5 0\n 3 0\n 0 0 0\n 5 0;\n"
    wafer = parse_klarf(text + rows).wafers[0]
    assert list(wafer.defects["DEFECTID"]) == [1, 2, 3, 0, 5]
    assert [len(images) for images in wafer.images] == [0, 1, 0, 0, 0]


def test_a_nested_file_says_the_same_in_micrometres():
    klarf = parse_klarf(NESTED)
    assert klarf.version == "1.8"
    assert klarf.classes == {0: "Unclassified", 7: "Big; particle"}
    first, second = klarf.wafers
    assert (first.lot, first.wafer, first.slot, first.step) == ("LOT 1", "W01", "5", "ETCH")
    assert (first.device, first.recipe, first.tool) == ("DEV", "recipe_a", "MAKER MODEL EQ7")
    assert first.die_pitch == pytest.approx((2500.0, 3000.0))
    assert first.sample_center == pytest.approx((-20.0, 2000.0))
    assert np.isnan(first.diameter)
    # There is no YINDEX: a place on the wafer is not known along y.
    assert first.positions[:, 0].tolist() == pytest.approx([2620.5, 320.0, 30.0])
    assert np.isnan(first.positions[:, 1]).all()
    np.testing.assert_allclose(first.defects["XREL"], [100.5, 300.0, 10.0])
    np.testing.assert_allclose(first.defects["XSIZE"], [4.0, 0.5, 1.0])
    np.testing.assert_allclose(first.defects["DEFECTAREA"], [8.0, 0.25, 1.0])
    assert list(first.defects["XINDEX"]) == [1, 0, 0]
    assert first.images == (
        (KlarfImage(file="pic,1.jpg", number=1), KlarfImage(file="b.tif", number=3)),
        (),
        (),
    )
    assert (second.wafer, second.lot, len(second.defects)) == ("W02", "LOT 1", 0)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("DefectRecordSpec 12", "DefectRecordSpec 13", "line 24: DefectRecordSpec announces 13"),
        ("XINDEX YINDEX", "XINDEX XINDEX", "line 24: DefectRecordSpec announces 12"),
        ("DefectRecordSpec 12", "DefectRecordSpec x", "line 24: expected the number of columns"),
        (" 2 300 400", " 2 300", "line 30: expected the number of images, got 'bb'"),
        ("100.5 200.25", "100.5 north", "line 27: YREL is 'north', expected a number"),
        ("1 2 2 1 0 2 3 aa", "1 2 3 1 0 2 3 aa", "line 27: IMAGECOUNT is 2 and IMAGELIST holds 3"),
        ("3 0 cc;", "3 0;", "line 32: expected 12 values of a defect, got ';'"),
        ('"LOT 1"', '"LOT 1', "a quote that is not closed"),
        ('7 "Big; particle";', "seven x;", "line 19: expected a class number, got 'seven'"),
        ("InspectionTest 1;", "InspectionTest 1;\n%% what;", "line 21: '%%' is no KLARF keyword"),
    ],
)
def test_garbage_is_told_by_its_line(old, new, reason):
    assert old in FLAT
    with pytest.raises(TableError) as error:
        parse_klarf(FLAT.replace(old, new, 1), source="x.klarf")
    assert reason in str(error.value)
    assert str(error.value).startswith("x.klarf, line ")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Columns 8", "Columns 9", "line 16: 9 columns announced, 8 named"),
        ("Data 3", "Data 4", "line 18: 4 rows announced, 3 read"),
        ("2 300000 400000 0", "2 300000 0", "line 21: CLASSNUMBER is 'N', expected a number"),
        ("300000 400000", "300000 north", "line 21: YREL is 'north', expected a number"),
        ("Images 2", "Images x", "line 20: expected the number of images, got 'x'"),
        ("Field StepID", "Fold StepID", "line 5: expected Record, Field or List, got 'fold'"),
        ("EndOfFile;", "", None),
        ("\n}\nEndOfFile;", "", "expected Record, Field, List or '}', got the end of the file"),
    ],
)
def test_nested_garbage_is_told_by_its_line(old, new, reason):
    assert old in NESTED
    text = NESTED.replace(old, new, 1)
    if reason is None:
        assert len(parse_klarf(text).wafers) == 2
        return
    with pytest.raises(TableError) as error:
        parse_klarf(text)
    assert reason in str(error.value)


@pytest.mark.parametrize("cut", range(60, len(FLAT) - 12, 41))
def test_a_flat_file_cut_short_inside_a_statement_is_told(cut):
    text = FLAT[:cut]
    if text.rstrip().endswith(";") or not text.strip():
        return
    with pytest.raises(TableError, match=r"line \d+: "):
        parse_klarf(text)


@pytest.mark.parametrize("text", ["", "path,label\na.png,b\n", "hello there;", "\x89PNG;"])
def test_what_is_no_klarf_is_told(text):
    with pytest.raises(TableError, match="line 1: "):
        parse_klarf(text)


def test_a_defect_list_before_its_spec_is_told():
    with pytest.raises(TableError, match="line 2: DefectList before any DefectRecordSpec"):
        parse_klarf("FileVersion 1 2;\nDefectList\n1 2;\n")


def test_old_8_bit_letters_are_read(tmp_path):
    path = tmp_path / "a.klarf"
    path.write_bytes(FLAT.replace("ETCH", "ÄTZ").encode("latin-1"))
    assert read_klarf(path).wafers[0].step == "ÄTZ"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["lot.klarf", "lot.txt"])
def test_a_klarf_saved_by_an_editor_on_windows_is_read(tmp_path, name, encoding):
    path = tmp_path / name
    path.write_bytes(FLAT.replace("LOT 1", "Größe").encode(encoding))
    assert is_klarf(path)
    assert "Größe" == read_klarf(path).wafers[0].lot
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TableError, match=r"is written in UTF-16-[BL]E, and its byte .* as UTF-8"):
        read_klarf(path)


def test_a_klarf_that_is_not_there_is_told(tmp_path):
    with pytest.raises(TableError, match=r"gone\.klarf cannot be read: No such file"):
        read_klarf(tmp_path / "gone.klarf")


@pytest.fixture
def lot(tmp_path):
    """A KLARF with its multi-page TIFF: three pages of 40 x 30 pixels."""
    tifffile.imwrite(
        tmp_path / "review.tif", np.zeros((3, 30, 40), np.uint8), photometric="minisblack"
    )
    (tmp_path / "lot.001").write_text(FLAT)
    return tmp_path / "lot.001"


def test_boxes_lie_in_the_middle_of_a_defects_first_picture(lot):
    boxes = read_boxes(lot, um_per_pixel=0.5, read_sizes=read_sizes)
    picture = str(lot.parent / "review.tif")
    assert boxes.to_dict("list") == {
        "path": [picture, picture],
        "page": [0, 2],
        "xmin": [16.0, 19.0],
        "ymin": [13.0, 14.0],
        "xmax": [24.0, 21.0],
        "ymax": [17.0, 16.0],
    }


def test_boxes_end_at_the_pictures_edges(lot):
    boxes = read_boxes(lot, um_per_pixel=0.01, read_sizes=read_sizes)
    assert list(boxes[["xmin", "ymin", "xmax", "ymax"]].iloc[0]) == [0.0, 0.0, 40.0, 30.0]


def test_boxes_need_the_pixel_size(lot):
    with pytest.raises(OptionError, match="say the pixel size of its pictures with --um-per-pixel"):
        read_boxes(lot, read_sizes=read_sizes)
    with pytest.raises(ValueError, match="pass read_sizes"):
        read_boxes(lot, um_per_pixel=1.0)


def test_boxes_of_defects_without_a_size_are_points(tmp_path):
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    text = "FileVersion 1 2;\nTiffFileName a.png;\n"
    text += "DefectRecordSpec 3 DEFECTID IMAGECOUNT IMAGELIST ;\nDefectList\n 1 1 1 1 0;\n"
    (tmp_path / "a.txt").write_text(text)  # told by its content
    boxes = read_boxes(tmp_path / "a.txt", read_sizes=read_sizes)
    assert list(boxes[["xmin", "ymin", "xmax", "ymax"]].iloc[0]) == [20.0, 15.0, 20.0, 15.0]


def test_boxes_of_a_picture_that_cannot_be_read_are_kept_for_it_to_be_told(lot):
    (lot.parent / "review.tif").unlink()
    boxes = read_boxes(lot, um_per_pixel=0.5, read_sizes=read_sizes)
    assert list(boxes["xmin"]) == [-4.0, -1.0]


def test_boxes_without_any_picture_are_told(tmp_path):
    text = FLAT.replace("IMAGECOUNT IMAGELIST", "IMAGECOUNT OTHER")
    (tmp_path / "a.klarf").write_text("FileVersion 1 2;\nDefectRecordSpec 1 DEFECTID;\n"
                                      "DefectList\n 1;\n")  # fmt: skip
    assert text != FLAT
    for read in (lambda path: read_boxes(path, read_sizes=read_sizes), read_metadata):
        with pytest.raises(TableError, match="no defect refers to a picture"):
            read(tmp_path / "a.klarf")


def test_image_numbers_may_count_from_0(lot):
    lot.write_text(
        FLAT.replace("2 2 1 0 2 3 aa", "2 2 0 0 1 3 aa").replace("1 1\n 3 0", "1 1\n 2 0")
    )
    assert list(read_boxes(lot, um_per_pixel=1, read_sizes=read_sizes)["page"]) == [0, 2]


def test_pictures_named_on_the_tools_disk_are_found_beside_the_klarf(tmp_path):
    Image.new("L", (40, 30)).save(tmp_path / "pic.jpg")
    text = NESTED.replace("pic,1.jpg", "D:\\results\\lot1\\pic.jpg")
    (tmp_path / "a.klarf").write_text(text)
    boxes = read_boxes(tmp_path / "a.klarf", um_per_pixel=1, read_sizes=read_sizes)
    assert list(boxes["path"]) == [str(tmp_path / "pic.jpg")]
    np.testing.assert_allclose(boxes[["xmin", "xmax"]], [[18.0, 22.0]])


def test_metadata_of_a_multi_page_file_is_by_page(lot):
    frame = read_metadata(lot)
    assert list(frame.index) == ["review.tif"] * 3
    assert list(frame["page"]) == [0, 1, 2]
    assert frame.drop(columns="page").iloc[2].to_dict() == {
        "lot": "LOT 1", "wafer": "W01", "slot": "5", "step": "ETCH", "device": "DEV",
        "recipe": "recipe_a", "tool": "MAKER MODEL EQ7", "time": "2026-11-24T09:05:00",
        "wafer_x_um": "30.0", "wafer_y_um": "-1980.0", "wafer_diameter_mm": "300.0",
        "class_name": "Unclassified",
        "defectid": "3", "xrel": "10.0", "yrel": "20.0", "die_x": "0", "die_y": "0",
        "xsize": "1.0", "ysize": "1.0", "classnumber": "0", "test": "1", "memo": "cc",
    }  # fmt: skip
    assert frame["class_name"].iloc[0] == "Big; particle"


def test_metadata_of_single_files_is_by_name(tmp_path):
    text = """FileVersion 1 2;
LotID "L";
DefectRecordSpec 3 DEFECTID IMAGECOUNT IMAGELIST ;
TiffFileName a.jpg;
WaferID "1";
DefectList
 1 1 1 1 0;
TiffFileName b.jpg;
WaferID "2";
DefectList
 1 1 1 1 0;
"""
    (tmp_path / "a.klarf").write_text(text)
    frame = read_metadata(tmp_path / "a.klarf")
    assert "page" not in frame
    assert frame["wafer"].to_dict() == {"a.jpg": "1", "b.jpg": "2"}


def test_two_defects_of_one_picture_are_told(tmp_path):
    text = FLAT.replace("1 1\n 3 0 cc", "1 1\n 1 0 cc")
    (tmp_path / "a.klarf").write_text(text)
    with pytest.raises(TableError, match="defect 1 of wafer W01 and defect 3 of wafer W01"):
        read_metadata(tmp_path / "a.klarf")


def test_a_class_below_zero_is_read():
    text = FLAT.replace(' 0 "Unclassified"', ' -1 "Unclassified"').replace(
        "2.0 7 1 2", "2.0 -1 1 2"
    )
    klarf = parse_klarf(text)
    assert klarf.classes == {-1: "Unclassified", 7: "Big; particle"}
    assert klarf.wafers[0].defects["CLASSNUMBER"].tolist() == [-1, 0, 0]
    assert parse_klarf(NESTED.replace('0 "Uncl', '-1 "Uncl')).classes[-1] == "Unclassified"


@pytest.mark.parametrize("end", ["", ";"])
def test_file_names_below_their_rows(end):
    text = "FileVersion 1 2;\nDefectRecordSpec 3 DEFECTID IMAGECOUNT IMAGELIST ;\nDefectList\n"
    text += f' 1 1 1 4 0\n FILENAME a.jpg{end}\n 2 0 0\n FILENAME "b c.jpg";\n'
    wafer = parse_klarf(text + "SummarySpec 1 TESTNO ;\nEndOfFile;\n").wafers[0]
    assert wafer.images == (
        (KlarfImage(file="a.jpg", number=4),),
        (KlarfImage(file="b c.jpg", number=1),),
    )


def test_a_list_without_its_semicolon_ends_where_the_next_statement_begins():
    text = FLAT.replace("3 0 cc;", "3 0 cc").replace("NA 1 7 1 0 0 dd;", "NA 1 7 1 0 0 dd")
    assert [list(w.defects["MEMO"]) for w in parse_klarf(text).wafers] == [
        ["aa", "bb", "cc"],
        ["dd"],
    ]


def test_nested_images_that_are_a_number_alone_are_in_the_wafers_file():
    text = NESTED.replace(
        "Field SlotNumber 1 {5}", 'Field SlotNumber 1 {5} Field ImageFileName 2 {"L.I01", "TIF"}'
    )
    text = text.replace('"pic,1.jpg" "JPG" 1 "top", "b.tif" "TIF" 3', '1 "30",2 "31"')
    assert parse_klarf(text).wafers[0].images[0] == (
        KlarfImage(file="L.I01", number=1),
        KlarfImage(file="L.I01", number=2),
    )


@pytest.mark.parametrize(
    "text",
    [
        'Record FileRecord "1.8" {\n' + 'Record A "x" {\n' * 5000,
        f"FileVersion 1 2;\nDefectRecordSpec {'1' * 5000} DEFECTID;\nDefectList 1;\n",
        f"FileVersion 1 2;\nClassLookup 1\n {'9' * 5000} a;\n",
    ],
)
def test_what_no_tool_writes_is_refused_in_one_line(text):
    with pytest.raises(TableError, match="KLARF, line") as caught:
        parse_klarf(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("size", "millimetres"),
    [
        ("2 {300000000, 0}", 300),  # as every public file of 1.8 has it
        ("2 {1, 300000000}", 300),
        ("1 {200000000}", 200),
        ("2 {300, 0}", 300),
        ("2 {1, 150}", 150),
        ("2 {300000000, 300000000}", 300),
        ("2 {300000, 0}", 300),  # micrometres
        ("2 {0, 0}", None),
        ("2 {1, 0}", None),
        ("2 {510000000, 515000000}", None),  # a panel is not round
        ("3 {2, 510000000, 515000000}", None),
        ("0 {}", None),
    ],
)
def test_the_diameter_of_a_nested_file(size, millimetres):
    text = f'Record FileRecord "1.8" {{ Field SampleSize {size} Record WaferRecord "1" {{ }} }}'
    (wafer,) = parse_klarf(text).wafers
    found = wafer.diameter / 1000
    assert (None if math.isnan(found) else round(found, 6)) == millimetres


@pytest.mark.parametrize(
    ("size", "millimetres"),
    [("1 300", 300), ("300 0", 300), ("300", 300), ("1 300000", 300), ("2 300 0", 300),
     ("1 0", None), ("2 510 515", None), ("1 nan", None)],
)  # fmt: skip
def test_the_diameter_of_a_flat_file(size, millimetres):
    text = f"FileVersion 1 2;\nSampleSize {size};\nDefectRecordSpec 1 DEFECTID ;\nWaferID 1;\n"
    (wafer,) = parse_klarf(text).wafers
    found = wafer.diameter / 1000
    assert (None if math.isnan(found) else round(found, 6)) == millimetres


@pytest.mark.parametrize(
    ("stamp", "other", "expected"),
    [
        ("11-24-2026 10:00:00", "", "2026-11-24T10:00:00"),
        ("24-11-2026 10:00:00", "", "2026-11-24T10:00:00"),
        ("03-04-26 10:00:00", "", "2026-03-04T10:00:00"),  # as the format has it
        ("03-04-26 10:00:00", "13-04-26 10:00:00", "2026-04-03T10:00:00"),
        ("03/04/2026 9:05", "04/13/2026 09:00:00", "2026-03-04T09:05:00"),
        ("03.04.2026 10:00:00", "", "2026-04-03T10:00:00"),
        ("13-25-2026 10:00:00", "", "13-25-2026 10:00:00"),  # no day of any calendar
        ("2026/04/03 10:00:00", "", "2026-04-03T10:00:00"),
        ("03-APR-2026 10:00:00", "", "2026-04-03T10:00:00"),
        ("04-03-2026 01:30:00 PM", "", "2026-04-03T13:30:00"),
        ("04-03-2026 10:00:00.250", "", "2026-04-03T10:00:00.250"),
        ("yesterday", "", "yesterday"),
    ],
)
def test_dates_have_the_month_or_the_day_first(stamp, other, expected):
    head = f"FileVersion 1 2;\nFileTimestamp {other};\n" if other else "FileVersion 1 2;\n"
    text = f"{head}ResultTimestamp {stamp};\nDefectRecordSpec 1 DEFECTID ;\nWaferID 1;\n"
    assert [expected] == [wafer.time for wafer in parse_klarf(text).wafers]
    day, _, clock = stamp.partition(" ")
    first, _, second = other.partition(" ")
    text = f"""Record FileRecord "1.8" {{ Field FileTimestamp 2 {{"{first}", "{second}"}}
      Field ResultTimestamp 2 {{"{day}", "{clock}"}} Record WaferRecord "1" {{ }} }}"""
    assert [expected] == [wafer.time.strip() for wafer in parse_klarf(text).wafers]


ROWS = "FileVersion 1 2;\nTiffFileName a.tif;\nDefectRecordSpec 3 DEFECTID IMAGECOUNT IMAGELIST ;\n"


@pytest.mark.parametrize(
    "between",
    [
        "TiffFileName b.tif;\n", ";\nTiffFileName b.tif;\n", ";\nTiffFileName b.tif;\nDefectList\n",
        "Comment seen twice;\nTiffFileName b.tif;\n", "ReviewTool eDR\nTiffFileName b.tif;\n",
        ";\nFILENAME a.tif;\nTiffFileName b.tif;\n", "FILENAME a.tif\nTiffFileName b.tif;\n",
    ],
)  # fmt: skip
def test_statements_stand_between_the_rows_of_a_list(between):
    text = f"{ROWS}WaferID 1;\nDefectList\n 1 1 1 1 0\n{between} 2 1 1 2 0;\nSummarySpec 1 X ;\n"
    (wafer,) = parse_klarf(text).wafers
    assert [1, 2] == wafer.defects["DEFECTID"].tolist()
    assert [("a.tif", 1), ("b.tif", 2)] == [(i.file, i.number) for (i,) in wafer.images]


def test_what_is_damaged_is_no_statement():
    with pytest.raises(TableError, match="line 6"):
        parse_klarf(f"{ROWS}WaferID 1;\nDefectList\n1a 1 1 1 0 7;\n 2 1 1 2 0;\n")


def test_nested_records_and_long_numbers_are_bounded():
    deep = "Record FileRecord " + "{ Record A " * 100_000
    with pytest.raises(TableError, match="records in records, 51 deep: is it a KLARF"):
        parse_klarf(deep)
    digits = "9" * 5000
    text = f"FileVersion 1 2;\nDefectRecordSpec 2 DEFECTID NOTE ;\nDefectList\n{digits} 1_0;\n"
    (wafer,) = parse_klarf(text).wafers
    assert [digits] == wafer.defects["DEFECTID"].tolist()
    assert ["1_0"] == wafer.defects["NOTE"].tolist()
    with pytest.raises(TableError, match="the number of columns"):
        parse_klarf(f"FileVersion 1 2;\nDefectRecordSpec {digits} A ;\n")
    with pytest.raises(TableError, match="CLASSNUMBER is '1_0', expected a number"):
        parse_klarf("FileVersion 1 2;\nDefectRecordSpec 1 CLASSNUMBER ;\nDefectList\n1_0;\n")


@pytest.mark.parametrize("name", ["LOT.I01", "LOT.T01", "LOT.001", "lot.t01", "LOT"])
def test_pictures_of_a_file_of_any_ending_have_pages(tmp_path, name):
    text = f"{ROWS.replace('a.tif', name)}DefectList\n 1 1 1 1 0\n 2 1 1 5 0;\n"
    pages = [(image.name, image.page) for image in list_images(parse_klarf(text), tmp_path)]
    assert [(name, 0), (name, 4)] == pages
