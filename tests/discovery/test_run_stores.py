"""A run that was copied or moved has its stores beside it."""

import shutil

import numpy as np
from PIL import Image

from discovery.runs import open_run
from discovery.runs.stores import find_store
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.store import open_store


def make(make_small_run, folder, seed):
    """Return a run of twelve images whose store is in it."""
    images = folder.with_name(f"images-{seed}")
    draw(images, seed)
    extract_vectors(images, folder / "store", options=ExtractOptions(extractor="texture", size=64))
    store = open_store(folder / "store")
    run = make_small_run(folder, ids=sorted(store.rows()["image_id"]))
    run.set_store({"path": str(folder / "store"), "spec_hash": store.spec.hash})
    return run


def draw(images, seed):
    images.mkdir(parents=True)
    for number, pixels in enumerate(np.random.default_rng(seed).integers(0, 255, (12, 64, 64))):
        Image.fromarray(pixels.astype(np.uint8)).save(images / f"{number}.png")


def test_its_own_store_comes_first(make_small_run, tmp_path):
    run = make(make_small_run, tmp_path / "first", 0)
    assert tmp_path / "first" / "store" == find_store(run)
    shutil.copytree(run.path, tmp_path / "copy")
    copied = open_run(tmp_path / "copy")
    assert tmp_path / "copy" / "store" == find_store(copied)
    shutil.rmtree(run.path)
    assert tmp_path / "copy" / "store" == find_store(copied)
    make(make_small_run, tmp_path / "first", 1)  # another run in its place
    assert tmp_path / "copy" / "store" == find_store(copied)
    # What lies in the run's folder and holds other images is not the run's.
    shutil.rmtree(tmp_path / "copy" / "store")
    shutil.copytree(tmp_path / "first" / "store", tmp_path / "copy" / "store")
    (tmp_path / "first").rename(tmp_path / "second")
    shutil.copytree(tmp_path / "second" / "store", tmp_path / "first" / "store")
    assert tmp_path / "first" / "store" == find_store(copied)
