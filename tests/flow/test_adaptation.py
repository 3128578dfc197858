"""`--adapt` through the commands: learned once, kept, applied to new images, and refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from discovery import RoundOptions, discover_types
from discovery.flow.adaptation import (
    ADAPTATION,
    Adaptation,
    format_adaptation,
    open_fitted_adaptation,
    read_adaptation,
)
from discovery.flow.assignment import assign_images
from discovery.review.data import ReviewData
from discovery.runs import open_run
from discovery.stages.adapt import Evidence, Projection
from embeddings.errors import InputError, OptionError, RunError
from embeddings.extract import ExtractOptions
from embeddings.store import open_store

LITE = ExtractOptions(extractor="lite", size=64)
BETTER = Evidence(images=60, variants=180, before=90, after=130, gained=45, lost=5)


@pytest.fixture(scope="module")
def adapted(pictures, tmp_path_factory):
    """A run whose images were looked at through what was learned of them."""
    out = tmp_path_factory.mktemp("adapted") / "run"
    return discover_types(pictures, out, options=RoundOptions(extract=LITE, adapt=True)).run


def test_evidence_and_answer_are_in_the_run_and_its_report(adapted):
    found = read_adaptation(adapted.path / ADAPTATION)
    (evidence,) = found.evidence.values()
    assert 0 < evidence.before <= evidence.variants == 3 * evidence.images
    told = json.loads((adapted.path / "facts.json").read_text())["parameters"]["adapted"]
    store = open_store(adapted.path / "store")
    assert told == found.describe([store.spec])
    assert told.startswith(f"picture {evidence.before / evidence.variants:.3f} to ")
    assert ("adaptation" in adapted.store) == bool(found.taken)


def test_a_second_round_learns_nothing(adapted, pictures, caplog):
    before = (adapted.path / ADAPTATION).stat().st_mtime_ns
    caplog.set_level("INFO")
    discover_types(pictures, adapted.path, options=RoundOptions(extract=LITE, adapt=True))
    assert (adapted.path / ADAPTATION).stat().st_mtime_ns == before
    assert not [line for line in caplog.messages if "neighbours:" in line or "adapt:" in line]


@pytest.fixture
def taken(adapted, pictures, tmp_path):
    """A run of which half of the axes are looked along, on evidence that says so."""
    run = tmp_path / "run"
    shutil.copytree(adapted.path, run)
    found = read_adaptation(run / ADAPTATION)
    ((name, one),) = found.projections.items()
    half = Projection(mean=one.mean, axes=one.axes[: len(one.axes) // 2])
    written = Adaptation(evidence={name: BETTER}, projections={name: half})
    (run / ADAPTATION).write_bytes(format_adaptation(written))
    options = RoundOptions(extract=LITE, adapt=True)
    discover_types(pictures, run, options=options)
    return open_run(run), written


def test_the_runs_images_keep_their_clusters_when_they_come_again(taken, pictures):
    run, written = taken
    assert run.store["adaptation"] == written.digest
    assigned = assign_images(run, pictures)
    clustering = run.load_clustering()
    of = dict(zip(clustering.ids.tolist(), clustering.labels.tolist(), strict=True))
    wanted = [of[name] for name in assigned.ids.tolist()]
    assert assigned.placement.cluster_ids.tolist() == wanted
    (view,) = ReviewData(run).views
    (projection,) = written.projections.values()
    assert view.values.shape == (len(clustering.ids), len(projection.axes))


def test_without_it_the_same_run_is_made_anew_of_whole_vectors(taken, pictures):
    run, written = taken
    discover_types(pictures, run.path, options=RoundOptions(extract=LITE))
    again = open_run(run.path)
    assert "adaptation" not in again.store
    assert open_fitted_adaptation(again) is None
    (projection,) = written.projections.values()
    assert ReviewData(again).views[0].values.shape[1] > len(projection.axes)
    # It is kept for a later --adapt, and read by nothing until then.
    (run.path / ADAPTATION).write_bytes(b"damaged")
    assigned = assign_images(again, pictures)
    assert set(assigned.placement.cluster_ids.tolist()) <= set(again.load_clustering().labels)
    assert ReviewData(again).views[0].values.shape[1] > len(projection.axes)


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_a_run_whose_projection_is_lost_says_so(taken, pictures, damage):
    run, written = taken
    place = run.path / ADAPTATION
    data = place.read_bytes()
    if damage == "gone":
        place.unlink()
    elif damage == "cut":
        place.write_bytes(data[: len(data) // 2])
    else:
        ((name, one),) = written.projections.items()
        other = {name: replace(one, axes=one.axes[::-1].copy())}
        place.write_bytes(format_adaptation(replace(written, projections=other)))
    fault = "is missing" if damage == "gone" else "is not what the run was made with"
    with pytest.raises(RunError, match=rf"adaptation\.npz {fault}: put it back"):
        assign_images(run, pictures)


def test_what_is_kept_is_read_back(tmp_path):
    rng = np.random.default_rng(0)
    one = Projection(
        mean=rng.normal(size=5).astype(np.float32), axes=rng.normal(size=(2, 5)).astype(np.float32)
    )
    worse = replace(BETTER, after=80, gained=5, lost=15)
    found = Adaptation(evidence={"a": BETTER, "b": worse}, projections={"a": one, "b": one})
    (tmp_path / ADAPTATION).write_bytes(format_adaptation(found))
    again = read_adaptation(tmp_path / ADAPTATION)
    assert again.evidence == found.evidence
    assert list(again.taken) == ["a"]
    assert again.digest == found.digest
    np.testing.assert_array_equal(again.projections["b"].axes, one.axes)


def test_what_cannot_be_adapted_is_refused(finished, tmp_path):
    with pytest.raises(OptionError, match="--adapt: --extractor texture is no network"):
        RoundOptions(extract=ExtractOptions(extractor="texture"), adapt=True)
    with pytest.raises(OptionError, match="--adapt: texture is no network"):
        discover_types(finished / "store", tmp_path / "run", options=RoundOptions(adapt=True))
    assert not (tmp_path / "run").exists()
    with pytest.raises(OptionError, match="--adapt is for vectors of whole pictures"):
        RoundOptions(extract=replace(LITE, pooling="defect"), adapt=True)


def test_too_few_images_are_told_as_such(pictures, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted((pictures / "images").iterdir())[:6]:
        shutil.copy(path, few)
    with pytest.raises(InputError, match=r"--adapt: there are 6 images .*, expected 24 or more"):
        discover_types(few, tmp_path / "run", options=RoundOptions(extract=LITE, adapt=True))


def test_images_that_are_gone_teach_nothing(adapted, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(adapted.path / "store", store)
    options = RoundOptions(extract=ExtractOptions(max_pixels=256), adapt=True)
    files = sorted((tmp_path / "gone").glob("*"))
    assert not files
    with open_store(store).write() as writer:
        writer.set_files(open_store(store).files().assign(path=lambda t: "/gone" + t["path"]))
        writer.commit()
    with pytest.raises(InputError, match="0 of 60 images can be read again, expected 24 or more"):
        discover_types(store, tmp_path / "run", options=options)
