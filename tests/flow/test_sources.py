"""What a round can work on: folders, tables, stores, duplicates, renamed files, tiles and boxes."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from discovery import HDBSCANOptions, RoundOptions, discover_types
from discovery.evaluate import EvaluateOptions
from discovery.evaluate import main as evaluate
from discovery.formats.handoff import read_handoff
from discovery.runs import open_run
from embeddings.errors import DefectDiscoveryError, InputError, OptionError, StoreSpecError
from embeddings.extract import ExtractOptions, extract_vectors


def images_of(run):
    return pd.read_parquet(run / "clustering.parquet")


def ids_of(run):
    return sorted(images_of(run)["image_id"])


@pytest.fixture
def some(pictures, tmp_path):
    """A folder of its own with 20 of the pictures, to be written into."""
    folder = tmp_path / "some"
    folder.mkdir()
    for path in sorted((pictures / "images").iterdir())[::3]:
        shutil.copy(path, folder)
    return folder


def test_a_table_of_paths(pictures, tmp_path, cheap):
    wanted = [f"images/{path.name}" for path in (pictures / "images").glob("[lb]*")]
    table = pictures / "list.csv"
    pd.DataFrame({"path": [*wanted, "images/gone.png"]}).to_csv(table, index=False)
    found = discover_types(table, tmp_path / "out", options=cheap)
    table.unlink()
    assert "computed 30, reused 0, quarantined 1, ignored 0" == found.counts
    assert 30 == found.images


def test_a_store_is_left_as_it_is(four, finished, pictures):
    assert not (four / "store").exists()
    assert ids_of(finished) == ids_of(four)
    assert str((finished / "store").resolve()) == open_run(four).store["path"]


def test_the_extractor_of_a_store_is_told(some, finished, tmp_path, cheap, caplog):
    caplog.set_level("INFO")
    discover_types(finished / "store", tmp_path / "of", options=cheap)
    told = f"extractor: texture, whose vectors {finished / 'store'} holds"
    assert [told] == [text for text in caplog.messages if "whose vectors" in text]
    caplog.clear()
    discover_types(some, tmp_path / "out", options=cheap)
    assert not [text for text in caplog.messages if "whose vectors" in text]
    auto = replace(cheap, extract=ExtractOptions())  # the store's, not what auto would take
    discover_types(some, tmp_path / "out", options=auto)
    told = f"extractor: texture, whose vectors {tmp_path / 'out' / 'store'} holds"
    assert [told] == [text for text in caplog.messages if "whose vectors" in text]


def test_one_image_is_too_few_and_says_so(pictures, tmp_path, cheap):
    (path, *_) = (pictures / "images").iterdir()
    with pytest.raises(InputError, match="1 image to cluster, expected"):
        discover_types(path, tmp_path / "out", options=cheap)


def test_one_image_in_tiles_is_enough(tmp_path, cheap):
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(60, 200, (6, 6)), np.ones((32, 32))) + rng.normal(
        0, 5, (192, 192)
    )
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "wafer.png")
    options = replace(cheap, extract=replace(cheap.extract, tile=64))
    found = discover_types(tmp_path / "wafer.png", tmp_path / "out", options=options)
    rows = images_of(tmp_path / "out")
    assert found.images == len(rows) > 9
    assert {str(tmp_path / "wafer.png")} == set(rows["path"])
    assert rows["image_id"].str.fullmatch(r"[0-9a-f]{16}@\d+,\d+,64,64").all()
    assert len(rows) == len(read_handoff(tmp_path / "out"))


def test_what_is_wrong_with_the_images_is_said(tmp_path, cheap):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"no picture")
    (tmp_path / "images" / "notes.txt").write_text("ignored")
    with pytest.raises(InputError, match=r"quarantined 1, ignored 1; the first: .*a\.png: "):
        discover_types(tmp_path / "images", tmp_path / "out", options=cheap)


def test_a_source_that_is_not_there_leaves_no_run_behind(tmp_path, cheap):
    with pytest.raises(InputError, match="does not exist"):
        discover_types(tmp_path / "none", tmp_path / "out", options=cheap)
    assert not (tmp_path / "out").exists()


def test_duplicates_have_one_row_a_path(some, tmp_path, cheap):
    first, *_ = sorted(some.iterdir())
    (some / "deep").mkdir()
    for name in ("copy.png", "deep/copy.png"):
        shutil.copy(first, some / name)
    found = discover_types(some, tmp_path / "out", options=cheap)
    assert "computed 20, reused 2, quarantined 0, ignored 0" == found.counts
    assert 22 == found.images
    rows = images_of(tmp_path / "out")
    same = rows[
        rows["path"].isin([str(first), str(some / "copy.png"), str(some / "deep/copy.png")])
    ]
    assert 3 == len(same)
    assert 1 == len(same.drop(columns="path").drop_duplicates())
    proposals = open_run(tmp_path / "out").load_proposals()
    assert 22 - found.noise == sum(proposal.size for proposal in proposals)
    assert 22 == len(read_handoff(tmp_path / "out"))


def test_renamed_images_keep_their_labels(some, tmp_path, cheap):
    out = tmp_path / "out"
    discover_types(some, out, options=cheap)
    rows = pd.read_csv(out / "handoff.csv", dtype="str", keep_default_na=False)
    rows["label"] = np.where(rows["path"].str.contains("blob"), "blob", "")
    rows.to_csv(out / "handoff.csv", index=False)
    for place, path in enumerate(sorted(some.iterdir())):
        path.rename(some / f"{place:02}-{path.name}")
    found = discover_types(some, out, options=cheap)
    assert "computed 0, reused 20, quarantined 0, ignored 0" == found.counts
    after = pd.read_csv(out / "handoff.csv", dtype="str", keep_default_na=False)
    assert {str(path) for path in some.iterdir()} == set(after["path"])
    assert set(rows["image_id"]) == set(after["image_id"])
    assert (after["label"] == np.where(after["path"].str.contains("blob"), "blob", "")).all()


def test_new_and_removed_images(some, tmp_path, cheap, draw_more):
    out = tmp_path / "out"
    discover_types(some, out, options=cheap)
    sorted(some.iterdir())[0].unlink()
    for path in draw_more("rings", 3):
        shutil.copy(path, some)
    found = discover_types(some, out, options=cheap)
    assert "computed 3, reused 19, quarantined 0, ignored 0" == found.counts
    assert {str(path) for path in some.iterdir()} == set(images_of(out)["path"])


def test_images_that_have_gone_since_they_were_embedded(some, tmp_path, cheap):
    store, later = tmp_path / "out" / "store", tmp_path / "later"
    discover_types(some, tmp_path / "out", options=cheap)
    sorted(some.iterdir())[0].unlink()
    (some / "lines_03.png").write_bytes(b"something else")
    found = discover_types(store, later, options=RoundOptions(clusterer=cheap.clusterer))
    assert 20 == found.images
    assert (later / "report.html").stat().st_size > 0


def test_boxes_make_one_row_a_defect(some, tmp_path, cheap):
    paths = sorted(some.iterdir())
    rows = [(path, 4, 4, 20, 14) for path in paths] + [(path, 20, 16, 44, 40) for path in paths]
    boxes = tmp_path / "boxes.csv"
    columns = ["path", "xmin", "ymin", "xmax", "ymax"]
    pd.DataFrame(rows, columns=columns).to_csv(boxes, index=False)
    options = replace(cheap, extract=replace(cheap.extract, boxes=boxes, um_per_pixel=0.5))
    found = discover_types(some, tmp_path / "out", options=options)
    assert 40 == found.images
    assert {2} == set(images_of(tmp_path / "out").groupby("path").size())
    sizes = [side for p in open_run(tmp_path / "out").load_proposals() for side in p.size_um]
    assert (8, 12) == (min(sizes), max(sizes))  # boxes of 16 and 24 pixels of 0.5 um
    assert 40 == len(read_handoff(tmp_path / "out"))


def test_more_clusters_than_images(some, tmp_path, cheap):
    options = replace(cheap, clusterer=replace(cheap.clusterer, n_clusters=21))
    with pytest.raises(OptionError, match="--n-clusters 21: there are 20 images"):
        discover_types(some, tmp_path / "out", options=options)


@pytest.mark.parametrize("k", [5, 8])
def test_nearly_as_many_clusters_as_images(k, some, tmp_path, cheap):
    # A bootstrap sample of 8 images holds about 5: fewer than the clusters that were asked for.
    for path in sorted(some.iterdir())[8:]:
        path.unlink()
    options = replace(cheap, clusterer=replace(cheap.clusterer, n_clusters=k))
    assert k == discover_types(some, tmp_path / "out", options=options).proposals


def test_no_group_is_dense_enough(some, tmp_path):
    options = RoundOptions(
        extract=ExtractOptions(extractor="texture"), clusterer=HDBSCANOptions(min_cluster_size=500)
    )
    found = discover_types(some, tmp_path / "out", options=options)
    assert (0, 20, 20) == (found.proposals, found.noise, found.images)
    assert 20 == len(read_handoff(tmp_path / "out"))
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize(
    "given",
    [{"tile": 32}, {"um_per_pixel": 2.0}, {"exclude": ("*.png",)}],
    ids=lambda given: next(iter(given)),
)
def test_extraction_options_on_a_store_are_refused(given, finished, tmp_path):
    options = RoundOptions(extract=ExtractOptions(**given))
    flag = "--" + next(iter(given)).replace("_", "-")
    with pytest.raises(OptionError, match=f"{flag} has no effect on a store"):
        discover_types(finished / "store", tmp_path / "out", options=options)


def test_an_option_that_contradicts_the_store_is_refused(finished, tmp_path):
    options = RoundOptions(extract=ExtractOptions(size=64))
    with pytest.raises(StoreSpecError, match="input_size: "):
        discover_types(finished / "store", tmp_path / "out", options=options)


def test_options_that_agree_with_the_store_are_welcome(finished, tmp_path):
    options = RoundOptions(extract=ExtractOptions(extractor="texture", workers=2, device="cpu"))
    assert discover_types(finished / "store", tmp_path / "out", options=options).images > 0


def test_a_store_of_wholes_and_tiles_says_that_it_mixes_them(some, tmp_path, caplog):
    for options in (ExtractOptions(extractor="texture"), ExtractOptions(tile=32)):
        extract_vectors(some, tmp_path / "store", options=options)
    discover_types(tmp_path / "store", tmp_path / "out")
    assert "mixes whole images, tile:32:0.25" in caplog.text
    assert "mixes whole images" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_evaluate_a_run_against_the_truth(four, pictures, tmp_path):
    out = tmp_path / "metrics.json"
    evaluate(EvaluateOptions(run=four, truth=pictures / "truth.csv", out=out))
    scores = json.loads(out.read_text())
    assert (60, 4, 4, 0) == tuple(scores[key] for key in ("n", "k_true", "k_found", "noise"))
    assert scores["acc"] > 0.9
    assert 1 == scores["types_found"]
    assert scores["label_accuracy"] > 0.9


def test_a_store_that_lost_a_segment_is_said_not_guessed(finished, copy, tmp_path):
    run = copy(finished)
    (segment,) = (run / "store" / "segments").glob("*.faiss")
    segment.write_bytes(segment.read_bytes()[:-8] + b"damaged!")
    with pytest.raises(DefectDiscoveryError, match=segment.name):
        discover_types(run / "store", tmp_path / "out")
