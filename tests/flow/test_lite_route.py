"""The extractor lite through discovery: a round, new images, patches and heat, the classifier."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

from discovery import (
    AgglomerativeOptions,
    RoundOptions,
    TrainOptions,
    assign_images,
    discover_types,
    find_parts,
    load_model,
    predict_images,
    read_examples,
    save_model,
    train_classifier,
)
from embeddings.errors import OptionError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.heat import weigh_images
from embeddings.store import open_store

LITE = ExtractOptions(extractor="lite", size=64)


@pytest.fixture(scope="module")
def round_(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("lite") / "run"
    options = RoundOptions(extract=LITE, clusterer=AgglomerativeOptions(n_clusters=4))
    return discover_types(pictures / "images", out, options=options).run


def test_a_round_finds_the_four_kinds(round_):
    images = round_.load_images()
    kinds = images["path"].str.extract(r"(\w+)_\d+\.png")[0]
    table = pd.crosstab(kinds, images["cluster_id"])
    assert 0.9 < table.max(axis=0).sum() / len(images)
    assert 4 == len(set(table.idxmax(axis=0)))


def test_new_images_are_placed_with_the_same_network(round_, draw_more):
    folder = draw_more("waves", 4)[0].parent
    labels = assign_images(round_, folder).placement.cluster_ids
    images = round_.load_images()
    clusters = images.loc[images["path"].str.contains("waves"), "cluster_id"]
    assert [clusters.mode()[0]] * 4 == labels.tolist()


@pytest.mark.long
@pytest.mark.parametrize("given", ["defect", "normal"])
def test_patches_are_compared_and_shown_as_heat(pictures, tmp_path, drawing, given):
    drawing(tmp_path / "normals", "lines", 6, 50)
    options = {"pooling": "defect"} if given == "defect" else {"normal": tmp_path / "normals"}
    extract = ExtractOptions(extractor="lite", size=96, **options)
    extract_vectors(pictures / "images", tmp_path / "store", options=extract)
    store = open_store(tmp_path / "store")
    vectors = store.load_vectors()
    assert ("lite", "defect" if given == "defect" else "residual") == (
        store.spec.name, store.spec.pooling,
    )  # fmt: skip
    image_id = vectors.ids[0]
    heat = weigh_images(vectors, [image_id], store)[image_id]
    assert np.isfinite(heat.distances).all()
    assert heat.weights.sum() == pytest.approx(1)


@pytest.mark.long
def test_the_classifier_learns_and_answers_without_weights_at_hand(pictures, tmp_path):
    options = TrainOptions(extract=LITE, epochs=8, orientations=1, varied=0)
    model = train_classifier(read_examples(pictures / "truth.csv"), options=options)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert ("lite", "imagenet") == (again.spec.name, again.spec.weights)
    found = find_parts(pictures / "images", LITE)
    forced = predict_images(again, found.parts).predictions.forced
    truth = [Path(part.path).name.split("_")[0] for part in found.parts]
    assert 0.9 < np.mean(np.asarray(truth) == forced)


def test_finetuning_what_auto_fell_back_to_is_refused_before_the_work(
    pictures, tmp_path, monkeypatch, caplog
):
    # Neither weights nor network: auto takes lite, whose last stage cannot be trained.
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    options = TrainOptions(finetune=True)
    with pytest.raises(OptionError, match="the extractor is lite: use --extractor resnet50"):
        train_classifier(read_examples(pictures / "truth.csv"), options=options)
    assert "describe images" not in caplog.text


def test_finetuning_it_is_refused_in_one_line():
    with pytest.raises(OptionError, match="--finetune needs ResNet-50; leave --extractor lite out"):
        TrainOptions(extract=LITE, finetune=True)
