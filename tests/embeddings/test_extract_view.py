"""Extraction with --view: a store keeps to it, and wafer maps and pictures lie side by side."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from embeddings.errors import OptionError, StoreError, StoreSpecError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.heat import weigh_images
from embeddings.records import ExtractorSpec
from embeddings.store import open_store


@pytest.fixture
def options(random_weights):
    def make(**given):
        base = {"layers": ("layer2",), "size": 64, "precision": "float32", "device": "cpu"}
        return ExtractOptions(weights=random_weights, batch_size=4, **(base | given))

    return make


@pytest.fixture
def mixed(make_images, save_picture):
    """Return a folder with two pictures, 0.png and 1.png, and three wafer maps, map0.png, ..."""
    folder = make_images(n=2)
    for seed in range(3):
        save_picture(folder / f"map{seed}.png", make_wafer(seed))
    return folder


def make_wafer(seed, side=40):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    levels = np.where(np.hypot(y, x) < side / 2, 128, 0)
    levels[(np.random.default_rng(seed).random(levels.shape) < 0.1) & (levels > 0)] = 255
    levels[side // 2, 5 : 15 + 5 * seed] = 255
    return levels.astype(np.uint8)


def load(store):
    vectors = open_store(store).load_vectors()
    names = [path.rsplit("/", 1)[-1] for path in vectors.rows["path"]]
    return dict(zip(names, vectors.values, strict=True))


@pytest.mark.parametrize("view", ["map", "polar"])
def test_maps_are_seen_otherwise_and_pictures_as_ever(view, mixed, options, tmp_path):
    store, plain = tmp_path / "store", tmp_path / "plain"
    extract_vectors(mixed, store, options=options(view=view))
    extract_vectors(mixed, plain, options=options())
    seen, shown = load(store), load(plain)
    assert 5 == len(seen)
    for name in seen:
        same = np.allclose(seen[name], shown[name], atol=1e-4)
        assert same != name.startswith("map"), name


def test_a_store_keeps_its_view(mixed, options, tmp_path, save_picture):
    store = tmp_path / "store"
    extract_vectors(mixed, store, options=options(view="map"))
    assert "map" == open_store(store).spec.view
    save_picture(mixed / "map3.png", make_wafer(3))
    added = extract_vectors(mixed, store, options=options())
    assert (1, 5) == (added.computed, added.reused)
    with pytest.raises(StoreSpecError, match="view: map != polar"):
        extract_vectors(mixed, store, options=options(view="polar"))


def test_tiles_of_maps_and_a_blank_map_are_embedded(mixed, options, tmp_path, save_picture):
    save_picture(mixed / "blank.png", np.full((40, 40), 128, np.uint8))
    done = extract_vectors(mixed, tmp_path / "store", options=options(view="polar", tile=24))
    assert (6, 0) == (done.computed, len(done.quarantined))
    assert np.isfinite(open_store(tmp_path / "store").load_vectors().values).all()


@pytest.mark.parametrize("pooling", ["defect", "residual"])
def test_maps_and_pictures_of_other_shapes_share_a_bank(pooling, mixed, options, tmp_path):
    given = options(view="polar", pooling=pooling, normal=mixed)
    done = extract_vectors(mixed, tmp_path / "store", options=given)
    assert (5, 0) == (done.computed, len(done.quarantined))
    assert 5 == len(open_store(tmp_path / "store").load_bank()["prints"])
    assert 5 == len(np.unique(open_store(tmp_path / "store").load_vectors().values, axis=0))


def test_heat_maps_are_of_maps_but_not_by_angle(mixed, options, tmp_path):
    for view in ("map", "polar"):
        given = options(view=view, pooling="defect")
        extract_vectors(mixed, tmp_path / view, options=given)
    opened = open_store(tmp_path / "map")
    vectors = opened.load_vectors()
    heats = weigh_images(vectors, vectors.ids.tolist(), opened, options=options())
    assert set(vectors.ids.tolist()) == set(heats)
    opened = open_store(tmp_path / "polar")
    with pytest.raises(StoreError, match="by radius and angle"):
        weigh_images(opened.load_vectors(), [], opened, options=options())


def test_a_turned_polar_picture_is_refused():
    with pytest.raises(OptionError, match="--turns 8 and --view polar"):
        ExtractOptions(turns=8, view="polar")
    assert "map" == ExtractOptions(turns=8, view="map").view


def test_a_store_made_before_has_the_spec_it_had():
    spec = ExtractorSpec(name="texture", dim=3)
    assert "view" not in spec.to_dict()
    assert "picture" == ExtractorSpec.from_dict(json.loads(json.dumps(spec.to_dict()))).view
