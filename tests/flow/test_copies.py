"""The copies of a round: found once, written to the run, read back while current."""

import shutil

import numpy as np
import pytest
from PIL import Image

from discovery import RoundOptions
from discovery.flow.context import prepare_round
from discovery.flow.pipeline import STEPS, run_pipeline
from discovery.runs import COPIES, create_run
from embeddings.extract import ExtractOptions


def draw(seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :96]
    spot = 80 * (np.hypot(y - 48, x - 20 - 7 * seed) < 9)
    return np.clip(100 + spot + rng.normal(0, 12, (96, 96)), 0, 255).astype(np.uint8)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(8):
        Image.fromarray(draw(seed)).save(folder / f"{seed}.png")
    Image.fromarray(draw(3)).save(folder / "again.png")
    Image.fromarray(draw(5)).save(folder / "near.jpg", quality=85)
    return folder


@pytest.fixture
def look(tmp_path, images):
    """Return a function that goes as far as the copies: it returns them, and their run."""

    def make(source=images, out="run"):
        # A store says itself how it was made.
        extract = ExtractOptions(extractor="texture" if source == images else "auto")
        context = prepare_round(source, create_run(tmp_path / out), RoundOptions(extract=extract))
        names = [step.name for step in STEPS]
        run_pipeline(context, steps=STEPS[: names.index("duplicates") + 1])
        return context.copies, context.run

    return make


def test_copies_are_found_once_and_read_back(look, watch):
    found, run = look()
    assert (1, 1, 1) == (found.exact, found.near, found.near_groups)
    lines = (run.path / COPIES).read_text().splitlines()
    assert sorted(["exact", "kept", "kept", "near"]) == sorted(
        line.split(",")[3] for line in lines[1:]
    )
    before = watch()
    again, _ = look()
    assert before == watch()
    assert found.ids.tolist() == again.ids.tolist()
    assert (found.exact, found.near) == (again.exact, again.near)
    for name in ("kept", "files"):
        assert getattr(found, name).tolist() == getattr(again, name).tolist()
    pairs = set(zip(found.groups.tolist(), again.groups.tolist(), strict=True))
    assert 8 == len(pairs) == found.groups.max() + 1


def test_pictures_that_have_gone_are_warned_of(look, images, caplog):
    _, run = look()
    shutil.rmtree(images)
    found, _ = look(run.path / "store", "other")
    assert (1, 0) == (found.exact, found.near)
    assert "could not be read again" in caplog.text
