import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.records import Clustering, Layout, Neighbours, Proposal
from discovery.runs import (
    CLUSTERING,
    NEIGHBOURS,
    PROPOSALS,
    REPORT,
    Provenance,
    create_run,
    open_run,
)
from discovery.runs.tables import PROPOSAL_COLUMNS, format_proposals, parse_proposals
from embeddings.errors import InputError, RunError
from embeddings.files import hash_file

ODD_PATHS = (
    "/data/a,b.png",
    '/data/"quoted".png',
    "/data/line\nbreak.png",
    "/data/carriage\rreturn.png",
    "/data/Müller 検査 🔬.png",
    "0007.png",
    "=1+1.png",
    "+x.png",
    "-x.png",
    "@x.png",
    " blanks .png ",
    "NA",
    "",
)


def make_provenance(**changes):
    values = {"command": "discovery.cluster", "spec": {"k": 15}, "seed": 0, "inputs": {"a": "00"}}
    return Provenance(**{**values, **changes})


def make_clustering(n=6, paths=None):
    ids = np.array([f"{i:016x}" for i in range(n)])
    clustering = Clustering(
        ids=ids,
        labels=np.array(([0, 0, 0, 1, 1, -1] * n)[:n], np.int32)
        if n == 6
        else np.zeros(n, np.int32),
        memberships=np.linspace(0.1, 1, n, dtype=np.float32),
        outlier_scores=np.linspace(1, 0, n, dtype=np.float32),
        spec={"min_cluster_size": 5, "metric": "l2"},
        made_by="hdbscan",
    )
    layout = Layout(
        ids=ids,
        paths=paths or tuple((f"/images/{i}.png",) for i in range(n)),
        xy=np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32),
    )
    return clustering, layout


def make_proposal(**changes):
    values = {
        "proposal_id": "P-0000000000000000",
        "cluster_id": 0,
        "rank": 1,
        "size": 3,
        "cohesion": 1 / 3,
        "separation": -0.1,
        "stability": 0.1 + 0.2,
        "novelty": 0.5,
        "nearest_known": "defect/scratch",
        "medoid": "0000000000000000",
        "exemplars": {"central": ("a", "b"), "edge": (), "diverse": ("c",)},
        "associations": {"tool": {"value": "T,1", "share": 0.9}},
    }
    return Proposal(**{**values, **changes})


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path / "run")


def test_a_new_run_has_an_id_that_stays(tmp_path):
    run = create_run(tmp_path / "a" / "run")
    assert len(run.run_id) == 16
    assert run.run_id == create_run(run.path).run_id == open_run(run.path).run_id
    assert run.run_id != create_run(tmp_path / "b").run_id


def test_a_folder_that_holds_only_the_store_becomes_a_run(tmp_path):
    (tmp_path / "store").mkdir()
    assert create_run(tmp_path).path == tmp_path


def make_file(path):
    path.write_text("x")


def make_foreign(path):
    path.mkdir()
    (path / "thesis.txt").write_text("x")


def make_json(text):
    def make(path):
        path.mkdir()
        (path / "run.json").write_text(text)

    return make


BROKEN = {
    "file": (make_file, "is a file"),
    "foreign": (make_foreign, "not empty (it holds thesis.txt)"),
    "not json": (make_json("{"), "is damaged"),
    "a list": (make_json("[]"), "is not of the format"),
    "other format": (make_json('{"format": "x"}'), "is not of the format"),
    "newer": (make_json('{"format": "defect-discovery-run", "version": 2}'), "has version 2"),
    "lacking": (make_json('{"format": "defect-discovery-run", "version": 1}'), "lacks artefacts"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_create_refuses_what_is_not_a_run(tmp_path, name):
    make, text = BROKEN[name]
    make(tmp_path / "run")
    with pytest.raises(RunError) as caught:
        create_run(tmp_path / "run")
    assert text in str(caught.value)


@pytest.mark.parametrize("name", ["file", "foreign", "not json", "newer"])
def test_open_refuses_what_is_not_a_run(tmp_path, name):
    BROKEN[name][0](tmp_path / "run")
    with pytest.raises(RunError):
        open_run(tmp_path / "run")


def test_open_says_what_is_missing(tmp_path):
    with pytest.raises(RunError, match="is not a folder"):
        open_run(tmp_path / "none")
    with pytest.raises(RunError, match=r"has no run\.json"):
        open_run(tmp_path)


def test_a_path_under_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write"):
        create_run(tmp_path / "file" / "run")


def test_clustering_and_layout_come_back_unchanged(run):
    paths = (*tuple((path,) for path in ODD_PATHS[:5]), ODD_PATHS[5:])
    clustering, layout = make_clustering(paths=paths)
    run.save_clustering(clustering, layout, make_provenance(), seconds=1.5)
    loaded, map_ = run.load_clustering(), run.load_layout()
    for name in ("ids", "labels", "memberships", "outlier_scores"):
        before, after = getattr(clustering, name), getattr(loaded, name)
        assert np.array_equal(before, after)
        assert before.dtype == after.dtype
    assert (clustering.spec, clustering.made_by) == (loaded.spec, loaded.made_by)
    assert layout.paths == map_.paths
    assert np.array_equal(layout.xy, map_.xy)


def test_images_have_one_row_a_path(run):
    clustering, layout = make_clustering(
        paths=(("a", "b"), ("c",), ("d",), ("e",), ("f",), ("g", "h"))
    )
    run.save_clustering(clustering, layout, make_provenance())
    rows = run.load_images()
    assert list(rows.columns) == [
        "image_id",
        "path",
        "cluster_id",
        "membership",
        "outlier_score",
        "x",
        "y",
    ]
    assert list("abcdefgh") == rows["path"].tolist()
    assert rows["cluster_id"].tolist() == [0, 0, 0, 0, 1, 1, -1, -1]
    assert rows["image_id"][0] == rows["image_id"][1]
    assert isinstance(rows["path"].dtype, pd.StringDtype)


@pytest.mark.parametrize("n", [0, 1])
def test_runs_of_no_and_one_image(run, n):
    clustering, layout = make_clustering(n)
    run.save_clustering(clustering, layout, make_provenance())
    assert n == len(run.load_clustering()) == len(run.load_layout()) == len(run.load_images())


def test_a_layout_of_other_images_is_a_bug(run):
    clustering, _ = make_clustering(6)
    with pytest.raises(ValueError, match="not the clustering's"):
        run.save_clustering(clustering, make_clustering(5)[1], make_provenance())
    assert not (run.path / CLUSTERING).exists()


def test_neighbours_come_back_and_only_for_their_images(run):
    ids = make_clustering()[0].ids
    neighbours = Neighbours(
        indices=np.array([[1, 2], [0, 2], [3, 4], [4, 5], [3, 5], [4, 3]], np.int32),
        distances=np.linspace(0, 1, 12, dtype=np.float32).reshape(6, 2),
        exact=False,
    )
    run.save_neighbours(neighbours, ids, make_provenance())
    loaded = run.load_neighbours(ids)
    assert np.array_equal(neighbours.indices, loaded.indices)
    assert np.array_equal(neighbours.distances, loaded.distances)
    assert loaded.exact is False
    with pytest.raises(RunError, match="belongs to other images"):
        run.load_neighbours(ids[::-1])


def test_proposals_come_back_unchanged(run):
    proposals = (
        make_proposal(nearest_known='=cmd|"x", 1\n', size_um=(0.1, 1e-7)),
        make_proposal(proposal_id="007", rank=2, novelty=float("nan"), nearest_known="0012"),
    )
    run.save_proposals(proposals, make_provenance())
    loaded = run.load_proposals()
    assert proposals[0] == loaded[0]
    assert np.isnan(loaded[1].novelty)
    assert (loaded[1].proposal_id, loaded[1].nearest_known) == ("007", "0012")
    header = (run.path / PROPOSALS).read_text().splitlines()[0]
    assert header.startswith("proposal_id,cluster_id,rank,size,cohesion,separation,stability,")
    assert header.endswith(
        "novelty,nearest_known,medoid,exemplars,associations,size_um_low,size_um_high,distinct"
    )


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40, deadline=None)
@given(words, words, numbers, st.lists(words), st.none() | st.tuples(numbers, numbers))
def test_any_proposal_comes_back(label, name, number, ids, size_um):
    proposal = make_proposal(
        nearest_known=label,
        proposal_id=name,
        cohesion=number,
        exemplars={"central": tuple(ids), "edge": (), "diverse": ()},
        associations={label: [number, name]},
        size_um=size_um,
    )
    data = format_proposals([proposal])
    assert (proposal,) == parse_proposals(data, Path("proposals.csv"))


def test_the_columns_are_the_fields_and_one_that_was_added_later_may_be_lacking():
    rows = [line.split(",") for line in format_proposals([make_proposal()]).decode().splitlines()]
    assert list(PROPOSAL_COLUMNS) == rows[0]
    assert "distinct" == rows[0][-1]
    older = "".join(
        line.rpartition(",")[0] + "\n"
        for line in format_proposals([make_proposal(distinct=2)]).decode().splitlines()
    )
    (proposal,) = parse_proposals(older.encode(), Path("proposals.csv"))
    assert make_proposal(distinct=None) == proposal


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda s: s.replace("size,", "sizes,", 1), "does not have the columns"),
        (lambda s: s.replace(",3,", ",three,", 1), "row 2 cannot be read"),
        (lambda s: s.replace("0.5,", "", 1), "row 2 cannot be read"),
        (lambda s: "", "does not have the columns"),
    ],
)
def test_a_proposals_file_that_cannot_be_read_is_named(edit, text):
    data = edit(format_proposals([make_proposal()]).decode()).encode()
    with pytest.raises(RunError, match=f"proposals.csv.*{text}"):
        parse_proposals(data, Path("proposals.csv"))


def test_run_json_tells_how_each_artefact_was_made(run):
    run.save_clustering(*make_clustering(), make_provenance(), seconds=1.23456)
    entry = json.loads((run.path / "run.json").read_text())["artefacts"][CLUSTERING]
    assert tuple(entry[name] for name in ("command", "spec", "seed", "inputs", "seconds")) == (
        "discovery.cluster",
        {"k": 15},
        0,
        {"a": "00"},
        1.235,
    )
    assert hash_file(run.path / CLUSTERING) == entry["sha256"]
    assert np.__version__ == entry["versions"]["numpy"]


@pytest.mark.parametrize(
    "changes", [{"spec": {"k": 16}}, {"seed": 1}, {"inputs": {"a": "01"}}, {"versions": {}}]
)
def test_an_artefact_is_current_only_when_all_that_decides_it_is_the_same(run, changes):
    assert not run.is_current(CLUSTERING, make_provenance())
    run.save_clustering(*make_clustering(), make_provenance())
    assert run.is_current(CLUSTERING, make_provenance(command="discovery.flow"))
    assert not run.is_current(CLUSTERING, make_provenance(**changes))


def test_other_artefacts_are_kept_too(run):
    assert not run.is_current(REPORT, make_provenance())
    run.save_bytes(REPORT, b"<html>", make_provenance(), seconds=0.5)
    assert run.is_current(REPORT, make_provenance())
    assert run.read_bytes(REPORT) == b"<html>"
    with pytest.raises(RunError, match=r"has no absent\.txt"):
        run.read_bytes("absent.txt")


def settle(*paths):
    """Make files old enough to be remembered: younger ones may still change unseen."""
    for path in paths:
        os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**9))


def test_a_file_is_hashed_and_parsed_once_and_again_when_it_has_changed(run, monkeypatch):
    run.save_clustering(*make_clustering(), make_provenance())
    run.save_proposals([make_proposal()], make_provenance(inputs=run.hash_inputs(CLUSTERING)))
    run = open_run(run.path)
    settle(run.path / "run.json", run.path / CLUSTERING, run.path / PROPOSALS)
    read, opened = [], Path.open

    def watched(self, *words, **more):
        read.append(self.name)
        return opened(self, *words, **more)

    monkeypatch.setattr(Path, "open", watched)
    for _ in range(3):
        assert 6 == len(run.load_clustering()) == len(run.load_layout()) == len(run.load_images())
        assert 1 == len(run.load_proposals())
        assert run.hash_inputs(CLUSTERING, "absent") == run.entry(PROPOSALS)["inputs"]
        assert run.is_current(CLUSTERING, make_provenance())
    # Once to hash and once to parse; run.json once for all.
    assert {"run.json": 1, CLUSTERING: 2, PROPOSALS: 2} == Counter(read)
    (run.path / CLUSTERING).write_bytes(b"edited")
    assert not run.is_current(CLUSTERING, make_provenance())


def test_a_run_sees_what_another_process_wrote(run):
    other = open_run(run.path)
    assert not other.is_current(PROPOSALS, make_provenance())
    run.save_proposals([make_proposal()], make_provenance())
    assert other.is_current(PROPOSALS, make_provenance())
    other.save_proposals([make_proposal(rank=5)], make_provenance(seed=1))
    assert 5 == run.load_proposals()[0].rank


def test_a_store_that_is_the_same_is_not_written_again(run):
    run.set_store({"path": "a"})
    before = (run.path / "run.json").stat().st_ino
    run.set_store({"path": "a"})
    assert before == (run.path / "run.json").stat().st_ino


def test_the_store_is_remembered(run):
    assert run.store == {}
    run.set_store({"spec_hash": "ab"})
    assert open_run(run.path).store == {"spec_hash": "ab"}


@pytest.mark.parametrize("artefact", [CLUSTERING, PROPOSALS, NEIGHBOURS])
def test_a_flipped_bit_is_named(run, artefact):
    clustering, layout = make_clustering()
    run.save_clustering(clustering, layout, make_provenance())
    run.save_proposals([make_proposal()], make_provenance())
    empty = np.zeros((6, 0))
    run.save_neighbours(
        Neighbours(indices=empty.astype(np.int32), distances=empty.astype(np.float32)),
        clustering.ids,
        make_provenance(),
    )
    data = bytearray((run.path / artefact).read_bytes())
    data[len(data) // 2] ^= 1
    (run.path / artefact).write_bytes(data)
    assert not run.is_current(artefact, make_provenance())
    loads = {
        CLUSTERING: run.load_clustering,
        PROPOSALS: run.load_proposals,
        NEIGHBOURS: lambda: run.load_neighbours(clustering.ids),
    }
    with pytest.raises(RunError, match=artefact):
        loads[artefact]()


def test_a_missing_artefact_is_named(run):
    with pytest.raises(RunError, match=r"has no clustering\.parquet"):
        run.load_clustering()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", range(6))
@pytest.mark.parametrize("before", [True, False])
def test_a_kill_at_any_rename_leaves_the_run_readable(run, monkeypatch, moment, before):
    old, new = make_proposal(), make_proposal(rank=7)
    run.save_proposals([old], make_provenance())
    count, rename = iter(range(99)), Path.replace

    def replace(self, target):
        now = next(count) == moment
        if now and before:
            raise Killed
        rename(self, target)
        if now:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        try:
            run.save_proposals([new], make_provenance(seed=1))
        except Killed:
            assert moment < 3  # three renames: pending, the artefact, settled
    (loaded,) = run.load_proposals()
    assert loaded in (old, new)
    assert run.is_current(PROPOSALS, make_provenance(seed=0 if loaded == old else 1))
    run.save_proposals([new], make_provenance(seed=1))
    assert run.is_current(PROPOSALS, make_provenance(seed=1))


def test_leftovers_of_a_killed_process_are_removed(run):
    code = (
        "import os, pathlib, signal, sys; from embeddings.files import write_bytes\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_bytes(pathlib.Path(sys.argv[1]), b'half')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run.path / REPORT)], check=False)
    assert done.returncode == -9
    assert not (run.path / REPORT).exists()
    assert len(list(run.path.iterdir())) == 2
    create_run(run.path)
    assert [run.path / "run.json"] == list(run.path.iterdir())
