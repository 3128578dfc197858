"""Weights: found by name or file, known by their sha256, never silently replaced."""

import hashlib
import os
import subprocess
import sys

import pytest

from embeddings.errors import WeightsError
from embeddings.extractors.resnet50 import _ADDRESS, _FILES
from embeddings.extractors.resnet50 import EXTRACTOR as RESNET50
from embeddings.weights import hash_weights


def locate(source):
    return RESNET50.locate_weights("resnet50", source)


def test_a_file_is_known_by_its_sha256(tmp_path):
    file = tmp_path / "w.pth"
    file.write_bytes(b"weights")
    assert hash_weights(file) == hashlib.sha256(b"weights").hexdigest()


def test_a_file_that_changed_is_hashed_again(tmp_path):
    file = tmp_path / "w.pth"
    file.write_bytes(b"one")
    before = hash_weights(file)
    file.write_bytes(b"two!")
    assert hash_weights(file) == hashlib.sha256(b"two!").hexdigest() != before


@pytest.mark.parametrize("kind", ["missing", "folder", "below a file"])
def test_what_cannot_be_read_is_one_line_that_says_what_to_give(tmp_path, kind):
    (tmp_path / "file").touch()
    paths = {"missing": "none.pth", "folder": ".", "below a file": "file/w.pth"}
    path = tmp_path / paths[kind]
    with pytest.raises(WeightsError, match="expected imagenet, imagenet-v1 ") as caught:
        hash_weights(path)
    assert str(caught.value).startswith(f"--weights {path}: ")


def test_a_path_is_taken_as_it_is(tmp_path):
    assert locate(str(tmp_path / "w.pth")) == tmp_path / "w.pth"


@pytest.mark.parametrize(
    ("name", "version"), [("imagenet", "IMAGENET1K_V2"), ("imagenet-v1", "IMAGENET1K_V1")]
)
def test_a_name_is_looked_for_where_torchvision_keeps_it(tmp_path, monkeypatch, name, version):
    torchvision = pytest.importorskip("torchvision")
    url = torchvision.models.ResNet50_Weights[version].url
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    kept = tmp_path / "hub" / "checkpoints" / url.rsplit("/", 1)[-1]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"downloaded before")
    assert locate(name) == kept
    assert _ADDRESS + _FILES[name] == url


def test_a_download_that_fails_names_the_address_and_the_way_out(tmp_path, monkeypatch):
    # A proxy where nobody listens: what a machine without network sees, at once.
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(
        WeightsError, match="--weights imagenet: the download of https://"
    ) as caught:
        locate("imagenet")
    assert "pass --weights FILE, or --extractor lite" in str(caught.value)
    assert not list((tmp_path / "hub" / "checkpoints").glob("*"))


def test_to_recognise_weights_needs_no_torch(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"x")
    code = (
        "import sys; from pathlib import Path; from embeddings.weights import hash_weights;"
        "hash_weights(Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "w.pth")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert ("False\n", "") == (done.stdout, done.stderr)
