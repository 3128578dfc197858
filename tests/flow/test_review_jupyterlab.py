"""The review inside a real JupyterLab: driven by keyboard, and seen in Python."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from discovery import read_decisions
from discovery.runs import LEDGER

pytest.importorskip("anywidget", reason="needs the extra notebook")
pytest.importorskip("jupyterlab", reason="needs the extra notebook")
nbformat = pytest.importorskip("nbformat", reason="needs the extra test")

pytestmark = pytest.mark.usefixtures("built_page")
ROOT = Path(__file__).resolve().parents[2]
FINDS_SECONDS = 90  # a kernel that starts beside other tests
LAB_OPTIONS = ("--no-browser", "--ip=127.0.0.1", "--port=0", "--expose-app-in-browser")
# Cells that are run before ask for a kernel in a dialog.
KERNEL_IS_IDLE = """
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.sessionContext?.session?.kernel?.status === "idle";
"""
CELLS = (
    "from discovery import review_widget\n"
    "widget = review_widget('run', by='lab', height=640)\n"
    "widget",
    "from pathlib import Path\n"
    "Path('seen.txt').write_text(f'{len(widget.decisions)} {len(widget.handoff().labelled)}')",
)


@pytest.fixture
def lab(four, tmp_path):
    """A JupyterLab in an empty home, with a notebook beside the run; gives its address."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copytree(four, home / "run")
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, home / "review.ipynb")
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        **{name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")},
    }
    root = ["--allow-root"] if os.geteuid() == 0 else []
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *LAB_OPTIONS, *root, f"--ServerApp.root_dir={home}"],
        cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield home, _find_address(server)
    finally:
        server.terminate()
        server.wait(timeout=30)
        server.stderr.close()


def _find_address(server):
    # A server that never says its address must not hold the tests up for ever.
    watchdog = threading.Timer(FINDS_SECONDS, server.kill)
    watchdog.start()
    for line in server.stderr:
        if found := re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", line):
            watchdog.cancel()
            # Its log must be read on, or it would stop when the pipe is full.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return found[0]
    raise AssertionError("JupyterLab did not start")


def wait_for(driver, script, *values):
    """Wait until a script returns something true, and return it."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, FINDS_SECONDS).until(lambda d: d.execute_script(script, *values))


@pytest.mark.long
@pytest.mark.slow
def test_a_type_is_named_by_keyboard_in_jupyterlab(lab, start_chromium, tmp_path):
    from selenium.webdriver import Keys
    from selenium.webdriver.common.by import By

    home, address = lab
    with start_chromium("window-size=1400,1100") as driver:
        driver.get(address.replace("/lab?", "/lab/tree/review.ipynb?"))
        wait_for(driver, KERNEL_IS_IDLE)
        driver.execute_script("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        try:
            wait_for(driver, "return document.querySelectorAll('.review img').length > 5")
            assert (home / "seen.txt").read_text() == "0 0"
            # Typed letters begin the name of the proposal that is shown; d deletes no cell.
            driver.find_element(By.CSS_SELECTOR, ".review").click()
            field = driver.find_element(By.CSS_SELECTOR, ".review input[role=combobox]")
            field.send_keys("dented", Keys.ENTER)
            wait_for(
                driver, "return document.querySelector('.review').innerText.includes('dented')"
            )
        finally:
            driver.save_screenshot(str(tmp_path / "lab.png"))
        deadline = time.monotonic() + FINDS_SECONDS
        while not read_decisions(home / "run" / LEDGER):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        # Run again, the second cell sees in Python what was decided in the page.
        (home / "seen.txt").unlink()
        driver.execute_script("window.jupyterapp.commands.execute('notebook:run-all-below')")
        while not (home / "seen.txt").exists():
            assert time.monotonic() < deadline + FINDS_SECONDS
            time.sleep(0.1)
    decided = read_decisions(home / "run" / LEDGER)
    assert {line.label for line in decided} == {"dented"}
    assert {line.by for line in decided} == {"lab"}
