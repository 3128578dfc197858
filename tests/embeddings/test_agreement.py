"""`--check-precision`: the vectors of a store held against float32, on the user's own images."""

import numpy as np
import pytest

from discovery.classifier.options import TrainOptions
from discovery.flow.sources import open_stored
from embeddings.errors import OptionError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.extract.agreement import Agreement, measure_agreement
from embeddings.records import unit_rows

pytest.importorskip("torch")

LITE = ("--size", "32", "--batch-size", "4", "--check-precision")


def draw_rows(n=30, dim=8):
    return unit_rows(np.random.default_rng(0).normal(size=(n, dim)))


def test_equal_vectors_agree_altogether():
    rows = draw_rows()
    found = measure_agreement(rows, rows, precision="bf16")
    assert (30, 1.0, pytest.approx(1.0)) == (found.images, found.overlap, found.cosine)


def test_neighbours_that_are_others_are_counted():
    # Two clouds of eleven, whose images are each other's ten nearest; then two change places.
    angles = np.concatenate([np.arange(11) * 0.01, 2 + np.arange(11) * 0.01])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    moved = rows.copy()
    moved[[0, 11]] = rows[[11, 0]]
    found = measure_agreement(moved, rows, precision="bf16")
    # The two have lost all ten, the twenty others one.
    assert found.overlap == pytest.approx(1 - (2 * 10 + 20 * 1) / (22 * 10))
    assert found.cosine == pytest.approx((20 + 2 * np.cos(2)) / 22)


@pytest.mark.parametrize(
    ("overlap", "cosine", "text"),
    [
        (0.957, 0.99981, "overlap .957 of 200 images, cosine .9998"),
        (0.99996, 0.999999, "overlap .999 of 200 images, cosine .9999"),
        (1.0, 1.0, "overlap 1.000 of 200 images, cosine 1.0000"),
    ],
)
def test_it_is_one_line_in_which_only_equal_is_1(overlap, cosine, text):
    found = Agreement(precision="bf16", images=200, overlap=overlap, cosine=cosine)
    assert f"precision: bf16 agrees with float32: 10-NN {text}" == str(found)


@pytest.mark.parametrize(("images", "chance"), [(12, ".909"), (199, ".051")])
def test_few_images_are_said_to_say_little(images, chance):
    found = Agreement(precision="bf16", images=images, overlap=0.957, cosine=0.9998)
    assert str(found).endswith(
        f" of {images} images, cosine .9998; chance alone gives an overlap of {chance} among so "
        "few, which says little: 200 images say enough"
    )


@pytest.mark.parametrize(("precision", "n", "images"), [("float32", 12, 12), ("bf16", 500, 14)])
def test_a_sample_of_the_users_images_is_compared(
    extract, make_images, tmp_path, precision, n, images
):
    folder = make_images(n=14)
    words = (folder, "--store", tmp_path / "store", *LITE, n, "--precision", precision)
    ran = extract(*words, extractor="lite")
    assert "computed 14, reused 0" in ran.last, ran.err
    line = f"precision: {precision} agrees with float32: 10-NN overlap "
    assert 1 == ran.err.count(line)
    assert f" of {images} images, cosine " in ran.err
    # Nothing is computed, and it is told all the same, in the same figures.
    again = extract(*words, extractor="lite")
    told = [one.err.split(line)[1].splitlines()[0] for one in (ran, again)]
    assert told[0] == told[1]
    assert "computed 0, reused 14" in again.last


def test_only_float32_agrees_with_itself(make_images, tmp_path):
    folder = make_images(n=14)
    found = {}
    for precision in ("float32", "bf16"):
        options = ExtractOptions(
            extractor="lite", size=32, batch_size=4, precision=precision, check_precision=14
        )
        extracted = extract_vectors(folder, tmp_path / precision, options=options)
        found[precision] = extracted.agreement
    assert found["float32"].cosine == pytest.approx(1, abs=1e-6)
    assert found["float32"].overlap == pytest.approx(1, abs=0.02)
    assert 0.99 < found["bf16"].cosine < found["float32"].cosine


def test_tiles_are_compared_as_tiles(extract, make_images, tmp_path):
    words = ("--store", tmp_path / "store", "--tile", "32", *LITE, 15, "--precision", "float32")
    ran = extract(make_images(n=3), *words, extractor="lite")
    assert "of 15 images, cosine " in ran.err, ran.err


@pytest.mark.parametrize("n", [0, 11, 5001])
def test_too_few_or_too_many_are_refused(extract, make_images, tmp_path, n):
    store = tmp_path / "store"
    ran = extract(make_images(), "--store", store, *LITE, n, extractor="lite")
    assert (2, True) == (ran.code, f"--check-precision {n}: expected 12 to 5000" in ran.error)
    assert not store.exists()


def test_a_set_that_is_too_small_says_so_and_keeps_its_vectors(extract, make_images, tmp_path):
    store = tmp_path / "store"
    ran = extract(make_images(n=3), "--store", store, *LITE, 20, extractor="lite")
    assert 2 == ran.code
    assert "--check-precision: 3 images can be compared, expected 12 or more" in ran.error
    again = extract(make_images(n=3), "--store", store, extractor=None)
    assert "computed 0, reused 3" in again.last


def test_what_is_no_network_has_nothing_to_check(extract, make_images, tmp_path):
    words = (make_images(), "--store", tmp_path / "store")
    ran = extract(*words, "--check-precision", 20)
    assert (2, True) == (ran.code, "--extractor texture has no check_precision" in ran.error)
    assert 0 == extract(*words).code
    of_store = extract(*words, "--check-precision", 20, extractor=None)
    assert (2, True) == (of_store.code, "texture is no network" in of_store.error)


def test_where_nothing_is_extracted_it_is_refused(extract, make_images, tmp_path):
    extract(make_images(), "--store", tmp_path / "store", "--size", "32", extractor="lite")
    options = ExtractOptions(check_precision=20)
    with pytest.raises(OptionError, match="--check-precision has no effect on a store"):
        open_stored(tmp_path / "store", options)
    with pytest.raises(OptionError, match=r"--check-precision is for embeddings\.extract and"):
        TrainOptions(extract=options)
