"""A round whose vectors stay in the store comes to what a round that holds them comes to."""

from dataclasses import replace

import numpy as np
import pytest

from discovery import KMeansOptions, RoundOptions, discover_types
from discovery.flow.known_types import stack_views
from discovery.flow.space import fit_space, join_views
from discovery.runs import ASSOCIATIONS, CLUSTERING, MAP, NEIGHBOURS, PROPOSALS, RARE, open_run
from embeddings import large_values
from embeddings.large_values import LargeValues
from embeddings.store import open_store, reader

MADE = (NEIGHBOURS, MAP, CLUSTERING, RARE, PROPOSALS, ASSOCIATIONS)


@pytest.fixture
def leave_in_store(monkeypatch):
    """Return a function after which nothing is small enough to be held."""

    def leave():
        monkeypatch.setattr(reader, "MOST_BYTES", 0)
        monkeypatch.setattr(large_values, "_MOST_SELECTED", 0)

    return leave


@pytest.mark.parametrize("clusterer", [None, KMeansOptions(n_clusters=4)])
def test_its_artefacts_are_the_same_bytes(finished, tmp_path, clusterer, leave_in_store):
    words = {} if clusterer is None else {"clusterer": clusterer}
    discover_types(finished / "store", tmp_path / "held", options=RoundOptions(**words))
    leave_in_store()
    assert isinstance(open_store(finished / "store").load_vectors(whole=False).values, LargeValues)
    discover_types(finished / "store", tmp_path / "left", options=RoundOptions(**words))
    held, left = open_run(tmp_path / "held"), open_run(tmp_path / "left")
    assert {name: held.read_bytes(name) for name in MADE} == {
        name: left.read_bytes(name) for name in MADE
    }


def test_so_do_its_ids_from_one_round_to_the_next(finished, tmp_path, leave_in_store):
    discover_types(finished / "store", tmp_path / "first")
    leave_in_store()
    again = RoundOptions(seed=1, since=tmp_path / "first")
    discover_types(finished / "store", tmp_path / "second", options=again)
    before = {one.proposal_id for one in open_run(tmp_path / "first").load_proposals()}
    after = {one.proposal_id for one in open_run(tmp_path / "second").load_proposals()}
    assert before & after


def test_so_do_views_side_by_side_and_known_images_behind_new_ones(finished, leave_in_store):
    store = open_store(finished / "store")
    held = store.load_vectors()
    leave_in_store()
    left = store.load_vectors(whole=False)
    for several in ([left, held], [left, left]):
        joined = join_views(several)
        assert isinstance(joined, LargeValues)
        assert np.array_equal(join_views([held, held]), np.asarray(joined))
        rows = fit_space(several, seed=0).rows
        assert np.array_equal(fit_space([held, held], seed=0).rows, rows)
    few = held.take(np.arange(5))
    other = replace(few, ids=np.array([f"new {i}" for i in range(5)]))
    stacked = stack_views([left], [other])[0]
    assert isinstance(stacked.values, LargeValues)
    assert np.array_equal(held.values, stacked.values[np.arange(len(held))])
    assert np.array_equal(held.values[:5], stacked.values[len(held) :])
