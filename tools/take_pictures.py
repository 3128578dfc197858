"""Take the pictures of the documentation: the real page of a real run, in a headless Chromium.

    make demo
    python tools/take_pictures.py demo/run

The run is copied first: what is decided for the pictures is decided in the copy alone.
"""

import contextlib
import io
import re
import shutil
import subprocess  # nosec B404 # the project's own server, without a shell
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
QUALITY = 82  # of WebP: a quarter of the bytes of a PNG, and nobody sees it
ALL_LOADED = """
    const seen = [...document.querySelectorAll(".shell img")];
    return seen.every((image) => image.complete && image.naturalWidth > 0);
"""
FLAGS = (
    "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "hide-scrollbars",
    "disable-background-networking", "disable-component-update", "disable-sync",
    "window-size=1400,900",
)  # fmt: skip


def main() -> None:
    """Take the pictures of the run that is named."""
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "run.json").is_file():
        raise SystemExit(f"{sys.argv[0]}: expected one run, such as demo/run")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run = shutil.copytree(sys.argv[1], Path(folder) / "run")
        for name in ("decisions.jsonl", "decisions.head"):
            (run / name).unlink(missing_ok=True)
        with serve(run) as address, start_browser() as driver:
            take_review(driver, address)
        with start_browser() as driver:
            driver.get((run / "report.html").as_uri())
            time.sleep(2)
            save(driver, PICTURES.parent / "report.webp")


def take_review(driver: Any, address: str) -> None:
    """Walk through a round by keyboard, and take a picture of each screen."""
    driver.get(address)
    wait_for(driver, "return document.querySelectorAll('.shell img').length > 20")
    for name in ("lines/vertical", "lines/horizontal", "defect/particle"):
        press(driver, Keys.ENTER, pause=1)  # into the field: letters outside of it are keys
        press(driver, *name, pause=1)
        wait_for(driver, ALL_LOADED)
        save(driver, PICTURES / "review-validate.webp")
        press(driver, Keys.ESCAPE, Keys.ENTER, pause=2)
    for key, name in (("b", "map"), ("?", "keys")):
        press(driver, key, pause=3)
        save(driver, PICTURES / f"review-{name}.webp")
        press(driver, Keys.ESCAPE, pause=0.5)
    for tab in ("Grow", "Doubt", "Merge", "Types", "All images"):
        driver.find_element(By.XPATH, f"//nav//*[normalize-space()='{tab}']").click()
        time.sleep(3)
        wait_for(driver, ALL_LOADED)
        save(driver, PICTURES / f"review-{tab.split()[0].lower()}.webp")


def press(driver: Any, *keys: str, pause: float) -> None:
    """Press keys one after the other, then wait some seconds."""
    ActionChains(driver).send_keys(*keys).perform()
    time.sleep(pause)


def wait_for(driver: Any, script: str) -> None:
    """Wait until a script returns something true."""
    WebDriverWait(driver, 60).until(lambda d: d.execute_script(script))


def save(driver: Any, path: Path) -> None:
    """Save what is seen."""
    shot = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    shot.save(path, quality=QUALITY, method=6)


@contextlib.contextmanager
def serve(run: Path) -> Iterator[str]:
    """Serve the review of a run; give its address."""
    words = [sys.executable, "-m", "discovery.review", str(run), "--no-browser", "--by", "you"]
    server = subprocess.Popen(  # nosec B603 # this Python, a folder made by this tool
        words, stdout=subprocess.PIPE, text=True
    )
    try:
        found = re.search(r"http://\S+", server.stdout.readline() if server.stdout else "")
        if not found:
            raise RuntimeError("the server told no address")
        yield found[0]
    finally:
        server.terminate()
        server.wait(timeout=30)


@contextlib.contextmanager
def start_browser() -> Iterator[Any]:
    """Start a headless Chromium with a profile of its own."""
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        for flag in (*FLAGS, f"user-data-dir={profile}"):
            options.add_argument(f"--{flag}")
        driver = webdriver.Chrome(options=options)
        try:
            yield driver
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
