"""docs/architecture.md is kept true: its list of packages, and the changes it says are easy.

A change stands there as fenced blocks, one a place that is touched::

    ```python change="default clusterer" file=discovery/clusterers/__init__.py
    DEFAULT = "auto"
    ---
    DEFAULT = "kmeans"
    ```

The test makes it in a copy of the packages and runs a command there.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.torch import save_file

from embeddings.store import open_store

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r'^```\w+ change="([^"]+)" file=(\S+)\n(.*?)^```$', re.DOTALL | re.MULTILINE)
MOST_PLACES = 2


def read_changes():
    """Return the places of each change: (file, text that is there, text instead)."""
    changes = {}
    for name, file, body in _BLOCK.findall(PAGE):
        before, found, after = body.partition("---\n")
        # A block without a line of dashes is a file of its own.
        changes.setdefault(name, []).append((file, before if found else "", after or before))
    return changes


CHANGES = read_changes()


def list_packages():
    return {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in ("embeddings", "discovery")
        for path in (ROOT / package).rglob("__init__.py")
    }


def test_the_page_lists_every_package_and_module_at_the_top():
    named = set(re.findall(r"^\| `((?:embeddings|discovery)[\w.]*)` \|", PAGE, re.MULTILINE))
    modules = {
        f"{package}.{path.stem}"
        for package in ("embeddings", "discovery")
        for path in (ROOT / package).glob("*.py")
        if path.stem not in ("__init__", "__main__")
    }
    assert sorted(named) == sorted(list_packages() | modules)


def test_the_five_changes_are_there_and_touch_two_places_at_most():
    assert sorted(CHANGES) == [
        "column of proposals.csv",
        "default clusterer",
        "new extractor",
        "new step",
        "normalisation",
    ]
    assert {
        name: len(places) for name, places in CHANGES.items() if len(places) > MOST_PLACES
    } == {}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two kinds of pictures, twelve of each."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    for number in range(24):
        pattern = 50 * np.sin(x + number) if number % 2 else 90.0 * (np.hypot(x - 20, y - 24) < 9)
        noisy = np.clip(100 + pattern + rng.normal(0, 8, (48, 48)), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def changed(tmp_path):
    """Return a function that makes a change in a copy of the packages, and gives its folder."""

    def make(name):
        root = tmp_path / "tree"
        ignore = shutil.ignore_patterns("__pycache__")
        for package in ("embeddings", "discovery"):
            shutil.copytree(ROOT / package, root / package, ignore=ignore)
        for file, before, after in CHANGES[name]:
            path = root / file
            if not before:
                assert not path.exists()
                path.write_text(after, encoding="utf-8")
                continue
            text = path.read_text(encoding="utf-8")
            assert text.count(before) == 1, f"{file} does not hold, once:\n{before}"
            path.write_text(text.replace(before, after), encoding="utf-8")
        return root

    return make


def run(tree, *words):
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=tree, env={"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin", "HOME": str(tree)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def cluster(tree, images, *words):
    run(tree, "discovery.cluster", images, "--out", tree / "run", "--extractor", "texture", *words)
    return tree / "run"


@pytest.mark.long
def test_the_default_clusterer_is_one_constant(changed, images):
    out = cluster(changed("default clusterer"), images)
    made = json.loads((out / "run.json").read_text())["artefacts"]["clustering.parquet"]
    assert made["spec"]["clusterer"] == "kmeans"


@pytest.mark.long
def test_the_normalisation_of_pixels_is_in_the_extractor(changed, images):
    words = ("embeddings.extract", images, "--extractor", "lite", "--device", "cpu", "--store")
    other = changed("normalisation")
    run(ROOT, *words, other / "before")
    run(other, *words, other / "after")
    before, after = (open_store(other / name).load_vectors() for name in ("before", "after"))
    assert before.ids.tolist() == after.ids.tolist()
    assert np.abs(before.values - after.values).max() > 0.01


@pytest.mark.long
def test_a_column_of_proposals_is_a_field_and_its_value(changed, images):
    out = cluster(changed("column of proposals.csv"), images)
    table = pd.read_csv(out / "proposals.csv")
    assert table["borderline"].between(0, 1).all()
    assert len(table) >= 1


@pytest.mark.long
def test_an_extractor_is_one_module(changed, images):
    tree = changed("new extractor")
    timm = pytest.importorskip("timm")
    model = timm.create_model("vit_small_patch14_dinov2")
    save_file(model.state_dict(), tree / "weights.safetensors")
    run(
        tree, "embeddings.extract", images, "--store", "store", "--extractor", "dinov2",
        "--weights", "weights.safetensors", "--size", "56",
    )  # fmt: skip
    store = open_store(tree / "store")
    assert (store.spec.name, store.spec.cell, len(store.ids())) == ("dinov2", 14, 24)


@pytest.mark.long
def test_a_step_is_a_row_and_its_function(changed, images):
    out = cluster(changed("new step"), images)
    sizes = pd.read_csv(out / "sizes.csv")
    images_in_run = pd.read_parquet(out / "clustering.parquet")
    clustered = int((images_in_run["cluster_id"] >= 0).sum())
    assert sizes["size"].sum() == clustered > 0
    assert "sizes.csv" in json.loads((out / "run.json").read_text())["artefacts"]
