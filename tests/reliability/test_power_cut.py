"""What a power cut at any moment leaves on the disk is readable, and holds what was acknowledged.

The writes and syncs of a command are recorded; each state that a file system may have kept, with
everything that was not synced lost, is laid out as a folder and read.
"""

import json

import pytest


@pytest.fixture
def states(forks, lot, check, tmp_path):
    """Give a function that records a command, and yields the folder after each power cut."""

    def record(verb):
        kept = tmp_path / "record"
        kept.mkdir()
        done = forks.run(verb, lot.folder, record=str(kept))
        assert done["code"] == 0, done["said"]
        return kept, json.loads((kept / "states.json").read_text(encoding="utf-8"))

    return record


def test_every_prefix_of_the_writes_is_readable(power_verb, states, lot, check):
    kept, found = states(power_verb)
    assert len(found) > 3
    step = max(1, len(found) // 8)
    for number in [*range(0, len(found), step), len(found) - 1]:
        lot.lay_out(found[number], kept)
        check(f"{power_verb.name}, power cut {number} of {len(found)}")


@pytest.mark.long
def test_every_single_prefix_is_readable(power_verb, states, lot, check):
    kept, found = states(power_verb)
    for number, state in enumerate(found):
        lot.lay_out(state, kept)
        check(f"{power_verb.name}, power cut {number} of {len(found)}")
