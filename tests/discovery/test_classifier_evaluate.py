"""An evaluation on learned images, or on copies of such, is told to be one."""

from types import SimpleNamespace

import numpy as np
import pytest

from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.evaluate import find_training_images

pytestmark = pytest.mark.usefixtures("few_steps")
IDS = np.array([f"{i:016x}" for i in range(48)], dtype=np.str_)


@pytest.fixture(scope="module")
def learned(few_steps, make_blobs):
    rows, labels = make_blobs(["defect/pit", "defect/scratch", "no_defect"])
    return rows, CascadeClassifier(epochs=2, random_state=0).fit(rows, labels)


def make_model(cascade, **training):
    return SimpleNamespace(cascade=cascade, training=training)


def test_learned_images_are_counted_and_named(learned):
    rows, cascade = learned
    model = make_model(cascade, image_ids=" ".join(IDS.tolist()))
    overlap = find_training_images(model, IDS[:5], rows[:5, None])
    assert {"exact": 5, "near": 0} == overlap.to_dict()
    (warning,) = overlap.describe([f"{i}.png" for i in range(5)])
    assert warning.startswith("5 of 5 images of the truth were learned by this model")
    assert "0.png, 1.png, 2.png and 2 more" in warning


def test_near_copies_are_told_from_other_images(learned, make_blobs):
    rows, cascade = learned
    rng = np.random.default_rng(5)
    copies = rows[:10] + rng.normal(0, 0.02, (10, rows.shape[1])).astype(np.float32)
    others, _ = make_blobs(["a", "b", "c"], seed=9)
    ids = np.array([f"new{i}" for i in range(58)], dtype=np.str_)
    model = make_model(cascade, image_ids=" ".join(IDS.tolist()))
    overlap = find_training_images(model, ids, np.concatenate([copies, others])[:, None])
    assert overlap.near[:10].all()
    assert overlap.near[10:].mean() < 0.05
    (warning,) = overlap.describe([f"{i}.png" for i in range(58)])
    assert "as near to a learned one as copies of it do" in warning


def test_a_model_that_does_not_say_what_it_learned(learned):
    rows, cascade = learned
    overlap = find_training_images(make_model(cascade), IDS[:3], rows[:3, None])
    assert {"exact": None, "near": 3} == overlap.to_dict()


def test_nothing_leaks_and_nothing_is_said(learned, make_blobs):
    _, cascade = learned
    far = make_blobs(["a"], seed=3, gap=60.0)[0]
    model = make_model(cascade, image_ids="")
    overlap = find_training_images(
        model, np.array([f"n{i}" for i in range(len(far))]), far[:, None]
    )
    assert {"exact": 0, "near": 0} == overlap.to_dict()
    assert [] == overlap.describe([""] * len(far))
