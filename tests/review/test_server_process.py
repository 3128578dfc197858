"""The command itself: started, decided through, killed, started again; two at once; a clean end."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2 as httpx
import pytest

from discovery.ledger import read_decisions
from discovery.runs import HANDOFF_CSV, LEDGER

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0  # seconds: a server that shares two cores with other tests
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/#token=(\S+)")


class Served:
    """A review served by a process of its own."""

    def __init__(self, run, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "discovery.review", run, "--no-browser", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # A server that never says its address must not hold the tests up for ever.
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        found = ADDRESS.match(line)
        if not found:
            self.process.kill()
        assert found, (line, self.process.stderr.read())
        self.address, self.token = found.groups()
        self.client = httpx.Client(
            base_url=self.address, headers={"x-token": self.token}, timeout=PATIENCE
        )
        self.ask("hello")

    def ask(self, method, **args):
        answer = self.client.post(f"/api/{method}", json=args)
        answer.raise_for_status()
        if answer.headers["content-type"] == "application/json":
            return answer.json()
        length = int.from_bytes(answer.content[:4], "little")
        return json.loads(answer.content[4 : 4 + length])

    def move(self, image, label):
        return self.ask("act", action={"name": "move", "images": [image], "label": label})

    def end(self, how=signal.SIGTERM):
        """Tell the process to end, and return its exit code and what it wrote."""
        self.process.send_signal(how)
        written = self.process.communicate(timeout=30)
        self.client.close()
        return self.process.returncode, *written


@pytest.fixture
def serve(run, built_page):
    """Return a function that starts the command; what is left of it is ended."""
    started = []

    def start(*words):
        started.append(Served(run, *words))
        return started[-1]

    yield start
    for served in started:
        served.client.close()
        served.process.kill()
        served.process.communicate()


def test_what_was_acknowledged_survives_a_kill(serve, run):
    first = serve("--by", "eva")
    acknowledged = []

    def decide():
        try:
            for image in range(40):
                first.move(image, f"t{image}")
                acknowledged.append(f"t{image}")
        except httpx.HTTPError:
            pass  # killed in the middle

    deciding = threading.Thread(target=decide)
    deciding.start()
    while len(acknowledged) < 5:
        assert deciding.is_alive(), "the server gave up"
        time.sleep(0.01)
    first.process.kill()
    deciding.join(PATIENCE)
    first.process.wait(PATIENCE)
    recorded = [one.label for one in read_decisions(run / LEDGER)]
    assert recorded[: len(acknowledged)] == acknowledged
    assert len(recorded) - len(acknowledged) <= 1  # written, and killed before the answer

    second = serve("--by", "eva")
    told = second.ask("state")
    assert (told["revision"], len(told["types"])) == (len(recorded), len(recorded))
    assert told["undo"] == f"move 1 image to {recorded[-1]}"
    assert second.ask("act", action={"name": "undo"})["text"].startswith("undone: ")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_it_ends_cleanly_and_writes_the_handoff(serve, run, how):
    served = serve("--by", "eva")
    before = (run / HANDOFF_CSV).read_bytes()
    with served.client.stream("GET", "/events") as events:
        lines = events.iter_lines()
        assert next(lines) == 'data: {"revision": 0}'  # an open page does not hold it up
        served.move(3, "scratch")
        code, _, logged = served.end(how)
    assert code == 0
    assert "Traceback" not in logged
    assert "error" not in logged.lower()
    after = (run / HANDOFF_CSV).read_bytes()
    assert before != after
    assert b"scratch,human,eva" in after


@pytest.mark.long
def test_two_at_once_see_each_others_decisions(serve):
    one, two = serve("--by", "eva"), serve("--by", "adam")
    assert one.address != two.address
    with two.client.stream("GET", "/events") as events:
        lines = events.iter_lines()
        assert next(lines) == 'data: {"revision": 0}'
        next(lines)
        one.move(0, "a")
        assert next(lines) == 'data: {"revision": 1}'
    assert [one["label"] for one in two.ask("state")["types"]] == ["a"]
    one.move(1, "b")
    action = {"name": "move", "images": [1], "label": "c"}
    answer = two.client.post("/api/act", json={"action": action, "seen": 1})
    assert answer.status_code == 409
    assert answer.json()["conflict"]["by"] == "eva"
    # One server's token and cookie open no other.
    assert two.client.post(f"{one.address}/api/state", json={}).status_code == 403
    assert two.client.get(f"{one.address}/image/0/thumb").status_code == 403


def test_the_page_is_served_and_its_address_answers_to_this_machine_alone(serve):
    served = serve("--by", "eva")
    page = served.client.get("/")
    assert "<!doctype html>" in page.text.lower()
    for asset in re.findall(r'(?:src|href)="\./(assets/[^"]+)"', page.text):
        assert served.client.get(f"/{asset}").status_code == 200
    assert served.client.get("/", headers={"host": "evil.example"}).status_code == 403


@pytest.mark.long
def test_a_port_that_is_taken_is_said_in_one_line(serve, run):
    port = serve("--by", "eva").address.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "discovery.review", run, "--no-browser", "--port", port],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"--port {port}: Address already in use" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nowhere"], "nowhere"),
        (["nowhere", "--port", "70000"], "--port 70000: expected 0 to 65535"),
    ],
)
def test_a_users_mistake_is_one_line(words, text, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "discovery.review", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1
