"""The limit on the threads of the linear algebra: held by readers, and never left behind."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from embeddings.reader.ahead import read_ahead
from embeddings.reader.blas_threads import one_blas_thread


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
