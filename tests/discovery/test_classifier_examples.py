"""Labelled images: what a handoff teaches and how firmly, what any table does, what is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from discovery.classifier import examples as module
from discovery.classifier.examples import describe_faults, read_examples
from discovery.formats.handoff import write_handoff
from discovery.records import HANDOFF_COLUMNS, DefectType, Handoff
from discovery.stages.truth import read_truth
from embeddings.errors import HandoffError, TableError
from embeddings.images import fingerprint_file

NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def folder(tmp_path):
    """Six pictures named a to f."""
    root = tmp_path / "images"
    root.mkdir()
    for seed, name in enumerate(NAMES):
        pixels = np.random.default_rng(seed).integers(0, 256, (24, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{name}.png")
    return root


# Name of the file, cluster, membership, label, its source.
ROWS = (
    ("a", 0, 0.9, "defect/pit", "cluster"),
    ("b", 0, 0.25, "defect/pit", "cluster"),
    ("c", 0, 0.5, "defect/scratch", "human"),
    ("d", -1, 0.0, "no_defect", "human"),
    ("e", -1, 0.0, "", ""),
    ("f", 1, 1.0, "", ""),
)


def make_handoff(folder, out, rows=ROWS, store=None):
    """Write a handoff as a run would; returns its folder."""
    cells = [
        (
            fingerprint_file(folder / f"{name}.png"), str(folder / f"{name}.png"), cluster, share,
            "" if cluster < 0 else f"P-{cluster}", label, source, "eva" if source else "", "",
        )
        for name, cluster, share, label, source in rows
    ]  # fmt: skip
    frame = pd.DataFrame(cells, columns=HANDOFF_COLUMNS)
    kinds = {"cluster_id": "int32", "membership": "float32"}
    frame = frame.astype({name: kinds.get(name, "str") for name in HANDOFF_COLUMNS})
    label = "defect/pit"
    types = (DefectType(label=label, definition="a hole", proposals=("P-0",), images=2),)
    handoff = Handoff(
        rows=frame, types=types, proposals={0: "P-0", 1: "P-1"}, run_id="0" * 16, store=store or {}
    )
    write_handoff(handoff, out)
    return out


@pytest.fixture
def handoff(folder, tmp_path):
    return make_handoff(folder, tmp_path / "handoff", store={"path": "/s", "spec_hash": "abc"})


def weights_by_name(examples):
    names = [part.path.rsplit("/", 1)[1].removesuffix(".png") for part in examples.parts]
    return dict(zip(names, examples.weights.tolist(), strict=True))


@pytest.mark.parametrize("name", ["", "handoff.csv", "handoff.json"])
def test_a_handoff_weighs_by_membership_and_fully_what_a_person_labelled(handoff, folder, name):
    read = read_examples(handoff / name)
    # A person named one of the three images of the proposal otherwise: two thirds agree.
    expected = {"a": 0.9 * 2 / 3, "b": 0.25 * 2 / 3, "c": 1.0, "d": 1.0}
    assert pytest.approx(expected) == weights_by_name(read)
    assert "handoff" == read.source
    assert 2 == read.left_out
    assert {"defect/pit": "a hole"} == read.definitions
    assert {"path": "/s", "spec_hash": "abc"} == read.store
    assert json.loads((handoff / "handoff.json").read_text())["sha256"] == read.sha256


def test_noise_is_learned_only_where_a_person_labelled_it(folder, tmp_path):
    rows = (*ROWS[:4], ("e", -1, 0.0, "defect/pit", "cluster"), ROWS[5])
    read = read_examples(make_handoff(folder, tmp_path / "h", rows))
    assert {"a", "b", "c", "d"} == set(weights_by_name(read))


def test_a_label_that_a_person_typed_into_the_sheet_counts_fully(handoff):
    table = handoff / "handoff.csv"
    lines = table.read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if "/f.png" in line)
    cells = lines[place].split(",")
    cells[HANDOFF_COLUMNS.index("label")] = "defect/void"
    lines[place] = ",".join(cells)
    table.write_text("\n".join(lines) + "\n")
    read = read_examples(table)
    assert {"f": 1.0}.items() <= weights_by_name(read).items()
    assert "defect/void" in read.labels.tolist()


def test_a_column_filled_down_and_never_read_back_counts_by_membership(folder, tmp_path):
    rows = tuple((name, 0, 0.5, "defect/pit", "") for name in "abcd") + ROWS[4:]
    read = read_examples(make_handoff(folder, tmp_path / "h", rows))
    assert dict.fromkeys("abcd", 0.5) == weights_by_name(read)


def test_a_handoff_under_other_names_is_still_one(handoff, folder):
    shutil.move(handoff / "handoff.csv", handoff / "lot7.csv")
    assert "handoff" == read_examples(handoff / "lot7.csv").source
    shutil.move(handoff / "handoff.json", handoff / "lot7.json")
    for name in ("lot7.csv", "lot7.json"):
        read = read_examples(handoff / name)
        assert ("handoff", np.float32(0.25 * 2 / 3)) == (read.source, weights_by_name(read)["b"])


def test_a_handoff_without_its_json_is_a_plain_table(handoff):
    (handoff / "handoff.json").unlink()
    read = read_examples(handoff / "handoff.csv")
    assert ("table", 0, {}) == (read.source, read.left_out, read.store)
    assert {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0} == weights_by_name(read)


@pytest.mark.parametrize("change", ["drop", "double", "invent", "column"])
def test_edited_rows_of_a_handoff_are_refused(handoff, change):
    table = handoff / "handoff.csv"
    lines = table.read_text().splitlines()
    if change == "drop":
        lines = lines[:-1]
    elif change == "double":
        lines.append(lines[-1])
    elif change == "invent":
        lines.append("0123456789abcdef,/x.png,0,1.0,P-0,defect/pit,human,eva,")
    else:  # the column that says which cluster an image is in
        cells = [line.split(",") for line in lines]
        lines = [",".join(row[:2] + row[3:]) for row in cells]
    table.write_text("\n".join(lines) + "\n")
    with pytest.raises(HandoffError, match=r"handoff\.csv"):
        read_examples(table)


def test_a_handoff_without_labels_is_refused_with_what_to_do(folder, tmp_path):
    rows = tuple((*row[:3], "", "") for row in ROWS)
    with pytest.raises(HandoffError, match="none of its 6 rows has a label: fill its column"):
        read_examples(make_handoff(folder, tmp_path / "h", rows))


# --- any table ---


def write_table(folder, rows, columns="path,label", name="truth.csv"):
    table = folder / name
    table.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    return table


def test_a_table_takes_relative_and_absolute_paths(folder):
    rows = ["a.png,pit", f"{folder / 'b.png'},pit", "../images/c.png, defect / pit ", "d.png,"]
    read = read_examples(write_table(folder, rows))
    names = [part.image_id for part in read.parts]
    expected = [fingerprint_file(folder / f"{name}.png") for name in "abc"]
    labels = dict(zip(names, read.labels.tolist(), strict=True))
    assert dict(zip(expected, ["pit", "pit", "defect/pit"], strict=True)) == labels
    assert [1.0, 1.0, 1.0] == read.weights.tolist()
    assert ("table", ()) == (read.source, read.faults)


def test_a_table_that_lies_beside_another_json_is_a_table(folder):
    table = write_table(folder, ["a.png,pit"])
    (folder / "truth.json").write_text("{}")
    assert "table" == read_examples(table).source


def test_files_that_are_gone_or_changed_are_named_and_the_rest_is_learned(folder):
    changed = fingerprint_file(folder / "a.png")
    shutil.copyfile(folder / "f.png", folder / "a.png")
    (folder / "broken.tif").write_bytes(b"no picture")
    rows = [f"{changed},a.png,pit", ",gone.png,pit", ",b.png,pit", ",broken.tif,pit"]
    read = read_examples(write_table(folder, rows, "image_id,path,label"))
    assert ["b.png"] == [part.path.rsplit("/", 1)[1] for part in read.parts]
    reasons = {path.rsplit("/", 1)[1]: reason for path, reason in read.faults}
    assert {"a.png", "gone.png", "broken.tif"} == set(reasons)
    assert "its content has changed" in reasons["a.png"]
    assert "file not found" == reasons["gone.png"]


def test_no_file_left_is_an_error_that_names_the_first(folder):
    table = write_table(folder, ["gone.png,pit", "lost.png,void"])
    with pytest.raises(HandoffError, match=r"none of its 2 labelled images.*gone\.png: file not"):
        read_examples(table)


def test_exact_copies_are_one_example_and_must_agree(folder):
    shutil.copyfile(folder / "a.png", folder / "copy.png")
    agreed = read_examples(write_table(folder, ["a.png,pit", "copy.png,pit", "b.png,void"]))
    assert 2 == len(agreed)
    with pytest.raises(HandoffError, match=r"'pit' \(.*a\.png\) and 'void' \(.*copy\.png\)"):
        read_examples(write_table(folder, ["a.png,pit", "copy.png,void"]))


def test_of_copies_the_firmer_label_counts(folder, tmp_path):
    shutil.copyfile(folder / "b.png", folder / "copy.png")
    for label_source in ("cluster", "human"):
        rows = (*ROWS, ("copy", 0, 0.25, "defect/pit", label_source))
        read = read_examples(make_handoff(folder, tmp_path / label_source, rows))
        # Three of the four rows of the proposal agree.
        expected = {"cluster": 0.25 * 3 / 4, "human": 1.0}[label_source]
        assert expected == weights_by_name(read)["b"]


def test_crops_and_pages_are_examples_of_their_own(folder):
    tifffile.imwrite(
        folder / "stack.tif", np.arange(1200, dtype=np.uint16).reshape(3, 20, 20),
        photometric="minisblack",
    )  # fmt: skip
    name, stack = fingerprint_file(folder / "a.png"), fingerprint_file(folder / "stack.tif")
    ids = [f"{name}@0,0,8,8", f"{name}@8,8,8,8", f"{stack}#1"]
    files = ["a.png", "a.png", "stack.tif"]
    rows = [f'"{i}",{file},t{n}' for n, (i, file) in enumerate(zip(ids, files, strict=True))]
    read = read_examples(write_table(folder, rows, "image_id,path,label"))
    assert ids == [part.image_id for part in read.parts]
    assert [(0, 8), (0, 8), (1, None)] == [
        (part.page, part.region and part.region.width) for part in read.parts
    ]
    # A row that names no page means all of them.
    whole = read_examples(write_table(folder, ["stack.tif,pit"]))
    assert [f"{stack}#{page}" for page in range(3)] == [part.image_id for part in whole.parts]


def test_a_file_of_many_crops_is_read_once(folder, monkeypatch):
    counted = []
    original = module.fingerprint_file
    monkeypatch.setattr(module, "fingerprint_file", lambda p: counted.append(p) or original(p))
    name = original(folder / "a.png")
    rows = [f'"{name}@{x},0,8,8",a.png,t' for x in range(9)]
    assert 9 == len(read_examples(write_table(folder, rows, "image_id,path,label")))
    assert 1 == len(counted)


@pytest.mark.parametrize("word", ["unknown", "Undecided", "defect/UNKNOWN"])
def test_verdicts_are_never_learned(folder, handoff, word):
    with pytest.raises(HandoffError, match=r"row 2, column label: .* is a verdict"):
        read_examples(write_table(folder, [f"a.png,{word}"]))


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("path\na.png\n", HandoffError, "label"),
        ("", HandoffError, "truth.csv"),
        ("path,label\na.png,\n", HandoffError, "has no row with a label"),
    ],
)
def test_tables_that_cannot_be_used(folder, text, error, words):
    (folder / "truth.csv").write_text(text)
    with pytest.raises((error, TableError), match=words):
        read_examples(folder / "truth.csv")


def test_a_table_that_is_not_there(tmp_path):
    for name in ("truth.csv", "handoff.json", ""):
        with pytest.raises(HandoffError, match="does not exist"):
            read_examples(tmp_path / name)


def test_the_digest_says_what_is_learned_and_not_how_the_file_is_called(folder):
    rows = ["a.png,pit", "b.png,void"]
    first = read_examples(write_table(folder, rows))
    again = read_examples(write_table(folder, rows[::-1], name="other.csv"))
    assert first.sha256 != again.sha256
    assert first.digest == again.digest
    other = read_examples(write_table(folder, ["a.png,pit", "b.png,pit"]))
    assert first.digest != other.digest


def test_faults_are_named_once_and_up_to_three_kinds():
    faults = [(f"{i}.png", "gone") for i in range(5)]
    assert "0.png: gone (and 4 more alike)" == describe_faults(faults)
    others = [(f"{word}.png", word) for word in ("cut", "empty", "odd", "torn")]
    assert "cut.png: cut; empty.png: empty; odd.png: odd; and 1 more faults" == (
        describe_faults(others)
    )
    assert "0.png: gone" == describe_faults(faults[:1])


def test_labels_that_are_nearly_the_same_are_pointed_out(folder, tmp_path, caplog):
    rows = [(*row[:3], "Defect/pit", "human") if row[0] == "c" else row for row in ROWS]
    read_examples(make_handoff(folder, tmp_path / "run", rows))
    assert "handoff.csv: labels that are nearly the same" in caplog.text
    assert "'Defect/pit' and 'defect/pit'" in caplog.text
    caplog.clear()
    (folder / "labels.csv").write_text("path,label\na.png,scratch\nb.png,scrach\nc.png,pit\n")
    assert len(read_examples(folder / "labels.csv")) == 3
    assert "labels.csv: labels that are nearly the same" in caplog.text
    caplog.clear()
    # What it is scored against, too.
    assert len(read_truth(folder / "labels.csv")) == 3
    assert "'scrach' and 'scratch'" in caplog.text
