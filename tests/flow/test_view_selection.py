"""How a round looks at its images: several views side by side, and the one the evidence picks."""

import csv
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from discovery import RoundOptions, discover_types
from discovery.flow.__main__ import ClusterCommand, run_round
from discovery.flow.assignment import assign_images
from discovery.flow.context import _tell_quarantined as tell_quarantined
from discovery.flow.new_images import AssignOptions
from discovery.flow.sources import join_sources
from discovery.flow.view_selection import (
    ViewEvidence,
    open_views,
    read_taken,
    tabulate_views,
)
from discovery.runs import open_run
from embeddings.console import run_command
from embeddings.errors import OptionError
from embeddings.extract import ExtractOptions
from embeddings.images import decode
from embeddings.reader import Previews
from embeddings.store import open_store
from embeddings.usage import recording_usage

SIDE = 25


def draw_map(kind, seed):
    """A wafer map of three levels: 0 no die, 127 good, 255 bad."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    bad = {
        "ring": radius > 10,
        "centre": radius < 4,
        "arc": (radius > 9) & (np.abs(angle - rng.uniform(-2, 2)) < 0.6),
    }[kind]
    bad = bad & (rng.random(bad.shape) < 0.8) | (rng.random(bad.shape) < 0.03)
    return np.where(radius > 12.4, 0, np.where(bad, 255, 127)).astype(np.uint8)


@pytest.fixture(scope="module")
def extract(random_weights):
    return ExtractOptions(weights=random_weights, size=64, precision="float32", device="cpu")


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    for kind in ("ring", "centre", "arc"):
        for i in range(16):
            Image.fromarray(draw_map(kind, i)).save(folder / f"{kind}_{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def mapped(maps, extract, tmp_path_factory):
    """A round whose wafer maps were recognised as such."""
    out = tmp_path_factory.mktemp("mapped") / "run"
    discover_types(maps, out, options=RoundOptions(extract=extract))
    return out


def read_views(run):
    with (run / "views.csv").open(newline="") as file:
        return {row["view"]: row for row in csv.DictReader(file)}


def test_maps_are_recognised_and_the_views_lie_side_by_side(mapped):
    assert {"given", "maps"} == read_views(mapped).keys()
    looks = [
        open_store(mapped / place).spec.view for place in ("store", "views/map", "views/polar")
    ]
    assert ["picture", "map", "polar"] == looks
    page = (mapped / "report.html").read_text("utf-8")
    assert "Views compared" in page


def test_what_is_noticed_of_the_files_is_told_once(extract, tmp_path, caplog):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
        Image.fromarray(np.eye(32, dtype=np.uint8) * 255).save(folder / f"{number}.png")
    options = RoundOptions(extract=extract, views=("maps", "given"))
    views = open_views(folder, tmp_path / "run", options=options, previews=Previews())
    assert 1 == sum("look like masks" in text for text in caplog.messages)
    assert [1, 0] == [len(view.warnings) for view in views.values()]


def test_the_views_of_a_first_round_share_what_was_decoded(maps, extract, tmp_path, monkeypatch):
    counts = Counter()
    real = decode.decode_raster

    def counting(data, **limits):
        counts[data] += 1
        return real(data, **limits)

    monkeypatch.setattr(decode, "decode_raster", counting)
    discover_types(maps, tmp_path / "run", options=RoundOptions(extract=extract))
    assert (48, 2) == (len(counts), max(counts.values()))  # for the window, and for all views


def test_the_evidence_is_written_and_says_which_is_taken(mapped):
    views = read_views(mapped)
    best = max(views, key=lambda name: float(views[name]["score"]))
    assert ["yes"] == [row["taken"] for row in views.values() if row["taken"]]
    assert views[best]["taken"]
    for row in views.values():
        assert 0 <= float(row["stability"]) <= 1 < int(row["clusters"])
        assert row["agreement"] == views["given"]["agreement"]
    others = open_run(mapped).store.get("others", [])
    assert (1 if best == "maps" else 0) == len(others)


def test_a_second_round_compares_nothing(mapped, maps, extract, copy, watch):
    run = copy(mapped)
    discover_types(maps, run, options=RoundOptions(extract=extract))
    before = len(watch())
    discover_types(maps, run, options=RoundOptions(extract=extract))
    assert [] == watch()[before:]


@pytest.mark.long
@pytest.mark.parametrize("views", [("maps",), ("given",)])
def test_a_view_that_is_asked_for_is_taken(views, maps, extract, tmp_path):
    discover_types(maps, tmp_path / "run", options=RoundOptions(extract=extract, views=views))
    assert not (tmp_path / "run" / "views.csv").exists()
    store = open_run(tmp_path / "run").store
    looks = [one["spec"].get("view", "picture") for one in (store, *store.get("others", []))]
    assert {"maps": ["map", "polar"], "given": ["picture"]}[views[0]] == looks
    # A view that is not asked for is not extracted.
    assert (views == ("given",)) == (tmp_path / "run" / "store").exists()
    assert (views == ("maps",)) == (tmp_path / "run" / "views").exists()


def test_new_maps_are_assigned_in_both_looks(maps, extract, tmp_path, random_weights):
    run = tmp_path / "run"
    discover_types(maps, run, options=RoundOptions(extract=extract, views=("maps",)))
    clustering = open_run(run).load_clustering()
    lot = tmp_path / "lot"
    lot.mkdir()
    for i in range(16):
        # The same dice in a picture of another size: another file, the same map.
        Image.fromarray(np.kron(draw_map("centre", i), np.ones((2, 2), np.uint8))).save(
            lot / f"{i}.png"
        )
    options = AssignOptions(weights=random_weights, device="cpu", store=tmp_path / "lotstore")
    placed = assign_images(open_run(run), lot, options=options)
    assert (tmp_path / "lotstore").is_dir()
    assert (tmp_path / "lotstore.1").is_dir()
    paths = open_run(run).load_layout().paths
    of_centre = [c for c, p in zip(clustering.labels, paths, strict=True) if "centre" in p[0]]
    usual = max(set(of_centre), key=of_centre.count)
    assert (placed.placement.nearest == usual).mean() > 0.7
    with pytest.raises(OptionError, match="one view, and the run has 2 views"):
        assign_images(open_run(run), run / "views" / "map", options=AssignOptions(device="cpu"))


def test_photographs_have_one_view(pictures, extract, tmp_path):
    options = RoundOptions(extract=extract)
    discover_types(pictures / "images", tmp_path / "run", options=options)
    assert not (tmp_path / "run" / "views").exists()


@pytest.mark.long
@pytest.mark.parametrize("said", [{"view": "map"}, {"turns": 8}, {"tile": 16}])
def test_a_user_who_says_how_maps_are_seen_is_followed(said, maps, extract, tmp_path):
    options = RoundOptions(extract=replace(extract, **said))
    discover_types(maps, tmp_path / "run", options=options)
    assert not (tmp_path / "run" / "views").exists()
    spec = open_store(tmp_path / "run" / "store").spec
    assert said.get("view", "picture") == spec.view
    assert said.get("turns", 1) == spec.orientations


def test_a_store_is_one_view(mapped, tmp_path):
    with pytest.raises(OptionError, match="--views maps: a store is one view"):
        discover_types(mapped / "store", tmp_path / "run", options=RoundOptions(views=("maps",)))


def test_the_table_is_read_back():
    looked = [
        ViewEvidence(name="given", clusters=3, persistence=1.0, stability=0.5, score=0.5),
        ViewEvidence(
            name="defect", clusters=4, persistence=2.0, stability=0.5, score=0.8, is_taken=True
        ),
    ]
    assert "defect" == read_taken(tabulate_views(looked))


def test_line_art_is_no_wafer_map(extract, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "art"
    folder.mkdir()
    for i in range(20):
        squares = np.kron(rng.integers(0, 2, (8, 8)), np.ones((6, 6))).astype(np.uint8) * 255
        Image.fromarray(squares).save(folder / f"{i}.png")
    discover_types(folder, tmp_path / "run", options=RoundOptions(extract=extract))
    assert not (tmp_path / "run" / "views").exists()


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ((), ["extract"]),
        (("given",), ["extract"]),
        (("given", "numbers"), ["extract (given)", "extract (standout)"]),
    ],
)
def test_stages_say_of_which_view_they_are_where_there_are_several(views, expected, maps, tmp_path):
    options = RoundOptions(views=views, extract=ExtractOptions(extractor="texture"))
    with recording_usage() as found:
        open_views(maps, tmp_path / "run", options=options, previews=Previews())
    assert expected == [one.name for one in found if one.name.startswith("extract")]


def test_the_counts_are_of_all_views_that_are_joined(pictures, tmp_path, capsys):
    lot = tmp_path / "lot"
    shutil.copytree(pictures / "images", lot)
    words = [str(lot), "--out", str(tmp_path / "run"), "--extractor", "texture", "--views"]
    told = []
    for views in ("given", "numbers", "numbers"):
        assert 0 == run_command(run_round, ClusterCommand, prog="P", args=[*words, views])
        told.append(capsys.readouterr().out.splitlines()[-1].removeprefix(f"{tmp_path / 'run'}: "))
    assert "computed 60, reused 0, quarantined 0, ignored 0" == told[0]
    assert "computed 60, reused 0, quarantined 0, ignored 0" == told[1]  # by the second view
    assert "computed 0, reused 60, quarantined 0, ignored 0" == told[2]


def test_what_one_view_could_not_use_is_counted_and_told(pictures, tmp_path, caplog):
    options = RoundOptions(views=("given",), extract=ExtractOptions(extractor="texture"))
    lot = tmp_path / "lot"
    shutil.copytree(pictures / "images", lot)
    first = open_views(lot, tmp_path / "run", options=options, previews=Previews())["given"]
    broken = sorted(lot.iterdir())[0]
    broken.write_bytes(b"no picture")
    other = open_views(lot, tmp_path / "other", options=options, previews=Previews())["given"]
    joined = join_sources([first, other])
    assert "computed 59, reused 0, quarantined 1, ignored 0" == joined.counts
    assert [str(broken)] == [path for path, _ in joined.quarantined]
    assert 59 == len(joined.ids)
    tell_quarantined(joined)
    assert f"quarantined: 1 in all, each with its reason in {other.store.path}" in caplog.text
