"""How often a round decodes a picture: twice at most in the first, and then hardly any."""

import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from discovery import AgglomerativeOptions, RoundOptions, discover_types
from discovery.runs import COPIES, REPORT
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.images import decode

TEXTURE = ExtractOptions(extractor="texture")
CLUSTERER = AgglomerativeOptions(n_clusters=4)


@pytest.fixture
def decodes(monkeypatch):
    """Counts by its bytes how often a raster file is decoded."""
    counts = Counter()
    real = decode.decode_raster

    def counting(data, **limits):
        counts[data] += 1
        return real(data, **limits)

    monkeypatch.setattr(decode, "decode_raster", counting)
    return counts


def run_round(images, out, **options):
    how = RoundOptions(extract=TEXTURE, clusterer=CLUSTERER, **options)
    return discover_types(images, out, options=how)


def test_a_first_round_decodes_each_picture_twice_at_most(pictures, tmp_path, decodes):
    discovered = run_round(pictures / "images", tmp_path / "run")
    assert 60 == discovered.images == len(decodes)
    assert 2 == max(decodes.values())  # for the grey-level window, and for the vector
    decodes.clear()
    run_round(pictures / "images", tmp_path / "run")
    assert not decodes


def test_of_many_pictures_most_are_decoded_once(pictures, tmp_path, decodes):
    images = tmp_path / "images"
    shutil.copytree(pictures / "images", images)
    rng = np.random.default_rng(0)
    for i in range(68):
        noise = rng.integers(0, 255, (20, 20), dtype=np.uint8)
        Image.fromarray(noise).save(images / f"noise_{i:02}.png")
    run_round(images, tmp_path / "run")
    assert {1, 2} == set(decodes.values())
    assert 64 == sum(n == 2 for n in decodes.values())  # the sample for the window


def test_a_round_on_a_store_decodes_what_must_be_seen(pictures, tmp_path, decodes):
    run_round(pictures / "images", tmp_path / "first")
    decodes.clear()
    store = tmp_path / "first" / "store"
    run_round(store, tmp_path / "second", thumbnails=0)
    assert max(decodes.values()) <= 2  # sketched, and compared where a sketch has a look-alike
    copies = len(decodes)
    (tmp_path / "second" / REPORT).unlink()
    decodes.clear()
    run_round(store, tmp_path / "second", thumbnails=10)
    assert 0 < len(decodes) <= min(copies, 20)
    assert 1 == max(decodes.values())
    decodes.clear()
    (tmp_path / "second" / COPIES).unlink()
    run_round(store, tmp_path / "second", thumbnails=10)
    assert max(decodes.values()) <= 2


def test_new_pictures_do_not_make_old_ones_be_read(pictures, tmp_path, decodes):
    images = tmp_path / "images"
    shutil.copytree(pictures / "images", images)
    run_round(images, tmp_path / "run", thumbnails=0)
    seen = set(decodes)
    rng = np.random.default_rng(1)
    new = rng.integers(0, 255, (48, 48), dtype=np.uint8)
    Image.fromarray(new).save(images / "new.png")
    decodes.clear()
    extract_vectors(images, tmp_path / "run" / "store", options=TEXTURE)
    assert [1] == [n for data, n in decodes.items() if data not in seen]
    assert not seen.intersection(decodes)
