"""Attacks on the review's server, byte by byte over a real socket: no stranger is answered.

What a client library would tidy up before sending it (dots in a path, two Hosts, half a header)
is what an attacker sends. After each attack the review's own page must still be served.
"""

import json
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from discovery.ledger import read_decisions
from discovery.review.server import app as app_module
from discovery.review.server import connections
from discovery.review.server.app import make_app
from discovery.review.server.events import EventHub
from discovery.review.server.guard import Secrets
from discovery.review.server.serve import ReviewServer, bind_port
from discovery.runs import LEDGER

SECRET = b"not for anyone"
MOVE = json.dumps({"action": {"name": "move", "images": [0], "label": "a"}}).encode()


class Served:
    """A server in a thread, and raw requests to it."""

    def __init__(self, api, page):
        self.secrets, hub = Secrets(), EventHub()
        self.server = ReviewServer(make_app(api, self.secrets, page=page, hub=hub), hub)
        self.stack = ExitStack()
        bound = self.stack.enter_context(bind_port(0))
        self.port = bound.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.run, args=([bound],))
        self.thread.start()
        self.cookie = f"{self.secrets.cookie_name}={self.secrets.cookie}"

    def stop(self):
        self.server.handle_exit(15, None)
        self.thread.join(20)
        self.stack.close()
        assert not self.thread.is_alive()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def send(self, data):
        """Send bytes as they are; return the status (0: hung up on), the headers and the body."""
        with self.connect() as client:
            try:
                client.sendall(data)
                answer = b"".join(iter(lambda: client.recv(65536), b""))
            except (ConnectionResetError, BrokenPipeError):
                return 0, b"", b""
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, head.lower(), body

    def ask(self, path, *, method="GET", body=b"", signed=True, **headers):
        """Send one request with the headers of the page, or others in their place."""
        wanted = {"host": self.host, "connection": "close"}
        if signed:
            wanted |= {"x-token": self.secrets.token, "cookie": self.cookie}
        if method in ("POST", "PUT", "PATCH", "DELETE"):
            wanted |= {"content-type": "application/json", "content-length": str(len(body))}
        wanted |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in wanted.items() if value is not None]
        head = f"{method} {path} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"
        return self.send(head.encode("latin-1") + body)


@pytest.fixture
def served(api, tmp_path):
    """A server whose page has a neighbour that is not for anyone."""
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html><title>Review</title>")
    (page / "assets" / "main.js").write_text("x" * 4_000_000)
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (page / "way-out.txt").symlink_to(tmp_path / "secret.txt")
    (page / "out").symlink_to(tmp_path)
    served = Served(api, page)
    yield served
    try:
        assert served.ask("/api/state", method="POST", body=b"{}")[0] == 200
    finally:
        served.stop()


def test_no_spelling_of_a_path_leads_out_of_the_page(served):
    steps = (
        "..", "%2e%2e", ".%2e", "%2e.", "%252e%252e", "..%00", "%c0%ae%c0%ae", "..;",
        "%u002e%u002e",
    )  # fmt: skip
    slashes = ("/", "//", "\\", "%2f", "%5c", "%252f", "/./")
    paths = [
        f"/{a}{step}{slash}secret.txt"
        for step in steps
        for slash in slashes
        for a in ("", "assets/")
    ]
    paths += [
        "//secret.txt", "/way-out.txt", "/out/secret.txt", "/out/", "/\\..\\secret.txt",
        "/index.html%00.txt", "/%00", "/assets/%00/../secret.txt", "/" + "../" * 40 + "etc/passwd",
        "//etc/passwd", "///etc/passwd", "/%2fetc%2fpasswd", "/\\etc\\passwd", "/file:///etc/passwd",
        "/C:/Windows/win.ini", "/assets/" + "a" * 5000, "/%ff%fe", "/?path=../secret.txt",
    ]  # fmt: skip
    for path in paths:
        status, _, body = served.ask(path)
        assert status in (200, 400, 404), path
        assert SECRET not in body, path
        assert b"root:" not in body, path
        if status == 200:
            assert b"<title>Review</title>" in body, path
        assert b"traceback" not in body.lower(), path


def test_the_address_of_a_picture_is_a_number_and_nothing_else(served):
    for path in (
        "/image/../../secret.txt", "/image/0/../../../secret.txt", "/image/%2e%2e/thumb",
        "/image/0/thumb%00", "/image/0/..%2fthumb", "/image/0x1/thumb", "/image/+1/thumb",
        "/image/1e1/thumb", "/image/" + "9" * 5000 + "/thumb", "/image/0/full?page=" + "9" * 5000,
        "/image/0/full?path=/etc/passwd", "/image/0/thumb?size=1e400", "/image/0/thumb?size=-1",
        "/image/0/full?x0=0&y0=0&width=99000000&height=1",
        "/image/%D9%A1/thumb",  # a digit, but none of an address
    ):  # fmt: skip
        status, head, body = served.ask(path)
        assert status in (400, 404), (path, status)
        assert b"content-type: application/json" in head, path
        assert b"Traceback" not in body
        assert SECRET not in body
    assert served.ask("/image/0/thumb")[0] == 200


def test_a_link_in_the_place_of_a_picture_shows_nothing_else(served, api, review, tmp_path):
    [original], [other] = review.data.paths[3], review.data.paths[20]
    ours = tmp_path / "picture.png"
    files = api._context.files
    files._paths = [*files._paths[:3], [str(ours)], *files._paths[4:]]
    for target in (other, "/etc/passwd", "/dev/zero", tmp_path, tmp_path / "gone"):
        ours.symlink_to(target)
        status, _, body = served.ask("/image/3/full")
        assert status == 404, target
        assert b"is not there any more, or has changed" in body
        ours.unlink()
    ours.symlink_to(original)  # the same bytes: it is told by its content, not by its place
    assert served.ask("/image/3/full")[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example",
        "evil.example#127.0.0.1", "127.0.0.1@evil.example", "127.1:{port}", "0:{port}",
        "2130706433:{port}", "0x7f000001", "[::1]:{port}", "[::ffff:127.0.0.1]", "0.0.0.0",
        "localhost.:{port}", "127.0.0.1:80:80", "", " ", "127.0.0.2",
    ],
)  # fmt: skip
def test_a_foreign_host_is_told_nothing(served, run, host):
    host = host.format(port=served.port)
    for path, method in (("/", "GET"), ("/api/act", "POST"), ("/image/0/thumb", "GET")):
        status, _, body = served.ask(path, method=method, body=MOVE, host=host)
        assert status in (400, 403), (path, host)
        assert b"<title>" not in body
    assert read_decisions(run / LEDGER) == []


def test_two_hosts_or_none_are_refused(served):
    both = (
        f"GET / HTTP/1.1\r\nhost: {served.host}\r\nhost: evil.example\r\nconnection: close\r\n\r\n"
    )
    assert served.send(both.encode())[0] in (400, 403)
    assert served.send(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")[0] == 400
    assert served.send(b"GET / HTTP/1.0\r\n\r\n")[0] in (400, 403)
    # An absolute address names a host too: what counts is the header.
    absolute = (
        f"GET http://{served.host}/ HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"
    )
    assert served.send(absolute.encode())[0] in (400, 403)
    forwarded = served.ask("/", host="evil.example", x_forwarded_host=served.host)
    assert forwarded[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1"},
        {"origin": "https://127.0.0.1:{port}"},
        {"origin": "http://localhost:{port}"},
        {"origin": "file://"},
        {"origin": "vscode-webview://a"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "nonsense"},
    ],
    ids=str,
)  # fmt: skip
def test_a_request_of_another_page_decides_nothing_though_it_had_the_token(served, run, headers):
    sent = {name: value.format(port=served.port) for name, value in headers.items()}
    assert served.ask("/api/act", method="POST", body=MOVE, **sent)[0] == 403
    assert served.ask("/events", **sent)[0] == 403
    assert served.ask("/image/0/thumb", **sent)[0] == 403
    assert read_decisions(run / LEDGER) == []


def test_a_missing_old_or_guessed_token_is_refused(served, run):
    old, right = Secrets(), served.secrets
    for token in (
        None, "", old.token, right.token[:-1], right.token + "a", right.token.swapcase(),
        right.cookie, right.launch, "Bearer " + right.token, "\x80\xff", "a" * 20_000,
    ):  # fmt: skip
        status, _, body = served.ask("/api/act", method="POST", body=MOVE, x_token=token)
        assert status == 403, token
        assert right.token.encode() not in body
    for cookie in (
        None,
        "",
        f"{old.cookie_name}={old.cookie}",
        f"{right.cookie_name}={right.token}",
    ):
        assert served.ask("/image/0/thumb", cookie=cookie)[0] == 403
        assert served.ask("/events", cookie=cookie)[0] == 403
    # In the query, where logs and histories would keep it, it counts for nothing.
    query = f"/api/act?token={right.token}&x-token={right.token}"
    assert served.ask(query, method="POST", body=MOVE, x_token=None)[0] == 403
    assert read_decisions(run / LEDGER) == []


def test_a_form_of_another_page_cannot_decide(served, run):
    for content_type in (
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ):
        for token in (None, served.secrets.token):
            status, *_ = served.ask(
                "/api/act", method="POST", body=MOVE, content_type=content_type, x_token=token
            )
            assert status == 403
    # What a browser asks before it would send other headers from elsewhere is not granted.
    status, head, _ = served.ask(
        "/api/act", method="OPTIONS", origin="http://evil.example",
        access_control_request_method="POST", access_control_request_headers="x-token",
    )  # fmt: skip
    assert status == 403
    assert b"access-control-allow" not in head
    assert read_decisions(run / LEDGER) == []


def test_no_other_method_does_anything(served, run):
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X"):
        for path in ("/api/act", "/image/0/thumb", "/events", "/", "/assets/main.js"):
            status, head, body = served.ask(
                path, method=method, body=MOVE, content_type="application/json"
            )
            assert status in (400, 403, 404, 405, 501), (method, path)
            assert b"x-token" not in head
            assert served.secrets.token.encode() not in head + body  # TRACE would tell it
    assert served.ask("/api/act", content_type="application/json")[0] in (404, 405)
    overridden = served.ask(
        "/image/0/thumb", x_http_method_override="POST", x_original_url="/api/act"
    )
    assert overridden[0] == 200  # a picture, and nothing decided
    for name in ("__class__", "_warm", "call", "draw", "close", "act/", "ACT", "%61ct%00"):
        assert served.ask(f"/api/{name}", method="POST", body=MOVE)[0] in (400, 404, 405, 307)
    assert read_decisions(run / LEDGER) == []


def test_heads_that_are_too_long_or_broken_are_refused(served):
    long = "a" * 300_000
    assert served.ask("/" + long)[0] in (0, 400)
    assert served.ask("/", x_long=long)[0] in (0, 400)
    assert served.ask("/", **{f"x_{n}": "a" for n in range(30_000)})[0] in (0, 400)
    for broken in (
        b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\nx: b\r\n : c\r\n\r\n",
    ):  # fmt: skip
        with served.connect() as client:
            client.sendall(broken + b"\r\n\r\n")
            assert client.recv(100).split()[1:2] in ([], [b"400"], [b"403"]), broken


def test_one_request_is_not_read_as_two(served, run):
    hidden = b"POST /api/act HTTP/1.1\r\n\r\n"
    for framing in (
        "content-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        f"content-length: 5\r\ncontent-length: {len(hidden)}\r\n\r\n",
        "content-length: -1\r\n\r\n",
        "content-length: 1e3\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
        "transfer-encoding: xchunked\r\n\r\n",
    ):
        head = f"POST /api/act HTTP/1.1\r\nhost: {served.host}\r\nconnection: close\r\n"
        status, _, _ = served.send((head + framing).encode() + hidden)
        assert status in (0, 400, 403, 501), framing
    assert read_decisions(run / LEDGER) == []


def test_a_body_is_bounded_before_it_is_read(served, monkeypatch):
    monkeypatch.setattr(app_module, "_MOST_BODY", 100_000)
    status, _, body = served.ask("/api/act", method="POST", body=b" " * 100_001)
    assert (status, b"more than 100000 bytes" in body) == (413, True)
    # Of a stranger nothing is read at all: the answer comes before the body.
    with served.connect() as client:
        head = (
            f"POST /api/act HTTP/1.1\r\nhost: {served.host}\r\ncontent-length: 99999999999\r\n\r\n"
        )
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 403")
    with served.connect() as client:
        head = (
            f"POST /api/act HTTP/1.1\r\nhost: {served.host}\r\nx-token: {served.secrets.token}\r\n"
        )
        head += "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        client.sendall(head.encode() + 2 * chunk)
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_a_client_that_says_nothing_or_a_byte_now_and_then_is_hung_up_on(served, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    silent, slow = served.connect(), served.connect()
    with silent, slow:
        started = time.monotonic()
        gone = False
        while not gone and time.monotonic() - started < 8:
            try:
                slow.sendall(b"G")
                time.sleep(0.05)
            except OSError:
                gone = True
        assert gone
        silent.settimeout(5)
        assert silent.recv(1) == b""


def test_a_body_that_drips_ends_in_time(served, monkeypatch):
    monkeypatch.setattr(app_module, "_BODY_SECONDS", 0.3)
    with served.connect() as client:
        head = (
            f"POST /api/act HTTP/1.1\r\nhost: {served.host}\r\nx-token: {served.secrets.token}\r\n"
        )
        client.sendall(
            (head + "content-type: application/json\r\ncontent-length: 1000\r\n\r\n{").encode()
        )
        assert client.recv(100).startswith(b"HTTP/1.1 408")


def test_an_answer_that_nobody_reads_is_given_up(served, monkeypatch):
    monkeypatch.setattr(connections, "READ_SECONDS", 0.3)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(("127.0.0.1", served.port))
        for _ in range(4):
            client.sendall(f"GET /assets/main.js HTTP/1.1\r\nhost: {served.host}\r\n\r\n".encode())
        deadline = time.monotonic() + 8
        while served.server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not served.server.server_state.connections


def test_connections_are_bounded_and_the_pages_own_get_through(served, monkeypatch):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 20)
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(served.connect())
        for _ in range(5):
            assert served.ask("/api/state", method="POST", body=b"{}")[0] == 200
        assert len(served.server.server_state.connections) <= 20


def test_streams_of_events_are_bounded(served, monkeypatch):
    monkeypatch.setattr(app_module, "_MOST_STREAMS", 3)
    head = f"GET /events HTTP/1.1\r\nhost: {served.host}\r\ncookie: {served.cookie}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(served.connect())
            client.sendall(head.encode())
            assert b"200" in client.recv(15)
            while b"revision" not in client.recv(4096):
                pass
        status, _, body = served.ask("/events")
        assert (status, b"3 pages are open: close one" in body) == (503, True)


def test_a_websocket_is_not_opened(served):
    upgrade = (
        f"GET /events HTTP/1.1\r\nhost: {served.host}\r\nconnection: upgrade, close\r\n"
        "upgrade: websocket\r\nsec-websocket-version: 13\r\n"
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert served.send(upgrade.encode())[0] == 403


def test_every_answer_says_what_it_is_and_may_not_be_taken_for_anything_else(served):
    answers = [
        served.ask("/"),
        served.ask("/assets/main.js"),
        served.ask("/nothing"),
        served.ask("/image/0/thumb"),
        served.ask("/image/0/path"),
        served.ask("/api/state", method="POST", body=b"{}"),
        served.ask("/api/job", method="POST", body=b'{"id": "9"}'),
        served.ask("/api/nothing", method="POST", body=b"{}"),
        served.ask("/api/state", method="POST", body=b"{"),
        served.ask("/api/state", method="POST", body=b"{}", x_token=None),
    ]
    types = []
    for status, head, _ in answers:
        assert status
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        types.append(lines[b"content-type"].partition(b";")[0].decode())
        assert lines[b"x-content-type-options"] == b"nosniff"
        assert b"default-src 'none'" in lines[b"content-security-policy"]
        assert lines[b"x-frame-options"] == b"deny"
        assert not {b"server", b"access-control-allow-origin"} & set(lines)
    json_type, own = "application/json", "application/octet-stream"
    assert types == [
        "text/html", "text/javascript", json_type, "image/jpeg", json_type, own, json_type,
        json_type, json_type, json_type,
    ]  # fmt: skip


def test_an_answer_with_hostile_names_is_no_page(served, review):
    names = {path.rpartition("/")[2]: place for place, [path] in enumerate(review.data.paths)}
    place = names["<img src=x onerror=alert(1)>.png"]
    body = json.dumps({"image": place}).encode()
    status, head, told = served.ask("/api/image_info", method="POST", body=body)
    assert (status, json.loads(told)["path"].endswith("onerror=alert(1)>.png")) == (200, True)
    assert b"content-type: application/json" in head
    # What was refused is told again as text: escaped, short, and as JSON.
    status, head, told = served.ask("/api/<script>alert(1)<%2Fscript>", method="POST", body=b"{}")
    assert (status in (400, 404, 405), b"application/json" in head) == (True, True)
    label = "</script><script>alert(1)</script>\r\nset-cookie: a=b"
    action = {"action": {"name": "move", "images": [0], "label": label}}
    status, head, told = served.ask("/api/act", method="POST", body=json.dumps(action).encode())
    assert b"set-cookie" not in head
    assert b"application/json" in head
    assert status in (200, 400)


def test_the_port_is_of_this_machine_alone(served):
    assert served.ask("/")[0] == 200
    for listening in served.server.servers:
        assert {one.getsockname()[0] for one in listening.sockets} == {"127.0.0.1"}
    assert not served.server.config.proxy_headers
