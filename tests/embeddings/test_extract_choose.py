"""Which extractor: the store's own, what is asked for, or lite where no weights can be had."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from embeddings import weights as weights_module
from embeddings.errors import WeightsError
from embeddings.store import open_store
from embeddings.store.manifest import format_manifest

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Two files of random ResNet-50 weights."""
    from safetensors.torch import save_file
    from torchvision.models import resnet50

    folder = tmp_path_factory.mktemp("weights")
    tensors = resnet50().state_dict()
    save_file(tensors, folder / "one.safetensors")
    save_file(tensors | {"bn1.bias": torch.ones(64)}, folder / "two.safetensors")
    (folder / "copy.safetensors").write_bytes((folder / "one.safetensors").read_bytes())
    return folder


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No weights here, and a proxy where nobody listens: what a machine without network sees."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)


SMALL = ("--layers", "layer1", "--size", "32", "--batch-size", "2", "--precision", "float32")


def test_a_network_is_used_end_to_end_and_its_store_keeps_to_it(
    extract, make_images, weights, tmp_path
):
    images, store = make_images(n=3), tmp_path / "store"
    one = weights / "one.safetensors"
    ran = extract(images, "--store", store, "--weights", one, *SMALL, extractor=None)
    assert (0, "computed 3") == (ran.code, ran.last.split(": ")[1].split(",")[0]), ran.err
    spec = open_store(store).spec
    assert ("resnet50", "one.safetensors", ("layer1",), 256, 32) == (
        spec.name, spec.weights, spec.layers, spec.dim, spec.input_size,
    )  # fmt: skip
    # Nothing to compute: the weights are not even looked for.
    assert "computed 0, reused 3" in extract(images, "--store", store, extractor=None).last
    make_images(n=1, first=3)
    # Something to compute: they must be the same weights, under whatever name.
    other = extract(images, "--store", store, "--weights", weights / "two.safetensors",
                    extractor=None)  # fmt: skip
    assert (2, True) == (other.code, "weights_sha256: " in other.error)
    copy = weights / "copy.safetensors"
    batch = ("--batch-size", "2")
    ran = extract(images, "--store", store, "--weights", copy, *batch, extractor=None)
    assert "computed 1, reused 3" in ran.last, ran.err
    assert "one.safetensors" == open_store(store).spec.weights


def test_a_store_remembers_where_its_weights_lie(extract, make_images, weights, tmp_path):
    images, store, mine = make_images(n=2), tmp_path / "store", tmp_path / "mine.safetensors"
    mine.write_bytes((weights / "one.safetensors").read_bytes())
    extract(images, "--store", store, "--weights", mine, *SMALL, extractor=None)
    assert str(mine) == open_store(store).weights_file
    make_images(n=1, first=2)
    ran = extract(images, "--store", store, "--batch-size", "2", extractor=None)
    assert "computed 1, reused 2" in ran.last, ran.err
    # Gone, or another by now: one line, which says where it was and what to do.
    make_images(n=1, first=3)
    moved = mine.rename(tmp_path / "moved.safetensors")
    gone = extract(images, "--store", store, extractor=None)
    assert (2, "") == (gone.code, gone.out)
    assert f"made with the weights file {mine} (sha256 " in gone.error
    assert "which is not here: say where with --weights FILE" in gone.error
    mine.write_bytes((weights / "two.safetensors").read_bytes())
    changed = extract(images, "--store", store, extractor=None)
    assert (2, True) == (changed.code, "which has changed since (its sha256 is" in changed.error)
    # Told once where it is now, it is known from then on.
    words = ("--weights", moved, "--batch-size", "2")
    assert extract(images, "--store", store, *words, extractor=None).code == 0
    assert str(moved) == open_store(store).weights_file
    make_images(n=1, first=4)
    ran = extract(images, "--store", store, "--batch-size", "2", extractor=None)
    assert "computed 1, reused 4" in ran.last, ran.err
    # A store of an earlier version says nothing of it, and asks as before.
    manifest = json.loads((store / "store.json").read_text())
    del manifest["weights_file"], manifest["sha256"]
    (store / "store.json").write_bytes(format_manifest(manifest))
    assert open_store(store).weights_file == ""
    make_images(n=1, first=5)
    lost = extract(images, "--store", store, extractor=None)
    assert (2, True) == (lost.code, "weights file mine.safetensors (sha256 " in lost.error)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--extractor", "resnet50"), "name: texture != resnet50, --extractor"),
        (("--size", "128"), "input_size: 256 != 128, --size"),
        (("--turns", "8"), "orientations: 1 != 8, --turns): leave out --turns, as the store"),
        (("--pooling", "gem"), "pooling: mean != gem, --pooling"),
        (("--fit", "pad"), "fit: none != pad"),
        (("--view", "polar"), "view: picture != polar"),
        (("--resize", "nearest"), "resize: auto != nearest"),
        (("--level", "plane"), "level: none != plane"),
        (("--window", "0", "10"), "window: None != [0.0, 10.0]"),
        (("--layers", "layer4"), "layers: "),
        (("--vector-dtype", "fp16"), "keeps float32 vectors, --vector-dtype fp16 was given"),
    ],
)
def test_an_option_that_conflicts_with_the_store_is_refused_and_named(
    extract, make_images, tmp_path, words, told
):
    images, store = make_images(n=1), tmp_path / "store"
    extract(images, "--store", store)
    before = (store / "store.json").read_bytes()
    ran = extract(images, "--store", store, *words, extractor=None)
    assert (2, "") == (ran.code, ran.out)
    assert told in ran.error
    assert before == (store / "store.json").read_bytes()


@pytest.mark.parametrize("words", [(), ("--device", "cpu"), ("--precision", "float32")])
def test_an_existing_stores_extractor_wins(extract, make_images, tmp_path, offline, words):
    images, store = make_images(n=1), tmp_path / "store"
    extract(images, "--store", store)
    make_images(n=1, first=1)
    ran = extract(images, "--store", store, *words, extractor=None)
    assert (0, True) == (ran.code, "computed 1, reused 1" in ran.last)
    assert "WARNING" not in ran.err  # no weights were wanted


@pytest.mark.parametrize("words", [(), ("--pooling", "mean"), ("--fit", "pad"), ("--turns", "8")])
def test_auto_without_weights_takes_lite_and_says_so(
    extract, make_images, tmp_path, offline, words
):
    small = ("--size", "64", "--batch-size", "2")
    ran = extract(make_images(n=1), "--store", tmp_path / "s", *small, *words, extractor=None)
    spec = open_store(tmp_path / "s").spec
    assert (0, "lite", "imagenet") == (ran.code, spec.name, spec.weights), ran.err
    (warning,) = [line for line in ran.err.splitlines() if "WARNING" in line]
    assert "no ImageNet weights of ResNet-50 could be had" in warning
    assert "lite (EfficientNet-Lite0) is used" in warning
    assert "http" not in warning
    assert len(warning) < 200


def test_auto_with_weights_says_which_network_it_takes(extract, make_images, tmp_path, weights):
    chosen = ("--weights", weights / "one.safetensors", *SMALL)
    ran = extract(make_images(n=1), "--store", tmp_path / "s", *chosen, extractor=None)
    assert "extractor: resnet50, whose weights one.safetensors are here" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("--weights", "imagenet"),
        ("--weights", "imagenet-v1"),
        ("--weights", "none.pth"),
        ("--extractor", "resnet50"),
        ("--layers", "layer4"),
    ],
)
def test_what_only_resnet50_has_never_falls_back(extract, make_images, tmp_path, offline, words):
    ran = extract(make_images(n=1), "--store", tmp_path / "store", *words, extractor=None)
    assert (2, "") == (ran.code, ran.out)
    assert ran.error.startswith("--weights ")
    assert not (tmp_path / "store").exists()


def test_an_address_that_never_answers_is_given_up_soon(monkeypatch, tmp_path):
    # A server that takes connections and says nothing, as a firewall that drops packets.
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(weights_module, "PROBE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/resnet50-0123abcd.pth"
        with pytest.raises(WeightsError, match=r"failed \((no answer within 0.2 s|timed out)"):
            weights_module.download_weights(url, "imagenet")


def test_an_extractor_that_is_not_there_is_refused_with_those_that_are(
    extract, make_images, tmp_path
):
    ran = extract(make_images(n=1), "--store", tmp_path / "s", extractor="resnet18")
    assert (2, "") == (ran.code, ran.out)
    assert ran.error.startswith(
        "--extractor resnet18: expected auto, lite, resnet50, standout, texture"
    )


@pytest.mark.parametrize("name", ["lite:big", "texture:"])
def test_an_extractor_takes_no_argument_that_it_does_not_have(extract, make_images, tmp_path, name):
    assert (
        f"--extractor {name}: expected"
        in extract(make_images(n=1), "--store", tmp_path / "s", extractor=name).error
    )


def test_texture_refuses_what_only_networks_have(extract, make_images, tmp_path):
    ran = extract(make_images(n=1), "--store", tmp_path / "s", "--turns", "8", "--pooling", "max")
    assert "--extractor texture has no pooling, turns: leave that out" in ran.error


@pytest.mark.long
def test_without_any_proxy_or_network_the_command_ends_in_time(make_images, tmp_path):
    # As a user's machine behind a firewall; where there is a network, the name is not to be found.
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    environment |= {"TORCH_HOME": str(tmp_path / "torch"), "RES_OPTIONS": "timeout:1 attempts:1"}
    code = (
        "import socket\n"
        "def refuse(*_, **__): raise socket.gaierror(-3, 'Temporary failure in name resolution')\n"
        "socket.getaddrinfo = refuse\n"
        "import runpy; runpy.run_module('embeddings.extract', run_name='__main__')\n"
    )
    words = [str(make_images(n=1)), "--store", str(tmp_path / "store")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert (0, True) == (
        done.returncode,
        "WARNING: no ImageNet weights of ResNet-50" in done.stderr,
    ), done.stderr
    assert "computed 1," in done.stdout.splitlines()[-1]


def test_weights_that_do_not_fit_leave_no_store_behind(extract, make_images, tmp_path):
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "w.pth")
    images = make_images(n=1)
    ran = extract(images, "--store", tmp_path / "store", "--weights", tmp_path / "w.pth",
                  extractor=None)  # fmt: skip
    assert (2, True) == (ran.code, "does not fit torchvision's resnet50" in ran.error)
    assert not (tmp_path / "store").exists()


def test_vectors_kept_as_fp16_are_close(extract, make_images, tmp_path):
    images = make_images(n=2)
    extract(images, "--store", tmp_path / "a")
    extract(images, "--store", tmp_path / "b", "--vector-dtype", "fp16")
    exact, kept = (open_store(tmp_path / name).load_vectors() for name in "ab")
    assert exact.ids.tolist() == kept.ids.tolist()
    assert 0 < abs(exact.values - kept.values).max() < 1e-3
