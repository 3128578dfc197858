"""What stages take: processor time and memory of real work, and the table of it."""

import json
import re
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from embeddings.console import stage
from embeddings.usage import (
    Usage,
    count_open,
    metering_apart,
    recording_usage,
    tabulate_usage,
)

MB = 1_000_000


def burn(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def run_alone(script):
    """Return what a script prints in a process of its own: others' memory comes and goes."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + textwrap.dedent(script)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


HEAD = """
import json
import time
import numpy as np
from embeddings.console import stage
from embeddings.usage import read_memory, read_peak, recording_usage
"""


def test_memory_is_that_of_the_stage_and_of_what_it_holds():
    found = run_alone("""
        before = read_memory()
        with recording_usage() as found:
            with stage("large") as facts:
                held = np.ones(300_000_000 // 8)  # written to, and so in use
                del held
            with stage("small"):
                time.sleep(0.2)  # it is looked at some times a second
        large, small = (one.peak_memory for one in found)
        same = facts.usage == found[0]
        print(json.dumps([before, large, small, read_peak(), same]))
    """)
    before, large, small, peak, is_same = found
    assert before + 290 * MB <= large <= peak + MB  # the kernel rounds each in its own way
    # What the one before it gave back is none of its own.
    assert small < large - 200 * MB
    assert is_same


def test_a_peak_between_two_looks_is_seen_where_it_is_the_highest():
    found, peak = run_alone("""
        held = np.empty((read_peak() - read_memory()) // 8 + 40_000_000 // 8)
        with recording_usage() as found, stage("a moment"):
            held[:] = 1
            del held
        print(json.dumps([found[0].peak_memory, read_peak()]))
    """)
    assert found == pytest.approx(peak, abs=MB)


def test_processor_time_counts_all_threads_and_no_waiting():
    with recording_usage() as found:
        with stage("waits"):
            time.sleep(0.15)
        with stage("works"):
            thread = threading.Thread(target=burn, args=(0.1,))
            thread.start()
            thread.join()
    waits, works = found
    assert waits.seconds >= 0.15
    assert waits.processor_seconds < waits.seconds
    assert works.processor_seconds >= 0.1


def test_stages_of_several_threads_are_metered_whatever_their_order():
    barrier = threading.Barrier(3)

    def work(name):
        with stage(name):
            barrier.wait()

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(3)]
    with recording_usage() as found:
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert {"0", "1", "2"} == {one.name for one in found}


def test_a_stage_that_fails_is_not_in_the_table_and_leaves_nothing_open():
    with recording_usage() as found:
        with pytest.raises(ValueError, match="x"), stage("breaks"):
            raise ValueError("x")
        with stage("goes on"):
            pass
    assert ["goes on"] == [one.name for one in found]
    assert 0 == found[0].depth


def test_the_table_has_parts_below_their_stage_and_what_lies_between():
    found = [
        Usage(name="part", depth=2, start=3, seconds=1, processor_seconds=2, peak_memory=5 * MB),
        Usage(
            name="extract", depth=1, start=2, seconds=4, processor_seconds=7,
            peak_memory=321 * MB, count=600,
        ),
        Usage(name="map", depth=1, start=9, seconds=0.5, processor_seconds=0.25, peak_memory=0),
    ]  # fmt: skip
    whole = Usage(name="in all", seconds=6, processor_seconds=8, peak_memory=400 * MB)
    lines = tabulate_usage(found, whole=whole).splitlines()
    assert ["stage", "seconds", "processor", "s", "peak", "MB", "images/s"] == lines[0].split()
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines[1:]]
    assert rows == [
        ["extract", "4.00", "7.00", "321", "150"],
        ["part", "1.00", "2.00", "5"],
        ["map", "0.50", "0.25"],
        ["between the stages, imports", "1.50", "0.75"],
        ["in all", "6.00", "8.00", "400"],
    ]
    assert lines[2].startswith("  part")


def test_an_entry_has_the_figures_that_are_known():
    one = Usage(name="map", seconds=1.23456, processor_seconds=2, peak_memory=123_456_789)
    expected = {"seconds": 1.235, "processor_seconds": 2, "peak_memory_mb": 123.5}
    assert expected == one.to_dict()


def test_without_clocks_of_other_threads_those_beside_count_it_too(monkeypatch):
    monkeypatch.delattr(time, "pthread_getcpuclockid")
    with recording_usage() as found, stage("beside"):
        thread = threading.Thread(target=work_apart, args=(count_open(),))
        thread.start()
        thread.join()
    of = {one.name: one for one in found}
    assert of["apart"].processor_seconds >= 0.1
    assert of["beside"].processor_seconds >= 0.1


def work_apart(depth):
    with metering_apart(depth), stage("apart"):
        burn_thread(0.1)


def test_a_thread_that_is_counted_apart_is_no_part_of_the_stages_beside_it():
    begun = threading.Event()

    def work(depth):
        with metering_apart(depth), stage("apart"), stage("part of it"):
            begun.set()
            burn_thread(0.3)

    with recording_usage() as found, stage("whole"):
        thread = threading.Thread(target=work, args=(count_open(),))
        thread.start()
        begun.wait(10)
        with stage("beside"):
            time.sleep(0.2)
        thread.join()
    of = {one.name: one for one in found}
    assert {"whole": 0, "beside": 1, "apart": 1, "part of it": 2} == {
        name: one.depth for name, one in of.items()
    }
    assert of["apart"].processor_seconds >= 0.3
    assert of["beside"].processor_seconds < 0.1
    assert of["whole"].processor_seconds >= 0.3


def burn_thread(seconds):
    start = time.thread_time()
    while time.thread_time() - start < seconds:
        pass


def test_what_lies_between_stages_that_overlap_is_no_less_than_nothing():
    found = [
        Usage(name="a", start=0, seconds=4, processor_seconds=4, peak_memory=0),
        Usage(name="b", start=1, seconds=2, processor_seconds=2, peak_memory=0),
        Usage(name="c", start=3, seconds=3, processor_seconds=3, peak_memory=0),
    ]
    whole = Usage(name="in all", seconds=7, processor_seconds=10, peak_memory=0)
    lines = tabulate_usage(found, whole=whole).splitlines()
    assert ["between the stages, imports", "1.00", "1.00"] == re.split(r"\s{2,}", lines[-2])
