"""Which extractor a classifier sees by: the handoff's store's own, or what the options say."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import resnet50

from discovery.classifier import predict
from discovery.classifier import train as module
from discovery.classifier.describe import DescribeOptions, describe_images
from discovery.classifier.examples import Examples
from discovery.classifier.features import open_feature_source, reopen_feature_source
from discovery.classifier.model import load_model, save_model
from discovery.classifier.options import TrainOptions
from discovery.classifier.parts import find_parts
from discovery.classifier.predict import predict_images
from discovery.classifier.train import train_classifier
from embeddings.errors import HandoffError, StoreSpecError, WeightsError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.extractors.resnet50 import EXTRACTOR as RESNET50
from embeddings.reader import Preparation, read_parts
from embeddings.store import open_store, remember_weights

pytestmark = pytest.mark.usefixtures("few_steps")
SIZE = 64
TEXTURE = ExtractOptions(extractor="texture")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    save_file(resnet50().state_dict(), folder / "random.safetensors")
    return folder / "random.safetensors"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Four dark and four bright pictures."""
    folder = tmp_path_factory.mktemp("images")
    for i in range(8):
        rng = np.random.default_rng(i)
        pixels = rng.normal(60 if i < 4 else 180, 20, (SIZE, SIZE)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def network(weights):
    return ExtractOptions(
        weights=str(weights), layers=("layer3",), size=SIZE, precision="float32", device="cpu"
    )


@pytest.fixture(scope="module")
def stores(images, network, tmp_path_factory):
    """A store of each extractor; nobody writes into them."""
    root = tmp_path_factory.mktemp("stores")
    extract_vectors(images, root / "texture", options=TEXTURE)
    extract_vectors(images, root / "resnet50", options=network)
    return root


def name_store(path):
    """What a handoff says of its store."""
    store = open_store(path)
    return {"path": str(path), "spec_hash": store.spec.hash}


def label(images, store=None):
    parts = find_parts(images, ExtractOptions()).parts
    return Examples(
        parts=parts,
        labels=np.array(["dark"] * 4 + ["bright"] * 4),
        weights=np.ones(8, np.float32),
        store=store or {},
        sha256="0" * 64,
    )


def see(images, store, options=TEXTURE, *, ignore=False):
    parts = find_parts(images, ExtractOptions()).parts
    return open_feature_source(parts, store, options=options, ignore=ignore)


@pytest.mark.parametrize("kind", ["texture", "resnet50"])
def test_the_handoffs_store_gives_extractor_windows_and_vectors(kind, images, stores, weights):
    path = stores / kind
    # The store knows its extractor; only where the weights are must be said.
    options = ExtractOptions(weights=str(weights)) if kind == "resnet50" else ExtractOptions()
    source = see(images, name_store(path), options)
    store = open_store(path)
    assert store.spec == source.spec
    assert dict(store.windows) == dict(source.windows)
    vectors = store.load_vectors()
    assert set(vectors.ids.tolist()) == set(source.known)
    for name, value in zip(vectors.ids.tolist(), vectors.values, strict=True):
        np.testing.assert_array_equal(value, source.known[name])
    assert (kind == "resnet50") == bool(source.tensors)


def draw_wafer(seed, side=40):
    """A wafer map: nothing outside, good dies, and a few bad ones in a line."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    levels = np.where(np.hypot(y, x) < side / 2, 128, 0)
    levels[(np.random.default_rng(seed).random(levels.shape) < 0.1) & (levels > 0)] = 255
    levels[side // 2, 5 : 15 + 5 * seed] = 255
    return levels.astype(np.uint8)


@pytest.mark.long
@pytest.mark.parametrize("view", ["picture", "map", "polar"])
def test_wafer_maps_are_seen_in_the_view_of_the_store(view, network, weights, tmp_path):
    for seed in range(4):
        (tmp_path / "maps").mkdir(exist_ok=True)
        Image.fromarray(draw_wafer(seed)).save(tmp_path / "maps" / f"{seed}.png")
    folder, store = tmp_path / "maps", tmp_path / "store"
    extract_vectors(folder, store, options=replace(network, view=view))
    source = see(folder, name_store(store), ExtractOptions(weights=str(weights)))
    parts = find_parts(folder, ExtractOptions()).parts
    how = Preparation(spec=source.spec, windows=source.windows)
    described = describe_images(
        read_parts(parts, how), source.extractor, options=DescribeOptions(orientations=8)
    )
    # By radius and angle a turned wafer is a shifted picture: there is one way to see it.
    assert (1 if view == "polar" else 8) == described.rows.shape[1]
    for part, copies in zip(described.parts, described.rows, strict=True):
        np.testing.assert_allclose(
            source.known[part.image_id], copies[0, : source.spec.dim], atol=1e-4
        )


@pytest.fixture
def described(monkeypatch):
    """The first description of the training from now on, and how many copies were embedded."""
    seen = []

    def spy(files, extractor, **how):
        calls = []

        class Counting:
            spec, fills_batches = extractor.spec, extractor.fills_batches

            def __call__(self, batch):
                calls.append(int((batch != 0).any(axis=(1, 2, 3)).sum()))
                return extractor(batch)

        said = describe_images(files, Counting(), **how)
        seen.append((said, sum(calls)))
        return said

    monkeypatch.setattr(module, "describe_images", spy)
    return seen


def test_vectors_of_the_store_are_copy_nought_and_are_not_made_again(images, stores, described):
    examples = label(images, name_store(stores / "texture"))
    train_classifier(examples, options=TrainOptions(epochs=1))
    said, embedded = described[0]
    vectors = open_store(stores / "texture").load_vectors(said.ids)
    np.testing.assert_array_equal(vectors.values, said.rows[:, 0])
    assert 0 == embedded
    train_classifier(examples, options=TrainOptions(epochs=1, ignore_store=True, extract=TEXTURE))
    assert 8 == described[1][1]
    np.testing.assert_allclose(said.rows, described[1][0].rows, atol=1e-6)


def test_a_small_network_learns_keeps_its_weights_and_needs_none_to_answer(
    images, stores, network, weights, described, tmp_path
):
    moved = shutil.copyfile(weights, tmp_path / "moved.safetensors")
    options = TrainOptions(epochs=1, varied=0, extract=ExtractOptions(weights=str(moved)))
    model = train_classifier(label(images, name_store(stores / "resnet50")), options=options)
    moved.unlink()
    said, embedded = described[0]
    assert (8, 8 * 7) == (said.rows.shape[1], embedded)
    vectors = open_store(stores / "resnet50").load_vectors(said.ids)
    np.testing.assert_array_equal(vectors.values, said.rows[:, 0, : said.blocks[0]])
    save_model(model, tmp_path / "model")
    read = load_model(tmp_path / "model")
    parts = find_parts(images, ExtractOptions()).parts
    first, second = predict_images(model, parts), predict_images(read, parts, keep_rows=True)
    for name in type(first.predictions).__slots__:
        np.testing.assert_array_equal(
            getattr(first.predictions, name), getattr(second.predictions, name)
        )
    # The features of a picture that was learned are the very ones it was learned by.
    np.testing.assert_allclose(second.rows[:, 0, : said.blocks[0]], vectors.values, atol=1e-5)


def test_a_store_that_now_holds_another_extractors_vectors_is_refused(images, stores, network):
    named = {**name_store(stores / "texture"), "spec_hash": "0123456789abcdef"}
    with pytest.raises(HandoffError, match=r"of the extractor 01234567, .*pass --ignore-store"):
        see(images, named)
    source = see(images, named, ignore=True)
    assert ("texture", {}) == (source.spec.name, dict(source.known))


def test_a_store_that_is_gone_is_told_and_done_without(images, stores, tmp_path, caplog):
    named = {**name_store(stores / "texture"), "path": str(tmp_path / "gone")}
    with caplog.at_level(logging.INFO, "defect-discovery"):
        source = see(images, named)
    assert f"the handoff's store {tmp_path / 'gone'} is not here" in caplog.text
    assert {} == dict(source.known)
    assert {"uint8"} == set(source.windows)


def test_a_handoff_that_names_no_store(images, caplog):
    with caplog.at_level(logging.INFO, "defect-discovery"):
        assert {} == dict(see(images, {"spec_hash": "abc"}).known)
        assert {} == dict(see(images, {}).known)
    assert "store" not in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        ExtractOptions(extractor="resnet50"),
        ExtractOptions(extractor="texture", size=100),
        ExtractOptions(extractor="texture", window=(0, 100)),
    ],
    ids=["extractor", "size", "window"],
)
def test_options_that_contradict_the_store_are_refused(images, stores, options):
    with pytest.raises(StoreSpecError):
        see(images, name_store(stores / "texture"), options)


def test_weights_that_are_not_the_stores_are_refused(images, stores, tmp_path):
    store = shutil.copytree(stores / "resnet50", tmp_path / "store")
    named = name_store(store)
    remember_weights(store, str(tmp_path / "gone"))
    with pytest.raises(WeightsError, match="say where with --weights FILE"):
        see(images, named, ExtractOptions())
    torch.manual_seed(1)
    save_file(resnet50().state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(StoreSpecError):
        see(images, named, ExtractOptions(weights=str(tmp_path / "other.safetensors")))


def test_images_that_the_store_lacks_are_described_anew(images, stores, tmp_path, described):
    more = tmp_path / "more"
    shutil.copytree(images, more)
    for i in range(2):
        Image.fromarray(np.full((SIZE, SIZE), 90 + i, np.uint8)).save(more / f"z{i}.png")
    parts = find_parts(more, ExtractOptions()).parts
    examples = Examples(
        parts=parts,
        labels=np.array(["dark"] * 4 + ["bright"] * 4 + ["plain"] * 2),
        weights=np.ones(10, np.float32),
        store=name_store(stores / "texture"),
        sha256="0" * 64,
    )
    train_classifier(examples, options=TrainOptions(epochs=1))
    assert 2 == described[0][1]


def test_a_model_answers_on_another_device_with_a_warning(stores, weights, caplog):
    spec = open_store(stores / "resnet50").spec
    elsewhere = replace(spec, backend="torch-cuda", precision="fp16")
    tensors = RESNET50.read_weights("resnet50", str(weights)).tensors
    with caplog.at_level(logging.WARNING, "defect-discovery"):
        source = reopen_feature_source(elsewhere, tensors, options=ExtractOptions(device="cpu"))
    assert "torch-cpu" == source.spec.backend
    assert "trained with fp16 on torch-cuda and answers here with" in caplog.text


def test_the_store_is_never_written_to(images, stores):
    def stamp(folder):
        return {p: p.stat().st_mtime_ns for p in Path(folder).rglob("*")}

    before = stamp(stores / "texture")
    train_classifier(label(images, name_store(stores / "texture")), options=TrainOptions(epochs=1))
    assert before == stamp(stores / "texture")


def draw_wide(folder, *, square=()):
    """Eight pictures twice as wide as high, but for those numbers."""
    folder.mkdir()
    for i in range(8):
        rng = np.random.default_rng(i)
        shape = (SIZE, SIZE if i in square else 2 * SIZE)
        pixels = rng.normal(60 if i < 4 else 180, 20, shape).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def wide_model(few_steps, network, tmp_path_factory):
    folder = draw_wide(tmp_path_factory.mktemp("wide") / "images")
    options = TrainOptions(epochs=1, varied=4, extract=replace(network, fit="aspect"))
    return train_classifier(label(folder), options=options)


def test_varied_copies_of_pictures_that_are_not_square_vouch_for_nothing(wide_model, tmp_path):
    # Eight orientations, and the four copies behind them show what was learned.
    assert 8 == wide_model.cascade.n_eval_views
    parts = find_parts(draw_wide(tmp_path / "asked"), ExtractOptions()).parts
    answered = predict_images(wide_model, parts, keep_rows=True)
    assert (8, 8) == answered.rows.shape[:2]


@pytest.mark.long
def test_answers_do_not_depend_on_the_shapes_of_other_pictures(wide_model, tmp_path, monkeypatch):
    folder = draw_wide(tmp_path / "mixed", square=(0, 5))
    parts = find_parts(folder, ExtractOptions()).parts
    together = predict_images(wide_model, parts, keep_rows=True)
    monkeypatch.setattr(predict, "_BLOCK", 1)
    alone = predict_images(wide_model, parts)
    assert (8, 8) == together.rows.shape[:2]
    np.testing.assert_allclose(
        together.predictions.confidences, alone.predictions.confidences, rtol=1e-4
    )
    assert together.predictions.verdicts.tolist() == alone.predictions.verdicts.tolist()
