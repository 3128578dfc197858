"""Loops are compiled once a machine; what is kept of them is no condition of anything."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from discovery.graph.compiled import compile_all
from embeddings.compiled import compile_loop

ALL = """
import json

from discovery.graph.compiled import compile_all

loops = compile_all()
stats = [loop.stats for loop in loops]
hits, misses = (
    sum(sum(getattr(one, name).values()) for one in stats)
    for name in ("cache_hits", "cache_misses")
)
print(json.dumps([hits, misses]))
"""

# A loop of its own, that compiles in a moment.
ADD = """
import json, logging, sys
from pathlib import Path

logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
from embeddings.compiled import compile_loop


@compile_loop
def add(a, b):
    return a + b


if "drop" in sys.argv:  # the folder goes, and a file is in its place
    import shutil

    place = Path(add.stats.cache_path)
    shutil.rmtree(place.parent, ignore_errors=True)
    place.parent.write_text("")
found = [add(2, 3), add(2.5, 3.0)]
print(json.dumps([found, len(add.stats.cache_hits), len(add.stats.cache_misses)]))
"""


def start(words, cache):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process):
    out, told = process.communicate()
    assert 0 == process.returncode, told
    return json.loads(out), told


@pytest.fixture
def adding(tmp_path):
    script = tmp_path / "adding.py"
    script.write_text(ADD)
    return script


def test_the_next_process_compiles_nothing(tmp_path):
    [[hits, misses], _] = finish(start(["-c", ALL], tmp_path))
    assert hits == 0
    assert misses > 0
    [[hits, misses], told] = finish(start(["-c", ALL], tmp_path))
    assert hits > 0
    assert (0, "") == (misses, told)


def test_every_loop_is_among_those_that_are_compiled_beforehand():
    from discovery.graph import layout, leiden, lists
    from embeddings.highlight import loops

    modules = (layout, leiden, lists, loops)
    made = [one for module in modules for one in vars(module).values() if hasattr(one, "stats")]
    assert {one.py_func for one in made} == {one.py_func for one in compile_all()}


def test_two_processes_at_once_and_one_after_them(adding, tmp_path):
    cache = tmp_path / "cache"
    both = [start([adding], cache) for _ in range(2)]
    for process in both:
        [[found, *_], told] = finish(process)
        assert ([5, 5.5], "") == (found, told)
    assert ([[5, 5.5], 2, 0], "") == finish(start([adding], cache))


def test_what_is_damaged_is_compiled_and_kept_anew(adding, tmp_path):
    cache = tmp_path / "cache"
    finish(start([adding], cache))
    for file in cache.rglob("*.nb?"):
        file.write_bytes(file.read_bytes()[:7])
    [[found, hits, _], told] = finish(start([adding], cache))
    assert ([5, 5.5], 0) == (found, hits)
    assert 1 == told.count("compiled code is not kept")
    assert ([[5, 5.5], 2, 0], "") == finish(start([adding], cache))


def test_a_folder_that_cannot_be_written_costs_one_line(adding, tmp_path):
    [[found, hits, misses], told] = finish(start([adding, "drop"], tmp_path / "cache"))
    assert ([5, 5.5], 0, 2) == (found, hits, misses)
    assert 1 == len(told.splitlines())
    assert "compiled code is not kept" in told


def test_another_source_takes_nothing_of_the_old_one(adding, tmp_path):
    cache = tmp_path / "cache"
    finish(start([adding], cache))
    adding.write_text(ADD.replace("return a + b", "return a + b + 1"))
    assert [[6, 6.5], 0, 2] == finish(start([adding], cache))[0]
    shutil.rmtree(cache)


def test_a_loop_is_compiled_where_there_is_no_folder_at_all():
    # Code from no file has no folder: numba says so when it is asked to keep what it compiles.
    names = {}
    exec("def add(a, b):\n    return a + b", names)
    assert 5 == compile_loop(names["add"])(2, 3)
