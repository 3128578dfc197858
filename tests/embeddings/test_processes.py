"""A process is known by its number and its start: the number alone is given again."""

import os
import subprocess
import sys

from embeddings.processes import find_machine, find_start, is_running


def test_a_process_is_its_number_and_its_start():
    start = find_start(os.getpid())
    assert start.isdecimal()
    assert is_running(os.getpid(), start)
    # The number was given again: who began then is gone.
    assert not is_running(os.getpid(), str(int(start) - 1))


def test_one_that_ended_is_gone_even_where_nobody_asked_how():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_running(child.pid, find_start(child.pid))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert not is_running(child.pid)
    child.communicate()
    assert not is_running(child.pid)
    assert "" == find_start(child.pid)


def test_a_machine_has_one_name():
    assert find_machine() == find_machine()
    assert 8 == len(find_machine())
