"""Vectors are of the picture without the microscope's data bar; ids and sizes of the whole."""

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.heat import draw_heat, weigh_images
from embeddings.records import DataBar
from embeddings.search import find_look_alikes
from embeddings.store import open_store
from embeddings.thumbnails import read_thumbnails

SIDE, ROWS = 128, 20


@pytest.fixture
def pictures(tmp_path, picture, save_picture, draw_bar):
    """A folder of four pictures with bars, the same without them, and one that has none."""
    for seed in range(4):
        alone = picture(seed, side=SIDE)
        whole = np.concatenate([alone, draw_bar(SIDE, ROWS, seed=seed)])
        save_picture(tmp_path / "images" / f"{seed}.png", whole)
        save_picture(tmp_path / "alone" / f"{seed}.png", alone)
    save_picture(tmp_path / "other" / "9.png", picture(9, side=SIDE + ROWS)[:, :SIDE])
    return tmp_path


def load(folder, store, **options):
    given = ExtractOptions(extractor="texture", **options)
    extracted = extract_vectors(folder, store, options=given)
    return extracted, open_store(store).load_vectors(extracted.ids)


def test_the_vector_is_that_of_the_picture_alone(pictures):
    _, cut = load(pictures / "images", pictures / "cut")
    _, kept = load(pictures / "images", pictures / "kept", data_bar="keep")
    _, alone = load(pictures / "alone", pictures / "store", data_bar="keep")
    assert np.array_equal(alone.values, cut.values)
    assert not np.allclose(alone.values, kept.values, atol=0.01)
    assert np.array_equal(kept.ids, cut.ids)  # of the file's bytes, as ever
    assert [SIDE + ROWS] * 4 == cut.rows["height"].tolist()
    assert ["bottom 20"] * 4 == [json.loads(text)["data_bar"] for text in cut.rows["metadata"]]
    assert [""] * 4 == kept.rows["metadata"].tolist()


def test_it_is_said_and_kept_in_the_store(pictures, extract):
    ran = extract(pictures / "images", "--store", pictures / "store")
    assert "data bar of 20 rows at the bottom left out of 4 of 4 images" in ran.err
    store = open_store(pictures / "store")
    assert "auto" == store.spec.data_bar
    assert {"128x148": (DataBar(edge="bottom", rows=20, level=0.0),)} == store.bars
    # Said again where nothing is computed, and one picture more is seen as the others are.
    again = extract(pictures / "images" / "0.png", "--store", pictures / "store")
    assert "data bar of 20 rows at the bottom left out of 1 of 1 image" in again.err
    found = find_look_alikes(store, pictures / "images" / "2.png")
    assert 0 == found.table["distance"].iloc[0]


@pytest.mark.parametrize(("first", "second"), [("keep", "auto"), ("auto", "keep")])
def test_a_store_keeps_its_way(pictures, extract, first, second):
    load(pictures / "images", pictures / "store", data_bar=first)
    ran = extract(pictures / "images", "--store", pictures / "store", "--data-bar", second)
    assert 2 == ran.code
    assert f"data_bar: {first} != {second}" in ran.error
    assert 0 == extract(pictures / "images", "--store", pictures / "store").code


def test_crop_puts_a_picture_without_a_bar_aside(pictures, extract):
    (pictures / "other" / "9.png").rename(pictures / "images" / "9.png")
    extracted, vectors = load(pictures / "images", pictures / "store", data_bar="crop")
    assert 4 == len(vectors)
    reason = "no data bar was found (--data-bar crop)"
    assert ((str(pictures / "images" / "9.png"), reason),) == extracted.quarantined
    # Without it the picture is taken as it is, into the same store.
    ran = extract(pictures / "images", "--store", pictures / "store")
    assert "computed 1, reused 4, quarantined 0" in ran.last


def test_crop_of_pictures_that_have_none_is_refused(pictures, extract):
    ran = extract(pictures / "alone", "--store", pictures / "store", "--data-bar", "crop")
    assert 2 == ran.code
    assert "none of 4 pictures looked at has a data bar" in ran.error


def test_tiles_and_boxes_do_not_show_the_bar(pictures, tmp_path):
    _, tiles = load(pictures / "images", pictures / "tiles", tile=64)
    ends = tiles.rows["y0"] + tiles.rows["height"]
    assert SIDE + ROWS == ends.max()  # in the frame of the whole picture
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("path,xmin,ymin,xmax,ymax\nimages/0.png,20,90,60,126\n")
    alone = tmp_path / "alone.csv"
    alone.write_text("path,xmin,ymin,xmax,ymax\nalone/0.png,20,90,60,126\n")
    _, cut = load(pictures / "images", pictures / "boxed", boxes=boxes)
    _, same = load(pictures / "alone", pictures / "same", boxes=alone)
    # What sticks out of what is seen repeats its edge, as at the edge of any picture.
    assert np.array_equal(same.values, cut.values)


def test_a_new_tool_of_the_same_size_is_seen_without_its_own_bar(pictures, picture, draw_bar):
    load(pictures / "images", pictures / "store")
    from PIL import Image

    for seed in range(20, 24):
        whole = np.concatenate(
            [picture(seed, side=SIDE), draw_bar(SIDE, ROWS, seed=seed, paper=255, ink=0)]
        )
        Image.fromarray(whole).save(pictures / "images" / f"{seed}.png")
    load(pictures / "images", pictures / "store")
    levels = [bar.level for bar in open_store(pictures / "store").bars["128x148"]]
    assert [0.0, 255.0] == levels


@pytest.mark.parametrize("edge", ["top", "bottom"])
def test_heat_lies_on_the_defect_and_not_beside_it(
    tmp_path, save_picture, draw_bar, random_weights, edge
):
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(90, 110, (128, 128), dtype=np.uint8)
        if number == 1:
            pixels[88:112, 80:104] = 255
        whole = [pixels, draw_bar(128, 24, seed=number)]
        save_picture(
            tmp_path / "i" / f"{number}.png", np.concatenate(whole[:: 1 - 2 * (edge == "top")])
        )
    options = ExtractOptions(pooling="defect", size=128, weights=random_weights, device="cpu")
    extract_vectors(tmp_path / "i", tmp_path / "store", options=options)
    store = open_store(tmp_path / "store")
    vectors = store.load_vectors()
    (name,) = vectors.ids[vectors.rows["path"].str.endswith("1.png")]
    heat = weigh_images(vectors, [name], store, options=options)[name]
    assert heat.rows == ((24 / 152, 1) if edge == "top" else (0, 128 / 152))
    drawn = draw_heat(read_thumbnails(vectors, [name], store)[name], heat)
    shown = np.asarray(Image.open(BytesIO(drawn)).convert("RGB"), dtype=float)
    redness = shown[..., 0] - shown[..., 2]
    y, x = (round(place) for place in ndimage.center_of_mass(redness > 0.5 * redness.max()))
    assert abs(y * 152 / len(shown) - 100 - 24 * (edge == "top")) < 10
    assert abs(x * 128 / shown.shape[1] - 92) < 10
