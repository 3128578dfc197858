"""The sheets of a run under review: written behind the decisions, and what is typed is taken in."""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest

from discovery import open_review
from discovery.ledger import read_decisions
from discovery.runs import open_run
from discovery.stages.handoff_io import publish_handoff
from discovery.stages.type_sheet_io import publish_types
from embeddings.errors import OptionError

LEDGER = "decisions.jsonl"


@pytest.fixture
def run(make_small_run, tmp_path):
    run = make_small_run(tmp_path / "run")
    publish_handoff(run)
    return run


def read_labels(run):
    with (run.path / "handoff.csv").open(encoding="utf-8", newline="") as file:
        return [row["label"] for row in csv.DictReader(file)]


def fill(path, label, row):
    """Type a label into a row of a sheet, as a spreadsheet would save it."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[row]["label"] = label
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def test_the_handoff_follows_by_itself(run):
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch", thrown=[0])
        wait_for(lambda: read_labels(run)[:3] == ["", "scratch", "scratch"])
        review.rename("scratch", "line", definition="long")
        wait_for(lambda: read_labels(run)[1] == "line")
    described = json.loads((run.path / "handoff.json").read_text(encoding="utf-8"))
    assert described["types"] == [
        {"label": "line", "definition": "long", "proposals": ["Pa"], "images": 4}
    ]


def test_it_is_what_the_command_writes(run):
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch", shown=[1], thrown=[0], definition='say "it", now')
        review.discard([5])
        review.move([10], "größer")
        review.undo()
    files = [run.path / name for name in ("handoff.csv", "handoff.json")]
    written = [file.read_bytes() for file in files]
    publish_handoff(run)
    assert [file.read_bytes() for file in files] == written
    assert all(run.entry(file.name) for file in files)


def test_a_review_without_a_decision_writes_nothing(run):
    before = (run.path / "handoff.csv").stat().st_mtime_ns
    open_review(run, by="eva").close()
    assert (run.path / "handoff.csv").stat().st_mtime_ns == before


def test_a_closed_review_takes_no_decision(run):
    review = open_review(run, by="eva")
    review.close()
    with pytest.raises(OptionError, match="closed: open the run again"):
        review.move([0], "x")


def test_what_was_typed_is_taken_in_first_and_can_be_undone(run):
    fill(run.path / "handoff.csv", "pit", 10)
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch")
        review.flush()
        assert labels_at(review, [0, 10]) == ["scratch", "pit"]
        assert review.state.undoable == "read handoff.csv: move 1 image to pit"
        review.undo()
    assert (read_labels(run)[0], read_labels(run)[10]) == ("scratch", "")


def test_a_handoff_written_before_a_rename_is_known_as_old(run, tmp_path):
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch")
        review.flush()
        old = (run.path / "handoff.csv").read_bytes()
        review.rename("scratch", "line")
        review.flush()
        (run.path / "handoff.csv").write_bytes(old)  # an old copy is saved over it
        review.move([11], "pit")
        review.flush()
        assert labels_at(review, [0, 11]) == ["line", "pit"]
        assert review.handoff_fault is None
    assert read_labels(run)[0] == "line"


def test_a_label_typed_beside_a_barred_image_is_on_purpose(run):
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch", thrown=[0])
        review.reject("Pa")
        review.flush()
        for row in range(5):
            fill(run.path / "handoff.csv", "scratch", row)
        review.move([11], "pit")
        review.flush()
        assert labels_at(review, range(5)) == ["scratch"] * 5
        assert review.state.sources[:5].tolist() == [2, 1, 1, 1, 1]
        assert review.state.undoable == "read handoff.csv: accept scratch on P1 (5 images)"
    assert read_labels(run)[:5] == ["scratch"] * 5


def test_the_sheet_of_types_is_taken_in_and_written_at_the_end(run):
    publish_types(run)
    fill(run.path / "types.csv", "pit", 1)
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch")
        review.flush()
        assert labels_at(review, [0, 5]) == ["scratch", "pit"]
        assert review.state.undoable == "read types.csv: accept pit on P2 (3 images)"
        review.rename("pit", "hole")
    with (run.path / "types.csv").open(encoding="utf-8", newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["scratch", "hole", ""]


def test_a_fault_in_the_handoff_is_told_and_loses_nothing(run):
    path = run.path / "handoff.csv"
    whole = path.read_bytes()
    damaged = b"".join(whole.splitlines(keepends=True)[:-1])
    path.write_bytes(damaged)
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch")
        wait_for(lambda: review.handoff_fault)
        assert "row 13 as it was written is missing" in review.handoff_fault
        assert "\n" not in review.handoff_fault
        review.move([10], "pit")
        review.flush()
        assert path.read_bytes() == damaged  # a person's work is not written over
        assert labels_at(review, [0, 10]) == ["scratch", "pit"]
        path.write_bytes(whole)
        wait_for(lambda: review.handoff_fault is None)  # seen without another decision
    assert read_labels(run)[:1] + read_labels(run)[10:] == ["scratch", "pit", ""]


def test_a_fault_that_stays_leaves_the_decisions(run):
    path = run.path / "handoff.csv"
    path.write_bytes(b"not a handoff")
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch")
    assert "handoff.csv" in review.handoff_fault
    assert path.read_bytes() == b"not a handoff"
    assert [one.label for one in read_decisions(run.path / LEDGER)] == ["scratch"]


def test_two_reviews_write_one_handoff(run):
    with open_review(run, by="eva") as one, open_review(run, by="max") as other:
        for image in range(10):
            person = one if image % 2 else other
            person.refresh()
            person.move([image], f"type {image % 3}")
            person.flush()
    assert read_labels(run)[:10] == [f"type {image % 3}" for image in range(10)]
    assert {one.handoff_fault, other.handoff_fault} == {None}


def test_what_the_writer_read_first_is_news_all_the_same(run):
    with open_review(run, by="eva") as review, open_review(run, by="max") as other:
        review.move([0], "a")
        assert not review.refresh()
        other.move([1], "b")
        review.flush()  # the background writer reads the ledger, too
        assert labels_at(review, [0, 1]) == ["a", "b"]
        assert review.refresh()
        assert not review.refresh()


ACT = """
import sys
from discovery import open_review
folder, by, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with open_review(folder, by=by) as review:
    print("open", flush=True)
    for number in range(count):
        review.refresh()
        review.move([first + number % 4], f"{by}/{number}", seen=review.revision)
        print(number, flush=True)
        if number % 5 == 4:
            review.undo()
"""


def start(run, by, first, count):
    words = [sys.executable, "-W", "error", "-c", ACT, str(run.path), by, str(first), str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_several_processes_decide_at_once(run):
    processes = [start(run, by, first, 20) for by, first in (("a", 0), ("b", 4), ("c", 8))]
    for process in processes:
        _, faults = process.communicate(timeout=120)
        assert (process.returncode, faults) == (0, "")
    with open_review(run, by="a") as review:
        assert review.revision == 3 * 24
        assert review.state.progress.decisions == 3 * 16
        assert labels_at(review, [3, 7, 11]) == ["a/15", "b/15", "c/15"]
        assert read_labels(run) == labels_at(review, range(12))


def test_a_kill_at_any_moment_loses_nothing_that_was_answered(run):
    process = start(run, "a", 0, 10_000)
    answered = -1
    for line in process.stdout:
        answered = int(line) if line.strip().isdigit() else answered
        if answered >= 12:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=60)
    made = [one for one in read_decisions(run.path / LEDGER) if one.scope == "image"]
    assert len(made) >= answered + 1
    with open_review(run, by="b") as review:
        review.move([11], "pit")
    assert review.handoff_fault is None
    assert read_labels(run)[11] == "pit"
    assert open_run(run.path).entry("handoff.csv") is not None


def labels_at(review, images):
    state = review.state
    codes = state.label_codes[list(images)].tolist()
    return [state.labels[code] if code >= 0 else "" for code in codes]
