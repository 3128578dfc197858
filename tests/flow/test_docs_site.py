"""The documentation site builds without a warning, and its reference leaves no public name out."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from discovery.__main__ import VERBS

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site as `make docs` does."""
    pytest.importorskip("sphinx", reason="the site is built with the extra docs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going",
            "-b", "html", "-d", folder / "doctrees", ROOT / "docs", folder / "html",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "html"


class Links(HTMLParser):
    """Collects where a page links to, and the places in it that can be linked to."""

    def __init__(self, page):
        super().__init__()
        self.targets, self.places = set(), set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.places |= {attributes["id"]} if "id" in attributes else set()
        target = attributes.get("href") if tag in ("a", "link") else attributes.get("src")
        if target and not re.match(r"[a-z]+:", target):
            self.targets.add(target)


def test_every_public_name_is_in_the_reference(site):
    for package in ("discovery", "embeddings"):
        stub = (ROOT / package / "__init__.pyi").read_text(encoding="utf-8")
        places = Links(site / "reference" / f"{package}.html").places
        names = re.findall(r" as (\w+)$", stub, re.MULTILINE)
        assert len(names) > 10
        assert [name for name in names if f"{package}.{name}" not in places] == []


def test_every_command_shows_its_help(site):
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", page)
    assert [verb for verb in VERBS if f"usage: defect-discovery {verb}" not in text] == []
    assert "usage: defect-discovery classify train" in text


def test_every_link_inside_the_site_leads_somewhere(site):
    pages = {page: Links(page) for page in site.rglob("*.html")}
    assert len(pages) > 20
    broken = []
    for page, links in pages.items():
        for target in links.targets:
            address, place = urldefrag(target)
            file = (page.parent / unquote(address.split("?")[0])).resolve() if address else page
            known = pages[file].places if file in pages else set()
            if not file.exists() or (place and file in pages and unquote(place) not in known):
                broken.append((page.name, target))
    assert broken == []
