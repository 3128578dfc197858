import base64
import csv
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.formats.handoff import (
    build_handoff,
    decide_handoff,
    digest_rows,
    format_handoff,
    read_handoff,
    read_known_types,
    write_handoff,
)
from discovery.ledger import replay_decisions
from discovery.records import (
    HANDOFF_COLUMNS,
    Clustering,
    Decided,
    Decision,
    Layout,
    Proposal,
    find_label_fault,
    tidy_label,
)
from embeddings.cells import is_run
from embeddings.errors import HandoffError, InputError, RunError

GOLDEN = Path(__file__).parent / "golden"
NOW = "2026-11-24T12:00:00+00:00"
IDS = (
    "00aa11bb22cc33dd",
    "1234567890123456",  # a spreadsheet takes it for a number
    "1234567890123e45",  # and this one
    "dd33cc22bb11aa00",
    "0f0f0f0f0f0f0f0f",
    "ffffffffffffffff",
)
PATHS = (
    ("/lot 7/a,b.png", '/lot 7/copy of "a".png'),
    ("/lot 7/2.png",),
    ("/lot 7/größe 検査.png",),
    ("/lot 7/=1+1.png",),
    ("/lot 7/5.png",),
    ("/lot 7/6.png",),
)


def make_parts(ids=IDS, paths=PATHS):
    ids = np.array(ids)
    n = len(ids)
    labels = np.array([0, 0, 0, 1, 1, -1][:n], np.int32)
    clustering = Clustering(
        ids=ids,
        labels=labels,
        memberships=np.array([1, 0.873, 0.00001, 0.5, 1 / 3, 0][:n], np.float32),
        outlier_scores=np.zeros(n, np.float32),
        spec={},
        made_by="hdbscan",
    )
    layout = Layout(ids=ids, paths=paths, xy=np.zeros((n, 2), np.float32))
    proposals = tuple(
        Proposal(
            proposal_id=name,
            cluster_id=cluster,
            rank=cluster + 1,
            size=3 - cluster,
            cohesion=0.5,
            separation=0.5,
            stability=0.5,
            novelty=float("nan"),
            nearest_known="",
            medoid=IDS[0],
            exemplars={"central": (), "edge": (), "diverse": ()},
        )
        for cluster, name in enumerate(("P-00aa11bb", "P-dd33cc22"))
    )
    return clustering, layout, proposals


def decide(label="", verdict="accept", **changes):
    values = {
        "proposal_id": "P-00aa11bb",
        "verdict": verdict,
        "label": label,
        "by": "eva",
        "at": "2026-11-24T10:00:00+00:00",
        "image_ids": IDS[:3],
    }
    return Decision(**{**values, **changes})


def make_handoff(*decisions, **changes):
    clustering, layout, proposals = make_parts()
    return build_handoff(
        clustering,
        layout,
        proposals,
        decided=replay_decisions(decisions),
        run_id="0123456789abcdef",
        store={"spec_hash": "fedcba9876543210"},
        provenance={"command": "discovery.handoff"},
        **changes,
    )


DECISIONS = (
    decide("defect/scratch", note="a long, thin mark"),
    decide("defect/large/particle", scope="image", image_ids=(IDS[4],), proposal_id="P-dd33cc22"),
)


@pytest.fixture
def handoff():
    return make_handoff()


@pytest.fixture
def folder(handoff, tmp_path):
    write_handoff(handoff, tmp_path)
    return tmp_path


def edit(folder, change):
    """Change the lines of handoff.csv."""
    path = folder / "handoff.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    path.write_text("\n".join(change(lines)), encoding="utf-8")


def fill(folder, row, **cells):
    """Write cells of a row (the header is row 1) as a spreadsheet would."""
    path = folder / "handoff.csv"
    frame = pd.read_csv(path, dtype="str", keep_default_na=False)
    for column, value in cells.items():
        frame.loc[row - 2, column] = value
    frame.to_csv(path, index=False)


def take(folder, decisions=(), **options):
    returned = read_handoff(folder, **options)
    return decide_handoff(returned, replay_decisions(decisions), by="max", at=NOW)


def labels_of(taken, decisions=()):
    decided = replay_decisions([*decisions, *taken.decisions])
    return {image_id: label.label for image_id, label in decided.images.items()}


def test_the_format_is_the_golden_file():
    table, description = format_handoff(make_handoff(*DECISIONS))
    assert table == (GOLDEN / "handoff.csv").read_bytes()
    assert description == (GOLDEN / "handoff.json").read_bytes()


def test_the_golden_file_is_read():
    rows = read_handoff(GOLDEN).rows
    assert rows["label"].tolist() == ["defect/scratch"] * 4 + ["", "defect/large/particle", ""]
    assert read_handoff(GOLDEN).types[1].definition == "a long, thin mark"


def test_the_sha256_can_be_computed_by_others():
    described = json.loads((GOLDEN / "handoff.json").read_text(encoding="utf-8"))
    rows = pd.read_csv(GOLDEN / "handoff.csv", keep_default_na=False, dtype={"image_id": "str"})
    assert digest_rows(rows) == described["sha256"]


def test_rows_and_types_tell_what_was_decided():
    made = make_handoff(*DECISIONS)
    assert tuple(made.rows.columns) == HANDOFF_COLUMNS
    assert made.rows["proposal_id"].tolist() == ["P-00aa11bb"] * 4 + ["P-dd33cc22"] * 2 + [""]
    assert made.rows["label_source"].tolist() == ["cluster"] * 4 + ["", "human", ""]
    assert [(t.label, t.definition, t.proposals, t.images) for t in made.types] == [
        ("defect/large/particle", "", (), 1),
        ("defect/scratch", "a long, thin mark", ("P-00aa11bb",), 3),
    ]
    assert len(made.labelled) == 5


@pytest.mark.parametrize("name", ["", "handoff.csv", "handoff.json"])
def test_what_is_written_is_read_back(tmp_path, name):
    made = make_handoff(*DECISIONS)
    write_handoff(made, tmp_path)
    back = read_handoff(tmp_path / name if name else tmp_path)
    pd.testing.assert_frame_equal(made.rows, back.rows)
    others = [field.name for field in fields(made) if field.name != "rows"]
    assert [getattr(made, name) for name in others] == [getattr(back, name) for name in others]


def test_proposals_of_another_run_are_refused():
    clustering, layout, proposals = make_parts()
    wrong = [replace(proposals[0], cluster_id=7)]
    with pytest.raises(RunError, match="about cluster 7, but there are 2 clusters"):
        build_handoff(clustering, layout, wrong, decided=Decided(), run_id="")


def test_a_handoff_without_images_comes_back(tmp_path):
    clustering, layout, _ = make_parts(ids=np.empty(0, np.str_), paths=())
    write_handoff(build_handoff(clustering, layout, [], decided=Decided(), run_id=""), tmp_path)
    assert len(read_handoff(tmp_path)) == 0


# -- what a person and a spreadsheet may do


def test_a_filled_label_is_a_persons(folder):
    fill(folder, 6, label=" defect / bridge ")
    taken = take(folder)
    assert labels_of(taken) == {IDS[3]: "defect/bridge"}
    (decision,) = taken.decisions
    assert (decision.scope, decision.by, decision.at) == ("image", "max", NOW)
    assert (taken.labelled, taken.kept, taken.withdrawn) == (1, 0, 0)


def test_a_name_in_decided_by_goes_first(folder):
    fill(folder, 6, label="bridge", decided_by="ada")
    assert take(folder).decisions[0].by == "ada"


def test_a_column_filled_down_is_one_decision_on_the_proposal(folder):
    for row in (6, 7):
        fill(folder, row, label="bridge")
    taken = take(folder)
    (decision,) = taken.decisions
    assert (decision.scope, decision.image_ids) == ("proposal", (IDS[3], IDS[4]))
    decided = replay_decisions(taken.decisions)
    assert decided.proposals["P-dd33cc22"].label == "bridge"
    assert {label.source for label in decided.images.values()} == {"cluster"}
    assert take(folder, taken.decisions).decisions == ()


@pytest.mark.parametrize("verdict", ["split", "reject"])
def test_what_is_said_of_a_proposal_later_takes_a_filled_column_back(folder, verdict):
    for row in (6, 7):
        fill(folder, row, label="bridge")
    later = decide("", verdict, proposal_id="P-dd33cc22", image_ids=IDS[3:5])
    assert labels_of(take(folder), ()) == {IDS[3]: "bridge", IDS[4]: "bridge"}
    assert replay_decisions([*take(folder).decisions, later]).images == {}


def test_part_of_a_proposal_is_decided_image_by_image(folder):
    fill(folder, 6, label="bridge")
    assert [decision.scope for decision in take(folder).decisions] == ["image"]


def test_a_column_filled_over_images_decided_before_lets_them_follow(folder):
    before = [
        decide("residue", scope="image", image_ids=(IDS[3],), proposal_id="P-dd33cc22"),
        decide("", "reject", scope="image", image_ids=(IDS[4],), proposal_id="P-dd33cc22"),
    ]
    for row in (6, 7):
        fill(folder, row, label="bridge")
    taken = take(folder, before)
    decided = replay_decisions([*before, *taken.decisions])
    assert {(one.label, one.source) for one in decided.images.values()} == {("bridge", "cluster")}
    assert take(folder, [*before, *taken.decisions]).decisions == ()


def make_large(tmp_path, size):
    """Write a handoff whose one proposal has so many images."""
    ids = np.array([f"{i:016x}" for i in range(size)])
    clustering = Clustering(
        ids=ids,
        labels=np.zeros(size, np.int32),
        memberships=np.ones(size, np.float32),
        outlier_scores=np.zeros(size, np.float32),
        spec={},
        made_by="hdbscan",
    )
    paths = tuple((f"/{name}.png",) for name in ids)
    layout = Layout(ids=ids, paths=paths, xy=np.zeros((size, 2), np.float32))
    _, _, proposals = make_parts()
    made = build_handoff(clustering, layout, proposals[:1], decided=Decided(), run_id="f")
    write_handoff(made, tmp_path)
    return ids.tolist()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["scratch", "pit", ""]), min_size=1, max_size=12))
def test_whatever_is_typed_holds_and_most_of_a_proposal_is_one_decision(tmp_path_factory, labels):
    folder = tmp_path_factory.mktemp("filled")
    ids = make_large(folder, len(labels))
    for row, label in enumerate(labels, start=2):
        fill(folder, row, label=label)
    taken = take(folder)
    typed = {name: label for name, label in zip(ids, labels, strict=True) if label}
    assert typed == labels_of(taken)
    assert take(folder, taken.decisions).decisions == ()
    most = max(labels.count("scratch"), labels.count("pit"))
    wholes = [one for one in taken.decisions if one.scope == "proposal"]
    assert [most] * (most >= len(labels) - len(labels) // 5) == [len(w.image_ids) for w in wholes]


def test_one_row_of_an_exact_duplicate_labels_the_image(folder):
    fill(folder, 2, label="scratch")
    assert labels_of(take(folder)) == {IDS[0]: "scratch"}


def test_reading_twice_decides_once(folder):
    fill(folder, 6, label="bridge")
    first = take(folder).decisions
    assert take(folder, first).decisions == ()


def test_an_untouched_handoff_decides_nothing(tmp_path):
    write_handoff(make_handoff(*DECISIONS), tmp_path)
    taken = take(tmp_path, DECISIONS)
    assert (taken.decisions, taken.kept) == ((), 0)


def test_a_label_changed_on_a_clusters_row_is_a_persons(tmp_path):
    write_handoff(make_handoff(*DECISIONS), tmp_path)
    fill(tmp_path, 4, label="residue")
    taken = take(tmp_path, DECISIONS)
    decided = replay_decisions([*DECISIONS, *taken.decisions])
    assert decided.images[IDS[1]].label == "residue"
    assert (decided.images[IDS[1]].source, decided.images[IDS[1]].by) == ("human", "max")
    assert decided.images[IDS[2]].label == "defect/scratch"
    assert taken.overruled == 0


def test_a_cleared_label_is_withdrawn(tmp_path):
    write_handoff(make_handoff(*DECISIONS), tmp_path)
    fill(tmp_path, 4, label="")
    taken = take(tmp_path, DECISIONS)
    assert taken.withdrawn == 1
    assert IDS[1] not in labels_of(taken, DECISIONS)
    assert len(labels_of(taken, DECISIONS)) == 3


def test_an_older_copy_undoes_nothing(folder, tmp_path_factory):
    # an empty copy, read after everything was decided
    assert take(folder, DECISIONS).decisions == ()
    assert take(folder, DECISIONS).kept == 4
    # a copy with labels that were changed since
    older = tmp_path_factory.mktemp("older")
    write_handoff(make_handoff(*DECISIONS), older)
    since = (*DECISIONS, decide("residue", at="2026-11-24T11:00:00+00:00"))
    taken = take(older, since)
    assert (taken.decisions, taken.kept) == ((), 3)


def test_an_edit_of_an_older_copy_counts_and_is_told(tmp_path):
    write_handoff(make_handoff(*DECISIONS), tmp_path)
    fill(tmp_path, 4, label="bridge")
    since = (*DECISIONS, decide("residue", at="2026-11-24T11:00:00+00:00"))
    taken = take(tmp_path, since)
    assert labels_of(taken, since)[IDS[1]] == "bridge"
    assert taken.overruled == 1


def test_changing_a_label_back_is_an_edit(tmp_path):
    since = (*DECISIONS, decide("residue", at="2026-11-24T11:00:00+00:00"))
    write_handoff(make_handoff(*since), tmp_path)
    fill(tmp_path, 4, label="defect/scratch")
    assert labels_of(take(tmp_path, since), since)[IDS[1]] == "defect/scratch"


@pytest.mark.parametrize(
    ("label", "damaged"), [("007", "7"), ("1-2", "02. Jan"), ("1.50", "1,5"), ("true", "TRUE")]
)
def test_a_label_the_spreadsheet_rewrote_stands(tmp_path, label, damaged):
    decisions = (decide(label),)
    write_handoff(make_handoff(*decisions), tmp_path)
    if damaged == "02. Jan":
        fill(tmp_path, 4, label="46024")  # the day as a number; as a date it is a fault
    else:
        fill(tmp_path, 4, label=damaged)
    taken = take(tmp_path, decisions)
    assert (taken.decisions, taken.rewritten) == ((), 1)


def test_a_time_that_became_a_date_does_not_make_an_edit(tmp_path):
    write_handoff(make_handoff(*DECISIONS), tmp_path)
    for row in range(2, 9):
        fill(tmp_path, row, decided_at="24.11.2026 10:00")
    assert take(tmp_path, DECISIONS).decisions == ()


def as_excel(folder, *, separator=";", encoding="utf-8-sig", eol="\r\n"):
    """Save as a spreadsheet does, with blank rows and columns behind."""
    path = folder / "handoff.csv"
    frame = pd.read_csv(path, dtype="str", keep_default_na=False)
    frame["membership"] = [cell.replace(".", ",") for cell in frame["membership"]]
    frame["cluster_id"] = [f"{cell}.0" for cell in frame["cluster_id"]]
    frame[""] = ""
    text = frame.to_csv(index=False, sep=separator, lineterminator=eol)
    text += (separator * len(frame.columns) + eol) * 3
    path.write_bytes(text.encode(encoding))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_what_a_spreadsheet_saves_is_read(folder, handoff, separator, encoding, eol):
    as_excel(folder, separator=separator, encoding=encoding, eol=eol)
    pd.testing.assert_frame_equal(handoff.rows, read_handoff(folder).rows)


def test_rows_may_be_sorted_and_columns_moved_or_added(folder, handoff):
    path = folder / "handoff.csv"
    frame = pd.read_csv(path, dtype="str", keep_default_na=False)
    frame.insert(0, "my notes", "see lot 7")
    frame.iloc[::-1, ::-1].to_csv(path, index=False)
    back = read_handoff(folder).rows.iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(handoff.rows, back)


def test_the_line_that_tells_excel_the_separator_is_no_row(folder):
    edit(folder, lambda lines: ["sep=,", *lines])
    assert len(read_handoff(folder)) == 7


def test_the_columns_nobody_needs_may_be_gone(folder, handoff):
    path = folder / "handoff.csv"
    frame = pd.read_csv(path, dtype="str", keep_default_na=False)
    frame.drop(columns=["membership", "label_source", "decided_by", "decided_at"]).to_csv(
        path, index=False
    )
    assert read_handoff(folder, written=handoff).rows["membership"][2] == np.float32(0.873)
    assert np.isnan(read_handoff(folder).rows["membership"]).all()


@pytest.mark.parametrize(
    ("row", "damaged"),
    [
        (4, "1.23457E+15"), (4, "1,23457E+15"), (4, "1.2E+15"), (4, "1234567890123450"),
        (4, "1234567890123450.0"), (5, "1.23457E+57"), (5, "1.2E+57"),
    ],
)  # fmt: skip
def test_an_id_taken_for_a_number_is_put_back(folder, handoff, row, damaged):
    fill(folder, row, image_id=damaged, label="scratch")
    back = read_handoff(folder, written=handoff)
    pd.testing.assert_series_equal(handoff.rows["image_id"], back.rows["image_id"])
    assert labels_of(take(folder, written=handoff)) == {IDS[row - 3]: "scratch"}


def test_without_the_run_a_damaged_id_is_named(folder):
    fill(folder, 5, image_id="1.23457E+57")
    text = r"row 5, column image_id: '1.23457E\+57' is a number a spreadsheet made of the id"
    with pytest.raises(HandoffError, match=text):
        read_handoff(folder)


def test_a_number_that_is_not_that_images_id_is_a_fault(folder, handoff):
    fill(folder, 4, image_id="9.9E+15")
    with pytest.raises(HandoffError, match="row 4, column image_id"):
        read_handoff(folder, written=handoff)


def test_the_run_makes_up_for_a_missing_json(folder, handoff):
    (folder / "handoff.json").unlink()
    assert len(read_handoff(folder, written=handoff)) == 7
    with pytest.raises(HandoffError, match=r"no handoff\.json beside it"):
        read_handoff(folder)


def test_a_csv_saved_under_another_name_finds_its_json(folder):
    (folder / "handoff.csv").rename(folder / "from eva.csv")
    assert len(read_handoff(folder / "from eva.csv")) == 7


def test_a_file_written_before_the_run_was_made_anew_is_read(folder):
    clustering, layout, proposals = make_parts()
    again = build_handoff(
        replace(clustering, labels=np.zeros(6, np.int32)),
        layout,
        proposals[:1],
        decided=Decided(),
        run_id="0123456789abcdef",
    )
    fill(folder, 6, label="bridge")
    assert labels_of(take(folder, written=again)) == {IDS[3]: "bridge"}


def test_a_handoff_of_another_run_is_refused(folder, handoff):
    with pytest.raises(HandoffError, match="is of the run 0123456789abcdef, but this is the run f"):
        read_handoff(folder, written=replace(handoff, run_id="f"))


# -- faults, each with its file, row and column


def swap(row, old, new):
    def change(lines):
        assert old in lines[row - 1]
        return [*lines[: row - 1], lines[row - 1].replace(old, new), *lines[row:]]

    return change


FAULTS = {
    "missing": (lambda s: [*s[:3], *s[4:]], "row 4 as it was written is missing"),
    "doubled": (lambda s: [*s[:7], s[3], *s[7:]], "row 8, column image_id: repeats row 4"),
    "invented": (
        lambda s: [*s[:8], "abcdefabcdefabcd,/new.png,0,1,P-00aa11bb,,,,"],
        "row 9, column image_id: this row was never written",
    ),
    "id": (swap(6, IDS[3], "dd33cc22bb11aa01"), "row 6, column image_id: 'dd33cc22bb11aa01' is"),
    "path": (swap(7, "5.png", "6.png"), "row 7, column path: '/lot 7/6.png' is not what was"),
    "cluster": (swap(7, ",1,", ",0,"), "row 7, column cluster_id: 0 came, 1 was written"),
    "cluster text": (swap(7, ",1,", ",one,"), "row 7, column cluster_id: 'one' is not a whole"),
    "cluster empty": (swap(7, ",1,", ",,"), "row 7, column cluster_id: '' is not a whole"),
    "proposal": (swap(7, "P-dd33cc22", "P-00aa11bb"), "row 7, column proposal_id: 'P-00aa11bb'"),
    "membership": (swap(7, "0.33333334", "873"), "row 7, column membership: '873' is not a"),
    "nan": (swap(7, "0.33333334", "nan"), "row 7, column membership: 'nan' is not a"),
    "label path": (swap(7, "22,,,,", "22,a//b,,,"), "row 7, column label: 'a//b' has an empty"),
    "label word": (swap(7, "22,,,,", "22,Unknown,,,"), "row 7, column label: 'Unknown' is a verd"),
    "label date": (swap(7, "22,,,,", "22,02. Jan,,,"), "row 7, column label: '02. Jan' looks lik"),
    "source": (swap(7, "22,,,,", "22,a,me,,"), "row 7, column label_source: 'me' came, expected"),
    "more cells": (swap(7, "22,,,,", "22,,,,,x"), "row 7, column 10: 'x' stands in a column wi"),
    "no label": (swap(1, "label,", "labels,"), "row 1 lacks the column label"),
    "two labels": (swap(1, "label_source", "label"), "row 1 has the column label twice"),
    "no header": (lambda s: s[1:], "row 1 lacks the column image_id"),
    "empty": (lambda s: [], "row 1 lacks the column image_id"),
    "open quote": (swap(7, "22,,,,", '22,"a,,,'), "is not a table"),
    "duplicates disagree": (
        lambda s: swap(3, "bb,,,,", "bb,y,,,")(swap(2, "bb,,,,", "bb,x,,,")(s)),
        "row 3, column label: 'y', but row 2 is the same image and says 'x'",
    ),
}


# with the run at hand its own memberships are taken, the file's are not read
ONLY_ALONE = ("membership", "nan")


@pytest.mark.parametrize(
    ("name", "with_run"),
    [(name, run) for name in FAULTS for run in (False, True) if not (run and name in ONLY_ALONE)],
)
def test_each_fault_is_named(folder, handoff, name, with_run):
    change, text = FAULTS[name]
    edit(folder, change)
    with pytest.raises(HandoffError) as caught:
        read_handoff(folder, written=handoff if with_run else None)
    assert text in str(caught.value)
    assert str(folder / "handoff.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_blank_rows_count_as_rows_on_the_screen(folder):
    edit(folder, lambda s: swap(8, ",1,", ",0,")([*s[:3], "", *s[3:]]))
    with pytest.raises(HandoffError, match="row 8, column cluster_id"):
        read_handoff(folder)


def test_many_faults_are_one_line(folder):
    edit(folder, lambda s: [s[0], *(f"{i:016x},/new.png,0,1,P-00aa11bb,,,," for i in range(50))])
    # Told once, though fifty rows have it, and what else is wrong beside it.
    with pytest.raises(HandoffError, match="rows 2, 3, 4 and 47 more, column image_id") as caught:
        read_handoff(folder)
    assert str(caught.value).count("was never written") == 1
    assert "row 2 as it was written is missing" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("größe".encode("latin-1"), "row 1 is not UTF-8"),
        (b"PK\x03\x04\0\0", "no .xlsx workbook that can be read"),
        (b"path\0,label", "holds binary data"),
        (b"\xff\xfea", "row 1 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_named(folder, data, text):
    (folder / "handoff.csv").write_bytes(data)
    with pytest.raises(HandoffError, match=text):
        read_handoff(folder)


JSON_FAULTS = {
    "not json": (lambda v: "{", "is not JSON"),
    "other": (lambda v: {**v, "format": "coco"}, "is not of the format defect-discovery-handoff"),
    "list": (lambda v: [v], "is not of the format"),
    "newer": (lambda v: {**v, "version": 2}, "has version 2, this program reads 1"),
    "lacking": (lambda v: {k: v[k] for k in v if k != "sha256"}, "lacks sha256"),
    "witness": (lambda v: {**v, "witness": "###"}, "cannot be read"),
    "short witness": (lambda v: {**v, "witness": base64.b64encode(b"x").decode()}, "cannot be rea"),
    "proposals": (lambda v: {**v, "proposals": []}, "cannot be read"),
    "sha256": (lambda v: {**v, "sha256": "0" * 64}, "sha256 is not that of the rows"),
}


@pytest.mark.parametrize("name", JSON_FAULTS)
def test_a_damaged_json_is_named(folder, name):
    change, text = JSON_FAULTS[name]
    path = folder / "handoff.json"
    changed = change(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    with pytest.raises(HandoffError, match=text) as caught:
        read_handoff(folder)
    assert "handoff.json" in str(caught.value)


@pytest.mark.parametrize("name", ["none", "none.csv", "none.json"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(HandoffError, match="does not exist"):
        read_handoff(tmp_path / name)


def test_a_folder_that_cannot_be_written_is_a_users_error(tmp_path, handoff):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_handoff(handoff, tmp_path / "file" / "out")


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)


@settings(max_examples=30, deadline=None)
@given(st.lists(texts, min_size=1, max_size=6, unique=True), st.data())
def test_any_path_and_label_comes_back(tmp_path_factory, paths, data):
    ids = tuple(f"{place:016x}" for place in range(len(paths)))
    clustering, layout, _ = make_parts(ids=ids, paths=tuple((path,) for path in paths))
    clustering = replace(clustering, labels=np.zeros(len(ids), np.int32))
    label = data.draw(st.sampled_from(["a/b", "007", 'x,"y";z', "ä 検査", "NA"]))
    decisions = [decide(label, image_ids=ids[::2])]
    made = build_handoff(clustering, layout, [], decided=replay_decisions(decisions), run_id="0")
    folder = tmp_path_factory.mktemp("h")
    write_handoff(made, folder)
    back = read_handoff(folder)
    pd.testing.assert_frame_equal(made.rows, back.rows)
    assert take(folder, decisions).decisions == ()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_no_set_of_lost_doubled_or_invented_rows_goes_unseen(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("h")
    write_handoff(make_handoff(), folder)
    rows = data.draw(st.lists(st.integers(1, 7), max_size=9))
    edit(folder, lambda lines: [lines[0], *(lines[row] for row in rows)])
    if sorted(rows) == [1, 2, 3, 4, 5, 6, 7]:
        assert len(read_handoff(folder)) == 7
    else:
        with pytest.raises(HandoffError):
            read_handoff(folder)


# -- cells that a spreadsheet would run

MARKS = "'\"=+-@\uff1d a1"
LABELS = st.text(st.sampled_from(MARKS), min_size=1, max_size=6).map(tidy_label)


@settings(deadline=None)
@given(label=LABELS, by=st.text(st.sampled_from(MARKS), min_size=1, max_size=6))
def test_labels_and_names_that_would_be_run_come_back_exactly(tmp_path_factory, label, by):
    if find_label_fault(label):
        return
    by = by.strip() or "eva"
    folder = tmp_path_factory.mktemp("cells")
    decisions = (decide(label, by=by), DECISIONS[1])
    written = make_handoff(*decisions)
    write_handoff(written, folder)
    with (folder / "handoff.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:4]:
        assert not row["label"].startswith(("=", "+", "-", "@"))
        assert not is_run(row["decided_by"]) or row["decided_by"].startswith("'")
    assert rows[4]["path"] == "/lot 7/=1+1.png"
    pd.testing.assert_frame_equal(read_handoff(folder).rows, written.rows)
    assert read_known_types(folder)["label"].tolist()[:4] == [label] * 4
    # What is left as it was written decides nothing.
    assert take(folder, decisions, written=written).decisions == ()


@pytest.mark.parametrize("label", ["'=x", "' -x", "'x", "\uff1dx"])
def test_a_label_typed_by_hand_is_taken_as_it_stands(tmp_path, label):
    (tmp_path / "known.csv").write_text(f"path,label\na.png,{label}\n")
    assert read_known_types(tmp_path / "known.csv")["label"].tolist() == [label]


# -- known types


def test_known_types_are_the_labelled_rows(tmp_path):
    write_handoff(make_handoff(*DECISIONS), tmp_path)
    (tmp_path / "handoff.json").unlink()
    for path in (tmp_path, tmp_path / "handoff.csv", tmp_path / "handoff.json"):
        known = read_known_types(path)
        assert known["label"].tolist() == ["defect/scratch"] * 4 + ["defect/large/particle"]
        assert known["image_id"].tolist() == [IDS[0], IDS[0], IDS[1], IDS[2], IDS[4]]
        assert known["path"][0] == "/lot 7/a,b.png"


def test_any_csv_with_path_and_label_will_do(tmp_path):
    (tmp_path / "known.csv").write_text("label;path\nx;sub/1.png\n;2.png\n y ;/abs/3.png\n")
    known = read_known_types(tmp_path / "known.csv")
    assert known.to_dict("list") == {
        "image_id": ["", ""],
        "path": [str(tmp_path / "sub" / "1.png"), "/abs/3.png"],
        "label": ["x", "y"],
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "lacks the column path, label"),
        ("path\na.png\n", "lacks the column label"),
        ("path,label\na.png,\n", "has no row with a label"),
        ("path,label\na.png,unknown\n", "row 2, column label: 'unknown' is a verdict"),
    ],
)
def test_what_cannot_be_known_types_is_named(tmp_path, text, fault):
    (tmp_path / "known.csv").write_text(text)
    with pytest.raises(HandoffError, match=fault):
        read_known_types(tmp_path / "known.csv")
    with pytest.raises(HandoffError, match="does not exist"):
        read_known_types(tmp_path / "none.csv")


@pytest.mark.parametrize("form", ["", "handoff.csv", "handoff.json", "renamed.csv"])
def test_known_types_are_checked_as_a_handoff_where_its_json_is_there(tmp_path, form):
    write_handoff(make_handoff(*DECISIONS), tmp_path)
    if form == "renamed.csv":
        (tmp_path / "handoff.csv").rename(tmp_path / form)
    known = read_known_types(tmp_path / form)
    assert known["label"].tolist() == ["defect/scratch"] * 4 + ["defect/large/particle"]
    table = tmp_path / (form if form.endswith(".csv") else "handoff.csv")
    whole = table.read_text(encoding="utf-8").splitlines(keepends=True)
    faults = {
        "row 4, column image_id: repeats row 3": [*whole[:3], whole[2], *whole[3:]],
        "row 6 as it was written is missing": [*whole[:5], *whole[6:]],
        "row 3, column path: .* is not what was written": [
            *whole[:2], whole[2].replace("lot 7", "lot 8"), *whole[3:],
        ],
    }  # fmt: skip
    for fault, lines in faults.items():
        table.write_text("".join(lines), encoding="utf-8")
        with pytest.raises(HandoffError, match=fault):
            read_known_types(tmp_path / form)


def test_known_images_may_have_been_moved_all_of_them(tmp_path):
    write_handoff(make_handoff(*DECISIONS), tmp_path)
    table = tmp_path / "handoff.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("/lot 7/", "/moved/"), encoding="utf-8")
    known = read_known_types(tmp_path)
    assert known["label"].tolist() == ["defect/scratch"] * 4 + ["defect/large/particle"]
    assert known["path"][0] == "/moved/a,b.png"
    # A row that is doubled, lost or of another image is a fault all the same.
    lines = text.replace("/lot 7/", "/moved/").splitlines(keepends=True)
    other = lines[4].replace(IDS[2], "0123456789abcdef")
    for changed in ([*lines, lines[3]], lines[:-1], [*lines[:4], other, *lines[5:]],
                    [*lines[:-1], lines[3]]):  # fmt: skip
        table.write_text("".join(changed), encoding="utf-8")
        with pytest.raises(HandoffError):
            read_known_types(tmp_path)


def test_another_table_beside_a_handoff_is_none(tmp_path):
    write_handoff(make_handoff(*DECISIONS), tmp_path)
    (tmp_path / "mine.csv").write_text("path,label\na.png,x\na.png,x\n")
    assert read_known_types(tmp_path / "mine.csv")["label"].tolist() == ["x", "x"]


@pytest.mark.parametrize("cell", ["sub/A.PNG", "sub\\a.png", "C:\\data\\sub\\a.png"])
def test_labels_name_images_whatever_system_wrote_them(tmp_path, cell):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").touch()
    (tmp_path / "labels.csv").write_text(f"path\tlabel\n{cell}\tscratch\nsub/gone.png\tpit\n")
    known = read_known_types(tmp_path / "labels.csv")
    expected = [str(tmp_path / "sub" / "a.png"), str(tmp_path / "sub" / "gone.png")]
    assert expected == known["path"].tolist()
