"""CONTRIBUTING's "To add an extractor", done: one module, and every command knows it."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import embeddings.extractors
from discovery import RoundOptions, discover_types
from embeddings.console import run_command
from embeddings.errors import OptionError
from embeddings.extract import ExtractOptions
from embeddings.extract.__main__ import ExtractCommand, main
from embeddings.extractors import find_extractor, list_extractors
from embeddings.store import open_store

CONTRIBUTING = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The module that CONTRIBUTING prints, in a folder on the package's path."""
    text = CONTRIBUTING.read_text(encoding="utf-8").split("## To add an extractor")[1]
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "histogram.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(
        embeddings.extractors, "__path__", [*embeddings.extractors.__path__, str(folder)]
    )
    yield folder
    sys.modules.pop("embeddings.extractors.histogram", None)
    vars(embeddings.extractors).pop("histogram", None)


@pytest.fixture
def images(tmp_path):
    """Dark and bright pictures, six of each."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(12):
        low = 20 if number % 2 else 200
        pixels = rng.integers(low, low + 40, (64, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    return folder


def test_a_module_in_the_folder_is_an_extractor(module):
    assert "histogram" in list_extractors()
    assert "histogram" == find_extractor("histogram").name


def test_the_command_takes_it_and_its_store_keeps_to_it(module, images, tmp_path, capsys):
    words = [str(images), "--store", str(tmp_path / "store")]
    chosen = ["--extractor", "histogram"]
    assert 0 == run_command(main, ExtractCommand, prog="extract", args=words + chosen)
    assert "computed 12" in capsys.readouterr().out
    assert 0 == run_command(main, ExtractCommand, prog="extract", args=words)
    assert "reused 12" in capsys.readouterr().out
    assert "histogram" == open_store(tmp_path / "store").spec.name


def test_a_round_is_made_with_it(module, images, tmp_path):
    options = RoundOptions(extract=ExtractOptions(extractor="histogram"))
    found = discover_types(images, tmp_path / "run", options=options)
    clusters = found.run.load_images().sort_values("path")["cluster_id"].to_numpy()
    assert len(set(clusters[::2])) == len(set(clusters[1::2])) == 1
    assert clusters[0] != clusters[1]


def test_options_that_it_does_not_take_are_refused(module):
    with pytest.raises(OptionError, match="--extractor histogram has no layers, turns"):
        ExtractOptions(extractor="histogram", layers=("layer4",), turns=8)


def test_without_the_module_it_is_refused_with_those_that_are_there():
    with pytest.raises(OptionError, match="--extractor histogram: expected auto, lite, "):
        ExtractOptions(extractor="histogram")
