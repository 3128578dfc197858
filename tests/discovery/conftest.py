"""What the tests of the hierarchical classifier share: blobs of rows, and short trainings."""

import numpy as np
import pytest

from discovery.classifier import calibration, networks


@pytest.fixture(scope="module")
def few_steps():
    """Train networks for few of their steps, and three folds: blobs are learned by then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "FOLDS", 3)
        patch.setattr(networks, "_LEAST_STEPS", 25)
        yield


@pytest.fixture(scope="session")
def make_blobs():
    """Return a function that draws rows (n, d) around one corner a label, and their labels."""

    def make(labels, *, size=16, gap=6.0, d=12, seed=0):
        rng = np.random.default_rng(seed)
        corners = gap * np.eye(d)[: len(labels)]
        rows = np.repeat(corners, size, axis=0) + rng.normal(size=(len(labels) * size, d))
        return rows.astype(np.float32), np.repeat(np.array(labels, dtype=np.str_), size)

    return make
