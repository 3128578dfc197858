import csv
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image
from torchvision.datasets import ImageFolder

from discovery.handoff import HandoffOptions, main
from discovery.ledger import append_decisions, read_decisions
from discovery.records import Clustering, Decision, Layout, Proposal
from discovery.runs import CLUSTERING, HANDOFF_CSV, LEDGER, PROPOSALS, Provenance, create_run
from discovery.stages.handoff_io import absorb_handoff
from embeddings.console import run_command
from embeddings.images import fingerprint_file
from embeddings.tables import parse_klarf

PROVENANCE = Provenance(command="discovery.cluster", spec={"k": 15}, seed=0, inputs={})


def save_clusters(run, ids, paths, labels):
    labels = np.array(labels, np.int32)
    n = len(ids)
    clustering = Clustering(
        ids=np.array(ids),
        labels=labels,
        memberships=np.where(labels < 0, 0, 0.75).astype(np.float32),
        outlier_scores=np.zeros(n, np.float32),
        spec={},
        made_by="hdbscan",
    )
    layout = Layout(ids=clustering.ids, paths=paths, xy=np.zeros((n, 2), np.float32))
    proposals = [
        Proposal(
            proposal_id=f"P-{clustering.ids[labels == cluster][0][:8]}",
            cluster_id=cluster,
            rank=cluster + 1,
            size=int((labels == cluster).sum()),
            cohesion=0.5,
            separation=0.5,
            stability=0.5,
            novelty=0.5,
            nearest_known="",
            medoid=str(clustering.ids[labels == cluster][0]),
            exemplars={"central": (), "edge": (), "diverse": ()},
        )
        for cluster in range(labels.max() + 1)
    ]
    run.save_clustering(clustering, layout, PROVENANCE)
    run.save_proposals(proposals, PROVENANCE)


@pytest.fixture
def images(tmp_path):
    """Five images, two of them with the same name, the last a TIFF of two 16-bit pages."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / "images" / lot / f"{name}.png" for lot in "ab" for name in ("one", "two")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 30), np.uint8)).save(path)
    pages = tmp_path / "images" / "pages.tif"
    tifffile.imwrite(
        pages, rng.integers(800, 1200, (2, 24, 24), np.uint16), photometric="minisblack"
    )
    return [*paths, pages]


@pytest.fixture
def run(tmp_path, images):
    run = create_run(tmp_path / "run")
    ids = [fingerprint_file(path) for path in images]
    ids, last = ids[:-1], ids[-1]
    ids += [f"{last}#1@-4,0,16,16", f"{last}#0"]
    paths = [(str(path),) for path in images] + [(str(images[-1]),)]
    save_clusters(run, ids, tuple(paths), [0, 0, 0, 1, 1, -1])
    return run


def call(*words):
    return run_command(main, HandoffOptions, prog="handoff", args=[str(word) for word in words])


def fill(path, labels):
    frame = pd.read_csv(path, dtype="str", keep_default_na=False)
    cells = zip(frame["path"], frame["label"], strict=True)
    frame["label"] = [labels.get(str(path), label) for path, label in cells]
    frame.to_csv(path, index=False)


def labels_in(path):
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["label"], row["label_source"]) for row in csv.DictReader(file)]


def decide(run, cluster=0, label="scratch", **changes):
    images = run.load_images()
    values = {
        "proposal_id": run.load_proposals()[cluster].proposal_id,
        "verdict": "accept",
        "label": label,
        "by": "eva",
        "at": "2026-11-24T10:00:00+00:00",
        "image_ids": tuple(images["image_id"][images["cluster_id"] == cluster]),
    }
    append_decisions(run.path / LEDGER, [Decision(**{**values, **changes})])


def test_it_goes_out_is_filled_and_comes_back(run, tmp_path, images, capsys):
    assert call(run.path, "--out", tmp_path / "out") == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "out" / "handoff.csv")
    filled = tmp_path / "out" / "handoff.csv"
    fill(filled, {str(images[0]): "defect/scratch", str(images[3]): "defect/bridge"})
    assert call(run.path, "--read", filled, "--by", "eva") == 0
    assert "2 images labelled" in capsys.readouterr().out
    assert labels_in(run.path / HANDOFF_CSV) == [
        ("defect/scratch", "human"), ("", ""), ("", ""), ("defect/bridge", "human"), ("", ""),
        ("", ""),
    ]  # fmt: skip
    assert {decision.by for decision in read_decisions(run.path / LEDGER)} == {"eva"}
    described = json.loads((run.path / "handoff.json").read_text(encoding="utf-8"))
    assert [kind["label"] for kind in described["types"]] == ["defect/bridge", "defect/scratch"]
    assert described["counts"]["labelled"] == 2
    assert described["run_id"] == run.run_id


def test_reading_again_changes_nothing(run, tmp_path, images):
    call(run.path, "--out", tmp_path / "out")
    fill(tmp_path / "out" / "handoff.csv", {str(images[0]): "scratch"})
    call(run.path, "--read", tmp_path / "out")
    before = (run.path / LEDGER).read_bytes(), (run.path / HANDOFF_CSV).read_bytes()
    assert call(run.path, "--read", tmp_path / "out") == 0
    assert ((run.path / LEDGER).read_bytes(), (run.path / HANDOFF_CSV).read_bytes()) == before


def test_labels_typed_into_the_runs_own_file_are_not_lost(run, tmp_path, images, capsys):
    call(run.path, "--out", run.path)
    fill(run.path / HANDOFF_CSV, {str(images[0]): "scratch"})
    assert call(run.path, "--out", tmp_path / "out") == 0
    assert "1 image labelled" in capsys.readouterr().out
    assert labels_in(tmp_path / "out" / "handoff.csv")[0] == ("scratch", "human")
    fill(run.path / HANDOFF_CSV, {str(images[1]): "void"})
    assert call(run.path, "--read", run.path / HANDOFF_CSV) == 0
    assert [label for label, _ in labels_in(run.path / HANDOFF_CSV)][:2] == ["scratch", "void"]


def test_one_row_a_proposal_is_told_where_whole_proposals_are_named(run, images, capsys):
    call(run.path)
    fill(run.path / HANDOFF_CSV, {str(images[0]): "scratch", str(images[3]): "void"})
    assert call(run.path, "--by", "eva") == 0
    told = capsys.readouterr().out
    assert "one image each of 2 proposals was labelled and no other" in told
    assert "types.csv or types.xlsx" in told
    assert "0 of 2 proposed types named, 2 labels, 2 of 6 images have one" in told


def test_a_faulty_file_changes_nothing(run, tmp_path, images, capsys):
    call(run.path, "--out", tmp_path / "out")
    filled = tmp_path / "out" / "handoff.csv"
    fill(filled, {str(images[0]): "scratch", str(images[1]): "a//b"})
    before = (run.path / HANDOFF_CSV).read_bytes()
    assert call(run.path, "--read", filled) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert f"{filled}: row 3, column label: 'a//b' has an empty part" in error[0]
    assert not (run.path / LEDGER).exists()
    assert (run.path / HANDOFF_CSV).read_bytes() == before


def test_labels_that_were_never_read_are_not_written_over(run, tmp_path, images, capsys):
    call(run.path, "--out", tmp_path / "out")
    fill(tmp_path / "out" / "handoff.csv", {str(images[0]): "scratch"})
    assert call(run.path, "--out", tmp_path / "out") == 2
    assert "holds labels that are in no ledger" in capsys.readouterr().err
    assert labels_in(tmp_path / "out" / "handoff.csv")[0] == ("scratch", "")


def test_decided_labels_outlive_a_run_that_groups_otherwise(run, tmp_path, images):
    decide(run)
    call(run.path, "--out", tmp_path / "before")
    rows = run.load_images()
    ids, paths = rows["image_id"].tolist()[::-1], [(path,) for path in rows["path"]][::-1]
    save_clusters(run, ids, tuple(paths), [0] * 6)
    assert call(run.path, "--out", tmp_path / "after") == 0
    assert sorted(labels_in(tmp_path / "after" / "handoff.csv")) == sorted(
        labels_in(tmp_path / "before" / "handoff.csv")
    )
    # a file that went out before the images were grouped anew is still taken back
    fill(tmp_path / "before" / "handoff.csv", {str(images[3]): "bridge"})
    assert call(run.path, "--read", tmp_path / "before") == 0
    assert ("bridge", "human") in labels_in(run.path / HANDOFF_CSV)


@pytest.mark.parametrize("artefact", [CLUSTERING, PROPOSALS])
def test_typed_labels_are_taken_in_although_the_clusters_are_damaged(run, images, artefact):
    call(run.path, "--out", run.path)
    fill(run.path / HANDOFF_CSV, {str(images[0]): "scratch"})
    (run.path / artefact).unlink()
    taken = absorb_handoff(run, by="eva", at="2026-11-24T10:00:00+00:00")
    assert taken.labelled == 1
    assert read_decisions(run.path / LEDGER)[0].label == "scratch"


def test_nothing_is_taken_in_where_nobody_edited(run):
    assert absorb_handoff(run, by="eva", at="") is None
    call(run.path, "--out", run.path)
    assert absorb_handoff(run, by="eva", at="") is None


def test_labels_that_are_nearly_the_same_are_pointed_out(run, images, capsys):
    decide(run)
    assert call(run.path) == 0
    fill(run.path / HANDOFF_CSV, {str(images[3]): "Scratch"})
    assert call(run.path) == 0
    assert "'Scratch' and 'scratch'" in capsys.readouterr().err
    # Said once, and not with every command.
    assert call(run.path) == 0
    assert "nearly the same" not in capsys.readouterr().err


@pytest.mark.parametrize("other", ["Label", "LABEL"])
def test_a_column_that_is_called_nearly_label_is_told(run, images, tmp_path, capsys, other):
    assert call(run.path) == 0
    frame = pd.read_csv(run.path / HANDOFF_CSV, dtype="str", keep_default_na=False)
    frame[other] = "scratch"
    frame.to_csv(tmp_path / "filled.csv", index=False)
    shutil.copy(run.path / "handoff.json", tmp_path / "filled.json")
    capsys.readouterr()
    assert call(run.path, "--read", tmp_path / "filled.csv") == 0
    told = capsys.readouterr().err
    assert f"the column {other}, {len(frame)} cells, is not read" in told


# -- exports


@pytest.mark.parametrize("kind", ["csv", "coco"])
def test_a_run_that_cannot_be_written_to_is_exported(run, tmp_path, capsys, monkeypatch, kind):
    decide(run)
    assert call(run.path) == 0
    fill(run.path / HANDOFF_CSV, {"no such image": "x"})  # as a spreadsheet saves it, unchanged
    before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    access = os.access  # rights do not hold for root
    monkeypatch.setattr(os, "access", lambda place, how: place != run.path and access(place, how))
    assert call(run.path, "--out", tmp_path / "out", "--format", kind) == 0
    assert f"WARNING: {run.path} cannot be written to" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir())
    assert before == {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}


def test_imagefolder(run, tmp_path, capsys):
    decide(run)
    decide(run, 1, "defect/void")
    out = tmp_path / "out"
    assert call(run.path, "--out", out, "--format", "imagefolder") == 0
    assert "left out: 1 row without a label" in capsys.readouterr().out
    first = run.load_images()["image_id"][2]
    last = "pages#1@-4_0_16_16.png"
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.*")) == [
        f"defect__void/{last}", "defect__void/two.png", "images.csv", "scratch/one.png",
        f"scratch/one_{first}.png", "scratch/two.png",
    ]  # fmt: skip
    assert ImageFolder(out).classes == ["defect__void", "scratch"]
    original = tifffile.imread(tmp_path / "images" / "pages.tif")[1]
    crop = np.asarray(Image.open(out / "defect__void" / last))
    assert (crop.dtype, crop.shape) == (np.uint8, (16, 16))
    # The levels are spread, and stand in the order in which they were.
    inside = original[:16, :12].astype(float)
    assert np.corrcoef(crop[:, 4:].ravel(), inside.ravel())[0, 1] > 0.9999
    assert np.array_equal(crop[:, 0], crop[:, 4])  # beyond the edge the edge goes on
    assert (out / "scratch" / "one.png").read_bytes() == (
        tmp_path / "images" / "a" / "one.png"
    ).read_bytes()


def test_fiftyone(run, tmp_path):
    decide(run)
    out = tmp_path / "out"
    assert call(run.path, "--out", out, "--format", "fiftyone") == 0
    values = json.loads((out / "labels.json").read_text())
    assert values["classes"] == ["scratch"]
    assert sorted(values["labels"]) == sorted(path.stem for path in (out / "data").iterdir())
    assert sorted(values["labels"]) == sorted(run.load_images()["image_id"][:3])


def test_coco(run, tmp_path):
    decide(run)
    decide(run, 1, "defect/void")
    assert call(run.path, "--out", tmp_path / "out", "--format", "coco") == 0
    values = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [(c["name"], c["supercategory"]) for c in values["categories"]] == [
        ("defect/void", "defect"), ("scratch", ""),
    ]  # fmt: skip
    boxes = {a["attributes"]["image_id"]: a["bbox"] for a in values["annotations"]}
    ids = run.load_images()["image_id"]
    assert boxes[ids[0]] == [0, 0, 30, 20]
    assert boxes[ids[4]] == [0, 0, 12, 16]  # 16 wide from -4: what lies in the picture
    assert {a["image_id"] for a in values["annotations"]} == {i["id"] for i in values["images"]}
    assert [(i["width"], i["height"]) for i in values["images"]] == [(30, 20)] * 4 + [(24, 24)]


def test_label_studio(run, tmp_path):
    decide(run)
    decide(run, 1, 'a "b" & c', scope="image")
    assert call(run.path, "--out", tmp_path / "out", "--format", "label-studio") == 0
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    assert [sorted(task) for task in tasks] == [
        *[["data", "predictions"]] * 3, *[["annotations", "data"]] * 2, ["data"],
    ]  # fmt: skip
    assert tasks[0]["predictions"][0]["score"] == 0.75
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"choices": ["scratch"]}
    assert tasks[0]["data"]["image"].startswith("/data/local-files/?d=")
    assert (tasks[4]["data"]["page"], tasks[4]["data"]["region"]) == (1, [-4, 0, 16, 16])
    config = (tmp_path / "out" / "label_config.xml").read_text()
    assert "value='a \"b\" &amp; c'" in config


def test_klarf_is_read_by_the_projects_own_parser(run, tmp_path):
    decide(run)
    decide(run, 1, "scratch/deep")
    assert call(run.path, "--out", tmp_path / "out", "--format", "klarf") == 0
    klarf = parse_klarf((tmp_path / "out" / "handoff.klarf").read_text())
    defects = klarf.defects
    assert [str(value) for value in defects["CLASSNUMBER"]] == ["1", "1", "1", "2", "2", "0"]
    assert [str(value) for value in defects["ROUGHBINNUMBER"]] == ["1"] * 5 + ["0"]
    assert [str(value) for value in defects["CLUSTERNUMBER"]] == ["1", "1", "1", "2", "2", "0"]


def test_images_that_are_gone_are_left_out_and_told(run, tmp_path, images, capsys):
    decide(run)
    images[0].unlink()
    for kind in ("imagefolder", "coco"):
        assert call(run.path, "--out", tmp_path / kind, "--format", kind) == 0
        said = capsys.readouterr()
        assert "1 unreadable image" in said.out
        assert str(images[0]) in said.err


# -- a user's mistakes


def lose(artefact):
    return lambda run: (run.path / artefact).unlink()


def fill_folder(run):
    decide(run)
    (run.path / "full").mkdir()
    (run.path / "full" / "x").write_text("")


def break_ledger(run):
    (run.path / LEDGER).write_text("{\n{\n")


def nothing(run):
    pass


MISTAKES = {
    "format without out": (nothing, ["{run}", "--read", "x", "--format", "coco"], "needs --out"),
    "no run": (nothing, ["{run}/none", "--out", "x"], "is not a folder"),
    "not a run": (nothing, ["{run}/..", "--out", "x"], "has no run.json"),
    "no clustering": (lose(CLUSTERING), ["{run}", "--out", "x"], "has no clustering.parquet"),
    "no proposals": (lose(PROPOSALS), ["{run}", "--out", "x"], "has no proposals.csv"),
    "read nothing": (nothing, ["{run}", "--read", "{run}/no.csv"], "no.csv does not exist"),
    "read a folder without": (nothing, ["{run}", "--read", "{run}/.."], "does not exist"),
    "read no text": (nothing, ["{run}", "--read", "{run}/clustering.parquet"], "is a Parquet file"),
    "out is a file": (nothing, ["{run}", "--out", "{run}/run.json"], "cannot write"),
    "unknown format": (nothing, ["{run}", "--out", "x", "--format", "xml"], "xml"),
    "nothing labelled": (
        nothing,
        ["{run}", "--out", "{run}/x", "--format", "imagefolder"],
        "none has a label",
    ),
    "a full folder": (
        fill_folder,
        ["{run}", "--out", "{run}/full", "--format", "fiftyone"],
        "is not an empty folder",
    ),
}


def test_a_damaged_ledger_is_told_and_the_rest_counts(run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    break_ledger(run)
    assert call(run.path, "--out", "x") == 0
    assert f"{LEDGER}: lines 1, 2 are damaged and do not count" in capsys.readouterr().err
    assert (run.path / LEDGER).with_suffix(".damaged").exists()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_users_mistake_is_one_line_and_exit_code_2(run, name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare, words, text = MISTAKES[name]
    prepare(run)
    code = call(*(word.format(run=run.path) for word in words))
    error = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(error) == 1
    assert text in error[0]
