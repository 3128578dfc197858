"""Threads of our own, and the limit on those of the linear algebra, which is never left behind."""

import os
import threading
import time

import pytest

from embeddings.reader.ahead import read_ahead
from embeddings.threads import map_in_threads, one_blas_thread


@pytest.fixture(autouse=True)
def count_threads(two_blas_threads):
    return two_blas_threads


def test_a_reader_holds_it_as_long_as_it_works(count_threads):
    reading = read_ahead(lambda item: iter((count_threads(),)), range(4), workers=2, ahead=2)
    assert list(reading) == [{1}] * 4
    assert count_threads() == {2}


def test_it_is_free_after_the_last_whichever_ends_first(count_threads):
    first, second = (
        read_ahead(lambda item: iter((item,)), range(9), workers=1, ahead=1) for _ in range(2)
    )
    next(first), next(second)
    first.close()
    assert count_threads() == {1}
    second.close()
    assert count_threads() == {2}


def test_a_fault_frees_it(count_threads):
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


def test_blas_has_one_thread_while_items_are_mapped(count_threads):
    assert [{1}] * 3 == map_in_threads(lambda _: count_threads(), range(3))
    assert count_threads() == {2}


def test_the_error_of_an_item_comes_through(count_threads):
    def fail(number):
        raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError):
        map_in_threads(fail, range(3))
    assert count_threads() == {2}
