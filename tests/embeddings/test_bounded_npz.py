"""The arrays of a store or a run are held against their bytes before they are allocated."""

import io
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from discovery.runs.pictures import parse_pictures
from discovery.runs.tables import parse_map, parse_neighbours
from discovery.stages.levels import read_levels
from embeddings.bounded import parse_npz
from embeddings.errors import RunError, StoreError
from embeddings.store import commits

ARRAYS = {
    "xy": np.arange(6, dtype=np.float32).reshape(3, 2),
    "ids": np.array(["a", "bc"]),
    "none": np.empty(0, np.int64),
    "word": np.array(""),
    "turned": np.asfortranarray(np.arange(6).reshape(2, 3)),
}


def pack(name, data, kind=zipfile.ZIP_DEFLATED):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", kind) as archive:
        archive.writestr(name, data)
    return sink.getvalue()


def make_npy(shape, dtype="<f4", body=b"\0" * 8):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text + body


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_wrote_comes_back(save):
    sink = io.BytesIO()
    save(sink, **ARRAYS)
    read = parse_npz(sink.getvalue())
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert array.dtype == read[name].dtype
        assert np.array_equal(array, read[name])


HOSTILE = {
    "shape": (pack("xy.npy", make_npy((10**12,))), "asks for 4000000000000 bytes of 8"),
    "no_size": (pack("xy.npy", make_npy((10**12,), "<U0", b"")), "asks for"),
    "negative": (pack("xy.npy", make_npy((-1, -2))), "asks for"),
    "packed": (pack("xy.npy", make_npy((10**8,), "|u1", bytes(10**8))), "become 100000"),
    "pickle": (pack("xy.npy", make_npy((1,), "|O")), "allow_pickle"),
    "version": (pack("xy.npy", b"\x93NUMPY\x07\0"), "version"),
    "no_array": (pack("xy.npy", b"abc"), "magic"),
    "brackets": (pack("xy.npy", make_npy("(" * 5000)), "header"),
    "no_zip": (b"abc", "zip"),
    "cut": (pack("xy.npy", make_npy((2,)))[:-30], "zip"),
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_an_array_that_asks_for_more_than_is_there(name, tmp_path):
    data, told = HOSTILE[name]
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(ValueError, match=f"(?i){told}"):
        parse_npz(data)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    assert time.monotonic() - start < 1
    for parse in (parse_map, read_levels, *(
        lambda data, one=one: one(data, tmp_path / "x.npz")
        for one in (parse_neighbours, parse_pictures)
    )):  # fmt: skip
        with pytest.raises(RunError, match=r"run discovery\.cluster") as caught:
            parse(data)
        assert "\n" not in str(caught.value)


def test_the_bank_of_a_store_is_held_against_its_bytes_too(monkeypatch, tmp_path):
    monkeypatch.setattr(commits, "read_sidecar", lambda *_: HOSTILE["shape"][0])
    with pytest.raises(StoreError, match="asks for 4000000000000 bytes of 8"):
        commits.read_bank(tmp_path)
