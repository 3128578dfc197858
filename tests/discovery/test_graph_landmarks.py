"""A layout by landmarks: as faithful as one of all images, and the same for a seed."""

import numpy as np
import pytest

from discovery.graph import landmarks
from discovery.graph.landmarks import lay_out_landmarks
from discovery.graph.layout import lay_out_graph, settle_layout
from discovery.graph.neighbours import find_neighbours, weigh_graph
from discovery.stages import reduce
from discovery.stages.reduce import embed_umap


@pytest.fixture(scope="module")
def data():
    """3,000 images of 20 groups, of which every tenth is a landmark, and their graph."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 20, 3000)
    values = (rng.normal(size=(20, 20))[truth] + 0.5 * rng.normal(size=(3000, 20))).astype("f4")
    found = find_neighbours(values, 14)
    return values, truth, found, weigh_graph(found.indices, found.distances)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(landmarks, "_FEWEST", 300)


def share_of_own(places, truth):
    near = find_neighbours(places.astype("f4"), 5).indices
    return (truth[near] == truth[:, None]).mean()


def test_images_lie_among_their_own_as_in_a_layout_of_all(data, few):
    values, truth, _, graph = data
    start = values[:, :2].astype(float)
    whole = lay_out_graph(graph, start, min_dist=0.1)
    by_landmarks = lay_out_landmarks(values, graph, start, n_neighbors=14, min_dist=0.1)
    assert share_of_own(by_landmarks, truth) > share_of_own(whole, truth) - 0.01
    assert share_of_own(start, truth) < 0.5  # which was not there before
    assert len(np.unique(by_landmarks, axis=0)) == len(values)


def test_placed_images_lie_between_landmarks_and_landmarks_stay(data):
    values, truth, _, _ = data
    chosen = np.arange(0, 3000, 10)
    spots = np.stack([truth[chosen], -truth[chosen]], axis=1).astype(float)
    places = landmarks._place_among(values, chosen, spots, seed=0)
    assert np.array_equal(spots, places[chosen])
    assert (places >= spots.min(axis=0) - 1e-9).all()
    assert (places <= spots.max(axis=0) + 1e-9).all()
    assert np.median(np.abs(places[:, 0] - truth)) < 1e-6  # among those of its own group


def test_it_is_the_same_for_a_seed_and_starts_from_what_it_was_given(data, few, monkeypatch):
    values, _, found, graph = data
    monkeypatch.setattr(reduce, "LAID_OUT_WHOLE", 100)
    first, again = (embed_umap(values, found, 2, seed=1) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, embed_umap(values, found, 2, seed=2))
    monkeypatch.setattr(reduce, "LAID_OUT_WHOLE", 3000)
    assert not np.array_equal(first, embed_umap(values, found, 2, seed=1))
    places = first.astype(float)
    before = places.copy()
    settled = settle_layout(graph, places, seed=0)
    assert np.array_equal(before, places)
    assert 0 < np.abs(settled - before).max() < np.ptp(before)
