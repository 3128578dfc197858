"""The map and the slider of granularity: images chosen by a lasso and by their group."""

import json

from discovery import open_review


def read_ledger(run):
    return [json.loads(line) for line in (run / "decisions.jsonl").read_text().splitlines()]


def test_a_lasso_names_what_it_caught(page):
    page.press("b")
    page.lasso_all()
    page.wait_for(".screen-head", "60 images chosen")
    page.press("ENTER", "everything", "ENTER")
    page.wait_for(".types-list", "everything")
    lines = read_ledger(page.run)
    assert {line["label"] for line in lines} == {"everything"}
    selection = lines[0]["selection"]
    assert (selection["kind"], selection["map"]) == ("lasso", "map.npz")
    assert len(selection["polygon"]) >= 4
    assert lines[0]["seconds"] > 0
    page.wait_for(".progress", "100 % of the images named")
    with open_review(page.run) as review:
        assert set(review.state.label_codes.tolist()) == {0}


def test_the_map_looks_where_it_was_left(page):
    page.press("b")
    page.wait(lambda: page.find("//button[@aria-label='Zoom in']"))
    page.find("//button[@aria-label='Zoom in']").click()
    page.lasso_all()
    page.wait_for(".screen-head", "chosen")
    chosen = page.text(".screen-head")
    assert "60 images chosen" not in chosen
    page.press("n", "b")
    page.lasso_all()
    page.wait_for(".screen-head", "chosen")
    assert page.text(".screen-head") == chosen


def test_part_of_a_proposal_is_split_off_on_the_map(page):
    page.press("b")
    page.lasso_all()
    page.wait_for(".screen-head", "60 images chosen")
    # All of several proposals is no part of one.
    assert not page.find("//button[contains(., 'Split off')]")
    page.script("document.querySelector('.caught .cell').click()")
    page.wait(lambda: page.find("//button[contains(., 'Split off')]"))
    page.press("s")
    page.wait_for(".proposals", ".1")
    with open_review(page.run) as review:
        parts = [one for one in review.state.proposals if one.parent]
        assert sorted(len(one.images) for one in parts)[0] == 1
        assert len({one.parent for one in parts}) == 1


def test_the_slider_shows_groups_and_a_whole_group_is_named(page):
    page.go("All images")
    slider = page.wait(lambda: page.find(".granularity input"))
    said = page.text(".granularity output")
    page.script("arguments[0].focus()", slider)
    for key in ("END", "HOME", "ARROW_RIGHT"):
        before = page.text(".granularity output")
        page.press(key)
        page.wait(lambda before=before: page.text(".granularity output") != before)
    assert page.text(".granularity output") != said
    assert page.count(".granularity .ticks i") >= 1  # a stable position is marked
    page.wait(lambda: page.find(".cell .badge"))
    page.script("document.activeElement.blur()")
    page.press("a")
    label = page.wait(lambda: page.text(".selection .name-field label"))
    page.press("ENTER", "coarse", "ENTER")
    page.wait_for(".types-list", "coarse")
    line = read_ledger(page.run)[0]
    assert line["selection"]["kind"] == "level"
    assert label == f"Name {len(line['image_ids'])} images"


def test_images_are_filtered_by_name_type_and_who_decided(page):
    page.go("All images")
    page.wait_for(".screen-head", "60 images of 60")
    page.press("/", "LINES_1", "ENTER")
    page.wait_for(".screen-head", "5 images of 60")
    page.press("ENTER", "few", "ENTER")
    page.wait_for(".types-list", "few")
    line = read_ledger(page.run)[0]
    assert line["selection"] == {"kind": "filter", "query": {"text": "LINES_1"}}
    page.find("//button[.='Show all']").click()
    page.find(".types-list .row").click()
    page.wait_for(".screen-head", "1 image of 60")


def test_look_alikes_of_an_image_are_named_together(page):
    page.go("All images")
    page.wait(lambda: page.find(".cell"))
    page.press("l")
    page.wait_for("dialog h2", "Look-alikes of image 1")
    page.wait(lambda: page.count("dialog .cell") > 10)
    page.press("Shift+ARROW_RIGHT", "Shift+ARROW_RIGHT", "ENTER", "alike", "ENTER")
    page.wait_for(".types-list", "alike")
    line = read_ledger(page.run)[0]
    assert line["selection"]["kind"] == "look_alikes"
    assert len(line["image_ids"]) == 3


def test_an_image_is_seen_at_full_resolution_with_what_is_known(page):
    page.go("All images")
    page.wait(lambda: page.find(".cell"))
    page.press("ARROW_RIGHT", "z")
    page.wait(lambda: page.find("dialog .viewer-stage canvas, dialog .viewer-stage img"))
    page.wait_for("dialog .facts", ", 8 bits")
    assert "(2 of 60)" in page.text("dialog h2")
    page.press("n")
    page.wait_for("dialog h2", "(3 of 60)")
    page.press("ESCAPE")
    page.wait(lambda: not page.find("dialog"))
