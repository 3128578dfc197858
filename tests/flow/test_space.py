"""The spaces of a round: the rows it always had, the same axes for new images, views joined."""

from dataclasses import replace

import numpy as np
import pytest

from discovery.flow.route import reduce_vectors
from discovery.flow.space import JOINED, fit_space, join_vectors, join_views
from discovery.stages.reduce import reduce_pca
from embeddings.extractors import SpecRequest, find_extractor
from embeddings.highlight import NUMBERS
from embeddings.records import Vectors, unit_rows
from embeddings.store import open_store


@pytest.fixture(scope="module")
def vectors(finished):
    return open_store(finished / "store").load_vectors()


def test_its_rows_are_those_the_graph_is_made_of(vectors):
    space = fit_space([vectors], seed=0)
    assert np.array_equal(reduce_vectors(vectors, seed=0), space.rows)
    assert np.allclose(space.rows, space.place([vectors]), atol=1e-6)


def test_its_rows_are_those_that_k_means_sees(vectors):
    space = fit_space([vectors], seed=0, dimensions=50, whiten=0.0)
    assert np.array_equal(reduce_pca(vectors.values, 50, seed=0), space.rows)


def test_new_images_come_one_by_one_as_they_come_together(vectors):
    fitted, new = vectors.take(np.arange(0, 40)), vectors.take(np.arange(40, 60))
    space = fit_space([fitted], seed=0)
    together = space.place([new])
    alone = np.concatenate([space.place([new.take(np.array([i]))]) for i in range(20)])
    assert (20, space.rows.shape[1]) == together.shape
    assert np.allclose(together, alone, atol=1e-5)


def test_two_views_weigh_the_same(vectors):
    turned = Vectors(
        ids=vectors.ids, values=vectors.values[:, ::-1].copy(), rows=vectors.rows, spec=vectors.spec
    )
    joined = join_views([vectors, turned])
    assert np.allclose(1, np.linalg.norm(joined, axis=1), atol=2e-3)
    half = joined.shape[1] // 2
    for block in (joined[:, :half], joined[:, half:]):
        assert np.allclose(np.sqrt(0.5), np.linalg.norm(block, axis=1), atol=2e-3)
    space = fit_space([vectors, turned], seed=0)
    assert np.allclose(space.rows, space.place([vectors, turned]), atol=1e-6)


def test_joined_vectors_say_whose_they_are(vectors):
    other = Vectors(
        ids=vectors.ids,
        values=vectors.values,
        rows=vectors.rows,
        spec=replace(vectors.spec, level="plane", bank_sha256="ab"),
    )
    assert join_vectors([vectors]) is vectors
    spec = join_vectors([vectors, other]).spec
    assert (JOINED, 2 * vectors.spec.dim) == (spec.name, spec.dim)
    assert (vectors.spec.hash, other.spec.hash) == spec.layers
    # Of a bank nothing is said that is not so, and how the pictures were read is still there.
    assert ("", "none") == (spec.bank_sha256, spec.level)
    assert spec.hash != join_vectors([other, vectors]).spec.hash


def test_views_of_other_images_are_refused(vectors):
    with pytest.raises(ValueError, match="different images"):
        join_views([vectors, vectors.take(np.arange(59, -1, -1))])
    with pytest.raises(ValueError, match="one view or more"):
        join_views([])


@pytest.fixture
def looked(vectors):
    """The vectors, and numbers of what stands out: nothing in every third image."""
    rng = np.random.default_rng(0)
    n = len(vectors)
    numbers = np.concatenate([np.ones((n, 1)), rng.normal(2, 1, (n, len(NUMBERS)))], axis=1)
    numbers[:, 1] = 1
    numbers[::3, 1:] = 0
    spec = find_extractor("standout").make_spec(SpecRequest(name="standout"))
    standout = Vectors(ids=vectors.ids, values=unit_rows(numbers), rows=vectors.rows, spec=spec)
    alone = Vectors(
        ids=vectors.ids,
        values=vectors.values[:, ::-1].copy(),
        rows=vectors.rows,
        spec=replace(vectors.spec, view="highlight"),
    )
    return [vectors, alone, standout]


def test_images_in_which_nothing_stands_out_lie_together_apart(looked):
    space = fit_space(looked, seed=0)
    assert np.allclose(1, np.linalg.norm(space.rows, axis=1), atol=1e-5)
    lone, rest = space.rows[::3], np.delete(space.rows, np.s_[::3], axis=0)
    assert 1 == len(np.unique(lone, axis=0))
    # Farther from all others than two of these that are alike at all.
    assert (lone @ rest.T < 0).all()
    assert np.allclose(space.rows, space.place(looked), atol=1e-6)


def test_a_network_is_reduced_on_what_stands_out(looked):
    space = fit_space(looked, seed=0)
    kept = np.delete(np.arange(len(looked[0])), np.s_[::3])  # where something stands out
    alone = fit_space([one.take(kept) for one in looked], seed=0, dimensions=space_width(space))
    assert np.allclose(space.rows[kept], alone.rows, atol=1e-5)


def space_width(space):
    return space.reducers[0].n_components


def test_numbers_alone_are_a_space_like_any_other(looked):
    space = fit_space(looked[2:], seed=0)
    assert (len(looked[2]), len(NUMBERS)) == space.rows.shape


def test_numbers_beside_the_whole_picture_weigh_a_third_of_it_and_set_nothing_apart(looked):
    whole, _, standout = looked
    space = fit_space([whole, standout], seed=0)
    assert np.allclose(1, np.linalg.norm(space.rows, axis=1), atol=1e-5)
    told = np.linalg.norm(space.rows[:, -len(NUMBERS) :], axis=1)
    assert np.allclose(0, told[::3])  # they say nothing of the image, which is seen all the same
    assert np.allclose(np.sqrt(1 / 4), np.delete(told, np.s_[::3]), atol=1e-5)
    assert np.allclose(
        fit_space([whole], seed=0).rows[::3], space.rows[::3, : -len(NUMBERS)], atol=1e-5
    )
    assert np.allclose(space.rows, space.place([whole, standout]), atol=1e-6)
