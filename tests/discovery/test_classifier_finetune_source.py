"""Fine-tuning inside training: tried, kept only where held-out images gain, and said either way."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import resnet50

from discovery.classifier import finetune, train
from discovery.classifier.examples import Examples
from discovery.classifier.model import load_model, save_model
from discovery.classifier.options import TrainOptions
from discovery.classifier.parts import find_parts
from discovery.classifier.predict import predict_images
from discovery.classifier.stage_tuner import StageTuner
from discovery.classifier.train import train_classifier
from embeddings.errors import OptionError
from embeddings.extract import ExtractOptions
from embeddings.extractors.resnet50 import EXTRACTOR as RESNET50
from embeddings.reader import Preparation
from embeddings.records import ExtractorSpec

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("few_steps")]
SIZE = 64


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(resnet50().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Ten dark and ten bright pictures."""
    folder = tmp_path_factory.mktemp("images")
    for i in range(20):
        rng = np.random.default_rng(i)
        pixels = rng.normal(60 if i < 10 else 180, 20, (SIZE, SIZE)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i:02}.png")
    return Examples(
        parts=find_parts(folder, ExtractOptions()).parts,
        labels=np.array(["dark"] * 10 + ["bright"] * 10),
        weights=np.ones(20, np.float32),
        sha256="0" * 64,
    )


def make_options(weights, layers=("layer4",)):
    return TrainOptions(
        finetune=True,
        orientations=1,
        varied=0,
        finetune_minutes=1.0,
        extract=ExtractOptions(
            weights=str(weights), layers=layers, size=SIZE, precision="float32", device="cpu"
        ),
    )


def test_a_stage_that_gains_nothing_is_left_as_it_came(examples, weights, monkeypatch, caplog):
    monkeypatch.setattr(finetune, "_MOST_P_VALUE", -1.0)  # no gain is sure enough
    with caplog.at_level(logging.INFO, "defect-discovery"):
        model = train_classifier(examples, options=make_options(weights))
    assert "left as it came" in caplog.text
    assert "finetuned" not in model.training["held_out"]
    for name, value in RESNET50.read_weights("resnet50", str(weights)).tensors.items():
        torch.testing.assert_close(value, model.tensors[name], rtol=0, atol=0)


def test_a_tuned_stage_is_kept_only_where_more_is_right(examples, weights, monkeypatch, tmp_path):
    monkeypatch.setattr(finetune, "_is_worth_it", lambda tuned: True)
    right = np.array([True, False])
    monkeypatch.setattr(train, "compare_held_out", lambda *_: (np.zeros(2, bool), right))
    model = train_classifier(examples, options=make_options(weights))
    assert 1 == model.training["held_out"]["finetuned"]
    # A fifth was held out of the tuning, and only it vouches.
    assert 4 == model.training["held_out"]["n"]
    assert "fine-tuned" in model.spec.weights
    assert RESNET50.read_weights("resnet50", str(weights)).sha256 != model.spec.weights_sha256
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    first = predict_images(model, examples.parts).predictions
    second = predict_images(again, examples.parts).predictions
    np.testing.assert_array_equal(first.confidences, second.confidences)
    monkeypatch.setattr(train, "compare_held_out", lambda *_: (right, right))
    same = train_classifier(examples, options=make_options(weights))
    assert "finetuned" not in same.training["held_out"]


def test_a_training_goes_on_in_the_midst_of_fine_tuning(examples, weights, monkeypatch, tmp_path):
    monkeypatch.setattr(finetune, "_is_worth_it", lambda tuned: True)
    right = np.array([True, False])
    monkeypatch.setattr(train, "compare_held_out", lambda *_: (np.zeros(2, bool), right))
    calm = train_classifier(examples, options=make_options(weights))

    def interrupt(self, deadline):
        if len(self.history) == 2:
            raise KeyboardInterrupt
        return train_epoch(self, deadline)

    train_epoch = StageTuner._train_epoch
    with monkeypatch.context() as patch:
        patch.setattr(StageTuner, "_train_epoch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_classifier(examples, options=make_options(weights), folder=tmp_path)
    model = train_classifier(examples, options=make_options(weights), folder=tmp_path)
    save_model(calm, tmp_path / "calm")
    save_model(model, tmp_path / "model")
    for path in (tmp_path / "calm").iterdir():
        assert path.read_bytes() == (tmp_path / "model" / path.name).read_bytes()


def test_features_without_the_last_stage_cannot_be_tuned(examples, weights):
    with pytest.raises(OptionError, match="layer4"):
        train_classifier(examples, options=make_options(weights, layers=("layer3",)))


def test_pictures_that_are_not_square_keep_their_shape_in_each_orientation(examples, tmp_path):
    for i in range(3):
        Image.fromarray(np.full((64, 128), 90 + i, np.uint8)).save(tmp_path / f"{i}.png")
    parts = find_parts(tmp_path, ExtractOptions()).parts
    wide = replace(examples, parts=parts, labels=examples.labels[:3], weights=examples.weights[:3])
    spec = ExtractorSpec(
        name="resnet50", weights="random", weights_sha256="0" * 64, layers=("layer4",),
        pooling="mean", dim=2048, input_size=SIZE, fit="aspect",
    )  # fmt: skip
    reading = Preparation(spec=spec, windows={"uint8": (0, 255)}, max_pixels=10**6, workers=1)
    (batch,) = finetune._stack_batches(wide, reading, orientations=8)
    assert (3, 4) == batch.shape[:2]
    assert batch.shape[4] == 2 * batch.shape[3]
