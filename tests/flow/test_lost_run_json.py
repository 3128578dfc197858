"""A run whose run.json is damaged goes on in its own folder, and loses no decision."""

import json
import shutil

import pandas as pd
import pytest

from discovery import discover_types, open_review, read_decisions
from discovery.runs import create_run, open_run
from embeddings.errors import RunError


@pytest.fixture
def decided(four, copy):
    """A run with two decisions."""
    run = copy(four)
    with open_review(run) as review:
        first, second, *_ = review.state.proposals
        review.accept(first.proposal_id, "defect/first")
        review.accept(second.proposal_id, "defect/second")
    return run


def test_what_is_left_is_made_into_a_run_again(decided, finished, cheap):
    handoff, run_id = (decided / "handoff.csv").read_bytes(), open_run(decided).run_id
    ledger = (decided / "decisions.jsonl").read_bytes()
    (decided / "run.json").unlink()
    with pytest.raises(RunError, match=r"has no run.json, and was a run: run discovery\.cluster"):
        open_run(decided)
    # A label that was typed, and not read yet, is none of what is made anew.
    sheet = pd.read_csv(decided / "types.csv", dtype=str)
    sheet.loc[sheet["label"].isna().idxmax(), "label"] = "defect/typed"
    sheet.to_csv(decided / "types.csv", index=False)
    discover_types(finished / "store", decided, options=cheap)
    run = open_run(decided)
    assert run_id == run.run_id
    assert (decided / "decisions.jsonl").read_bytes().startswith(ledger)
    labels = [one.label for one in read_decisions(decided / "decisions.jsonl")]
    assert ["defect/first", "defect/second", "defect/typed"] == labels
    kept = [line for line in handoff.splitlines() if b",defect/" in line]
    assert kept
    assert set(kept) <= set(run.read_bytes("handoff.csv").splitlines())
    state = json.loads((decided / "run.json").read_bytes())
    found = {name for name, entry in state["artefacts"].items() if not entry["key"]}
    assert set() == found - {"lineage.jsonl", "lineage.npz"}  # all else was made again


def test_a_handoff_that_was_written_elsewhere_is_no_run(decided, tmp_path):
    for name in ("handoff.csv", "handoff.json"):
        shutil.copy(decided / name, tmp_path)
    shutil.rmtree(decided)
    with pytest.raises(RunError, match=r"is not a run and not empty \(it holds handoff"):
        create_run(tmp_path)


@pytest.mark.parametrize(
    ("place", "says"),
    [(None, "has 2 decisions and is whole"), (40, "has 1 decision and is damaged too")],
)
def test_the_line_says_what_to_do_and_whether_the_decisions_are_whole(decided, place, says):
    for path, at in ((decided / "run.json", 100), (decided / "decisions.jsonl", place)):
        if at is not None:
            data = bytearray(path.read_bytes())
            data[at] ^= 1
            path.write_bytes(data)
    advice = (
        r"run.json is damaged .*: restore it from a copy, or move it away and run "
        r"discovery\.cluster with the same images into this folder again: vectors and decisions "
        "are kept, .*; "
    )
    with pytest.raises(RunError, match=advice + r"decisions\.jsonl " + says):
        open_run(decided)
