"""A ledger that was damaged: nothing counts that was not written, and all is told that was lost."""

import logging
import re
import threading

import pytest

from discovery import open_review
from discovery.ledger import Ledger, append_decisions, read_decisions
from discovery.ledger.lines import parse_decision, parse_decisions
from discovery.records import Decision
from discovery.runs import LEDGER
from embeddings.chain import ChainReader, Reading, read_head
from embeddings.chain.faults import describe_faults
from embeddings.errors import RunError

SEAL = rb', "chain": "[0-9a-f-]{33}"'


def decide(label, *, ids=("a",)):
    return Decision(
        proposal_id="P", verdict="accept", label=label, by="eva",
        at="2026-11-24T10:00:00+00:00", image_ids=ids,
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "decisions.jsonl"


@pytest.fixture
def three(ledger):
    append_decisions(ledger, [decide("x"), decide("größer")])
    append_decisions(ledger, [decide("z")])
    return ledger.read_bytes()


def read(data):
    """Return the labels that count, and whether all is said to be well."""
    reading = parse_decisions(data, "decisions.jsonl")
    return [one.label for one in reading.values], reading.is_whole and reading.used == len(data)


def test_what_is_whole_is_told_to_be(three):
    assert read(three) == (["x", "größer", "z"], True)


def test_every_flipped_bit_is_detected_and_costs_one_line_at_most(three):
    lines = three.splitlines(keepends=True)
    for place in range(len(three)):
        hit = next(n for n in range(3) if place < sum(map(len, lines[: n + 1])))
        left = ["x", "größer", "z"]
        if three[place : place + 1] != b"\n":
            left.pop(hit)
        for bit in range(8):
            data = bytearray(three)
            data[place] ^= 1 << bit
            assert read(bytes(data)) == (left, False), (place, bit)


@pytest.mark.parametrize(
    ("order", "labels", "text"),
    [
        ((1, 2), "yz", "line 1 does not follow the line before: lines were lost, moved or put in"),
        ((0, 2), "xz", "line 2 does not follow the line before: lines were lost, moved or put in"),
        ((0, 2, 1), "xzy", "lines 2, 3 do not follow the line before"),
        ((0, 1, 0, 2), "xyz", "line 3 is a copy of an earlier one and does not count"),
        ((0, 1, 2, 2, 1), "xyz", "lines 4, 5 are copies of earlier ones and do not count"),
    ],
    ids=str,
)
def test_lines_that_were_lost_moved_or_copied_are_told(ledger, order, labels, text):
    append_decisions(ledger, [decide(label) for label in "xyz"])
    lines = ledger.read_bytes().splitlines(keepends=True)
    reading = parse_decisions(b"".join(lines[n] for n in order), ledger)
    assert "".join(one.label for one in reading.values) == labels
    assert text in describe_faults(ledger, reading)


def test_a_line_from_another_ledger_is_told(ledger, tmp_path):
    append_decisions(ledger, [decide("x")])
    append_decisions(tmp_path / "other.jsonl", [decide("a"), decide("b")])
    strange = (tmp_path / "other.jsonl").read_bytes().splitlines(keepends=True)[1]
    reading = parse_decisions(ledger.read_bytes() + strange, ledger)
    assert reading.broken == [2]
    bare = re.sub(SEAL, b"", strange)  # nor does one without a checksum count behind others
    reading = parse_decisions(ledger.read_bytes() + bare, ledger)
    assert ([one.label for one in reading.values], [n for n, _ in reading.damaged]) == (["x"], [2])


def test_a_lost_end_is_told(ledger, caplog):
    for label in "xyz":
        append_decisions(ledger, [decide(label)])
    whole = ledger.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert parse_decisions(whole, ledger).is_whole
    with caplog.at_level(logging.WARNING, logger="defect-discovery"):
        for kept in (2, 1, 0):
            ledger.write_bytes(b"".join(lines[:kept]))
            assert len(read_decisions(ledger)) == kept
            assert "lines at its end were lost or altered, or an older copy" in Ledger(ledger).fault
    ledger.unlink()
    assert "lines at its end were lost" in Ledger(ledger).fault
    # Whoever restored an older copy on purpose goes on from there.
    ledger.write_bytes(lines[0])
    append_decisions(ledger, [decide("w")])
    assert Ledger(ledger).fault == ""


def test_what_notes_the_end_says_nothing_where_it_is_damaged(ledger):
    append_decisions(ledger, [decide("x")])
    head = ledger.with_suffix(".head")
    whole = head.read_bytes()
    assert read_head(ledger) is not None
    for place in range(8 * len(whole)):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        head.write_bytes(bytes(data))
        assert read_head(ledger) is None
    assert Ledger(ledger).fault == ""


def test_an_old_ledger_is_chained_on_and_held_from_then(ledger):
    append_decisions(ledger, [decide("x"), decide("y")])
    old = re.sub(SEAL, b"", ledger.read_bytes())
    assert b"chain" not in old
    ledger.write_bytes(old)
    ledger.with_suffix(".head").unlink()
    assert read(old) == (["x", "y"], True)
    append_decisions(ledger, [decide("z")])
    data = ledger.read_bytes()
    assert data.startswith(old)
    assert read(data) == (["x", "y", "z"], True)
    told = describe_faults(ledger, parse_decisions(data.replace(b'"x"', b'"v"'), ledger))
    assert "a line from before there were checksums was altered or lost" in told
    for place in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        assert not read(bytes(flipped))[1], place
    assert not read(data[data.index(b"\n") + 1 :])[1]


def test_a_flipped_last_line_break_costs_nothing(ledger, three):
    for bit in range(8):
        ledger.write_bytes(three[:-1] + bytes([three[-1] ^ 1 << bit]))
        assert len(read_decisions(ledger)) == 3
        append_decisions(ledger, [decide("new")])
        assert [one.label for one in read_decisions(ledger)] == ["x", "größer", "z", "new"]
        assert ledger.read_bytes().startswith(three[:-1])
    assert not ledger.with_suffix(".torn").exists()


def test_several_damaged_lines_are_one_message(ledger):
    append_decisions(ledger, [decide(str(n)) for n in range(9)])
    lines = ledger.read_bytes().splitlines(keepends=True)
    data = b"".join(line.replace(b'"accept"', b'"acceqt"') if n % 2 else line
                    for n, line in enumerate(lines))  # fmt: skip
    reading = parse_decisions(data, ledger)
    assert [one.label for one in reading.values] == ["0", "2", "4", "6", "8"]
    assert describe_faults(ledger, reading).startswith(
        f"{ledger}: lines 2, 4, 6, 8 are damaged and do not count, kept in decisions.damaged too; "
    )


def test_read_as_it_grows_a_ledger_says_the_same(three):
    whole = parse_decisions(three, "decisions.jsonl")
    damaged = three.replace(b'"x"', b'"v"')
    bare = re.sub(SEAL, b"", three)
    for text in (three, damaged, bare, three[:-30], three[:-1] + b"\x8a", three[1:]):
        data = text.removesuffix(b"\n") + b"\n"
        expected = parse_decisions(data, "decisions.jsonl")
        for step in (1, 7, 100, 1000):
            reader, reading = ChainReader(parse_decision), Reading()
            for end in range(0, len(data) + step, step):
                reading.add(reader.read(data[reading.used : end]))
            assert len(reading.values) == len(expected.values)
            assert (reading.used, reading.broken) == (expected.used, expected.broken)
            assert reading.is_whole == expected.is_whole
    assert len(whole.values) == 3


def test_several_writers_make_one_chain(ledger):
    def write(name):
        for n in range(20):
            append_decisions(ledger, [decide(f"{name}{n}"), decide(f"{name}{n}b")])

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    reading = parse_decisions(ledger.read_bytes(), ledger)
    assert (len(reading.values), reading.is_whole) == (120, True)


def test_a_line_longer_than_a_block_is_hung_on(ledger):
    ids = tuple(f"{n:016x}" for n in range(20_000))
    append_decisions(ledger, [decide("x", ids=ids)])
    append_decisions(ledger, [decide("y", ids=ids)])
    append_decisions(ledger, [decide("z")])
    assert parse_decisions(ledger.read_bytes(), ledger).is_whole


def test_a_review_tells_of_damage_and_goes_on(make_small_run, tmp_path):
    run = make_small_run(tmp_path / "run")
    path = run.path / LEDGER
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch")
        review.accept("Pb", "pit")
    path.write_bytes(path.read_bytes().replace(b'"scratch"', b'"scrbtch"'))
    with open_review(run, by="eva") as review:
        assert {one.label for one in review.state.types} == {"pit"}
        assert review.ledger_fault.startswith(f"{path}: line 1 is damaged and does not count")
        review.accept("Pa", "scratch")
        assert {one.label for one in review.state.types} == {"pit", "scratch"}
    assert b"scrbtch" in path.with_suffix(".damaged").read_bytes()


def test_a_ledger_that_is_removed_under_a_review_is_refused(make_small_run, tmp_path):
    run = make_small_run(tmp_path / "run")
    with open_review(run, by="eva") as review:
        review.accept("Pa", "scratch")
        review.flush()
        (run.path / LEDGER).unlink()
        with pytest.raises(RunError, match="is gone: it was removed while it was in use"):
            review.accept("Pb", "pit")
