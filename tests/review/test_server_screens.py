"""The screens of a review, walked through as the page does it."""

import time

import numpy as np
import pytest

from discovery.ledger import read_decisions
from discovery.review.server.grow import _REMEMBERED
from discovery.runs import LEDGER
from embeddings.errors import OptionError


@pytest.fixture
def truth(review):
    """The kind each image was drawn as, by its file's name."""
    hostile = {0: "lines"}
    names = [path.rpartition("/")[2] for [path] in review.data.paths]
    kinds = [name.partition("_")[0] for name in names]
    return np.array(
        [kind if kind in ("waves", "blob", "checks") else hostile[0] for kind in kinds], dtype="U8"
    )


def name_of(truth, images):
    kinds, counts = np.unique(truth[list(images)], return_counts=True)
    return str(kinds[counts.argmax()])


def test_a_proposal_is_shown_with_what_speaks_against_it_first(ask, review):
    for one in review.state.proposals:
        told = ask("validate", proposal=one.proposal_id, limit=5)
        folded = {image for copies in told["folded"].values() for image in copies}
        assert len(told["images"]) == min(5, told["of"])
        assert set(told["images"]) | folded <= set(one.images.tolist())
        assert told["medoid"] in one.images.tolist()
        assert (told["suggestions"], told["nearest"], told["warnings"]) == ([], None, [])


def test_names_and_the_nearest_type_are_suggested_once_there_are_types(ask, review):
    first, second, third = (one.proposal_id for one in review.state.proposals[:3])
    review.accept(first, "a")
    review.accept(second, "b")
    told = ask("validate", proposal=third)
    assert set(told["suggestions"]) == {"a", "b"}
    assert told["nearest"]["label"] in ("a", "b")
    of = review.state.find_type(told["nearest"]["label"])
    assert set(told["nearest"]["images"]) <= set(of.images.tolist())
    review.move(review.state.find_proposal(third).images[:2], "a")
    assert ask("validate", proposal=third)["warnings"] == ["Some of it is named already: 2 as a"]


def test_what_comes_next_leads_through_the_proposals_to_the_end(ask, review, truth):
    seen = []
    for _ in range(40):
        step = ask("next", after=seen[-1] if seen else "")
        assert step["why"]
        if step["screen"] != "validate":
            break
        assert step["proposal"] not in seen
        seen.append(step["proposal"])
        told = ask("validate", proposal=step["proposal"])
        label = name_of(truth, told["images"])
        thrown = [image for image in told["images"] if truth[image] != label]
        action = {"name": "accept", "proposal": step["proposal"], "label": label}
        ask("act", action={**action, "shown": told["images"], "thrown": thrown})
    assert step["screen"] in ("doubt", "rest", "done")
    assert len(seen) >= 3


def test_a_proposal_that_was_left_open_is_not_offered_again_at_once(ask):
    first = ask("next")["proposal"]
    assert ask("next", after=first)["proposal"] != first


def test_doubt_is_shown_once_two_types_are_there_and_is_settled(ask, review, truth, run):
    assert ask("doubt")["images"] == []
    for one in review.state.proposals[:3]:
        review.accept(one.proposal_id, name_of(truth, one.images), shown=one.images[:6])
    page = ask("doubt")
    assert 0 < len(page["images"]) <= 60
    lengths = {len(page[name]) for name in ("images", "current", "likely", "probability")}
    assert lengths == {len(page["images"])}
    assert all(0 <= one <= 1 for one in page["probability"])
    labels = {one["label"] for one in ask("state")["types"]}
    assert set(page["likely"]) <= labels
    assert set(page["current"]) <= labels | {""}
    action = {"name": "move_with_copies", "images": page["images"][:4], "label": page["likely"][0]}
    ask("act", action=action, selection={"kind": "doubt"})
    assert read_decisions(run / LEDGER)[-1].selection == {"kind": "doubt"}
    assert not set(page["images"][:4]) & set(ask("doubt")["images"])
    with pytest.raises(OptionError, match="there is no type 'x'"):
        ask("doubt", type="x")


def test_a_type_grows_by_pages_and_takes_what_was_found(ask, review, truth, run):
    of_a_kind = np.flatnonzero(truth == "waves")
    review.move(of_a_kind[:3], "waves")
    page = ask("grow", label="waves")
    assert (page["from"], page["done"], page["take"]) == (0, False, 0)
    assert len(page["images"]) == page["to"] == page["of"] == 46
    thrown = [image for image in page["images"] if truth[image] != "waves"]
    after = ask("grow", label="waves", cursor=page["cursor"], answer="pure", thrown=thrown)
    assert (after["done"], after["take"], after["images"]) == (True, 9, [])
    # The step before is there still: going back is asking for it.
    assert ask("grow", label="waves", cursor=page["cursor"])["images"] == page["images"]
    text = ask("act", action={"name": "grow", "label": "waves", "cursor": after["cursor"]})["text"]
    assert text == "move 9 images to waves"
    assert review.state.find_type("waves").images.tolist() == of_a_kind.tolist()
    assert set(review.state.excluded["waves"].tolist()) == set(thrown)
    made = read_decisions(run / LEDGER)[-1].selection
    assert (made["kind"], made["label"], made["shown"], made["of"]) == ("grow", "waves", 46, 46)
    assert made["distance"] > 0
    assert set(ask("grow", label="waves")["images"]) == set()


def test_a_page_that_does_not_belong_is_not_taken(ask, review, truth):
    review.move(np.flatnonzero(truth == "waves")[:3], "waves")
    page = ask("grow", label="waves")
    after = ask("grow", label="waves", cursor=page["cursor"], answer="impure")
    assert (after["done"], after["take"]) == (True, 0)
    with pytest.raises(OptionError, match="no image was given"):
        ask("act", action={"name": "grow", "label": "waves", "cursor": after["cursor"]})
    with pytest.raises(OptionError, match="this search has ended"):
        ask("grow", label="waves", cursor=after["cursor"], answer="pure")


def test_a_search_that_is_not_known_is_refused(ask, review):
    review.move([0, 1], "a")
    review.move([2, 3], "b")
    page = ask("grow", label="a")
    for label, cursor in (("a", "nonsense"), ("b", page["cursor"])):
        with pytest.raises(OptionError, match="not known any more: begin it again"):
            ask("grow", label=label, cursor=cursor)
        with pytest.raises(OptionError, match="not known any more"):
            ask("act", action={"name": "grow", "label": label, "cursor": cursor})
    with pytest.raises(OptionError, match="not all are images of this page"):
        ask("grow", label="a", cursor=page["cursor"], answer="pure", thrown=[0])
    with pytest.raises(OptionError, match="no type 'x' with an image"):
        ask("grow", label="x")
    for _ in range(_REMEMBERED):
        ask("grow", label="b")
    with pytest.raises(OptionError, match="begin it again"):
        ask("grow", label="a", cursor=page["cursor"])


def test_the_rest_is_shown_and_labelled_as_a_group(ask, review, truth):
    with pytest.raises(OptionError, match="nothing is left to label"):
        ask("act", action={"name": "label_rest"})
    assert ask("rest") == {"types": [], "expected_right": None}
    for kind in np.unique(truth).tolist():
        review.move(np.flatnonzero(truth == kind)[:5], kind)
    told = ask("rest")
    assert {one["label"] for one in told["types"]} <= set(truth.tolist())
    assert all(0 < len(one["images"]) <= min(12, one["count"]) for one in told["types"])
    assert 0 < told["expected_right"] <= 1
    count = sum(one["count"] for one in told["types"])
    assert count == 29
    ask("act", action={"name": "label_rest"})
    state = ask("state")
    assert state["left"] == 0
    assert sum(one["cluster"] for one in state["types"]) == count
    assert ask("act", action={"name": "undo"})["text"].startswith("undone: ")
    assert ask("state")["left"] == 29


def test_what_is_expected_right_follows_the_decisions(api, ask, review, truth):
    heard = []
    api.subscribe(heard.append)
    for kind in np.unique(truth).tolist():
        images = np.flatnonzero(truth == kind)[:5].tolist()
        ask("act", action={"name": "move", "images": images, "label": kind})
    deadline = time.monotonic() + 20
    while not any("expected_right" in one for one in heard):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    [share] = [one["expected_right"] for one in heard if "expected_right" in one][-1:]
    assert 0 < share < 1
    assert ask("state")["progress"]["expected_right"] == share


def test_no_proposal_is_passed_over_because_the_known_types_seem_to_explain_it(ask, review):
    first, second = review.state.proposals[:2]
    review.accept(first.proposal_id, "a", shown=first.images)
    review.accept(second.proposal_id, "b", shown=second.images)
    assert ask("next")["screen"] == "validate"


def test_of_a_proposal_that_was_split_its_parts_are_shown(ask, review):
    whole = review.state.proposals[0]
    review.split(whole.proposal_id, [whole.images[:5]])
    told = ask("validate", proposal=whole.proposal_id)
    assert (told["images"], told["medoid"]) == ([], None)
    assert told["warnings"] == ["Nothing is left of proposal 1: decide on its parts"]
    assert ask("split", proposal=whole.proposal_id)["parts"] == []
    part = ask("validate", proposal=f"{whole.proposal_id}.1")
    assert sorted(part["images"]) == sorted(part["exemplars"]) == whole.images[:5].tolist()
    assert ask("evidence", proposal=f"{whole.proposal_id}.1")["associations"] == []
