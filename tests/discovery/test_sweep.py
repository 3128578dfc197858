"""The sweep over the resolutions: gathered, kept in the run, drawn in the report."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.estimators.communities import GraphCommunities
from discovery.records import Sweep, number_by_size
from discovery.stages.sweep import format_sweep, read_sweep, sweep_groups
from embeddings.errors import RunError


def blobs(sizes, seed=0):
    rng = np.random.default_rng(seed)
    centres = 8 * np.eye(len(sizes), 12)
    return np.concatenate(
        [c + rng.normal(size=(n, 12)) for c, n in zip(centres, sizes, strict=False)]
    ).astype(np.float32)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(15, 40), min_size=3, max_size=5), st.integers(0, 3))
def test_the_sweep_says_what_the_clusterer_chose(sizes, seed):
    fitted = GraphCommunities(random_state=seed).fit(blobs(sizes, seed))
    labels = number_by_size(fitted.labels_)
    sweep = sweep_groups(fitted.persistence_, fitted.labels_, labels)
    assert (np.diff(sweep.counts) <= 0).all()
    assert sweep.choices["coarse"] <= sweep.choices["auto"] <= sweep.choices["fine"]
    assert len(sweep.born) == sweep.choices["auto"]
    assert sum(sizes) == sweep.sizes.sum()
    assert (sweep.lasting >= 0).all()
    kept = sorted(sweep.clusters[sweep.clusters >= 0].tolist())
    assert list(range(labels.max() + 1)) == kept
    again = read_sweep(format_sweep(sweep))
    for name in ("resolutions", "counts", "born", "died", "sizes", "clusters"):
        np.testing.assert_array_equal(getattr(sweep, name), getattr(again, name))
    assert sweep.choices == again.choices


def test_plain_groups_last_from_the_finest_to_the_coarsest():
    fitted = GraphCommunities(random_state=0).fit(blobs([40, 40, 40]))
    sweep = sweep_groups(fitted.persistence_, fitted.labels_, number_by_size(fitted.labels_))
    assert 3 == sweep.choices["auto"]
    # The three are what most of the resolutions show.
    assert (sweep.counts == 3).mean() > 0.5


def test_what_is_not_swept_is_told_so():
    assert read_sweep(format_sweep(None)) is None


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"resolutions": [1]}', b"\xff"])
def test_a_damaged_file_is_named(data):
    with pytest.raises(RunError, match=r"sweep\.json cannot be read"):
        read_sweep(data)


def test_unlike_lengths_are_refused():
    nothing = np.zeros(0)
    with pytest.raises(ValueError, match="falling resolutions"):
        Sweep(
            resolutions=np.array([1.0, 2.0]), counts=np.array([1, 2]), born=nothing, died=nothing,
            sizes=nothing.astype(int), clusters=nothing.astype(np.int32), choices={},
        )  # fmt: skip
