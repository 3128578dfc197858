"""Whatever a file, a label or a person is called, it is text and nothing else."""

import numpy as np
import pandas as pd
import pytest

from discovery import AgglomerativeOptions, RoundOptions, discover_types, open_review
from embeddings.extract import ExtractOptions

HOSTILE = "<img src=x onerror=window.owned=1>"
LONG = "a_very_long_name_without_any_place_to_break_it_" * 5
NAMES = (
    f"{HOSTILE}.png",
    "\"'><svg onload=window.owned=1>.png",
    "<script>window.owned=1<!--.png",
    "{{constructor.constructor('window.owned=1')()}}.png",
    "\u202egnp.exe.png",
    f"{LONG[:200]}.png",
)
LABELS = (HOSTILE, "defect/\"'><svg onload=window.owned=1>", LONG[:190])


@pytest.fixture(scope="module")
def named_badly(tmp_path_factory, drawing):
    """A run whose file names and metadata are hostile."""
    root = tmp_path_factory.mktemp("hostile")
    paths = [path for kind in ("lines", "blob") for path in drawing(root / "images", kind, 12, 1)]
    for path, name in zip(paths, NAMES, strict=False):
        path.rename(path.with_name(name))
    files = sorted(path.name for path in (root / "images").iterdir())
    tools = np.array([HOSTILE, "</td><script>window.owned=1</script>"])[np.arange(len(files)) % 2]
    pd.DataFrame({"path": files, "<b>tool": tools}).to_csv(root / "metadata.csv", index=False)
    extract = ExtractOptions(extractor="texture", metadata=root / "metadata.csv")
    options = RoundOptions(extract=extract, clusterer=AgglomerativeOptions(n_clusters=3))
    discover_types(root / "images", root / "run", options=options)
    return root / "run"


def test_no_name_is_more_than_text(named_badly, copy, browser, serve):
    run = copy(named_badly)
    with open_review(run, by=HOSTILE) as review:
        groups = [one.proposal_id for one in review.state.proposals]
        for label, group in zip(LABELS, groups[:-1], strict=False):
            review.accept(group, label, definition=HOSTILE)
    page = browser().open(serve(run, by=HOSTILE).url)
    page.press("ENTER", LABELS[1], "ENTER")
    for name in ("Validate", "Grow", "Doubt", "Merge", "Types", "Map", "All images"):
        page.go(name)
        page.wait(lambda: page.find("h1, .screen.empty"))
        assert_harmless(page)
    page.wait(lambda: page.find(".cell"))
    page.press("z")
    page.wait_for("dialog .facts", "<b>tool")
    assert_harmless(page)
    for _ in range(len(NAMES)):
        page.press("n")
    assert_harmless(page)
    page.press("ESCAPE", "?")
    assert_harmless(page)
    assert HOSTILE in page.text(".types-list")


def assert_harmless(page):
    assert page.script("return window.owned") is None
    assert page.count("[onerror], [onload], main script, .shell svg[onload]") == 0
    assert page.script("return document.body.scrollWidth <= window.innerWidth")
    assert not [line for line in page.log() if "Content Security Policy" in line]


def test_the_pictures_are_there_all_the_same(named_badly, copy, browser, serve):
    page = browser().open(serve(copy(named_badly)).url)
    page.go("All images")
    page.wait(lambda: page.count("main img.thumb") == 24)
    loaded = "return [...document.querySelectorAll('main img.thumb')].every(i => i.naturalWidth)"
    page.wait(lambda: page.script(loaded))
