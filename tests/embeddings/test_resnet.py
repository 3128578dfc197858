"""ResNet-50: weights checked tensor by tensor, the same function as torchvision's, each pooling."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torchvision.models import resnet50  # noqa: E402

from embeddings.errors import OptionError, WeightsError  # noqa: E402
from embeddings.extractors.resnet50 import EXTRACTOR as RESNET50  # noqa: E402
from embeddings.networks.hardware import choose_device, choose_precision  # noqa: E402
from embeddings.records import ExtractorSpec, unit_rows  # noqa: E402

REAL = Path(__file__).resolve().parents[3] / "shared/weights/resnet50-imagenet-pq.safetensors"
CPU = torch.device("cpu")
LAYERS = RESNET50.channels("resnet50")
BATCH = np.random.default_rng(3).random((2, 3, 64, 64), dtype=np.float32)


@pytest.fixture(scope="module")
def network():
    """A network of random weights whose batch norms have statistics worth folding."""
    torch.manual_seed(0)
    net = resnet50().eval()
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith("running_mean"):
                tensor.normal_(0, 0.1)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif "bn" in name and name.endswith(("weight", "bias")):
                tensor.uniform_(0.2, 0.8)
    return net


@pytest.fixture(scope="module")
def tensors(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="module")
def weights_file(tensors, tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(tensors, file)
    return file


@pytest.fixture(scope="module")
def weights(weights_file):
    return load_weights(str(weights_file))


def load_weights(source):
    return RESNET50.read_weights("resnet50", source)


def check(tensors):
    return RESNET50.check_tensors("resnet50", tensors, label="w")


def make_spec(*, layers, weights="random", sha256="0" * 64, precision="float32", device=CPU):
    return ExtractorSpec(
        name="resnet50",
        weights=weights,
        weights_sha256=sha256,
        layers=tuple(layers),
        backend=f"torch-{device.type}",
        precision=precision,
        dim=RESNET50.count_channels("resnet50", layers),
    )


def make_extractor(weights, *, layers=("layer4",), pooling="mean", precision="float32", device=CPU):
    spec = make_spec(
        weights=weights.name,
        sha256=weights.sha256,
        layers=layers,
        precision=precision,
        device=device,
    )
    return RESNET50.load(replace(spec, pooling=pooling), weights, device)


def run_plainly(network, batch):
    """Return torchvision's own maps of every layer: batch norm apart, nothing folded."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    maps = {}
    with torch.inference_mode():
        x = (torch.from_numpy(batch).expand(-1, 3, -1, -1) - mean) / std
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        for layer in LAYERS:
            x = maps[layer] = getattr(network, layer)(x)
    return maps


# ---- weights


def test_safetensors_and_a_saved_state_dict_hold_the_same(weights_file, tensors, tmp_path):
    torch.save(tensors, tmp_path / "random.pth")
    one, two = load_weights(str(weights_file)), load_weights(str(tmp_path / "random.pth"))
    assert (one.name, two.name) == ("random.safetensors", "random.pth")
    assert one.tensors.keys() == two.tensors.keys()
    assert all(torch.equal(one.tensors[key], two.tensors[key]) for key in one.tensors)


def test_the_head_is_left_out_whatever_its_size(tensors):
    other = tensors | {"fc.weight": torch.zeros(6, 2048), "fc.bias": torch.zeros(6)}
    none = {key: tensor for key, tensor in tensors.items() if not key.startswith("fc.")}
    for state in (other, none):
        checked = check(state)
        assert not [key for key in checked if key.startswith("fc.")]


def test_counters_of_batch_norm_may_be_missing(tensors):
    old = {key: t for key, t in tensors.items() if not key.endswith("num_batches_tracked")}
    assert set(check(old)) == {key for key in old if not key.startswith("fc.")}


def test_half_precision_weights_are_read_as_float32(tensors):
    half = {key: t.half() if t.is_floating_point() else t for key, t in tensors.items()}
    assert check(half)["conv1.weight"].dtype == torch.float32


def _with(key, value):
    return lambda tensors: tensors | {key: value}


def _nan(tensors):
    broken = tensors["conv1.weight"].clone()
    broken[3, 1, 2, 2] = float("nan")
    return tensors | {"conv1.weight": broken}


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (
            lambda tensors: {k: t for k, t in tensors.items() if k != "layer3.5.conv2.weight"},
            "layer3.5.conv2.weight is missing",
        ),
        (_with("extra", torch.zeros(1)), "extra is not part of it"),
        (
            _with("conv1.weight", torch.zeros(64, 1, 7, 7)),
            r"conv1.weight has shape \(64, 1, 7, 7\), expected \(64, 3, 7, 7\)",
        ),
        (_nan, "conv1.weight holds NaN or infinity"),
        (_with("bn1.bias", torch.full((64,), float("inf"))), "bn1.bias holds NaN or infinity"),
        (
            _with("bn1.bias", torch.zeros(64, dtype=torch.int64)),
            "bn1.bias has type torch.int64, expected floating point",
        ),
        (_with("bn1.bias", [0.0] * 64), "bn1.bias is a list, not a tensor"),
        (lambda _: {}, "bn1.bias is missing; .* and 262 more"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(tensors, damage, fault):
    with pytest.raises(WeightsError, match=f"--weights w: .*{fault}"):
        check(damage(tensors))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {f"module.{key}": tensor for key, tensor in state.items()},
        lambda state: {"state_dict": {f"module.{key}": t for key, t in state.items()}},
    ],
    ids=["state_dict", "module.", "both"],
)
def test_what_training_scripts_wrap_is_unwrapped(tensors, wrap, tmp_path):
    torch.save(wrap(tensors), tmp_path / "w.pth")
    loaded = load_weights(str(tmp_path / "w.pth"))
    assert torch.equal(loaded.tensors["conv1.weight"], tensors["conv1.weight"])


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("save", [torch.save, lambda what, f: f.write_bytes(pickle.dumps(what))])
def test_code_in_a_pickle_is_refused_and_does_not_run(tmp_path, save):
    save({"conv1.weight": Bomb(tmp_path / "ran")}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="not a readable weights file"):
        load_weights(str(tmp_path / "w.pth"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("w.safetensors", b""),
        ("w.safetensors", b"text, no tensors"),
        ("w.pth", b""),
        ("w.pth", b"text, no tensors"),
        ("w.pth", b"PK\x03\x04 an archive that ends here"),
        ("w.pth", b"\x80\x02}q\x00X\x05\x00\x00\x00ab"),
        ("w.pth", pickle.dumps([1, 2])),
        ("w.pth", pickle.dumps("text", protocol=4)),
    ],
)
def test_a_file_that_holds_no_weights_is_one_line(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError, match=f"--weights {tmp_path / name}: .*expected"):
        load_weights(str(tmp_path / name))


def test_damaged_files_never_pass_or_raise_anything_else(tensors, tmp_path):
    small = {"conv1.weight": tensors["conv1.weight"][:1].clone()}
    torch.save(small, tmp_path / "w.pth")
    whole = (tmp_path / "w.pth").read_bytes()
    pickled = pickle.dumps({"a": 1, "b": [1.5, "x"]}, protocol=2)
    rng = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole if rng.random() < 0.5 else pickled)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        (tmp_path / "w.pth").write_bytes(data[: rng.integers(1, len(data) + 1)])
        with pytest.raises(WeightsError):
            load_weights(str(tmp_path / "w.pth"))


def test_other_weights_than_the_specs_are_refused(weights):
    spec = make_spec(weights="a.pth", layers=["layer4"])
    with pytest.raises(WeightsError, match="the extractor was made with a"):
        RESNET50.load(spec, weights, CPU)


# ---- the network


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_the_folded_network_is_torchvisions(network, weights, channels):
    batch = np.ascontiguousarray(BATCH[:, :channels])
    ours = make_extractor(weights, layers=tuple(LAYERS)).feature_maps(batch)
    theirs = run_plainly(network, batch)
    assert list(ours) == list(LAYERS)
    for layer, maps in theirs.items():
        scale = float(maps.abs().max())
        assert float((ours[layer] - maps).abs().max()) < 1e-4 * max(scale, 1), layer


def pool(maps, how):
    if how == "mean":
        return maps.mean(axis=(2, 3))
    if how == "max":
        return maps.max(axis=(2, 3))
    return (np.maximum(maps, 1e-6) ** 3).mean(axis=(2, 3)) ** (1 / 3)


@pytest.mark.parametrize("how", ["mean", "max", "gem"])
@pytest.mark.parametrize("layers", [("layer4",), ("layer2", "layer3"), ("layer4", "layer1")])
def test_vectors_are_pooled_layers_side_by_side(network, weights, how, layers):
    maps = run_plainly(network, BATCH)
    parts = [unit_rows(pool(maps[layer].numpy().astype(np.float64), how)) for layer in layers]
    expected = unit_rows(np.concatenate(parts, axis=1))
    actual = make_extractor(weights, layers=layers, pooling=how)(BATCH)
    assert (actual.shape, actual.dtype) == ((2, sum(LAYERS[one] for one in layers)), np.float32)
    assert np.abs(expected - actual).max() < 1e-4


def test_only_the_layers_that_were_asked_for_are_returned(weights):
    extractor = make_extractor(weights, layers=("layer2", "layer1"))
    shapes = {layer: tuple(maps.shape) for layer, maps in extractor.feature_maps(BATCH).items()}
    assert {"layer1": (2, 256, 16, 16), "layer2": (2, 512, 8, 8)} == shapes


def test_grey_is_the_same_as_three_equal_channels(weights):
    extractor = make_extractor(weights, layers=("layer2",))
    grey = np.ascontiguousarray(BATCH[:, :1])
    assert np.allclose(extractor(grey), extractor(np.repeat(grey, 3, axis=1)), atol=1e-6)


def test_bf16_is_close_to_float32(weights):
    exact = make_extractor(weights, layers=("layer3",))(BATCH)
    rounded = make_extractor(weights, layers=("layer3",), precision="bf16")(BATCH)
    assert (exact * rounded).sum(axis=1).min() > 0.995
    assert not np.array_equal(exact, rounded)


def test_rows_do_not_depend_on_their_neighbours(weights):
    extractor = make_extractor(weights, layers=("layer2",))
    batch = np.random.default_rng(1).random((4, 1, 64, 64), dtype=np.float32)
    one = extractor(batch)
    other = extractor(np.ascontiguousarray(batch[::-1]))[::-1]
    assert np.array_equal(one, other)


# ---- choices


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        (["layer5"], "--layers layer5: expected one or more of layer1"),
        ([], "expected each layer once, one at least"),
        (["layer3", "layer3"], "expected each layer once"),
    ],
)
def test_layers_that_are_not_there_are_refused(layers, text):
    with pytest.raises(OptionError, match=text):
        make_spec(layers=layers)


def test_precision_follows_the_device():
    assert choose_precision("auto", torch.device("cuda")) == "fp16"
    assert choose_precision("auto", CPU) in ("bf16", "float32")
    assert choose_precision("float32", CPU) == "float32"


@pytest.mark.parametrize(
    ("precision", "text"), [("fp16", "needs a GPU"), ("int8", "expected auto, float32")]
)
def test_arithmetic_that_is_not_to_be_had_is_refused(precision, text):
    with pytest.raises(OptionError, match=text):
        choose_precision(precision, CPU)


def test_the_cpu_can_always_be_chosen():
    assert choose_device("cpu") == CPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_refused():
    assert choose_device("auto") == CPU
    with pytest.raises(OptionError, match="no CUDA device is visible"):
        choose_device("cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["float32", "fp16", "bf16"])
def test_a_gpu_gives_the_vectors_of_the_cpu(weights, precision):
    exact = make_extractor(weights, layers=("layer3",))(BATCH)
    device = choose_device("cuda")
    there = make_extractor(weights, layers=("layer3",), precision=precision, device=device)
    assert there.spec.backend == "torch-cuda"
    assert (exact * there(BATCH)).sum(axis=1).min() > 0.995


@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL.name}")
def test_real_weights_tell_stripes_from_blobs_wherever_they_are():
    extractor = make_extractor(load_weights(str(REAL)), layers=("layer3",), pooling="gem")
    yy, xx = np.mgrid[:96, :96]
    pictures = np.full((4, 1, 96, 96), 0.4, np.float32)
    for i, phase in enumerate((0, 5)):
        pictures[i, 0][(xx + phase) // 6 % 2 == 0] = 0.9
    for i, (y, x) in enumerate([(30, 60), (60, 30)], start=2):
        pictures[i, 0][(yy - y) ** 2 + (xx - x) ** 2 < 100] = 0.9
    alike = (lambda v: v @ v.T)(extractor(pictures))
    assert min(alike[0, 1], alike[2, 3]) > alike[:2, 2:].max()
