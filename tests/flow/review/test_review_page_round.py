"""A whole round by the keyboard alone, from the first proposal to handoff.csv."""

import json

import pandas as pd

from discovery import read_decisions
from discovery.runs import LEDGER


def title(page):
    return page.text("h1")


def show_open_proposal(page):
    """Go to a proposal that nobody decided on."""
    page.press("Shift+1")
    page.wait(lambda: page.find(".validate h1"))
    if page.text(".screen-head .status"):
        page.press("n")
        page.wait(lambda: not page.text(".screen-head .status"))
    page.wait(lambda: page.find(".validate .cell") and not page.find(".pane.loading"))


def name_proposal(page, label, *before):
    show_open_proposal(page)
    shown = title(page)
    page.press(*before, "ENTER", label, "ENTER")
    page.wait(lambda: title(page) != shown)
    return shown.split()[-1]


def read_types(page):
    """Return the number of images of each type, as the list at the left says."""
    rows = (
        "return [...document.querySelectorAll('.types-list .row')]"
        ".map(row => [row.title, +row.lastChild.textContent])"
    )
    return dict(page.script(rows))


def split_proposal(page):
    show_open_proposal(page)
    number = title(page).split()[-1]
    page.press("s")
    page.wait(lambda: page.count("dialog .parts section") >= 2)
    page.press("ENTER")
    page.wait(lambda: not page.find("dialog"))
    page.wait_for(".proposals", f"{number}.2")
    return number


def merge_proposal(page, label):
    show_open_proposal(page)
    number = title(page).split()[-1]
    page.press("m")
    page.wait_for("dialog h2", f"Merge proposal {number} with")
    page.wait(lambda: page.find("dialog .candidate"))
    # The types come behind the proposals that look alike: the one that is wanted.
    for _ in range(page.count("dialog .candidate")):
        if page.text("dialog .candidate[aria-current=true]").startswith(label):
            break
        page.press("ARROW_DOWN")
    page.wait(lambda: page.script("return document.querySelector('dialog input').value") == label)
    page.press("ENTER")
    page.wait(lambda: not page.find("dialog"))
    return number


def grow_type(page, label):
    """Answer pages until the search ends, and record what it found."""
    page.press("Shift+2")
    page.wait(lambda: label in title(page) or page.press("n"))
    page.wait(lambda: page.find(".grow .cell") and not page.find(".pane.loading"))
    page.press("x", "ENTER")
    page.wait(lambda: page.find(".summary"))
    before = read_types(page)
    page.press("ENTER")
    page.wait(lambda: read_types(page) != before)


def test_a_round_by_keyboard_alone(page):
    first = name_proposal(page, "defect/first")
    name_proposal(page, "second", "ARROW_RIGHT", "x")
    assert read_types(page) == {"defect/first": 15, "second": 14}
    split = split_proposal(page)
    merge_proposal(page, "second")
    assert read_types(page)["second"] > 14
    grow_type(page, "second")

    before = read_types(page)
    undone = page.text(".undo button")
    page.press("u")
    page.wait(lambda: read_types(page) != before)
    assert page.text(".undo button:last-child") == undone.replace("Undo", "Redo")[:-1] + "⇧U"
    page.press("Shift+u")
    page.wait(lambda: read_types(page) == before)
    assert page.text(".undo button") == undone

    page.server.end()
    handoff = pd.read_csv(page.run / "handoff.csv", keep_default_na=False)
    named = handoff[handoff["label"] != ""]
    assert named["label"].value_counts().to_dict() == before
    assert set(named["label_source"]) == {"human", "cluster"}
    assert set(named["decided_by"]) == {"anna"}
    lines = [json.loads(one) for one in (page.run / "decisions.jsonl").read_text().splitlines()]
    kinds = {line["selection"]["kind"] for line in lines if line.get("selection")}
    assert {"proposal", "merge", "grow"} <= kinds
    assert {line["verdict"] for line in lines} >= {"accept", "split", "exclude", "undo", "redo"}
    assert len({line["action"] for line in lines}) == 7
    assert first != split


def test_doubt_and_the_rest_are_confirmed_with_one_key_each(page):
    name_proposal(page, "first")
    name_proposal(page, "second")
    page.press("Shift+3")
    page.wait(lambda: page.find(".doubt .cell") and not page.find(".pane.loading"))
    doubtful = page.count(".doubt .cell")
    page.press("x", "1", "ARROW_RIGHT", "x", "ENTER")
    page.wait_for(".undo button", "Undo")
    page.wait(lambda: sum(read_types(page).values()) >= 30 + doubtful - 1)
    page.press("u")
    page.wait(lambda: sum(read_types(page).values()) == 30)
    page.press("Shift+5")
    page.wait(lambda: page.find(".rest-screen .picture-row"))
    page.press("ENTER")
    page.wait(lambda: sum(read_types(page).values()) == 60)
    page.wait_for(".progress", "100 % of the images named")


def test_types_are_renamed_and_merged(page):
    name_proposal(page, "first")
    name_proposal(page, "second")
    page.press("Shift+6")
    page.wait(lambda: page.find(".type-table"))
    page.press("e")
    page.wait(lambda: page.script("return document.activeElement.tagName") == "INPUT")
    page.script("document.activeElement.select()")
    page.press("third", "ENTER")
    page.wait(lambda: read_types(page) == {"third": 15, "second": 15})
    # A name that exists makes two types one only where it is accepted twice.
    page.press("e")
    page.wait(lambda: page.script("return document.activeElement.tagName") == "INPUT")
    page.script("document.activeElement.select()")
    page.press("second", "ENTER")
    page.wait_for("main", "second exists: Enter again makes both one type")
    assert read_types(page) == {"third": 15, "second": 15}
    page.press("ESCAPE")
    field = page.find("//textarea")
    field.click()
    page.press("edge is bright")
    page.press("ESCAPE")
    page.wait_for(".messages", "define third")
    assert read_decisions(page.run / LEDGER)[-1].note == "edge is bright"
    page.press("SPACE", "ARROW_DOWN", "SPACE", "m", "ENTER")
    page.wait(lambda: len(read_types(page)) == 1)
    assert sum(read_types(page).values()) == 30
