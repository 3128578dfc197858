"""The classifier as a user meets it: train from a handoff, predict, evaluate, back to discovery.

One model is trained from a real run whose clusters a person named; a line of error for the rest.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from discovery.classifier import folds, networks
from discovery.classify import Classify, main
from discovery.flow.__main__ import ClusterCommand, run_round
from discovery.handoff import HandoffOptions
from discovery.handoff import main as write_handoff
from discovery.ledger import append_decisions
from discovery.records import Decision
from discovery.runs import open_run
from embeddings.console import run_command
from embeddings.store import open_store

PROG = "python -m discovery.classify"
TYPES = {"lines": "no_defect", "waves": "defect/waves", "blob": "defect/blob"}


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def last(self):
        return self.out.strip().splitlines()[-1]

    @property
    def error(self):
        """The one line of a user's error; nothing else may come with it but the log."""
        lines = [line for line in self.err.splitlines() if not line[:2].isdigit()]
        assert 1 == len(lines), self.err
        assert lines[0].startswith(f"{PROG}: error: "), self.err
        assert 2 == self.code
        return lines[0].removeprefix(f"{PROG}: error: ")


@pytest.fixture
def call(capsys):
    def run(*words):
        capsys.readouterr()
        code = run_command(main, Classify, prog=PROG, args=[str(word) for word in words])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """Train networks for few of their steps: these kinds are learned by then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "FOLDS", 3)
        patch.setattr(networks, "_LEAST_STEPS", 60)
        yield


@pytest.fixture(scope="module")
def handoff(four, tmp_path_factory):
    """The handoff of a run of which three of the four clusters were named by a person."""
    root = tmp_path_factory.mktemp("named")
    run = open_run(shutil.copytree(four, root / "run"))
    images = run.load_images()
    kinds = images["path"].str.extract(r"(\w+)_\d+\.png")[0]
    for proposal in run.load_proposals():
        mine = images["cluster_id"] == proposal.cluster_id
        label = TYPES.get(kinds[mine].mode()[0])
        if label:
            decision = Decision(
                proposal_id=proposal.proposal_id, verdict="accept", label=label, by="eva",
                at="2026-11-24T10:00:00+00:00", image_ids=tuple(images.loc[mine, "image_id"]),
            )  # fmt: skip
            append_decisions(root / "run" / "decisions.jsonl", [decision])
    write_handoff(HandoffOptions(run=root / "run", out=root / "handoff"))
    return root / "handoff"


@pytest.fixture(scope="module")
def model(few_steps, handoff, tmp_path_factory):
    """A model trained from it; nobody writes into it."""
    out = tmp_path_factory.mktemp("trained") / "model"
    words = ["train", handoff, "--out", out, "--epochs", 8, "--seed", 1]
    assert 0 == run_command(main, Classify, prog=PROG, args=[str(word) for word in words])
    return out


@pytest.fixture(scope="module")
def predicted(model, pictures, tmp_path_factory):
    """Answers to all pictures, those of the kind nobody named among them."""
    out = tmp_path_factory.mktemp("predicted") / "predictions.csv"
    words = ["predict", model, pictures / "images", "--out", out]
    assert 0 == run_command(main, Classify, prog=PROG, args=[str(word) for word in words])
    return out


def read(path):
    return pd.read_csv(path, dtype="str", keep_default_na=False)


def test_the_model_learned_what_was_named(model, handoff):
    content = json.loads((model / "model.json").read_text())
    assert {"no_defect", "defect/waves", "defect/blob"} == set(content["training"]["types"])
    said = json.loads((handoff / "handoff.json").read_text())
    assert said["sha256"] == content["training"]["sha256"]
    assert said["store"]["spec"] == content["spec"]
    assert content["training"]["left_out"] >= 10
    assert content["training"]["weighted"] > 0


def test_training_says_the_tree_the_figures_and_that_it_has_no_weights(call, handoff, tmp_path):
    ran = call("train", handoff / "handoff.csv", "--out", tmp_path / "m", "--epochs", 1)
    assert 0 == ran.code
    assert ran.out.startswith("defect\n  blob\n  waves\nno_defect\n")
    assert "held-out accuracy" in ran.out
    assert "no network: it sees by texture descriptors" in ran.out
    assert str(tmp_path / "m") == ran.last
    assert "known 45 vectors" in ran.err


def test_predictions_have_the_columns_of_the_contract(predicted, finished):
    rows = read(predicted)
    columns = ["image_id", "path", "label", "confidence", "verdict", "p_L1", "p_L2"]
    assert columns == list(rows.columns[:7])
    assert 60 == len(rows)
    assert sorted(open_store(finished / "store").ids().tolist()) == sorted(rows["image_id"])
    assert set(rows["verdict"]) <= {"named", "unknown", "undecided"}
    kinds = rows["path"].str.extract(r"(\w+)_\d+\.png")[0].map(TYPES)
    known = kinds.notna()
    named = known & (rows["verdict"] == "named")
    assert named.sum() >= 20
    assert (rows["label"] == kinds)[named].mean() > 0.9
    strange = rows["verdict"][~known] != "named"
    assert strange.mean() > 0.5
    assert not predicted.with_suffix(".quarantine.csv").exists()


def test_a_store_and_its_images_are_answered_alike(call, model, predicted, finished, tmp_path):
    ran = call("predict", model, finished / "store", "--out", tmp_path / "p.csv")
    assert (0, str(tmp_path / "p.csv")) == (ran.code, ran.last)
    columns = ["image_id", "path", "verdict", "forced"]
    first, second = (read(p)[columns].sort_values("path") for p in (predicted, tmp_path / "p.csv"))
    assert first.to_numpy().tolist() == second.to_numpy().tolist()


def test_what_is_not_named_goes_back_to_discovery(predicted, pictures, tmp_path, capsys):
    rows = read(predicted)
    wanted = set(rows.loc[rows["verdict"] != "named", "image_id"])
    assert wanted
    words = [pictures / "images", "--out", tmp_path / "run", "--only", predicted,
             "--extractor", "texture", "agglomerative", "--n-clusters", "2"]  # fmt: skip
    code = run_command(
        run_round, ClusterCommand, prog="cluster", args=[str(word) for word in words]
    )
    assert 0 == code, capsys.readouterr().err
    assert wanted == set(open_run(tmp_path / "run").load_images()["image_id"])


def test_the_rest_is_answered_where_files_are_broken(call, model, pictures, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for path in sorted((pictures / "images").iterdir())[::20]:
        shutil.copyfile(path, folder / path.name)
    shutil.copyfile(next(folder.glob("blob*")), folder / "copy.png")
    (folder / "broken.png").write_bytes(b"no picture")
    wide = np.random.default_rng(0).integers(0, 4000, (48, 48)).astype(np.uint16)
    Image.fromarray(wide).save(folder / "wide.tif")
    ran = call("predict", model, folder, "--out", tmp_path / "p.csv")
    assert 0 == ran.code
    assert "1 file not readable" in ran.out
    assert "trained without pictures of the kind uint16" in ran.err
    assert len(list(folder.iterdir())) - 1 == len(read(tmp_path / "p.csv"))
    assert [str(folder / "broken.png")] == read(tmp_path / "p.quarantine.csv")["path"].tolist()
    (folder / "broken.png").unlink()
    assert 0 == call("predict", model, folder, "--out", tmp_path / "p.csv").code
    assert not (tmp_path / "p.quarantine.csv").exists()


def test_tiles_boxes_and_lists(call, model, pictures, tmp_path):
    image = pictures / "images" / "blob_00.png"
    out = tmp_path / "p.csv"
    assert 0 == call("predict", model, image, "--out", out, "--tile", 32).code
    assert read(out)["image_id"].str.contains("@").all()
    assert len(read(out)) > 1
    (tmp_path / "b.csv").write_text(f"path,xmin,ymin,xmax,ymax\n{image},4,4,30,30\n")
    words = ("predict", model, pictures / "images", "--out", out)
    assert 0 == call(*words, "--boxes", tmp_path / "b.csv").code
    assert [str(image)] == read(out)["path"].tolist()
    (tmp_path / "l.csv").write_text(f"path\n{image}\n{pictures / 'images' / 'gone.png'}\n")
    assert 0 == call("predict", model, tmp_path / "l.csv", "--out", out).code
    assert ["file not found"] == read(out.with_suffix(".quarantine.csv"))["reason"].tolist()
    (tmp_path / "o.csv").write_text(f"path\n{image}\n")
    assert 0 == call(*words, "--only", tmp_path / "o.csv", "--exclude", "lines*").code
    assert 1 == len(read(out))


def test_evaluate_writes_the_scores_and_a_page_of_its_own(call, model, pictures, tmp_path):
    table = read(pictures / "truth.csv")
    table["path"] = str(pictures) + os.sep + table["path"]
    table["label"] = table["label"].map(TYPES).fillna("defect/checks")
    table.to_csv(tmp_path / "truth.csv", index=False)
    ran = call("evaluate", model, tmp_path / "truth.csv", "--out", tmp_path / "metrics.json")
    assert (0, str(tmp_path / "metrics.json")) == (ran.code, ran.last)
    scores = json.loads((tmp_path / "metrics.json").read_text())
    assert {"accuracy", "flat_accuracy", "levels", "coverage", "ece", "aurc"} <= set(scores)
    assert (45, {"L1", "L2"}) == (scores["n"], set(scores["levels"]))
    assert scores["accuracy"] > 0.9
    assert (["defect/checks"], 15) == (
        scores["unlearned"]["types"], scores["unlearned"]["n_unknown"],
    )  # fmt: skip
    page = (tmp_path / "metrics.html").read_text()
    assert "flat: linear, on all features" in page
    assert "Types the classifier never saw" in page
    assert scores["made_at"] in page
    assert not [word for word in ('src="http', 'href="http', "@import") if word in page]


def test_it_runs_as_a_program_without_a_warning(model, pictures, tmp_path):
    def run(*words):
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "discovery.classify", *map(str, words)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    image = pictures / "images" / "blob_00.png"
    done = run("predict", model, image, "--out", tmp_path / "p.csv")
    assert 0 == done.returncode, done.stderr
    assert str(tmp_path / "p.csv") == done.stdout.splitlines()[-1]
    assert "Warning" not in done.stderr


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ((), ("train", "predict", "evaluate")),
        (("train",), ("HANDOFF", "--out MODEL", "--weights", "--ignore-store", "--seed")),
        (("predict",), ("MODEL", "SOURCE", "--out CSV", "--tile", "--boxes", "--only")),
        (("evaluate",), ("MODEL", "TRUTH", "--out JSON")),
    ],
)
def test_help(words, flags, capsys):
    with pytest.raises(SystemExit) as ended:
        run_command(main, Classify, prog=PROG, args=[*words, "--help"])
    assert ended.value.code in (0, None)
    text = capsys.readouterr().out
    assert all(flag in text for flag in flags)


# Words of the command line -> what its one line must say.
WRONG = [
    ("", "train"),
    ("learn {truth}", "learn"),
    ("train", "HANDOFF"),
    ("train {truth}", "--out"),
    ("train {truth} --out {out} --epochs many", "--epochs"),
    ("train {truth} --out {out} --target-purity 2", "--target-purity 2"),
    ("train {truth} --out {out} --tile 64", "--tile has no effect here"),
    ("train {truth} --out {out} --only {truth}", "--only has no effect here"),
    ("train {truth} --out {out} --extractor texture --finetune", "--finetune needs ResNet-50"),
    ("train {other} --out {out} --weights {gone}", "gone"),
    ("train {truth} --out {images}", "is not empty and holds no model"),
    ("train {truth} --out {truth}", "is a file"),
    ("train {gone} --out {out}", "does not exist"),
    ("train {images} --out {out}", "handoff.csv does not exist"),
    ("train {one} --out {out} --extractor texture", "hold one type"),
    ("train {handoff} --out {out} --extractor resnet50", "texture"),
    ("predict {model} {images}", "--out"),
    ("predict {gone} {images} --out {out}", "is not a model"),
    ("predict {truth} {images} --out {out}", "Not a directory"),
    ("predict {model} {gone} --out {out}", "does not exist"),
    ("predict {model} {images} --out {images}", "is a folder, expected a file"),
    ("predict {model} {truth} --out {truth}", "it would be lost"),
    ("predict {model} {images} --out {truth}/p.csv", "is a file, expected a folder"),
    ("predict {model} {images} --out {out} --weights x", "--weights"),
    ("predict {model} {images} --out {out} --tile 4", "--tile 4: expected 16"),
    ("predict {model} {images} --out {out} --tile 64 --boxes {truth}", "--tile and --boxes"),
    ("predict {model} {store} --out {out} --tile 64", "has no effect on a store"),
    ("evaluate {model} {gone} --out {out}", "does not exist"),
    ("evaluate {model} {other} --out {out}", "labels must be written alike"),
    ("evaluate {model} {truth} --out {truth}", "it would be lost"),
    ("evaluate {model} {truth} --out x.html", "expected a name that ends in .json"),
    ("evaluate {model} {truth} --out {out} --tile 64", "--tile has no effect here"),
]


@pytest.mark.parametrize(("words", "expected"), WRONG, ids=[words for words, _ in WRONG])
def test_a_users_error_is_one_line(
    words, expected, call, model, pictures, handoff, finished, tmp_path
):
    (tmp_path / "one.csv").write_text(f"path,label\n{pictures / 'images' / 'blob_00.png'},pit\n")
    places = {
        "truth": shutil.copyfile(pictures / "truth.csv", tmp_path / "truth.csv"),
        "images": pictures / "images", "model": model, "out": tmp_path / "out",
        "gone": tmp_path / "gone", "one": tmp_path / "one.csv", "handoff": handoff,
        "store": finished / "store", "other": pictures / "truth.csv",
    }  # fmt: skip
    ran = call(*(word.format(**places) for word in words.split()))
    assert expected in ran.error
    assert not (tmp_path / "out").exists()
