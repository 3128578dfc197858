"""The wheel holds the built review page and every module, and its commands run from it alone."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What a clone holds; the rest is made, or is none of the wheel's business.
SOURCES = (
    "discovery", "embeddings", "tools", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in",
)  # fmt: skip
MADE = ("__pycache__", "*.egg-info", "page", "node_modules")

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build a wheel as a release does, from a copy without anything that was built before."""
    if shutil.which("npm") is None:
        pytest.skip("the page of a wheel is built with Node, which is not here")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns(*MADE))
        else:
            shutil.copy2(ROOT / name, source / name)
    run_pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel into a folder of its own; return the folder and how to run from it."""
    folder = tmp_path_factory.mktemp("installed")
    run_pip("install", "--no-deps", "--no-compile", "--target", folder, wheel)
    # In front of the checkout that the environment of the tests is an editable install of.
    return folder, {**os.environ, "PYTHONPATH": str(folder)}


def run_pip(*words):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, words)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_and_data_file_is_in_it(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    kinds = {".py", ".pyi", ".typed", ".json", ".css", ".js"}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in ("discovery", "embeddings")
        for path in (ROOT / package).rglob("*")
        if path.suffix in kinds or path.name == "py.typed"
    }
    front_end = ("discovery/review/frontend/", "discovery/review/page/")
    assert {name for name in wanted if not name.startswith(front_end)} - held == set()


def test_it_holds_the_page_and_the_widget_and_no_sources_of_them(wheel):
    held = zipfile.ZipFile(wheel).namelist()
    page = {name.removeprefix("discovery/review/page/") for name in held if "/review/page/" in name}
    assert {"index.html", "widget.js", "widget.css"} <= page
    assert any(name.startswith("assets/") and name.endswith(".js") for name in page)
    assert not [name for name in held if "frontend" in name or "node_modules" in name]
    assert not [name for name in held if name.startswith(("tests/", "docs/", "tools/"))]


def test_the_console_script_is_declared(wheel):
    archive = zipfile.ZipFile(wheel)
    (entry,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "defect-discovery = discovery.__main__:main" in archive.read(entry).decode()


def test_its_commands_run_without_the_checkout(installed, tmp_path):
    folder, environment = installed
    where = "import discovery, embeddings; print(discovery.__file__, embeddings.__file__)"
    for words in (["-c", where], ["-m", "discovery", "review", "--help"]):
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(str(folder)) == 2 or "usage:" in done.stdout


def test_its_review_page_is_served(installed, tmp_path):
    _, environment = installed
    run = tmp_path / "run"
    for words in (
        ["discovery.synthetic", tmp_path / "lot", "--n", "24"],
        ["discovery.cluster", tmp_path / "lot" / "images", "--out", run, "--extractor", "texture"],
    ):
        subprocess.run(
            [sys.executable, "-m", *map(str, words)], cwd=tmp_path, env=environment, check=True,
            capture_output=True,
        )  # fmt: skip
    server = subprocess.Popen(
        [sys.executable, "-m", "discovery.review", str(run), "--no-browser"],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())[0]
        with urllib.request.urlopen(address, timeout=20) as page:
            assert page.status == 200
            assert b'<script type="module"' in page.read()
    finally:
        server.terminate()
        server.wait(timeout=20)
        server.stdout.close()
