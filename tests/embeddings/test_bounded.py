"""JSON and weights that ask for too much are told before they are read."""

import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from embeddings.bounded import check_safetensors, check_torch_file, parse_json
from embeddings.errors import OptionError, StoreError, TableError, WeightsError
from embeddings.files import seal
from embeddings.records import ExtractorSpec
from embeddings.store import create_store, open_store
from embeddings.tables import read_boxes
from embeddings.weights import hash_weights, read_tensors


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "without end"),
        ("[" * 100 + "]" * 100, "more than 64 deep"),
        ('{"a":' * 70 + "1" + "}" * 70, "more than 64 deep"),
        (str(2**65), "beyond 64 bits"),
        ("9" * 10_000, "beyond 64 bits"),
        ("{", "Expecting"),
    ],
)
def test_json_that_is_refused(text, told):
    with pytest.raises(ValueError, match=told):
        parse_json(text)


def test_json_is_what_the_library_gives():
    values = {"a": [1, 2.5, None, True, "x"], "b": {"c": -(2**63), "d": 2**64 - 1}}
    assert values == parse_json(json.dumps(values).encode())
    deep = json.loads("[" * 60 + "]" * 60)
    assert deep == parse_json(json.dumps(deep))


def test_weights_of_both_kinds_pass(tmp_path):
    torch.save({"a": torch.ones(3)}, tmp_path / "a.pth")
    torch.save({"a": torch.ones(3)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file({"a": np.ones(3, np.float32)}, tmp_path / "a.safetensors")
    for name in ("a.pth", "old.pth", "a.safetensors"):
        assert torch.equal(torch.ones(3), read_tensors(tmp_path / name)["a"])


def _deflated(path):
    torch.save({"a": torch.zeros(10_000_000)}, path)
    with zipfile.ZipFile(path) as whole:
        parts = {one.filename: whole.read(one) for one in whole.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)


def _tensors(path):
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"t{i}": entry for i in range(100_000)}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def _long_header(path):
    path.write_bytes(struct.pack("<Q", 2**40) + b"{}")


def _many_entries(path):
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(70_000):
            archive.writestr(str(number), b"")


def _long_pickle(path):
    path.write_bytes(pickle.dumps(1) * 3 + b"\x80\x04" + b"N0" * 1_500_000 + b"N.")


@pytest.mark.parametrize(
    ("make", "name", "told"),
    [
        (_deflated, "a.pth", "it is compressed"),
        (_tensors, "a.safetensors", "100000 tensors|a header of"),
        (_long_header, "a.safetensors", "a header of 1099511627776 bytes"),
        (_many_entries, "a.pth", "a zip of"),
        (_long_pickle, "a.pth", "more than 2000000 steps"),
    ],
)
def test_weights_that_ask_for_too_much(tmp_path, make, name, told):
    make(tmp_path / name)

    with pytest.raises(WeightsError, match=told) as caught:
        read_tensors(tmp_path / name)

    assert str(tmp_path / name) in str(caught.value)
    check = check_safetensors if name.endswith("safetensors") else check_torch_file
    with pytest.raises(ValueError, match=told):
        check(tmp_path / name)


def test_a_pipe_is_no_weights_file(tmp_path):
    os.mkfifo(tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="not a file"):
        hash_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("edge", ["1e300", "-1e300", "1e9", "inf", "nan", "1e-320"])
def test_boxes_beyond_any_picture(tmp_path, edge):
    table = tmp_path / "b.csv"
    table.write_text(f"path,xmin,ymin,xmax,ymax\na.png,0,0,10,10\na.png,-1,0,{edge},10\n")

    if edge == "1e-320":
        assert 2 == len(read_boxes(table))
        return
    with pytest.raises((TableError, OptionError), match=r"expected|not below") as caught:
        read_boxes(table)
    assert "b.csv" in str(caught.value)


@pytest.mark.parametrize("name", ["spec", "segments", "paths", "windows"])
@pytest.mark.parametrize("value", [None, "x", 7, [[]], {"a": 1}, 1e300])
def test_nonsense_under_the_seal_of_a_store(tmp_path, name, value):
    spec = ExtractorSpec(name="texture", dim=3)
    create_store(tmp_path / "s", spec)
    content = json.loads((tmp_path / "s" / "store.json").read_bytes())
    (tmp_path / "s" / "store.json").write_text(json.dumps(seal({**content, name: value})))

    with pytest.raises(StoreError, match=r"."):
        open_store(tmp_path / "s")
