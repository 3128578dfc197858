"""The data classes of embeddings: an extractor's identity, aligned vectors, unit rows."""

import json
import math
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embeddings.errors import StoreError
from embeddings.records import ROW_COLUMNS, ExtractorSpec, Vectors, unit_rows

SPEC = ExtractorSpec(
    name="resnet50", weights="a.pth", weights_sha256="ab" * 32, layers=("layer3",), dim=4
)
# One other value a field: every one of them moves vectors.
CHANGES = {
    "name": "texture", "weights_sha256": "cd" * 32, "layers": ("layer4",), "pooling": "gem",
    "tau": 1.0, "bank_sha256": "x", "normals_sha256": "x", "input_size": 448, "fit": "stretch",
    "resize": "nearest", "level": "plane", "decoder": "opencv", "backend": "torch-cuda",
    "precision": "bf16", "window": (0.0, 255.0), "orientations": 8, "view": "map", "cell": 14,
    "data_bar": "auto", "reading": 1, "dim": 5,
}  # fmt: skip


def test_every_field_but_the_weights_name_is_covered():
    assert {field.name for field in fields(ExtractorSpec)} - {"weights"} == set(CHANGES)


@pytest.mark.parametrize("name", CHANGES)
def test_each_field_changes_the_identity_and_is_named(name):
    other = replace(SPEC, **{name: CHANGES[name]})
    assert other.hash != SPEC.hash
    (told,) = SPEC.differences(other)
    assert told.startswith(f"{name}: ")


def test_the_same_weights_under_another_name_are_the_same_extractor():
    other = replace(SPEC, weights="b.safetensors")
    assert (other.hash, SPEC.differences(other)) == (SPEC.hash, [])


def test_the_hash_is_the_same_in_every_version_that_reads_the_same_stores():
    # Stores written by earlier versions carry this hash: it may only change with the format.
    assert replace(SPEC, reading=1).hash == "8295199e73638510"


@pytest.mark.parametrize("window", [None, (0.5, 2.0)])
def test_a_spec_survives_json(window):
    spec = replace(SPEC, window=window)
    assert ExtractorSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_spec_of_another_version_is_refused_with_the_odd_fields():
    values = SPEC.to_dict() | {"new": 1}
    del values["tau"]
    with pytest.raises(StoreError, match=r"other fields \(new, tau\)"):
        ExtractorSpec.from_dict(values)


@pytest.mark.parametrize(
    ("change", "text"),
    [({"dim": 0}, "dim is 0"), ({"window": (2.0, 2.0)}, "expected low < high")],
)
def test_a_spec_is_checked_when_it_is_made(change, text):
    with pytest.raises(ValueError, match=text):
        replace(SPEC, **change)


def make_rows(n):
    return pd.DataFrame({name: [0] * n for name in ROW_COLUMNS})


def make_vectors(n=3, **changes):
    made = {
        "ids": np.array([f"{i}" for i in range(n)]),
        "values": np.eye(n, 4, dtype=np.float32),
        "rows": make_rows(n).assign(page=range(n)),
        "spec": SPEC,
    }
    return Vectors(**(made | changes))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"values": np.eye(3, 4)}, r"values are float64 \(3, 4\), expected float32 \(3, 4\)"),
        ({"values": np.eye(3, 5, dtype=np.float32)}, r"expected float32 \(3, 4\)"),
        ({"values": np.eye(2, 4, dtype=np.float32)}, r"expected float32 \(3, 4\)"),
        ({"rows": make_rows(2)}, "2 rows for 3 ids"),
        ({"ids": np.array(["a", "b", "a"])}, "ids are not unique"),
        ({"rows": make_rows(3).drop(columns="page")}, r"rows lack the columns \['page'\]"),
        ({"values": np.eye(3, 4, dtype=np.float32) * 1.01}, "not unit rows"),
        ({"values": np.full((3, 4), np.nan, np.float32)}, "not unit rows"),
    ],
)
def test_vectors_that_do_not_fit_together_are_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        make_vectors(**changes)


def test_rows_that_were_kept_as_fp16_pass():
    values = unit_rows(np.random.default_rng(0).normal(size=(3, 4))).astype(np.float16)
    assert len(make_vectors(values=values.astype(np.float32))) == 3


def test_vectors_are_frozen():
    with pytest.raises(AttributeError):
        make_vectors().spec = SPEC


def test_take_keeps_ids_values_and_rows_together():
    taken = make_vectors().take(np.array([2, 0]))
    assert ["2", "0"] == taken.ids.tolist()
    assert [[0, 0, 1, 0], [1, 0, 0, 0]] == taken.values.tolist()
    assert ([2, 0], [0, 1]) == (taken.rows["page"].tolist(), taken.rows.index.tolist())


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 5), st.integers(1, 7)),
        elements=st.floats(-1e6, 1e6, allow_subnormal=False),
    )
)
def test_unit_rows_are_unit_finite_and_keep_their_direction(values):
    unit = unit_rows(values)
    assert (unit.dtype, unit.shape, unit.flags.c_contiguous) == (np.float32, values.shape, True)
    assert np.allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)
    # hypot scales first: the squares of a row of 1e-162 lose their digits, and with them the norm.
    norms = np.array([math.hypot(*row) for row in values.tolist()])  # float64, as the rows
    for row, norm, came in zip(unit, norms, values, strict=True):
        if norm > 0:
            assert np.allclose(row * norm, came, atol=1e-5 * norm)


def test_zero_rows_become_the_constant_row():
    values = np.zeros((2, 4), np.float32)
    assert [[0.5] * 4] * 2 == unit_rows(values).tolist()
    assert not values.any()  # the argument is not changed


def test_unit_rows_of_float32_do_not_overflow():
    assert np.allclose(unit_rows(np.full((1, 4), 1e30, np.float32)), 0.5)


def test_a_window_in_whole_numbers_is_the_same_window():
    whole = ExtractorSpec(name="texture", dim=3, window=(0, 255))
    assert whole.hash == ExtractorSpec(name="texture", dim=3, window=(0.0, 255.0)).hash
    assert whole.hash == ExtractorSpec.from_dict(whole.to_dict()).hash
