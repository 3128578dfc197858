"""The whole circle: a round, its review with a split and the rest grouped again, the next lot."""

import shutil
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from discovery import AgglomerativeOptions, RoundOptions, discover_types, open_review
from discovery.assign import AssignCommand
from discovery.assign import main as assign
from discovery.classifier import folds, networks
from discovery.classify import Classify
from discovery.classify import main as classify
from discovery.review.server import ReviewApi
from discovery.runs import open_run
from discovery.runs.lineage import LINEAGE, read_lineage
from embeddings.console import run_command
from embeddings.extract import ExtractOptions

KINDS = ("lines", "waves", "blob", "checks")
OPTIONS = RoundOptions(
    extract=ExtractOptions(extractor="texture"), clusterer=AgglomerativeOptions(n_clusters=3)
)


def kinds_of(paths):
    return np.array([path.rpartition("/")[2].partition("_")[0] for path in paths])


def kinds_in(review):
    return kinds_of(own[0] for own in review.data.paths)


def accept_parts(review, prefix):
    """Name each open proposal that a split or the rest gave by its kind; look at three images."""
    kinds = kinds_in(review)
    for part in review.state.proposals:
        if part.status == "open" and part.number.startswith(prefix):
            (kind,) = set(kinds[part.images].tolist())
            review.accept(part.proposal_id, f"defect/{kind}", shown=part.images[:3])


def regroup(review):
    """Cluster the rest again as the page does, and wait for it."""
    api = ReviewApi(review)
    deadline = time.monotonic() + 120
    try:
        job = api.call("start_regroup", {}).json["job"]
        while (told := api.call("job", {"id": job}).json)["status"] == "running":
            assert time.monotonic() < deadline, told
            time.sleep(0.02)
    finally:
        api.close()
    assert told["status"] == "done", told


def labels_of(review):
    """Return the label of each path, as the review has it."""
    state = review.state
    names = (*state.labels, "")
    own = zip(review.data.paths, state.label_codes.tolist(), strict=True)
    return {path: names[code] for paths, code in own for path in paths}


def read(path):
    return pd.read_csv(path, dtype="str", keep_default_na=False)


def read_labels(run):
    rows = read(run / "handoff.csv")
    return dict(zip(rows["path"], rows["label"], strict=True))


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """Train networks for few of their steps: these kinds are learned by then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "FOLDS", 3)
        patch.setattr(networks, "_LEAST_STEPS", 60)
        yield


@pytest.fixture(scope="module")
def lot(pictures, tmp_path_factory):
    """A folder of pictures, to which more are added for the next round."""
    return shutil.copytree(pictures / "images", tmp_path_factory.mktemp("lot") / "images")


@pytest.fixture(scope="module")
def first(lot, tmp_path_factory):
    """Three clusters for four kinds: one is split, one partly named, one left to be grouped."""
    run = tmp_path_factory.mktemp("circle") / "run"
    discover_types(lot, run, options=OPTIONS)
    with open_review(run, by="eva") as review:
        kinds = kinds_in(review)
        mixed, other, _ = sorted(review.state.proposals, key=lambda one: -len(one.images))
        of = kinds[mixed.images]
        review.split(mixed.proposal_id, [mixed.images[of == kind] for kind in sorted(set(of))])
        accept_parts(review, f"{mixed.number}.")
        review.move(other.images[:9], f"defect/{kinds[other.images[0]]}")
        regroup(review)
        accept_parts(review, "R")
    return run


@pytest.fixture(scope="module")
def second(first, lot, drawing, tmp_path_factory):
    """The next round into the same run: six more of each kind, and of a new one."""
    run = shutil.copytree(first, tmp_path_factory.mktemp("again") / "run")
    for number, kind in enumerate((*KINDS, "rings")):
        drawing(lot / "second", kind, 6, seed=200 + number)
    clusterer = replace(OPTIONS.clusterer, n_clusters=5)
    discover_types(lot, run, options=replace(OPTIONS, clusterer=clusterer))
    return run


def test_what_was_named_stands_in_the_handoff_and_in_the_sheet(first):
    named = {path: label for path, label in read_labels(first).items() if label}
    assert len(named) > 50
    assert [f"defect/{kind}" for kind in kinds_of(named)] == list(named.values())
    sheet = read(first / "types.csv")
    assert (sheet["verdict"] == "split").sum() == 1
    (split,) = sheet.loc[sheet["verdict"] == "split", "named_images"]
    assert split.count("defect/") == 2


def test_the_next_round_keeps_the_labels_and_the_lineage(first, second):
    before, after = read_labels(first), read_labels(second)
    assert {path: after[path] for path in before} == before
    assert {label for path, label in after.items() if path not in before} == {""}
    history = read_lineage(second / LINEAGE)
    ids = {one.proposal_id for one in open_run(second).load_proposals()}
    assert [set(entry.proposals) for entry in history][-1] == ids
    # Parts are the review's own: no cluster takes over the id of one.
    parts = {name for entry in history for name in entry.proposals if "." in name or name[0] == "R"}
    assert len(history) == 2
    assert not parts
    named = " ".join(read(second / "types.csv")["named_images"])
    assert all(f"defect/{kind}" in named for kind in KINDS)


def test_the_review_of_the_next_round_goes_on(first, second, tmp_path):
    run = shutil.copytree(second, tmp_path / "run")
    before = read_labels(first)
    with open_review(run, by="eva") as review:
        found = labels_of(review)
        assert {path: found[path] for path in before} == before
        there = [one for one in review.state.proposals if len(one.images)]
        # What was grouped of the rest belonged to the clusters of that time.
        assert not any(one.number.startswith("R") for one in there)
        newcomers = [place for place, own in enumerate(review.data.paths) if "/second/" in own[0]]
        assert np.isin(newcomers, review.state.left).all()
        regroup(review)
        again = [one for one in review.state.proposals if one.number.startswith("R")]
        # Their names are new ones: the ledger knows the parts of before.
        assert min(int(one.number[1:]) for one in again) > 1
        accept_parts(review, "R")
        kinds = kinds_in(review)
        rest = review.state.left
        if len(rest):
            review.settle(
                {f"defect/{kind}": rest[kinds[rest] == kind] for kind in set(kinds[rest])}
            )
        assert set(review.state.labels) == {f"defect/{kind}" for kind in (*KINDS, "rings")}
        assert not len(review.state.left)
        assert [f"defect/{kind}" for kind in kinds_of(labels_of(review))] == list(
            labels_of(review).values()
        )
        while review.state.undoable:
            review.undo()
        assert set(labels_of(review).values()) == {""}
        while review.state.redoable:
            review.redo()
    assert set(read_labels(run).values()) == {f"defect/{kind}" for kind in (*KINDS, "rings")}


def test_new_images_are_assigned_and_a_classifier_learns(second, drawing, tmp_path):
    lot = tmp_path / "third"
    for number, kind in enumerate(KINDS):
        drawing(lot, kind, 4, seed=300 + number)
    assign(AssignCommand(run=second, source=lot, out=tmp_path / "assigned.csv"))
    rows = read(tmp_path / "assigned.csv")
    named = rows[rows["verdict"] == "named"]
    assert len(named) > 12
    # All of them, those too that are like the parts of a split.
    assert [f"defect/{kind}" for kind in kinds_of(named["path"])] == named["label"].tolist()

    def call(*words):
        words = [str(word) for word in words]
        assert run_command(classify, Classify, prog="classify", args=words) == 0

    call("train", second, "--out", tmp_path / "model", "--epochs", 8, "--seed", 1)
    call("predict", tmp_path / "model", lot, "--out", tmp_path / "predicted.csv")
    predicted = read(tmp_path / "predicted.csv")
    said = predicted[predicted["verdict"] == "named"]
    assert len(said) > 8
    right = said["label"].to_numpy() == [f"defect/{kind}" for kind in kinds_of(said["path"])]
    assert right.mean() > 0.9
