"""The actions of a review, one by one, on a small run: twelve images in three groups and noise."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery import open_review
from discovery.ledger import read_decisions
from discovery.review import ConflictError
from embeddings.errors import OptionError, RunError

A, B, C = "Pa", "Pb", "Pc"


@pytest.fixture
def run(make_small_run, tmp_path):
    return make_small_run(tmp_path / "run")


@pytest.fixture
def review(run):
    with open_review(run, by="eva") as review:
        yield review


def labels_of(state):
    return [state.labels[code] if code >= 0 else "" for code in state.label_codes.tolist()]


def status_of(state):
    return {one.number: one.status for one in state.proposals}


def test_a_run_without_decisions(review):
    state = review.state
    assert (len(state), state.labels, state.revision) == (12, (), 0)
    assert status_of(state) == {"1": "open", "2": "open", "3": "open"}
    assert (state.undoable, state.redoable, state.progress.named_share) == (None, None, 0.0)
    assert state.left.tolist() == list(range(12))


def test_accept_names_what_was_shown_as_a_persons(review):
    state = review.accept(A, "scratch", shown=[0, 1], thrown=[1], seconds=2.5)
    assert labels_of(state)[:5] == ["scratch", "", "scratch", "scratch", "scratch"]
    assert state.sources[:5].tolist() == [2, 0, 1, 1, 1]
    assert state.excluded["scratch"].tolist() == [1]
    assert state.undoable == "accept scratch on P1 (4 images)"
    assert (state.progress.decisions, state.progress.named, state.progress.seconds) == (1, 4, 2.5)


def test_undo_and_redo(review):
    start = review.state
    named = review.accept(A, "scratch", thrown=[1])
    undone = review.undo()
    assert labels_of(undone) == labels_of(start)
    assert (undone.undoable, undone.redoable) == (None, named.undoable)
    assert labels_of(review.redo()) == labels_of(named)
    with pytest.raises(OptionError, match="nothing to redo"):
        review.redo()


def test_two_people_meet(run, review):
    with open_review(run, by="max") as other:
        review.accept(A, "scratch")
        with pytest.raises(ConflictError, match="eva decided meanwhile: accept scratch on P1"):
            other.reject(A)
        assert labels_of(other.accept(B, "pit"))[:6] == ["scratch"] * 5 + ["pit"]


# --- all actions, one by one ---


def test_reject_takes_the_label_back_and_defer_leaves_it(review):
    review.accept(A, "scratch")
    state = review.defer(A)
    assert (labels_of(state)[0], status_of(state)["1"]) == ("scratch", "accepted")
    assert status_of(review.defer(B))["2"] == "deferred"
    state = review.reject(A)
    assert (labels_of(state)[0], status_of(state)["1"]) == ("", "rejected")
    assert state.undoable == "reject P1 (5 images)"


def test_merged_proposals_are_one_type(review):
    state = review.merge_proposals([A, C], "pit")
    assert labels_of(state) == ["pit"] * 5 + [""] * 3 + ["pit"] * 2 + [""] * 2
    assert state.types[0].proposals == (A, C)
    assert state.undoable == "merge pit on P1, P3 (7 images)"


def test_a_split_makes_proposals_of_its_parts(review):
    review.accept(A, "scratch")
    state = review.split(A, [[0, 1]])
    assert status_of(state) == {
        "1": "split", "2": "open", "3": "open", "1.1": "open", "1.2": "open",
    }  # fmt: skip
    assert labels_of(state) == [""] * 12
    parts = [one for one in state.proposals if one.parent == A]
    assert [one.images.tolist() for one in parts] == [[0, 1], [2, 3, 4]]
    state = review.accept(parts[1].proposal_id, "pit")
    assert labels_of(state)[:5] == ["", "", "pit", "pit", "pit"]
    state = review.split(parts[1].proposal_id, [[2]])
    assert [one.number for one in state.proposals[3:]] == ["1.1", "1.2", "1.2.1", "1.2.2"]
    assert labels_of(state)[:5] == [""] * 5


def test_parts_that_were_undone_leave_their_numbers(review):
    review.split(A, [[0]])
    review.undo()
    state = review.split(A, [[0, 1]])
    assert [one.number for one in state.proposals[3:]] == ["1.3", "1.4"]


def test_what_is_left_is_proposed_anew(review):
    review.accept(A, "scratch", thrown=[0])
    state = review.regroup([[0, 10], [1, 5, 6]])
    # Image 1 was named since the clustering began.
    assert [(one.number, one.images.tolist()) for one in state.proposals[3:]] == [
        ("R1", [0, 10]),
        ("R2", [5, 6]),
    ]
    assert state.find_proposal(B).images.tolist() == [7]
    assert state.undoable == "cluster the rest into 2 (4 images)"
    state = review.regroup([[7]])
    assert status_of(state)["2"] == "gone"
    assert status_of(state)["R3"] == "open"
    assert labels_of(review.accept("R1", "pit"))[10] == "pit"


def test_a_part_of_the_rest_keeps_the_type_it_was_matched_with(run, review):
    review.accept(A, "pit", shown=[0, 1])
    review.move([2], "scratch")
    review.exclude([3], "pit")
    # Image 2 has a label meanwhile, and its part falls out.
    state = review.regroup(
        [[2], [3], [10], [5, 6]], likely={0: "pit", 1: "pit", 2: "scratch", 3: "gone"}
    )
    assert {one.number: one.likely for one in state.proposals[3:]} == {
        "R1": "pit", "R2": "scratch", "R3": "",
    }  # fmt: skip
    state = review.rename("pit", "defect/pit")
    assert state.find_proposal("R1").likely == "defect/pit"
    assert review.undo().find_proposal("R1").likely == "pit"
    review.merge_types(["scratch"], "pit")
    with open_review(run, by="max") as other:
        assert [one.likely for one in other.state.proposals[3:]] == ["pit", "pit", ""]


def test_images_move_alone_and_as_a_group(review):
    review.accept(A, "scratch")
    state = review.move([0, 10], "pit", definition="round and deep")
    assert (labels_of(state)[0], state.sources[0], state.types[1].definition) == (
        "pit", 2, "round and deep",
    )  # fmt: skip
    state = review.move([1, 11], "pit", as_group=True)
    assert (labels_of(state)[11], state.sources[[1, 11]].tolist()) == ("pit", [1, 1])
    # A person put them there: naming their proposal again does not take them back.
    assert labels_of(review.accept(A, "line"))[:3] == ["pit", "pit", "line"]
    # But one that was looked at is named as it was shown.
    assert labels_of(review.accept(A, "line", shown=[1]))[1] == "line"


def test_images_are_released_and_discarded(review):
    review.accept(A, "scratch")
    state = review.discard([0, 1])
    assert (labels_of(state)[:2], state.rejected.tolist()) == (["", ""], [0, 1])
    assert state.left.tolist() == [5, 6, 7, 8, 9, 10, 11]
    state = review.release([0])
    assert (labels_of(state)[:2], state.rejected.tolist()) == (["scratch", ""], [1])


def test_a_barred_image_comes_back_on_purpose_only(review):
    review.accept(A, "scratch")
    state = review.exclude([0, 10], "scratch")
    assert labels_of(state)[0] == ""
    assert state.excluded["scratch"].tolist() == [0, 10]
    state = review.grow("scratch", taken=[0, 10, 11])
    assert [labels_of(state)[image] for image in (0, 10, 11)] == ["", "", "scratch"]
    state = review.move([10], "scratch")
    assert (labels_of(state)[10], state.excluded["scratch"].tolist()) == ("scratch", [0])


def test_growing_is_one_action(review):
    state = review.grow("pit", taken=[5, 6, 7, 8], shown=[5, 6], thrown=[6])
    assert labels_of(state)[5:9] == ["pit", "", "pit", "pit"]
    assert state.sources[5:9].tolist() == [2, 0, 1, 1]
    assert state.excluded["pit"].tolist() == [6]
    assert (state.revision, state.progress.decisions) == (3, 1)
    assert labels_of(review.undo()) == [""] * 12


def test_a_page_is_settled_at_once(review):
    state = review.settle({"pit": [0, 1], "line": [2]})
    assert labels_of(state)[:3] == ["pit", "pit", "line"]
    assert state.undoable == "move 3 images to pit, line"
    with pytest.raises(OptionError, match="none of them under two"):
        review.settle({"pit": [0], "line": [0]})


def test_copies_follow_as_a_group_and_what_is_thrown_out_is_barred(review):
    state = review.settle({"pit": [0]}, copies={"pit": [1]}, thrown={"line": [2], "pit": [3]})
    assert labels_of(state)[:4] == ["pit", "pit", "", ""]
    assert state.sources[:2].tolist() == [2, 1]
    assert state.excluded["pit"].tolist() == [3]
    assert labels_of(review.undo()) == [""] * 12
    assert review.settle({}, thrown={"pit": [3]}).excluded["pit"].tolist() == [3]
    with pytest.raises(OptionError, match="one image or more"):
        review.settle({})


def test_types_are_renamed_and_merged(review):
    review.accept(A, "scratch", shown=[0], definition="long")
    review.accept(B, "pit")
    state = review.rename("scratch", "defect/scratch")
    assert state.labels == ("defect/scratch", "pit")  # it keeps its place, and so its colour
    assert (state.types[0].definition, state.sources[:2].tolist()) == ("long", [2, 1])
    assert state.find_proposal(A).label == "defect/scratch"
    with pytest.raises(OptionError, match="there is a type 'pit' already: merge"):
        review.rename("defect/scratch", "pit")
    state = review.merge_types(["defect/scratch", "pit"], "pit")
    assert (state.labels, len(state.types[0].images)) == (("pit",), 8)
    assert state.undoable == "merge defect/scratch to pit"
    state = review.rename("pit", "pit", definition="round")
    assert state.types[0].definition == "round"


def test_types_merge_under_a_new_name(review):
    review.settle({"a": [0], "b": [1], "c": [2]})
    state = review.merge_types(["a", "b"], "d")
    assert labels_of(state)[:3] == ["d", "d", "c"]
    assert labels_of(review.undo())[:3] == ["a", "b", "c"]


def test_prototypes_follow_their_label(review):
    review.accept(A, "scratch")
    state = review.set_prototypes([3, 1], "scratch")
    assert state.prototypes["scratch"].tolist() == [3, 1]
    state = review.rename("scratch", "line")
    assert state.types[0].prototypes.tolist() == [3, 1]
    state = review.move([3], "pit")
    assert state.prototypes["line"].tolist() == [1]
    assert "line" not in review.set_prototypes([1], "line", on=False).prototypes
    with pytest.raises(OptionError, match="not all of these images are 'line'"):
        review.set_prototypes([10], "line")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.accept("P9", "x"), "there is no proposal 'P9'"),
        (lambda r: r.accept(A, "=x"), "runs? as a formula"),
        (lambda r: r.accept(A, ""), "empty part"),
        (lambda r: r.accept(A, "x", shown=[9]), "not all are images of proposal 1"),
        (lambda r: r.accept(A, "x", thrown=range(5)), "all images were thrown out: reject"),
        (lambda r: r.move([12], "x"), "12 to 12, expected 0 to 11"),
        (lambda r: r.move([], "x"), "no image was given"),
        (lambda r: r.move([0.5], "x"), "whole numbers"),
        (lambda r: r.split(A, [range(5)]), "one part is the whole proposal 1"),
        (lambda r: r.split(A, [[0], [0, 1]]), "an image is in two"),
        (lambda r: r.split(A, [[5]]), "not all are images of proposal 1"),
        (lambda r: r.regroup([[]]), "none holds an image without a label"),
        (lambda r: r.rename("x", "y"), "there is no type 'x'"),
        (lambda r: r.merge_types([], "y"), "no other type was given"),
        (lambda r: r.merge_proposals([], "y"), "no proposal was given"),
        (lambda r: r.undo(), "there is nothing to undo"),
        (lambda r: r.move([0], "x", seconds=float("nan")), "seconds is nan"),
        (lambda r: r.grow("x"), "no image was given"),
        (lambda r: r.move([0], "x", selection={"a": float("nan")}), "cannot be written as JSON"),
        (lambda r: r.move([0], "x", selection={"a": object()}), "a object is in it"),
    ],
)
def test_what_makes_no_sense_is_refused_and_not_recorded(review, call, message):
    with pytest.raises(OptionError, match=message):
        call(review)
    assert review.state.revision == 0


def test_how_images_were_chosen_is_recorded(review, run):
    corners = [[0.0, 0.5], [1, 1], [1, 0]]
    polygon = {"kind": "lasso", "map": "map.npz", "polygon": corners}
    given = polygon | {"polygon": np.array(corners)}
    review.move([0, 1], "pit", selection=given, seconds=np.float32(4.5))
    review.reject(B)
    lasso, whole = read_decisions(run.path / "decisions.jsonl")
    assert (lasso.selection, lasso.seconds, lasso.by) == (polygon, 4.5, "eva")
    assert (whole.selection, whole.seconds) == ({"kind": "proposal"}, None)


# --- two people, or two windows ---


def test_a_stale_look_meets_a_conflict_only_where_it_matters(run, review):
    with open_review(run, by="max") as other:
        before = other.revision
        review.accept(A, "scratch")
        review.rename("scratch", "line")
        other.move([10], "pit", seen=before)  # other images, another type
        with pytest.raises(
            ConflictError, match="eva decided meanwhile: accept scratch on P1"
        ) as met:
            other.move([0], "pit", seen=before)
        assert (met.value.by, [one.verdict for one in met.value.decisions]) == ("eva", ["accept"])
        with pytest.raises(ConflictError, match="rename scratch to line"):
            other.move([11], "scratch", seen=before)
        assert labels_of(other.move([0], "pit", seen=other.revision))[0] == "pit"


def test_an_undo_meets_what_was_built_on_it(run, review):
    with open_review(run, by="max") as other:
        parts = review.split(A, [[0]])
        other.refresh()
        other.accept(parts.proposals[3].proposal_id, "pit")
        with pytest.raises(ConflictError, match=r"max decided meanwhile: accept pit on P1\.1"):
            review.undo(seen=parts.revision)
        # Seen, it may go: the label that was given stays with its image.
        review.refresh()
        state = review.undo()
        assert (labels_of(state)[0], status_of(state)["1"]) == ("pit", "open")


def test_each_undoes_their_own(run, review):
    with open_review(run, by="max") as other:
        review.move([0], "a")
        other.move([1], "b")
        review.refresh()
        assert labels_of(review.undo())[:2] == ["", "b"]
        other.refresh()
        assert labels_of(other.undo())[:2] == ["", ""]
        review.refresh()
        assert labels_of(review.redo())[:2] == ["a", ""]


def test_one_undoes_ones_own_however_old_the_screen_is(review):
    seen = review.revision
    review.accept(A, "scratch")
    assert labels_of(review.undo(seen=seen)) == [""] * 12
    assert labels_of(review.redo(seen=seen))[0] == "scratch"


def test_everything_outlives_the_process(run):
    with open_review(run, by="eva") as review:
        review.accept(A, "scratch", thrown=[1], seconds=1)
        review.split(B, [[5]])
        review.undo()
        before, told = review.state, review.history()
    with open_review(run, by="eva") as again:
        check_same(again.state, before)
        assert again.history() == told
        assert told[1].endswith("eva: split P2 into 2 (3 images) (undone)")
        assert again.history(image=1) == told[:1]
        assert status_of(again.redo())["2.1"] == "open"


def check_same(one, other):
    for field in dataclasses.fields(one):
        assert_same(getattr(one, field.name), getattr(other, field.name))


def assert_same(one, other):
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif dataclasses.is_dataclass(one):
        check_same(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        assert_same(list(one.values()), list(other.values()))
    elif isinstance(one, (tuple, list)):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other


# --- clustered again ---


def test_labels_stay_where_the_run_is_clustered_again(run, make_small_run):
    with open_review(run, by="eva") as review:
        review.accept(A, "scratch")
        review.split(B, [[5]])
        review.accept(f"{B}.1", "pit")
        review.regroup([[10, 11]])
        ids = review.state.ids
        # One group is left as it was, the others fall apart otherwise; an image is new.
        make_small_run(
            run.path, [1, 1, 0, 0, 0, 0, 1, 2, 2, 1, -1, -1, -1], [*ids, "f" * 16], "xay"
        )
        with pytest.raises(RunError, match="was clustered again while it was reviewed"):
            review.move([0], "line")
    with open_review(run, by="eva") as again:
        state = again.state
        assert labels_of(state) == ["scratch"] * 5 + ["pit"] + [""] * 7
        assert status_of(state) == {"1": "open", "2": "open", "3": "open"}
        assert again.undo().redoable == "cluster the rest into 1 (2 images)"


def test_parts_stay_with_a_proposal_that_is_there_still(run, make_small_run):
    with open_review(run, by="eva") as review:
        review.split(A, [[0, 1]])
        ids = review.state.ids
    make_small_run(run.path, [0] * 6 + [1, 1, 2, 2, -1, -1], ids)
    with open_review(run, by="eva") as again:
        state = again.state
        # What joined the proposal is in no part: it is looked at by itself.
        assert status_of(state) == {
            "1": "open", "2": "open", "3": "open", "1.1": "open", "1.2": "open",
        }  # fmt: skip
        assert state.find_proposal(A).images.tolist() == [5]


# --- any actions ---

PLACES = st.lists(st.integers(0, 11), min_size=1, max_size=4, unique=True)
LABELS = st.sampled_from(["x", "y", "y/z"])
STEPS = st.one_of(
    st.tuples(st.just("accept"), st.integers(0, 5), LABELS, PLACES, PLACES),
    st.tuples(st.just("reject"), st.integers(0, 5)),
    st.tuples(st.just("defer"), st.integers(0, 5)),
    st.tuples(st.just("merge_proposals"), st.integers(0, 5), st.integers(0, 5), LABELS),
    st.tuples(st.just("split"), st.integers(0, 5), PLACES),
    st.tuples(st.just("regroup"), PLACES),
    st.tuples(st.just("move"), PLACES, LABELS),
    st.tuples(st.just("grow"), LABELS, PLACES, PLACES, PLACES),
    st.tuples(st.just("exclude"), PLACES, LABELS),
    st.tuples(st.just("release"), PLACES),
    st.tuples(st.just("discard"), PLACES),
    st.tuples(st.just("rename"), LABELS, LABELS),
    st.tuples(st.just("merge_types"), LABELS, LABELS),
    st.tuples(st.just("set_prototypes"), PLACES, LABELS),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
)


def act(review, step):
    """Do a step in whatever way makes sense now; some make none, and are refused."""
    kind, *values = step
    groups = [one for one in review.state.proposals if len(one.images)]
    values = [groups[v % len(groups)] if isinstance(v, int) else v for v in values]
    match kind, values:
        case "accept", [group, label, shown, thrown]:
            shown, thrown = (np.intersect1d(group.images, some) for some in (shown, thrown))
            review.accept(group.proposal_id, label, shown=shown, thrown=thrown)
        case (("reject" | "defer"), [group]):
            getattr(review, kind)(group.proposal_id)
        case "merge_proposals", [one, other, label]:
            review.merge_proposals([one.proposal_id, other.proposal_id], label)
        case "split", [group, images]:
            review.split(group.proposal_id, [np.intersect1d(group.images, images)])
        case "regroup", [images]:
            review.regroup([images])
        case "grow", [label, taken, shown, thrown]:
            review.grow(label, taken=taken, shown=shown, thrown=thrown)
        case "merge_types", [label, to]:
            review.merge_types([label], to)
        case _:
            getattr(review, kind)(*values)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), STEPS), max_size=12))
def test_the_state_is_what_replaying_gives(make_small_run, tmp_path_factory, steps):
    run = make_small_run(tmp_path_factory.mktemp("r") / "run")
    with open_review(run, by="eva") as eva, open_review(run, by="max") as other:
        for is_eva, step in steps:
            person = eva if is_eva else other
            person.refresh()
            before = person.state
            try:
                act(person, step)
            except OptionError:
                assert_same(person.state, before)
                continue
            if step[0] not in ("undo", "redo"):
                after = person.state
                back = person.undo()
                check_alike(back, before)
                check_alike(person.redo(), after)
        for person in (eva, other):
            person.refresh()
            with open_review(run, by=person.by) as replayed:
                assert_same(person.state, replayed.state)


def check_alike(one, other):
    """Compare all but what counts lines and names what is next."""
    same = {"progress": None, "undoable": None, "redoable": None, "revision": 0}
    check_same(dataclasses.replace(one, **same), dataclasses.replace(other, **same))
