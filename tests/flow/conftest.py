"""One small set of pictures of four kinds, embedded once; each test works on a copy of the run."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from discovery import AgglomerativeOptions, RoundOptions, discover_types
from discovery.runs import HANDOFF_CSV, HANDOFF_JSON, Run
from embeddings.extract import ExtractOptions

KINDS = ("lines", "waves", "blob", "checks")
EACH = 15
SIDE = 48
TEXTURE = ExtractOptions(extractor="texture")


def draw(kind, rng):
    y, x = np.mgrid[:SIDE, :SIDE]
    shift = rng.integers(8)
    pattern = {
        "lines": 40 * np.sin(1.1 * (x + shift)),
        "waves": 40 * np.sin((y + shift) / 1.5),
        "blob": 90.0 * (np.hypot(x - 16 - shift, y - 24) < 9),
        "checks": 60.0 * (((x + shift) // 8 + y // 8) % 2),
        "rings": 50 * np.cos(np.hypot(x - 24, y - 24 - shift)),
    }[kind]
    return np.clip(120 + pattern + rng.normal(0, 8, (SIDE, SIDE)), 0, 255).astype(np.uint8)


def draw_images(folder, kind, n, seed):
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{kind}_{i:02}.png" for i in range(n)]
    for path in paths:
        Image.fromarray(draw(kind, rng)).save(path)
    return paths


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """60 pictures of four kinds and their truth; nobody writes into it."""
    root = tmp_path_factory.mktemp("set")
    paths = [
        path
        for seed, kind in enumerate(KINDS)
        for path in draw_images(root / "images", kind, EACH, seed)
    ]
    truth = [(f"images/{path.name}", path.name.split("_")[0]) for path in paths]
    pd.DataFrame(truth, columns=["path", "label"]).to_csv(root / "truth.csv", index=False)
    return root


@pytest.fixture(scope="session")
def finished(pictures, tmp_path_factory):
    """A whole round by the default route; copy it before writing into it."""
    out = tmp_path_factory.mktemp("round") / "run"
    discover_types(pictures / "images", out, options=RoundOptions(extract=TEXTURE))
    return out


@pytest.fixture(scope="session")
def four(finished, pictures, tmp_path_factory):
    """A round on the same store by four clusters, so that what is found is known."""
    out = tmp_path_factory.mktemp("four") / "run"
    options = RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    discover_types(finished / "store", out, options=options)
    return out


@pytest.fixture
def copy(tmp_path):
    """Return a copy of a run to write into."""

    def make(run: Path) -> Path:
        return shutil.copytree(run, tmp_path / f"copy{len(list(tmp_path.iterdir()))}")

    return make


@pytest.fixture
def cheap():
    """Options of a round without density clustering, which takes a second less."""
    return RoundOptions(extract=TEXTURE, clusterer=AgglomerativeOptions(n_clusters=4))


@pytest.fixture(scope="session")
def drawing():
    """Return the function that draws n pictures of a kind into a folder."""
    return draw_images


@pytest.fixture
def draw_more(tmp_path):
    """Return a function that draws n pictures of a kind that are in no other set."""

    def make(kind, n, folder="more"):
        return draw_images(tmp_path / folder, kind, n, seed=100)

    return make


@pytest.fixture
def watch(monkeypatch):
    """Return the list of the artefacts that are computed from now on."""
    saved = []
    original = Run.save_bytes

    def save_bytes(self, artefact, data, provenance, *, seconds=0.0):
        saved.append(artefact)
        return original(self, artefact, data, provenance, seconds=seconds)

    monkeypatch.setattr(Run, "save_bytes", save_bytes)
    # The handoff follows proposals and ledger; its own tests look at it.
    return lambda: [name for name in saved if name not in (HANDOFF_CSV, HANDOFF_JSON)]
