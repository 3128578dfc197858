"""Threads of our own, and the limit on those of the linear algebra, which is never left behind."""

import os
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from embeddings.reader.ahead import read_ahead
from embeddings.threads import map_in_threads, one_blas_thread


@pytest.fixture(autouse=True)
def two_threads():
    """Start from two threads, whatever the machine and its environment say."""
    np.linalg.lstsq(np.eye(3), np.ones(3), rcond=None)  # the library is there
    with threadpool_limits(limits=2, user_api="blas"):
        if count_threads() != {2}:
            pytest.skip("this BLAS has no second thread")
        yield


def count_threads():
    """Of numpy's and scipy's BLAS; one with OpenMP, as that of FAISS, counts each thread's own."""
    found = [one for one in threadpool_info() if one.get("threading_layer") == "pthreads"]
    return {one["num_threads"] for one in found}


def test_a_reader_holds_it_as_long_as_it_works():
    reading = read_ahead(lambda item: iter((count_threads(),)), range(4), workers=2, ahead=2)
    assert list(reading) == [{1}] * 4
    assert count_threads() == {2}


def test_it_is_free_after_the_last_whichever_ends_first():
    first, second = (
        read_ahead(lambda item: iter((item,)), range(9), workers=1, ahead=1) for _ in range(2)
    )
    next(first), next(second)
    first.close()
    assert count_threads() == {1}
    second.close()
    assert count_threads() == {2}


def test_a_fault_frees_it():
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        _ = 1 / 0
    assert count_threads() == {2}


def test_items_are_mapped_in_their_order_by_as_many_threads_as_cores():
    names = set()

    def double(number):
        names.add(threading.current_thread().name)
        time.sleep(0.01 * (5 - number))  # the last is done first
        return 2 * number

    assert [0, 2, 4, 6, 8] == map_in_threads(double, range(5))
    assert [] == map_in_threads(double, [])
    assert len(names) == min(5, os.cpu_count() or 1)


def test_blas_has_one_thread_while_items_are_mapped():
    assert [{1}] * 3 == map_in_threads(lambda _: count_threads(), range(3))
    assert count_threads() == {2}


def test_the_error_of_an_item_comes_through():
    def fail(number):
        raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError):
        map_in_threads(fail, range(3))
    assert count_threads() == {2}
