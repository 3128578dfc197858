"""Tables as people sent them: KLARFs of tools, metadata of spreadsheets, beside their images."""

from pathlib import Path

import pytest

from embeddings.extract import ExtractOptions
from embeddings.extract.metadata import join_metadata
from embeddings.extract.recipe import make_recipe
from embeddings.extract.sources import open_source
from embeddings.tables import read_klarf, read_metadata
from embeddings.tables.klarf import list_images

CASES = Path(__file__).parents[3] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the real samples are not at {CASES}")


def list_paths(folder):
    return [str(path) for path in sorted(folder.rglob("*.png"))]


def test_a_diameter_of_which_the_second_number_is_0():
    folder = CASES / "03-klarf18-wafer-diameter-0"
    for name in ("as-tools-write.klarf", "as-product-expects.klarf"):
        metadata = read_metadata(folder / name)
        assert {"300.0"} == set(metadata["wafer_diameter_mm"])


def test_a_class_below_zero():
    flat = read_klarf(CASES / "04-klarf-negative-class" / "flat.klarf")
    assert "Unclassified" == flat.classes[-1]
    assert "Grey VC" == read_klarf(CASES / "04-klarf-negative-class" / "nested.klarf").classes[-1]


def test_images_by_their_number_in_the_wafers_file():
    folder = CASES / "05-klarf18-images-by-number"
    found = list(list_images(read_klarf(folder / "real18.001"), folder))
    assert {folder / "LOT.I01"} == {image.path for image in found}
    assert list(range(8)) == [image.page for image in found]


def test_images_that_a_klarf_names_are_of_the_source():
    folder = CASES / "06-kla-i01-images-ignored"
    options = ExtractOptions(boxes=folder / "x.klarf", um_per_pixel=0.1)
    found = open_source(folder, options)
    assert (folder / "LOT.I01",) == found.files
    boxes = make_recipe(options, [str(path) for path in found.files]).boxes
    assert list(range(8)) == [box[4] for box in boxes[str(folder / "LOT.I01")]]


@pytest.mark.parametrize(("table", "expected"), [("meta_one.csv", 12), ("meta_dup.csv", 24)])
def test_metadata_of_lots_whose_images_have_the_same_names(table, expected):
    folder = CASES / "08-metadata-by-bare-name"
    joined = join_metadata(folder / table, list_paths(folder / "imgs"))
    assert expected == len(joined)
    lots = {Path(path).parent.name for path in joined}
    assert lots == ({"lotA"} if expected == 12 else {"lotA", "lotB"})


def test_a_decimal_comma_says_what_a_point_says():
    folder = CASES / "09-decimal-comma-metadata"
    german, english = (read_metadata(folder / name) for name in ("de.csv", "en.csv"))
    assert list(english.columns) == list(german.columns)
    for name in ("cd_nm", "wafer_x_mm", "wafer_y_mm"):
        assert english[name].astype(float).tolist() == german[name].astype(float).tolist()


@pytest.mark.parametrize("name", ["a.klarf", "b.klarf"])
def test_file_names_between_the_rows(name):
    klarf = read_klarf(CASES / "12-klarf-filename-lines" / name)
    files = [image.file for wafer in klarf.wafers for (image,) in wafer.images]
    assert ["a.jpg", "b.jpg"] == files


@pytest.mark.parametrize("name", ["half.klarf", "all.klarf"])
def test_names_that_differ_in_case_alone(name):
    folder = CASES / "14-case-of-file-names"
    assert 80 == len(join_metadata(folder / name, list_paths(folder / "img")))
