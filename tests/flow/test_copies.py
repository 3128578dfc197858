"""The copies of a round: found once, written to the run, read back while current."""

import numpy as np
import pytest
from PIL import Image

from discovery import steps
from discovery.flow.steps import find_copies
from discovery.graph.neighbours import find_neighbours
from discovery.runs import COPIES, Provenance, create_run
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.store import open_store


def draw(seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :96]
    spot = 80 * (np.hypot(y - 48, x - 20 - 7 * seed) < 9)
    return np.clip(100 + spot + rng.normal(0, 12, (96, 96)), 0, 255).astype(np.uint8)


@pytest.fixture
def vectors(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(8):
        Image.fromarray(draw(seed)).save(folder / f"{seed}.png")
    Image.fromarray(draw(3)).save(folder / "again.png")
    Image.fromarray(draw(5)).save(folder / "near.jpg", quality=85)
    found = extract_vectors(folder, tmp_path / "store", options=ExtractOptions(extractor="texture"))
    vectors = open_store(tmp_path / "store").load_vectors(found.ids)
    return vectors


def test_copies_are_found_once_and_read_back(tmp_path, vectors, monkeypatch):
    run = create_run(tmp_path / "run")
    graph = find_neighbours(vectors.values, 4)
    made_by = Provenance(command="c", spec={}, seed=0, inputs={"vectors": "v"})
    found = find_copies(run, vectors, graph, made_by=made_by)
    assert (1, 1, 1) == (found.exact, found.near, found.near_groups)
    lines = (run.path / COPIES).read_text().splitlines()
    assert sorted(["exact", "kept", "kept", "near"]) == sorted(
        line.split(",")[3] for line in lines[1:]
    )
    monkeypatch.setattr(steps, "find_duplicates", None)  # would be called in vain
    again = find_copies(run, vectors, graph, made_by=made_by)
    assert found.ids.tolist() == again.ids.tolist()
    assert (found.exact, found.near) == (again.exact, again.near)
    for name in ("kept", "files"):
        assert getattr(found, name).tolist() == getattr(again, name).tolist()
    pairs = set(zip(found.groups.tolist(), again.groups.tolist(), strict=True))
    assert 8 == len(pairs) == found.groups.max() + 1


def test_pictures_that_have_gone_are_warned_of(tmp_path, vectors, caplog):
    for path in vectors.rows["path"]:
        (tmp_path / path).unlink()
    run = create_run(tmp_path / "run")
    made_by = Provenance(command="c", spec={}, seed=0, inputs={})
    graph = find_neighbours(vectors.values, 4)
    found = find_copies(run, vectors, graph, made_by=made_by)
    assert (1, 0) == (found.exact, found.near)
    assert "could not be read again" in caplog.text
