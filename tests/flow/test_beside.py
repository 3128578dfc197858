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


def test_an_error_comes_to_who_waits_with_the_place_where_it_was_raised(run):
    def work(facts):
        raise ZeroDivisionError("of the work")

    beside = StepsBeside(run)
    beside.begin("breaks", writes=("one.json",), made_by=MADE_BY, work=work)
    with pytest.raises(ZeroDivisionError, match="of the work") as caught:
        beside.finish("one.json")
    assert "work" in [entry.name for entry in caught.traceback]
    assert not (run.path / "one.json").exists()
    beside.finish("one.json")  # it was told


def break_off(run, error, work, *, then=int):
    with StepsBeside(run) as beside:
        beside.begin("slow", writes=("one.json",), made_by=MADE_BY, work=work)
        then()
        raise error


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_after_an_error_elsewhere_it_is_saved_and_after_ctrl_c_nobody_waits(run, error):
    may_end = threading.Event()

    def work(facts):
        may_end.wait(10)
        return {"one.json": b"1"}

    with pytest.raises(error):
        break_off(run, error, work, then=may_end.set if error is ZeroDivisionError else int)
    assert (run.path / "one.json").exists() == (error is ZeroDivisionError)
    may_end.set()


def test_what_is_done_by_the_time_of_ctrl_c_is_kept(run):
    def wait():
        for one in threading.enumerate():
            if one.name == "slow":
                one.join(10)

    with pytest.raises(KeyboardInterrupt):
        break_off(run, KeyboardInterrupt, lambda _: {"one.json": b"1"}, then=wait)
    assert (run.path / "one.json").exists()


def test_linear_algebra_is_of_one_thread_until_the_step_is_waited_for(run, two_blas_threads):
    with StepsBeside(run) as beside:
        beside.begin("one", writes=("one.json",), made_by=MADE_BY, work=lambda _: {})
        assert two_blas_threads() == {1}
        beside.finish("one.json")
        assert two_blas_threads() == {2}
    with pytest.raises(KeyboardInterrupt):
        break_off(run, KeyboardInterrupt, lambda _: {})
    assert two_blas_threads() == {2}


def test_a_step_is_made_in_one_way():
    for ways in ({}, {"make": lambda *_: {}, "begin": lambda _: lambda _: {}}):
        with pytest.raises(ValueError, match="'sizes': expected one of make and begin"):
            Step(name="sizes", **ways)
