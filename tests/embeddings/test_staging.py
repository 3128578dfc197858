"""Segments that wait: unseen until adopted, taken up once, swept where nobody wants them."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embeddings.errors import OptionError, StoreError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.extract.blocks import Block, BlockDone, BlockPlan, make_key, read_group
from embeddings.extract.choose import choose_extractor
from embeddings.extract.pieces import Job
from embeddings.extract.recipe import Recipe
from embeddings.extract.rows import RowPlan
from embeddings.reader import Preparation
from embeddings.store import create_store, open_store, verify_store
from embeddings.store.staging import STAGING, check_staging, open_staging, remove_staging

PLAN = {"next_number": 1, "spec": "of the test"}


@pytest.fixture
def work(make_images, tmp_path):
    """A block of six files with one that is broken, the plan it is done by, and an empty store."""
    images = make_images(n=6)
    (images / "bad.png").write_text("no picture")
    options = ExtractOptions(extractor="texture", workers=1, commit_every=2)
    first = extract_vectors(images, tmp_path / "alone", options=options)
    alone = open_store(tmp_path / "alone")
    store = create_store(tmp_path / "store", alone.spec, vector_dtype="float32")
    with store.write() as writer:
        for kind, window in alone.windows.items():
            writer.set_window(kind, window)
    open_staging(store.path, PLAN)
    how = Preparation(spec=alone.spec, windows=dict(alone.windows))
    plan = BlockPlan(
        folder=store.path,
        staging=PLAN,
        choice=replace(choose_extractor(options, alone), store=None),
        options=options,
        rows=RowPlan(how=how, recipe=Recipe()),
    )
    jobs = [Job(path=path, file_id=file_id) for path, file_id in first.paths.to_numpy().tolist()]
    bad = Job(path=str(images / "bad.png"), file_id="0" * 16)
    return plan, Block(first=5, jobs=(*jobs[:3], bad, *jobs[3:])), alone


def test_a_block_is_staged_in_segments_and_seen_by_nobody(work):
    plan, block, _ = work
    done = plan()(block)
    assert [one.entry.number for one in done.staged] == [5, 6, 7]
    assert [one.entry.rows for one in done.staged] == [2, 2, 2]
    ((path, reason),) = done.faults
    assert path.endswith("bad.png")
    assert reason
    assert len(open_store(plan.folder)) == 0
    assert verify_store(plan.folder) == []


def test_adopted_segments_are_what_one_machine_commits(work):
    plan, block, alone = work
    done = plan()(block)
    with open_store(plan.folder).write() as writer:
        writer.set_files(alone.files())
        writer.adopt(done.staged)
        assert writer.next_number == 9  # one more than the last segment's, which is the log's
    found, expected = open_store(plan.folder).load_vectors(), alone.load_vectors()
    assert found.ids.tolist() == expected.ids.tolist()
    np.testing.assert_array_equal(found.values, expected.values)
    assert verify_store(plan.folder) == []


def test_no_image_is_adopted_twice(work):
    plan, block, _ = work
    worker = plan()
    first, again = worker(block), worker(replace(block, first=20))
    both = [*first.staged, *again.staged]
    twice = pytest.raises(ValueError, match="that the store has already")
    with twice, open_store(plan.folder).write() as writer:
        writer.adopt(both)
    assert len(open_store(plan.folder)) == 0
    with open_store(plan.folder).write():
        pass  # the next writer removes what was moved and not committed
    assert verify_store(plan.folder) == []


def test_receipts_are_for_the_same_plan_alone(work):
    plan, block, _ = work
    done = plan()(block)
    (receipt,) = open_staging(plan.folder, PLAN)
    kept = BlockDone.from_receipt(receipt)
    assert (kept.staged, kept.done, kept.keys) == (done.staged, done.done, done.keys)
    assert all(one.is_whole(plan.folder) for one in kept.staged)
    assert open_staging(plan.folder, {**PLAN, "next_number": 2}) == []
    assert not any(one.is_whole(plan.folder) for one in kept.staged)


def test_a_receipt_that_is_cut_off_is_none(work):
    plan, block, _ = work
    plan()(block)
    (path,) = (plan.folder / STAGING).glob("*.receipt.json")
    path.write_bytes(path.read_bytes()[:-20])
    assert open_staging(plan.folder, PLAN) == []


def test_another_folder_on_a_worker_is_told(work, tmp_path):
    plan, _, _ = work
    remove_staging(plan.folder)
    with pytest.raises(StoreError, match="every machine mounts at the same path"):
        check_staging(plan.folder, PLAN)


def test_a_job_is_another_with_other_metadata(work):
    plan, block, _ = work
    job = block.jobs[0]
    assert make_key(job, plan.rows) == make_key(replace(job), plan.rows)
    assert make_key(job, plan.rows) != make_key(replace(job, metadata={0: "{}"}), plan.rows)


def test_parcels_hold_every_piece(work):
    plan, block, _ = work
    parcels = list(read_group(block.jobs, plan.rows))
    pieces = [piece for parcel in parcels for piece in parcel]
    assert [piece.job.path for piece in pieces] == [job.path for job in block.jobs]
    assert [bool(piece.fault) for piece in pieces] == [job is block.jobs[3] for job in block.jobs]


def test_the_next_extraction_sweeps_what_is_staged(work, tmp_path):
    plan, block, _ = work
    plan()(block)
    extract_vectors(
        Path(block.jobs[0].path).parent, plan.folder, options=ExtractOptions(extractor="texture")
    )
    assert not (plan.folder / STAGING).exists()


def test_an_address_without_a_cluster_is_refused():
    with pytest.raises(OptionError, match="--ray-address is for --engine ray"):
        ExtractOptions(ray_address="10.0.0.1:6379")


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_one_line_says_how_to_install_it(make_images, extract, tmp_path):
    ran = extract(make_images(), "--store", tmp_path / "s", "--engine", "ray")
    assert ran.code == 2
    assert ran.error == "ray is not installed: run `pip install 'defect-discovery[ray]'`"
    assert not (tmp_path / "s").exists()
