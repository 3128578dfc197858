"""Which images a source holds: the same ids, in every way of cutting, as the store gives."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from discovery.classifier.parts import find_parts
from embeddings.errors import InputError, OptionError, TableError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.images import Region, fingerprint_file
from embeddings.reader import Preparation, name_part, read_parts
from embeddings.store import open_store

KLARF = """FileVersion 1 2;
LotID "LOT1";
StepID "ETCH";
WaferID "W01";
DefectRecordSpec 7 DEFECTID XREL YREL XSIZE YSIZE IMAGECOUNT IMAGELIST ;
TiffFileName c/stack.tif;
DefectList
 1 1 1 4.0 2.0 1 1 1 0
 2 1 1 2.0 2.0 1 1 2 0;
EndOfFile;
"""


def draw(seed, side=48):
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two pictures, a copy of one, a stack of two pages, a broken file; nobody writes into it."""
    root = tmp_path_factory.mktemp("parts") / "images"
    (root / "c").mkdir(parents=True)
    for seed in range(2):
        Image.fromarray(draw(seed)).save(root / f"{seed}.png")
    shutil.copyfile(root / "0.png", root / "c" / "copy.png")
    stack = np.stack([draw(5), draw(6)])
    tifffile.imwrite(root / "c" / "stack.tif", stack, photometric="minisblack")
    (root / "broken.png").write_bytes(b"no picture")
    return root


@pytest.fixture
def boxes(folder, tmp_path):
    """Boxes of the first picture under one name and under the other."""
    table = tmp_path / "boxes.csv"
    rows = [(folder / "0.png", 4, 4, 30, 30), (folder / "c" / "copy.png", 20, 20, 44, 44)]
    pd.DataFrame(rows, columns=["path", "xmin", "ymin", "xmax", "ymax"]).to_csv(table, index=False)
    return table


def store_ids(folder, store, **options):
    options = ExtractOptions(extractor="texture", size=32, **options)
    return extract_vectors(folder, store, options=options).ids.tolist()


def test_thumbnails_of_a_page_are_counted_and_left_out_as_the_store_does(tmp_path):
    path = tmp_path / "images" / "b.tif"
    path.parent.mkdir()
    with tifffile.TiffWriter(path) as file:
        for number in range(3):
            kind = 1 if number == 1 else 0
            file.write(draw(number), photometric="minisblack", subfiletype=kind)
    found = find_parts(path.parent, ExtractOptions(size=32))
    assert store_ids(path.parent, tmp_path / "store") == name_all(found)
    assert [0, 2] == [part.page for part in found.parts]
    how = Preparation(spec=open_store(tmp_path / "store").spec, windows={"uint8": (0.0, 255.0)})
    (read,) = read_parts(found.parts, how)
    assert (None, 2) == (read.fault, len(read.images))


def name_all(found):
    return [part.image_id for part in found.parts]


@pytest.mark.parametrize("options", [{}, {"tile": 32}], ids=["whole", "tiles"])
def test_ids_are_those_of_the_store(folder, tmp_path, options):
    found = find_parts(folder, ExtractOptions(**options))
    assert store_ids(folder, tmp_path / "store", **options) == name_all(found)
    assert len(set(name_all(found))) == len(found.parts)


def test_crops_are_those_of_the_store_whichever_copy_bears_the_box(folder, boxes, tmp_path):
    found = find_parts(folder, ExtractOptions(boxes=boxes))
    names = store_ids(folder, tmp_path / "store", boxes=boxes)
    assert sorted(names) == sorted(name_all(found))
    assert 2 == len(names)
    assert {str(folder / "0.png")} == {part.path for part in found.parts}
    copies = (str(folder / "0.png"), str(folder / "c" / "copy.png"))
    assert copies == found.list_paths(found.parts[0])


def test_copies_are_one_part_of_several_paths(folder):
    found = find_parts(folder, ExtractOptions())
    assert 4 == len(found.parts)  # two pictures, two pages
    first = found.parts[0]
    assert fingerprint_file(folder / "0.png") == first.image_id
    assert 2 == len(found.list_paths(first))
    pages = [part.page for part in found.parts if part.path.endswith("stack.tif")]
    assert [0, 1] == pages


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(folder):
    ((path, reason),) = find_parts(folder, ExtractOptions()).faults
    assert str(folder / "broken.png") == path
    assert reason


def test_a_table_lists_files_and_names_those_that_are_gone(folder, tmp_path):
    table = tmp_path / "list.csv"
    table.write_text(f"path\n{folder / '1.png'}\n{folder / 'gone.png'}\n")
    found = find_parts(table, ExtractOptions())
    assert [str(folder / "1.png")] == [part.path for part in found.parts]
    assert ((str(folder / "gone.png"), "file not found"),) == found.faults


def test_a_folder_with_masks_says_so(tmp_path, caplog):
    for number in range(5):
        Image.fromarray(draw(number)).save(tmp_path / f"{number}.jpg")
        Image.fromarray(np.eye(48, dtype=np.uint8) * 255).save(tmp_path / f"{number}.png")
    assert 10 == len(find_parts(tmp_path, ExtractOptions()).paths) + 4  # the masks are alike
    assert "5 of 10 files look like masks" in caplog.text
    caplog.clear()
    find_parts(tmp_path, ExtractOptions(exclude=("*.png",)))
    assert [] == caplog.messages


def test_one_image_is_a_source(folder):
    found = find_parts(folder / "1.png", ExtractOptions())
    assert [fingerprint_file(folder / "1.png")] == name_all(found)


def test_a_store_is_a_source_and_keeps_its_tiles(folder, tmp_path):
    ids = store_ids(folder, tmp_path / "store", tile=32)
    found = find_parts(tmp_path / "store", ExtractOptions())
    assert ids == name_all(found)
    assert all(part.region is not None for part in found.parts)
    assert [str(folder / "broken.png")] == [path for path, _ in found.faults]


@pytest.mark.parametrize("options", [{"tile": 32}, {"exclude": ("*.tif",)}, {"um_per_pixel": 0.1}])
def test_a_store_refuses_options_that_it_cannot_follow(folder, tmp_path, options):
    store_ids(folder, tmp_path / "store")
    with pytest.raises(OptionError, match="has no effect on a store"):
        find_parts(tmp_path / "store", ExtractOptions(**options))


@pytest.mark.parametrize("of_store", [False, True], ids=["folder", "store"])
def test_only_takes_ids_of_files_and_of_pages(folder, tmp_path, of_store):
    store_ids(folder, tmp_path / "store")
    source = tmp_path / "store" if of_store else folder
    stack, single = fingerprint_file(folder / "c" / "stack.tif"), fingerprint_file(folder / "1.png")
    only = tmp_path / "only.csv"
    only.write_text(
        f"image_id,verdict\n{stack}#1,unknown\n{single},undecided\n"
        f"{fingerprint_file(folder / '0.png')},named\n"
    )
    found = find_parts(source, ExtractOptions(only=only))
    assert {f"{stack}#1", single} == set(name_all(found))


@pytest.mark.parametrize("of_store", [False, True], ids=["folder", "store"])
@pytest.mark.parametrize("name", ["{stack}#7", "0123456789abcdef"])
def test_only_that_lists_none_of_the_images_is_refused(folder, tmp_path, name, of_store):
    source = folder / "c"
    if of_store:
        store_ids(source, tmp_path / "store")
        source = tmp_path / "store"
    only = tmp_path / "only.csv"
    stack = fingerprint_file(folder / "c" / "stack.tif")
    only.write_text(f"image_id\n{name.format(stack=stack)}\n")
    with pytest.raises(OptionError, match="none of its images is in"):
        find_parts(source, ExtractOptions(only=only))


def test_a_klarf_tells_where_the_defects_are(folder, tmp_path):
    lot = tmp_path / "lot"
    shutil.copytree(folder / "c", lot / "c")
    (lot / "lot.klarf").write_text(KLARF)
    options = ExtractOptions(boxes=lot / "lot.klarf", um_per_pixel=0.1)
    found = find_parts(lot, options)
    assert [0, 1] == [part.page for part in found.parts]
    names = store_ids(lot, tmp_path / "store", boxes=options.boxes, um_per_pixel=0.1)
    assert names == name_all(found)
    with pytest.raises((OptionError, TableError), match="um-per-pixel"):
        find_parts(lot, ExtractOptions(boxes=lot / "lot.klarf"))


def test_sources_that_are_none(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="does not exist"):
        find_parts(tmp_path / "absent", ExtractOptions())
    with pytest.raises(InputError, match="holds no image"):
        find_parts(tmp_path / "empty", ExtractOptions())


def test_an_id_says_page_and_region():
    part = name_part("00aa11bb22cc33dd#3@1,2,30,40", "/lot/a.tif")
    assert (3, Region(x0=1, y0=2, width=30, height=40)) == (part.page, part.region)
    whole = name_part("00aa11bb22cc33dd", "/lot/a.png")
    assert (0, None) == (whole.page, whole.region)
