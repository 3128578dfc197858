"""A run and a ledger of version 0.1 under review, and what is known of its images."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from discovery import open_review

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "version_0_1"


@pytest.fixture
def folder(tmp_path):
    """A copy to write into."""
    return shutil.copytree(GOLDEN, tmp_path / "golden") / "run"


def read_handoff(folder):
    with (folder / "handoff.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["image_id"]: (row["label"], row["label_source"]) for row in csv.DictReader(file)
        }


def test_an_old_ledger_means_what_it_meant(folder):
    expected = read_handoff(folder)
    with open_review(folder, by="root") as review:
        state = review.state
    sources = ("", "cluster", "human")
    found = {
        name: (state.labels[code] if code >= 0 else "", sources[source])
        for name, code, source in zip(
            state.ids.tolist(), state.label_codes.tolist(), state.sources.tolist(), strict=True
        )
    }
    assert found == expected
    assert state.progress.named == sum(bool(label) for label, _ in expected.values())


def test_each_old_line_is_an_action_that_can_be_undone(folder):
    lines = (folder / "decisions.jsonl").read_bytes()
    with open_review(folder, by="root") as review:
        count = review.revision
        assert review.state.progress.decisions == count
        for _ in range(count):
            review.undo()
        assert review.state.progress.named == 0
        for _ in range(count):
            review.redo()
    # Old lines stay as they are, to the letter.
    assert (folder / "decisions.jsonl").read_bytes().startswith(lines)
    assert read_handoff(folder) == read_handoff(GOLDEN / "run")


def test_what_is_known_of_the_images(folder):
    with open_review(folder, by="root") as review:
        data = review.data
    n = len(data.ids)
    assert np.linalg.norm(data.vectors, axis=1) == pytest.approx(np.ones(n), abs=1e-4)
    assert data.positions.shape == (n, 2)
    assert (len(data.paths), len(data.metadata), len(data.copies)) == (n, n, n)
    # The rows are those the run's graph was made of: they lie as far apart as it says.
    apart = np.linalg.norm(data.rows[:, None] - data.rows[data.neighbours.indices], axis=2)
    np.testing.assert_allclose(apart, data.neighbours.distances, atol=2e-3)


def test_near_copies_are_one_group_and_singles_are_none(folder):
    with open_review(folder, by="root") as review:
        data = review.data
    groups = data.copies[data.copies >= 0]
    assert (np.bincount(groups)[np.unique(groups)] > 1).all()
