"""CONTRIBUTING's "To add a clusterer", done to the letter in a module that lies elsewhere."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
# The folder of the new module is put on the package's path before the command starts.
START = """
import runpy, sys
import discovery.clusterers
discovery.clusterers.__path__.append(sys.argv.pop(1))
{before}
runpy.run_module("discovery.cluster", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """A folder with the module that CONTRIBUTING.md shows."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    part = text[text.index("## To add a clusterer") : text.index("## To add an extractor")]
    (code,) = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "mine.py").write_text(textwrap.dedent("   " + code.lstrip()), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two kinds of images, twelve of each."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(24):
        pixels = rng.integers(0, 60, (48, 48))
        pixels[:, :: 2 if i % 2 else 12] += 150
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i:02}.png")
    return folder


def call(folder, *words, before=""):
    return subprocess.run(
        [sys.executable, "-c", START.format(before=before), str(folder), *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def clustering_spec(run):
    return json.loads((run / "run.json").read_text())["artefacts"]["clustering.parquet"]["spec"]


def test_a_module_is_a_subcommand_with_its_options(module, images, tmp_path):
    run = tmp_path / "run"
    done = call(module, images, "--out", run, "--extractor", "texture", "mine", "--my-option", 3)
    assert done.returncode == 0, done.stderr
    said = clustering_spec(run)
    assert ("mine", 3, "pca") == (said["clusterer"], said["my_option"], said["reducer"])
    assert "by mine" in done.stderr


def test_its_help_is_its_docstring(module):
    done = call(module, "IMAGES", "--out", "RUN", "mine", "--help")
    assert done.returncode == 0, done.stderr
    assert "Groups of images that are dense." in done.stdout
    assert "--my-option" in done.stdout


@pytest.mark.long
def test_it_becomes_the_default_in_one_place(module, images, tmp_path):
    before = "import discovery.clusterers.base as base; base.DEFAULT = 'mine'"
    run = tmp_path / "run"
    done = call(module, images, "--out", run, "--extractor", "texture", before=before)
    assert done.returncode == 0, done.stderr
    assert "mine" == clustering_spec(run)["clusterer"]


def test_an_unknown_one_is_refused_in_one_line(images, tmp_path):
    done = call(tmp_path, images, "--out", tmp_path / "run", "mine")
    assert done.returncode == 2
    assert "mine" in done.stderr
    assert 1 == len(done.stderr.splitlines())


def test_options_that_no_module_holds_are_refused(images, tmp_path):
    code = """
from dataclasses import dataclass
from pathlib import Path
from discovery.clusterers.base import ClustererOptions
from discovery.flow import RoundOptions
from embeddings.errors import OptionError

@dataclass(frozen=True, kw_only=True)
class Stray(ClustererOptions):
    def build(self, n, *, seed, share=1.0, k=None):
        raise AssertionError

try:
    RoundOptions(clusterer=Stray())
except OptionError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    expected = (
        "clusterer is a Stray, expected the options of one of auto, agglomerative, hdbscan, kmeans"
    )
    assert done.stdout.startswith(expected)


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("class One(C): ...\nclass Two(C): ...\n", 2)]
)
def test_a_module_that_holds_no_clusterer_or_two_is_named(text, count, tmp_path):
    head = "from discovery.clusterers.base import ClustererOptions as C\n"
    (tmp_path / "odd.py").write_text(head + text)
    done = call(tmp_path, "--help")
    assert done.returncode != 0
    assert f"discovery.clusterers.odd defines {count} subclasses" in done.stderr
