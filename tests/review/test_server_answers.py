"""Answers as bytes: what goes in comes out, aligned, whatever the numbers."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from discovery.review.server.answers import Answer

COLUMN = st.sampled_from([np.float32, np.int32, np.uint8]).flatmap(
    lambda dtype: (
        arrays.arrays(dtype, st.integers(0, 9), elements={"allow_nan": False})
        if dtype is np.float32
        else arrays.arrays(dtype, st.integers(0, 9))
    )
)


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), COLUMN, min_size=1))
def test_columns_come_back_as_they_were(unpack, values, columns):
    values.pop("columns", None)
    header, found = unpack(Answer(json=values, columns=columns))
    assert values == header
    assert list(columns) == list(found)
    for name, column in columns.items():
        assert column.dtype == found[name].dtype
        assert column.tolist() == found[name].tolist()


def test_wide_numbers_are_narrowed_and_what_is_not_finite_is_null():
    answer = Answer(
        json={"a": np.float64("nan"), "b": float("inf"), "c": np.int64(3), "d": (np.float32(0.5),)},
        columns={"x": np.array([1.5, 2.5]), "i": np.array([1, -1])},
    )
    body = answer.pack()
    header = json.loads(body[4 : 4 + int.from_bytes(body[:4], "little")])
    assert (header["a"], header["b"], header["c"], header["d"]) == (None, None, 3, [0.5])
    assert [one["dtype"] for one in header["columns"]] == ["f4", "i4"]


def test_a_name_that_is_no_utf8_survives():
    name = b"caf\xe9.png".decode(errors="surrogateescape")
    assert json.loads(Answer(json={"path": name}).pack())["path"] == name
