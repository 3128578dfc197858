import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.records import Decision, find_label_fault, is_same_to_spreadsheet, tidy_label

GOOD = [
    "defect/large/particle", "no_defect", "Kratzer größer", "検査", "007", "12", "1/2", "1-2",
    "a,b", 'a"b', "P(1)", "May", "march-hare", "scratch 12", "3.4", "TRUE", "a-b", "edge+corner",
]  # fmt: skip
BAD = {
    "": "empty part",
    "a//b": "empty part",
    "/a": "empty part",
    "a/": "empty part",
    "a\nb": "control",
    "a\tb": "control",
    "a\0b": "control",
    "a\u200bb": "invisible",
    "a\\b": "backslash",
    "=1+1": "formula",
    "+a": "formula",
    "-a": "formula",
    "@a": "formula",
    "#REF!": "errors",
    "unknown": "verdict",
    "Undecided": "verdict",
    "defect/unknown": "verdict",
    "..": "folder",
    "a/./b": "folder",
    "02. Jan": "date",
    "2-Jan": "date",
    "Jan-02": "date",
    "01. Mrz": "date",
    "3. Okt 2026": "date",
    "2026-01-02 00:00:00": "date",
    "01/02/2026": "date",
    "1.2.26": "date",
    "x" * 201: "201 characters",
}


@pytest.mark.parametrize("label", GOOD)
def test_a_good_label_has_no_fault(label):
    assert find_label_fault(label) == ""


@pytest.mark.parametrize("label", BAD)
def test_a_bad_label_is_told_why(label):
    assert BAD[label] in find_label_fault(label)


def test_a_label_is_tidied():
    assert tidy_label("  defect / large\u00a0/ particle ") == "defect/large/particle"
    assert tidy_label(unicodedata.normalize("NFD", "größer")) == "größer"


@given(st.text(max_size=20))
def test_tidying_twice_changes_nothing(text):
    assert tidy_label(tidy_label(text)) == tidy_label(text)


@pytest.mark.parametrize(
    ("written", "read", "same"),
    [
        ("007", "7", True), ("1.0", "1", True), ("1.5", "1,5", True), ("1e5", "100000", True),
        ("true", "TRUE", True), ("1-2", "02. Jan", True), ("1/2", "2-Jan", True),
        ("3.4", "46115", True), ("a", "a", True), ("a", "b", False), ("7", "8", False),
        ("scratch", "TRUE", False), ("1-2", "scratch", False), ("007", "particle", False),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_does_by_itself(written, read, same):
    assert is_same_to_spreadsheet(written, read) is same


def make(**changes):
    values = {
        "proposal_id": "P-1",
        "verdict": "accept",
        "label": "x",
        "by": "eva",
        "at": "2026-11-24T10:00:00+00:00",
    }
    return Decision(**{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "maybe"},
        {"scope": "wafer"},
        {"label": ""},
        {"verdict": "reject"},
        {"label": "unknown"},
        {"at": "2026-11-24T10:00:00"},
        {"at": "yesterday"},
        {"scope": "image"},
        {"scope": "image", "verdict": "merge", "image_ids": ("a",)},
    ],
)
def test_a_decision_that_makes_no_sense_is_a_bug(changes):
    with pytest.raises(ValueError):
        make(**changes)
