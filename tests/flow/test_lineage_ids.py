"""A run's proposals keep their ids, its history is told once, and a crash loses neither."""

import json
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from discovery.flow import lineage_ids
from discovery.flow.lineage_ids import keep_ids, settle_lineage
from discovery.ledger import append_decisions
from discovery.records import Clustering, Decision, Layout, number_by_size
from discovery.runs import CLUSTERING, LEDGER, PROPOSALS, Provenance, create_run
from discovery.runs.lineage import (
    LINEAGE,
    LINEAGE_MEMORY,
    _parse_entry,
    load_memory,
    read_lineage,
)
from discovery.stages.propose import propose_types
from embeddings.chain import ChainReader, faults
from embeddings.console import get_logger
from embeddings.errors import RunError
from embeddings.files import hash_file
from embeddings.records import ROW_COLUMNS, ExtractorSpec, Vectors, unit_rows

AT = "2026-11-24T10:00:00+00:00"
KINDS = 3


def make_vectors(numbers):
    """Images by number: the kind is the number modulo 3, the same image has the same row always."""
    kinds = np.array([i % KINDS for i in numbers])
    noise = [np.random.default_rng(i).normal(size=16) for i in numbers]
    values = unit_rows(6 * np.eye(16)[kinds] + np.array(noise))
    paths = [f"/images/{i}.png" for i in numbers]
    rows = pd.DataFrame({name: [""] * len(paths) for name in ROW_COLUMNS}).assign(
        path=paths, paths=[[path] for path in paths], width=64, height=64,
        um_per_pixel=np.nan, defect_px=np.nan,
    )  # fmt: skip
    ids = np.array([f"{i:016x}" for i in numbers], dtype=np.str_)
    return Vectors(ids=ids, values=values, rows=rows, spec=ExtractorSpec(name="made", dim=16))


def cluster(vectors, groups=None):
    """Return the clusters of the images: by kind, or by what `groups` says of the kinds."""
    kinds = [int(image_id, 16) % KINDS for image_id in vectors.ids.tolist()]
    labels = number_by_size(np.array([(groups or {}).get(kind, kind) for kind in kinds]))
    sure = (labels >= 0).astype(np.float32)
    return Clustering(
        ids=vectors.ids,
        labels=labels,
        memberships=sure,
        outlier_scores=1 - sure,
        spec={"k": KINDS},
        made_by="kinds",
    )


def run_round(run, vectors, groups=None, *, since=None, told=True):
    """Do what a round does around its proposals; without `told`, the crash comes before."""
    settle_lineage(run, at=AT, since=since)
    clustering = cluster(vectors, groups)
    layout = Layout(
        ids=vectors.ids,
        paths=tuple(tuple(paths) for paths in vectors.rows["paths"]),
        xy=np.zeros((len(vectors), 2), np.float32),
    )
    spec = {"groups": str(groups)}
    run.save_clustering(clustering, layout, provenance(spec))
    proposals = propose_types(vectors, clustering, np.ones(clustering.k))
    proposals = keep_ids(run, clustering, proposals, vectors=vectors, since=since)
    inputs = {CLUSTERING: hash_file(run.path / CLUSTERING)}
    run.save_proposals(proposals, provenance(spec, inputs))
    if told:
        return settle_lineage(run, at=AT, load_vectors=lambda: vectors, since=since)
    return None


def provenance(spec, inputs=None):
    return Provenance(command="discovery.cluster", spec=spec, seed=7, inputs=inputs or {})


def ids_of_kinds(run):
    """Return the proposal id of each kind: that of its first image."""
    clustering = run.load_clustering()
    names = {proposal.cluster_id: proposal.proposal_id for proposal in run.load_proposals()}
    return {
        int(image_id, 16) % KINDS: names.get(label, "")
        for image_id, label in zip(clustering.ids.tolist(), clustering.labels.tolist(), strict=True)
    }


def kinds_of(entry):
    return sorted(event.kind for event in entry.events)


@pytest.fixture(autouse=True)
def told_nothing(monkeypatch):
    """Let each test be told what an earlier one was: their folders may have the same name."""
    monkeypatch.setattr(faults, "_told", set())


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path / "run")


@pytest.fixture
def lot():
    return make_vectors(range(45))


def test_the_first_round_is_the_first_line(run, lot):
    entry = run_round(run, lot)
    assert read_lineage(run.path / LINEAGE) == [entry]
    assert (entry.images, entry.seed, entry.command) == (45, 7, "discovery.cluster")
    assert entry.spec == {"groups": "None"}
    assert entry.proposals == dict.fromkeys(ids_of_kinds(run).values(), 15)
    assert kinds_of(entry) == ["born"] * 3


def test_a_round_with_the_same_groups_writes_nothing(run, lot):
    run_round(run, lot)
    files = {name: (run.path / name).read_bytes() for name in (LINEAGE, LINEAGE_MEMORY, PROPOSALS)}
    assert settle_lineage(run, at=AT, load_vectors=lambda: pytest.fail("nothing to do")) is None
    assert run_round(run, lot) is None
    assert files == {name: (run.path / name).read_bytes() for name in files}


def test_ids_survive_added_and_removed_images_and_come_back_after_a_merge(run, lot):
    run_round(run, lot)
    first = ids_of_kinds(run)
    more = run_round(run, make_vectors(range(20, 90)))
    assert ids_of_kinds(run) == first
    assert kinds_of(more) == ["kept"] * 3
    coarse = run_round(run, make_vectors(range(20, 90)), {0: 0, 1: 0, 2: -1})
    assert kinds_of(coarse) == ["merged", "vanished"]
    back = run_round(run, make_vectors(range(20, 90)))
    assert ids_of_kinds(run) == first
    assert kinds_of(back) == ["revived", "split"]
    assert len(read_lineage(run.path / LINEAGE)) == 4


def test_a_new_lot_without_a_common_image_keeps_the_ids(run, lot):
    run_round(run, lot)
    first = ids_of_kinds(run)
    entry = run_round(run, make_vectors(range(300, 345)))
    assert ids_of_kinds(run) == first
    assert {(event.kind, event.by, event.shared) for event in entry.events} == {
        ("kept", "centroid", 0)
    }


def test_a_new_run_goes_on_with_the_ids_of_another(run, lot, tmp_path):
    run_round(run, lot)
    second = create_run(tmp_path / "second")
    entry = run_round(second, make_vectors(range(300, 345)), since=run.path)
    assert ids_of_kinds(second) == ids_of_kinds(run)
    assert entry.since == str(run.path)
    assert run_round(second, make_vectors(range(300, 345)), since=run.path) is None
    assert (run_round(second, make_vectors(range(300, 390)), since=run.path)).since == ""


def test_a_decided_proposal_keeps_its_id(run, lot):
    run_round(run, lot)
    first = ids_of_kinds(run)
    small = make_vectors([i for i in range(45) if i % KINDS != 1 or i < 30])
    run_round(run, small)
    members = tuple(i for i in small.ids.tolist() if int(i, 16) % KINDS == 1)
    decision = Decision(
        proposal_id=first[1], verdict="accept", label="scratch", by="eva", at=AT, image_ids=members
    )
    append_decisions(run.path / LEDGER, [decision])
    run_round(run, small, {0: 0, 1: 0, 2: 2})
    assert ids_of_kinds(run)[1] == first[1]


def test_an_id_that_the_ledger_knows_is_given_to_no_other_group(run, lot):
    medoids = {p.proposal_id for p in propose_types(lot, cluster(lot), np.ones(KINDS))}
    run_round(run, make_vectors(range(300, 303)), dict.fromkeys(range(KINDS), -1))
    decided = [
        Decision(proposal_id=name, verdict="reject", label="", by="eva", at=AT) for name in medoids
    ]
    append_decisions(run.path / LEDGER, decided)
    run_round(run, lot)
    assert not medoids & set(ids_of_kinds(run).values())


@pytest.mark.parametrize("where", ["keep", "append_lineage", "save_memory"])
def test_a_crash_at_any_step_is_mended_by_the_next_round(run, lot, where, monkeypatch):
    run_round(run, lot)
    more = make_vectors(range(20, 90))
    calm = create_run(run.path.parent / "calm")
    run_round(calm, lot)
    run_round(calm, more)
    with monkeypatch.context() as patch:
        if where == "keep":
            run_round(run, more, told=False)
        else:
            patch.setattr(lineage_ids, where, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                run_round(run, more)
    assert len(run.load_proposals()) == KINDS
    assert read_lineage(run.path / LINEAGE)  # both can be read
    run_round(run, more)
    assert ids_of_kinds(run) == ids_of_kinds(calm)
    assert read_lineage(run.path / LINEAGE) == read_lineage(calm.path / LINEAGE)
    assert load_memory(run).digest == load_memory(calm).digest
    assert np.array_equal(load_memory(run).centroids, load_memory(calm).centroids)


def test_a_crash_before_another_choice_is_told_all_the_same(run, lot):
    run_round(run, lot)
    run_round(run, lot, {0: 0, 1: 0, 2: 2}, told=False)
    run_round(run, lot)
    assert [["born"] * 3, ["merged"], ["split"]] == [
        kinds_of(entry) for entry in read_lineage(run.path / LINEAGE)
    ]


def test_a_run_of_an_earlier_version_is_taken_up(run, lot):
    run_round(run, lot)
    first = ids_of_kinds(run)
    (run.path / LINEAGE).unlink()
    (run.path / LINEAGE_MEMORY).unlink()
    entry = run_round(run, make_vectors(range(20, 90)))
    assert ids_of_kinds(run) == first
    assert kinds_of(entry) == ["kept"] * 3
    assert [["born"] * 3, ["kept"] * 3] == [
        kinds_of(entry) for entry in read_lineage(run.path / LINEAGE)
    ]


def test_proposals_of_other_clusters_are_not_told(run, lot):
    assert settle_lineage(run, at=AT) is None
    run_round(run, lot)
    lines = (run.path / LINEAGE).read_bytes()
    clustering = cluster(lot, {0: 0, 1: 0, 2: 2})
    run.save_clustering(clustering, run.load_layout(), provenance({}))
    assert settle_lineage(run, at=AT, load_vectors=lambda: lot) is None
    assert lines == (run.path / LINEAGE).read_bytes()


def test_proposals_of_another_version_stop_no_round(run, lot, caplog):
    run_round(run, lot)
    first = ids_of_kinds(run)
    inputs = {CLUSTERING: hash_file(run.path / CLUSTERING)}
    run.save_bytes(PROPOSALS, b"proposal_id,rank\nP1,1\n", provenance({}, inputs))
    get_logger().propagate = True
    with caplog.at_level(logging.WARNING):
        assert settle_lineage(run, at=AT) is None
    assert "cannot be read" in caplog.text
    run_round(run, make_vectors(range(20, 90)))
    assert ids_of_kinds(run) == first


def test_ids_that_clash_are_told_apart(run, lot):
    clustering = cluster(lot)
    proposals = propose_types(lot, clustering, np.ones(KINDS))
    same = [replace(proposal, proposal_id="P00000000") for proposal in proposals]
    assert len({p.proposal_id for p in keep_ids(run, clustering, same, vectors=lot)}) == KINDS


@pytest.mark.parametrize("line", ["{", "[]", '{"at": "now"}', '{"events": [{}]}'])
def test_a_line_that_cannot_be_read_is_named_and_kept(run, lot, line, caplog):
    run_round(run, lot)
    path = run.path / LINEAGE
    path.write_text(path.read_text() + line + "\n")
    with caplog.at_level(logging.WARNING, logger="defect-discovery"):
        run_round(run, make_vectors(range(60)))
    assert caplog.messages == [
        f"WARNING: {path}: line 2 is damaged and does not count, kept in lineage.damaged too; all "
        "else counts. Restore the file from a copy; only the history lacks it, no id and no label"
    ]
    assert path.with_suffix(".damaged").read_text() == line + "\n"
    assert len(read_lineage(path)) == 2
    assert path.read_text().splitlines()[1] == line


def test_every_flipped_bit_of_the_history_is_detected(run, lot, caplog):
    run_round(run, lot)
    run_round(run, make_vectors(range(60)))
    path = run.path / LINEAGE
    whole = path.read_bytes()
    entries = read_lineage(path)
    assert len(entries) == 2
    lines = whole.splitlines(keepends=True)
    for bit in range(0, 8 * len(whole), 11):  # a prime: every bit of a byte has its turn
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        reading = ChainReader(_parse_entry).read(bytes(data))
        assert not reading.is_whole or reading.used < len(data)
        assert all(entry in entries for entry in reading.values)
    with caplog.at_level(logging.WARNING, logger="defect-discovery"):
        path.write_bytes(lines[0])
        assert read_lineage(path) == entries[:1]
    assert "lines at its end were lost or altered" in caplog.text


def test_a_damaged_memory_is_named_and_can_be_removed(run, lot):
    run_round(run, lot)
    first = ids_of_kinds(run)
    memory = run.path / LINEAGE_MEMORY
    whole = memory.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:300] + b"\xff\xfe" + whole[302:]):
        memory.write_bytes(damaged)
        with pytest.raises(RunError, match=r"lineage\.npz is not the file that was written"):
            run_round(run, make_vectors(range(60)))
    memory.unlink()
    run_round(run, make_vectors(range(60)))
    assert ids_of_kinds(run) == first


def test_an_earlier_run_without_proposals_is_a_users_error(run, lot, tmp_path):
    empty = create_run(tmp_path / "empty")
    with pytest.raises(RunError, match="has no proposals to go on with"):
        run_round(run, lot, since=empty.path)
    with pytest.raises(RunError, match="is not a folder"):
        run_round(run, lot, since=tmp_path / "nowhere")


def test_history_is_only_added_to(run, lot):
    run_round(run, lot)
    path = run.path / LINEAGE
    before = path.read_text().rstrip("\n")  # an editor may take the last line break away
    path.write_text(before)
    run_round(run, make_vectors(range(60)))
    first, second = path.read_text().splitlines()
    assert first == before
    assert json.loads(second)["events"][0]["kind"] == "kept"
