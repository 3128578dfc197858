"""Steps in a thread of their own: saved when they are asked for, and lost to no error elsewhere."""

import threading

import pytest

from discovery.flow.beside import StepsBeside
from discovery.flow.step import Step
from discovery.runs import Provenance, create_run

MADE_BY = Provenance(command="test", spec={"a": 1}, seed=0, inputs={})


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path / "run")


def test_what_is_made_is_saved_by_who_asks_for_it_and_not_before(run):
    beside, begun, may_end = StepsBeside(run), threading.Event(), threading.Event()

    def work(facts):
        begun.set()
        may_end.wait(10)
        facts.update(images=3)
        return {"one.json": b"1", "two.json": b"2"}

    beside.begin("both", writes=("one.json", "two.json"), made_by=MADE_BY, work=work)
    assert begun.wait(10)
    beside.finish("another.json")  # which nobody is at work on: no wait
    may_end.set()
    assert not (run.path / "one.json").exists()
    beside.finish("two.json")
    assert b"1" == run.read_bytes("one.json")
    assert all(run.is_current(name, MADE_BY) for name in ("one.json", "two.json"))
    beside.finish("one.json")  # once
    beside.finish_all()


def test_an_error_comes_to_who_waits_with_the_place_where_it_was_raised(run):
    def work(facts):
        raise ZeroDivisionError("of the work")

    beside = StepsBeside(run)
    beside.begin("breaks", writes=("one.json",), made_by=MADE_BY, work=work)
    with pytest.raises(ZeroDivisionError, match="of the work") as caught:
        beside.finish_all()
    assert "work" in [entry.name for entry in caught.traceback]
    assert not (run.path / "one.json").exists()
    beside.finish_all()  # it was told


def test_a_step_is_made_in_one_way():
    for ways in ({}, {"make": lambda *_: {}, "begin": lambda _: lambda _: {}}):
        with pytest.raises(ValueError, match="'sizes': expected one of make and begin"):
            Step(name="sizes", **ways)
