import json
import shutil

import numpy as np
import openpyxl
import pytest
from PIL import Image

from discovery.evaluate import EvaluateOptions, main
from discovery.records import Clustering, Duplicates, Layout
from discovery.runs import COPIES, Provenance, create_run
from discovery.stages.duplicates import tabulate_duplicates
from embeddings.console import run_command
from embeddings.images import fingerprint_file

KEYS = {
    "n", "k_true", "k_found", "noise", "acc", "nmi", "ami", "ari", "purity", "decisions",
    "coverage", "label_accuracy", "types_found", "left_out", "missing", "duplicates",
    "counted_once",
}  # fmt: skip
LABELS = [0, 0, 0, 1, 1, -1]
TYPES = "aaabbb"


def save(folder, ids, paths, labels):
    run = create_run(folder)
    n = len(ids)
    clustering = Clustering(
        ids=np.array(ids),
        labels=np.array(labels, np.int32),
        memberships=np.zeros(n, np.float32),
        outlier_scores=np.zeros(n, np.float32),
        spec={},
        made_by="kmeans",
    )
    layout = Layout(ids=clustering.ids, paths=paths, xy=np.zeros((n, 2), np.float32))
    run.save_clustering(clustering, layout, Provenance(command="c", spec={}, seed=0, inputs={}))


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / "images" / f"{place}.png" for place in range(6)]
    paths[0].parent.mkdir()
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (20, 20), np.uint8)).save(path)
    return paths


@pytest.fixture
def run(tmp_path, images):
    ids = [fingerprint_file(path) for path in images]
    save(tmp_path / "run", ids, tuple((str(path),) for path in images), LABELS)
    return tmp_path / "run"


@pytest.fixture
def truth(tmp_path, images):
    path = tmp_path / "images" / "truth.csv"
    rows = [f"{image.name},{kind},x" for image, kind in zip(images, TYPES, strict=True)]
    path.write_text("\n".join(["path,label,bit depth", *rows]))
    return path


def call(*words):
    return run_command(main, EvaluateOptions, prog="evaluate", args=[str(word) for word in words])


def score(run, truth, out=None):
    out = out or run / "metrics.json"
    assert call(run, truth, "--out", out) == 0
    return json.loads(out.read_text())


def test_scores_are_written_and_said(run, truth, capsys):
    scores = score(run, truth)
    assert set(scores) == KEYS
    assert (scores["n"], scores["left_out"], scores["missing"]) == (6, 0, 0)
    assert scores["acc"] == pytest.approx(5 / 6)
    assert (scores["label_accuracy"], scores["types_found"], scores["decisions"]) == (1, 1, 2)
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == str(run / "metrics.json")
    assert any("83.3%" in line for line in said)


def test_images_are_known_by_content_wherever_the_truth_lies(run, truth, tmp_path):
    before = score(run, truth)
    shutil.move(tmp_path / "images", tmp_path / "moved")
    for place in range(6):
        (tmp_path / "moved" / f"{place}.png").rename(tmp_path / "moved" / f"x{place}.png")
    moved = tmp_path / "moved" / "truth.csv"
    moved.write_text("path;label\n" + "".join(f"x{i}.png;{TYPES[i]}\n" for i in range(6)))
    assert score(run, moved) == before


def test_where_the_files_are_gone_paths_count(run, truth, images):
    before = score(run, truth)
    for path in images:
        path.unlink()
    assert score(run, truth) == before


def test_what_is_on_one_side_only_is_counted(run, truth):
    lines = truth.read_text().splitlines()
    truth.write_text("\n".join([*lines[:4], "gone.png,b,x", "5.png,,x"]))
    scores = score(run, truth)
    assert (scores["n"], scores["left_out"], scores["missing"]) == (3, 3, 1)
    # the cluster without any image in the truth does not count
    assert (scores["k_found"], scores["decisions"]) == (1, 1)


def test_each_path_of_a_duplicate_counts(tmp_path, images, truth):
    ids = [fingerprint_file(path) for path in images]
    paths = ((str(images[0]), "/elsewhere/copy.png"), *((str(path),) for path in images[1:]))
    save(tmp_path / "twice", ids, paths, LABELS)
    assert score(tmp_path / "twice", truth)["n"] == 7


def test_copies_that_disagree_are_told_apart_by_path_or_refused(tmp_path, images, capsys):
    shutil.copy(images[0], images[1])
    ids = [fingerprint_file(images[0])]
    truth = tmp_path / "truth.csv"
    truth.write_text("path,label\nimages/0.png,a\nimages/1.png,b\n")
    save(tmp_path / "one", ids, ((str(images[0]), str(images[1])),), [0])
    assert score(tmp_path / "one", truth)["k_true"] == 2
    save(tmp_path / "other", ids, (("/elsewhere/7.png",),), [0])
    assert call(tmp_path / "other", truth, "--out", tmp_path / "m.json") == 2
    assert "the types a, b: say which with a column image_id" in capsys.readouterr().err


def test_tiles_are_named_by_image_id_and_otherwise_share_their_files_type(tmp_path, images):
    file_id = fingerprint_file(images[0])
    ids = [f"{file_id}@0,0,8,8", f"{file_id}@8,0,8,8"]
    save(tmp_path / "tiles", ids, ((str(images[0]),),) * 2, [0, 0])
    truth = tmp_path / "truth.csv"
    truth.write_text(f'path,label,image_id\nimages/0.png,a,"{ids[0]}"\nimages/0.png,b,"{ids[1]}"\n')
    assert score(tmp_path / "tiles", truth)["k_true"] == 2
    truth.write_text("path,label\nimages/0.png,a\n")
    scores = score(tmp_path / "tiles", truth)
    assert (scores["n"], scores["k_true"]) == (2, 1)


MISTAKES = {
    "run absent": ("none", None, "is not a folder"),
    "not a run": (".", None, "has no run.json"),
    "run without clusters": ("bare", None, "has no clustering.parquet"),
    "empty": ("run", "", "is empty"),
    "no label column": ("run", "path,type\n0.png,a\n", "label"),
    "no path column": ("run", "file,label\n0.png,a\n", "path"),
    "header alone": ("run", "path,label\n", "no row"),
    "no label": ("run", "path,label\n0.png,\n", "no row with a label"),
    "other images": ("run", "path,label\nfar.png,a\n", "none of the 6 images"),
    "too many cells": ("run", "path,label\n0.png,a,b\n", "line 2"),
    "open quote": ("run", 'path,label\n"0.png,a\n', "line"),
    "binary": ("run", "path,label\n\0\0,a\n", "truth.csv"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_users_mistake_is_one_line_and_exit_code_2(run, truth, tmp_path, name, capsys):
    folder, text, told = MISTAKES[name]
    create_run(tmp_path / "bare")
    if text is not None:
        truth.write_text(text)
    code = call(tmp_path / folder, truth, "--out", tmp_path / "metrics.json")
    error = capsys.readouterr().err.splitlines()
    assert (code, len(error)) == (2, 1)
    assert told in error[0]
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{run}", "{none}", "--out", "{out}"], "none.csv"),
        (["{run}", "{run}", "--out", "{out}"], "run"),
        (["{run}", "{truth}", "--out", "{truth}/m.json"], "is a file, expected a folder"),
        (["{run}", "{truth}", "--out", "{run}"], "is a folder, expected a file"),
        (["{run}", "{truth}"], "--out"),
        (["{run}"], "missing"),
        (["{run}", "{truth}", "--out", "{out}", "--k", "3"], "--k"),
    ],
)
def test_other_mistakes_too(run, truth, tmp_path, words, told, capsys):
    names = {"run": run, "truth": truth, "none": tmp_path / "none.csv", "out": tmp_path / "m"}
    assert call(*(word.format(**names) for word in words)) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert told in error[0]


def test_the_truth_is_never_written_over(run, truth, capsys):
    before = truth.read_bytes()
    assert call(run, truth, "--out", truth) == 2
    assert "is what is read" in capsys.readouterr().err
    assert before == truth.read_bytes()


def test_copies_are_counted_and_scored_once(run, truth, images):
    ids = [fingerprint_file(path) for path in images]
    first = np.array([0, 1, 2]) == 0
    duplicates = Duplicates(
        ids=np.array(ids, dtype=np.str_),
        groups=np.array([0, 0, 0, 1, 2, 3], np.int32),
        kept=np.concatenate([first, [True] * 3]),
        similarities=np.full(6, 0.9, np.float32),
        files=np.ones(6, np.int32),
    )
    made_by = Provenance(command="c", spec={}, seed=0, inputs={})
    data = tabulate_duplicates(duplicates, [(str(path),) for path in images])
    create_run(run).save_bytes(COPIES, data, made_by)
    scores = score(run, truth)
    assert {"exact": 0, "near": 2, "disagreeing": 0} == scores["duplicates"]
    assert 6 == scores["n"]
    once = scores["counted_once"]
    assert (4, 1 / 4, 3 / 4) == (once["n"], once["noise"], once["coverage"])


@pytest.mark.parametrize("form", ["{}", "C:\\data\\images\\{}", "..\\images/{}"])
def test_a_truth_of_a_spreadsheet_of_another_system(run, images, form):
    rows = [f"{form.format(i.name.upper())};{kind}" for i, kind in zip(images, TYPES, strict=True)]
    path = images[0].parent / "truth.csv"
    path.write_bytes("\r\n".join(["sep=;", "Path;Label", *rows]).encode("utf-16"))
    for image in images:  # known by its content, not by its name
        image.rename(image.with_name(image.name.replace(".png", ".PNG")))
    assert (6, 0) == (score(run, path)["n"], score(run, path)["missing"])


def test_a_truth_may_be_a_workbook(run, images):
    book = openpyxl.Workbook()
    book.active.append(["path", "label"])
    for image, kind in zip(images, TYPES, strict=True):
        book.active.append([image.name, kind])
    book.save(images[0].parent / "truth.xlsx")
    assert 6 == score(run, images[0].parent / "truth.xlsx")["n"]
