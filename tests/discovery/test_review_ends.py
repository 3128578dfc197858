"""A review ends whatever became of its run, says what was lost, and never waits for ever."""

import shutil
import threading
import time

import pytest

from discovery import open_review
from discovery.ledger import read_decisions
from discovery.review import publish
from discovery.review.publish import HandoffPublisher
from discovery.runs import CLUSTERING, LEDGER
from discovery.stages.handoff_io import publish_handoff
from embeddings import locks
from embeddings.errors import RunError
from embeddings.locks import locked


@pytest.fixture
def run(make_small_run, tmp_path):
    run = make_small_run(tmp_path / "run")
    publish_handoff(run)
    return run


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def test_a_run_that_vanishes_is_told_in_one_line(run):
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch")
        shutil.rmtree(run.path)
        with pytest.raises(RunError, match="is gone: it was removed or renamed"):
            review.refresh()
        with pytest.raises(RunError, match="is gone: it was removed or renamed"):
            review.accept("Pb", "pit")
        wait_for(lambda: review.handoff_fault)
        assert review.handoff_fault.startswith(f"{run.path} is gone: ")
        assert len(review.handoff_fault.splitlines()) == 1
    assert not run.path.exists()  # nor is it made again


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (FileNotFoundError(2, "No such file or directory", "run/x"), "run/x: No such file or di"),
        (OSError(5, "Input/output error"), "a file: Input/output error"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_the_writer_lives_on_after_a_fault(error, fault, monkeypatch):
    monkeypatch.setattr(publish, "_PAUSE", 0.01)
    monkeypatch.setattr(publish, "_RETRY", 0.01)
    raised, written = [error], []

    def write():
        if raised:
            raise raised[0]
        written.append(1)

    publisher = HandoffPublisher(write)
    publisher.wake()
    wait_for(lambda: publisher.fault)
    assert publisher.fault.startswith(fault)
    raised.clear()
    wait_for(lambda: written)
    publisher.close(lambda: None)
    assert publisher.fault is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_is_told_and_the_next_decision_begins_anew(monkeypatch):
    monkeypatch.setattr(publish, "_PAUSE", 0.01)
    raised, written = [ZeroDivisionError()], []

    def write():
        if raised:
            raise raised.pop()
        written.append(1)

    publisher = HandoffPublisher(write)
    publisher.wake()
    wait_for(lambda: publisher.fault)
    assert publisher.fault == "ZeroDivisionError: a bug, see the traceback"
    publisher._thread.join(30)
    publisher.wake()
    wait_for(lambda: written)
    publisher.close(lambda: None)
    assert publisher.fault is None


def test_closing_waits_so_long_and_says_so(monkeypatch):
    monkeypatch.setattr(publish, "_PAUSE", 0.01)
    monkeypatch.setattr(publish, "_GOODBYE", 0.05)
    begun, go_on = threading.Event(), threading.Event()

    def write():
        begun.set()
        go_on.wait(30)

    publisher = HandoffPublisher(write)
    publisher.wake()
    assert begun.wait(30)
    try:
        publisher.flush()
        assert publisher.fault == "it is still being written after 0.05 seconds"
        publisher.close(lambda: pytest.fail("finished beside the writer"))
        assert publisher.fault == "it is still being written after 0.05 seconds"
    finally:
        go_on.set()


def test_a_review_ends_though_another_process_stopped_in_its_midst(run, monkeypatch):
    monkeypatch.setattr(locks.locked.__wrapped__, "__kwdefaults__", {"patience": 0.05})
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch")
        with locked(run.path / CLUSTERING):
            review.flush()
            assert "has been held by another process for 0.05 seconds" in review.handoff_fault
            assert len(review.handoff_fault.splitlines()) == 1
    assert review.handoff_fault is None
    assert len(read_decisions(run.path / LEDGER)) == 1
