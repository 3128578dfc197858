"""New images among a run's clusters, from command to table: real rounds, real pictures."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from discovery import (
    AgglomerativeOptions,
    HDBSCANOptions,
    KMeansOptions,
    RoundOptions,
    discover_types,
    open_review,
)
from discovery.assign import AssignCommand, main
from discovery.flow.assignment import assign_images
from discovery.flow.new_images import AssignOptions
from discovery.runs import Provenance, open_run
from embeddings.errors import InputError, OptionError, RunError, StoreError, StoreSpecError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.files import hash_file
from embeddings.store import open_store

COLUMNS = ["image_id", "path", "label", "cluster_id", "confidence", "novelty", "verdict"]


def assign(run, source, out, **options):
    main(AssignCommand(run=run, source=source, out=out, assign=AssignOptions(**options)))
    return pd.read_csv(out, keep_default_na=False, dtype={"image_id": "str", "label": "str"})


@pytest.fixture(scope="module")
def runs(finished, tmp_path_factory):
    """A run by each clusterer over one store."""
    out = tmp_path_factory.mktemp("runs")
    choices = {
        "hdbscan": HDBSCANOptions(min_cluster_size=8),
        "kmeans": KMeansOptions(n_clusters=4),
        "agglomerative": AgglomerativeOptions(n_clusters=4),
    }
    for name, choice in choices.items():
        discover_types(finished / "store", out / name, options=RoundOptions(clusterer=choice))
    shutil.copytree(finished, out / "auto")
    return out


@pytest.fixture(scope="module")
def copies(pictures, tmp_path_factory):
    """The pictures saved anew: other bytes, other ids; one in five loses a little."""
    folder = tmp_path_factory.mktemp("copies")
    for place, path in enumerate(sorted((pictures / "images").iterdir())):
        if place % 5:
            Image.open(path).save(folder / f"{path.stem}.tif", compression="tiff_lzw")
        else:
            Image.open(path).save(folder / f"{path.stem}.jpg", quality=99)
    return folder


@pytest.mark.parametrize("name", ["auto", "hdbscan", "kmeans", "agglomerative"])
def test_copies_agree_with_the_fit(name, runs, copies, tmp_path):
    table = assign(runs / name, copies, tmp_path / "assigned.csv")
    assert COLUMNS == list(table.columns)
    images = open_run(runs / name).load_images()
    of_file = dict(zip(images["path"].str.extract(r"(\w+)\.png")[0], images["cluster_id"],
                       strict=True))  # fmt: skip
    said = table["cluster_id"].tolist()
    true = [of_file[stem] for stem in table["path"].str.extract(r"(\w+)\.(?:jpg|tif)")[0]]
    assert set(table["image_id"]).isdisjoint(images["image_id"])
    assert sum(a == b for a, b in zip(said, true, strict=True)) >= 0.99 * len(true)
    assert ((table["verdict"] == "named") == (table["cluster_id"] >= 0)).all()
    shares = table[["confidence", "novelty"]].to_numpy()
    assert ((shares >= 0) & (shares <= 1)).all()


@pytest.mark.parametrize("name", ["auto", "hdbscan", "kmeans", "agglomerative"])
def test_images_of_the_run_bear_its_own_answer(name, runs, pictures, tmp_path):
    table = assign(runs / name, pictures / "images", tmp_path / "assigned.csv")
    images = open_run(runs / name).load_images().set_index("path")
    assert images["cluster_id"].loc[table["path"]].tolist() == table["cluster_id"].tolist()
    own = images["membership"].loc[table["path"]].to_numpy()
    named = table["verdict"] == "named"
    assert own[named] == pytest.approx(table["confidence"][named].to_numpy(), abs=1e-5)


def test_new_pictures_of_a_kind_join_it_and_the_label_is_the_decided_one(
    four, copy, draw_more, tmp_path
):
    run = copy(four)
    handoff = pd.read_csv(run / "handoff.csv", dtype="str", keep_default_na=False)
    is_blob = handoff["path"].str.contains("blob_")
    cluster = int(handoff["cluster_id"][is_blob].mode()[0])
    handoff.loc[handoff["cluster_id"] == str(cluster), "label"] = "defect/blob"
    handoff.to_csv(run / "handoff.csv", index=False)
    from discovery.handoff import HandoffOptions
    from discovery.handoff import main as hand_off

    hand_off(HandoffOptions(run=run, read=run / "handoff.csv"))
    before = {path.name: hash_file(path) for path in run.iterdir() if path.is_file()}
    draw_more("blob", 6, "new")
    draw_more("checks", 6, "new")
    table = assign(run, tmp_path / "new", tmp_path / "assigned.csv", max_rejection=0.02)
    blobs = table[table["path"].str.contains("blob_")]
    assert (blobs["cluster_id"] == cluster).mean() >= 0.5
    labels = table["label"].where(table["cluster_id"] == cluster, "")
    assert labels.tolist() == table["label"].tolist()
    assert "defect/blob" in set(table["label"])
    assert before == {path.name: hash_file(path) for path in run.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("named", "others", "purity", "expected"),
    [(12, 0, 0.95, {"defect/a"}), (7, 0, 0.95, {""}), (12, 1, 0.95, {""}),
     (12, 1, 0.9, {"defect/a"})],
)  # fmt: skip
def test_a_cluster_is_called_what_nearly_all_of_its_images_bear(
    named, others, purity, expected, four, copy, draw_more, tmp_path
):
    run = copy(four)
    with open_review(run, by="eva") as review:
        blobs = next(
            one.images
            for one in review.state.proposals
            if "blob_" in review.data.paths[one.images[0]][0]
        )
        assert len(blobs) == 15
        review.move(blobs[:named], "defect/a")
        if others:
            review.move(blobs[named : named + others], "defect/b")
    draw_more("blob", 6, "new")
    table = assign(run, tmp_path / "new", tmp_path / "assigned.csv", target_purity=purity)
    assert set(table.loc[table["verdict"] == "named", "label"]) == expected


def test_an_alarm_where_unknown_images_look_alike(four, draw_more, tmp_path, capsys):
    paths = draw_more("rings", 14)
    out = tmp_path / "assigned.csv"
    table = assign(four, paths[0].parent, out)
    assert (table["verdict"] == "unknown").mean() > 0.8
    said = capsys.readouterr().out.splitlines()
    alarms = [line for line in said if line.startswith("ALARM: ")]
    groups = pd.read_csv(tmp_path / "assigned.groups.csv")
    assert ["group", "image_id", "path", "size", "stability"] == list(groups.columns)
    assert [
        f"ALARM: {len(rows)} unknown images look alike: a new type? first: {rows['path'].iloc[0]}"
        for _, rows in groups.groupby("group")
    ] == alarms
    assert len(groups) >= 10
    assert set(groups["path"]) <= {str(path) for path in paths}
    assert str(out) == said[-1]
    # The next lot has nothing new: the list of the one before is gone.
    assign(four, draw_more("waves", 2, "others")[0], out)
    assert not (tmp_path / "assigned.groups.csv").exists()
    assert "ALARM" not in capsys.readouterr().out


def test_what_came_back_is_a_source_of_the_next_round(four, draw_more, tmp_path, cheap):
    folder = draw_more("rings", 8)[0].parent
    draw_more("waves", 4, "more")
    out = tmp_path / "assigned.csv"
    table = assign(four, folder, out)
    left = int((table["verdict"] != "named").sum())
    options = replace(cheap, extract=replace(cheap.extract, only=out))
    options = replace(options, clusterer=AgglomerativeOptions(n_clusters=2))
    assert left == discover_types(folder, tmp_path / "next", options=options).images


def test_one_image_a_list_and_a_store_give_the_same(four, finished, draw_more, tmp_path):
    paths = draw_more("waves", 4)
    whole = assign(four, paths[0].parent, tmp_path / "a.csv").set_index("path")
    one = assign(four, paths[2], tmp_path / "b.csv").set_index("path")
    pd.DataFrame({"path": paths}).astype("str").to_csv(tmp_path / "list.csv", index=False)
    listed = assign(four, tmp_path / "list.csv", tmp_path / "c.csv").set_index("path")
    kept = assign(four, paths[0].parent, tmp_path / "d.csv", store=tmp_path / "kept")
    stored = assign(four, tmp_path / "kept", tmp_path / "e.csv").set_index("path")
    for other in (listed, kept.set_index("path"), stored):
        pd.testing.assert_frame_equal(whole, other.loc[whole.index], check_exact=False, rtol=1e-4)
    assert whole["verdict"].loc[str(paths[2])] == one["verdict"].iloc[0]
    assert 4 == len(open_store(tmp_path / "kept"))
    assert open_store(finished / "store").windows == open_store(tmp_path / "kept").windows


NO_NAME_YET = "the verdict named says that an image was placed; its type has no name yet"


def test_placed_in_groups_without_a_name_is_told_from_named(four, copy, pictures, tmp_path, capsys):
    run, images = copy(four), pictures / "images"
    table = assign(run, images, tmp_path / "assigned.csv")
    assert {"named"} == set(table["verdict"])
    assert NO_NAME_YET in capsys.readouterr().out
    with open_review(run, by="eva") as review:
        review.move(review.state.proposals[0].images, "defect/a")
    assign(run, images, tmp_path / "assigned.csv")
    assert NO_NAME_YET not in capsys.readouterr().out


def test_one_row_a_path_and_unreadable_files_are_counted(four, draw_more, tmp_path, capsys, caplog):
    paths = draw_more("waves", 2)
    shutil.copy(paths[0], paths[0].with_name("again.png"))
    paths[0].with_name("broken.png").write_bytes(b"no picture")
    with caplog.at_level("WARNING"):
        table = assign(four, paths[0].parent, tmp_path / "assigned.csv")
    assert 3 == len(table)
    assert 2 == table["image_id"].nunique()
    said = capsys.readouterr().out
    assert "2 images in 3 rows, one a file: " in said
    assert " placed in a cluster, " in said
    assert "0 have a label; " in said
    assert "1 file not readable" in said
    assert "cannot tell what is unknown" not in caplog.text
    listed = tmp_path / "assigned.quarantine.csv"
    assert f"1 in all, each with its reason in {listed}" in caplog.text
    assert 2 == len(listed.read_text().splitlines())
    assert "broken.png" in caplog.text


@pytest.mark.long
def test_the_source_of_a_tiled_run_is_tiled_too(pictures, draw_more, tmp_path):
    options = RoundOptions(
        clusterer=KMeansOptions(n_clusters=3), extract=ExtractOptions(extractor="texture", tile=32)
    )
    discover_types(pictures / "images", tmp_path / "run", options=options)
    paths = draw_more("lines", 2)
    table = assign(tmp_path / "run", paths[0].parent, tmp_path / "assigned.csv")
    assert table["image_id"].str.contains("@").all()
    assert len(table) > 2
    with pytest.raises(OptionError, match="tiles, crops are not like them"):
        assign(tmp_path / "run", paths[0], tmp_path / "x.csv", boxes=tmp_path / "boxes.csv")


def test_an_alarm_names_the_page_of_a_file(four, draw_more, tmp_path, capsys):
    pages = [np.array(Image.open(path).convert("L")) for path in draw_more("rings", 14)]
    (tmp_path / "lot").mkdir()
    tifffile.imwrite(tmp_path / "lot" / "stack.tif", np.stack(pages), photometric="minisblack")
    assign(four, tmp_path / "lot", tmp_path / "assigned.csv")
    alarms = [line for line in capsys.readouterr().out.splitlines() if line.startswith("ALARM: ")]
    assert alarms
    assert all(re.search(r"stack\.tif, page \d+ \(counted from 0\)$", line) for line in alarms)


def test_a_run_that_would_take_anything_says_so(copy, four, draw_more, tmp_path, caplog):
    run = open_run(copy(four))
    clustering = run.load_clustering()
    mixed = replace(clustering, labels=(np.arange(len(clustering.ids)) % 3).astype(np.int32))
    made_by = Provenance(command="x", spec={}, seed=0, inputs={})
    run.save_clustering(mixed, run.load_layout(), made_by)
    assign(run.path, draw_more("waves", 2)[0], tmp_path / "assigned.csv")
    assert "WARNING: this run cannot tell what is unknown: if a cluster were not" in caplog.text


# --- what cannot be used ---


def test_what_is_refused_before_anything_is_written(four, finished, pictures, tmp_path):
    images = pictures / "images"
    out = tmp_path / "assigned.csv"
    with pytest.raises(RunError):
        assign(tmp_path / "nowhere", images, out)
    with pytest.raises(InputError, match="does not exist"):
        assign(four, tmp_path / "nowhere", out)
    with pytest.raises(OptionError, match="--target-purity 2"):
        assign(four, images, out, target_purity=2)
    with pytest.raises(OptionError, match="the run's own"):
        assign(four, images, out, store=finished / "store")
    with pytest.raises(OptionError, match="is a folder"):
        assign(four, images, tmp_path)
    listed = tmp_path / "list.csv"
    listed.write_text("path\na.png\n")
    with pytest.raises(OptionError, match="is what is read"):
        assign(four, listed, listed)
    with pytest.raises(InputError, match="no image that can be read"):
        assign(four, listed, out)
    assert [listed] == list(tmp_path.iterdir())


def test_a_store_of_another_extractor_is_refused(four, pictures, tmp_path):
    other = ExtractOptions(extractor="texture", size=128)
    extract_vectors(pictures / "images", tmp_path / "other", options=other)
    with pytest.raises(StoreSpecError, match="input_size"):
        assign(four, tmp_path / "other", tmp_path / "assigned.csv")


def test_a_run_whose_store_is_gone_says_so(four, copy, pictures, tmp_path):
    run = copy(four)
    opened = open_run(run)
    opened.set_store({**opened.store, "path": str(tmp_path / "gone")})
    with pytest.raises(StoreError, match="which is not there"):
        assign(run, pictures / "images", tmp_path / "assigned.csv")


@pytest.mark.long
def test_it_runs_as_a_program_without_a_warning(four, draw_more, tmp_path):
    folder = draw_more("waves", 3)[0].parent
    words = [str(four), str(folder), "--out", str(tmp_path / "assigned.csv")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "discovery.assign", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    assert str(tmp_path / "assigned.csv") == done.stdout.splitlines()[-1]
    wrong = subprocess.run(
        [sys.executable, "-m", "discovery.assign", *words, "--max-rejection", "3"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 2 == wrong.returncode
    assert "--max-rejection 3: expected" in wrong.stderr.splitlines()[-1]


def test_a_new_type_is_seen_among_images_that_have_a_cluster(four, draw_more, tmp_path):
    rings = draw_more("rings", 14, folder="lot")
    for kind in ("lines", "blob"):
        draw_more(kind, 10, folder="lot")
    found = assign_images(open_run(four), tmp_path / "lot", options=AssignOptions())
    assert found.groups
    members = np.concatenate([group.positions for group in found.groups])
    assert len(members) == len(set(members.tolist()))
    assert (found.placement.verdicts[members] != "named").all()
    seen = {found.paths[i][0] for i in members.tolist()}
    assert len(seen & set(map(str, rings))) / len(seen) > 0.8


def test_a_run_is_no_lot(runs, tmp_path):
    with pytest.raises(InputError, match=r"is a run; expected a folder of images.*did you mean"):
        assign_images(open_run(runs / "auto"), runs / "kmeans", options=AssignOptions())
