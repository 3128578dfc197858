"""A proposal's associations as a table, and its wafer map as SVG."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from discovery.pages.html import node
from discovery.stages.report.associations import _write_p, outline_zone, render_associations

FOUND = {
    "column": "tool", "kind": "value", "value": "<EQ7 & co>", "count": 18, "size": 20,
    "others": 40, "rest": 200, "effect": 36.0, "p": 1e-9, "q": 3e-7, "missing": 2, "wafers": 6,
    "lots": 2, "wafer_p": 0.01,
}  # fmt: skip
SIGNATURE = {
    "name": "edge ring", "p": 1e-7, "q": 2e-7, "size": 3, "count": 2, "others": 10, "rest": 100,
    "effect": 18.0, "kind": "sector", "measures": [0.9, 0.0, 360.0],
}  # fmt: skip
MAP = {"source": "x, y", "known": 3, "points": [0, 950, 950, 0, 100, -200], "ground": [0, 500]}


def render(**associations):
    """Return the words, and the tree: what is not well-formed does not parse."""
    page = render_associations(json.loads(json.dumps(associations)))
    tree = ElementTree.fromstring(page)
    return " ".join(" ".join(tree.itertext()).split()), tree


def test_an_association_is_told_with_its_shares_and_units():
    words, tree = render(found=[FOUND])
    assert "tool <EQ7 & co> 90.0 % 18 of 20 2 not known 20.0 % 6 wafers, 2 lots < 0.0001" in words
    titles = [cell.get("title") for cell in tree.iter("bdi") if cell.get("title")]
    assert titles == ["p = 1e-09, q = 3e-07, odds ratio 36"]
    assert "all from one wafer" not in words
    assert tree.find(".//svg") is None


def test_one_wafer_behind_a_tool_is_a_warning():
    assert "1 wafer all from one wafer" in render(found=[FOUND | {"wafers": 1, "lots": None}])[0]
    assert "too few wafers to be sure" in render(found=[FOUND | {"wafer_p": 0.2}])[0]


def test_what_is_one_wafer_itself_needs_no_warning():
    wafer = FOUND | {"column": "lot, wafer", "wafers": 1, "wafer_p": None}
    assert "all from one wafer" not in render(found=[wafer])[0]


def test_what_follows_from_another_is_folded_away():
    words, tree = render(found=[FOUND, FOUND | {"column": "lot", "explained_by": "tool: EQ7"}])
    folded = " ".join(tree.find(".//details").itertext())
    assert "1 more, explained by these" in folded
    assert "follows from tool: EQ7" in folded
    assert words.count("follows from") == 1


def test_columns_that_split_alike_stand_together():
    assert "tool, recipe <EQ7" in render(found=[FOUND | {"same_as": ["recipe"]}])[0]


def test_the_map_shows_every_place_and_the_zone():
    words, tree = render(signature=SIGNATURE, map=MAP)
    assert "Edge ring 66.7 % in the marked zone, 10.0 % of all others, p < 0.0001" in words.replace(
        "\u00a0", " "
    )
    paths = {path.get("class"): path.get("d") for path in tree.iter("path")}
    # y runs down on a screen: 950 above the centre is at -95.
    assert paths["points"] == "M0.0 -95.0h0M95.0 0.0h0M10.0 20.0h0"
    assert paths["ground"] == "M0.0 -50.0h0"
    assert set(paths) == {"edge", "zone", "ground", "points"}
    assert tree.find(".//svg").get("aria-label") == "Wafer map of 3 images: edge ring"


def test_no_pattern_has_no_zone():
    nothing = SIGNATURE | {"name": "random", "p": 0.31, "kind": "", "measures": []}
    words, tree = render(signature=nothing, map=MAP)
    assert "no pattern that all images do not have, p = 0.31" in words.replace("\u00a0", " ")
    assert [path.get("class") for path in tree.iter("path")] == ["edge", "ground", "points"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"p": None, "kind": "", "measures": []}, "3 places known: too few to name a pattern"),
        ({"kind": "in die", "measures": [0.3, 0.7]}, "66.7 % at one place in the die"),
        ({"kind": "in shot", "measures": [2, 3, 1, 2]}, "at die (1, 2) of every 2 \u00d7 3 dies"),
    ],
)
def test_what_a_name_rests_on_is_said(change, said):
    assert said in render(signature=SIGNATURE | change, map=MAP)[0]


def test_nothing_known_is_nothing_shown():
    assert render_associations({}) is None


def test_no_style_stands_in_the_page():
    page = render_associations({"found": [FOUND], "signature": SIGNATURE, "map": MAP})
    assert "style=" not in page
    assert "&lt;EQ7 &amp; co&gt;" in page
    assert page in node("div", page)


@pytest.mark.parametrize(
    ("p", "said"), [(0.04999, "= 0.05"), (1e-4, "= 0.0001"), (9e-5, "< 0.0001"), (1.0, "= 1")]
)
def test_a_chance_has_no_more_digits_than_anyone_reads(p, said):
    assert said == _write_p(p)


@pytest.mark.parametrize(
    ("kind", "measures", "inside", "corner"),
    [
        ("disc", (0.5, 0.25, 0.1), (50, -25), (40.0, -25.0)),
        ("ring", (0.0, 0.0, 0.3, 0.6), (0, 0), (-60.0, 0.0)),
        ("sector", (0.8, 90.0, 180.0), (0, -90), (100.0, 0.0)),
        ("strip", (90.0, 0.0, 0.5, 0.4), (0, -50), (4.0, -30.0)),
    ],
)
def test_an_outline_lies_where_the_zone_does(kind, measures, inside, corner):
    path = outline_zone(kind, measures, radius=100)
    first = tuple(map(float, re.match(r"M(-?[\d.]+) (-?[\d.]+)", path).groups()))
    np.testing.assert_allclose(first, corner, atol=0.051)
    ends = re.findall(r"(-?[\d.]+) (-?[\d.]+)(?=[MLAZ])", path)
    low, high = np.sort(np.array(ends, float)[:, 0])[[0, -1]]
    assert low - 0.1 <= inside[0] <= high + 0.1
    assert path.endswith("Z")


def test_a_place_in_the_die_has_no_outline_on_the_wafer():
    assert outline_zone("in die", (0.3, 0.7), radius=100) == ""
