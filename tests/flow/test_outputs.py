"""What a round shows follows the decisions: the report, its pictures, its facts, the sheets."""

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from discovery.flow import RoundOptions, discover_types
from discovery.flow.facts import format_facts, parse_facts
from discovery.flow.pictures import draw_tiles
from discovery.flow.refresh import publish_sheets
from discovery.flow.report import refresh_report
from discovery.ledger import append_decisions
from discovery.records import Decision, Pictures, TileSheet
from discovery.review import open_review
from discovery.runs import LEDGER, PICTURES, TYPES_CSV, open_run
from discovery.runs.pictures import format_pictures, parse_pictures
from discovery.stages.report import ReportFacts
from embeddings.errors import RunError
from embeddings.extract import ExtractOptions
from embeddings.files import hash_bytes, seal

OPTIONS = RoundOptions(extract=ExtractOptions(extractor="texture"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A first round on forty small pictures of two kinds."""
    root = tmp_path_factory.mktemp("outputs")
    rng = np.random.default_rng(0)
    (root / "images").mkdir()
    for i in range(40):
        pixels = rng.integers(0, 60, (48, 48))
        pixels[:, :: 4 if i % 2 else 48] += 150
        Image.fromarray(pixels.astype(np.uint8)).save(root / "images" / f"{i:02}.png")
    discover_types(root / "images", root / "run", options=OPTIONS)
    return root


@pytest.fixture
def copy_run():
    def make(source, target):
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("store"))
        return open_run(target)

    return make


def name_first(run, label="defect/a-name-of-its-own"):
    one = run.load_proposals()[0]
    clustering = run.load_clustering()
    ids = clustering.ids[clustering.members(one.cluster_id)].tolist()
    decision = Decision(
        proposal_id=one.proposal_id,
        verdict="accept",
        label=label,
        by="eva",
        at="2026-11-24T10:00:00+00:00",
        image_ids=tuple(ids),
    )
    append_decisions(run.path / LEDGER, [decision])


def read_page(run):
    return (run.path / "report.html").read_text("utf-8")


def test_a_decision_stands_in_the_report_without_store_and_images(made, tmp_path, copy_run):
    run = copy_run(made / "run", tmp_path / "run")
    assert "none named yet" in read_page(run)
    refresh_report(run)  # it was copied
    before = (run.path / "report.html").stat().st_mtime_ns
    refresh_report(run)
    assert (run.path / "report.html").stat().st_mtime_ns == before
    name_first(run)
    refresh_report(run)
    assert "defect/a-name-of-its-own" in read_page(run)
    assert "1 named so far" in read_page(run)


def test_the_next_round_finds_what_was_refreshed_current(made, tmp_path, copy_run):
    run = copy_run(made / "run", tmp_path / "run")
    name_first(run)
    publish_sheets(run)
    entries = json.loads((run.path / "run.json").read_text())["artefacts"]
    discover_types(made / "run" / "store", run.path, options=OPTIONS)
    again = json.loads((run.path / "run.json").read_text())["artefacts"]
    shown = ("report.html", "types.csv", "types.xlsx", "pictures.npz")
    assert {name: entries[name] for name in shown} == {name: again[name] for name in shown}


def test_a_review_that_ends_brings_all_in_step(made, tmp_path, copy_run):
    run = copy_run(made / "run", tmp_path / "run")
    name = run.load_proposals()[0].proposal_id
    with open_review(run.path, by="eva") as review:
        review.accept(name, "named/in-the-review")
    assert "named/in-the-review" in read_page(run)
    assert "named/in-the-review" in (run.path / TYPES_CSV).read_text("utf-8")


def test_a_report_of_an_earlier_version_is_left_and_said(made, tmp_path, copy_run, caplog):
    run = copy_run(made / "run", tmp_path / "run")
    (run.path / "facts.json").unlink()
    before = read_page(run)
    name_first(run)
    refresh_report(run)
    assert before == read_page(run)
    assert "is of an earlier version and is left as it is" in caplog.text


def test_what_was_said_of_the_extraction_stands_after_a_later_round(made, tmp_path, copy_run):
    run = copy_run(made / "run", tmp_path / "run")
    path = run.path / "facts.json"
    facts = parse_facts(path.read_bytes(), path)
    assert facts.seconds["extraction"] > 0
    told = replace(facts, warnings=["lite was taken"], seconds={"extraction": 1234.5})
    entry = run.entry("facts.json")
    data = format_facts(told)
    path.write_bytes(data)
    state = json.loads((run.path / "run.json").read_text())
    state["artefacts"]["facts.json"] = entry | {"sha256": hash_bytes(data)}
    (run.path / "run.json").write_text(json.dumps(seal(state)))
    (run.path / "report.html").unlink()
    discover_types(made / "run" / "store", run.path, options=OPTIONS)
    page = read_page(open_run(run.path))
    assert "lite was taken" in page
    assert "20 min" in page


def test_pictures_are_kept_and_a_later_round_opens_no_file(made, tmp_path, copy_run):
    run = copy_run(made / "run", tmp_path / "run")
    ids = set(run.load_clustering().ids.tolist())
    pictures = run.load_pictures()
    assert set(pictures.thumbnails) == ids
    assert pictures.larger == {}  # each is in its thumbnail with all its pixels
    # What a smaller page leaves out is a tile, made of the thumbnail that was there.
    options = replace(OPTIONS, thumbnails=10)
    discover_types(made / "run" / "store", run.path, options=options)
    fewer = run.load_pictures()
    assert len(fewer.thumbnails) == 10
    assert {name for sheet in fewer.tiles for name in sheet.ids} == ids - set(fewer.thumbnails)
    assert all(pictures.thumbnails[name] == data for name, data in fewer.thumbnails.items())


def test_large_pictures_that_are_looked_at_first_are_kept_larger(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for i in range(16):
        pixels = rng.integers(0, 60, (150, 130))
        pixels[:, :: 4 if i % 2 else 48] += 150
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / f"{i:02}.png")
    discover_types(tmp_path / "images", tmp_path / "run", options=OPTIONS)
    run = open_run(tmp_path / "run")
    larger = run.load_pictures().larger
    assert {one.medoid for one in run.load_proposals()} <= set(larger)
    with Image.open(io.BytesIO(next(iter(larger.values())))) as picture:
        assert picture.size == (130, 150)


def test_pictures_come_back_from_their_file(tmp_path):
    tiles = (TileSheet(ids=("a", "b"), data=b"\xff\xd8\xffx", columns=40, side=44),)
    pictures = Pictures(
        thumbnails={"a": b"\0\0", "ö": b""}, larger={}, heats={"b": b"1"}, tiles=tiles
    )
    path = tmp_path / PICTURES
    assert pictures == parse_pictures(format_pictures(pictures), path)
    assert Pictures() == parse_pictures(format_pictures(Pictures()), path)
    with pytest.raises(RunError, match="is damaged"):
        parse_pictures(b"PK", path)


def test_tiles_are_as_many_as_pictures_and_keep_their_place(tmp_path):
    def make(grey):
        file = tmp_path / "one.jpg"
        Image.new("L", (30, 60), grey).save(file)
        return file.read_bytes()

    sheets = list(draw_tiles((f"{i}", make(i % 200)) for i in range(1003)))
    assert [len(sheet.ids) for sheet in sheets] == [1000, 3]
    (tmp_path / "sheet.jpg").write_bytes(sheets[0].data)
    with Image.open(tmp_path / "sheet.jpg") as picture:
        row, column = divmod(157, sheets[0].columns)
        side = sheets[0].side
        assert abs(picture.getpixel(((column + 0.5) * side, (row + 0.5) * side))[0] - 157) < 8


def test_facts_come_back_from_their_file(tmp_path):
    facts = ReportFacts(title="odd \udce9", warnings=["w"], seconds={"map": 1.5}, matched={"a": 2})
    path = tmp_path / "facts.json"
    back = parse_facts(format_facts(facts), path)
    assert (facts.title, facts.seconds, facts.matched) == (back.title, back.seconds, back.matched)
    with pytest.raises(RunError, match="is damaged"):
        parse_facts(b"{", path)


def test_the_report_of_a_moved_run_names_it_where_it_is(made, tmp_path, copy_run):
    run = copy_run(made / "run", tmp_path / "moved")
    assert f"discovery.review {made / 'run'}" in read_page(run)
    refresh_report(run)
    assert f"discovery.review {tmp_path / 'moved'}" in read_page(run)
    assert str(made / "run") not in read_page(run)


def test_a_round_into_a_moved_run_leads_to_where_it_is(made, tmp_path):
    run = open_run(shutil.copytree(made / "run", tmp_path / "moved"))
    before = run.read_bytes(PICTURES)
    discover_types(made / "images", run.path, options=OPTIONS)
    assert before == run.read_bytes(PICTURES)
    assert f"discovery.review {run.path}" in read_page(run)
    assert str(made / "run") not in read_page(run)
