"""The training of a detector goes on after its last epoch, and ends where it would have ended."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from discovery.detect import DetectCommand, main
from discovery.detector import training_loop
from discovery.detector.predict import Detector
from discovery.detector.progress import Progress, load_progress, save_progress
from discovery.detector.spec import DetectorSpec
from discovery.runs.checkpoint import Checkpoint
from embeddings.console import run_command
from embeddings.locks import JOB_LOCK, working


def draw_boxes(folder):
    rng = np.random.default_rng(0)
    lines = ["path,label,xmin,ymin,xmax,ymax"]
    (folder / "images").mkdir(parents=True)
    for number in range(5):
        pixels = rng.integers(60, 90, (64, 64)).astype(np.uint8)
        x, y = rng.integers(2, 45, 2).tolist()
        pixels[y : y + 12, x : x + 12] = 230
        lines.append(f"images/{number}.png,square,{x},{y},{x + 12},{y + 12}")
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")
    return folder / "boxes.csv"


def train(boxes, out, *more):
    words = [
        "train", boxes, "--out", out, "--weights", "none", "--epochs", 3, "--size", 64,
        "--holdout", 0.4, "--device", "cpu", "--batch-size", 2, *more,
    ]  # fmt: skip
    return run_command(main, DetectCommand, prog="P", args=[str(word) for word in words])


def read_all(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def make_detector():
    """A network that is laid out in memory as the real one is."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.Conv2d(4, 2, 3))
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2, fused=True)
    spec = DetectorSpec(
        labels=("a",), norm="group", anchors=(8.0, 16.0, 32.0, 64.0, 128.0), ratios=(1.0,),
        tile=64, size=64,
    )  # fmt: skip
    detector = Detector(
        spec=spec, network=network, device=torch.device("cpu"), threshold=0.5, overlap=0.1,
        facts={"epoch": 0},
    )  # fmt: skip
    return detector, optimizer


def learn(detector, optimizer, progress):
    """Run an epoch whose every step is random; the first is the best."""
    for _ in range(3):
        optimizer.zero_grad(set_to_none=True)
        detector.network(torch.rand(2, 3, 9, 9)).square().sum().backward()
        optimizer.step()
    epoch = progress.epoch + 1
    best, tensors = progress.best, progress.tensors
    if best is None:
        best = replace(detector, threshold=0.25, facts={"epoch": 1, "loss": 0.1})
        tensors = copy.deepcopy(detector.network.state_dict())
    return Progress(epoch=epoch, steps=3 * epoch, seconds=1.5, best=best, tensors=tensors)


def test_network_optimiser_and_random_numbers_come_back_bit_for_bit(tmp_path):
    with torch.random.fork_rng(devices=[]):
        detector, optimizer = make_detector()
        calm = Progress()
        for _ in range(4):
            calm = learn(detector, optimizer, calm)
        expected = detector.network.state_dict()

        checkpoint = Checkpoint(tmp_path / "checkpoint", key="k")
        for _ in range(4):  # each epoch in a process of its own
            begun, again = make_detector()
            progress = load_progress(checkpoint, begun, again)
            progress = learn(begun, again, progress)
            save_progress(checkpoint, progress, again)
    assert (4, 12, 1.5) == (progress.epoch, progress.steps, progress.seconds)
    assert {"epoch": 1, "loss": 0.1} == progress.best.facts
    assert 0.25 == progress.best.threshold
    for name, tensor in expected.items():
        assert torch.equal(tensor, begun.network.state_dict()[name])
        assert torch.equal(calm.tensors[name], progress.tensors[name])
    names = sorted(file.name for file in (tmp_path / "checkpoint").iterdir())
    assert ["best-epoch-1.part", "key", "last-epoch.part"] == names


@pytest.fixture
def count_epochs(monkeypatch):
    """Count the epochs that are run, and press Ctrl-C in one of them."""
    original, seen = training_loop._run_epoch, []

    def arm(limit=None):
        seen.clear()

        def run_epoch(schedule, samples):
            if limit is not None and len(seen) == limit:
                next(samples)
                raise KeyboardInterrupt
            seen.append(1)
            return original(schedule, samples)

        monkeypatch.setattr(training_loop, "_run_epoch", run_epoch)
        return seen

    return arm


@pytest.mark.long
def test_it_goes_on_after_its_last_epoch_and_ends_the_same(tmp_path, count_epochs, capsys):
    boxes = draw_boxes(tmp_path)
    assert 0 == train(boxes, tmp_path / "calm")
    assert {"model.json", "model.safetensors"} == read_all(tmp_path / "calm").keys()
    hurried = tmp_path / "hurried"
    count_epochs(1)
    assert 130 == train(boxes, hurried)
    assert f"what was committed is kept: last-epoch in {hurried}" in capsys.readouterr().err
    count_epochs(1)
    assert 130 == train(boxes, hurried)
    assert "goes on after epoch 1" in capsys.readouterr().err
    assert (hurried / "checkpoint").is_dir()
    assert not (hurried / JOB_LOCK).exists()
    last = count_epochs()
    assert 0 == train(boxes, hurried)
    assert 1 == len(last)
    # Twice alike, and as if nothing had happened; of what was kept nothing is left.
    assert read_all(tmp_path / "calm") == read_all(hurried)


@pytest.mark.long
def test_other_pictures_or_options_begin_anew(tmp_path, count_epochs):
    boxes = draw_boxes(tmp_path)
    count_epochs(1)
    assert 130 == train(boxes, tmp_path / "model")
    epochs = count_epochs(1)
    assert 130 == train(boxes, tmp_path / "model", "--seed", 1)
    assert 1 == len(epochs)
    picture = tmp_path / "images" / "0.png"
    Image.fromarray(255 - np.asarray(Image.open(picture))).save(picture)
    epochs = count_epochs(1)
    assert 130 == train(boxes, tmp_path / "model", "--seed", 1)
    assert 1 == len(epochs)


def test_a_second_training_is_told_of_the_first(tmp_path, capsys):
    with working(tmp_path / "model"):
        assert 2 == train(tmp_path / "boxes.csv", tmp_path / "model")
    assert "is being written by process" in capsys.readouterr().err
