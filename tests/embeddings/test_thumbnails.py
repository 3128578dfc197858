"""Small pictures: as the extractor saw them, in the order asked for, gone ones crossed out."""

from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from embeddings import ExtractOptions, draw_contact_sheet, extract_vectors, open_store
from embeddings.errors import OptionError
from embeddings.thumbnails import read_thumbnails


@pytest.fixture
def embedded(tmp_path):
    """Six pictures, darker to brighter, one of 16 bits, and their store."""
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        grey = rng.integers(0, 8, (64, 96)) + 40 * number
        Image.fromarray(grey.astype(np.uint8)).save(images / f"{number}.png")
    wide = (rng.integers(800, 1200, (64, 64))).astype(np.uint16)
    tifffile.imwrite(images / "5.tif", wide, photometric="minisblack")
    options = ExtractOptions(extractor="texture", window=None, workers=2)
    extract_vectors(images, tmp_path / "store", options=options)
    store = open_store(tmp_path / "store")
    return images, store.load_vectors(), store


def decode(data):
    with Image.open(BytesIO(data)) as picture:
        return np.asarray(picture).astype(float)


def test_a_thumbnail_shows_the_picture_in_the_stores_window(embedded):
    _, vectors, store = embedded
    shown = read_thumbnails(vectors, vectors.ids.tolist(), store, side=48)
    assert sorted(vectors.ids) == sorted(shown)
    by_name = {
        path[-5:]: shown[i] for path, i in zip(vectors.rows["path"], vectors.ids, strict=True)
    }
    assert decode(by_name["0.png"]).shape == (32, 48)  # the shape is kept
    means = [decode(by_name[f"{number}.png"]).mean() for number in range(5)]
    assert means == sorted(means)
    assert means[4] - means[0] > 100
    # Levels 800 to 1,200 of 65,536 fill the range from black to white.
    assert decode(by_name["5.tif"]).std() > 30


def test_a_picture_that_has_gone_or_changed_is_left_out(embedded):
    images, vectors, store = embedded
    (images / "0.png").unlink()
    Image.new("RGB", (64, 64)).save(images / "1.png")  # still of 8 bits, and another picture
    tifffile.imwrite(images / "5.tif", np.ones((64, 64), np.float32))
    shown = read_thumbnails(vectors, vectors.ids.tolist(), store)
    names = {
        path[-5:] for path, i in zip(vectors.rows["path"], vectors.ids, strict=True) if i in shown
    }
    assert names == {"2.png", "3.png", "4.png"}


def test_tiles_of_one_picture_show_their_own_part(tmp_path):
    image = np.zeros((64, 128), np.uint8)
    image[:, 64:] = 200
    image[::2] += 20
    (tmp_path / "images").mkdir()
    Image.fromarray(image).save(tmp_path / "images" / "a.png")
    options = ExtractOptions(extractor="texture", tile=64)
    extract_vectors(tmp_path / "images", tmp_path / "store", options=options)
    store = open_store(tmp_path / "store")
    vectors = store.load_vectors()
    shown = read_thumbnails(vectors, vectors.ids.tolist(), store)
    left, right = (shown[i] for i in vectors.ids[np.argsort(vectors.rows["x0"])][[0, -1]])
    assert decode(right).mean() - decode(left).mean() > 100


def test_a_sheet_has_the_order_of_the_ids_and_a_cross_for_what_has_gone(embedded):
    images, vectors, store = embedded
    order = np.argsort(vectors.rows["path"].to_numpy())[:5][::-1]  # bright to dark
    (images / "2.png").unlink()
    ids = vectors.ids[order].tolist()
    sheet = draw_contact_sheet(vectors, ids, store, columns=3, side=48)
    assert sheet.size == (6 + 3 * 54, 6 + 2 * 54)
    grey = np.asarray(sheet.convert("L")).astype(float)
    centres = [grey[6 + 54 * (i // 3) + 24, 6 + 54 * (i % 3) + 24] for i in range(5)]
    assert centres[0] > centres[1] > centres[3] > centres[4]
    gone = grey[6 : 6 + 48, 6 + 2 * 54 : 54 + 2 * 54]
    assert np.diag(gone).max() < gone[10, 24]  # the cross is darker than the empty field


def test_title_captions_and_accent_make_room_for_themselves(embedded):
    _, vectors, store = embedded
    ids = vectors.ids[:2].tolist()
    bare = draw_contact_sheet(vectors, ids, store, columns=2, side=48)
    told = draw_contact_sheet(
        vectors, ids, store, columns=2, side=48, title="one\ntwo", accent="#ec3973",
        captions=["short", "a name that is much longer than its picture.png"],
    )  # fmt: skip
    assert told.width == bare.width
    assert told.height > bare.height
    assert (0xEC, 0x39, 0x73) in {colour for _, colour in told.getcolors(1 << 20)}


def test_no_images_make_an_empty_sheet(embedded):
    _, vectors, store = embedded
    assert draw_contact_sheet(vectors, [], store, columns=2, side=48).width == 6 + 2 * 54


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"side": 8}, {"captions": ["one too few"]}])
def test_a_wrong_option_is_said_in_one_line(embedded, wrong):
    _, vectors, store = embedded
    with pytest.raises(OptionError, match="expected"):
        draw_contact_sheet(vectors, vectors.ids[:2].tolist(), store, **wrong)
