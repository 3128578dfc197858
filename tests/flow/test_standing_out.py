"""Defects on a background are looked at alone: told without labels, kept, and open to a person."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytest.importorskip("torch")

from discovery import RoundOptions, discover_types
from discovery.flow.assignment import assign_images
from discovery.flow.new_images import AssignOptions
from discovery.flow.standing_out import STANDING_OUT, StandingOut, read_standing_out
from discovery.runs import open_run
from discovery.synthetic import plan_pictures
from discovery.synthetic.folder import write_folder
from embeddings.extract import ExtractOptions
from embeddings.store import open_store

LITE = ExtractOptions(extractor="lite", size=64)
SEEN = StandingOut(images=300, looked_at=100, found=80, clear=70, spec="ab")


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_folder(plan_pictures(72, seed=301), folder, seed=301)
    return folder


@pytest.fixture(scope="module")
def looked_and_counted(scans, tmp_path_factory, count_calls):
    out = tmp_path_factory.mktemp("looked") / "run"
    with count_calls("remove_background") as calls:
        found = discover_types(scans / "images", out, options=RoundOptions(extract=LITE))
    assert found.counts.startswith("computed 72, reused 0,")
    return found.run, calls["remove_background"]


@pytest.fixture(scope="module")
def looked(looked_and_counted):
    return looked_and_counted[0]


def list_views(run):
    store = open_run(run.path).store
    specs = [one["spec"] for one in (store, *store.get("others", []))]
    return [(spec["name"], spec.get("view", "picture")) for spec in specs]


def read_truth(run, scans):
    truth = pd.read_csv(scans / "truth.csv")
    of = {
        path.rsplit("/", 1)[-1]: label
        for path, label in zip(truth["path"], truth["label"], strict=True)
    }
    images = run.load_images()
    return images.assign(truth=[of[path.rsplit("/", 1)[-1]] for path in images["path"]])


def test_what_stands_out_of_scans_is_looked_at(looked):
    expected = [("lite", "picture"), ("lite", "highlight"), ("standout", "picture")]
    assert expected == list_views(looked)
    found = read_standing_out(looked.path)
    assert found.is_taken
    assert found.clear <= found.found <= found.looked_at <= 72
    page = (looked.path / "report.html").read_text("utf-8")
    assert "What stands out of the pictures" in page
    assert f"{found.found} of {found.looked_at}" in page


# The numbers first: nobody keeps surroundings of them, so that each is a look of its own.
APART = """
import sys
from pathlib import Path

from embeddings.extract import ExtractOptions, extract_vectors

images, out = map(Path, sys.argv[1:])
extract_vectors(images, out / "standout", options=ExtractOptions(extractor="standout"))
options = ExtractOptions(extractor="lite", size=64, view="highlight")
extract_vectors(images, out / "highlight", options=options)
"""


def test_each_background_is_taken_off_once(looked_and_counted):
    assert 72 == looked_and_counted[1]  # for the sample, the crops and the numbers


@pytest.mark.long
def test_all_is_as_where_each_view_looks_for_itself(looked, scans, tmp_path):
    run = looked
    command = [sys.executable, "-c", APART, str(scans / "images"), str(tmp_path)]
    subprocess.run(command, check=True)
    for view in ("standout", "highlight"):
        ours = open_store(run.path / "views" / view)
        apart = open_store(tmp_path / view)
        assert apart.spec == ours.spec
        ids = apart.rows()["image_id"].to_numpy(dtype=np.str_)
        found, expected = ours.load_vectors(ids).values, apart.load_vectors(ids).values
        np.testing.assert_array_equal(expected, found)


def test_pictures_without_a_defect_are_a_proposal_of_their_own(looked, scans):
    images = read_truth(looked, scans)
    clean = images.loc[images["truth"] == "no_defect", "cluster_id"]
    lone = clean.mode()[0]
    assert lone >= 0
    assert (clean == lone).mean() > 0.8
    assert (images.loc[images["cluster_id"] == lone, "truth"] == "no_defect").mean() > 0.9
    # Of this group alone the page says so.
    notes = {one.cluster_id: one.associations.get("note") for one in looked.load_proposals()}
    assert [lone] == [cluster for cluster, note in notes.items() if note]
    size = (images["cluster_id"] == lone).sum()
    assert f"nothing stands out of {size} of {size} images: they may show no defect" == notes[lone]
    page = (looked.path / "report.html").read_text("utf-8")
    assert f"Nothing stands out of {size} of {size} images: they may show no defect." in page


def test_new_images_are_placed_in_all_looks(looked, scans, tmp_path):
    lot = tmp_path / "lot"
    lot.mkdir()
    images = read_truth(looked, scans)
    clean = images[images["truth"] == "no_defect"].head(4)
    for number, path in enumerate(clean["path"]):
        pixels = np.asarray(Image.open(path))
        Image.fromarray(pixels[:, ::-1].copy()).save(lot / f"{number}.png")
    options = AssignOptions(device="cpu", store=tmp_path / "lotstore")
    placed = assign_images(looked, lot, options=options)
    expected = [clean["cluster_id"].mode()[0]] * 4
    assert expected == placed.placement.cluster_ids.tolist()


def test_a_second_round_looks_at_no_picture(looked, scans, copy, watch):
    run = copy(looked.path)
    discover_types(scans / "images", run, options=RoundOptions(extract=LITE))
    before = len(watch())
    discover_types(scans / "images", run, options=RoundOptions(extract=LITE))
    assert [] == watch()[before:]


@pytest.mark.long
def test_the_answer_is_kept_until_the_set_has_outgrown_it(scans, tmp_path):
    options = RoundOptions(extract=LITE)
    discover_types(scans / "images", tmp_path / "run", options=replace(options, views=("given",)))
    assert not (tmp_path / "run" / STANDING_OUT).exists()
    run = discover_types(scans / "images", tmp_path / "run", options=options).run
    kept = json.loads((run.path / STANDING_OUT).read_bytes())
    (run.path / STANDING_OUT).write_text(json.dumps(kept | {"clear": 0}))
    discover_types(scans / "images", run.path, options=options)
    assert [("lite", "picture")] == list_views(run)
    (run.path / STANDING_OUT).write_text(json.dumps(kept | {"clear": 0, "images": 20}))
    discover_types(scans / "images", run.path, options=options)
    assert 3 == len(list_views(run))
    (run.path / STANDING_OUT).write_text("{")  # damaged: looked at again
    discover_types(scans / "images", run.path, options=options)
    assert 3 == len(list_views(run))


def test_a_damaged_answer_is_none(tmp_path):
    sound = {"images": 300, "looked_at": 100, "found": 80, "clear": 70, "spec": "ab"}
    (tmp_path / STANDING_OUT).write_text(json.dumps(sound))
    assert SEEN == read_standing_out(tmp_path)
    for damage in ({"clear": None}, {"found": 101}, {"clear": -1}, {"images": "300"}):
        (tmp_path / STANDING_OUT).write_text(json.dumps(sound | damage))
        assert read_standing_out(tmp_path) is None


@pytest.mark.long
def test_crops_are_seen_in_numbers_where_that_is_asked_for(scans, tmp_path):
    options = RoundOptions(extract=replace(LITE, boxes=scans / "boxes.csv"))
    plain = discover_types(scans / "images", tmp_path / "plain", options=options).run
    assert [("lite", "picture")] == list_views(plain)
    told = replace(options, views=("numbers",))
    run = discover_types(scans / "images", tmp_path / "run", options=told).run
    assert [("lite", "picture"), ("standout", "picture")] == list_views(run)
    assert not (run.path / STANDING_OUT).exists()


@pytest.mark.long
def test_both_are_compared_where_both_are_asked_for(scans, tmp_path):
    options = RoundOptions(extract=LITE, views=("given", "highlight"))
    run = discover_types(scans / "images", tmp_path / "run", options=options).run
    views = pd.read_csv(run.path / "views.csv")
    assert ["given", "highlight"] == views["view"].tolist()
    assert 1 == views["taken"].notna().sum()
    assert not (run.path / STANDING_OUT).exists()


def test_pictures_without_any_background_are_left_as_they_are(pictures, tmp_path):
    run = discover_types(
        pictures / "images", tmp_path / "run", options=RoundOptions(extract=LITE)
    ).run
    assert [("lite", "picture")] == list_views(run)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"clear": 40}, False),  # half of them is not most
        ({"found": 20, "clear": 20}, False),  # of a fifth there is nothing to say
        ({"looked_at": 20, "found": 15, "clear": 15}, False),
    ],
)
def test_most_pictures_must_be_clear(change, expected):
    assert expected == replace(SEEN, **change).is_taken


def test_more_pictures_are_looked_at_where_the_answer_is_close():
    assert SEEN.is_sure
    assert not replace(SEEN, clear=50).is_sure
    assert not replace(SEEN, looked_at=32, found=4, clear=0).is_sure
    assert replace(SEEN, looked_at=64, found=4, clear=0).is_sure
