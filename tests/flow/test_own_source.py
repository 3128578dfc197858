"""A run has one source: what is put into it by mistake is refused before anything is written."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from discovery import discover_types
from discovery.flow.__main__ import ClusterCommand, run_round
from discovery.flow.own_source import claim_source, refuse_run
from discovery.ledger import append_decisions
from discovery.records import Decision
from discovery.runs import open_run
from embeddings.console import run_command
from embeddings.errors import BusyError, InputError, OptionError, RunError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.images import find_images, fingerprint_file
from embeddings.locks import working

TEXTURE = ExtractOptions(extractor="texture")


def read_all(run):
    """Every file of a run, but for the store, which may grow by what a round would take."""
    files = [path for path in run.rglob("*") if path.is_file() and "store" not in path.parts]
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


@pytest.fixture
def run(finished, copy):
    return copy(finished)


@pytest.mark.parametrize("out", ["elsewhere", "copy0", "copy0/again"])
def test_a_run_as_the_source_is_refused_with_what_it_was_made_of(
    run, pictures, tmp_path, out, capsys
):
    before = read_all(run)
    words = [str(run), "--out", str(tmp_path / out), "--extractor", "texture"]
    assert 2 == run_command(run_round, ClusterCommand, prog="P", args=words)
    expected = (
        f"P: error: {run} is a run; expected a folder of images, a CSV with a column path, or a "
        f"store: did you mean {run / 'store'} or {pictures / 'images'}?\n"
    )
    assert expected == capsys.readouterr().err
    assert before == read_all(run)
    assert ["copy0"] == [path.name for path in tmp_path.iterdir()]


def test_of_a_run_as_the_source_only_what_is_there_is_named(run):
    shutil.rmtree(run / "store")
    made = open_run(run)
    made.set_source("/nowhere")
    made.set_store(made.store | {"path": "/nowhere/store"})
    with pytest.raises(InputError, match=r"or a store$"):
        refuse_run(run)


def test_a_run_in_the_folder_of_its_images_is_no_mistake(run, pictures):
    refuse_run(pictures / "images")
    open_run(run).set_source(str(run.resolve()))
    refuse_run(run)


def claim(run, source, **options):
    wanted = replace(TEXTURE, **options)
    claim_source(open_run(run), source, wanted, replace=False)


def test_other_images_are_refused_before_anything_is_written(run, draw_more, capsys):
    others = draw_more("rings", 41)[0].parent
    before = read_all(run)
    words = [str(others), "--out", str(run), "--extractor", "texture"]
    assert 2 == run_command(run_round, ClusterCommand, prog="P", args=words)
    said = capsys.readouterr().err
    assert f"{others} holds 0 of them" in said
    assert "60 files" in said
    assert "or --replace to put these images in the place of those" in said
    assert before == read_all(run)


def test_they_replace_the_runs_own_where_that_is_asked_for(run, draw_more, cheap):
    others = draw_more("rings", 20)[0].parent
    (one, *_) = open_run(run).load_proposals()
    decision = Decision(
        at="2026-01-01T00:00:00+00:00", by="w", scope="proposal", proposal_id=one.proposal_id,
        verdict="accept", label="scratch",
    )  # fmt: skip
    append_decisions(run / "decisions.jsonl", [decision])
    ledger = (run / "decisions.jsonl").read_bytes()
    options = replace(cheap, replace=True)
    assert 20 == discover_types(others, run, options=options).images
    assert 20 == len(pd.read_csv(run / "handoff.csv"))
    assert ledger == (run / "decisions.jsonl").read_bytes()
    assert str(others) == open_run(run).source
    claim(run, others)  # it is the run's own now
    with pytest.raises(RunError):
        claim(run, draw_more("waves", 3, "others")[0].parent)


def test_its_own_source_may_be_edited_and_named_otherwise(run, pictures, tmp_path):
    images = pictures / "images"
    assert str(images) == open_run(run).source
    claim(run, images)
    (tmp_path / "link").symlink_to(images)
    claim(run, tmp_path / "link")
    claim(run, run / "store")
    claim(run, images.parent)  # the folder above holds all of them
    # By content: the same images somewhere else, some more beside them and some gone.
    moved = shutil.copytree(images, tmp_path / "moved")
    for path in sorted(moved.iterdir())[:25]:
        path.unlink()
    claim(run, moved)
    assert str(moved) == open_run(run).source


def test_a_table_may_be_edited(pictures, tmp_path, cheap):
    paths = [str(path) for path in sorted((pictures / "images").iterdir())]
    table = tmp_path / "list.csv"
    pd.DataFrame({"path": paths[:30]}).to_csv(table, index=False)
    discover_types(table, tmp_path / "run", options=cheap)
    pd.DataFrame({"path": paths[28:]}).to_csv(table, index=False)
    claim(tmp_path / "run", table)
    # Another table with the same lines is another source.
    other = shutil.copy(table, tmp_path / "other.csv")
    with pytest.raises(RunError, match="2 of them"):
        claim(tmp_path / "run", other)


def test_less_than_most_of_its_images_are_other_images(run, pictures, tmp_path):
    half = tmp_path / "half"
    half.mkdir()
    for path in sorted((pictures / "images").iterdir())[:30]:
        shutil.copy(path, half)
    with pytest.raises(RunError, match="30 of them"):
        claim(run, half)
    extract_vectors(half, tmp_path / "store", options=TEXTURE)
    with pytest.raises(RunError, match="30 of them"):
        claim(run, tmp_path / "store")


def test_a_selection_of_its_own_images_is_refused_too(run, pictures, tmp_path):
    images = pictures / "images"
    only = tmp_path / "only.csv"
    names = [str(path) for path in sorted(images.iterdir())]
    pd.DataFrame({"path": names[:5]}).to_csv(only, index=False)
    for source in (images, run / "store"):
        with pytest.raises(RunError, match="5 of them"):
            claim(run, source, only=only)
    with pytest.raises(RunError, match="--exclude leaves 15 of them"):
        claim(run, images, exclude=("[bcw]*",))
    claim(run, images, exclude=("blob*",))
    pd.DataFrame({"path": names[5:]}).to_csv(only, index=False)
    claim(run, images, only=only)


def test_a_run_of_an_earlier_version_is_known_by_its_images(run, pictures, draw_more):
    state = json.loads((run / "run.json").read_text())
    state.pop("source")
    state.pop("sha256", None)  # a seal, where there is one
    (run / "run.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match="0 of them"):
        claim(run, draw_more("rings", 5)[0].parent)
    claim(run, pictures / "images")


@pytest.mark.parametrize("gone", [3, 40])
def test_images_that_are_gone_are_said_and_how_many_were_decided(
    pictures, tmp_path, cheap, caplog, gone
):
    images = shutil.copytree(pictures / "images", tmp_path / "images")
    discover_types(images, tmp_path / "run", options=cheap)
    paths = sorted(images.iterdir())
    decision = Decision(
        at="2026-01-01T00:00:00+00:00", by="w", scope="image", proposal_id="", verdict="accept",
        label="scratch", image_ids=(fingerprint_file(paths[0]), fingerprint_file(paths[-1])),
    )  # fmt: skip
    append_decisions(tmp_path / "run" / "decisions.jsonl", [decision])
    for path in paths[:gone]:
        path.unlink()
    caplog.clear()
    assert 60 - gone == discover_types(images, tmp_path / "run", options=cheap).images
    assert (
        f"{gone} of the 60 image files of {tmp_path / 'run'} are not in this round" in caplog.text
    )
    assert "1 of them decided" in caplog.text


def test_a_second_round_is_told_of_the_first(run, pictures, cheap):
    before = read_all(run)
    with working(run), pytest.raises(BusyError, match=f"by process {os.getpid()} on "):
        discover_types(pictures / "images", run, options=cheap)
    assert before == read_all(run)
    # Between the two halves of a round, and after it, nothing is held.
    claim(run, pictures / "images")


# --- what lies among the images ---


def test_a_new_run_or_store_among_the_images_is_refused(draw_more, cheap, tmp_path):
    images = draw_more("waves", 3)[0].parent
    for out in (images, images / "run", images / "a" / "run"):
        with pytest.raises(OptionError, match=f"give a place beside it, such as {tmp_path}/"):
            discover_types(images, out, options=cheap)
        with pytest.raises(OptionError, match=f"give a place beside it, such as {tmp_path}/"):
            extract_vectors(images, out, options=TEXTURE)
    (tmp_path / "link").symlink_to(images)
    with pytest.raises(OptionError, match="lies in the folder of the images"):
        extract_vectors(tmp_path / "link", images / "store", options=TEXTURE)
    assert 3 == len(list(images.iterdir()))


def test_a_run_and_a_store_that_are_there_are_left_out_of_the_listing(draw_more, tmp_path):
    images = draw_more("waves", 3)[0].parent
    extract_vectors(images, tmp_path / "store", options=TEXTURE)
    shutil.copytree(tmp_path / "store", images / "store")
    (images / "run" / "views").mkdir(parents=True)
    (images / "run" / "run.json").write_text('{"format": "defect-discovery-run"}')
    (images / "other").mkdir()
    (images / "other" / "run.json").write_text('{"format": "of another program"}')
    for folder in ("run", "run/views", "store", "other"):
        pixels = np.random.default_rng(9).integers(0, 255, (48, 48)).astype(np.uint8)
        Image.fromarray(pixels).save(images / folder / "shown.png")
    found = find_images(images)
    assert 4 == len(found.files)
    assert images / "other" / "shown.png" in found.files
    assert 1 == found.ignored  # of the other program
    # A store that is there goes on.
    again = extract_vectors(images, images / "store", options=TEXTURE)
    assert (1, 3) == (again.computed, again.reused)
