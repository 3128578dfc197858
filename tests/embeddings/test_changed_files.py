"""What was hashed is what is embedded: a file that is written to meanwhile is read again."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from embeddings.errors import ImageChangedError, ImageError
from embeddings.extract import ExtractOptions, engines, extract_vectors
from embeddings.extract import run as extract_run
from embeddings.images import fingerprint_file, one_file, stream_pictures
from embeddings.reader import Part, Preparation, Previews, list_parts, map_parts, open_parts
from embeddings.store import open_store
from embeddings.thumbnails import read_thumbnails

TEXTURE = ExtractOptions(extractor="texture")


def draw(seed, side=48):
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def overwrite(path, seed):
    """Write another picture of the same size in its place, with the same time of change."""
    before = path.stat()
    Image.fromarray(draw(seed)).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(3):
        Image.fromarray(draw(seed)).save(folder / f"{seed}.bmp")
    return folder


def change_after_hashing(monkeypatch, change):
    """Call `change` each time that files have been hashed."""
    real = engines.fingerprint_files

    def wrapped(files, known, *, workers):
        found = real(files, known, workers=workers)
        change()
        return found

    for module in (engines, extract_run):  # the first look, and the second
        monkeypatch.setattr(module, "fingerprint_files", wrapped)


def read_store(path):
    store = open_store(path)
    ids = store.ids()
    return dict(zip(ids.tolist(), store.load_vectors(ids).values, strict=True))


def test_a_file_that_changes_once_is_read_again_under_its_new_id(images, tmp_path, monkeypatch):
    old, file, left = fingerprint_file(images / "1.bmp"), images / "1.bmp", [1]
    change_after_hashing(monkeypatch, lambda: left and overwrite(file, 70 + left.pop()))

    done = extract_vectors(images, tmp_path / "store", options=TEXTURE)

    new = fingerprint_file(file)
    assert ((), 3) == (done.quarantined, done.computed)
    vectors = read_store(tmp_path / "store")
    assert new in vectors
    assert old not in vectors
    # Exactly what a store of that file alone holds.
    extract_vectors(file, tmp_path / "alone", options=TEXTURE)
    assert np.array_equal(read_store(tmp_path / "alone")[new], vectors[new])
    files = open_store(tmp_path / "store").files()
    assert new == files.set_index("path")["file_id"][str(file)]


def test_a_file_that_changes_all_the_time_is_quarantined(images, tmp_path, monkeypatch):
    seeds, file = iter(range(50, 90)), images / "1.bmp"
    change_after_hashing(monkeypatch, lambda: overwrite(file, next(seeds)))

    done = extract_vectors(images, tmp_path / "store", options=TEXTURE)

    assert [(str(file), True)] == [(path, "written to" in why) for path, why in done.quarantined]
    kept = {fingerprint_file(images / name) for name in ("0.bmp", "2.bmp")}
    assert kept == set(read_store(tmp_path / "store"))
    assert str(file) not in set(open_store(tmp_path / "store").files()["path"])
    # When nobody writes to it any more, the same command does it.
    monkeypatch.undo()
    again = extract_vectors(images, tmp_path / "store", options=TEXTURE)
    assert ((), 1) == (again.quarantined, again.computed)


def test_its_copy_is_read_instead(images, tmp_path, monkeypatch):
    """Two files of the same bytes, of which one changes: the other is sound."""
    file, copy, left = images / "1.bmp", images / "5.bmp", [1]
    copy.write_bytes(file.read_bytes())
    old = fingerprint_file(copy)
    change_after_hashing(monkeypatch, lambda: left and overwrite(file, 70 + left.pop()))

    done = extract_vectors(images, tmp_path / "store", options=TEXTURE)

    assert () == done.quarantined
    assert {old, fingerprint_file(file)} <= set(read_store(tmp_path / "store"))
    extract_vectors(copy, tmp_path / "alone", options=TEXTURE)
    assert np.array_equal(read_store(tmp_path / "alone")[old], read_store(tmp_path / "store")[old])


def test_a_file_that_goes_meanwhile_is_quarantined(images, tmp_path, monkeypatch):
    change_after_hashing(monkeypatch, lambda: (images / "1.bmp").unlink(missing_ok=True))

    done = extract_vectors(images, tmp_path / "store", options=TEXTURE)

    assert [str(images / "1.bmp")] == [path for path, _ in done.quarantined]
    assert 2 == len(read_store(tmp_path / "store"))


@pytest.mark.parametrize("pooled", ["bmp", "tif"])
def test_previews_of_a_file_that_was_replaced_are_not_taken_for_the_new_one(
    tmp_path, monkeypatch, pooled
):
    file = tmp_path / f"a.{pooled}"
    Image.fromarray(draw(1)).save(file)
    previews = Previews(keep_pages=True)
    how = Preparation(spec=open_spec(), windows={"uint8": (0.0, 255.0)})
    part = Part(path=str(file), image_id=fingerprint_file(file))
    previews.add(next(open_parts([part])), how)
    overwrite(file, 2)  # of the same size and time: by its stamp it is the same

    page = next(previews.stream(file, max_pixels=10_000, file_id=fingerprint_file(file)))

    assert np.array_equal(draw(2), page.pixels)


def open_spec():
    from embeddings.extract.choose import choose_extractor

    return choose_extractor(TEXTURE, None).spec


@pytest.mark.parametrize("suffix", ["bmp", "tif"])
@pytest.mark.parametrize("held", [32_000_000, 100])
def test_what_is_read_later_is_the_same_file(tmp_path, monkeypatch, suffix, held):
    """Thumbnails, copies, heat maps and the classifier read by the image's id."""
    monkeypatch.setattr(one_file, "_HELD_BYTES", held)
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(draw(1)).save(file)
    part = Part(path=str(file), image_id=fingerprint_file(file))
    assert np.array_equal(draw(1), next(open_parts([part])).page.pixels)

    Image.fromarray(draw(2)).save(file)

    with pytest.raises(ImageChangedError, match="not those that were listed"):
        next(open_parts([part]))
    assert [] == list(map_parts([part], lambda opened: 1, Preparation(spec=open_spec())))


def test_thumbnails_of_a_file_that_was_written_again(images, tmp_path):
    extract_vectors(images, tmp_path / "store", options=TEXTURE)
    store = open_store(tmp_path / "store")
    vectors = store.load_vectors(store.ids())
    gone = fingerprint_file(images / "1.bmp")
    overwrite(images / "1.bmp", 9)

    drawn = read_thumbnails(vectors, vectors.ids.tolist(), store)

    assert set(vectors.ids.tolist()) - {gone} == set(drawn)


def test_a_large_stack_that_is_written_to_between_its_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(one_file, "_HELD_BYTES", 100)
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, np.stack([draw(1), draw(2)]), photometric="minisblack")
    pages = stream_pictures(file, file_id=fingerprint_file(file))
    assert np.array_equal(draw(1), next(pages).pixels)

    with file.open("r+b") as handle:
        handle.seek(-10, os.SEEK_END)
        handle.write(b"x")
    os.utime(file, ns=(1, 1))

    with pytest.raises(ImageError, match="not those that were listed"):
        next(pages)


def test_parts_of_a_path_that_held_two_files(images, tmp_path):
    """Ids of the file before do not take those of the file there is with them."""
    extract_vectors(images, tmp_path / "store", options=TEXTURE)
    store = open_store(tmp_path / "store")
    vectors = store.load_vectors(store.ids())
    path = str(images / "1.bmp")
    parts = [
        Part(path=path, image_id="0" * 16),
        *(part for part in list_parts(vectors) if part.path == path),
    ]

    found = map_parts(parts, lambda opened: opened.pixels.shape, Preparation(spec=open_spec()))

    assert [(parts[1], (48, 48))] == list(found)


def test_the_detector_reads_the_picture_that_it_hashed(tmp_path, monkeypatch):
    from discovery.detector import pictures
    from discovery.detector.boxes import Boxes
    from discovery.detector.dataset import Example, PictureRef

    monkeypatch.setattr(pictures, "_HELD_BYTES", 0)  # all are read anew each time
    Image.fromarray(draw(1)).save(tmp_path / "a.bmp")
    item = Example(ref=PictureRef(path=Path(tmp_path / "a.bmp")), boxes=Boxes.make([], []))
    windows = pictures.Presentation({"uint8": (0.0, 255.0)})
    loaded = pictures.load_examples([item], windows)
    assert (1, 48, 48) == loaded.pictures[0].shape

    overwrite(tmp_path / "a.bmp", 2)

    with pytest.raises(ImageChangedError):
        loaded.pictures[0]
