import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.ledger import append_decisions, read_decisions, replay_decisions
from discovery.records import Decision, ImageLabel
from embeddings.chain import ChainReader, chain_lines, faults
from embeddings.console import get_logger
from embeddings.errors import RunError

SEAL = rb', "chain": "[0-9a-f-]{33}"'


def at(second):
    return f"2026-11-24T10:00:{second:02d}+00:00"


def decide(verdict="accept", label="", *, second=0, ids=("a", "b"), **changes):
    values = {
        "proposal_id": "P-1",
        "verdict": verdict,
        "label": label,
        "by": "eva",
        "at": at(second),
        "image_ids": tuple(ids),
    }
    return Decision(**{**values, **changes})


def labels_of(*decisions):
    return {key: value.label for key, value in replay_decisions(decisions).images.items()}


@pytest.fixture(autouse=True)
def told_nothing(monkeypatch):
    """Let each test be told what an earlier one was: their folders may have the same name."""
    monkeypatch.setattr(faults, "_told", set())


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "decisions.jsonl"


def test_decisions_come_back_in_their_order(ledger):
    assert read_decisions(ledger) == []
    first = decide(label="defect/Kratzer größer", note='said "yes",\nin two lines')
    second = decide("reject", second=1, scope="image")
    append_decisions(ledger, [first])
    append_decisions(ledger, [second, first])
    append_decisions(ledger, [])
    assert read_decisions(ledger) == [first, second, first]
    assert len(ledger.read_text().splitlines()) == 3


def test_a_torn_last_line_is_left_out_and_then_mended(ledger, caplog):
    append_decisions(ledger, [decide(label="x"), decide(label="y")])
    whole, torn = ledger.read_bytes(), []
    first = whole.index(b"\n") + 1
    for cut in range(first + 1, len(whole) - 1, 7):
        ledger.write_bytes(whole[:cut])
        get_logger().propagate = True
        with caplog.at_level(logging.WARNING):
            assert read_decisions(ledger) == [decide(label="x")]
        assert "torn" in caplog.text
        append_decisions(ledger, [decide(label="z")])
        assert read_decisions(ledger) == [decide(label="x"), decide(label="z")]
        # What was torn is kept, each time anew.
        torn.append(whole[first:cut])
        assert ledger.with_suffix(".torn").read_bytes() == b"".join(one + b"\n" for one in torn)


def test_a_last_line_that_lost_only_its_line_break_is_kept(ledger):
    append_decisions(ledger, [decide(label="x")])
    ledger.write_bytes(ledger.read_bytes().rstrip(b"\n"))
    append_decisions(ledger, [decide(label="y")])
    assert read_decisions(ledger) == [decide(label="x"), decide(label="y")]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"verdict": "accept"}',
        b'{"proposal_id": "P", "verdict": "maybe", "label": "", "by": "", "at": ""}',
    ],
)
@pytest.mark.parametrize("is_old", [False, True])
def test_any_other_bad_line_is_named_and_kept_aside(ledger, line, is_old, caplog):
    append_decisions(ledger, [decide(label="x"), decide(label="y")])
    whole = ledger.read_bytes()
    first, second = (re.sub(SEAL, b"", whole) if is_old else whole).splitlines(keepends=True)
    ledger.write_bytes(first + line + b"\n" + second)
    get_logger().propagate = True
    with caplog.at_level(logging.WARNING):
        assert read_decisions(ledger) == [decide(label="x"), decide(label="y")]
    assert caplog.messages == [
        f"WARNING: {ledger}: line 2 is damaged and does not count, kept in decisions.damaged too; "
        "all else counts. Restore the file from a copy, or decide anew what is missing"
    ]
    assert ledger.with_suffix(".damaged").read_bytes() == line + b"\n"
    append_decisions(ledger, [decide(label="z")])
    assert [one.label for one in read_decisions(ledger)] == ["x", "y", "z"]
    # It stays where it is, too, and is not kept twice.
    assert ledger.read_bytes().startswith(first + line + b"\n" + second)
    assert ledger.with_suffix(".damaged").read_bytes() == line + b"\n"


def test_a_line_of_a_newer_version_is_refused_with_advice(ledger):
    data, _ = chain_lines(['{"verdict": "accept", "mood": "good"}'], ChainReader(len).link)
    ledger.write_bytes(data)
    with pytest.raises(RunError, match=r"line 1 was written by a newer .*pip install --upgrade"):
        read_decisions(ledger)


def test_a_full_disk_leaves_the_ledger_as_it_was(ledger, monkeypatch):
    append_decisions(ledger, [decide(label="x")])

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(RunError, match="No space left on device; nothing was recorded"):
        append_decisions(ledger, [decide(label="y")])
    assert read_decisions(ledger) == [decide(label="x")]


def test_a_folder_that_cannot_be_written_is_a_users_error(tmp_path):
    with pytest.raises(RunError, match="cannot write"):
        append_decisions(tmp_path / "none" / "decisions.jsonl", [decide(label="x")])


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([], {}),
        ([decide(label="x")], {"a": "x", "b": "x"}),
        ([decide("merge", "x")], {"a": "x", "b": "x"}),
        ([decide(label="x"), decide(label="y", ids="b")], {"a": "x", "b": "y"}),
        ([decide(label="x"), decide("defer")], {"a": "x", "b": "x"}),
        ([decide(label="x"), decide("reject")], {}),
        ([decide(label="x"), decide("split", ids="a")], {"b": "x"}),
        # another proposal of a later run cannot take the label back
        ([decide(label="x"), decide("reject", proposal_id="P-2")], {"a": "x", "b": "x"}),
        ([decide(label="x"), decide(label="y", proposal_id="P-2")], {"a": "y", "b": "y"}),
        # an image's own label wins, whichever came first
        ([decide(label="y", scope="image", ids="a"), decide(label="x")], {"a": "y", "b": "x"}),
        ([decide(label="x"), decide(label="y", scope="image", ids="a")], {"a": "y", "b": "x"}),
        ([decide(label="x"), decide("reject", scope="image", ids="a")], {"b": "x"}),
        (
            [
                decide(label="y", scope="image", ids="a"),
                decide(label="x"),
                decide("defer", scope="image", ids="a"),
            ],
            {"a": "x", "b": "x"},
        ),
        ([decide(label="y", scope="image", ids="a"), decide("reject")], {"a": "y"}),
    ],
)
def test_what_decisions_come_to(decisions, expected):
    assert labels_of(*decisions) == expected


def test_a_label_says_where_it_came_from():
    decided = replay_decisions(
        [decide(label="x", note="a dark spot"), decide(label="y", scope="image", ids="a", second=1)]
    )
    assert decided.images == {
        "a": ImageLabel(label="y", source="human", by="eva", at=at(1)),
        "b": ImageLabel(label="x", source="cluster", by="eva", at=at(0)),
    }
    assert decided.history["a"] == {
        ImageLabel(label="x", source="cluster", by="eva", at=at(0)),
        ImageLabel(label="y", source="human", by="eva", at=at(1)),
    }
    assert decided.definitions == {"x": "a dark spot"}
    assert decided.proposals["P-1"].label == "x"


def test_the_last_decision_on_a_proposal_is_kept_but_defer():
    decisions = [decide(label="x"), decide("reject"), decide("defer")]
    assert replay_decisions(decisions).proposals["P-1"].verdict == "reject"


ids = st.lists(st.sampled_from("abcd"), min_size=1, unique=True)
anything = st.builds(
    lambda scope, naming, label, ids, pid: decide(
        "accept" if naming else "reject",
        label if naming else "",
        scope=scope,
        ids=ids,
        proposal_id=pid,
    ),
    st.sampled_from(["proposal", "image"]),
    st.booleans(),
    st.sampled_from(["x", "y/z"]),
    ids,
    st.sampled_from(["P-1", "P-2"]),
)


@given(st.lists(anything, max_size=8), ids)
def test_a_persons_label_on_an_image_outlives_every_decision_on_proposals(decisions, image_ids):
    own = decide(label="own", scope="image", ids=image_ids)
    later = [decision for decision in decisions if decision.scope == "proposal"]
    labels = labels_of(*decisions, own, *later)
    assert {labels[image_id] for image_id in image_ids} == {"own"}


@given(st.lists(anything, max_size=8))
def test_replaying_twice_what_was_written_changes_nothing(tmp_path_factory, decisions):
    path = tmp_path_factory.mktemp("l") / "decisions.jsonl"
    append_decisions(path, decisions)
    assert read_decisions(path) == decisions
    assert replay_decisions(decisions) == replay_decisions(read_decisions(path))


def test_a_line_reads_as_plain_json(ledger):
    append_decisions(ledger, [decide(label="größer")])
    values = json.loads(ledger.read_text(encoding="utf-8"))
    assert list(values) == [
        "proposal_id", "verdict", "label", "by", "at", "note", "scope", "image_ids", "chain",
    ]  # fmt: skip
    assert "größer" in ledger.read_text(encoding="utf-8")
