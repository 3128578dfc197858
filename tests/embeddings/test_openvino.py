"""`--backend openvino`: the same function as torch's, in stores of its own, and nothing is sent."""

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")
from embeddings.errors import MissingExtraError, OptionError  # noqa: E402
from embeddings.extract import ExtractOptions, extract_vectors  # noqa: E402
from embeddings.extract.choose import choose_extractor, make_extractor  # noqa: E402
from embeddings.networks import by_openvino  # noqa: E402
from embeddings.networks.hardware import choose_precision  # noqa: E402
from embeddings.store import open_store  # noqa: E402

needs_openvino = pytest.mark.skipif(
    not by_openvino.has_openvino(), reason="openvino is not installed"
)
needs_bf16 = pytest.mark.skipif(
    choose_precision("auto", torch.device("cpu")) != "bf16", reason="this CPU has no bf16"
)


def load(name, *, backend, weights=None, precision="float32", **more):
    options = ExtractOptions(
        extractor=name, weights=weights, backend=backend, precision=precision, device="cpu", **more
    )
    return make_extractor(choose_extractor(options, None), options)


def draw_batch(n=3, channels=1, side=64):
    return np.random.default_rng(0).random((n, channels, side, side), dtype=np.float32)


@needs_openvino
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["resnet50", "lite"])
def test_rows_are_those_of_torch(name, channels, random_weights):
    weights = random_weights if name == "resnet50" else None
    batch = draw_batch(channels=channels)
    layers = ("layer1", "layer2") if name == "resnet50" else None
    rows = [
        load(name, backend=backend, weights=weights, layers=layers)(batch)
        for backend in ("torch", "openvino")
    ]
    assert rows[0].shape == rows[1].shape
    np.testing.assert_allclose(rows[1], rows[0], atol=2e-4)


@needs_openvino
def test_maps_are_those_of_torch_for_any_shape():
    ours, theirs = load("lite", backend="openvino"), load("lite", backend="torch")
    for batch in (draw_batch(side=64), draw_batch(n=2, side=96)[..., :32]):
        with torch.inference_mode():
            expected = theirs.feature_maps(batch, ("stage2", "stage4"))
        found = ours.feature_maps(batch, ("stage2", "stage4"))
        assert ["stage2", "stage4"] == list(found)
        for name, maps in found.items():
            torch.testing.assert_close(maps, expected[name], atol=2e-3, rtol=2e-3)


@needs_openvino
@needs_bf16
def test_bf16_is_near_to_float32_and_not_it():
    batch = draw_batch(n=4)
    exact = load("lite", backend="openvino")(batch)
    near = load("lite", backend="openvino", precision="auto")
    assert "bf16" == near.spec.precision
    cosines = (exact * near(batch)).sum(axis=1)
    assert np.all((cosines > 0.99) & (cosines < 1 - 1e-6))


@needs_openvino
def test_batches_that_are_begun_together_come_back_in_their_order():
    extractor = load("lite", backend="openvino")
    batches = [draw_batch() * share for share in (1.0, 0.6, 0.2, 0.8)][: extractor.slots]
    waits = [extractor.submit(batch) for batch in batches]
    for wait, batch in zip(waits, batches, strict=True):
        np.testing.assert_array_equal(wait(), extractor(batch))


@needs_openvino
def test_a_store_is_of_its_backend(extract, make_images, tmp_path):
    images, store = make_images(n=3), tmp_path / "store"
    small = ("--size", "32", "--batch-size", "2", "--pooling", "gem")
    ran = extract(images, "--store", store, "--backend", "openvino", *small, extractor="lite")
    assert "computed 3" in ran.last, ran.err
    assert "openvino-cpu" == open_store(store).spec.backend
    # It goes on by itself, and a picture's vector is the same in any batch.
    make_images(n=1, first=3)
    more = ("--batch-size", "2", "--store", store)
    assert "computed 1" in extract(images, *more, extractor=None).last
    for words in (("--backend", "torch"), ("--device", "cuda")):
        refused = extract(images, "--store", store, *words, extractor=None)
        assert (2, True) == (refused.code, "backend: openvino-cpu != torch-c" in refused.error)
    for words in (("--backend", "openvino"), ("--device", "cpu")):
        assert 0 == extract(images, "--store", store, *words, extractor=None).code


@needs_openvino
def test_a_vector_is_the_same_in_any_batch():
    extractor, batch = load("lite", backend="openvino"), draw_batch(n=4)
    alone = np.zeros_like(batch)
    alone[:1] = batch[2:3]
    np.testing.assert_array_equal(extractor(batch)[2], extractor(alone)[0])


@needs_openvino
@pytest.mark.long
def test_patches_are_compared_by_it_too(extract, make_images, tmp_path):
    small = ("--size", "32", "--batch-size", "2", "--pooling", "defect")
    words = (make_images(n=4), "--store", tmp_path / "store", "--backend", "openvino", *small)
    ran = extract(*words, extractor="lite")
    assert "computed 4" in ran.last, ran.err
    spec = open_store(tmp_path / "store").spec
    assert ("defect", "openvino-cpu") == (spec.pooling, spec.backend)


def test_a_store_of_torch_does_not_go_on_with_openvino(extract, make_images, tmp_path):
    words = (make_images(n=2), "--store", tmp_path / "store", "--size", "32")
    assert 0 == extract(*words, "--batch-size", "2", "--device", "cpu", extractor="lite").code
    refused = extract(*words, "--backend", "openvino", extractor=None)
    assert (2, True) == (refused.code, "backend: torch-cpu != openvino-cpu" in refused.error)
    assert 0 == extract(*words, "--backend", "torch", extractor=None).code


def test_without_the_package_one_line_says_how_to_get_it(
    extract, make_images, tmp_path, monkeypatch
):
    monkeypatch.setattr(by_openvino, "find_spec", lambda name: None)
    words = (make_images(n=2), "--store", tmp_path / "store", "--backend", "openvino")
    ran = extract(*words, extractor="lite")
    assert 2 == ran.code
    assert "openvino is not installed: run `pip install 'defect-discovery[openvino]'`" == ran.error
    assert not (tmp_path / "store").exists()
    with pytest.raises(MissingExtraError):
        by_openvino.import_openvino()


def test_it_is_for_a_cpu():
    with pytest.raises(OptionError, match="--backend openvino runs on a CPU"):
        ExtractOptions(backend="openvino", device="cuda")
    with pytest.raises(OptionError, match="--extractor texture is no network; leave one out"):
        ExtractOptions(backend="openvino", extractor="texture")


def test_a_package_that_cannot_be_loaded_is_told_in_one_line(tmp_path, monkeypatch):
    broken = tmp_path / "openvino"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('libtbb.so.12 is not there')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    with pytest.raises(OptionError, match=r"cannot be loaded \(libtbb.so.12 is not there\)"):
        by_openvino.import_openvino()


@needs_openvino
def test_nothing_is_reported_to_its_maker():
    code = (
        "import sys; from embeddings.networks.by_openvino import import_openvino; "
        "print(callable(import_openvino().convert_model), "
        "[name for name, module in sys.modules.items() if 'openvino_telemetry' in name and module])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "True []" == done.stdout.strip(), done.stderr


@needs_openvino
@needs_bf16
def test_a_model_that_it_trained_answers_by_it(random_weights):
    from discovery.classifier.features import reopen_feature_source

    made = load("resnet50", backend="openvino", weights=random_weights, size=64)
    tensors = _read(random_weights)
    source = reopen_feature_source(made.spec, tensors, options=ExtractOptions())
    assert made.spec == source.spec
    np.testing.assert_array_equal(made(draw_batch()), source.extractor(draw_batch()))


def _read(path):
    from embeddings.extractors import find_network

    return find_network("resnet50").read_weights("resnet50", path).tensors


@needs_openvino
def test_it_can_be_checked_against_float32_of_torch(make_images, tmp_path):
    options = ExtractOptions(
        extractor="lite", size=32, batch_size=4, backend="openvino", precision="float32",
        check_precision=12,
    )  # fmt: skip
    found = extract_vectors(make_images(n=13), tmp_path / "store", options=options).agreement
    assert "precision: float32 by OpenVINO agrees with float32: " in str(found)
    assert found.cosine == pytest.approx(1, abs=1e-5)
