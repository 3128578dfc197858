"""Pictures of a review: thumbnails, levels, parts, bounds, and files that changed."""

import io
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import tifffile
from PIL import Image

from discovery.review.server.cache import BoundedCache
from discovery.review.server.drawing import apply_window, draw_pixels, shrink_pixels
from discovery.review.server.image_files import ImageFiles
from discovery.review.server.pictures import Pictures
from embeddings.errors import ImageError, StoreError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.images import Region
from embeddings.reader import Part
from embeddings.store import open_store


def show(drawn):
    with Image.open(io.BytesIO(drawn.data)) as opened:
        return np.asarray(opened)


@pytest.fixture
def pictures_of(tmp_path):
    """Return a function that embeds a folder of files and gives their pictures."""

    def make(folder, **options):
        chosen = ExtractOptions(extractor="texture", **options)
        extract_vectors(folder, tmp_path / "store", options=chosen)
        store = open_store(tmp_path / "store")
        vectors = store.load_vectors()
        return Pictures(ImageFiles(store, vectors.ids, vectors.rows["paths"].tolist()))

    return make


def write(folder, pixels, name="one.tif", **options):
    folder.mkdir(exist_ok=True)
    tifffile.imwrite(folder / name, pixels, **options)
    return folder


@pytest.fixture
def levels16():
    """A 16-bit ramp."""
    return np.linspace(1000, 3000, 64 * 48).reshape(48, 64).astype(np.uint16)


def test_full_resolution_has_every_grey_level_of_the_window(pictures_of, tmp_path, levels16):
    pictures = pictures_of(write(tmp_path / "in", levels16))
    drawn = pictures.draw_full(0, window=(1000, 1255))
    assert drawn.media_type == "image/png"
    assert show(drawn).tolist() == np.clip(levels16.astype(int) - 1000, 0, 255).tolist()
    told = pictures.describe(0)
    assert (told["bits"], told["lowest"], told["highest"]) == (16, 1000.0, 3000.0)
    low, high = pictures.files.store.windows["uint16"]
    assert (told["low"], told["high"]) == (low, high)


def test_a_part_is_cut_and_another_page_is_shown(pictures_of, tmp_path, levels16):
    pages = np.stack([levels16, levels16[::-1]])
    pictures = pictures_of(write(tmp_path / "in", pages))
    part = pictures.draw_full(
        0, window=(1000, 3000), region=Region(x0=8, y0=4, width=16, height=10)
    )
    assert show(part).shape == (10, 16)
    first, second = (show(pictures.draw_full(0, page=page)) for page in (0, 1))
    assert first[::-1].tolist() == second.tolist()
    assert show(pictures.draw_full(1)).tolist() == second.tolist()
    with pytest.raises(ImageError, match="no page 7"):
        pictures.draw_full(0, page=7)
    with pytest.raises(ImageError, match="outside"):
        pictures.draw_full(0, region=Region(x0=500, y0=0, width=5, height=5))


def test_tiles_are_parts_of_their_page(pictures_of, tmp_path):
    ramp = np.arange(64, dtype=np.uint8)[None].repeat(64, axis=0) + np.arange(0, 128, 2)[:, None]
    pictures = pictures_of(write(tmp_path / "in", ramp.astype(np.uint8)), tile=32)
    assert len(pictures.files) == 9  # they overlap
    shown = [show(pictures.draw_full(index)) for index in range(9)]
    for index, tile in enumerate(shown):
        row = pictures.files.describe(index)
        box = ramp[row["y0"] : row["y0"] + 32, row["x0"] : row["x0"] + 32]
        assert tile.tolist() == box.tolist()


def test_thumbnails_are_small_and_kept(pictures_of, tmp_path, levels16):
    pictures = pictures_of(write(tmp_path / "in", np.tile(levels16, (8, 8))))
    thumbnail = pictures.draw_thumbnail(0, 128)
    assert max(show(thumbnail).shape) == 128
    assert pictures.draw_thumbnail(0, 128) is thumbnail


def test_a_map_of_a_few_levels_stays_so(pictures_of, tmp_path):
    dies = np.random.default_rng(0).integers(0, 3, (40, 40)).astype(np.uint8) * 127
    pictures = pictures_of(write(tmp_path / "in", dies))
    thumbnail = pictures.draw_thumbnail(0, 96)
    assert thumbnail.media_type == "image/png"
    assert show(thumbnail).tolist() == dies.tolist()


def test_heights_are_levelled_as_the_extractor_saw_them(pictures_of, tmp_path):
    y, x = np.mgrid[:40, :40]
    heights = (5.0 * x + 3.0 * y + np.random.default_rng(0).normal(0, 1, (40, 40))).astype("f4")
    pictures = pictures_of(write(tmp_path / "in", heights), level="plane")
    told = pictures.describe(0)
    assert told["highest"] - told["lowest"] < 12
    assert show(pictures.draw_full(0)).std() > 10


def test_a_changed_file_is_never_shown(pictures_of, tmp_path, levels16):
    folder = write(tmp_path / "in", levels16)
    pictures = pictures_of(folder)
    write(folder, levels16[::-1].copy())
    with pytest.raises(ImageError, match=r"one\.tif is not there any more, or has changed"):
        pictures.draw_thumbnail(0, 96)
    (folder / "one.tif").unlink()
    with pytest.raises(ImageError, match="not there any more"):
        pictures.draw_full(0)


def test_a_copied_file_is_told_by_its_content(pictures_of, tmp_path, levels16):
    folder = write(tmp_path / "in", levels16)
    pictures = pictures_of(folder)
    data = (folder / "one.tif").read_bytes()
    (folder / "one.tif").unlink()
    (folder / "one.tif").write_bytes(data)  # another time, the same picture
    assert pictures.draw_thumbnail(0, 96).data


def test_of_two_files_of_one_image_the_one_that_is_left_is_shown(pictures_of, tmp_path, levels16):
    folder = write(tmp_path / "in", levels16)
    shutil.copy(folder / "one.tif", folder / "two.tif")
    pictures = pictures_of(folder)
    assert len(pictures.files) == 1
    (folder / "one.tif").unlink()
    assert pictures.files.find_part(0) == Part(
        path=str(folder / "two.tif"), image_id=str(pictures.files.ids[0])
    )
    assert pictures.draw_full(0).data


def test_a_store_without_places_has_no_heat(pictures_of, tmp_path, levels16):
    pictures = pictures_of(write(tmp_path / "in", levels16))
    assert not pictures.has_heat
    with pytest.raises(StoreError, match="has no heat maps"):
        pictures.draw_heat(0)
    assert not pictures.has_references
    with pytest.raises(ImageError, match="no reference"):
        pictures.draw_reference(0)


def test_a_huge_picture_is_shrunk_by_blocks_and_its_parts_are_not():
    pixels = np.repeat(np.repeat(np.arange(60, dtype=np.uint16).reshape(6, 10), 4, 0), 4, 1)
    small, factor = shrink_pixels(pixels, 60)
    assert (small.tolist(), factor) == (np.arange(60).reshape(6, 10).tolist(), 4)
    drawn = draw_pixels(pixels, (0, 255), most=60)
    assert (drawn.shrunk, show(drawn).shape) == (4, (6, 10))
    assert draw_pixels(pixels, (0, 255)).shrunk == 1
    colours = np.stack([pixels] * 3, axis=2).astype(np.uint8)
    assert shrink_pixels(colours, 60)[0].shape == (6, 10, 3)


def test_wide_and_narrow_numbers_are_windowed_alike():
    levels = np.array([[0, 10, 20, 300]], np.uint16)
    for dtype in (np.uint16, np.float32):
        assert apply_window(levels.astype(dtype), (10, 20)).tolist() == [[0, 0, 255, 255]]
    offset = np.array([[1e7, 1e7 + 1, 1e7 + 2]], np.float32)
    assert apply_window(offset, (1e7, 1e7 + 2)).tolist() == [[0, 128, 255]]


def test_the_cache_is_bounded_and_makes_each_value_once():
    made = []

    def make(key):
        made.append(key)
        return "x" * 40

    cache = BoundedCache(100, len)
    for key in (1, 2, 1, 3, 1, 2):
        cache.get(key, lambda key=key: make(key))
    assert made == [1, 2, 3, 2]  # 2 was the least recently used when 3 came
    assert cache.size == 80
    assert cache.get("large", lambda: "x" * 200) == "x" * 200
    assert cache.size == 80


def test_what_is_made_of_another_value_is_never_waited_for_by_itself():
    cache = BoundedCache(10**6, len)
    pages = [f"page {number}" for number in range(20)]

    def make_tile(number):
        return cache.get(pages[number % 20], lambda: b"page") + b"%d" % number

    # Several tiles of one page at the same time.
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(cache.get, n, partial(make_tile, n)) for n in range(400)]
        assert [b"page%d" % n for n in range(400)] == [one.result(20) for one in asked]
    assert {} == cache._making


def test_of_many_that_ask_at_once_one_makes():
    made, ready = [], threading.Barrier(8)
    cache = BoundedCache(100, len)

    def ask():
        ready.wait(30)
        cache.get("page", lambda: made.append(1) or "value")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert made == [1]


@pytest.mark.slow
def test_the_golden_image_is_beside_and_what_differs_from_it_is_hot(tmp_path):
    pytest.importorskip("torch")
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = ["path,reference"]
    for number in range(3):
        golden = rng.integers(60, 120, (64, 64), dtype=np.uint8)
        seen = golden.copy()
        seen[40:56, 8 * number : 8 * number + 16] = 255
        for name, pixels in ((f"golden{number}.png", golden), (f"{number}.png", seen)):
            Image.fromarray(pixels).save(folder / name)
        rows.append(f"{number}.png,golden{number}.png")
    (folder / "pairs.csv").write_text("\n".join(rows))
    chosen = ExtractOptions(extractor="lite", pooling="residual", device="cpu")
    extract_vectors(folder / "pairs.csv", tmp_path / "store", options=chosen)
    store = open_store(tmp_path / "store")
    vectors = store.load_vectors()
    pictures = Pictures(ImageFiles(store, vectors.ids, vectors.rows["paths"].tolist()))
    assert (pictures.has_references, pictures.has_heat) == (True, True)
    one = int(np.flatnonzero([path.endswith("/1.png") for path in vectors.rows["path"]])[0])
    with Image.open(folder / "golden1.png") as opened:
        assert show(pictures.draw_reference(one)).tolist() == np.asarray(opened).tolist()
    hot = show(pictures.draw_heat(one)).astype(int)  # (h, w, 3)
    redness = hot[..., 0] - hot[..., 2]
    assert redness[40:56, 8:24].mean() > 5 + redness[:24, 40:].mean()
