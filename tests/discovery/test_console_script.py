"""`defect-discovery VERB` is the command of that verb, and calls itself so."""

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from discovery.__main__ import VERBS, main

SCRIPT = Path(sys.executable).with_name("defect-discovery")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_a_module(verb):
    module, what = VERBS[verb]
    assert find_spec(module) is not None
    assert what
    # The last word of the module is the verb: whoever knows one way knows the other.
    assert module.rpartition(".")[2] == verb


def test_no_command_lacks_a_verb():
    root = Path(__file__).resolve().parents[2]
    runnable = {
        ".".join(p for p in path.relative_to(root).with_suffix("").parts if p != "__main__")
        for folder in ("embeddings", "discovery")
        for path in (root / folder).rglob("*.py")
        if '\nif __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    assert runnable - {"discovery"} == {module for module, _ in VERBS.values()}


def test_without_a_word_the_commands_are_listed(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"  {verb} " in out for verb in VERBS)


def test_an_unknown_verb_is_met_with_one_line(capsys):
    assert main(["clutser"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "'clutser' is no command: expected one of extract, search" in err


def run_script(*words):
    if not SCRIPT.exists():
        pytest.skip("the package is not installed with its console script")
    return subprocess.run([SCRIPT, *words], capture_output=True, text=True, check=False)


def test_the_command_calls_itself_as_it_was_called():
    done = run_script("cluster", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: defect-discovery cluster" in done.stdout


def test_a_fault_of_the_user_is_one_line_and_code_2(tmp_path):
    done = run_script("cluster", tmp_path / "none", "--out", tmp_path / "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("defect-discovery cluster: error: ")


# Stands still in the middle of the imports of a command, until it is interrupted.
LOADING = """
import signal, sys, time

class Waiting:
    def find_spec(self, name, path=None, target=None):
        if name == "discovery.flow.options":
            print("loading", flush=True)
            time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests' own caller ignores
sys.meta_path.insert(0, Waiting())
from discovery.__main__ import main
sys.exit(main(["cluster", "images", "--out", "run"]))
"""


def test_ctrl_c_while_a_command_is_loaded_ends_it_as_later(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", LOADING],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (130, "defect-discovery cluster: interrupted\n")
