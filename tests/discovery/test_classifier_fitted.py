"""What one fit gives: which columns each member learns by, and from which copies."""

import numpy as np
import pytest

from discovery.classifier.fitted import FittedNetworks, list_members
from discovery.classifier.networks import Schedule
from discovery.classifier.taxonomy import Taxonomy

pytestmark = pytest.mark.usefixtures("few_steps")
COPIES, DEEP, CLASSICAL, LATENT = 8, 300, 100, 10


def draw(size, *, seed):
    """Draw two types that deep columns tell in every copy; classical ones name the image only."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.array(["a", "b"]), size)
    signs = np.where(labels == "a", 1.0, -1.0)
    latent = rng.normal(size=(2 * size, COPIES, LATENT))
    latent[:, :, 0] += signs[:, None] * 0.7
    # Alike for every draw: what the columns mean does not depend on the images.
    deep = latent @ np.random.default_rng(99).normal(size=(LATENT, DEEP))
    classical = np.repeat(rng.normal(size=(2 * size, 1, CLASSICAL)), COPIES, axis=1)
    return np.concatenate([deep, classical], axis=2).astype(np.float32), labels


def fit(rows, labels, blocks=(DEEP, CLASSICAL)):
    return FittedNetworks.fit(
        rows,
        labels,
        np.ones(len(rows), np.float32),
        taxonomy=Taxonomy.from_labels(labels.tolist()),
        blocks=blocks,
        n_eval_views=None,
        schedule=Schedule(epochs=30, seed=0),
        for_ablation=True,
    )


def test_an_image_is_not_learned_by_heart_from_columns_that_all_its_copies_share():
    rows, labels = draw(15, seed=0)
    networks = fit(rows, labels)
    asked, truth = draw(200, seed=1)
    said = networks.answer_nodes(networks.fuse(asked))[""]
    right = {name: np.mean((v.argmax(axis=1) == 0) == (truth == "a")) for name, v in said.items()}
    assert right["deep"] > 0.9
    assert right["fused"] > right["deep"] - 0.08  # .85 where all copies show them


def test_of_what_the_classical_columns_alone_tell_much_is_learned():
    rows, labels = draw(15, seed=0)
    rows[:, :, 0] = 0
    rows[:, :, DEEP] += np.where(labels == "a", 3, -3)[:, None]
    networks = fit(rows, labels)
    said = networks.answer_nodes(networks.fuse(rows))[""]["fused"]
    assert np.mean((said.argmax(axis=1) == 0) == (labels == "a")) > 0.9


def test_one_block_has_no_member_of_a_part():
    rows, labels = draw(8, seed=0)
    networks = fit(rows, labels, blocks=None)
    assert ("fused", "linear") == list_members(None) == tuple(networks.heads[""])
    assert ("fused", "deep", "linear") == list_members((DEEP, CLASSICAL))
    assert {"fused", "linear"} == set(networks.flats)
