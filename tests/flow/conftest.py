"""What tests of the flow share.

One small set of pictures of four kinds, embedded once, of which each test works on a copy; the
pages of single components of the front end, and a real Chromium to open them in.
"""

import contextlib
import functools
import http.server
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from discovery import AgglomerativeOptions, RoundOptions, discover_types
from discovery.runs import HANDOFF_CSV, HANDOFF_JSON, Run
from embeddings.extract import ExtractOptions

KINDS = ("lines", "waves", "blob", "checks")
EACH = 15
SIDE = 48
TEXTURE = ExtractOptions(extractor="texture")


def draw(kind, rng):
    y, x = np.mgrid[:SIDE, :SIDE]
    shift = rng.integers(8)
    pattern = {
        "lines": 40 * np.sin(1.1 * (x + shift)),
        "waves": 40 * np.sin((y + shift) / 1.5),
        "blob": 90.0 * (np.hypot(x - 16 - shift, y - 24) < 9),
        "checks": 60.0 * (((x + shift) // 8 + y // 8) % 2),
        "rings": 50 * np.cos(np.hypot(x - 24, y - 24 - shift)),
    }[kind]
    return np.clip(120 + pattern + rng.normal(0, 8, (SIDE, SIDE)), 0, 255).astype(np.uint8)


def draw_images(folder, kind, n, seed):
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{kind}_{i:02}.png" for i in range(n)]
    for path in paths:
        Image.fromarray(draw(kind, rng)).save(path)
    return paths


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """60 pictures of four kinds and their truth; nobody writes into it."""
    root = tmp_path_factory.mktemp("set")
    paths = [
        path
        for seed, kind in enumerate(KINDS)
        for path in draw_images(root / "images", kind, EACH, seed)
    ]
    truth = [(f"images/{path.name}", path.name.split("_")[0]) for path in paths]
    pd.DataFrame(truth, columns=["path", "label"]).to_csv(root / "truth.csv", index=False)
    return root


@pytest.fixture(scope="session")
def finished(pictures, tmp_path_factory):
    """A whole round by the default route; copy it before writing into it."""
    out = tmp_path_factory.mktemp("round") / "run"
    discover_types(pictures / "images", out, options=RoundOptions(extract=TEXTURE))
    return out


@pytest.fixture(scope="session")
def four(finished, pictures, tmp_path_factory):
    """A round on the same store by four clusters, so that what is found is known."""
    out = tmp_path_factory.mktemp("four") / "run"
    options = RoundOptions(clusterer=AgglomerativeOptions(n_clusters=4))
    discover_types(finished / "store", out, options=options)
    return out


@pytest.fixture
def copy(tmp_path):
    """Return a copy of a run to write into."""

    def make(run: Path) -> Path:
        return shutil.copytree(run, tmp_path / f"copy{len(list(tmp_path.iterdir()))}")

    return make


@pytest.fixture
def cheap():
    """Options of a round without density clustering, which takes a second less."""
    return RoundOptions(extract=TEXTURE, clusterer=AgglomerativeOptions(n_clusters=4))


@pytest.fixture(scope="session")
def drawing():
    """Return the function that draws n pictures of a kind into a folder."""
    return draw_images


@pytest.fixture
def draw_more(tmp_path):
    """Return a function that draws n pictures of a kind that are in no other set."""

    def make(kind, n, folder="more"):
        return draw_images(tmp_path / folder, kind, n, seed=100)

    return make


@pytest.fixture
def watch(monkeypatch):
    """Return the list of the artefacts that are computed from now on."""
    saved = []
    original = Run.save_bytes

    def save_bytes(self, artefact, data, provenance, **taken):
        saved.append(artefact)
        return original(self, artefact, data, provenance, **taken)

    monkeypatch.setattr(Run, "save_bytes", save_bytes)
    # The handoff follows proposals and ledger; its own tests look at it.
    return lambda: [name for name in saved if name not in (HANDOFF_CSV, HANDOFF_JSON)]


FRONTEND = Path(__file__).resolve().parents[2] / "discovery/review/frontend"
# The review page's own; what a component needs beyond it would not work there.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class PageHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder under the policy; `answers` may send something else for a path."""

    def __init__(self, *args, answers=None, **options):
        self.answers = answers or (lambda _: None)
        super().__init__(*args, **options)

    def do_GET(self):
        answer = self.answers(self.path)
        if answer is None:
            super().do_GET()
            return
        status, media_type, data = answer
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.end_headers()
        self.wfile.write(data)

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def component_pages(tmp_path_factory):
    """Pages of single components of the front end, built from the sources."""
    node, vite = shutil.which("node"), FRONTEND / "node_modules/vite/bin/vite.js"
    if not (node and vite.exists()):
        pytest.skip("the front end's tools are absent")
    out = tmp_path_factory.mktemp("pages")
    config = FRONTEND / "tests/pages/vite.config.ts"
    subprocess.run(
        [node, vite, "build", "--config", config, "--outDir", out, "--logLevel", "warn"],
        cwd=FRONTEND,
        check=True,
        timeout=300,
    )
    return out


@pytest.fixture(scope="session")
def serve_pages():
    """Give a context manager that serves a folder, and answers some paths otherwise."""

    @contextlib.contextmanager
    def serve(folder, answers=None):
        handler = functools.partial(PageHandler, directory=folder, answers=answers)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()

    return serve


@pytest.fixture(scope="session")
def start_chromium(tmp_path_factory):
    """Give a context manager that starts a Chromium with more arguments."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if not (chromium and chromedriver):
        pytest.skip("chromium or chromedriver is absent")

    @contextlib.contextmanager
    def start(*arguments):
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for argument in (
            "headless=new", "no-sandbox", "disable-quic", "no-first-run",
            "disable-background-networking", "disable-component-update", "disable-sync",
            f"user-data-dir={tmp_path_factory.mktemp('profile')}", "window-size=1200,900",
            *arguments,
        ):  # fmt: skip
            options.add_argument(f"--{argument}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(chromedriver))
        driver.set_script_timeout(120)
        try:
            yield driver
        finally:
            driver.quit()

    return start


@pytest.fixture(scope="session")
def run_axe():
    """Give a function that returns what axe-core finds on a page: its rules and the elements."""
    axe = FRONTEND / "node_modules/axe-core/axe.js"
    if not axe.exists():
        pytest.skip("axe-core is absent")
    source = axe.read_text(encoding="utf-8")

    def run(driver):
        driver.execute_script(source)
        return driver.execute_async_script("""
            const done = arguments[0];
            axe.run().then(({ violations }) =>
              done(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])));""")

    return run
