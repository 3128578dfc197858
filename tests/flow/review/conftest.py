"""The review page in a real Chromium, on a real server and a copy of a small run.

Where a test does not end the server, it runs in a thread: a process takes seconds to import.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
import uvicorn

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver import ActionChains, Keys  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402

from discovery import open_review  # noqa: E402
from discovery.review.server import ReviewApi  # noqa: E402
from discovery.review.server.app import make_app  # noqa: E402
from discovery.review.server.build import FRONTEND, PAGE  # noqa: E402
from discovery.review.server.events import EventHub  # noqa: E402
from discovery.review.server.guard import Secrets  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PATIENCE = 20.0  # seconds: how long a page may take that shares two cores with other tests
START = 90.0  # seconds: a server imports torch's neighbours first
# Begins beside the tools, which lie over the map in its corner.
LASSO = [(0.98, -0.9), (0.98, 0.98), (-0.98, 0.98), (-0.98, -0.98), (0.9, -0.98)]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


@pytest.fixture(scope="session")
def shown_page(built_page):
    """The built page, where there is a browser to show it."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium or chromedriver is absent")
    return built_page


class Server:
    """A server in a thread of the test's own process."""

    def __init__(self, run, *, by="anna"):
        self.review = open_review(run, by=by)
        self._api = api = ReviewApi(self.review)
        secrets, self._hub = Secrets(), EventHub()
        app = make_app(api, secrets, page=PAGE, hub=self._hub)
        config = uvicorn.Config(
            app, log_level="warning", lifespan="on", ws="none", timeout_graceful_shutdown=3
        )
        self._server = uvicorn.Server(config)
        bound = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{bound.getsockname()[1]}/#token={secrets.token}"
        # A daemon: one that does not end must not hold up the end of all the tests.
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [bound]}, daemon=True
        )
        self._thread.start()

    def end(self):
        """End it; handoff.csv is brought up to date."""
        self._hub.close()
        self._server.should_exit = True
        self._thread.join(START)
        self._api.close()
        self.review.close()
        assert not self._thread.is_alive(), "the server did not end"


class ServerProcess:
    """`python -m discovery.review` on a run."""

    def __init__(self, run, *, by="anna", port=0):
        command = [sys.executable, "-m", "discovery.review", str(run), "--no-browser"]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), "--by", by],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        # A server that never says its address must not hold the tests up for ever.
        watchdog = threading.Timer(START, self.process.kill)
        watchdog.start()
        self.url = self.process.stdout.readline().strip()
        watchdog.cancel()
        assert self.url.startswith("http://127.0.0.1:"), self.url
        self.port = int(self.url.split(":")[2].split("/")[0])

    def kill(self):
        """End it as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self._wait()

    def end(self):
        """End it as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self._wait()

    def _wait(self):
        self.process.wait(30)
        self.process.stdout.close()


class Page:
    """A window on a review, and a person's hands."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url):
        self.driver.get(url)
        self.wait(lambda: self.find("main .cell"))
        return self

    def press(self, *keys):
        """Press keys one after the other: "x", "ENTER", "Shift+u"."""
        for key in keys:
            chain = ActionChains(self.driver, duration=0)
            if key.startswith("Shift+"):
                held = key[6:]
                chain.key_down(Keys.SHIFT).send_keys(getattr(Keys, held, held)).key_up(Keys.SHIFT)
            else:
                chain.send_keys(getattr(Keys, key, key))
            chain.perform()

    def go(self, screen):
        """Show a screen by its tab."""
        self.find(f"//nav[@aria-label='Screens']//button[.='{screen}']").click()

    def lasso_all(self):
        """Draw a lasso along the edges of the map."""
        self.wait(lambda: self.find("//button[.='Lasso']")).click()
        surface = self.find(".map-box canvas")
        width, height = surface.size["width"] / 2, surface.size["height"] / 2
        corners = [(int(x * width), int(y * height)) for x, y in LASSO]
        chain = ActionChains(self.driver, duration=250)
        chain.move_to_element_with_offset(surface, *corners[0]).click_and_hold()
        for (x0, y0), (x1, y1) in pairwise(corners):
            chain.move_by_offset(x1 - x0, y1 - y0)
        chain.release().perform()

    def find(self, what):
        """Return the first element of a selector or an XPath, or None."""
        by = By.XPATH if what.startswith("//") else By.CSS_SELECTOR
        return next(iter(self.driver.find_elements(by, what)), None)

    def text(self, what):
        """Return an element's text; empty where it is not there."""
        return self.driver.execute_script(
            "return document.querySelector(arguments[0])?.textContent ?? ''", what
        )

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def count(self, what):
        return len(self.driver.find_elements(By.CSS_SELECTOR, what))

    def wait(self, condition):
        """Wait until a condition holds, and return what it gave."""
        end = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < end, f"in vain; the page says: {self.describe()}"
            time.sleep(0.03)
        return found

    def describe(self):
        """Say what is shown, for who reads of a failure."""
        focus = self.script("return document.activeElement.outerHTML.slice(0, 120)")
        shown = [self.text(one)[:400] for one in ("main", "dialog", ".messages", ".banner")]
        typed = self.script("return [...document.querySelectorAll('input')].map((i) => i.value)")
        log = [line for line in self.log() if "404" not in line][:3]
        return f"{shown}, with the focus on {focus} and typed {typed}; {log}"

    def wait_for(self, what, text):
        self.wait(lambda: text in self.text(what))

    def resize(self, width, height, *, dark=False):
        """Set the size of the window and what the system wants: light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def log(self):
        """Return what the browser complained of."""
        return [line["message"] for line in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def browser(shown_page, tmp_path_factory):
    """Return a function that opens a window of 1400 by 900; the first one is used again."""
    drivers = []

    def start():
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        drivers.append(webdriver.Chrome(options=options, service=Service(DRIVER)))
        drivers[-1].set_script_timeout(120)

    def make(number=0):
        while len(drivers) <= number:
            start()
        page = Page(drivers[number])
        page.resize(1400, 900)
        return page

    yield make
    with contextlib.ExitStack() as stack:
        for driver in drivers:
            stack.callback(driver.quit)


@pytest.fixture
def serve(shown_page, tmp_path):
    """Return a function that starts a review of a run, in a thread or a process.

    It asks for `tmp_path`, which the runs are copied to, so that servers end before their runs go.
    """
    servers = []

    def start(run, *, apart=False, **options):
        servers.append((ServerProcess if apart else Server)(run, **options))
        return servers[-1]

    yield start
    with contextlib.ExitStack() as stack:  # each, whatever becomes of the others
        for server in servers:
            stack.callback(server.end)


@pytest.fixture
def page(browser, serve, four, copy):
    """A window on a copy of the run of four groups, which is `page.run`."""
    window = browser()
    window.run = copy(four)
    window.server = serve(window.run)
    return window.open(window.server.url)


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core, which finds what people cannot read or reach."""
    source = Path(FRONTEND) / "node_modules/axe-core/axe.min.js"
    if not source.is_file():
        pytest.skip(f"axe-core is absent: run npm ci in {FRONTEND}")
    return source.read_text(encoding="utf-8")
