"""The evaluation's page in a real Chromium: it draws, runs nothing foreign and asks for nothing."""

import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from discovery.classifier.evaluation import (
    EvaluationData,
    choose_mistakes,
    render_evaluation,
    score_predictions,
    score_variant,
)
from discovery.records import Predictions

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver import ActionChains, Keys  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium or chromedriver is absent"),
]

HOSTILE = (
    "</title></style><script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    "\"'><svg onload=window.owned=1>",
    "--><!--",
    "a\u2028window.owned=1\u2029",
    "a_very_long_name_without_any_place_to_break_it_" * 4,
    "not unicode \udce9",
)
LEAVES = np.array([f"defect/{size}/type_{i}" for size in ("large", "small") for i in range(6)])


def make_jpeg(seed):
    stream = io.BytesIO()
    grey = np.random.default_rng(seed).integers(0, 255, (24, 32), np.uint8)
    Image.fromarray(grey).save(stream, "JPEG")
    return stream.getvalue()


def make_page(n=300):
    """A page on which every text from outside is hostile and every kind of answer occurs."""
    rng = np.random.default_rng(0)
    truth = rng.choice(LEAVES, n)
    forced = np.where(rng.random(n) < 0.3, rng.choice(LEAVES, n), truth)
    confidences = rng.uniform(0.4, 1, n).astype(np.float32)
    verdicts = rng.choice(["named", "unknown", "undecided"], n, p=[0.8, 0.1, 0.1])
    predictions = Predictions(
        ids=np.array([f"{i:016x}" for i in range(n)]),
        labels=np.where(verdicts == "named", forced, ""),
        forced=forced,
        level_probabilities=np.repeat(confidences[:, None] ** (1 / 3), 3, axis=1),
        confidences=confidences,
        verdicts=verdicts,
        novelties=rng.gamma(3, 0.2, n).astype(np.float32),
        noises=rng.gamma(2, 0.02, n).astype(np.float32),
    )
    chosen = choose_mistakes(predictions, truth)
    names = dict(zip(chosen, HOSTILE * n, strict=False))
    return render_evaluation(
        EvaluationData(
            predictions=predictions,
            truth=truth,
            scores=score_predictions(
                predictions, truth, flat=truth, noise_gate=dict.fromkeys(HOSTILE, HOSTILE[0])
            ),
            paths={i: f"/lot/{name}.png" for i, name in names.items()},
            thumbnails={i: make_jpeg(k) for k, i in enumerate(chosen)},
            second_best={i: (name, 0.1) for i, name in names.items()},
            threshold=0.8,
            ablation=[score_variant(name, forced, truth) for name in HOSTILE],
            facts=dict(zip(HOSTILE, reversed(HOSTILE), strict=True)),
            warnings=HOSTILE,
            title=HOSTILE[0],
            source=HOSTILE[5],
        )
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync",
        f"user-data-dir={profile}", "window-size=1280,900",
    ):  # fmt: skip
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "evaluation.html"
    path.write_text(make_page(), encoding="utf-8")
    return path


@pytest.fixture
def show(browser, page):
    """Open the page from the disk, at a width, in light or dark."""

    def open_page(width=1280, scheme="light"):
        browser.get_log("browser")
        browser.get_log("performance")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(page.as_uri())
        return browser

    return open_page


def list_requests(browser):
    messages = [json.loads(row["message"])["message"] for row in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def measure_luminance(colour):
    """Measure the relative luminance (WCAG 2) of `rgb(...)` or `color(srgb ...)`."""
    channels = np.array([float(part) for part in re.findall(r"[\d.]+", colour)[:3]])
    channels = channels if colour.startswith("color(") else channels / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_nothing_foreign_runs_and_nothing_is_asked_for(show):
    browser = show()
    assert browser.execute_script("return window.owned") is None
    assert [] == browser.get_log("browser")
    requests = list_requests(browser)
    own = ("data:", "chrome:")  # pictures inside the page, and the browser's own first tab
    assert {browser.current_url} == {url for url in requests if not url.startswith(own)}
    assert HOSTILE[0] == browser.find_element(By.TAG_NAME, "h1").text


def test_the_policy_stops_a_script_that_got_in_all_the_same(browser, page, tmp_path):
    path = tmp_path / "tampered.html"
    foreign = "<script>window.owned = 1</script><img src='x' onerror='window.owned = 1'></main>"
    path.write_text(page.read_text("utf-8").replace("</main>", foreign), encoding="utf-8")
    browser.get(path.as_uri())
    assert browser.execute_script("return window.owned") is None
    refused = [row["message"] for row in browser.get_log("browser")]
    assert any("Content Security Policy" in message for message in refused)


def test_every_picture_is_drawn(show):
    script = "return [...document.images].map(i => i.complete && i.naturalWidth > 0 && !!i.alt)"
    drawn = show().execute_script(script)
    assert [True] * 48 == drawn


@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_never_scrolls_sideways(show, width):
    script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    content, view = show(width).execute_script(script)
    assert content <= view


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_count_in_a_matrix_can_be_read(show, scheme):
    script = """return [...document.querySelectorAll('.matrix tbody td:not(.total)')].map(cell => {
        const style = getComputedStyle(cell); return [style.color, style.backgroundColor] })"""
    pairs = {tuple(pair) for pair in show(scheme=scheme).execute_script(script)}
    assert len(pairs) > 5  # several shades
    for pair in pairs:
        dark, light = sorted(measure_luminance(colour) for colour in pair)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, pair  # WCAG 2, level AA


def test_the_colours_follow_the_reader(show):
    script = "return getComputedStyle(document.body).backgroundColor"
    light, dark = (
        measure_luminance(show(scheme=s).execute_script(script)) for s in ("light", "dark")
    )
    assert dark < 0.05 < 0.8 < light


def test_the_keyboard_reaches_links_tables_and_folds(show):
    browser = show()
    seen = []
    for _ in range(20):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        seen.append(
            browser.execute_script(
                "const e = document.activeElement; const s = getComputedStyle(e);"
                "return [e.tagName, e.className, s.outlineStyle, parseFloat(s.outlineWidth)]"
            )
        )
    assert {"A", "DIV", "SUMMARY"} <= {tag for tag, *_ in seen}
    assert all(style == "solid" and width >= 2 for *_, style, width in seen)
    fold = browser.find_element(By.CSS_SELECTOR, "#sure summary")
    fold.send_keys(Keys.ENTER)
    assert fold.find_element(By.XPATH, "..").get_attribute("open")


def test_a_wide_matrix_scrolls_by_itself_by_key(show):
    browser = show(400)
    wide = browser.find_element(By.CSS_SELECTOR, ".final .wide")
    assert browser.execute_script(
        "return arguments[0].scrollWidth > arguments[0].clientWidth", wide
    )
    browser.execute_script("arguments[0].focus()", wide)
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    moved = browser.execute_async_script(
        "const [wide, done] = arguments; const look = () => wide.scrollLeft > 0"
        " ? done(true) : requestAnimationFrame(look); look()",
        wide,
    )
    assert moved
