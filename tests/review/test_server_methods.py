"""Every method of the review, called as a client does, and what it refuses."""

import time

import numpy as np
import pytest

from discovery.ledger import read_decisions
from discovery.review import ConflictError, open_review
from discovery.review.server import lasso as lasso_check
from discovery.review.server.image_files import ImageFiles
from discovery.review.server.rpc import METHODS
from discovery.runs import LEDGER
from embeddings.errors import ImageError, OptionError

LABEL = "defect/<b>bold</b>"


def test_the_overview_says_what_the_page_needs(ask, run):
    told = ask("overview")
    assert told["run"]["path"] == str(run)
    assert (told["n"], told["user"], told["page_size"]) == (49, "eva", 60)
    assert {"no_defect", "defect/small/particle"} <= set(told["labels_known"])
    assert told["metadata_columns"] == ["die_x", "die_y", "tool"]
    assert (told["has_map"], told["has_heat"], told["has_reference"]) == (True, False, False)
    assert told["um_per_pixel"] is None


def test_the_columns_are_those_of_the_run(api, unpack, review):
    header, columns = unpack(api.call("columns", {}))
    assert header == {}
    assert set(columns) == {"x", "y", "cluster", "membership", "outlier", "copies"}
    assert columns["cluster"].tolist() == review.data.clustering.labels.tolist()
    assert columns["x"].tolist() == review.data.positions[:, 0].tolist()
    assert columns["copies"].tolist() == review.data.copies.tolist()


def test_a_new_review_has_open_proposals_and_nothing_named(api, unpack, review):
    told, columns = unpack(api.call("state", {}))
    assert (told["revision"], told["types"], told["undo"], told["redo"]) == (0, [], None, None)
    assert (told["left"], told["progress"]["named_share"]) == (49, 0.0)
    assert [one["number"] for one in told["proposals"]] == ["1", "2", "3", "4"]
    assert sum(one["size"] for one in told["proposals"]) == 49
    first = told["proposals"][0]
    assert first["medoid"] in first["exemplars"] or first["exemplars"]
    assert review.state.ids[first["medoid"]] == review.state.proposals[0].evidence["medoid"]
    assert columns["label"].tolist() == [-1] * 49
    assert columns["source"].tolist() == [0] * 49
    assert columns["proposal"].tolist() == review.state.proposal_codes.tolist()


def test_an_accept_is_a_line_in_the_ledger_and_a_type_in_the_state(api, ask, unpack, run):
    proposal = ask("state")["proposals"][0]
    images = np.flatnonzero(unpack(api.call("state", {}))[1]["proposal"] == 0).tolist()
    action = {
        "name": "accept",
        "proposal": proposal["id"],
        "label": LABEL,
        "shown": images[:3],
        "thrown": images[3:4],
    }
    acted = ask("act", action=action, seen=0, seconds=1.5)
    assert acted["text"] == f"accept {LABEL} on P1 ({len(images) - 1} images)"
    told, columns = unpack(api.call("state", {}))
    assert told["revision"] == acted["revision"] == len(read_decisions(run / LEDGER))
    [made] = told["types"]
    assert (made["label"], made["images"], made["human"]) == (LABEL, len(images) - 1, 3)
    assert made["cluster"] == len(images) - 4
    assert told["proposals"][0]["status"] == "accepted"
    assert columns["source"][images[:5]].tolist() == [2, 2, 2, 0, 1]
    assert (told["undo"], told["progress"]["seconds"]) == (acted["text"], 1.5)


def test_a_name_that_is_nearly_anothers_is_said_with_the_answer(ask, review):
    ask("act", action={"name": "move", "images": [0], "label": "scratch"})
    said = ask("act", action={"name": "move", "images": [1], "label": "scrach"})["text"]
    assert said.endswith(
        "; labels that are nearly the same count as different types: 'scrach' and 'scratch'"
    )
    # Said where the name comes up, and not with every use of it.
    again = ask("act", action={"name": "move", "images": [2], "label": "scrach"})["text"]
    assert "nearly the same" not in again
    action = {"name": "rename", "label": "scrach", "to": "scratch deep"}
    assert "nearly the same" not in ask("act", action=action)["text"]
    action = {"name": "rename", "label": "scratch deep", "to": "scratch deeep"}
    assert "nearly the same" not in ask("act", action=action)["text"]


def test_each_action_has_its_way_through(ask, review):
    one, two, three, four = (proposal["id"] for proposal in ask("state")["proposals"])
    members = {
        proposal.proposal_id: proposal.images.tolist() for proposal in review.state.proposals
    }

    def act(name, **given):
        return ask("act", action={"name": name, **given}, seen=review.revision)["text"]

    assert act("accept", proposal=one, label="a", definition="what a is").startswith("accept a")
    assert act("reject", proposal=two).startswith("reject P2")
    assert act("defer", proposal=three).startswith("defer P3")
    halves = [members[four][:4], members[four][4:]]
    assert act("split", proposal=four, parts=halves).startswith("split P4 into 2")
    assert act("merge_proposals", proposals=[three, f"{four}.1"], label="b").startswith("merge b")
    assert act("move", images=members[two][:2], label="c").startswith("move 2 images to c")
    assert act("move", images=members[two][2:4], label="c", as_group=True)
    assert act("settle", moves={"a": members[two][4:5], "b": members[two][5:6]})
    assert act("set_prototypes", images=members[one][:2], label="a", on=True)
    assert act("exclude", images=members[one][3:4], label="a").startswith("exclude 1 image from a")
    assert act("release", images=members[two][:1])
    assert act("discard", images=members[two][1:2]).startswith("reject 1 image")
    assert act("rename", label="c", to="d").startswith("rename c to d")
    assert act("merge_types", labels=["d"], to="a").startswith("merge d to a")
    told = ask("state")
    assert [one["label"] for one in told["types"]] == ["a", "b"]
    assert told["types"][0]["definition"] == "what a is"
    assert told["types"][0]["prototypes"] == members[one][:2]
    assert act("undo").startswith("undone: merge d to a")
    assert [one["label"] for one in ask("state")["types"]] == ["a", "b", "d"]
    assert act("redo").startswith("merge d to a")
    parts = [one for one in ask("state")["proposals"] if one["parent"] == four]
    assert [one["number"] for one in parts] == ["4.1", "4.2"]
    assert all(one["medoid"] is not None for one in parts)


def draw_around(places):
    """Return a lasso around places of the map, its corners on the outermost ones."""
    (left, low), (right, high) = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    corners = [[left, low], [right, low], [right, high], [left, high]]
    return {"kind": "lasso", "map": "map.npz", "polygon": corners}


def test_a_group_is_named_but_for_what_was_decided_one_by_one(api, ask, unpack, run, review):
    images = review.state.proposals[0].images.tolist()
    ask("act", action={"name": "move", "images": images[:2], "label": "a"})
    ask("act", action={"name": "discard", "images": images[2:3]})
    ask("act", action={"name": "exclude", "images": images[3:4], "label": "b"})
    held = unpack(api.call("state", {}))[1]["held"]
    assert images[:3] == sorted(np.flatnonzero(held).tolist())
    group = {"name": "move", "label": "b", "as_group": True}
    said = ask("act", action=group | {"images": images})["text"]
    left = len(images) - 4
    assert said.startswith(f"move {left} images to b; 4 that were decided one by one keep")
    assert left == len(review.state.find_type("b").images)
    assert left == len(read_decisions(run / LEDGER)[-1].image_ids)
    with pytest.raises(OptionError, match="each of 3 images was decided by itself"):
        ask("act", action=group | {"images": images[:3]})


def test_a_lasso_is_written_down_with_the_images_inside_it(ask, run, review):
    first = review.state.proposals[0]
    lasso = draw_around(review.data.positions[first.images])
    ask(
        "act",
        action={"name": "move", "images": first.images.tolist(), "label": "a"},
        selection=lasso,
    )
    assert dict(read_decisions(run / LEDGER)[-1].selection) == lasso
    some = first.images[:3]
    lasso = draw_around(review.data.positions[some])
    split = {"name": "split", "proposal": first.proposal_id}
    parts = [some.tolist(), first.images[3:].tolist()]
    ask("act", action=split | {"parts": parts}, selection=lasso)
    assert dict(read_decisions(run / LEDGER)[-1].selection) == lasso


@pytest.mark.parametrize("turn", [0.0, 0.3, np.pi / 4])
def test_images_on_the_corners_of_a_lasso_are_inside(turn):
    """Whichever way the corners lie: a point there is on two lines at once."""
    angles = turn + np.arange(4) * np.pi / 2
    corners = np.stack([3 + np.cos(angles), 2 * np.sin(angles) - 5], axis=1)
    for polygon in (corners, corners[::-1]):
        assert lasso_check._lie_inside(polygon.tolist(), corners.astype(np.float32)).all()
        assert not lasso_check._lie_inside(polygon.tolist(), np.array([[5, -5]], np.float32)).any()


def test_images_outside_the_lasso_that_came_with_them_are_refused(ask, run, review):
    places = review.data.positions
    order = np.argsort(places[:, 0]).tolist()
    lasso = draw_around(places[order[:5]])
    move = {"name": "move", "images": [*order[:5], order[-1]], "label": "a"}
    with pytest.raises(OptionError, match="1 of 6 images lie outside the lasso that came with"):
        ask("act", action=move, selection=lasso)
    for polygon in (None, "abc", [[1, 2, 3]], [[0, None], [1, 1], [2, 2]], [[0, 0]]):
        with pytest.raises(OptionError, match="lasso"):
            ask("act", action=move, selection={"kind": "lasso", "polygon": polygon})
    assert not read_decisions(run / LEDGER)


def test_a_conflict_is_raised_and_nothing_is_written(ask, run, review):
    first = ask("state")["proposals"][0]["id"]
    with open_review(run, by="adam") as other:
        other.accept(first, "theirs")
    with pytest.raises(ConflictError, match="adam decided meanwhile: accept theirs on P1"):
        ask("act", action={"name": "accept", "proposal": first, "label": "mine"}, seen=0)
    assert [one.label for one in read_decisions(run / LEDGER)] == ["theirs"]


def test_events_tell_of_ones_own_decisions_and_of_others(api, ask, run):
    heard = []
    forget = api.subscribe(heard.append)
    ask("act", action={"name": "move", "images": [0], "label": "a"})
    assert heard == [{"revision": 1}]
    api.poll()
    with open_review(run, by="adam") as other:
        other.move([1], "b")
    api.poll()
    assert heard[-1] == {"revision": 2}
    forget()
    ask("act", action={"name": "undo"})
    assert heard[-1] == {"revision": 2}


def test_all_that_is_known_of_an_image(ask, review, images):
    review.move([5], "a")
    told = ask("image_info", image=5)
    path = review.data.paths[5][0]
    assert (told["path"], told["label"], told["source"]) == (path, "a", "human")
    assert (told["width"], told["height"], told["bits"]) == (64, 64, 8)
    assert (told["low"], told["high"], told["um_per_pixel"]) == (0.0, 255.0, None)
    assert told["lowest"] < told["highest"]
    assert told["proposal"] in {one["id"] for one in ask("state")["proposals"]}
    assert len(told["history"]) == 1
    assert "eva: move 1 image to a" in told["history"][0]
    assert set(told["metadata"]) <= {"tool", "die_x", "die_y"}
    assert (told["copies"], told["box"], told["fault"]) == ([], None, None)


def test_an_image_whose_file_is_gone_is_told_of_all_the_same(ask, api, monkeypatch):
    def fail(self, index):
        raise ImageError("its drive is away")

    monkeypatch.setattr(ImageFiles, "find_part", fail)
    told = ask("image_info", image=0)
    assert (told["fault"], told["width"], told["low"]) == ("its drive is away", 64, None)
    with pytest.raises(ImageError, match="its drive is away"):
        api.draw({"index": 0, "kind": "thumb"})


def test_look_alikes_are_nearest_first(ask):
    told = ask("look_alikes", image=3, k=5)
    assert len(told["images"]) == 5
    assert 3 not in told["images"]
    assert told["distances"] == sorted(told["distances"])


def test_evidence_of_a_proposal(ask):
    for proposal in ask("state")["proposals"]:
        told = ask("evidence", proposal=proposal["id"])
        assert told["sizes"] is None
        for one in told["associations"]:
            assert 0 <= one["share_out"] < one["share_in"] <= 1
            assert f"{one['share_in']:.0%} of these" in one["text"]
        inside = told["wafer"]["inside"]
        assert len(told["wafer"]["x"]) == len(told["wafer"]["y"]) == len(inside)
        assert set(inside) == {0, 1}
    with pytest.raises(OptionError, match="no proposal 'x'"):
        ask("evidence", proposal="x")


WRONG = [
    ("nothing", {}, "there is no method 'nothing'"),
    ("state", {"more": 1}, 'state has no argument "more"'),
    ("image_info", {}, "image_info needs the argument image"),
    ("image_info", {"image": 49}, "image is 49, expected the position of an image, 0 to 48"),
    ("image_info", {"image": -1}, "image is -1"),
    ("image_info", {"image": True}, "image is true"),
    ("image_info", {"image": "../../etc/passwd"}, "expected the position"),
    ("look_alikes", {"image": 0, "k": 0}, "k is 0, expected a whole number from 1"),
    ("image", {"index": 0, "kind": "path"}, "expected one of thumb, full, heat, reference"),
    ("image", {"index": 0, "kind": "full", "low": 1}, "both a low and a high"),
    ("image", {"index": 0, "kind": "full", "low": 5, "high": 5}, "the window 5 to 5 is empty"),
    ("image", {"index": 0, "kind": "full", "x0": 5}, "all of x0, y0, width, height"),
    ("act", {"action": {"name": "explode"}}, "there is no action 'explode'"),
    ("act", {"action": {}}, "there is no action 'None'"),
    ("act", {"action": {"name": ["accept"]}}, "there is no action"),
    ("act", {"action": "undo"}, 'action is "undo", expected an object'),
    ("act", {"action": {"name": "undo"}, "seen": -1}, "seen is -1"),
    ("act", {"action": {"name": "undo"}, "seconds": "1"}, 'seconds is "1"'),
    ("act", {"action": {"name": "undo", "images": [1]}}, "undo has no argument"),
    ("act", {"action": {"name": "move", "images": [0, 0], "label": "a"}}, "each image once"),
    ("act", {"action": {"name": "move", "images": [0.5], "label": "a"}}, "list of whole numbers"),
    ("act", {"action": {"name": "move", "images": [99], "label": "a"}}, "positions from 0 to 48"),
    ("act", {"action": {"name": "move", "images": [0], "label": "a\nb"}}, "control or invisible"),
    ("act", {"action": {"name": "move", "images": [0], "label": "\u202ea"}}, "invisible"),
    ("act", {"action": {"name": "split", "proposal": "x", "parts": [1]}}, "list of whole numbers"),
    ("act", {"action": {"name": "settle", "moves": {"a": 1}}}, "moves is an object of 1"),
    ("act", {"action": {"name": "accept", "proposal": 1, "label": "a"}}, "proposal is 1"),
    ("act", {"action": {"name": "undo"}}, "there is nothing to undo"),
    ("job", {"id": "1"}, "no job '1' is known"),
    ("cancel", {"id": "1"}, "no job '1' is known"),
]


@pytest.mark.parametrize(("method", "args", "text"), WRONG)
def test_nonsense_is_refused_in_one_line_and_nothing_is_written(api, run, method, args, text):
    with pytest.raises(OptionError) as refused:
        api.call(method, args)
    assert text in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert read_decisions(run / LEDGER) == []


@pytest.mark.parametrize("args", [[], "x", 1, None])
def test_arguments_are_an_object(api, args):
    with pytest.raises(OptionError, match="expected an object of arguments"):
        api.call("state", args)


def test_every_method_documents_itself():
    assert [name for name, method in METHODS.items() if not method.run.__doc__] == []


def test_the_slider_has_positions_and_each_has_its_groups(api, ask, unpack):
    told = ask("overview")["levels"]
    indices = [one["index"] for one in told["positions"]]
    assert indices == list(range(len(indices)))
    assert told["current"] in indices
    for one in told["positions"]:
        answer, columns = unpack(api.call("levels", {"position": one["index"]}))
        assert answer == {"groups": one["groups"], "stable": one["stable"]}
        groups = columns["group"]
        assert len(groups) == 49
        assert len(set(groups[groups >= 0].tolist())) == one["groups"]
    with pytest.raises(OptionError, match=f"position is {len(indices)}, expected 0 to"):
        ask("levels", position=len(indices))


def test_a_split_is_offered_and_decided_by_an_act(ask, review):
    big = review.merge_proposals(
        [one.proposal_id for one in review.state.proposals[:2]], "both"
    ).proposals
    review.undo()
    for one in big:
        told = ask("split", proposal=one.proposal_id)
        together = sorted(image for part in told["parts"] for image in part)
        assert together == one.images.tolist()
        if len(told["parts"]) > 1:
            action = {"name": "split", "proposal": one.proposal_id, "parts": told["parts"]}
            assert "into" in ask("act", action=action)["text"]
        else:
            assert told["resolution"] is None


def test_pairs_to_merge_are_of_different_names_and_likeliest_first(ask, review):
    pairs = ask("merge_pairs")["pairs"]
    likeness = [one["likeness"] for one in pairs]
    assert likeness == sorted(likeness, reverse=True)
    for one in pairs:
        for side in ("a", "b"):
            members = set(review.state.find_proposal(one[side]).images.tolist())
            shown = one[f"images_{side}"]
            assert 0 < len(shown) <= 30
            assert set(shown) <= members
    if pairs:
        review.merge_proposals([pairs[0]["a"], pairs[0]["b"]], "one")
        left = {(one["a"], one["b"]) for one in ask("merge_pairs")["pairs"]}
        assert (pairs[0]["a"], pairs[0]["b"]) not in left


def test_parts_of_a_split_are_not_offered_to_be_joined_again(ask, review):
    first = review.state.proposals[0]
    review.split(first.proposal_id, [first.images[::2], first.images[1::2]])
    parts = {one.proposal_id for one in review.state.proposals if one.parent == first.proposal_id}
    assert len(parts) == 2
    pairs = [{one["a"], one["b"]} for one in ask("merge_pairs")["pairs"]]
    assert parts not in pairs


def wait_for(ask, job):
    deadline = time.monotonic() + 120
    while (told := ask("job", id=job))["status"] == "running":
        assert time.monotonic() < deadline, told
        time.sleep(0.02)
    return told


def test_what_is_left_is_clustered_again_in_the_background(api, ask, review):
    heard = []
    api.subscribe(heard.append)
    first = review.state.proposals[0]
    review.accept(first.proposal_id, "a")
    told = wait_for(ask, ask("start_regroup")["job"])
    assert (told["status"], told["kind"], told["share"]) == ("done", "regroup", 1.0), told
    proposed = [one for one in ask("state")["proposals"] if one["id"].startswith("R")]
    assert told["text"].startswith(f"{len(proposed)} groups of ")
    assert proposed
    assert not set(first.images.tolist()) & {
        image for one in review.state.proposals[4:] for image in one.images.tolist()
    }
    assert {"revision": review.revision} in heard
    shares = [one["job"]["share"] for one in heard if "job" in one]
    assert shares == sorted(shares)
    assert ask("act", action={"name": "undo"})["text"].startswith("undone: cluster the rest into")


def test_a_part_of_the_rest_is_proposed_as_the_type_it_matches(ask, review):
    first = review.state.proposals[0]
    review.move(first.images[:9], "defect/a")
    review.move(review.state.proposals[1].images[:4], "defect/b")
    told = wait_for(ask, ask("start_regroup")["job"])
    assert told["status"] == "done", told
    likely = {one["id"]: one["likely"] for one in ask("state")["proposals"] if one["likely"]}
    assert set(likely.values()) <= {"defect/a", "defect/b"}
    assert likely
    for name, label in likely.items():
        assert ask("validate", proposal=name)["suggestions"][0] == label


def test_with_nothing_left_there_is_nothing_to_cluster(ask, review):
    review.move(range(49), "a")
    with pytest.raises(OptionError, match="nothing is left to group"):
        ask("start_regroup")


def test_a_handoff_that_does_not_follow_is_said_on_the_page(ask, review, run):
    assert ask("state")["notices"] == []
    (run / "handoff.csv").write_text("nonsense")
    ask("act", action={"name": "move", "images": [0], "label": "a"})
    review.flush()
    [notice] = ask("state")["notices"]
    assert notice.startswith("handoff.csv does not follow: ")


def test_a_ledger_that_cannot_be_followed_is_said_on_the_page(api, ask, run):
    (run / LEDGER).write_text("nonsense\n{}\n")
    heard = []
    api.subscribe(heard.append)
    api.poll()
    [notice] = ask("state")["notices"]
    assert "lines 1, 2 are damaged" in notice
    assert heard == [{"revision": 0}]
    api.poll()
    assert len(heard) == 1


def test_a_run_that_was_clustered_again_is_said_though_nobody_decides(api, ask, run):
    heard = []
    api.subscribe(heard.append)
    api.poll()
    assert heard == []
    clustering = run / "clustering.parquet"
    clustering.write_bytes(clustering.read_bytes() + b" ")
    api.poll()
    assert len(heard) == 1
    assert len(ask("state")["notices"]) == 1
