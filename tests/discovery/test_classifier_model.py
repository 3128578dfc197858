"""The model's folder: the same answers after reading, nothing that was altered is read."""

import contextlib
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.model import (
    MODEL_JSON,
    Model,
    check_model_folder,
    load_model,
    save_model,
)
from discovery.records import Predictions
from embeddings.errors import ModelError
from embeddings.extractors import SpecRequest
from embeddings.extractors.texture import EXTRACTOR as TEXTURE
from embeddings.files import hash_bytes, seal
from embeddings.records import DataBar

LABELS = ("defect/Ätzung", "defect/pit", "no_defect")
IDS = np.array([f"i{i:02}" for i in range(24)])


@pytest.fixture(scope="module")
def rows(make_blobs):
    return make_blobs(LABELS, size=8)


@pytest.fixture(scope="module")
def model(few_steps, rows):
    cascade = CascadeClassifier(blocks=(8, 4), epochs=2).fit(*rows)
    return Model(
        cascade=cascade,
        spec=TEXTURE.make_spec(SpecRequest(name="texture")),
        tensors={
            "conv1.weight": torch.arange(24, dtype=torch.float32).reshape(2, 3, 2, 2),
            "bn1.num_batches_tracked": torch.tensor(7),
        },
        windows={"uint8": (0.0, 255.0), "uint16": (821.0, 1265.5)},
        bars={"640x540": (DataBar(edge="bottom", rows=60, level=0.0),), "64x64": ()},
        orientations=8,
        gate={"threshold": 0.04, "method": "median"},
        training={"sha256": "ab" * 32, "images": 24},
    )


@pytest.fixture
def folder(model, tmp_path):
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """A model that nobody leaves altered."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(model, folder)
    return folder


def with_handoff(model, sha256):
    return replace(model, training={**model.training, "sha256": sha256})


def assert_same(first: Predictions, second: Predictions):
    for name in Predictions.__slots__:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_a_model_that_was_read_answers_the_same(model, saved, rows):
    read = load_model(saved)
    assert_same(model.cascade.answer(rows[0], IDS), read.cascade.answer(rows[0], IDS))
    for variant in (None, "fused", "deep", "classical", "linear"):
        said = model.cascade.predict_flat(rows[0], variant).tolist()
        assert said == read.cascade.predict_flat(rows[0], variant).tolist()
    assert model.cascade.classes_.tolist() == read.cascade.classes_.tolist()
    for name in ("spec", "windows", "bars", "orientations", "gate", "training"):
        assert getattr(model, name) == getattr(read, name)


def test_the_network_comes_back_bit_for_bit_and_in_its_shapes(model, saved):
    read = load_model(saved).tensors
    assert set(model.tensors) == set(read)
    for name, tensor in model.tensors.items():
        assert (tensor.shape, tensor.dtype) == (read[name].shape, read[name].dtype)
        assert torch.equal(tensor, read[name])


def test_what_nothing_reaches_comes_back_as_infinite(model, tmp_path, rows):
    fitted = CascadeClassifier(blocks=(8, 4), epochs=1).fit(rows[0][::8], rows[1][::8])
    assert np.isinf(fitted.calibration_.thresholds).all()
    assert np.isinf(fitted.calibration_.scale.limit)
    save_model(replace(model, cascade=fitted), tmp_path / "m")
    read = load_model(tmp_path / "m").cascade
    assert np.isinf(read.calibration_.thresholds).all()
    assert np.isinf(read.calibration_.scale.limit)
    assert_same(fitted.answer(rows[0], IDS), read.answer(rows[0], IDS))


def test_the_folder_holds_safetensors_and_json_and_no_pickle(saved):
    paths = sorted(saved.iterdir())
    assert [".safetensors", ".safetensors", ".json"] == [path.suffix for path in paths]
    for path in paths:
        data = path.read_bytes()
        if path.name == MODEL_JSON:
            assert isinstance(json.loads(data), dict)
            continue
        size = int.from_bytes(data[:8], "little")  # safetensors: length of a JSON header, header
        assert isinstance(json.loads(data[8 : 8 + size]), dict)
        assert hash_bytes(data)[:16] in path.name


def test_the_files_say_whose_they_are(model, saved):
    content = json.loads((saved / MODEL_JSON).read_text())
    assert {"defect", *LABELS} == set(content["taxonomy"]["nodes"])
    assert model.spec.to_dict() == content["spec"]
    assert "ab" * 32 == content["training"]["sha256"]
    for entry in content["files"].values():
        with safe_open(saved / entry["name"], framework="numpy") as file:
            assert {"taxonomy", "spec", "handoff"} == set(file.metadata())
            assert "ab" * 32 == file.metadata()["handoff"]


@pytest.mark.parametrize("kind", ["cascade", "backbone", "model"])
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_every_flipped_bit_is_found(saved, kind, place, bit):
    (path,) = saved.glob(f"{kind}*")
    whole = path.read_bytes()
    data = bytearray(whole)
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(data)
    try:
        with pytest.raises(ModelError):
            load_model(saved)
    finally:
        path.write_bytes(whole)


def test_blanks_and_the_writing_of_numbers_count_as_altered(folder):
    path = folder / MODEL_JSON
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    with pytest.raises(ModelError, match="was altered"):
        load_model(folder)


@pytest.mark.parametrize("kind", ["cascade", "backbone"])
def test_cut_off_and_missing_files_are_named(folder, kind):
    (path,) = folder.glob(f"{kind}*")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=f"{kind}.*was altered"):
        load_model(folder)
    path.unlink()
    with pytest.raises(ModelError, match=f"{kind}.*is missing: copy the whole folder"):
        load_model(folder)


@pytest.mark.parametrize("kind", ["cascade", "backbone"])
def test_files_of_two_models_do_not_mix(model, folder, tmp_path, kind):
    """Even where somebody writes the other file's name and hash into a sealed model.json."""
    save_model(with_handoff(model, "cd" * 32), tmp_path / "other")
    (foreign,) = (tmp_path / "other").glob(f"{kind}*")
    shutil.copyfile(foreign, folder / foreign.name)
    content = json.loads((folder / MODEL_JSON).read_text())
    content["files"][kind] = {"name": foreign.name, "sha256": hash_bytes(foreign.read_bytes())}
    del content["sha256"]
    content["sha256"] = hash_bytes(json.dumps(content, sort_keys=True).encode())
    (folder / MODEL_JSON).write_text(json.dumps(content, indent=2) + "\n")
    with pytest.raises(ModelError, match="another taxonomy, extractor or handoff"):
        load_model(folder)


def test_another_models_json_does_not_fit_these_tensors(model, folder, tmp_path):
    save_model(with_handoff(model, "cd" * 32), tmp_path / "other")
    shutil.copyfile(tmp_path / "other" / MODEL_JSON, folder / MODEL_JSON)
    with pytest.raises(ModelError, match="is missing: copy the whole folder"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 3}, "has version 3, this program reads 1 and 2"),
        ({"format": "defect-discovery-detector"}, "is not of the format"),
        ({"turns": 1}, "was altered"),
    ],
)
def test_other_versions_and_formats_are_refused(folder, change, words):
    path = folder / MODEL_JSON
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}, indent=2) + "\n")
    with pytest.raises(ModelError, match=words):
        load_model(folder)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_what_is_no_model_is_refused(tmp_path, data):
    with pytest.raises(ModelError, match="is not a model"):
        load_model(tmp_path)
    (tmp_path / MODEL_JSON).write_bytes(data)
    with pytest.raises(ModelError):
        load_model(tmp_path)


def test_a_file_is_no_model(folder):
    with pytest.raises(ModelError, match="cannot be read: Not a directory"):
        load_model(folder / MODEL_JSON)


# --- the place ---


def test_training_into_the_same_folder_replaces_and_leaves_no_stale_tensors(model, folder):
    (folder / "notes.txt").write_text("mine")
    (folder / "resnet50.safetensors").write_bytes(b"mine too")
    (folder / ".model.json.999999999.tmp").write_bytes(b"left by a crash of long ago")
    os.utime(folder / ".model.json.999999999.tmp", (0, 0))
    before = {path.name for path in folder.glob("*-*.safetensors")}
    save_model(with_handoff(model, "cd" * 32), folder)
    after = {path.name for path in folder.glob("*-*.safetensors")}
    assert 2 == len(after)
    assert not before & after
    assert "cd" * 32 == load_model(folder).training["sha256"]
    others = {path.name for path in folder.iterdir()} - after - {MODEL_JSON}
    assert {"notes.txt", "resnet50.safetensors"} == others


def test_an_interrupted_save_leaves_the_old_model(model, folder, tmp_path):
    """Killed before model.json is replaced: the new tensors lie beside the old ones."""
    save_model(with_handoff(model, "cd" * 32), tmp_path / "new")
    for path in (tmp_path / "new").glob("*.safetensors"):
        shutil.copyfile(path, folder / path.name)
    assert "ab" * 32 == load_model(folder).training["sha256"]
    check_model_folder(folder)


def test_an_interrupted_first_save_is_no_model_and_may_be_done_again(model, folder):
    (folder / MODEL_JSON).unlink()
    (folder / ".model.json.999999999.tmp").write_bytes(b"{")
    with pytest.raises(ModelError, match="is not a model"):
        load_model(folder)
    save_model(model, folder)
    assert "ab" * 32 == load_model(folder).training["sha256"]


def test_a_damaged_model_may_be_trained_again(model, folder):
    path = folder / MODEL_JSON
    path.write_bytes(path.read_bytes()[:-20])
    save_model(model, folder)
    load_model(folder)


def test_a_place_that_holds_something_else_is_refused_and_left_as_it_is(model, tmp_path):
    (tmp_path / "detector").mkdir()
    other = b'{"format": "defect-discovery-detector"}'
    (tmp_path / "detector" / MODEL_JSON).write_bytes(other)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    for name in ("detector", "images"):
        with pytest.raises(ModelError, match="is not empty and holds no model"):
            save_model(model, tmp_path / name)
    for name in ("file", "file/model"):
        with pytest.raises(ModelError, match="file is a file, expected a folder"):
            check_model_folder(tmp_path / name)
    assert other == (tmp_path / "detector" / MODEL_JSON).read_bytes()
    assert ["a.png"] == [path.name for path in (tmp_path / "images").iterdir()]


def test_a_new_or_empty_place_will_do(tmp_path):
    for place in (tmp_path, tmp_path / "deep" / "er"):
        check_model_folder(place)
    assert [] == list(tmp_path.iterdir())


def _places(values, at=()):
    """Yield the path of every value in nested JSON."""
    children = (
        values.items() if isinstance(values, dict)
        else enumerate(values) if isinstance(values, list) else ()
    )  # fmt: skip
    for key, child in children:
        yield (*at, key)
        yield from _places(child, (*at, key))


NONSENSE = (None, "x", -1, 10**12, 1e300, [], {}, [[[[]]]], {"a": {}}, True)


@pytest.mark.filterwarnings("ignore")  # of numbers that a crafted file makes infinite
def test_nonsense_under_a_valid_seal_is_an_error_of_ours(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "m")
    content = json.loads((folder / MODEL_JSON).read_bytes())
    places = [p for p in _places(content) if p[0] not in ("sha256", "format", "version")]
    rng = np.random.default_rng(4)
    drawn = [places[place] for place in rng.permutation(len(places))[:120]]
    for number, (*above, last) in enumerate(drawn):
        altered = json.loads(json.dumps(content))
        target = altered
        for key in above:
            target = target[key]
        target[last] = NONSENSE[number % len(NONSENSE)]
        data = (json.dumps(seal(altered), indent=2) + "\n").encode()
        (folder / MODEL_JSON).write_bytes(data)
        with contextlib.suppress(ModelError):  # any other error is none of ours
            load_model(folder)
