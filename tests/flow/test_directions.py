"""Pictures whose directions say nothing are looked at in four turns: told without any label."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

pytest.importorskip("torch")

from discovery import RoundOptions, discover_types
from discovery.flow.assignment import assign_images
from discovery.flow.directions import DIRECTIONS, Directions, read_directions
from discovery.flow.embedded_variants import VariantEmbedder
from discovery.flow.new_images import AssignOptions
from discovery.runs import open_run
from embeddings.errors import OptionError
from embeddings.extract import ExtractOptions
from embeddings.store import open_store

LITE = ExtractOptions(extractor="lite", size=64)
EACH = 24
SIDE = 64
# Corners of what is drawn, in parts of the side: each looks otherwise in each of its directions.
FORMS = {
    "wedge": [(0.2, 0.2), (0.8, 0.45), (0.2, 0.6)],
    "hook": [(0.2, 0.2), (0.8, 0.2), (0.8, 0.4), (0.4, 0.4), (0.4, 0.8), (0.2, 0.8)],
    "flag": [(0.2, 0.15), (0.3, 0.15), (0.8, 0.3), (0.3, 0.5), (0.3, 0.9), (0.2, 0.9)],
}


def draw(form, rng, turns):
    picture = Image.new("L", (SIDE, SIDE), 60)
    corners = np.array(FORMS[form]) * SIDE + rng.normal(0, 2, (len(FORMS[form]), 2))
    ImageDraw.Draw(picture).polygon([tuple(corner) for corner in corners.tolist()], fill=190)
    noisy = np.rot90(np.asarray(picture, float), turns) + rng.normal(0, 6, (SIDE, SIDE))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def write_pictures(folder, *, turned, each=EACH):
    folder.mkdir()
    rng = np.random.default_rng(5)
    for form in FORMS:
        for number in range(each):
            turns = int(rng.integers(4)) if turned else 0
            draw(form, rng, turns).save(folder / f"{form}_{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("turned") / "images", turned=True)


@pytest.fixture(scope="module")
def upright(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("upright") / "images", turned=False)


@pytest.fixture(scope="module")
def looked(turned, tmp_path_factory):
    out = tmp_path_factory.mktemp("looked") / "run"
    found = discover_types(turned, out, options=RoundOptions(extract=LITE))
    assert found.counts.startswith("computed 72, reused 0,")
    return found.run


def read_orientations(run):
    store = open_run(run.path).store
    return [one["spec"].get("orientations", 1) for one in (store, *store.get("others", []))]


def test_pictures_turned_at_random_are_looked_at_in_four_turns(looked):
    assert [4] == read_orientations(looked)
    found = read_directions(looked.path)
    assert found.is_taken
    assert 32 <= found.looked_at <= 72
    page = (looked.path / "report.html").read_text("utf-8")
    assert ", mean of 4 orientations" in page
    assert "Directions of the pictures" in page
    assert f"{found.upright} of {found.looked_at}" in page
    # What stands out was looked for before, and is told beside it.
    assert "What stands out of the pictures" in page


def test_groups_are_of_forms_and_not_of_directions(looked):
    images = looked.load_images()
    forms = images["path"].str.extract(r"([a-z]+)_\d+\.png$")[0]
    grouped = images["cluster_id"] >= 0
    assert grouped.mean() > 0.9
    purest = pd.crosstab(images.loc[grouped, "cluster_id"], forms[grouped]).max(axis=1).sum()
    assert purest / grouped.sum() > 0.9
    assert images.loc[grouped, "cluster_id"].nunique() <= 6  # there are twelve looks of them


def test_pictures_with_a_direction_are_looked_at_as_they_are(upright, tmp_path):
    run = discover_types(upright, tmp_path / "run", options=RoundOptions(extract=LITE)).run
    assert [1] == read_orientations(run)
    found = read_directions(run.path)
    assert not found.is_taken
    assert found.upright > 0.75 * found.looked_at
    assert not (run.path / "views").exists()


def test_new_images_are_placed_whichever_way_up_they_lie(looked, turned, tmp_path):
    lot = tmp_path / "lot"
    lot.mkdir()
    images = looked.load_images()
    hooks = images[images["path"].str.contains("hook_") & (images["cluster_id"] >= 0)].head(6)
    for number, path in enumerate(hooks["path"]):
        pixels = np.asarray(Image.open(path))
        Image.fromarray(np.rot90(pixels, 1 + number % 3).copy()).save(lot / f"{number}.png")
    options = AssignOptions(device="cpu", store=tmp_path / "lotstore")
    placed = assign_images(looked, lot, options=options)
    assert hooks["cluster_id"].tolist() == placed.placement.nearest.tolist()


def test_a_second_round_looks_at_no_picture(looked, turned, copy, watch):
    run = copy(looked.path)
    discover_types(turned, run, options=RoundOptions(extract=LITE))
    before = len(watch())
    discover_types(turned, run, options=RoundOptions(extract=LITE))
    assert [] == watch()[before:]


def test_the_answer_is_kept_until_the_set_has_outgrown_it(looked, turned, copy):
    run, options = copy(looked.path), RoundOptions(extract=LITE)
    kept = json.loads((run / DIRECTIONS).read_bytes())
    (run / DIRECTIONS).write_text(json.dumps(kept | {"upright": kept["looked_at"]}))
    assert [1] == read_orientations(discover_types(turned, run, options=options).run)
    (run / DIRECTIONS).write_text(json.dumps(kept | {"upright": 99, "images": 20}))
    assert [4] == read_orientations(discover_types(turned, run, options=options).run)
    (run / DIRECTIONS).write_text("{")  # damaged: looked at again
    assert [4] == read_orientations(discover_types(turned, run, options=options).run)
    assert kept == json.loads((run / DIRECTIONS).read_bytes())


@pytest.mark.parametrize(
    "damage",
    [{"upright": None}, {"looked_at": "a"}, {"upright": 999}, {"looked_at": -1}, {"more": 1}],
)
def test_a_damaged_answer_is_none(damage, tmp_path):
    sound = {"images": 72, "looked_at": 32, "upright": 14, "spec": "ab"}
    (tmp_path / DIRECTIONS).write_text(json.dumps(sound))
    assert read_directions(tmp_path).is_taken
    (tmp_path / DIRECTIONS).write_text(json.dumps(sound | damage))
    assert read_directions(tmp_path) is None


@pytest.mark.parametrize(
    ("said", "named"), [({"turns": 8}, "--turns 8"), ({"view": "polar"}, "--view polar")]
)
def test_directions_are_said_once(said, named):
    with pytest.raises(OptionError, match=f"--views turned and {named}: each says"):
        RoundOptions(extract=replace(LITE, **said), views=("turned",))


@pytest.mark.long
@pytest.mark.parametrize(
    ("views", "said", "orientations"),
    [
        (("given",), {}, [1]),
        (("turned",), {}, [4]),
        ((), {"turns": 8}, [8]),
        ((), {"pooling": "mean"}, [1]),
        ((), {"tile": 32}, [1]),
    ],
)
def test_a_user_who_says_how_pictures_are_seen_is_followed(
    views, said, orientations, turned, tmp_path
):
    options = RoundOptions(extract=replace(LITE, **said), views=views)
    run = discover_types(turned, tmp_path / "run", options=options).run
    assert orientations == read_orientations(run)
    assert not (run.path / DIRECTIONS).exists()


def test_crops_round_defects_are_asked_too(turned, tmp_path):
    names = sorted(path.name for path in turned.iterdir())
    corners = {"xmin": 4, "ymin": 4, "xmax": 60, "ymax": 60}
    boxes = pd.DataFrame({"path": names, **corners})
    boxes.to_csv(tmp_path / "boxes.csv", index=False)
    options = RoundOptions(extract=replace(LITE, boxes=tmp_path / "boxes.csv"))
    run = discover_types(turned, tmp_path / "run", options=options).run
    assert [4] == read_orientations(run)
    assert read_directions(run.path).is_taken


def test_of_few_pictures_nothing_is_told(tmp_path):
    few = write_pictures(tmp_path / "few", turned=True, each=7)
    run = discover_types(few, tmp_path / "run", options=RoundOptions(extract=LITE)).run
    assert [1] == read_orientations(run)
    assert not (run.path / DIRECTIONS).exists()


def test_pictures_that_are_gone_by_now_are_not_asked(turned, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for path in turned.iterdir():
        (images / path.name).write_bytes(path.read_bytes())
    options = RoundOptions(extract=LITE, views=("given",))
    store = discover_types(images, tmp_path / "run", options=options).run.path / "store"
    ids = open_store(store).load_vectors().ids
    for path in sorted(images.iterdir())[::2]:
        path.write_bytes(b"no picture")

    embedder = VariantEmbedder(open_store(store), LITE)
    again = embedder.embed(ids, vary=lambda _, image: [image, image], what="test")
    assert (36, 2) == again.variants.shape[:2]
    expected = again.vectors.values[again.read]
    for number in range(2):  # what was not varied is what was stored
        np.testing.assert_allclose(again.variants[:, number], expected, atol=1e-5)


@given(st.integers(0, 128), st.integers(0, 128))
def test_more_upright_pictures_never_speak_for_turning(looked_at, upright):
    one = Directions(images=500, looked_at=looked_at, upright=min(upright, looked_at), spec="ab")
    fewer = replace(one, upright=max(one.upright - 1, 0))
    assert fewer.is_taken >= one.is_taken
    if one.is_sure and one.is_taken:
        assert one.upright / one.looked_at < 0.7
