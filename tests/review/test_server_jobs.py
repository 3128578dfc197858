"""Work in the background: progress, giving up, and what comes of it."""

import threading

import pytest

from discovery.review.server.fits import Fits
from discovery.review.server.jobs import Jobs
from embeddings.errors import InputError, OptionError


@pytest.fixture
def heard():
    return []


@pytest.fixture
def jobs(heard):
    jobs = Jobs(heard.append)
    yield jobs
    jobs.close()


def wait_for(jobs, job):
    for thread in threading.enumerate():
        if thread.name == f"job-{job.kind}":
            thread.join(10)
    return jobs.find(job.id)


def test_a_job_tells_of_its_progress(jobs, heard):
    def work(progress):
        progress(0.5, "half")
        return "all done"

    job = jobs.start("regroup", work)
    assert (job.status, job.kind) == ("running", "regroup")
    done = wait_for(jobs, job)
    assert (done.status, done.share, done.text) == ("done", 1.0, "all done")
    assert [(one.status, one.share, one.text) for one in heard] == [
        ("running", 0.0, ""),
        ("running", 0.5, "half"),
        ("done", 1.0, "all done"),
    ]
    assert jobs.list_running() == []


def test_a_job_is_given_up_at_its_next_step(jobs):
    begun, go_on = threading.Event(), threading.Event()

    def work(progress):
        begun.set()
        go_on.wait(10)
        progress(0.9)
        return "never"

    job = jobs.start("regroup", work)
    begun.wait(10)
    assert jobs.start("regroup", work).id == job.id  # of a kind one at a time
    jobs.cancel(job.id)
    go_on.set()
    ended = wait_for(jobs, job)
    assert (ended.status, ended.text) == ("cancelled", "given up")
    assert jobs.cancel(job.id).status == "cancelled"


def test_one_works_at_a_time_and_one_that_waits_can_be_given_up(jobs):
    begun, go_on, order = threading.Event(), threading.Event(), []

    def first(_):
        begun.set()
        go_on.wait(10)
        order.append("first")
        return ""

    jobs.start("one", first)
    begun.wait(10)
    second = jobs.start("two", lambda _: order.append("second") or "")
    third = jobs.start("three", lambda _: order.append("third") or "")
    jobs.cancel(third.id)
    go_on.set()
    assert wait_for(jobs, second).status == "done"
    assert wait_for(jobs, third).status == "cancelled"
    assert order == ["first", "second"]


def test_a_users_error_is_told_in_its_words(jobs):
    def work(_):
        raise InputError("the drive is away")

    ended = wait_for(jobs, jobs.start("regroup", work))
    assert (ended.status, ended.text) == ("failed", "the drive is away")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_keeps_its_traceback_and_the_job_fails(jobs):
    def work(_):
        raise ZeroDivisionError

    ended = wait_for(jobs, jobs.start("regroup", work))
    assert (ended.status, ended.text) == ("failed", "ZeroDivisionError: see the terminal")


def test_an_unknown_job_is_refused(jobs):
    with pytest.raises(OptionError, match="no job 'x' is known"):
        jobs.find("x")


def test_old_jobs_are_forgotten(jobs):
    first = jobs.start("0", lambda _: "")
    wait_for(jobs, first)
    for number in range(1, 60):
        wait_for(jobs, jobs.start(str(number), lambda _: ""))
    with pytest.raises(OptionError):
        jobs.find(first.id)


def test_who_cannot_wait_takes_the_fit_before():
    go_on, made = threading.Event(), []

    def make():
        if made:
            go_on.wait(10)
        made.append(len(made))
        return made[-1]

    fits = Fits(make)
    assert fits.take(patience=0) == 0  # the first is waited for
    assert fits.take(patience=0.01) == 0
    assert fits.take(patience=0.01) == 0
    go_on.set()
    assert fits.take(patience=10) == 1  # the one that was begun
    assert fits.take(patience=10) == 2
    fits.close()


def test_a_fit_that_fails_tells_who_asked():
    def fail():
        raise InputError("the store is away")

    fits = Fits(fail)
    with pytest.raises(InputError, match="the store is away"):
        fits.take(patience=1)
    fits.close()
