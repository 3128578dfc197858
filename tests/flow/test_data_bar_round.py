"""A round of pictures with data bars, and new ones among its groups: both without the bar."""

import json

import numpy as np
from PIL import Image

from discovery import AgglomerativeOptions, RoundOptions, discover_types
from discovery.flow.assignment import assign_images
from discovery.flow.new_images import AssignOptions
from discovery.runs import REPORT, open_run
from embeddings.extract import ExtractOptions
from embeddings.store import open_store

SIDE, ROWS = 96, 20


def take(folder, seed, bar):
    """Write a picture of one of two kinds, with its bar."""
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, 20, (SIDE, SIDE))
    wave = 60 * np.sin(np.arange(SIDE) / 3)[:, None] if seed % 2 else np.zeros((SIDE, 1))
    picture = np.clip(120 + wave + grain, 0, 255).astype(np.uint8)
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate([picture, bar])).save(folder / f"{seed:02}.png")


def test_a_round_says_what_it_left_out_and_assign_leaves_it_out_too(tmp_path, draw_bar):
    for seed in range(24):
        take(tmp_path / "images", seed, draw_bar(SIDE, ROWS, seed=seed))
    options = RoundOptions(
        extract=ExtractOptions(extractor="texture"),
        clusterer=AgglomerativeOptions(n_clusters=2),
        thumbnails=0,
    )
    discover_types(tmp_path / "images", tmp_path / "run", options=options)
    line = "data bar of 20 rows at the bottom left out of 24 of 24 images"
    run = open_run(tmp_path / "run")
    assert [line] == run.store["data_bars"]
    assert line in (run.path / REPORT).read_text(encoding="utf-8")
    groups = run.load_clustering().labels
    assert 1 == len(set(groups[::2])) == len(set(groups[1::2]))
    # One picture of a lot, whose bar no other of it could make sure of.
    take(tmp_path / "lot", 40, draw_bar(SIDE, ROWS, seed=40))
    assign_images(run, tmp_path / "lot", options=AssignOptions(store=tmp_path / "new"))
    new = open_store(tmp_path / "new")
    assert open_store(tmp_path / "run" / "store").bars == new.bars
    assert "bottom 20" == json.loads(new.rows()["metadata"].iloc[0])["data_bar"]
