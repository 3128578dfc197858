"""The review in a notebook: the messages it answers, and what Python sees of it."""

import io
import json
import time

import numpy as np
import pytest
from PIL import Image

from discovery import read_decisions, review_widget
from discovery.runs import LEDGER

pytest.importorskip("anywidget", reason="needs the extra notebook")
pytestmark = pytest.mark.usefixtures("built_page")


@pytest.fixture
def run(four, copy):
    return copy(four)


@pytest.fixture
def widget(run, monkeypatch):
    """A widget whose messages are kept instead of being sent to a browser."""
    with review_widget(run, by="tester") as made:
        made.sent = []
        monkeypatch.setattr(
            made, "send", lambda content, buffers=(): made.sent.append((content, buffers))
        )
        yield made


def ask(widget, method, **args):
    """Send a request as the front end does; return its answer and the buffers."""
    number = len(widget.sent) + 1000
    widget._handle_custom_msg({"id": number, "method": method, "args": args}, [])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for content, buffers in widget.sent:
            if content.get("id") == number:
                return content, buffers
        time.sleep(0.01)
    raise AssertionError(f"{method} was not answered")


def test_the_state_comes_with_its_columns(widget):
    answer, buffers = ask(widget, "state")
    proposals = answer["json"]["proposals"]
    columns = {
        header["name"]: np.frombuffer(data, header["dtype"].replace("u1", "|u1"))[
            : header["length"]
        ]
        for header, data in zip(answer["json"]["columns"], buffers, strict=True)
    }
    assert len(proposals) == 4
    assert set(columns) == {"label", "source", "proposal", "held"}
    assert np.bincount(columns["proposal"]).tolist() == [found["size"] for found in proposals]
    json.dumps(answer)  # a message is JSON and nothing else


def test_an_image_comes_as_bytes(widget):
    answer, (data,) = ask(widget, "image", index=0, kind="thumb", size=96)
    assert answer["json"]["columns"][0]["name"] == "image"
    drawn = Image.open(io.BytesIO(data))
    assert max(drawn.size) <= 96
    assert np.ptp(np.asarray(drawn.convert("L"))) > 50


def test_a_decision_is_in_python_at_once(widget, run):
    first = ask(widget, "state")[0]["json"]["proposals"][0]
    action = {"name": "accept", "proposal": first["id"], "label": "lines"}
    answer, _ = ask(widget, "act", action=action, seen=0, seconds=2.5)
    assert answer["json"]["revision"] == widget.review.revision > 0
    decided = widget.decisions
    assert {(line.verdict, line.label, line.by) for line in decided} == {
        ("accept", "lines", "tester")
    }
    assert decided[0].seconds == 2.5
    assert decided == read_decisions(run / LEDGER)
    assert len(widget.handoff().labelled) == first["size"]


def test_a_fault_of_the_caller_is_one_line(widget):
    answer, _ = ask(widget, "act", action={"name": "accept", "proposal": "P0", "label": "x"})
    assert "\n" not in answer["error"]
    assert "P0" in answer["error"]
    assert "there is no method" in ask(widget, "no_such_method")[0]["error"]


def test_what_others_decide_is_told(widget, run):
    from discovery import open_review

    with open_review(run, by="someone else") as other:
        other.accept(other.state.proposals[0].proposal_id, "waves")
    deadline = time.monotonic() + 20
    while not any("event" in content for content, _ in widget.sent):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (event,) = [content["event"] for content, _ in widget.sent if "event" in content][:1]
    assert event["revision"] == widget.review.revision


def test_a_closed_widget_says_so_and_leaves_the_handoff_current(run):
    widget = review_widget(run, by="tester")
    widget.review.accept(widget.review.state.proposals[0].proposal_id, "lines")
    widget.close()
    widget.close()
    assert ",lines,cluster,tester," in (run / "handoff.csv").read_text()
