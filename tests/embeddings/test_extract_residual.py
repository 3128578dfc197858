"""Extraction with --pooling residual: what a place has that the normal one most like it has not."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from embeddings.errors import OptionError, StoreSpecError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.extractors import compared_layers, vector_blocks
from embeddings.heat import weigh_images
from embeddings.pooling.bank import RESIDUAL_TAU
from embeddings.records import REFERENCE
from embeddings.store import open_store

DIM = 512 + 1024  # channels of layer2 and layer3
# What unit_rows makes of no residual in either layer, of 512 and 1024 numbers.
NOTHING = np.concatenate([np.full(512, 512**-0.5), np.full(1024, 1024**-0.5)]) / np.sqrt(2)


@pytest.fixture
def options(random_weights):
    def make(**given):
        base = {
            "pooling": "residual", "size": 64, "precision": "float32", "device": "cpu",
            "layers": ("layer2", "layer3"),
        }  # fmt: skip
        return ExtractOptions(weights=random_weights, batch_size=4, **(base | given))

    return make


@pytest.fixture
def lots(make_images):
    """Return a folder with three images, and one with four normals."""
    return make_images(n=3), make_images("normals", n=4, first=10)


def load(store):
    vectors = open_store(store).load_vectors()
    names = [Path(path).name for path in vectors.rows["path"]]
    return dict(zip(names, vectors.values, strict=True))


def test_a_store_of_residuals_is_made_and_keeps_to_itself(lots, options, tmp_path, make_images):
    images, normals = lots
    store = tmp_path / "store"
    extract_vectors(images, store, options=options(normal=normals))
    spec = open_store(store).spec
    assert ("residual", RESIDUAL_TAU, ("layer2", "layer3"), DIM) == (
        spec.pooling, spec.tau, spec.layers, spec.dim,
    )  # fmt: skip
    before = load(store)
    make_images(n=1, first=3)
    added = extract_vectors(images, store, options=options(pooling=None))
    assert (1, 3) == (added.computed, added.reused)
    after = load(store)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    np.testing.assert_allclose([np.linalg.norm(v) for v in after.values()], 1, atol=1e-5)
    with pytest.raises(StoreSpecError, match="pooling: residual != max"):
        extract_vectors(images, store, options=options(pooling="max"))
    # Defect-weighted is what the store is.
    assert 0 == extract_vectors(images, store, options=options(pooling="defect")).computed


@pytest.mark.long
@pytest.mark.parametrize("pooling", [None, "defect", "residual"])
def test_with_normals_defect_weighted_are_residuals_beside_a_deeper_layer(
    pooling, lots, options, tmp_path
):
    images, normals = lots
    given = options(pooling=pooling, normal=normals, layers=None, size=None)
    extract_vectors(images, tmp_path / "store", options=given)
    spec = open_store(tmp_path / "store").spec
    assert ("residual", 448, "aspect") == (spec.pooling, spec.input_size, spec.fit)
    assert ("layer2", "layer3") == compared_layers(spec)
    assert (DIM, 2048) == vector_blocks(spec)
    assert DIM == open_store(tmp_path / "store").load_bank()["patches"].shape[1]
    values = open_store(tmp_path / "store").load_vectors().values
    parts = np.split(values, np.cumsum([512, 1024]), axis=1)
    for part in parts:  # each layer has the same say
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 3**-0.5, atol=1e-4)
    assert (parts[2] >= 0).all()  # of what is seen, not of what differs


@pytest.mark.long
def test_what_all_have_in_common_is_left_out(lots, options, tmp_path, picture, save_picture):
    images, normals = lots
    save_picture(images / "normal.png", picture(10))
    for pooling, known in (("residual", normals), ("defect", None)):
        given = options(normal=known, pooling=pooling, tau=1.0, window=(0, 255))
        extract_vectors(images, tmp_path / pooling, options=given)
    left, seen = load(tmp_path / "residual"), load(tmp_path / "defect")
    others = [name for name in left if name != "normal.png"]
    # One of the normals is compared with the others, not with itself: something is left.
    assert not np.allclose(NOTHING, left["normal.png"], atol=1e-3)
    alike = {
        kind: max(abs(float(v["normal.png"] @ v[name])) for name in others)
        for kind, v in (("left", left), ("seen", seen))
    }
    assert alike["left"] < alike["seen"]


@pytest.mark.parametrize("level", ["none", "plane"])  # the reference is levelled like its image
def test_against_golden_images_what_did_not_change_is_nothing(level, options, tmp_path):
    rng = np.random.default_rng(0)
    rows = [("path", "reference")]
    for i in range(3):
        golden = rng.integers(60, 120, (64, 64), dtype=np.uint8)
        Image.fromarray(golden).save(tmp_path / f"golden{i}.png")
        seen = golden.copy()
        if i:
            seen[40:56, 8 * i : 8 * i + 16] = 255
        Image.fromarray(seen).save(tmp_path / f"{i}.png")
        rows.append((f"{i}.png", f"golden{i}.png"))
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    store = tmp_path / "store"
    extracted = extract_vectors(tmp_path / "pairs.csv", store, options=options(level=level))
    assert () == extracted.quarantined
    opened, left = open_store(store), load(store)
    assert REFERENCE == opened.spec.normals_sha256
    np.testing.assert_allclose(left["0.png"], NOTHING, atol=1e-6)
    # The same defect on two different grounds.
    assert left["1.png"] @ left["2.png"] > 0.5 > abs(left["1.png"] @ left["0.png"])
    vectors = opened.load_vectors()
    heats = weigh_images(vectors, vectors.ids.tolist(), opened, options=options())
    assert 3 == len(heats)


@pytest.mark.long
def test_all_ways_up_are_one_vector(lots, options, tmp_path):
    images, normals = lots
    turned = tmp_path / "turned"
    turned.mkdir()
    for path in sorted(images.iterdir()):
        Image.open(path).rotate(90).save(turned / path.name)
    given = options(normal=normals, turns=8, window=(0, 255))
    for source, name in ((images, "one"), (turned, "two")):
        extract_vectors(source, tmp_path / name, options=given)
    one, two = load(tmp_path / "one"), load(tmp_path / "two")
    alike = min(float(one[name] @ two[name]) for name in one)
    apart = max(float(one[a] @ one[b]) for a in one for b in one if a != b)
    assert alike > apart
    assert alike > 0.98


def test_without_anything_normal_it_is_refused_before_a_store_is_made(lots, options, tmp_path):
    with pytest.raises(OptionError, match=r"nothing says what that is: expected --normal FOLDER"):
        extract_vectors(lots[0], tmp_path / "store", options=options())
    assert not (tmp_path / "store").exists()


def test_normals_are_for_poolings_that_compare(tmp_path):
    with pytest.raises(OptionError, match="--normal is for --pooling defect or residual, not max"):
        ExtractOptions(pooling="max", normal=tmp_path)
