# ruff: noqa: RUF001 - letters that look like others are what is tested
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.cells import guard_text, is_run, unguard_text
from embeddings.files import format_csv, parse_csv, parse_csv_rows
from embeddings.tables import read_table

RUN = [
    "=1+1", "+49", "-5 µm", "@home", "\tx", "\r=x", "\n=x", "  =x", "\u00a0=x", "\ufeff=x", '"=x"',
    '" =x', "'=x", "''=x", "' =x", "＝x", "＋x", "－x", "＠x", " ＝x", "﹦x", "\u200b=x", "-1+1",
    "=", "-x", "+1", "\u201c=x", "-5,3",
]  # fmt: skip
HARMLESS = [
    "plain", "", "'quoted", "'", "-1", "-1.5", "-1e-05", "-.5", "-inf", "'-1", "1-2", "a=b", " x",
    "a\t=b", '{"a": -1}', "− 5", "µ-5", "007", '"a" = b',
]  # fmt: skip
# Texts of what matters here, far likelier to collide than any text.
TRICKY = st.text(st.sampled_from("'\"=+-@＝ \t\r\n\ufeff1,ax"), max_size=8)


@pytest.mark.parametrize("text", RUN)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert guard_text(text) == "'" + text
    assert unguard_text("'" + text) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays(text):
    assert guard_text(text) == text
    assert unguard_text(text) == text


@given(TRICKY | st.text(max_size=8))
def test_every_text_comes_back(text):
    guarded = guard_text(text)
    assert unguard_text(guarded) == text
    assert guarded[:1] not in ("=", "+", "@", "\t", "\r", "\n")
    assert not is_run(guarded) or guarded.startswith("'")


@given(st.lists(TRICKY, min_size=2, max_size=6))
def test_every_column_comes_back_from_a_table(texts):
    columns = ["path", "image_id", "label", "note", "count"]
    rows = [[text] * 5 for text in texts]
    data = format_csv([columns, *rows])
    assert parse_csv_rows(data) == [columns, *rows]
    assert parse_csv(data) == [dict(zip(columns, row, strict=True)) for row in rows]
    written = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    for row, text in zip(written, texts, strict=True):
        # Other programs open files by their path and join by their id.
        assert row["path"] == row["image_id"] == text
        assert row["note"] == guard_text(text)


@given(TRICKY.filter(lambda text: text.strip() == text))
def test_every_text_comes_back_from_a_table_of_a_users(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    path.write_bytes(format_csv([["path", "note"], ["a.png", text]]))
    assert read_table(path, required=("path",))["note"].tolist() == [text]
