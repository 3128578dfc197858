"""A whole round on real pictures: what is written, what is reused, and what is never touched."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from discovery import (
    AgglomerativeOptions,
    KMeansOptions,
    RoundOptions,
    discover_types,
)
from discovery.estimators.agglomerative import Agglomerative
from discovery.flow import context
from discovery.flow.pipeline import STEPS, Step
from discovery.formats.handoff import read_handoff
from discovery.ledger import read_decisions
from discovery.runs import open_run
from embeddings.errors import HandoffError
from embeddings.extract import ExtractOptions

OF_CLUSTERS = (
    "sweep.json", "levels.npz", "clustering.parquet", "rare.csv", "stability.json",
    "associations.csv", "proposals.csv", "lineage.jsonl", "lineage.npz", "pictures.npz",
    "types.csv", "types.xlsx", "facts.json", "report.html",
)  # fmt: skip
SHOWN = ("types.csv", "types.xlsx", "facts.json", "report.html")  # made of the ledger, too
# In the order in which they are saved: the map is at work while copies are looked for.
COMPUTED = ("neighbours.npz", "duplicates.csv", "map.npz", *OF_CLUSTERS)
FILES = {*COMPUTED, "run.json", "handoff.csv", "handoff.json"}


def contents(run):
    return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


def made(run):
    """What run.json says of each artefact: one that was made again took other seconds."""
    return json.loads((run / "run.json").read_text())["artefacts"]


def table(run, name="handoff.csv"):
    return pd.read_csv(run / name, dtype="str", keep_default_na=False)


def fill(run, **label_of_kind):
    """Type a label into handoff.csv for every picture of a kind."""
    rows = table(run)
    kinds = rows["path"].str.extract(r"(\w+)_\d+\.png")[0]
    rows["label"] = [label_of_kind.get(kind, "") for kind in kinds]
    rows.to_csv(run / "handoff.csv", index=False)


# --- what is there ---


def test_every_file_of_the_contract_is_there(finished):
    assert contents(finished).keys() >= FILES
    entries = made(finished)
    for name in COMPUTED:
        entry = entries[name]
        assert {"command", "spec", "seed", "versions", "inputs", "seconds"} <= entry.keys()
        assert all(len(sha256) == 64 for sha256 in entry["inputs"].values())
        assert entry["versions"]["numpy"] == np.__version__


def test_the_tables_have_their_columns(finished):
    images = pd.read_parquet(finished / "clustering.parquet")
    assert [
        "image_id", "path", "cluster_id", "membership", "outlier_score", "x", "y",
    ] == images.columns.tolist()  # fmt: skip
    proposals = table(finished, "proposals.csv").columns.tolist()
    assert [
        "proposal_id", "cluster_id", "rank", "size", "cohesion", "separation", "stability",
        "novelty", "nearest_known", "medoid", "exemplars", "associations",
    ] == proposals[:12]  # fmt: skip
    assert [
        "image_id", "path", "cluster_id", "membership", "proposal_id", "label", "label_source",
        "decided_by", "decided_at",
    ] == table(finished).columns.tolist()  # fmt: skip


def test_every_image_is_in_every_table(finished, pictures):
    paths = {str(path) for path in (pictures / "images").iterdir()}
    images = pd.read_parquet(finished / "clustering.parquet")
    assert paths == set(images["path"]) == set(table(finished)["path"])
    assert np.isfinite(images[["x", "y"]]).all(axis=None)
    assert images["membership"].between(0, 1).all()


def test_the_proposals_are_the_clusters(finished):
    run = open_run(finished)
    clustering, proposals = run.load_clustering(), run.load_proposals()
    assert set(range(clustering.k)) == {p.cluster_id for p in proposals}
    assert list(range(1, clustering.k + 1)) == [p.rank for p in proposals]
    sizes = np.bincount(clustering.labels[clustering.labels >= 0])
    assert all(sizes[p.cluster_id] == p.size for p in proposals)
    assert all(0 <= p.stability <= 1 for p in proposals)
    rows = table(finished).groupby("cluster_id")["proposal_id"].unique()
    assert all([p.proposal_id] == rows[str(p.cluster_id)].tolist() for p in proposals)


def test_the_default_route_finds_the_four_kinds(finished):
    images = pd.read_parquet(finished / "clustering.parquet")
    kinds = images["path"].str.extract(r"(\w+)_\d+\.png")[0]
    of_kind = images.groupby(kinds)["cluster_id"].agg(lambda ids: ids.mode()[0])
    assert 4 == of_kind.nunique()
    assert (images["cluster_id"] == kinds.map(of_kind)).mean() > 0.9


def test_the_report_is_one_page_that_shows_the_proposals(finished):
    page = (finished / "report.html").read_text(encoding="utf-8")
    for proposal in open_run(finished).load_proposals():
        assert proposal.proposal_id in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert 60 <= page.count("data:image/jpeg") or 60 <= page.count("/9j/")


def test_the_handoff_is_read_back(finished):
    handoff = read_handoff(finished)
    assert (60, 0) == (len(handoff), len(handoff.labelled))
    assert open_run(finished).run_id == handoff.run_id


# --- what is reused ---


def test_a_second_run_computes_nothing_and_changes_no_byte(finished, pictures, copy, watch):
    run = copy(finished)
    discover_types(pictures / "images", run)  # the copy lies elsewhere, which its page says
    before, entries, drawn = contents(run), made(run), watch()
    found = discover_types(pictures / "images", run)
    assert drawn == watch() == ["report.html", "facts.json"]
    assert "computed 0, reused 60, quarantined 0, ignored 0" == found.counts
    assert before == contents(run)
    assert entries == made(run)


def test_a_second_run_loads_nothing_that_computes(finished, pictures, copy):
    run = copy(finished)
    discover_types(pictures / "images", run)  # it was moved
    program = (
        "import sys; from pathlib import Path; from discovery.flow import discover_types; "
        f"discover_types(Path({str(pictures / 'images')!r}), Path({str(run)!r})); "
        "print([m for m in ('torch', 'umap', 'sklearn', 'skimage', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert "[]" == done.stdout.strip()


def test_a_changed_clusterer_remakes_what_depends_on_it_alone(four, finished, copy, watch, cheap):
    run = copy(four)
    options = RoundOptions(clusterer=KMeansOptions(n_clusters=3))
    assert 3 == discover_types(finished / "store", run, options=options).proposals
    assert list(OF_CLUSTERS) == watch()


def test_a_changed_number_of_thumbnails_remakes_what_shows_them(four, finished, copy, watch):
    run = copy(four)
    options = RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4), thumbnails=10)
    discover_types(finished / "store", run, options=options)
    assert ["pictures.npz", *SHOWN] == watch()


def test_a_changed_seed_remakes_all_and_a_seed_repeats_itself(four, finished, copy, watch):
    run, again = copy(four), copy(four)
    options = RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4), seed=7)
    discover_types(finished / "store", run, options=options)
    # The same groups are no news: the history keeps still.
    assert [name for name in COMPUTED if name != "lineage.jsonl"] == watch()
    discover_types(finished / "store", again, options=options)
    for name in ("neighbours.npz", "clustering.parquet", "proposals.csv"):
        assert (run / name).read_bytes() == (again / name).read_bytes()
    unseeded = ("lineage.jsonl", "lineage.npz", "pictures.npz", "types.csv", "types.xlsx")
    assert {7} == {made(run)[name]["seed"] for name in COMPUTED if name not in unseeded}


class Killed(BaseException):
    pass


def kill(*_, **__):
    for one in threading.enumerate():  # the map, which is kept if it is done by then
        if one.name == "map":
            one.join()
    raise Killed


@pytest.mark.parametrize("name", ["cluster", "propose", "report"])
def test_killed_between_steps_it_goes_on(name, finished, tmp_path, watch):
    out = tmp_path / "run"
    options = RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    deadly = [replace(step, make=kill) if step.name == name else step for step in STEPS]
    with pytest.raises(Killed):
        discover_types(finished / "store", out, options=options, steps=deadly)
    before = watch()
    assert 4 == discover_types(finished / "store", out, options=options).proposals
    assert list(COMPUTED) == watch()  # each once, over both calls
    assert len(before) == {"cluster": 3, "propose": 8, "report": 15}[name]
    assert contents(out).keys() >= FILES


def test_killed_in_the_middle_of_a_write_it_goes_on(four, finished, copy, watch, monkeypatch):
    run = copy(four)
    options = RoundOptions(clusterer=KMeansOptions(n_clusters=3))
    write = Path.write_bytes

    def break_off(self, data):
        mine = "proposals.csv" in self.name
        write(self, data[: len(data) // 2] if mine else data)
        if mine:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", break_off)
        with pytest.raises(Killed):
            discover_types(finished / "store", run, options=options)
    assert 3 == discover_types(finished / "store", run, options=options).proposals
    assert not [name for name in contents(run) if name.endswith(".tmp")]


@pytest.mark.parametrize("name", ["neighbours.npz", "clustering.parquet", "proposals.csv"])
def test_a_damaged_artefact_is_made_again(name, four, finished, copy):
    run = copy(four)
    whole = (run / name).read_bytes()
    (run / name).write_bytes(whole[:-9] + b"#" * 9)
    discover_types(
        finished / "store", run, options=RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    )
    assert whole == (run / name).read_bytes()


@pytest.mark.parametrize("name", [name for name in COMPUTED[1:] if name != "lineage.jsonl"])
def test_a_removed_artefact_is_made_again(name, four, finished, copy, watch):
    run = copy(four)
    (run / name).unlink()
    discover_types(
        finished / "store", run, options=RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    )
    assert name in watch()
    assert "neighbours.npz" not in watch()


@pytest.fixture
def count_fits(monkeypatch):
    """Return the list of the rows that each clusterer is fitted on from now on."""
    fitted = []
    original = Agglomerative.fit

    def fit(self, rows, *words, **more):
        fitted.append(len(rows))
        return original(self, rows, *words, **more)

    monkeypatch.setattr(Agglomerative, "fit", fit)
    return fitted


def test_lost_proposals_cost_no_clustering(four, finished, copy, watch, count_fits):
    run = copy(four)
    before = (run / "proposals.csv").read_bytes()
    (run / "proposals.csv").unlink()
    discover_types(
        finished / "store", run, options=RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    )
    # The page is the same, but for where the copy lies.
    assert ["associations.csv", "proposals.csv", "report.html", "facts.json"] == watch()
    assert before == (run / "proposals.csv").read_bytes()
    assert [] == count_fits


def test_new_metadata_cost_no_clustering(pictures, tmp_path, cheap, watch, count_fits):
    run = tmp_path / "run"
    discover_types(pictures / "images", run, options=cheap)
    first, fits = watch(), len(count_fits)
    names = sorted(path.name for path in (pictures / "images").iterdir())
    tools = ["T1" if name.startswith("blob") else "T2" for name in names]
    pd.DataFrame({"path": names, "tool": tools}).to_csv(tmp_path / "meta.csv", index=False)
    options = replace(cheap, extract=replace(cheap.extract, metadata=tmp_path / "meta.csv"))
    discover_types(pictures / "images", run, options=options)
    remade = ["associations.csv", "proposals.csv", "lineage.npz", "pictures.npz", *SHOWN]
    assert remade == watch()[len(first) :]
    assert "T1" in table(run, "associations.csv")["value"].tolist()
    assert fits == len(count_fits)
    # The store itself takes them, too.
    made = len(watch())
    table_of_lots = pd.DataFrame({"path": names, "lot": [tool + "L" for tool in tools]})
    table_of_lots.to_csv(tmp_path / "lots.csv", index=False)
    options = replace(cheap, extract=ExtractOptions(metadata=tmp_path / "lots.csv"))
    discover_types(run / "store", run, options=options)
    assert remade == watch()[made:]
    assert "lot" in table(run, "associations.csv")["same_as"].tolist()
    assert fits == len(count_fits)


def test_a_step_is_a_row_and_a_function(four, finished, copy, watch):
    def count(context, facts):
        clustering = context.run.load_clustering()
        facts.update(clusters=clustering.k)
        return {"sizes.json": json.dumps(np.bincount(clustering.labels).tolist()).encode()}

    mine = Step(name="sizes", writes=("sizes.json",), reads=("clustering.parquet",), make=count)
    run, options = copy(four), RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    for _ in range(2):
        discover_types(finished / "store", run, options=options, steps=(*STEPS, mine))
    assert ["sizes.json", "report.html", "facts.json"] == watch()  # the page of a copy, once
    assert [15] * 4 == json.loads((run / "sizes.json").read_text())
    assert {"clustering.parquet"} == made(run)["sizes.json"]["inputs"].keys()


def test_a_step_reads_what_is_written_above_it():
    from_outside = {"decisions.jsonl", "lineage.jsonl"}
    written = set()
    for step in STEPS:
        assert set(step.reads) <= written | from_outside
        assert not set(step.writes) & written
        written |= set(step.writes)


def test_an_idle_round_hashes_and_parses_each_file_once(four, finished, copy, monkeypatch):
    run = copy(four)
    options = RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    discover_types(finished / "store", run, options=options)
    for path in run.iterdir():
        # Old enough to be remembered: a file that was written just now may still change unseen.
        os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**9))
    opened, original = [], Path.open

    def watched(self, *words, **more):
        opened.append(self)
        return original(self, *words, **more)

    monkeypatch.setattr(Path, "open", watched)
    discover_types(finished / "store", run, options=options)
    counts = Counter(path.name for path in opened if path.parent == run)
    assert counts["run.json"] == 1
    assert counts["clustering.parquet"] == 2  # hashed, and parsed
    assert max(counts.values()) == 2


# --- decisions ---


def test_typed_labels_carry_over_to_other_parameters(four, finished, copy):
    run = copy(four)
    fill(run, lines="defect/lines", blob="defect/blob")
    options = RoundOptions(clusterer=KMeansOptions(n_clusters=7), seed=1)
    discover_types(finished / "store", run, options=options)
    rows = table(run)
    kinds = rows["path"].str.extract(r"(\w+)_\d+\.png")[0]
    assert kinds.map({"lines": "defect/lines", "blob": "defect/blob"}).fillna("").tolist() == (
        rows["label"].tolist()
    )
    # A column that was filled down over a proposal is its label, and not that of each image.
    assert {"", "cluster"} <= set(rows["label_source"]) <= {"", "cluster", "human"}
    assert 30 == len(read_handoff(run).labelled)


def test_the_ledger_holds_what_was_typed_and_nothing_else(four, finished, copy):
    run = copy(four)
    again = RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    discover_types(finished / "store", run, options=again)
    assert not (run / "decisions.jsonl").exists()
    fill(run, lines="lines")
    discover_types(finished / "store", run, options=again)
    ledger = (run / "decisions.jsonl").read_bytes()
    decisions = read_decisions(run / "decisions.jsonl")
    assert {"lines"} == {decision.label for decision in decisions}
    assert 15 == len({i for decision in decisions for i in decision.image_ids})
    for options in (again, RoundOptions(clusterer=KMeansOptions(n_clusters=3), seed=5)):
        discover_types(finished / "store", run, options=options)
        assert ledger == (run / "decisions.jsonl").read_bytes()


def test_a_later_decision_shows_in_the_report(four, finished, copy, watch):
    run = copy(four)
    fill(run, lines="defect/with-a-name-of-its-own")
    discover_types(
        finished / "store", run, options=RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    )
    assert [*SHOWN] == watch()
    assert "with-a-name-of-its-own" in (run / "report.html").read_text(encoding="utf-8")


def test_what_is_typed_while_the_round_runs_is_kept(four, finished, copy):
    run = copy(four)

    def type_labels(_, facts):
        fill(run, lines="defect/late")
        return {}

    at = [step.name for step in STEPS].index("handoff")
    steps = (*STEPS[:at], Step(name="type", make=type_labels), *STEPS[at:])
    # Other clusters: the file that is typed into is of those of the round before.
    options = RoundOptions(clusterer=KMeansOptions(n_clusters=7), seed=1)
    discover_types(finished / "store", run, options=options, steps=steps)
    rows = table(run)
    assert (rows["label"] == "defect/late").tolist() == (
        rows["path"].str.contains("lines_").tolist()
    )
    assert {"defect/late"} == {one.label for one in read_decisions(run / "decisions.jsonl")}


def test_a_faulty_handoff_stops_the_round_and_nothing_is_lost(four, finished, copy):
    run = copy(four)
    fill(run, lines="=HYPERLINK()", blob="blob")
    before = contents(run)
    with pytest.raises(HandoffError, match="column label"):
        discover_types(finished / "store", run)
    assert before == contents(run)


def test_damaged_lines_of_a_ledger_are_told_and_kept(four, finished, copy, caplog):
    run = copy(four)
    (run / "decisions.jsonl").write_text("{}\n{}\n")
    with caplog.at_level("WARNING"):
        discover_types(finished / "store", run)
    assert "decisions.jsonl: lines 1, 2 are damaged" in caplog.text
    assert (run / "decisions.jsonl").read_text().startswith("{}\n{}\n")


def test_nobody_has_a_name_in_some_containers(monkeypatch):
    def fail():
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(context.getpass, "getuser", fail)
    assert context.find_user().startswith("user ")
