"""Each command starts without a warning, shows its help, and meets a wrong option with one line."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def list_commands():
    """Return the dotted name of each module that is run with `python -m`."""
    found = []
    for path in sorted([*ROOT.glob("embeddings/**/*.py"), *ROOT.glob("discovery/**/*.py")]):
        # At the start of a line: elsewhere it is an example in a docstring.
        if '\nif __name__ == "__main__":' in path.read_text(encoding="utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append(".".join(part for part in parts if part != "__main__"))
    return found


COMMANDS = list_commands()


def run_module(module, *words):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", module, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_synthetic_images_have_a_command():
    assert "discovery.synthetic" in COMMANDS


@pytest.mark.parametrize("module", COMMANDS)
def test_help_shows_the_command_and_ends_with_0(module):
    done = run_module(module, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: python -m {module}" in done.stdout


@pytest.mark.parametrize("module", COMMANDS)
def test_an_unknown_option_is_met_with_one_line(module):
    done = run_module(module, "--no-such-option")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith(f"python -m {module}: error: ")
