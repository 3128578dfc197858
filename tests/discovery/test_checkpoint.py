"""A training goes on from what it kept, and from nothing else."""

import numpy as np
import pytest

from discovery.runs.checkpoint import NO_CHECKPOINT, Checkpoint
from embeddings.errors import InputError

ARRAYS = {
    "rows": np.array([[0.1, np.nan], [-0.0, 3e-39]], np.float32),
    "number": np.array(7),
    "bytes": np.arange(5, dtype=np.uint8),
}


def test_numbers_come_back_bit_for_bit(tmp_path):
    kept = Checkpoint(tmp_path / "checkpoint", key="k")
    assert kept.load("a") is None
    assert not kept.is_begun
    kept.save("a", ARRAYS, {"loss": 0.1, "names": ["x", "y"], "nothing": float("inf")})
    arrays, values = Checkpoint(tmp_path / "checkpoint", key="k").load("a")
    assert ARRAYS.keys() == arrays.keys()
    for name, array in ARRAYS.items():
        assert (array.dtype, array.shape) == (arrays[name].dtype, arrays[name].shape)
        assert array.tobytes() == arrays[name].tobytes()
    assert {"loss": 0.1, "names": ["x", "y"], "nothing": float("inf")} == values


def test_what_is_of_other_data_is_never_read_and_goes(tmp_path):
    Checkpoint(tmp_path / "checkpoint", key="k").save("a", ARRAYS, {})
    other = Checkpoint(tmp_path / "checkpoint", key="l")
    assert other.load("a") is None
    other.save("b", ARRAYS, {})
    assert ["b.part", "key"] == sorted(file.name for file in (tmp_path / "checkpoint").iterdir())


def test_a_flipped_bit_is_found_and_the_part_made_again(tmp_path, caplog):
    kept = Checkpoint(tmp_path / "checkpoint", key="k")
    kept.save("a", ARRAYS, {})
    path = tmp_path / "checkpoint" / "a.part"
    data = path.read_bytes()
    for place in (0, 63, 64, 70, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert kept.load("a") is None
    assert "a.part is damaged, and is made again" in caplog.text
    path.write_bytes(data[:-3])
    assert kept.load("a") is None


def test_at_the_end_nothing_is_left(tmp_path):
    kept = Checkpoint(tmp_path / "checkpoint", key="k")
    kept.save("a", ARRAYS, {})
    kept.save("b", ARRAYS, {})
    kept.drop("a")
    assert kept.load("a") is None
    kept.remove()
    kept.remove()
    assert [] == list(tmp_path.iterdir())


def test_without_a_place_nothing_is_kept(tmp_path):
    NO_CHECKPOINT.save("a", ARRAYS, {})
    assert NO_CHECKPOINT.load("a") is None
    NO_CHECKPOINT.remove()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "checkpoint").touch()
    with pytest.raises(InputError, match="cannot write"):
        Checkpoint(tmp_path / "checkpoint", key="k").save("a", ARRAYS, {})
