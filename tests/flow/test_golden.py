"""What earlier versions wrote is read by every command, and answered as they answered it."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from discovery import open_review
from discovery.ledger import read_decisions

VERSIONS = Path(__file__).resolve().parents[1] / "golden"
GOLDEN = VERSIONS / "version_0_1"
# The pictures of all versions are those of the first one.
SHARED = ("images1", "images2", "metadata.csv", "truth.csv", "truth2.csv")
# sha256 of the random weights; another build of torch may draw others, and then they are not his.
RANDOM_WEIGHTS = "a12aadfd1bce527e9810a9d13872d75b6fbf5666eaa7187d1e655dc176a62b2d"


# Many commands in one process: most of what each takes is the loading of its modules.
CHILD = """
import contextlib, io, json, os, sys
from discovery.__main__ import main
for line in sys.stdin:
    folder, words = json.loads(line)
    os.chdir(folder)
    said, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        code = main(words)
    print(json.dumps([code, said.getvalue(), errors.getvalue()]), flush=True)
"""


@pytest.fixture(params=["version_0_1", "version_0_2"])
def golden(request, tmp_path):
    """Return a copy to write into."""
    folder = shutil.copytree(VERSIONS / request.param, tmp_path / "golden")
    for name in SHARED:
        if not (folder / name).exists():
            copy = shutil.copytree if (GOLDEN / name).is_dir() else shutil.copy
            copy(GOLDEN / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def child():
    """A process that runs one command after the other."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CHILD], **pipes) as process:
        yield process
        process.stdin.close()
        process.wait(60)


@pytest.fixture
def command(child):
    """Return a function that runs a command in a folder, and gives what it printed."""

    def run(module, *words, cwd):
        words = [module.rpartition(".")[2], *map(str, words)]
        child.stdin.write(json.dumps([str(cwd), words]) + "\n")
        child.stdin.flush()
        code, said, errors = json.loads(child.stdout.readline())
        assert (code, ".jsonl" in errors) == (0, False), errors
        return said

    return run


def read_table(path):
    """Read a CSV with paths cut to their file names: the folders are others now."""
    table = pd.read_csv(path, keep_default_na=False, dtype={"wafer": str})
    return table.assign(path=[Path(p).name for p in table["path"]])


def check_answers(found, expected, figures):
    """Hold answers against those of version 0.1: words to the letter, figures to four digits."""
    order = ["image_id", "path"]
    found, expected = (
        read_table(path).sort_values(order).reset_index(drop=True) for path in (found, expected)
    )
    assert list(found.columns) == list(expected.columns)
    for column in found.columns:
        if column in figures:
            assert found[column].to_numpy() == pytest.approx(expected[column].to_numpy(), abs=2e-4)
        else:
            assert found[column].tolist() == expected[column].tolist()


def test_a_run_is_scored_as_it_was(golden, command):
    command("discovery.evaluate", "run", "truth.csv", "--out", "again.json", cwd=golden)
    again = json.loads((golden / "again.json").read_text())
    expected = json.loads((golden / "metrics.json").read_text())
    assert {key: again[key] for key in expected} == expected


def test_a_handoff_is_written_again_word_for_word(golden, command):
    command("discovery.handoff", "run", "--out", "again", cwd=golden)
    assert (golden / "again" / "handoff.csv").read_bytes() == (
        golden / "handoff" / "handoff.csv"
    ).read_bytes()
    was = json.loads((golden / "handoff" / "handoff.json").read_text())
    now = json.loads((golden / "again" / "handoff.json").read_text())
    assert set(was) <= set(now)
    same = ("format", "version", "run_id", "sha256", "types", "counts")
    assert {key: now[key] for key in same if key in was} == {
        key: was[key] for key in same if key in was
    }


def test_new_images_are_assigned_as_they_were(golden, command):
    command("discovery.assign", "run", "images2", "--out", "again.csv", cwd=golden)
    check_answers(golden / "again.csv", golden / "assigned.csv", {"confidence", "novelty"})


def test_a_run_goes_on_with_its_ids_and_decisions(golden, command):
    ledger = (golden / "run" / "decisions.jsonl").read_bytes()
    before = pd.read_csv(golden / "run" / "proposals.csv")
    labels = read_table(golden / "run" / "handoff.csv").set_index("image_id")["label"]
    out = command(
        "discovery.cluster", "images1", "--out", "run", "--extractor", "texture",
        "--metadata", "metadata.csv", cwd=golden,
    )  # fmt: skip
    assert out.strip().splitlines()[-1] == "run: computed 0, reused 38, quarantined 1, ignored 0"
    assert (golden / "run" / "decisions.jsonl").read_bytes() == ledger
    after = pd.read_csv(golden / "run" / "proposals.csv")
    assert list(before.columns) == list(after.columns)[: len(before.columns)]
    assert sorted(after["proposal_id"]) == sorted(before["proposal_id"])
    again = read_table(golden / "run" / "handoff.csv").set_index("image_id")["label"]
    assert again.to_dict() == labels.to_dict()


def test_a_ledger_is_read_by_a_review_and_chained_on(golden):
    ledger = golden / "run" / "decisions.jsonl"
    before, old = read_decisions(ledger), ledger.read_bytes()
    with open_review(golden / "run", by="eva") as review:
        assert (review.revision, review.ledger_fault) == (len(before), "")
        review.move([0], "new")
    assert ledger.read_bytes().startswith(old)
    assert len(read_decisions(ledger)) == len(before) + 1
    assert not list((golden / "run").glob("decisions.[dt]*"))  # none damaged, none torn


def test_a_filled_handoff_is_taken_back(golden, command):
    handoff = golden / "handoff" / "handoff.csv"
    rows = read_table(handoff)
    table = pd.read_csv(handoff, keep_default_na=False, dtype=str)
    place = table.index[table["label"] == ""][0]
    table.loc[place, "label"] = "defect/new"
    table.to_csv(handoff, index=False)
    command("discovery.handoff", "run", "--read", "handoff/handoff.csv", cwd=golden)
    labels = read_table(golden / "run" / "handoff.csv").set_index("image_id")["label"]
    assert labels[rows["image_id"][place]] == "defect/new"
    assert (labels == "defect/new").sum() == 1


def test_a_handoff_says_what_is_known(golden, command):
    # The labelled images are read where the handoff says they are.
    handoff = golden / "handoff" / "handoff.csv"
    rows = handoff.read_text()
    assert "/data/lot1/" in rows
    handoff.write_text(rows.replace("/data/lot1", str(golden / "images1")))
    # With other paths it is a table like any other: handoff.json says what was written.
    (golden / "handoff" / "handoff.json").unlink()
    command(
        "discovery.cluster", "images2", "--out", "run2", "--extractor", "texture",
        "--known", "handoff/handoff.csv", "--keep-matches", cwd=golden,
    )  # fmt: skip
    proposals = pd.read_csv(golden / "run2" / "proposals.csv")
    assert proposals["nearest_known"].str.startswith("defect/").all()


@pytest.mark.parametrize("golden", ["version_0_1", "version_0_2", "version_0_3"], indirect=True)
def test_a_classifier_answers_as_it_did(golden, command):
    command("discovery.classify", "predict", "model", "images2", "--out", "again.csv", cwd=golden)
    expected = read_table(golden / "predictions.csv")
    figures = {name for name in expected if name in ("confidence", "novelty") or name[:2] == "p_"}
    check_answers(golden / "again.csv", golden / "predictions.csv", figures)


def test_a_store_is_searched_as_it_was(golden, command):
    out = command("embeddings.search", "run/store", "images2/blob_00.png", "-k", 5, cwd=golden)
    (golden / "again.txt").write_text(out)
    check_answers(golden / "again.txt", golden / "search.txt", {"distance"})


@pytest.mark.parametrize("golden", ["version_0_1"], indirect=True)
def test_vectors_of_a_network_are_not_computed_again(golden, command):
    import torch
    from safetensors.torch import save_file
    from torchvision.models import resnet50

    torch.manual_seed(0)
    tensors = {k: v for k, v in resnet50().state_dict().items() if not k.startswith("fc.")}
    weights = golden / "random.safetensors"
    save_file(tensors, weights)
    if hashlib.sha256(weights.read_bytes()).hexdigest() != RANDOM_WEIGHTS:
        pytest.skip("this build of torch draws other random weights than version 0.1 had")
    out = command(
        "embeddings.extract", "images2", "--store", "store_resnet50", "--weights", weights,
        cwd=golden,
    )  # fmt: skip
    expected = "store_resnet50: computed 0, reused 12, quarantined 0, ignored 0, 12 vectors"
    assert out.strip().splitlines()[-1] == expected
    found = command(
        "embeddings.search", "store_resnet50", "images2/blob_00.png", "--weights", weights,
        cwd=golden,
    ).splitlines()  # fmt: skip
    assert found[1].split(",")[0] == "1"
    assert Path(found[1].split(",")[3]).name == "blob_00.png"
    assert float(found[1].split(",")[1]) == pytest.approx(0, abs=5e-3)


def test_a_detector_has_the_tensors_it_had(golden):
    from discovery.detector.model import MODEL_JSON, _make_spec, _read_json
    from discovery.detector.network import build_detector

    (golden / "detector.json").rename(golden / MODEL_JSON)
    held = _read_json(golden)
    network = build_detector(_make_spec(held["spec"]))
    shapes = {
        name: [str(value.dtype).removeprefix("torch."), *value.shape]
        for name, value in network.state_dict().items()
    }
    assert shapes == json.loads((golden / "detector_tensors.json").read_text())
