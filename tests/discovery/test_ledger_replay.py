"""What the newer verdicts mean, and that undo and redo leave what the other actions come to."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.ledger import Ledger, Replay, append_decisions, read_decisions, replay_decisions
from discovery.records import Decision, ImageLabel
from embeddings.errors import RunError

AT = "2026-11-24T10:00:{:02d}+00:00"


def decide(verdict, scope="image", *, second=0, **changes):
    values = {"proposal_id": "", "label": "", "by": "eva", "at": AT.format(second % 60)}
    ids = {"image_ids": ("a", "b")} if scope in ("image", "group", "proposal") else {}
    return Decision(verdict=verdict, scope=scope, **{**values, **ids, **changes})


def name(label, scope="image", ids="ab", **changes):
    return decide("accept", scope, label=label, image_ids=tuple(ids), **changes)


def rename(old, new, verdict="rename", **changes):
    return decide(verdict, "type", previous=old, label=new, **changes)


def switch(verdict, target, by="eva"):
    return decide(verdict, "action", target=target, by=by)


def labels_of(*decisions):
    return {key: value.label for key, value in replay_decisions(decisions).images.items()}


ALL_X, ALL_Y = dict.fromkeys("ab", "x"), dict.fromkeys("ab", "y")
P = {"scope": "proposal", "proposal_id": "P"}


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        # a group is as weak as a proposal: the later one wins, an image's own label stands
        ([name("x", "group"), name("y", **P)], {"a": "y", "b": "y"}),
        ([name("y", **P), name("x", "group", "a")], {"a": "x", "b": "y"}),
        ([name("y", ids="a"), name("x", "group")], {"a": "y", "b": "x"}),
        # a group's label is not the proposal's to take back
        ([name("x", "group"), decide("reject", **P)], {"a": "x", "b": "x"}),
        # an exclusion takes the label away and bars it, until the image is named on purpose
        ([name("x", **P), decide("exclude", label="x", image_ids=("a",))], {"b": "x"}),
        ([decide("exclude", label="x", image_ids=("a",)), name("x", **P)], {"b": "x"}),
        ([decide("exclude", label="x", image_ids=("a",)), name("x", "group")], {"b": "x"}),
        ([decide("exclude", label="x"), name("x", ids="a"), name("x", **P)], {"a": "x"}),
        ([decide("exclude", label="x"), name("y", **P)], {"a": "y", "b": "y"}),
        (
            [decide("exclude", label="x"), name("x", ids="a"), decide("defer", image_ids=("a",)),
             name("x", **P)],
            {"a": "x"},
        ),
        ([name("y", **P), name("x"), decide("exclude", label="x")], {"a": "y", "b": "y"}),
        # a new name reaches every layer
        ([name("x", **P), name("x", ids="a"), rename("x", "z")], {"a": "z", "b": "z"}),
        (
            [name("x", **P), name("x"), rename("x", "z"), decide("defer")],
            {"a": "z", "b": "z"},
        ),
        ([name("x", ids="a"), name("y", ids="b"), rename("x", "y", "merge")], ALL_Y),
        ([rename("x", "z"), name("x")], {"a": "x", "b": "x"}),
        # what was barred from either of two names is barred from the one, unless it bears it
        (
            [decide("exclude", label="x"), name("y", "group", "a"), rename("x", "y", "merge"),
             name("y", **P)],
            {"a": "y"},
        ),
        # prototypes and deferred proposals change no label
        ([name("x"), decide("prototype", label="x")], {"a": "x", "b": "x"}),
        # undone, it was never made; done again, it counts where it was
        ([name("x", action="1"), switch("undo", "1")], {}),
        ([name("x", action="1"), name("y", action="2"), switch("undo", "1")], ALL_Y),
        ([name("x", action="1"), name("y", action="2"), switch("undo", "2")], ALL_X),
        (
            [name("x", action="1"), name("y", action="2"), switch("undo", "1"),
             switch("redo", "1")],
            ALL_Y,
        ),
        # of a rename that is undone, what was named since is seen as if it had never been
        (
            [name("x", action="1"), rename("x", "z", action="2"), name("z", ids="a", action="3"),
             switch("undo", "2")],
            {"a": "z", "b": "x"},
        ),
        # a line of a ledger without ids is an action of its own
        ([name("x"), name("y", ids="a"), switch("undo", "line 2")], ALL_X),
        ([name("x"), switch("undo", "nothing")], ALL_X),
        ([name("x", action="1"), switch("redo", "1")], ALL_X),
    ],
)  # fmt: skip
def test_what_decisions_come_to(decisions, expected):
    assert labels_of(*decisions) == expected


def test_a_rename_keeps_sources_and_takes_name_and_definition_along():
    decided = replay_decisions(
        [
            name("x", note="dark", **P),
            name("x", ids="a", second=1),
            rename("x", "z", by="max", second=2),
        ]
    )
    renamed = {"label": "z", "by": "max", "at": AT.format(2)}
    assert decided.images == {
        "a": ImageLabel(source="human", **renamed),
        "b": ImageLabel(source="cluster", **renamed),
    }
    # A handoff that was written before is known by the label it had then.
    assert ImageLabel(label="x", source="human", by="eva", at=AT.format(1)) in decided.history["a"]
    assert decided.proposals["P"].label == "z"
    assert decided.definitions == {"z": "dark"}


def test_a_merge_keeps_the_definition_of_the_type_that_stays():
    lines = [
        name("x", note="old", ids="a"),
        name("y", note="kept", ids="b"),
        rename("x", "y", "merge"),
    ]
    assert replay_decisions(lines).definitions == {"y": "kept"}


def test_labels_that_were_undone_are_remembered():
    decided = replay_decisions([name("x", action="1"), switch("undo", "1")])
    assert {label.label for label in decided.history["a"]} == {"x"}


def test_whose_action_is_next():
    replay = Replay()
    for decision in [
        name("x", action="1"),
        name("y", action="2", by="max"),
        name("z", action="3"),
        switch("undo", "3"),
    ]:
        replay.apply(decision)
    assert replay.find_undoable("eva").name == "1"
    assert replay.find_undoable("max").name == "2"
    assert replay.find_redoable("eva").name == "3"
    assert replay.find_redoable("max") is None
    replay.apply(name("w", action="4"))
    assert replay.find_redoable("eva") is None


# --- random ledgers ---

LABELS = ["x", "y", "y/z"]
IDS = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True).map(tuple)
LABEL = st.sampled_from(LABELS)
PROPOSAL = st.sampled_from(["P", "Q", "P.1", "R1"])


def draw_line(draw):
    verdict, scope = draw(
        st.sampled_from(
            [
                ("accept", "image"), ("reject", "image"), ("defer", "image"),
                ("exclude", "image"), ("prototype", "image"), ("unprototype", "image"),
                ("accept", "group"), ("accept", "proposal"), ("merge", "proposal"),
                ("split", "proposal"), ("reject", "proposal"), ("defer", "proposal"),
                ("rename", "type"), ("merge", "type"), ("regroup", "rest"),
            ]
        )
    )  # fmt: skip
    values = {"image_ids": draw(IDS)} if scope in ("image", "group", "proposal") else {}
    if scope == "proposal":
        values["proposal_id"] = draw(PROPOSAL)
    if verdict in ("accept", "merge", "rename", "exclude", "prototype", "unprototype"):
        values["label"] = draw(LABEL)
    if scope == "type":
        values["previous"] = draw(LABEL)
    if verdict in ("accept", "rename"):
        values["note"] = draw(st.sampled_from(["", "", "seen"]))
    if verdict == "split":
        values["parts"] = {"P.1": draw(IDS)}
    if verdict == "regroup":
        values["parts"] = {"R1": draw(IDS)}
    return verdict, scope, values


@st.composite
def ledgers(draw):
    """Draw actions of one to three lines, by two people, each undone or done again at times."""
    lines, names = [], []
    for number in range(draw(st.integers(0, 12))):
        by = draw(st.sampled_from(["eva", "max"]))
        if names and draw(st.integers(0, 2)) == 0:
            verdict = draw(st.sampled_from(["undo", "redo"]))
            lines.append(switch(verdict, draw(st.sampled_from(names)), by=by))
            continue
        names.append(f"action {number}")
        for _ in range(draw(st.integers(1, 3))):
            verdict, scope, values = draw_line(draw)
            lines.append(
                decide(verdict, scope, **values, by=by, action=names[-1], second=len(lines))
            )
    return lines


def replay(lines):
    replayed = Replay()
    for line in lines:
        replayed.apply(line)
    return replayed


def summary(replayed):
    """Return all that decisions come to, in words."""
    tables = replayed.tables
    ids = tables.ids

    def column(values):
        return {
            key: tables.labels[number]
            for key, number in zip(ids, values.tolist(), strict=False)
            if number >= 0
        }

    def spell(places):
        return [ids[place] for place in places]

    givers = {code: giver for giver, code in tables.givers.items()}
    return {
        "own": column(tables.own),
        "shared": column(tables.shared),
        "giver": {
            key: givers[code]
            for key, code in zip(ids, tables.giver.tolist(), strict=False)
            if code >= 0
        },
        "excluded": {label: spell(sorted(barred)) for label, barred in tables.excluded.items()
                     if len(barred)},
        "prototypes": {key: spell(marked) for key, marked in tables.prototypes.items() if marked},
        "parts": {part: (spell(one.images), one.parent) for part, one in tables.parts.items()},
        "proposals": tables.proposals,
        "deferred": tables.deferred,
        "definitions": tables.definitions,
        "labels": sorted(tables.first_use, key=tables.first_use.get),
    }  # fmt: skip


def sort_excluded(found):
    return {**found, "excluded": {label: sorted(ids) for label, ids in found["excluded"].items()}}


@given(ledgers())
def test_what_holds_is_what_the_actions_not_undone_come_to(lines):
    standing = {}
    for line in lines:
        if line.scope == "action":
            standing[line.target] = line.verdict == "redo"
        else:
            standing.setdefault(line.action, True)
    left = [line for line in lines if line.scope != "action" and standing[line.action]]
    assert sort_excluded(summary(replay(lines))) == sort_excluded(summary(replay(left)))


@given(ledgers(), st.integers(0, 20))
def test_undo_then_redo_changes_nothing(lines, number):
    actions = [action.name for action in replay(lines).actions if action.holds]
    if actions:
        target = actions[number % len(actions)]
        there = [switch("undo", target), switch("redo", target)]
        assert summary(replay([*lines, *there])) == summary(replay(lines))


@given(ledgers())
def test_nobody_bears_a_label_they_are_barred_from_but_on_purpose(lines):
    tables = replay(lines).tables
    for label, barred in tables.excluded.items():
        shared = {tables.labels[n].label for n in tables.shared[barred].tolist()}
        own = {tables.labels[n].label for n in tables.own[barred].tolist()}
        assert label not in shared | own


@given(ledgers(), st.integers(1, 5))
def test_a_ledger_read_in_pieces_comes_to_the_same(tmp_path_factory, lines, pieces):
    path = tmp_path_factory.mktemp("ledger") / "decisions.jsonl"
    ledger = Ledger(path, ["f", "e"])
    step = max(1, -(-len(lines) // pieces))
    for start in range(0, len(lines), step):
        append_decisions(path, lines[start : start + step])
        assert ledger.refresh()
    assert not ledger.refresh()
    assert read_decisions(path) == lines
    assert ledger.replay.decided() == replay_decisions(lines)


# --- the file ---


def test_two_followers_of_one_file(tmp_path):
    one, other = (Ledger(tmp_path / "decisions.jsonl") for _ in range(2))
    one.append(lambda: [name("x", action="1")])
    seen = []
    other.append(lambda: seen.append(other.revision) or [name("y", action="2")])
    assert seen == [1]  # before anything is added, what others added is read
    assert one.refresh()
    assert one.replay.decided() == other.replay.decided()


def test_a_torn_line_is_left_out_and_mended(tmp_path, caplog):
    path = tmp_path / "decisions.jsonl"
    append_decisions(path, [name("x"), name("y")])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    ledger = Ledger(path)
    assert ledger.revision == 1
    ledger.append(lambda: [name("z")])
    assert [line.label for line in read_decisions(path)] == ["x", "z"]
    assert ledger.revision == 2
    assert not ledger.refresh()


def test_a_line_break_that_was_lost_is_put_back(tmp_path):
    path = tmp_path / "decisions.jsonl"
    append_decisions(path, [name("x")])
    path.write_bytes(path.read_bytes()[:-1])
    ledger = Ledger(path)
    ledger.append(lambda: [name("y")])
    assert (ledger.revision, len(read_decisions(path))) == (2, 2)
    assert not ledger.refresh()


def test_a_file_that_was_put_back_is_read_from_its_start(tmp_path):
    path = tmp_path / "decisions.jsonl"
    append_decisions(path, [name("x"), name("y")])
    ledger = Ledger(path)
    path.unlink()
    append_decisions(path, [name("z")])
    assert ledger.refresh()
    assert [label.label for label in ledger.replay.decided().images.values()] == ["z", "z"]


def test_a_bad_line_between_is_named(tmp_path, caplog):
    path = tmp_path / "decisions.jsonl"
    append_decisions(path, [name("x")])
    ledger = Ledger(path)
    with path.open("ab") as file:
        file.write(b"{}\n" + path.read_bytes())
    # The strange line, and the old one that stands there once more, count for nothing.
    with caplog.at_level("WARNING"):
        ledger.refresh()
    assert "line 2 is damaged and does not count" in caplog.text
    assert "line 3 is a copy of an earlier one" in caplog.text


def test_nothing_is_written_where_an_action_is_refused(tmp_path):
    ledger = Ledger(tmp_path / "decisions.jsonl")

    def refuse():
        raise RunError("no")

    with pytest.raises(RunError, match="no"):
        ledger.append(refuse)
    assert read_decisions(ledger.path) == []


def test_every_beginning_of_a_ledger_can_be_read(tmp_path):
    path = tmp_path / "decisions.jsonl"
    lines = [name("x", action="1"), switch("undo", "1"), switch("redo", "1")]
    append_decisions(path, lines)
    whole = path.read_bytes()
    counts = []
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        counts.append(Ledger(path).revision)
    assert counts == sorted(counts)
    assert set(itertools.pairwise(counts)) <= {(n, n + more) for n in range(4) for more in (0, 1)}
