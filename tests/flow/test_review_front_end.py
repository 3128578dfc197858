"""The front end's own checks: its types, and its unit tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from discovery.review.server.build import FRONTEND


@pytest.fixture(scope="module")
def npm(built_page):  # its building brings the tools, too
    """Return a function that runs one of the project's scripts."""
    if shutil.which("npm") is None or not (FRONTEND / "node_modules").is_dir():
        pytest.skip("npm is not on the path, or the front end's tools are absent")

    def run(*words):
        done = subprocess.run(
            ["npm", "--silent", *words], cwd=FRONTEND, env={**os.environ, "CI": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def test_its_types_hold(npm):
    assert npm("run", "check") == (0, "")


def test_its_unit_tests_pass(npm):
    code, said = npm("test")
    assert code == 0, said
    assert "Tests " in said  # a run that finds none ends well, too


def test_no_address_of_a_registry_is_in_the_lock_file():
    lock = Path(FRONTEND / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert "integrity" in lock
