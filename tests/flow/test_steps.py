"""What a round says beside its clusters: copies, rare images, associations, and what changed."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from discovery import (
    AgglomerativeOptions,
    KMeansOptions,
    RoundOptions,
    discover_types,
)
from discovery.clusterers import auto
from discovery.runs import open_run
from discovery.runs.lineage import read_lineage
from embeddings.errors import RunError
from embeddings.extract import ExtractOptions


def read(run, name):
    return pd.read_csv(run / name, dtype="str", keep_default_na=False)


def kind_of(path):
    return path.rsplit("/", 1)[1].split("_")[0]


def ids_by_kind(run):
    """The proposal id that most images of a kind bear."""
    rows = read(run, "handoff.csv")
    return rows.groupby(rows["path"].map(kind_of))["proposal_id"].agg(lambda ids: ids.mode()[0])


def test_ids_survive_other_parameters_and_the_changes_are_told(four, finished, copy):
    run = copy(four)
    before = ids_by_kind(run)
    options = RoundOptions(clusterer=KMeansOptions(n_clusters=3), seed=3)
    discover_types(finished / "store", run, options=options)
    after = ids_by_kind(run)
    assert set(after) < set(before)
    merged = after[after.duplicated(keep=False)]
    alone = after.drop(merged.index)
    assert before[alone.index].to_dict() == alone.to_dict()
    entries = read_lineage(run / "lineage.jsonl")
    assert (4, 3) == tuple(len(entry.proposals) for entry in entries)
    assert {"merged"} == {event.kind for event in entries[1].events} - {"kept"}
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Since the round before" in page
    gone = (set(before) - set(after)).pop()
    assert gone in page.split("Since the round before")[1].split("</section>")[0]
    assert "Since the round before" not in (four / "report.html").read_text(encoding="utf-8")


def test_a_new_run_goes_on_with_the_ids_of_an_earlier_one(four, finished, tmp_path):
    out = tmp_path / "out"
    options = RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4), since=four, seed=5)
    discover_types(finished / "store", out, options=options)
    assert ids_by_kind(four).to_dict() == ids_by_kind(out).to_dict()
    assert str(four) == read_lineage(out / "lineage.jsonl")[0].since


def test_an_earlier_run_that_is_none_is_refused_before_the_work(four, finished, tmp_path):
    options = RoundOptions(since=tmp_path / "nowhere")
    with pytest.raises(RunError, match="nowhere is not a folder"):
        discover_types(finished / "store", tmp_path / "out", options=options)
    assert not (tmp_path / "out").exists()


def test_copies_count_once(pictures, tmp_path, cheap):
    source = shutil.copytree(pictures / "images", tmp_path / "images")
    first = sorted(source.glob("blob_*"))[0]
    with Image.open(first) as opened:
        for quality in (95, 93, 91):
            opened.save(source / f"blob_9{quality}.jpg", quality=quality)
    shutil.copy(first, source / "blob_900.png")
    run = tmp_path / "run"
    discover_types(source, run, options=cheap)
    rows = read(run, "duplicates.csv")
    assert {"kept": 1, "near": 3, "exact": 1} == rows["kind"].value_counts().to_dict()
    blob = ids_by_kind(run)["blob"]
    proposal = next(p for p in open_run(run).load_proposals() if p.proposal_id == blob)
    assert (19, 15) == (proposal.size, proposal.distinct)
    assert "1 exact, 3 near duplicates in 1 group" in (run / "report.html").read_text("utf-8")


@pytest.fixture
def odd(pictures, tmp_path):
    """The source with three pictures of nothing, each unlike all others, and its run."""
    source = shutil.copytree(pictures / "images", tmp_path / "images")
    for i in range(3):
        level = np.random.default_rng(i).integers(0, 255, (48 >> i, 48 >> i), dtype=np.uint8)
        Image.fromarray(np.kron(level, np.ones((1 << i, 1 << i), np.uint8))).save(
            source / f"odd_{i:02}.png"
        )
    run = tmp_path / "run"
    discover_types(source, run, options=RoundOptions(extract=ExtractOptions(extractor="texture")))
    return run


def test_rare_images_are_listed_and_shown(odd):
    rare = read(odd, "rare.csv")
    assert 3 == sum(kind_of(path) == "odd" for path in rare["path"])
    assert [str(i + 1) for i in range(len(rare))] == rare["rank"].tolist()
    assert "All are in rare.csv." in (odd / "report.html").read_text("utf-8")


def test_noise_is_assigned_on_request_alone_and_stays_marked(pictures, tmp_path, monkeypatch):
    source = shutil.copytree(pictures / "images", tmp_path / "images")
    for path in sorted(source.glob("checks_*"))[7:]:
        path.unlink()
    # The seven that are left are fewer than a community has.
    monkeypatch.setattr(auto, "MIN_COMMUNITY", 10)
    options = RoundOptions(extract=ExtractOptions(extractor="texture"))
    discover_types(source, tmp_path / "plain", options=options)
    plain = open_run(tmp_path / "plain").load_clustering()
    assert plain.assigned is None
    out = tmp_path / "assigned"
    options = replace(options, extract=ExtractOptions(), assign_noise=True)
    discover_types(tmp_path / "plain" / "store", out, options=options)
    found = open_run(out).load_clustering()
    noise = plain.labels < 0
    assert noise.any()
    assert plain.labels.tolist() == found.core_labels.tolist()
    assert noise.tolist() == found.assigned.tolist()
    assert (found.labels >= 0).all()
    assert (found.memberships[noise] == 0).all()


def test_metadata_are_associated_and_shown(pictures, tmp_path, cheap):
    paths = sorted((pictures / "images").iterdir())
    tools = ["T1" if kind_of(str(path)) == "blob" else "T2" for path in paths]
    names = [path.name for path in paths]
    metadata = tmp_path / "metadata.csv"
    pd.DataFrame({"path": names, "tool": tools}).to_csv(metadata, index=False)
    run = tmp_path / "run"
    options = replace(cheap, extract=replace(cheap.extract, metadata=metadata))
    discover_types(pictures / "images", run, options=options)
    blob = ids_by_kind(run)["blob"]
    rows = read(run, "associations.csv").set_index("proposal_id")
    assert ("tool", "T1") == tuple(rows.loc[blob, ["column", "value"]])
    proposal = next(p for p in open_run(run).load_proposals() if p.proposal_id == blob)
    assert "T1" == proposal.associations["found"][0]["value"]
    card = (run / "report.html").read_text("utf-8").split(f">{blob}</code>")[1]
    assert "T1" in card.split("</article>")[0]
