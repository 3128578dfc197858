"""Pages, tiles and boxes: what each row is part of, and where in it."""

from collections import Counter

import numpy as np
import pytest
import tifffile

from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.images import decode, fingerprint_file
from embeddings.store import open_store

KLARF = """FileVersion 1 2;
LotID "LOT1";
StepID "ETCH";
WaferID "W01";
DefectRecordSpec 9 DEFECTID XREL YREL XINDEX YINDEX XSIZE YSIZE IMAGECOUNT IMAGELIST ;
DefectList
 1 1 1 1 -2 4.0 2.0 1 1 1 0
 2 1 1 0 3 2.0 2.0 1 1 2 0;
EndOfFile;
"""


@pytest.fixture
def run(tmp_path):
    def run(source, **options):
        options = ExtractOptions(extractor="texture", **options)
        return extract_vectors(source, tmp_path / "store", options=options)

    return run


@pytest.fixture
def rows_of(tmp_path):
    def rows_of(ids):
        vectors = open_store(tmp_path / "store").load_vectors(ids)
        return vectors.rows.assign(image_id=vectors.ids)

    return rows_of


@pytest.fixture
def stack(tmp_path, picture):
    """A TIFF of three pages."""
    path = tmp_path / "images" / "stack.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.stack([picture(i) for i in range(3)]), photometric="minisblack")
    return path


def test_each_page_is_a_row(run, rows_of, stack):
    extracted = run(stack.parent)
    name = fingerprint_file(stack)
    assert [f"{name}#0", f"{name}#1", f"{name}#2"] == extracted.ids.tolist()
    assert (1, 3) == (extracted.computed, extracted.rows)
    assert [0, 1, 2] == rows_of(extracted.ids)["page"].tolist()
    assert 0 == run(stack.parent).computed


def test_a_page_has_the_vector_of_the_same_picture_in_a_file_of_its_own(
    run, stack, picture, save_picture, tmp_path
):
    save_picture(stack.parent / "alone.tif", picture(1))
    run(stack.parent)
    vectors = open_store(tmp_path / "store").load_vectors()
    by_id = dict(zip(vectors.ids, vectors.values, strict=True))
    alone = by_id[fingerprint_file(stack.parent / "alone.tif")]
    assert np.array_equal(alone, by_id[f"{fingerprint_file(stack)}#1"])


def test_one_broken_page_leaves_the_whole_file_out(run, stack):
    data = bytearray(stack.read_bytes())
    stack.write_bytes(data[: len(data) - 64 * 32])
    extracted = run(stack.parent)
    assert (0, 0) == (len(extracted.ids), extracted.rows)
    assert "truncated" in extracted.quarantined[0][1]


def test_tiles_know_their_parent_and_position(run, rows_of, picture, save_picture, tmp_path):
    path = save_picture(tmp_path / "images" / "a.png", picture(0, side=96))
    extracted = run(path.parent, tile=64)
    name = fingerprint_file(path)
    places = [(0, 0), (32, 0), (0, 32), (32, 32)]
    assert [f"{name}@{x},{y},64,64" for x, y in places] == extracted.ids.tolist()
    rows = rows_of(extracted.ids)
    assert [name] * 4 == rows["parent_id"].tolist()
    assert places == list(zip(rows["x0"], rows["y0"], strict=True))
    assert (rows["width"] == 64).all()
    assert (rows["height"] == 64).all()
    assert 0 == run(path.parent, tile=64).computed


def test_whole_pictures_and_tiles_live_side_by_side(run, make_images, tmp_path):
    images = make_images(n=1)
    assert 1 == run(images).rows
    assert 4 == run(images, tile=40).rows
    assert (0, 1) == (run(images).computed, len(run(images).ids))
    assert 4 == len(run(images, tile=40).ids)
    assert 5 == len(open_store(tmp_path / "store"))


def test_tiles_of_a_stack_belong_to_their_page(run, rows_of, stack):
    extracted = run(stack.parent, tile=64)
    name = fingerprint_file(stack)
    assert [f"{name}#{page}" for page in range(3)] == rows_of(extracted.ids)["parent_id"].tolist()


def write_boxes(tmp_path, *lines):
    (tmp_path / "boxes.csv").write_text("path,xmin,ymin,xmax,ymax,page\n" + "\n".join(lines))
    return tmp_path / "boxes.csv"


def test_boxes_of_a_csv_are_one_row_a_defect(run, rows_of, make_images, tmp_path):
    images = make_images(n=3)
    boxes = write_boxes(
        tmp_path,
        "images/0.png,10,12,14,20,0",
        "images/0.png,40,40,60,44,0",
        "images/2.png,1,1,3,3,0",
        "images/2.png,1,1,3,3,0",  # the same place twice is one crop
    )
    extracted = run(images, boxes=boxes)
    first = fingerprint_file(images / "0.png")
    assert (2, 3) == (extracted.computed, extracted.rows)
    rows = rows_of(extracted.ids)
    assert [8, 20, 2] == rows["defect_px"].tolist()
    # A square of twice the longer side, 32 pixels at least, round the box's middle.
    assert [(-4, 0, 32, 32), (30, 22, 40, 40), (-14, -14, 32, 32)] == list(
        rows[["x0", "y0", "width", "height"]].itertuples(index=False, name=None)
    )
    assert [first, first, fingerprint_file(images / "2.png")] == rows["parent_id"].tolist()
    assert (0, 0) == (run(images, boxes=boxes).computed, run(images, boxes=boxes).rows)


def test_only_new_boxes_are_computed(run, make_images, tmp_path):
    images = make_images(n=1)
    run(images, boxes=write_boxes(tmp_path, "images/0.png,10,12,14,20,0"))
    boxes = write_boxes(tmp_path, "images/0.png,10,12,14,20,0", "images/0.png,40,40,60,44,0")
    extracted = run(images, boxes=boxes)
    assert (1, 2) == (extracted.rows, len(extracted.ids))
    boxes = write_boxes(tmp_path, "images/0.png,40,40,60,44,0")
    assert (0, 1) == ((again := run(images, boxes=boxes)).rows, len(again.ids))


def test_copies_of_a_file_may_have_boxes_of_their_own(run, make_images, tmp_path):
    images = make_images(n=1)
    (images / "copy.png").write_bytes((images / "0.png").read_bytes())
    boxes = write_boxes(tmp_path, "images/0.png,10,12,14,20,0", "images/copy.png,40,40,60,44,0")
    extracted = run(images, boxes=boxes)
    assert (2, 2) == (extracted.rows, len(extracted.ids))


def test_boxes_on_pages(run, rows_of, stack, tmp_path):
    lines = [f"images/stack.tif,10,10,20,20,{page}" for page in (0, 2)]
    extracted = run(stack.parent, boxes=write_boxes(tmp_path, *lines))
    name = fingerprint_file(stack)
    assert [f"{name}#0", f"{name}#2"] == rows_of(extracted.ids)["parent_id"].tolist()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("images/0.png,500,500,510,510,0", "lies outside of the 64x64 picture"),
        ("images/0.png,10,10,20,20,4", "a box of --boxes lies on none of its 1 pages"),
    ],
)
def test_a_box_that_is_nowhere_quarantines_its_file_alone(run, make_images, tmp_path, line, reason):
    images = make_images(n=2)
    whole = run(images)
    boxes = write_boxes(tmp_path, "images/0.png,10,12,14,20,0", line, "images/1.png,1,1,9,9,0")
    extracted = run(images, boxes=boxes)
    ((path, told),) = extracted.quarantined
    assert (str(images / "0.png"), 1) == (path, len(extracted.ids))
    assert reason in told
    # The whole pictures that were there before are there still.
    assert set(whole.ids) <= set(open_store(tmp_path / "store").load_vectors().ids)


def test_boxes_of_a_klarf_lie_in_the_middle(run, rows_of, stack):
    klarf = stack.parent / "lot.001"
    klarf.write_text(KLARF.replace('WaferID "W01";', 'WaferID "W01";\nTiffFileName stack.tif;'))
    extracted = run(stack.parent, boxes=klarf, um_per_pixel=0.1)
    rows = rows_of(extracted.ids)
    assert [0, 1] == rows["page"].tolist()
    assert [40, 20] == rows["defect_px"].round(6).tolist()
    # 4 x 2 um at 0.1 um a pixel: a square of 80 pixels round the middle of 64 x 64.
    assert [(-8, -8, 80, 80), (12, 12, 40, 40)] == list(
        rows[["x0", "y0", "width", "height"]].itertuples(index=False, name=None)
    )
    assert (rows["um_per_pixel"] == 0.1).all()


@pytest.mark.parametrize("way", ["tiles", "crops"])
def test_a_picture_is_decoded_once_for_all_its_parts(
    run, save_picture, picture, tmp_path, monkeypatch, way
):
    table = tmp_path / "boxes.csv"
    lines = ["path,xmin,ymin,xmax,ymax"]
    for number in range(3):
        save_picture(tmp_path / "images" / f"{number}.jpg", picture(number, side=128))
        lines += [f"images/{number}.jpg,{x},40,{x + 20},60" for x in (10, 50, 90)]
    table.write_text("\n".join(lines))
    counts = Counter()
    real = decode.decode_raster

    def counting(data, **limits):
        counts[data] += 1
        return real(data, **limits)

    monkeypatch.setattr(decode, "decode_raster", counting)
    # Nothing is looked at beforehand, neither for a window nor for a data bar.
    how = {"tile": 64} if way == "tiles" else {"boxes": table}
    extracted = run(tmp_path / "images", window=(0, 255), data_bar="keep", **how)
    assert extracted.rows == len(extracted.ids) == (27 if way == "tiles" else 9)
    assert [1, 1, 1] == list(counts.values())
