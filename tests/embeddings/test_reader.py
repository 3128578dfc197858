"""The one reader: pages by number, bounded and in order, and previews as good as the files."""

import gc
import threading
import time
import tracemalloc
import weakref
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from embeddings.errors import ImageError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.extract.pieces import Job
from embeddings.extract.rows import RowPlan, read_jobs
from embeddings.images import Region, read_headers, read_pictures
from embeddings.reader import (
    CHUNK,
    OpenPart,
    Part,
    Preparation,
    Previews,
    Reference,
    are_maps,
    choose_windows,
    list_parts,
    make_preview,
    map_parts,
    name_part,
    open_parts,
    read_ahead,
    read_parts,
)
from embeddings.records import ExtractorSpec
from embeddings.store import open_store
from embeddings.thumbnails import read_thumbnails

SPEC = ExtractorSpec(name="texture", input_size=32, dim=4)
HOW = Preparation(spec=SPEC, windows={"uint8": (0.0, 255.0)}, workers=2)


def save_stack(path, pages, *, thumbnails=()):
    """Write a TIFF; the pages of these numbers are marked as thumbnails of the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as file:
        for number, pixels in enumerate(pages):
            kind = 1 if number in thumbnails else 0
            file.write(pixels, photometric="minisblack", subfiletype=kind)
    return path


@pytest.fixture
def stack(tmp_path, picture):
    """Picture, thumbnail, picture: pages 0 and 2 of three."""
    pages = [picture(0, side=32), picture(1, side=16), picture(2, side=32)]
    return save_stack(tmp_path / "images" / "b.tif", pages, thumbnails=(1,))


# --- pages by their number ---


def test_pages_keep_their_number_beside_thumbnails(stack):
    assert [(0, 3), (2, 3)] == [(page.page, page.n_pages) for page in read_pictures(stack)]
    headers = read_headers(stack)
    assert [True, False, True] == [header.is_picture for header in headers]
    assert [3, 3, 3] == [header.n_pages for header in headers]


def test_a_page_is_taken_by_its_number_and_others_are_not_decoded(stack, picture, monkeypatch):
    decoded = []
    real = tifffile.TiffPage.asarray
    monkeypatch.setattr(
        tifffile.TiffPage,
        "asarray",
        lambda page, *args, **kwargs: decoded.append(page.index) or real(page, *args, **kwargs),
    )
    (opened,) = open_parts([Part(path=str(stack), page=2)])
    assert np.array_equal(picture(2, side=32), opened.pixels)
    assert [2] == decoded


@pytest.mark.parametrize("page", [1, 3])
def test_a_page_that_is_no_picture_is_not_there(stack, page):
    with pytest.raises(ImageError, match=f"has no page {page}"):
        list(open_parts([Part(path=str(stack), page=page)]))


def test_parts_of_a_file_share_each_page(stack, monkeypatch):
    decoded = []
    real = tifffile.TiffPage.asarray
    monkeypatch.setattr(
        tifffile.TiffPage,
        "asarray",
        lambda page, *args, **kwargs: decoded.append(page.index) or real(page, *args, **kwargs),
    )
    names = ["f#2@0,0,8,8", "f#0", "f#2@8,8,8,8", "f#0@-4,0,8,8"]
    found = list(open_parts([name_part(name, str(stack)) for name in names]))
    assert ["f#0", "f#0@-4,0,8,8", "f#2@0,0,8,8", "f#2@8,8,8,8"] == [
        one.part.image_id for one in found
    ]
    assert [(32, 32), (8, 4), (8, 8), (8, 8)] == [one.pixels.shape for one in found]
    assert [0, 2] == decoded


def test_a_region_outside_of_its_page_is_an_error(stack):
    outside = Part(path=str(stack), region=Region(x0=900, y0=0, width=8, height=8))
    (opened,) = open_parts([outside])
    with pytest.raises(ImageError, match="lies outside"):
        _ = opened.pixels


# --- ahead, in order, bounded ---


def test_pieces_come_in_order_and_few_are_made_ahead():
    made, lock = [], threading.Lock()

    def work(item):
        for piece in range(item % 4):
            with lock:
                made.append((item, piece))
            yield item, piece

    taken = 0
    for found in read_ahead(work, range(40), workers=3, ahead=5):
        taken += 1
        item = found[0]
        # Of files that wait one piece is made; of the one whose turn it is one more than was taken.
        with lock:
            assert max(one for one, _ in made) <= item + 5
            assert all(piece == 0 for one, piece in made if one > item)
    assert [(item, piece) for item in range(40) for piece in range(item % 4)] == sorted(made)
    assert taken == len(made)


def test_a_consumer_that_stops_early_leaves_nothing_running():
    begun = []

    def work(item):
        begun.append(item)
        yield item

    found = read_ahead(work, range(1000), workers=2, ahead=4)
    assert 0 == next(found)
    found.close()
    assert len(begun) <= 8
    assert not [one for one in threading.enumerate() if one.name.startswith("reader")]


def test_an_error_of_the_work_reaches_the_consumer():
    def work(item):
        yield item
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        list(read_ahead(work, range(3), workers=2, ahead=4))


def test_a_stack_of_many_pages_is_read_in_small_pieces(tmp_path, picture):
    path = save_stack(tmp_path / "many.tif", [picture(i % 3, side=16) for i in range(30)])
    parts = [name_part(f"f#{page}", str(path)) for page in range(30)]
    pieces = list(read_parts(parts, HOW))
    assert max(len(piece.images) for piece in pieces) <= CHUNK
    assert [False, False, False, True] == [piece.is_last for piece in pieces]
    assert parts == [part for piece in pieces for part, _ in piece.images]


def test_of_many_stacks_a_page_each_is_in_memory(tmp_path, picture):
    stacks = [
        save_stack(tmp_path / f"{n}.tif", [picture(i, side=32) for i in range(10)])
        for n in range(12)
    ]
    parts = [name_part(f"f{n}#{i}", str(path)) for n, path in enumerate(stacks) for i in range(10)]
    pages, lock = [], threading.Lock()

    def watch(opened):
        with lock:
            pages.append(weakref.ref(opened.page.pixels))
        return opened.part.page

    most = 0
    for _ in map_parts(parts, watch, HOW):
        gc.collect(1)  # young cycles: of all that other tests left it takes seconds
        with lock:
            most = max(most, sum(page() is not None for page in pages))
    assert 120 == len(pages)
    # Of the files that wait (two a worker), of the one whose turn it is, and what is being read.
    assert most <= 2 * HOW.workers + 1 + HOW.workers


def test_a_gone_file_leaves_the_others(tmp_path, picture, save_picture):
    paths = [save_picture(tmp_path / f"{i}.png", picture(i)) for i in range(3)]
    paths[1].unlink()
    parts = [Part(path=str(path), image_id=path.stem) for path in paths]
    found = list(map_parts(parts, lambda opened: opened.pixels.shape, HOW))
    assert [("0", (64, 64)), ("2", (64, 64))] == [(part.image_id, shape) for part, shape in found]


# --- golden references ---


def test_a_reference_is_streamed_page_by_page(tmp_path, picture):
    pages = [picture(i, side=32) for i in range(4)]
    own = read_pictures(save_stack(tmp_path / "own.tif", pages))
    golden = save_stack(tmp_path / "golden.tif", pages[::-1])
    reference = Reference(str(golden), max_pixels=10_000)
    for page in (own[1], own[3]):
        assert np.array_equal(pages[3 - page.page], reference.match(page, "none").pixels)
    single = Reference(str(save_stack(tmp_path / "one.tif", pages[:1])), max_pixels=10_000)
    for page in own:
        assert np.array_equal(pages[0], single.match(page, "none").pixels)
    short = Reference(str(save_stack(tmp_path / "two.tif", pages[:2])), max_pixels=10_000)
    with pytest.raises(ImageError, match="has no page 2"):
        short.match(own[2], "none")


@pytest.mark.parametrize("way", ["extract", "map", "read"])
def test_what_waits_is_prepared_pictures_and_not_their_pages(way, tmp_path, save_picture):
    page = np.random.default_rng(0).integers(0, 255, (1000, 1000), np.uint8)
    paths = [save_picture(tmp_path / f"{number}.bmp", page) for number in range(8)]
    parts = [name_part(f"f{number}", str(path)) for number, path in enumerate(paths)]
    jobs = [Job(path=part.path, file_id=part.image_id) for part in parts]
    if way == "extract":
        waiting = read_jobs(jobs, RowPlan(how=HOW), workers=2, ahead=5)
    elif way == "map":
        waiting = map_parts(parts, lambda opened: opened.page.width, HOW)
    else:
        waiting = read_parts(parts, HOW)
    tracemalloc.start()
    try:
        next(waiting)
        time.sleep(0.5)  # the readers are as far ahead by then as they may be
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        waiting.close()
    assert held < 2 * page.nbytes


# --- previews ---


@pytest.fixture
def seen(tmp_path, picture, save_picture):
    """A store of pictures of several kinds, with what its extraction saw."""
    images = tmp_path / "images"
    save_picture(images / "grey.png", picture(0, side=300))
    colour = np.stack([picture(i, side=200) for i in range(3)], axis=2)
    save_picture(images / "colour.png", colour)
    save_picture(images / "small.png", picture(4, side=40))
    save_picture(images / "deep.tif", picture(5, side=250, high=4000, dtype=np.uint16))
    save_stack(images / "stack.tif", [picture(6, side=180), picture(7, side=190)])

    def run(**options):
        previews = Previews()
        extract_vectors(
            images,
            tmp_path / "store",
            options=ExtractOptions(extractor="texture", **options),
            previews=previews,
        )
        store = open_store(tmp_path / "store")
        return store, store.load_vectors(), previews

    return run


@pytest.mark.parametrize("options", [{}, {"tile": 64}])
def test_previews_are_what_the_files_give(seen, options):
    store, vectors, previews = seen(**options)
    ids = vectors.ids.tolist()
    assert len(ids) >= 6
    again = read_thumbnails(vectors, ids, store)
    assert again == read_thumbnails(vectors, ids, store, previews=previews)
    parts = list_parts(vectors)
    for part, fresh in map_parts(parts, lambda opened: make_preview(opened.pixels), HOW):
        kept = previews.find(part.image_id, store.spec)
        assert np.array_equal(fresh.values, kept.values)
        assert (fresh.width, fresh.height, fresh.noise_level) == (
            kept.width,
            kept.height,
            kept.noise_level,
        )


def test_thumbnails_of_what_was_just_seen_open_no_file(seen):
    store, vectors, previews = seen()
    for path in vectors.rows["path"]:
        (store.path.parent / path).unlink(missing_ok=True)
    drawn = read_thumbnails(vectors, vectors.ids.tolist(), store, previews=previews)
    assert set(vectors.ids.tolist()) == set(drawn)
    assert {"JPEG"} == {Image.open(BytesIO(data)).format for data in drawn.values()}
    assert {} == read_thumbnails(vectors, vectors.ids.tolist(), store)


def test_other_windows_or_levels_take_no_preview(seen):
    store, vectors, previews = seen()
    name = next(
        image_id
        for image_id, path in zip(vectors.ids.tolist(), vectors.rows["path"], strict=True)
        if path.endswith("deep.tif")
    )
    how = Preparation(spec=store.spec, windows=store.windows)
    assert previews.find_thumbnail(name, how)
    other = Preparation(spec=store.spec, windows={**store.windows, "uint16": (0.0, 9.0)})
    assert previews.find_thumbnail(name, other) is None
    assert previews.find(name, replace(store.spec, level="plane")) is None
    assert previews.find(name, replace(store.spec, reading=1)) is None


def test_previews_keep_within_their_bound(tmp_path, picture, save_picture):
    path = save_picture(tmp_path / "a.png", picture(0, side=160))
    (page,) = read_pictures(path)
    previews = Previews(most=250_000)  # two of about 110 kB
    for i in range(4):
        part = Part(path=str(path), image_id=str(i))
        previews.add(OpenPart(part=part, page=page, picture=page), HOW)
    there = [previews.find(str(i), SPEC) is not None for i in range(4)]
    assert [True, True, False, False] == there
    assert previews.is_map(str(path)) is False
    del previews
    gc.collect()  # its temporary file is closed: a ResourceWarning would be an error


def draw_wafer(side=40, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    inside = np.hypot(x, y) < side / 2
    return np.where(inside, np.where(rng.random((side, side)) < 0.1, 255, 127), 0).astype(np.uint8)


def test_a_wafer_map_that_was_seen_is_not_decoded_again(tmp_path, save_picture):
    path = save_picture(tmp_path / "map.png", draw_wafer())
    (page,) = read_pictures(path)
    previews = Previews()
    previews.add(OpenPart(part=Part(path=str(path), image_id="f"), page=page, picture=page), HOW)
    path.unlink()
    (kept,) = previews.stream(path, max_pixels=10_000)
    assert np.array_equal(page.pixels, kept.pixels)
    assert (page.kind, page.page, page.n_pages) == (kept.kind, kept.page, kept.n_pages)
    assert [] == list(previews.stream(path, max_pixels=10_000, pages=(1,)))
    windows = choose_windows([str(path)], {}, stream=previews.stream)
    assert {"uint8": (0.0, 255.0)} == windows


def test_wafer_maps_are_told_by_previews_or_by_few_files(tmp_path, picture, save_picture):
    maps = [save_picture(tmp_path / f"m{i}.png", draw_wafer(seed=i)) for i in range(40)]
    photos = [save_picture(tmp_path / f"p{i}.png", picture(i)) for i in range(4)]
    assert are_maps([str(path) for path in maps])
    assert not are_maps([str(path) for path in photos])
    assert not are_maps([])
    previews = Previews()
    for path in photos:
        (page,) = read_pictures(path)
        part = Part(path=str(path), image_id=path.stem)
        previews.add(OpenPart(part=part, page=page, picture=page), HOW)
        path.unlink()
    assert not are_maps([str(path) for path in photos], previews=previews)


def test_a_file_that_is_replaced_between_two_views_is_read_again(tmp_path, picture, save_picture):
    path = save_picture(tmp_path / "images" / "a.png", picture(0))
    save_picture(tmp_path / "images" / "b.png", picture(1))
    previews, options = Previews(keep_pages=True), ExtractOptions(extractor="texture")

    def extract(name, previews=None):
        extract_vectors(tmp_path / "images", tmp_path / name, options=options, previews=previews)
        return open_store(tmp_path / name).load_vectors()

    extract("first", previews)
    save_picture(path, draw_wafer())
    seen, fresh = extract("second", previews), extract("alone")
    assert np.array_equal(fresh.ids, seen.ids)
    assert np.array_equal(fresh.values, seen.values)
    assert previews.is_map(str(path))


# --- the user's limit ---


def test_what_is_embedded_may_be_read_again_whatever_the_limit(seen):
    store, vectors, _ = seen()
    for given, limit in ((10**8, 10**8), (1000, 300 * 300)):
        how = Preparation.to_reopen(vectors, store.spec, store.windows, max_pixels=given)
        assert limit == how.max_pixels
    ids = vectors.ids.tolist()
    assert set(ids) == set(read_thumbnails(vectors, ids, store, max_pixels=1000))
