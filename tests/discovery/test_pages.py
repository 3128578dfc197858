"""What pages are built from: markup that escapes, data inside the page, tables, words, shell."""

import base64
import hashlib
import io
import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from discovery.pages.html import encode_array, encode_json, encode_picture, join, node, raw
from discovery.pages.shell import render_figures, render_page, render_title, render_warnings
from discovery.pages.table import render_bar, render_table
from discovery.pages.words import write_count, write_seconds, write_share, write_value


def make_jpeg():
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "JPEG")
    return file.getvalue()


# --- html ---


@given(st.text(alphabet=st.characters(codec=None), max_size=40))
def test_any_text_survives_the_round_trip_through_json_and_markup(text):
    written = encode_json({"path": text})
    assert text == json.loads(written)["path"]
    assert written.isascii()
    assert not set("<>&") & set(written)
    element = node("b", text, title=text)
    shown = text.encode("utf-8", "backslashreplace").decode("utf-8")
    assert element.count("<b") == 1
    reader = HTMLParser(convert_charrefs=True)
    seen = []
    reader.handle_data = seen.append
    reader.feed(element.replace("\r", ""))
    reader.close()
    assert shown.replace("\r", "") == "".join(seen)


def test_a_script_that_would_end_its_element_is_refused():
    with pytest.raises(ValueError, match="would end it early"):
        raw("script", "let a = '</SCRIPT>'")


def test_arrays_are_little_endian():
    assert encode_array(np.array([1], ">i4")) == "AQAAAA=="


def test_pictures_are_known_by_their_bytes():
    assert encode_picture(make_jpeg()).startswith("data:image/jpeg;base64,/9j/")
    for bad in (b"<svg onload='x'/>", b"RIFF\x00\x00\x00\x00WAVE", b""):
        with pytest.raises(ValueError, match="expected JPEG, PNG or WebP"):
            encode_picture(bad)


def test_parts_are_joined_and_none_is_left_out():
    parts = [node("b", "x"), None, node("i", "y")]
    assert ("<b>x</b>\n<i>y</i>", "<b>x</b><i>y</i>") == (join(parts), join(parts, ""))


# --- table ---


def test_a_table_names_its_rows_and_columns_and_escapes_its_cells():
    table = render_table(
        [("a<b", node("b", "1")), ("c", "2")],
        columns=("What", "How"),
        caption="Facts",
        foot=("all", "3"),
        classes=("", "number"),
    )
    assert (
        "<table><caption>Facts</caption>"
        '<thead><tr><th scope="col">What</th>\n<th scope="col" class="number">How</th></tr></thead>'
        '<tbody><tr><th scope="row">a&lt;b</th><td class="number"><b>1</b></td></tr>\n'
        '<tr><th scope="row">c</th><td class="number">2</td></tr></tbody>'
        '<tfoot><tr><th scope="row">all</th><td class="number">3</td></tr></tfoot></table>'
    ) == table


def test_a_table_without_names_has_cells_alone():
    assert "<table><tbody><tr><td>a</td></tr></tbody></table>" == render_table(
        [("a",)], named=False
    )


def test_a_bar_is_filled_by_its_share():
    assert 'width="25.00%" height="100%" class="c3"' in render_bar(0.25, "c3")


# --- words ---


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (1e-5, "< 0.1 %"), (0.99999, "> 99.9 %"), (0.16, "16.0 %")],
)
def test_share(share, text):
    assert text.replace(" ", "\u00a0") == write_share(share)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.041, "0.041 s"), (42.4, "42 s"), (312, "5 min 12 s"), (7500, "2 h 5 min")],
)
def test_seconds(seconds, text):
    assert text == write_seconds(seconds)


def test_counts():
    assert write_count(50_000, "image") == "50\u202f000 images"
    assert write_count(1, "image") == "1 image"


def test_a_value_is_one_line_of_bounded_width():
    assert ["1.235", '{"a": [1, 2]}', "x" * 9 + "\u2026"] == [
        write_value(1.23456), write_value({"a": [1, 2]}), write_value("x" * 99, width=10)
    ]  # fmt: skip


# --- shell ---


def test_a_page_allows_its_own_style_and_script_by_hash_and_nothing_else():
    page = render_page(
        "T<1>", [node("p", "x")], style="p { margin: 0 }", script="let a = 1;", data='{"a":1}'
    )
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in ("let a = 1;", "p { margin: 0 }")
    ]
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    assert policy == (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'"
    )
    assert "<title>T&lt;1&gt; \u2013 defect-discovery</title>" in page
    assert '<script type="application/json" id="report-data">{"a":1}</script>' in page


def test_a_page_without_a_script_allows_none():
    page = render_page("T", [], style="", images="data: file:")
    assert ("script" in page, "img-src data: file:;" in page) == (False, True)


def test_the_head_leaves_out_what_is_not_known():
    assert 'class="origin"><b>x</b></p>' in render_title("T", [None, node("b", "x")], [("a", "A")])
    assert "<dd><b>3</b><span>x</span></dd>" in render_figures([("n", "3", "x", "")])
    assert render_warnings([]) is None
