"""The sheet with one row a proposal: as CSV and workbook, filled in, read back, absorbed."""

import csv
import io
import zipfile

import numpy as np
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from PIL import Image

from discovery.formats.type_sheet import is_type_sheet
from discovery.formats.type_sheet.rows import COLUMNS
from discovery.formats.type_sheet.workbook import format_types_xlsx
from discovery.handoff import HandoffOptions, main
from discovery.ledger import append_decisions, read_decisions, replay_decisions
from discovery.records import Clustering, Decision, Layout, Pictures, Proposal
from discovery.runs import (
    HANDOFF_CSV,
    LEDGER,
    PICTURES,
    TYPES_CSV,
    TYPES_XLSX,
    Provenance,
    create_run,
)
from discovery.runs.pictures import format_pictures
from discovery.stages.type_sheet_io import absorb_types, publish_types, take_types
from embeddings.cells import guard_text, is_run
from embeddings.console import run_command
from embeddings.errors import HandoffError

PROVENANCE = Provenance(command="discovery.cluster", spec={}, seed=0, inputs={})
NOW = "2026-11-24T12:00:00+00:00"
SIZES = (5, 4, 3)
IDS = [f"{i:016x}" for i in range(sum(SIZES) + 1)]
NAMES = ("Paaaaaaaa", "Pbbbbbbbb", "Pcccccccc")


def make_jpeg(grey):
    file = io.BytesIO()
    Image.new("L", (30, 20), grey).save(file, "JPEG")
    return file.getvalue()


def make_proposals():
    starts = np.cumsum([0, *SIZES])
    return tuple(
        Proposal(
            proposal_id=name,
            cluster_id=cluster,
            rank=3 - cluster,  # the number is the rank, and not the cluster's
            size=SIZES[cluster],
            cohesion=0.9,
            separation=-0.25,
            stability=0.75,
            novelty=float("nan"),
            nearest_known="=HYPERLINK(1)" if not cluster else "",
            medoid=IDS[starts[cluster]],
            exemplars={"central": (IDS[starts[cluster] + 1],), "edge": (), "diverse": ()},
            associations={
                "found": [{"column": "+tool", "value": "A", "count": 4, "size": 5}],
                "signature": {"name": "edge ring", "measures": [0.0, 0.0, 0.5, 1.0]},
            },
        )
        for cluster, name in enumerate(NAMES)
    )


def make_run(folder):
    run = create_run(folder / "run")
    labels = np.array([*np.repeat(np.arange(3), SIZES), -1], np.int32)
    n = len(labels)
    clustering = Clustering(
        ids=np.array(IDS),
        labels=labels,
        memberships=np.where(labels < 0, 0, 1).astype(np.float32),
        outlier_scores=np.zeros(n, np.float32),
        spec={},
        made_by="auto",
    )
    paths = tuple((f"/lot/{name}.png",) for name in IDS)
    layout = Layout(ids=clustering.ids, paths=paths, xy=np.zeros((n, 2), np.float32))
    run.save_clustering(clustering, layout, PROVENANCE)
    run.save_proposals(make_proposals(), PROVENANCE)
    pictures = Pictures(thumbnails={name: make_jpeg(i * 9) for i, name in enumerate(IDS)})
    run.save_bytes(PICTURES, format_pictures(pictures), PROVENANCE)
    publish_types(run)
    return run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path)


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fill_csv(path, target=None, **rows):
    """Fill cells: ``Paaaaaaaa={"label": "scratch"}``; `target` is where it is written."""
    table = read_csv(path)
    for row in table:
        row.update(rows.get(row["proposal_id"], {}))
    with (target or path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    return target or path


def fill_xlsx(path, target=None, **rows):
    book = load_workbook(path)
    sheet = book["Types"]
    header = [cell.value for cell in sheet[1]]
    for row in sheet.iter_rows(min_row=2):
        name = row[header.index("proposal_id")].value
        for column, value in rows.get(name, {}).items():
            row[header.index(column)].value = value
    book.save(target or path)
    return target or path


def take(run, path, by="max"):
    return take_types(run, path, by=by, at=NOW)


def labels_of(run):
    decided = replay_decisions(read_decisions(run.path / LEDGER))
    return {name: (one.label, one.source) for name, one in decided.images.items()}


def said(run):
    rows = read_csv(run.path / TYPES_CSV)
    return {row["proposal_id"]: (row["label"], row["verdict"], row["note"]) for row in rows}


def call(*words):
    return run_command(main, HandoffOptions, prog="handoff", args=[str(word) for word in words])


# --- what is written ---


def test_there_is_one_row_a_proposal_in_rank_order(run):
    rows = read_csv(run.path / TYPES_CSV)
    assert tuple(rows[0]) == COLUMNS
    assert [row["proposal_id"] for row in rows] == list(reversed(NAMES))
    assert [row["number"] for row in rows] == ["1", "2", "3"]
    assert [row["size"] for row in rows] == ["3", "4", "5"]
    assert rows[2]["separation"] == "-0.25"
    assert (rows[2]["novelty"], rows[2]["revision"]) == ("", "0")


def test_no_cell_is_one_that_a_spreadsheet_would_run(run):
    rows = read_csv(run.path / TYPES_CSV)
    assert rows[2]["nearest_known"] == "'=HYPERLINK(1)"
    assert rows[0]["in_common"] == "'+tool A: 4 of 5; wafer map: edge ring"
    sheet = load_workbook(run.path / TYPES_XLSX)["Types"]
    kinds = {cell.data_type for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds
    header = [cell.value for cell in sheet[1]]
    assert sheet.cell(4, header.index("nearest_known") + 1).value == "=HYPERLINK(1)"


def test_the_workbook_has_pictures_choices_and_a_header_that_stays(run):
    data = (run.path / TYPES_XLSX).read_bytes()
    sheet = load_workbook(io.BytesIO(data))["Types"]
    assert sheet.freeze_panes == "C2"
    verdicts = {one.formula1 for one in sheet.data_validations.dataValidation}
    assert '"accept,merge,split,reject,defer"' in verdicts
    strips = [name for name in zipfile.ZipFile(io.BytesIO(data)).namelist() if "media" in name]
    assert len(strips) == 3
    places = sorted(image.anchor._from.row for image in sheet._images)
    assert places == [1, 2, 3]
    header = [cell.value for cell in sheet[1]]
    label = sheet.cell(2, header.index("label") + 1)
    assert label.number_format == "@"  # 007 stays 007


def test_what_was_decided_stands_in_it(run):
    append_decisions(
        run.path / LEDGER,
        [
            decide(NAMES[0], "accept", "scratch", note="a long mark"),
            decide(NAMES[1], "reject"),
            decide(NAMES[2], "defer"),
            decide("", "accept", "pit", scope="image", image_ids=(IDS[5],)),
        ],
    )
    publish_types(run)
    assert said(run) == {
        NAMES[0]: ("scratch", "accept", "a long mark"),
        NAMES[1]: ("", "reject", ""),
        NAMES[2]: ("", "defer", ""),
    }
    rows = {row["proposal_id"]: row for row in read_csv(run.path / TYPES_CSV)}
    assert rows[NAMES[0]]["named_images"] == "5 scratch"
    assert rows[NAMES[1]]["named_images"] == "1 pit"
    assert {row["revision"] for row in rows.values()} == {"4"}


def decide(proposal, verdict, label="", **changes):
    values = {
        "proposal_id": proposal,
        "verdict": verdict,
        "label": label,
        "by": "eva",
        "at": "2026-11-24T10:00:00+00:00",
        "image_ids": tuple(IDS[:5]) if proposal == NAMES[0] else (),
    }
    return Decision(**{**values, **changes})


# --- what is read back ---


@pytest.mark.parametrize("name", [TYPES_CSV, TYPES_XLSX])
def test_labels_and_verdicts_become_decisions_on_proposals(run, tmp_path, name):
    fill = fill_csv if name == TYPES_CSV else fill_xlsx
    cells = {
        NAMES[0]: {"label": " defect / scratch ", "note": "long and thin", "decided_by": "ada"},
        NAMES[1]: {"label": "defect/scratch", "verdict": "Merge"},
        NAMES[2]: {"verdict": "split", "note": "two shapes"},
    }
    filled = fill(run.path / name, tmp_path / name, **cells)
    taken = take(run, filled)
    assert (taken.named, taken.judged, taken.kept) == (2, 1, 0)
    made = {one.proposal_id: one for one in taken.decisions}
    assert {one.scope for one in made.values()} == {"proposal"}
    assert made[NAMES[0]].image_ids == tuple(IDS[:5])
    assert (made[NAMES[0]].by, made[NAMES[1]].by) == ("ada", "max")
    assert [made[one].verdict for one in NAMES] == ["accept", "merge", "split"]
    assert set(labels_of(run).values()) == {("defect/scratch", "cluster")}
    assert len(labels_of(run)) == 9
    publish_types(run)
    assert said(run)[NAMES[0]] == ("defect/scratch", "accept", "long and thin")
    assert said(run)[NAMES[2]] == ("", "split", "two shapes")
    assert take(run, filled).decisions == ()
    assert take(run, run.path / TYPES_CSV).decisions == ()
    assert take(run, run.path / TYPES_XLSX).decisions == ()


def test_a_note_alone_puts_off(run):
    filled = fill_csv(run.path / TYPES_CSV, **{NAMES[0]: {"note": "ask eva"}})
    (decision,) = take(run, filled).decisions
    assert (decision.verdict, decision.note) == ("defer", "ask eva")


def test_a_new_definition_is_a_new_accept(run, tmp_path):
    append_decisions(run.path / LEDGER, [decide(NAMES[0], "accept", "scratch", note="long")])
    publish_types(run)
    filled = fill_csv(run.path / TYPES_CSV, tmp_path / "f.csv", **{NAMES[0]: {"note": "thin"}})
    (decision,) = take(run, filled).decisions
    assert (decision.label, decision.note) == ("scratch", "thin")
    cleared = fill_csv(run.path / TYPES_CSV, tmp_path / "c.csv", **{NAMES[0]: {"note": ""}})
    assert take(run, cleared).decisions == ()


def test_the_definition_of_the_label_before_is_not_that_of_another_type(run, tmp_path):
    before = [
        decide(NAMES[0], "accept", "scratch", note="long"),
        decide(NAMES[1], "accept", "pit", note="round"),
    ]
    append_decisions(run.path / LEDGER, before)
    publish_types(run)
    filled = fill_csv(run.path / TYPES_CSV, tmp_path / "f.csv", **{NAMES[0]: {"label": "pit"}})
    assert take(run, filled).decisions[0].note == ""
    publish_types(run)
    assert said(run)[NAMES[1]] == ("pit", "accept", "round")


# --- older copies ---


def test_an_older_copy_undoes_nothing(run, tmp_path):
    blank = fill_csv(run.path / TYPES_CSV, tmp_path / "blank.csv")
    filled = fill_csv(blank, tmp_path / "filled.csv", **{NAMES[0]: {"label": "scratch"}})
    assert take(run, filled).named == 1
    append_decisions(run.path / LEDGER, [decide(NAMES[0], "accept", "groove")])
    for copy in (blank, filled):
        taken = take(run, copy)
        assert (taken.decisions, taken.kept, taken.overruled) == ((), 1, 0)
    assert set(labels_of(run).values()) == {("groove", "cluster")}


def test_an_edit_of_an_older_copy_counts_and_is_told(run, tmp_path):
    filled = fill_csv(run.path / TYPES_CSV, tmp_path / "f.csv", **{NAMES[0]: {"label": "pit"}})
    append_decisions(run.path / LEDGER, [decide(NAMES[0], "accept", "groove")])
    taken = take(run, filled)
    assert (taken.named, taken.overruled) == (1, 1)
    assert set(labels_of(run).values()) == {("pit", "cluster")}


def test_a_label_given_back_in_a_new_copy_counts(run, tmp_path):
    for label in ("scratch", "groove"):
        append_decisions(run.path / LEDGER, [decide(NAMES[0], "accept", label)])
    publish_types(run)
    filled = fill_csv(run.path / TYPES_CSV, tmp_path / "f.csv", **{NAMES[0]: {"label": "scratch"}})
    assert take(run, filled).named == 1


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_reading_again_changes_nothing(tmp_path_factory, data):
    run = make_run(tmp_path_factory.mktemp("any"))
    folder = tmp_path_factory.mktemp("sheets")
    cells = st.sampled_from(
        [{}, {"label": "a/b"}, {"label": "007", "verdict": "accept"}, {"verdict": "reject"},
         {"verdict": "split", "note": "=1+1"}, {"verdict": "defer"}, {"label": "a/b", "note": "-x"}]
    )  # fmt: skip
    for step in range(data.draw(st.integers(1, 3))):
        rows = {name: data.draw(cells) for name in NAMES}
        filled = fill_csv(run.path / TYPES_CSV, folder / f"{step}.csv", **rows)
        try:
            take(run, filled)
        except HandoffError:  # such as a label left beside reject
            continue
        publish_types(run)
        for copy in (filled, run.path / TYPES_CSV, run.path / TYPES_XLSX):
            assert take(run, copy).decisions == ()


# --- what spreadsheets do by themselves ---


def save_as_excel(path, target, *, separator=";", encoding="utf-8-sig"):
    """Save with decimal commas, and with a blank row and a blank column behind."""
    table = read_csv(path)
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator)
    writer.writerow([*table[0], ""])
    for row in table:
        writer.writerow([*(cell.replace("0.", "0,") for cell in row.values()), ""])
    writer.writerow([""] * (len(table[0]) + 1))
    target.write_bytes(file.getvalue().encode(encoding))
    return target


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_csv_that_excel_saved_is_read(run, tmp_path, separator, encoding):
    filled = fill_csv(run.path / TYPES_CSV, tmp_path / "f.csv", **{NAMES[0]: {"label": "größe"}})
    saved = save_as_excel(filled, tmp_path / "e.csv", separator=separator, encoding=encoding)
    assert take(run, saved).named == 1
    assert set(labels_of(run).values()) == {("größe", "cluster")}


@pytest.mark.parametrize(("label", "came"), [("007", 7), ("true", True), ("1.50", 1.5)])
def test_a_label_the_spreadsheet_rewrote_stands(run, label, came):
    append_decisions(run.path / LEDGER, [decide(NAMES[0], "accept", label)])
    publish_types(run)
    filled = fill_xlsx(run.path / TYPES_XLSX, **{NAMES[0]: {"label": came}})
    taken = take(run, filled)
    assert (taken.decisions, taken.rewritten) == ((), 1)


def test_numbers_of_a_workbook_are_read_as_they_are_shown(run):
    filled = fill_xlsx(
        run.path / TYPES_XLSX, **{NAMES[0]: {"label": 7.0, "revision": 0.0, "size": 5.0}}
    )
    assert take(run, filled).decisions[0].label == "7"


def test_a_workbook_of_another_program_is_read(run, tmp_path):
    """LibreOffice and Numbers keep neither the sheet's name nor the order of the columns."""
    rows = read_csv(run.path / TYPES_CSV)
    book = openpyxl.Workbook()
    book.active.title = "cover"
    sheet = book.create_sheet("Tabelle1")
    for line in (["label", "my remark", "proposal_id"], ["pit", "hm", rows[0]["proposal_id"]]):
        sheet.append(line)
    book.save(tmp_path / "other.xlsx")
    assert take(run, tmp_path / "other.xlsx").named == 1


@pytest.mark.parametrize("note", ["- long, thin", "=1+1", "'=1+1", "'quoted", "\uff1dx", "''- x"])
def test_a_note_that_would_be_run_comes_back_from_every_kind_of_sheet(run, tmp_path, note):
    fill_csv(run.path / TYPES_CSV, **{NAMES[0]: {"label": "pit", "note": guard_text(note)}})
    assert take(run, run.path / TYPES_CSV).decisions[0].note == note
    publish_types(run)
    row = next(one for one in read_csv(run.path / TYPES_CSV) if one["proposal_id"] == NAMES[0])
    assert (row["note"], row["separation"]) == (guard_text(note), "-0.25")
    sheet = load_workbook(run.path / TYPES_XLSX)["Types"]
    cells = [cell for line in sheet.iter_rows() for cell in line if cell.value == note]
    assert [(cell.data_type, cell.quotePrefix) for cell in cells] == [("s", is_run(note))]
    # types.csv opened in a spreadsheet and saved as a workbook: the apostrophe is in the cell.
    book = openpyxl.Workbook()
    with (run.path / TYPES_CSV).open(newline="") as file:
        for line in csv.reader(file):
            book.active.append(line)
    for cells in book.active.iter_rows():
        for cell in cells:
            cell.data_type = "s"
    book.save(tmp_path / "saved.xlsx")
    for path in (run.path / TYPES_CSV, run.path / TYPES_XLSX, tmp_path / "saved.xlsx"):
        assert take(run, path).decisions == ()


def test_types_that_are_nearly_the_same_are_pointed_out(run, caplog):
    fill_csv(
        run.path / TYPES_CSV, **{NAMES[0]: {"label": "scratch"}, NAMES[1]: {"label": "scrach"}}
    )
    take(run, run.path / TYPES_CSV)
    assert "types.csv: labels that are nearly the same" in caplog.text
    assert "'scrach' and 'scratch'" in caplog.text


# --- faults, each with its file, sheet, row and column ---

FAULTS = {
    "verdict": ({"verdict": "keep"}, "row 4, column verdict: 'keep' came, expected accept, merge"),
    "accept": ({"verdict": "accept"}, "row 4, column label: accept needs a label"),
    "reject": (
        {"verdict": "reject", "label": "pit"},
        "row 4, column label: reject takes no label, 'pit' came",
    ),
    "merge": (
        {"verdict": "merge", "label": "new"},
        "row 4, column label: no type has the label 'new' to merge with (there are none)",
    ),
    "formula": ({"label": "=1+1"}, "row 4, column label: '=1+1' begins with ="),
    "date": ({"label": "02. Jan"}, "row 4, column label: '02. Jan' looks like a date"),
    "verdict word": ({"label": "unknown"}, "row 4, column label: 'unknown' is a verdict"),
    "proposal": (
        {"proposal_id": "Pffffffff", "label": "a"},
        "row 4, column proposal_id: 'Pffffffff' came, which is no proposal of the run",
    ),
    "repeated": ({"proposal_id": NAMES[2]}, "row 4, column proposal_id: repeats row 2: delete one"),
    "revision": ({"revision": "9"}, "row 4, column revision: 9 came, but the run has 0 decisions"),
    "shifted": (
        {"number": "1", "cluster_id": "2", "size": "3"},
        "row 4, column proposal_id: 'Paaaaaaaa' came beside number 1 and size 3",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_each_fault_is_named(run, tmp_path, name, kind):
    cells, text = FAULTS[name]
    fill, file = (fill_csv, TYPES_CSV) if kind == "csv" else (fill_xlsx, TYPES_XLSX)
    path = fill(run.path / file, tmp_path / f"f.{kind}", **{NAMES[0]: cells})
    with pytest.raises(HandoffError) as caught:
        take(run, path)
    assert text in str(caught.value)
    assert str(path) in str(caught.value)
    assert ("sheet Types" in str(caught.value)) == (kind == "xlsx")
    assert not (run.path / LEDGER).exists()


def test_a_label_taken_out_is_a_fault_that_says_what_to_do(run, tmp_path):
    append_decisions(run.path / LEDGER, [decide(NAMES[0], "accept", "pit")])
    publish_types(run)
    cleared = {"label": "", "verdict": ""}
    filled = fill_csv(run.path / TYPES_CSV, tmp_path / "f.csv", **{NAMES[0]: cleared})
    with pytest.raises(HandoffError, match="'pit' was taken out: put it back, or say reject"):
        take(run, filled)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"PK\x03\x04 no zip", r"is no \.xlsx workbook"),
        (b"plain text", r"is no \.xlsx workbook"),
    ],
)
def test_a_damaged_workbook_is_named(run, tmp_path, data, text):
    (tmp_path / "types.xlsx").write_bytes(data)
    with pytest.raises(HandoffError, match=text):
        take(run, tmp_path / "types.xlsx")


def test_a_workbook_without_the_columns_is_named(run, tmp_path):
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(HandoffError, match="no sheet with the columns proposal_id, label"):
        take(run, tmp_path / "empty.xlsx")


# --- the run's own files, and the command ---


def test_what_was_typed_into_the_runs_own_sheets_is_not_lost(run):
    fill_csv(run.path / TYPES_CSV, **{NAMES[0]: {"label": "pit"}})
    fill_xlsx(
        run.path / TYPES_XLSX, **{NAMES[0]: {"label": "pit"}, NAMES[1]: {"verdict": "reject"}}
    )
    found = absorb_types(run, by="eva", at=NOW)
    assert [path.name for path in found] == [TYPES_CSV, TYPES_XLSX]
    assert [one.verdict for one in read_decisions(run.path / LEDGER)] == ["accept", "reject"]
    publish_types(run)
    assert absorb_types(run, by="eva", at=NOW) == {}


def test_sheets_that_disagree_are_named(run):
    fill_csv(run.path / TYPES_CSV, **{NAMES[0]: {"label": "pit"}})
    fill_xlsx(run.path / TYPES_XLSX, **{NAMES[0]: {"label": "scratch"}})
    with pytest.raises(HandoffError, match="differ on Paaaaaaaa \\('pit' and 'scratch'\\)"):
        absorb_types(run, by="eva", at=NOW)
    assert not (run.path / LEDGER).exists()


def test_the_command_names_types_and_not_rows(run, tmp_path, capsys):
    fill_xlsx(run.path / TYPES_XLSX, **{name: {"label": name.lower()} for name in NAMES})
    assert call(run.path, "--by", "eva") == 0
    told = capsys.readouterr().out
    assert "types.xlsx: 3 proposed types named" in told
    assert "3 of 3 proposed types named, 3 labels, 12 of 13 images have one" in told
    assert call(run.path, "--out", tmp_path / "out", "--by", "eva") == 0
    assert {HANDOFF_CSV, TYPES_CSV, TYPES_XLSX} <= {p.name for p in (tmp_path / "out").iterdir()}
    fill_csv(tmp_path / "out" / TYPES_CSV, **{NAMES[0]: {"label": "", "verdict": "split"}})
    assert is_type_sheet(tmp_path / "out" / TYPES_CSV)
    assert not is_type_sheet(tmp_path / "out" / HANDOFF_CSV)
    assert call(run.path, "--out", tmp_path / "out") == 2
    assert "holds labels that are in no ledger" in capsys.readouterr().err
    assert call(run.path, "--read", tmp_path / "out" / TYPES_CSV, "--by", "eva") == 0
    told = capsys.readouterr().out
    assert "0 proposed types named, 1 split, rejected or put off" in told
    assert "1 proposed type holds several types, and the images have no label yet" in told
    assert len(labels_of(run)) == 7


def test_a_workbook_does_not_say_when_it_was_made():
    """The same rows are the same bytes, whenever they are written."""
    data = format_types_xlsx([], {})
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        assert {1980} == {entry.date_time[0] for entry in book.infolist()}
        assert 2 == book.read("docProps/core.xml").count(b">1980-01-01T00:00:00Z<")
    assert data == format_types_xlsx([], {})
