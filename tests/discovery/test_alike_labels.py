"""One type spelt twice is found, and two types are left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.records.alike_labels import (
    are_alike,
    describe_alike_labels,
    find_alike_labels,
    warn_of_alike_labels,
)

ALIKE = [
    ("scratch", "Scratch"), ("scratch", "scrach"), ("scratch", "scratsh"), ("scratch", "scartch"),
    ("scratch", "scratchh"), ("big particle", "big_particle"), ("big particle", "bigparticle"),
    ("big-particle", "Big  Particle"), ("defect/scratch", "defect/Scratch"),
    ("defect/large/particle", "defect/large/partikle"), ("edge chip", "edge chips"),
    ("defect/scratch", "defekt/scratch"), ("Kratzer tief", "kratzer-tief"), ("résidu", "residu"),
]  # fmt: skip
APART = [
    ("scratch", "stain"), ("step1", "step2"), ("type a", "type b"), ("pit", "pin"),
    ("dark", "bark"),
    ("defect/large", "defect/small"), ("void", "voids/deep"), ("particle", "particle/large"),
    ("layer 10", "layer 100"), ("no_defect", "defect"), ("bridge", "bridging"),
    ("m1 open", "m2 open"),
    ("scratch", "scratch"), ("edge/inner", "edge/outer"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_one_type_spelt_twice_is_found(one, other):
    assert are_alike(one, other)
    assert are_alike(other, one)
    assert find_alike_labels({one, other, "quite another"}) == [tuple(sorted((one, other)))]


@pytest.mark.parametrize(("one", "other"), APART)
def test_two_types_are_left_alone(one, other):
    assert not are_alike(one, other)
    assert find_alike_labels({one, other}) == []


@given(st.sets(st.text("abAB -/1", min_size=1, max_size=8), max_size=8))
def test_no_pair_is_missed(labels):
    every = {
        (one, other) for one in labels for other in labels if one < other and are_alike(one, other)
    }
    assert set(find_alike_labels(labels)) == every


def test_only_what_came_in_is_told():
    assert find_alike_labels({"stain"}, {"scratch", "Scratch"}) == []
    assert find_alike_labels({"scrach"}, {"scratch", "pit"}) == [("scrach", "scratch")]
    assert describe_alike_labels({"scrach"}, {"scratch"}) == (
        "labels that are nearly the same count as different types: 'scrach' and 'scratch'"
    )
    assert describe_alike_labels({"stain"}, {"scratch"}) == ""
    many = {
        f"{word}{end}" for word in ("aaaaaa", "bbbbbb", "cccccc", "dddddd") for end in ("", "x")
    }
    many |= {"EEEEEE", "eeeeee", "FFFFFF", "ffffff"}
    assert describe_alike_labels(many).endswith(" and 1 more pairs")


@pytest.mark.parametrize("label", ["nan", "None", "NA", "N/A", "?", "tbd", "-"])
def test_words_that_say_nothing_are_pointed_out_as_labels(label, caplog):
    warn_of_alike_labels("t.csv", {label, "scratch"})
    assert f"t.csv: {label!r} count as types like any other" in caplog.text


@pytest.mark.parametrize("label", ["nano", "none/other", "nail", "no_defect", "x"])
def test_other_words_are_not(label, caplog):
    warn_of_alike_labels("t.csv", {label, "scratch"})
    assert "" == caplog.text
