"""Nothing is computed twice, and the store follows its folder: new, changed, renamed, gone."""

import json
import os
import shutil

import numpy as np
import pytest

from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.store import open_store

TEXTURE = ExtractOptions(extractor="texture")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def load(store):
    """Return {path: vector} of what is there."""
    vectors = open_store(store).load_vectors()
    pairs = zip(vectors.rows["paths"], vectors.values, strict=True)
    return {path.rsplit("/", 1)[-1]: value for paths, value in pairs for path in paths}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def test_a_second_run_computes_nothing(extract, make_images, store):
    images = make_images(n=3)
    first = extract(images, "--store", store)
    assert (0, f"{store}: computed 3, reused 0, quarantined 0, ignored 0, 3 vectors") == (
        first.code,
        first.last,
    )
    manifest = (store / "store.json").read_bytes()
    second = extract(images, "--store", store)
    assert (0, f"{store}: computed 0, reused 3, quarantined 0, ignored 0, 3 vectors") == (
        second.code,
        second.last,
    )
    assert manifest == (store / "store.json").read_bytes()  # not even a commit
    assert "load extractor" not in second.err


def test_a_name_that_is_not_utf_8_costs_its_file_alone(extract, make_images, store):
    images = make_images(n=2)
    name = os.fsencode(images) + b"/\xff.png"
    shutil.copy(next(images.iterdir()), os.fsdecode(name))
    for counts in ("computed 2, reused 0", "computed 0, reused 2"):
        ran = extract(images, "--store", store)
        assert (0, f"{store}: {counts}, quarantined 1, ignored 0, 2 vectors") == (
            ran.code,
            ran.last,
        )
    assert [os.fsdecode(name)] == open_store(store).quarantine()["path"].tolist()


def test_only_new_images_are_computed(extract, make_images, store):
    images = make_images(n=2)
    extract(images, "--store", store)
    before = load(store)
    make_images(n=1, first=2)
    assert "computed 1, reused 2," in extract(images, "--store", store).last
    after = load(store)
    assert same(before, {name: after[name] for name in before})


def test_a_renamed_file_is_not_computed_again(extract, make_images, store):
    images = make_images(n=2)
    extract(images, "--store", store)
    before = load(store)
    (images / "0.png").rename(images / "renamed.png")
    assert "computed 0, reused 2," in extract(images, "--store", store).last
    after = load(store)
    assert set(after) == {"renamed.png", "1.png"}
    assert np.array_equal(after["renamed.png"], before["0.png"])


def test_a_moved_folder_is_not_computed_again(extract, make_images, store):
    images = make_images(n=2)
    extract(images, "--store", store)
    before = load(store)
    moved = images.rename(images.with_name("moved"))
    assert "computed 0, reused 2," in extract(moved, "--store", store).last
    assert same(before, load(store))


def test_a_changed_file_is_computed_again_and_its_old_vector_no_longer_loaded(
    extract, make_images, store, picture, save_picture
):
    images = make_images(n=2)
    extract(images, "--store", store)
    before = load(store)
    save_picture(images / "0.png", picture(9))
    assert "computed 1, reused 1," in extract(images, "--store", store).last
    after = load(store)
    assert np.array_equal(after["1.png"], before["1.png"])
    assert not np.allclose(after["0.png"], before["0.png"])
    assert (len(after), len(open_store(store))) == (2, 3)


def test_a_file_that_only_looks_new_is_not_computed_again(extract, make_images, store):
    images = make_images(n=1)
    extract(images, "--store", store)
    os.utime(images / "0.png", (1, 1))
    assert "computed 0, reused 1," in extract(images, "--store", store).last


def test_exact_duplicates_are_computed_once_and_keep_every_path(extract, make_images, store):
    images = make_images(n=2)
    (images / "sub").mkdir()
    shutil.copy(images / "0.png", images / "sub" / "copy.png")
    ran = extract(images, "--store", store)
    assert ran.last.endswith("computed 2, reused 1, quarantined 0, ignored 0, 2 vectors")
    assert "fingerprint: files 3, copies 1 (" in ran.err
    rows = open_store(store).load_vectors().rows
    assert [str(images / "0.png"), str(images / "sub" / "copy.png")] in rows["paths"].tolist()


def test_a_deleted_file_is_forgotten_and_known_again_when_it_comes_back(
    extract, make_images, store, tmp_path
):
    images = make_images(n=3)
    extract(images, "--store", store)
    away = shutil.move(images / "1.png", tmp_path / "1.png")
    assert extract(images, "--store", store).last.endswith("ignored 0, 2 vectors")
    assert set(load(store)) == {"0.png", "2.png"}
    shutil.move(away, images / "1.png")
    assert "computed 0, reused 3," in extract(images, "--store", store).last
    assert set(load(store)) == {"0.png", "1.png", "2.png"}


def test_a_file_that_breaks_is_forgotten_and_says_why(extract, make_images, store):
    images = make_images(n=2)
    extract(images, "--store", store)
    (images / "0.png").write_bytes((images / "0.png").read_bytes()[:200])
    assert "computed 0, reused 1, quarantined 1," in extract(images, "--store", store).last
    assert set(load(store)) == {"1.png"}


def test_a_second_folder_is_added_and_the_first_kept(extract, make_images, store):
    one, two = make_images("one", n=2), make_images("two", n=2, first=5)
    (one / "bad.png").write_text("no picture")
    extract(one, "--store", store)
    assert extract(two, "--store", store).last.endswith("2 vectors")
    assert set(load(store)) == {"0.png", "1.png", "5.png", "6.png"}
    # What is wrong with the first folder is still on record.
    assert open_store(store).quarantine()["path"].tolist() == [str(one / "bad.png")]
    (one / "bad.png").unlink()
    extract(one, "--store", store)
    assert open_store(store).quarantine().empty


def test_a_subfolder_forgets_nothing_of_the_rest(extract, make_images, store):
    images = make_images("images", n=1)
    sub = make_images("images/sub", n=1, first=3)
    extract(images, "--store", store)
    extract(sub, "--store", store)
    assert set(load(store)) == {"0.png", "3.png"}


def test_a_folder_through_a_link_is_followed_by_its_name(extract, make_images, store, tmp_path):
    images = make_images(n=2)
    link = tmp_path / "link"
    link.symlink_to(images)
    extract(link, "--store", store)
    (images / "0.png").unlink()
    extract(link, "--store", store)
    assert set(load(store)) == {"1.png"}


def test_a_list_of_images_and_a_single_image(extract, make_images, store, tmp_path):
    images = make_images(n=3)
    (tmp_path / "list.csv").write_text("path\nimages/2.png\nimages/0.png\nimages/2.png\n")
    assert "computed 2, reused 0," in extract(tmp_path / "list.csv", "--store", store).last
    assert "computed 0, reused 1," in extract(images / "0.png", "--store", store).last
    assert "computed 1, reused 0," in extract(images / "1.png", "--store", store).last
    assert set(load(store)) == {"0.png", "1.png", "2.png"}


def test_what_is_returned_is_what_the_source_holds(make_images, store):
    images = make_images(n=3)
    extract_vectors(images, store, options=TEXTURE)
    (images / "1.png").unlink()
    (images / "note.txt").write_text("x")
    extracted = extract_vectors(images, store, options=TEXTURE)
    paths = extracted.paths
    assert [str(images / "0.png"), str(images / "2.png")] == paths["path"].tolist()
    assert paths["file_id"].tolist() == extracted.ids.tolist()
    assert (0, 2, 0, 1) == (extracted.computed, extracted.reused, extracted.rows, extracted.ignored)
    assert open_store(store).load_vectors(extracted.ids).rows["path"].tolist() == list(
        paths["path"]
    )


def test_the_same_vector_bit_for_bit_in_any_company(make_images, tmp_path, picture, save_picture):
    images = make_images(n=5)
    save_picture(images / "wide.png", picture(7, side=80))
    whole = load_of(images, tmp_path / "a", batch_size=4, commit_every=3)
    for name in ("0.png", "wide.png"):
        alone = load_of(images / name, tmp_path / f"store-{name}", batch_size=4)
        assert np.array_equal(whole[name], alone[name])


def load_of(source, store, **options):
    extract_vectors(source, store, options=ExtractOptions(extractor="texture", **options))
    return load(store)


def test_commits_are_as_large_as_asked(make_images, store):
    images = make_images(n=5)
    load_of(images, store, commit_every=2)
    manifest = json.loads((store / "store.json").read_text())
    assert [2, 2, 1] == [entry["rows"] for entry in manifest["segments"]]
