"""Extraction by a real cluster: the same store as one machine makes, whoever is killed."""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from embeddings.errors import InputError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.extract.blocks import read_elsewhere
from embeddings.extract.choose import choose_extractor
from embeddings.extract.engines import open_engine
from embeddings.extract.pieces import Job
from embeddings.extract.rows import RowPlan, read_jobs
from embeddings.extract.sources import NO_FILES, fingerprint_files
from embeddings.images import fingerprint_file
from embeddings.ray_pool import RayPool, connect
from embeddings.reader import Preparation
from embeddings.store import open_store, verify_store

ray = pytest.importorskip("ray", reason="Ray is not installed: `make test-ray` installs it")

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 120  # seconds: of what a test waits for


def describe(store):
    """Return all that a store says, in forms that compare."""
    opened = open_store(store)
    vectors = opened.load_vectors()
    rows = opened.rows().sort_values("image_id", ignore_index=True)
    files = opened.files()
    return {
        "vectors": dict(zip(vectors.ids.tolist(), vectors.values, strict=True)),
        "rows": rows.drop(columns=["path", "paths"], errors="ignore"),
        "files": files[["path", "file_id"]],
        "quarantine": opened.quarantine(),
        "windows": dict(opened.windows),
        "bars": dict(opened.bars),
    }


def check_same(store, other, *, path=""):
    """Check that two stores hold the same, each image once."""
    found, expected = describe(store), describe(other)
    assert found["vectors"].keys() == expected["vectors"].keys()
    assert len(found["rows"]) == len(found["vectors"])
    for image_id, values in expected["vectors"].items():
        np.testing.assert_allclose(found["vectors"][image_id], values, atol=1e-6)
    for name in ("rows", "files", "quarantine"):
        pd.testing.assert_frame_equal(found[name], expected[name])
    for name in ("windows", "bars"):
        assert found[name] == expected[name]
    assert verify_store(store) == []
    assert not (store / "staging").exists()


def wait_for_receipts(store, wanted):
    deadline = time.monotonic() + DEADLINE
    while len(list(store.glob("staging/*.receipt.json"))) < wanted:
        assert time.monotonic() < deadline, "nothing was staged"
        time.sleep(0.02)


def extract(images, store, cluster=None, **options):
    options = {"extractor": "texture", "workers": 1, **options}
    if cluster is not None:
        options |= {"engine": "ray", "ray_address": cluster.address}
    return extract_vectors(images, store, options=ExtractOptions(**options))


@pytest.fixture
def odd_lot(draw_lot):
    """Pictures with what a folder holds beside them: a copy, a stack, a broken file."""
    images = draw_lot(40)
    shutil.copy(images / "0001.png", images / "copy.png")
    stack = np.random.default_rng(9).integers(0, 255, (5, 48, 48), np.uint8)
    tifffile.imwrite(images / "stack.tif", stack, photometric="minisblack")
    (images / "bad.png").write_text("no picture")
    return images


def write_tables(images):
    """Write boxes, of a copy too, and metadata."""
    names = ["0001.png", "0002.png", "0004.png", "copy.png"]
    boxes = pd.DataFrame({"path": names, "xmin": 5, "ymin": 6, "xmax": [20, 21, 22, 20]})
    boxes["ymax"] = 25
    boxes = pd.concat([boxes, boxes.assign(xmin=30, xmax=50)])
    boxes.to_csv(images.parent / "boxes.csv", index=False)
    metadata = pd.DataFrame({"path": names, "tool": ["A", "B", "A", "B"]})
    metadata.to_csv(images.parent / "metadata.csv", index=False)
    return {"boxes": images.parent / "boxes.csv", "metadata": images.parent / "metadata.csv"}


@pytest.mark.parametrize("how", ["whole", "tiles", "boxes"])
def test_a_cluster_makes_the_store_that_one_machine_makes(how, odd_lot, cluster, tmp_path):
    options = {"whole": {}, "tiles": {"tile": 32}}.get(how) or (
        write_tables(odd_lot) if how == "boxes" else {}
    )
    by_cluster = extract(odd_lot, tmp_path / "store", cluster, commit_every=16, **options)
    alone = extract(odd_lot, tmp_path / "alone", **options)
    assert by_cluster.ids.tolist() == alone.ids.tolist()
    assert by_cluster.summary == alone.summary
    check_same(tmp_path / "store", tmp_path / "alone")


def test_what_is_there_is_not_computed_again(draw_lot, cluster, tmp_path):
    images = draw_lot(20)
    extract(images, tmp_path / "store", cluster)
    before = (tmp_path / "store" / "store.json").read_bytes()
    assert extract(images, tmp_path / "store", cluster).computed == 0
    assert (tmp_path / "store" / "store.json").read_bytes() == before


def test_a_network_gives_the_same_vectors(draw_lot, cluster, tmp_path, random_weights):
    images = draw_lot(24)
    options = {"extractor": "lite", "size": 64}
    extract(images, tmp_path / "store", cluster, **options)
    extract(images, tmp_path / "alone", **options)
    check_same(tmp_path / "store", tmp_path / "alone")


def test_a_machine_that_is_lost_costs_no_image_and_doubles_none(
    draw_lot, cluster, kill_machine, tmp_path, caplog
):
    images, store = draw_lot(240, side=256), tmp_path / "store"

    def kill_later():
        wait_for_receipts(store, 2)
        kill_machine(cluster)

    killer = threading.Thread(target=kill_later)
    killer.start()
    with caplog.at_level(logging.INFO, logger="defect-discovery"):
        extract(images, store, cluster, batch_size=4)
    killer.join()
    assert "a worker was lost" in caplog.text
    extract(images, tmp_path / "alone")
    check_same(store, tmp_path / "alone")


def test_a_killed_driver_leaves_the_store_readable_and_its_work_is_taken_up(
    draw_lot, cluster, tmp_path
):
    images, store = draw_lot(240, side=256), tmp_path / "store"
    words = [images, "--store", store, "--extractor", "texture", "--workers", "1"]
    words += ["--batch-size", "4", "--engine", "ray", "--ray-address", cluster.address]
    command = [sys.executable, "-m", "embeddings.extract", *map(str, words)]
    killed = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_for_receipts(store, 3)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()

    assert len(open_store(store)) == 0
    assert verify_store(store) == []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    taken = re.search(r"staged: (\d+) of 240 files were done by an earlier call", done.stderr)
    assert int(taken[1]) >= 3
    assert "computed 240, reused 0" in done.stdout
    extract(images, tmp_path / "alone")
    check_same(store, tmp_path / "alone")


def test_no_cluster_there_is_one_line(draw_lot, tmp_path):
    command = [sys.executable, "-m", "embeddings.extract", draw_lot(3), "--store", tmp_path / "s"]
    command += ["--engine", "ray", "--ray-address", "127.0.0.1:1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    line = done.stderr.strip().splitlines()[-1]
    assert "--ray-address 127.0.0.1:1: no Ray cluster answers" in line
    assert not (tmp_path / "s").exists()


def test_files_are_hashed_by_workers_as_by_one_machine(cluster, tmp_path):
    files = [tmp_path / f"{number:05d}.png" for number in range(5000)]
    for number, path in enumerate(files):
        path.write_bytes(b"%d" % number)
    files.insert(7, tmp_path / "gone.png")
    options = ExtractOptions(engine="ray", ray_address=cluster.address, workers=1)
    alone = fingerprint_files(files, NO_FILES, workers=1)
    known = alone.files.iloc[:100]
    with open_engine(options, None) as engine:
        found = engine.fingerprint(files, known)
    pd.testing.assert_frame_equal(found.files, alone.files)
    assert found.quarantined == alone.quarantined


def test_tasks_on_other_machines_read_as_threads_do(draw_lot, cluster):
    connect(cluster.address)
    paths = sorted(draw_lot(70).iterdir())
    jobs = [Job(path=str(path), file_id=fingerprint_file(path)) for path in paths]
    how = Preparation(spec=spec_of_texture(), windows={"16 bit grey": (0, 1), "8 bit grey": (0, 1)})
    plan = RowPlan(how=how)
    elsewhere = list(read_elsewhere(jobs, ray.put(plan), ahead=1))
    here = list(read_jobs(jobs, plan, workers=1, ahead=2))
    assert [piece.job for piece in elsewhere] == [piece.job for piece in here] == jobs
    for one, other in zip(elsewhere, here, strict=True):
        assert (one.ids, one.fault, one.is_last) == (other.ids, other.fault, other.is_last)
        for image, expected in zip(one.images, other.images, strict=True):
            np.testing.assert_array_equal(image, expected)


def spec_of_texture():
    return choose_extractor(ExtractOptions(extractor="texture"), None).spec


class Stubborn:
    """Work that ends whoever does it, or fails as a user's error does."""

    def __call__(self):
        return self.work

    def work(self, block):
        if block == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if block == "fail":
            raise InputError("the file is faulty")
        return block


@pytest.mark.parametrize(
    ("block", "text"), [("kill", "4 workers in turn were lost"), ("fail", "the file is faulty")]
)
def test_a_block_that_cannot_be_done_ends_in_one_line(block, text, cluster):
    with RayPool(connect(cluster.address), cpus=1, most=3) as pool:
        with pytest.raises(InputError, match=text):
            list(pool.map(Stubborn(), ["good", block]))
        assert sorted(pool.map(Stubborn(), [1, 2, 3])) == [(0, 1), (1, 2), (2, 3)]


def test_a_round_on_images_may_use_a_cluster(draw_lot, cluster, tmp_path):
    command = [sys.executable, "-m", "discovery.cluster", draw_lot(40), "--out", tmp_path / "run"]
    command += ["--extractor", "texture", "--engine", "ray", "--ray-address", cluster.address]
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "computed 40, reused 0" in done.stdout
    assert (tmp_path / "run" / "report.html").exists()
