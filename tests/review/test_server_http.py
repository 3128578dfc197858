"""The review over HTTP: what is served to its own page, and refused to everybody else."""

import json
import socket

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from discovery.ledger import read_decisions
from discovery.review import open_review
from discovery.review.server.app import make_app
from discovery.review.server.guard import Secrets
from discovery.review.server.serve import bind_port
from discovery.runs import LEDGER

BASE = "http://127.0.0.1:8888"
JSON = {"content-type": "application/json"}


@pytest.fixture
def secrets():
    return Secrets()


@pytest.fixture
def page(tmp_path):
    """A page stands for the built one."""
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Review</title>")
    (folder / "assets" / "main.js").write_text("1")
    (tmp_path / "secret.txt").write_text("not for anyone")
    return folder


@pytest.fixture
def client(api, secrets, page):
    """A client that has shown the token, as the page does."""
    with TestClient(make_app(api, secrets, page=page), base_url=BASE) as client:
        client.headers |= {"x-token": secrets.token}
        assert client.post("/api/hello", json={}).status_code == 200
        yield client


@pytest.fixture
def stranger(api, secrets, page):
    """A client that knows nothing."""
    with TestClient(make_app(api, secrets, page=page), base_url=BASE) as client:
        yield client


def test_a_decision_goes_through(client, unpack, run):
    answer = client.post("/api/state", json={})
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int.from_bytes(answer.content[:4], "little")
    first = json.loads(answer.content[4 : 4 + length])["proposals"][0]["id"]
    action = {"name": "accept", "proposal": first, "label": "scratch"}
    acted = client.post("/api/act", json={"action": action, "seen": 0})
    assert (acted.status_code, acted.json()["revision"]) == (200, 1)
    assert [one.label for one in read_decisions(run / LEDGER)] == ["scratch"]


def test_a_conflict_is_answered_409_and_says_who(client, run):
    with open_review(run, by="adam") as other:
        other.move([0, 1], "theirs")
    action = {"name": "move", "images": [1, 2], "label": "mine"}
    answer = client.post("/api/act", json={"action": action, "seen": 0})
    assert answer.status_code == 409
    conflict = answer.json()["conflict"]
    assert (conflict["by"], conflict["revision"]) == ("adam", 1)
    assert conflict["text"].startswith("adam decided meanwhile: move 2 images to theirs")
    # Looked at again, it may be decided.
    assert client.post("/api/act", json={"action": action, "seen": 1}).status_code == 200


def test_pictures_are_sent_and_may_be_kept_by_this_browser_alone(client):
    answer = client.get("/image/3/thumb?size=96")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["cache-control"] == "private, max-age=86400, immutable"
    assert answer.headers["vary"] == "Cookie"
    full = client.get("/image/3/full?low=100&high=140.5")
    assert (full.headers["content-type"], full.headers["x-shrunk"]) == ("image/png", "1")
    assert client.get("/image/3/full?low=0&high=255").content != full.content


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/image/49/thumb", 400),
        ("/image/-1/thumb", 404),
        ("/image/x/thumb", 404),
        ("/image/0/path", 400),
        ("/image/0/full?low=nan&high=1", 400),
        ("/image/0/full?path=/etc/passwd", 400),
        ("/image/0/reference", 404),
        ("/image/0/heat", 400),
        ("/image/..%2f..%2fetc/thumb", 404),
        ("/../secret.txt", 404),
        ("/%2e%2e/secret.txt", 404),
        ("/assets/..%2f..%2fsecret.txt", 404),
        ("/assets/", 404),
        ("/api/state", 404),
    ],
)
def test_paths_that_are_none(client, path, status):
    answer = client.get(path, headers=JSON)
    assert answer.status_code == status, answer.text
    assert "not for anyone" not in answer.text


def test_answers_bear_the_headers_that_keep_others_out(client):
    for answer in (
        client.get("/"),
        client.get("/assets/main.js"),
        client.post("/api/job", json={"id": "9"}),
        client.get("/nothing"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert client.post("/api/state", json={}).headers["cache-control"] == "no-store"
    assert client.get("/").headers["cache-control"] == "no-cache"


def test_the_cookie_is_of_no_use_to_a_script_or_another_page(client, secrets):
    [cookie] = client.post("/api/hello", json={}).headers.get_list("set-cookie")
    assert cookie.startswith(f"{secrets.cookie_name}={secrets.cookie};")
    assert {"httponly", "samesite=strict"} <= {one.strip().lower() for one in cookie.split(";")}
    assert secrets.cookie != secrets.token


def test_without_the_token_nothing_is_told(stranger):
    for headers in ({}, {"x-token": ""}, {"x-token": "wrong"}, {"x-token": "\u00e4"}):
        raw = {name: value.encode() for name, value in headers.items()}
        for method in ("state", "act", "hello", "overview"):
            answer = stranger.post(f"/api/{method}", json={}, headers=raw)
            assert answer.status_code == 403, method
            assert list(answer.json()) == ["error"]
    for path in ("/image/0/thumb", "/events"):
        assert stranger.get(path).status_code == 403
    assert stranger.get("/").status_code == 200  # the page alone, which holds nothing of the run


def test_the_browser_is_opened_with_a_code_that_is_good_once(stranger, secrets):
    headers = {"x-token": secrets.launch}
    assert stranger.post("/api/state", json={}, headers=headers).status_code == 403
    first = stranger.post("/api/hello", json={}, headers=headers)
    assert (first.status_code, first.json()["token"]) == (200, secrets.token)
    assert stranger.post("/api/hello", json={}, headers=headers).status_code == 403
    assert stranger.post("/api/state", json={}, headers=headers).status_code == 403
    with_token = {"x-token": secrets.token}
    assert stranger.post("/api/state", json={}, headers=with_token).status_code == 200


def test_a_code_is_not_spent_by_what_is_refused(stranger, secrets):
    headers = {"x-token": secrets.launch, "origin": "http://evil.example"}
    assert stranger.post("/api/hello", json={}, headers=headers).status_code == 403
    headers = {"x-token": secrets.launch, "content-type": "text/plain"}
    assert stranger.post("/api/hello", content="{}", headers=headers).status_code == 403
    assert stranger.post("/api/hello", json={}, headers={"x-token": secrets.launch}).is_success


def test_the_token_is_no_cookie_and_the_cookie_no_token(stranger, secrets):
    stranger.cookies.set(secrets.cookie_name, secrets.token)
    assert stranger.get("/image/0/thumb").status_code == 403
    headers = {"x-token": secrets.cookie}
    assert stranger.post("/api/state", json={}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},  # a name that was made to resolve to 127.0.0.1
        {"host": "evil.example:8888"},
        {"host": "127.0.0.1.evil.example:8888"},
        {"host": "0.0.0.0:8888"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},  # another server on this machine
        {"origin": "https://127.0.0.1:8888"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"content-type": "text/plain"},  # what a form can send without asking
        {"content-type": "multipart/form-data"},
        {"content-type": "application/x-www-form-urlencoded"},
    ],
    ids=str,
)
def test_what_comes_from_elsewhere_is_refused(client, run, headers):
    action = json.dumps({"action": {"name": "move", "images": [0], "label": "a"}})
    answer = client.post("/api/act", content=action, headers={**JSON, **headers})
    assert answer.status_code == 403
    assert read_decisions(run / LEDGER) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": BASE},
        {"host": "localhost:5000", "origin": "http://localhost:5000"},  # through a tunnel
        {"sec-fetch-site": "same-origin"},
        {"content-type": "application/json; charset=utf-8"},
    ],
    ids=str,
)
def test_what_comes_from_the_page_is_served(client, headers):
    answer = client.post("/api/state", content="{}", headers={**JSON, **headers})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"{", 400, "the request is no JSON"),
        (b"\xff\xfe", 400, "the request is no JSON"),
        (b'{"action": NaN}', 400, "NaN is no number of JSON"),
        (b"[" * 100_000, 400, "the request is no JSON"),
        (b"[]", 400, "expected an object of arguments"),
        (b'{"seen": ' + b"9" * 5000 + b"}", 400, ""),
        (b'{"action": {"name": "undo"}, "seen": 1e400}', 400, "seen"),
        (b" " * 16_000_001, 413, "more than 16000000 bytes"),
    ],
    ids=["cut", "no text", "NaN", "deep", "list", "long number", "infinite", "huge"],
)
def test_bodies_that_are_none(client, body, status, text):
    answer = client.post("/api/act", content=body, headers=JSON)
    assert answer.status_code == status
    assert text in answer.json()["error"]
    assert len(answer.json()["error"].splitlines()) == 1


def test_hostile_names_are_text_from_the_file_to_the_page(client, review):
    names = {path.rpartition("/")[2]: place for place, [path] in enumerate(review.data.paths)}
    for name in ("<img src=x onerror=alert(1)>.png", "line\nbreak.png", "\u202egnp.exe.png"):
        told = client.post("/api/image_info", json={"image": names[name]})
        assert told.headers["content-type"] == "application/json"
        assert told.json()["path"].endswith(name)
        assert client.get(f"/image/{names[name]}/thumb").status_code == 200
    label = "<script>alert(1)</script>"
    action = {"name": "move", "images": [0], "label": label}
    assert client.post("/api/act", json={"action": action}).json()["text"] == (
        f"move 1 image to {label}"
    )


def test_unknown_websockets_are_closed(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/events"):
        pass


def test_another_programs_cookies_do_no_harm(stranger, secrets):
    for cookie in ("a=b; =; \x01", f"{secrets.cookie_name}", "x" * 5000):
        assert stranger.get("/events", headers={"cookie": cookie.encode()}).status_code == 403


def test_a_bug_is_no_answer_that_looks_like_one(api, secrets, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(api, "call", fail)
    app = make_app(api, secrets)
    with TestClient(app, base_url=BASE, raise_server_exceptions=False) as client:
        answer = client.post("/api/state", json={}, headers={"x-token": secrets.token})
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("ZeroDivisionError: a bug")
    assert answer.headers["content-security-policy"]


def test_small_answers_do_not_wait_for_acknowledgements():
    with bind_port(0) as bound:
        # Told by the protocol, asyncio switches Nagle's algorithm off.
        assert bound.proto == socket.IPPROTO_TCP
        assert bound.getsockname()[0] == "127.0.0.1"
