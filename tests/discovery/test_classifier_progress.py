"""The training of a classifier goes on after its last fold, and ends where it would have ended."""

import numpy as np
import pytest
from PIL import Image

from discovery.classifier import calibration, progress
from discovery.classifier import train as training
from discovery.classify import Classify, main
from embeddings.console import run_command
from embeddings.locks import working


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Sixteen pictures of two types, one of them damaged."""
    folder = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(0)
    lines = ["path,label"]
    for number in range(16):
        kind = ("lines", "grain")[number % 2]
        _, x = np.mgrid[:48, :48]
        shown = 40 * np.sin(1.1 * (x + number)) if kind == "lines" else 0 * x
        pixels = np.clip(120 + shown + rng.normal(0, 12, (48, 48)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
        lines.append(f"{number:02}.png,defect/{kind}")
    cut = (folder / "15.png").read_bytes()
    (folder / "15.png").write_bytes(cut[: len(cut) // 2])
    (folder / "truth.csv").write_text("\n".join(lines) + "\n")
    return folder / "truth.csv"


def train(table, out, *more):
    words = ["train", table, "--out", out, "--extractor", "texture", "--epochs", 1, *more]
    return run_command(main, Classify, prog="P", args=[str(word) for word in words])


def read_all(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def interrupt(monkeypatch):
    """Press Ctrl-C after so many chunks are described, or folds answered; count both."""
    describe, answer = training.describe_images, calibration.answer_fold
    monkeypatch.setattr(progress, "_CHUNK", 5)
    done = {"chunks": 0, "folds": 0}

    def arm(**limits):
        done.update(chunks=0, folds=0)

        def count(name, function):
            def call(*arguments, **options):
                if done[name] == limits.get(name):
                    raise KeyboardInterrupt
                done[name] += 1
                return function(*arguments, **options)

            return call

        monkeypatch.setattr(training, "describe_images", count("chunks", describe))
        monkeypatch.setattr(calibration, "answer_fold", count("folds", answer))
        return done

    return arm


def test_it_goes_on_after_its_last_fold_and_ends_the_same(table, tmp_path, interrupt, capsys):
    assert 0 == train(table, tmp_path / "calm")
    model = tmp_path / "model"
    interrupt(chunks=2)
    assert 130 == train(table, model)
    assert f"kept: images-1 in {model}" in capsys.readouterr().err
    done = interrupt(folds=3)
    assert 130 == train(table, model)
    assert {"chunks": 2, "folds": 3} == done
    assert f"kept: fold-2 in {model}" in capsys.readouterr().err
    done = interrupt()
    assert 0 == train(table, model)
    assert {"chunks": 0, "folds": 2} == done
    # Twice alike, and as if nothing had happened; of what was kept nothing is left.
    assert read_all(tmp_path / "calm") == read_all(model)


@pytest.mark.long
def test_other_labels_or_options_begin_anew(table, tmp_path, interrupt):
    interrupt(folds=1)
    assert 130 == train(table, tmp_path / "model")
    done = interrupt(folds=0)
    assert 130 == train(table, tmp_path / "model", "--seed", 1)
    assert 4 == done["chunks"]
    other = table.with_name("other.csv")
    other.write_text(table.read_text().replace("00.png,defect/lines", "00.png,defect/grain"))
    done = interrupt(folds=0)
    assert 130 == train(other, tmp_path / "model", "--seed", 1)
    assert 4 == done["chunks"]


def test_a_second_training_is_told_of_the_first(table, tmp_path, capsys):
    with working(tmp_path / "model"):
        assert 2 == train(table, tmp_path / "model")
    assert "is being written by process" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
