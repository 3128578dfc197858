"""The viewer of one image and the wafer map in a real Chromium, under the page's policy."""

import io
import json
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver import ActionChains, Keys  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

HUGE = 10_000  # pixels a side
MOST_SENT = 16_000_000  # pixels: what the server shrinks larger pictures to
HOSTILE = "<img src=x onerror=window.owned=1>"


def draw_levels(width, height, low, high, bits):
    """A ramp from left to right, a bright square in the middle."""
    ramp = np.linspace(low, high, width)[None, :].repeat(height, axis=0)
    y, x = height // 2, width // 2
    ramp[y - height // 16 : y + height // 16, x - width // 16 : x + width // 16] = high
    return ramp.astype(np.uint8 if bits == 8 else np.uint16)


def describe(title, pixels, bits, **more):
    height, width = pixels.shape
    return {
        "title": title, "width": width, "height": height, "bits": bits,
        "low": int(pixels.min()), "high": int(pixels.max()), "lowest": int(pixels.min()),
        "highest": int(pixels.max()), "umPerPixel": None, "hasHeat": False, "hasReference": False,
    } | more  # fmt: skip


@pytest.fixture(scope="module")
def images():
    """Three images and what is said of them; the fourth cannot be read."""
    small = draw_levels(640, 480, 20, 220, 8)
    deep = draw_levels(512, 512, 1000, 3000, 16)
    deep[7, 7] = 60_000  # a hot pixel
    huge = np.tile((np.arange(HUGE) % 251).astype(np.uint8), (HUGE, 1))
    box = {"x": 290, "y": 220, "width": 60, "height": 40}
    facts = [["lot", HOSTILE], ["tool", "ETCH-3"]]
    infos = [
        describe("die 1", small, 8, umPerPixel=0.02, hasHeat=True, hasReference=True, box=box,
                 facts=facts),
        describe("die 2", deep, 16, high=3000, hasReference=True),
        describe(HOSTILE, huge, 8, umPerPixel=1.5),
        describe("gone", small, 8),
    ]  # fmt: skip
    return [small, deep, huge], infos


def draw(pixels, query):
    """Draw pixels as the server does: a part, shrunk where it is too much to send, windowed."""
    if "x0" in query:
        x, y, w, h = (int(query[name][0]) for name in ("x0", "y0", "width", "height"))
        pixels = pixels[y : y + h, x : x + w]
    factor = int(np.ceil(np.sqrt(max(1, pixels.size / MOST_SENT))))
    low, high = (float(query[name][0]) for name in ("low", "high"))
    shown = (pixels[::factor, ::factor].astype(np.float32) - low) / (high - low)
    sink = io.BytesIO()
    Image.fromarray((np.clip(shown, 0, 1) * 255).astype(np.uint8)).save(sink, "PNG")
    return 200, "image/png", sink.getvalue()


def make_answers(images):
    pixels, infos = images

    def answer(path):
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        if parts.path == "/infos.json":
            return 200, "application/json", json.dumps(infos).encode()
        found = re.fullmatch(r"/image/(\d)/(\w+)", parts.path)
        if not found:
            return None
        index, kind = int(found[1]), found[2]
        if index == 3:
            return 400, "application/json", b'{"error": "die_4.png cannot be read"}'
        window = {"low": [infos[index]["low"]], "high": [infos[index]["high"]]}
        if kind == "thumb":
            return draw(pixels[index][::40, ::40], window)
        if kind == "heat":
            return draw(np.full((48, 64), 255, np.uint8), {"low": [0], "high": [255]})
        if kind == "reference":
            return draw(np.full_like(pixels[index], 100), query)
        return draw(pixels[index], query)

    return answer


@pytest.fixture(scope="module")
def browser(start_chromium):
    with start_chromium("disable-gpu") as driver:
        yield driver


@pytest.fixture(scope="module")
def address(component_pages, serve_pages, images):
    with serve_pages(component_pages, make_answers(images)) as address:
        yield address


@pytest.fixture
def view(browser, address):
    """Open an image in the viewer, and wait until it is there."""

    def open_viewer(index, expected=""):
        browser.get(f"{address}/viewer.html?image={index}")
        wait(browser, "return window.pixel !== undefined")
        browser.find_element(By.TAG_NAME, "button").click()
        await_image(browser, expected)
        return browser

    yield open_viewer
    said = [entry for entry in browser.get_log("browser") if "/image/3/" not in entry["message"]]
    assert said == []
    assert browser.execute_script("return window.owned === undefined")


def wait(driver, script):
    WebDriverWait(driver, 60).until(lambda one: one.execute_script(script), script)


def await_image(driver, expected=""):
    """Wait until nothing is said any more over the image, or what is expected."""
    wait(driver, f"return document.querySelector('.viewer-message').textContent === {expected!r}")


def press(driver, *keys):
    ActionChains(driver).send_keys(*keys).perform()


def read(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector).text


def read_pixel(driver, x, y):
    """The grey level shown at a share of the first pane's width and height."""
    return driver.execute_script(
        """const { clientWidth, clientHeight } = document.querySelector(".viewer-pane");
        return pixel(Math.floor(arguments[0] * clientWidth),
                     Math.floor(arguments[1] * clientHeight))[0];""",
        x,
        y,
    )


def set_slider(driver, name, value):
    driver.execute_script(
        """const slider = document.querySelector(`input[data-name=${arguments[0]}]`);
        slider.value = arguments[1];
        slider.dispatchEvent(new Event("input"));""",
        name,
        value,
    )


def zoom_text(driver):
    return read(driver, "[aria-label=Zoom] output")


def await_zoom(driver, text):
    """Wait for a zoom: it is told with the next frame."""
    WebDriverWait(driver, 20).until(lambda one: zoom_text(one) == text, text)


def test_an_image_is_shown_whole_with_its_scale_and_what_is_known(view):
    driver = view(0)
    assert read(driver, ".viewer-title") == "die 1"
    assert read(driver, ".viewer-facts").splitlines() == ["lot", HOSTILE, "tool", "ETCH-3"]
    text, width = driver.execute_script("""return [
        document.querySelector(".viewer-bar-text").textContent,
        document.querySelector(".viewer-bar-line").getBoundingClientRect().width];""")
    length, unit = text.split()
    assert unit == "\u00b5m"
    scale = float(zoom_text(driver).split()[0]) / 100
    assert width == pytest.approx(float(length) / 0.02 * scale, rel=0.01)
    assert 64 <= width <= 160


def test_keys_zoom_step_and_close_and_the_focus_goes_back(view):
    driver = view(0)
    fitted = zoom_text(driver)
    press(driver, "1")
    await_zoom(driver, "100 %")
    press(driver, "+", "+", "-")
    await_zoom(driver, "150 %")
    press(driver, "0")
    await_zoom(driver, fitted)
    press(driver, Keys.ARROW_RIGHT)
    await_image(driver)
    assert read(driver, ".viewer-title") == "die 2"
    press(driver, Keys.ARROW_LEFT)
    await_image(driver)
    press(driver, "++++", Keys.ARROW_RIGHT)  # larger than the pane: moved instead
    assert read(driver, ".viewer-title") == "die 1"
    press(driver, Keys.ESCAPE)
    assert driver.execute_script("return seen.closed") == 1
    assert driver.find_elements(By.TAG_NAME, "dialog") == []
    assert driver.switch_to.active_element.text == "Open"


def test_the_focus_stays_within(view):
    driver = view(0)
    for _ in range(40):
        press(driver, Keys.TAB)
        # Between the last and the first the browser's own controls may have it.
        assert driver.execute_script(
            "return document.activeElement === document.body"
            " || document.activeElement.closest('dialog') !== null"
        )


def test_eight_bits_are_windowed_here(view):
    driver = view(0)
    asked = driver.execute_script("return seen.asked.length")
    # As compared: 20 is black, 220 white; the ramp's middle stands in between.
    assert read_pixel(driver, 0.5, 0.25) == pytest.approx(127, abs=4)
    set_slider(driver, "low", 100)
    set_slider(driver, "high", 140)
    assert wait_pixel(driver, 0.4, 0.25, 0)
    assert wait_pixel(driver, 0.6, 0.25, 255)
    driver.find_element(By.CSS_SELECTOR, "[data-name=auto]").click()
    assert wait_pixel(driver, 0.5, 0.25, 127)
    driver.find_element(By.CSS_SELECTOR, "[data-name=reset]").click()
    assert wait_pixel(driver, 0.5, 0.25, 127)
    assert driver.execute_script("return seen.asked.length") == asked


def wait_pixel(driver, x, y, level):
    WebDriverWait(driver, 20).until(lambda one: abs(read_pixel(one, x, y) - level) <= 4)
    return True


def test_sixteen_bits_are_asked_for_in_each_window_once_it_rests(view):
    driver = view(1)
    assert wait_pixel(driver, 0.5, 0.25, 127)
    for low in range(1000, 1900, 100):
        set_slider(driver, "low", low)
    set_slider(driver, "low", 1900)
    assert wait_pixel(driver, 0.5, 0.25, 23)  # (2000 - 1900) / 1100, before the server answers too
    wait(driver, "return seen.asked.some((one) => one.startsWith('full?low=1900&high=3000'))")
    asked = driver.execute_script("return seen.asked.filter((one) => one.startsWith('full'))")
    assert len(asked) == 2
    driver.find_element(By.CSS_SELECTOR, "[data-name=reset]").click()
    assert wait_pixel(driver, 0.5, 0.25, 127)


def test_levels_are_found_in_spite_of_a_hot_pixel(view):
    driver = view(1)
    set_slider(driver, "high", 60_000)
    assert wait_pixel(driver, 0.5, 0.25, 4)
    driver.find_element(By.CSS_SELECTOR, "[data-name=auto]").click()
    assert wait_pixel(driver, 0.5, 0.25, 127)
    low, high = (
        float(driver.find_element(By.CSS_SELECTOR, f"[data-name={end}]").get_attribute("value"))
        for end in ("low", "high")
    )
    assert low == pytest.approx(1000, abs=60)
    assert high == pytest.approx(3000, abs=60)


def test_pixels_are_squares_when_near(view):
    driver = view(2)
    press(driver, "1", *"+" * 8)
    wait(driver, "return seen.asked.some((one) => one.includes('x0'))")  # its own pixels
    row = """const pane = document.querySelector(".viewer-pane");
        const out = [];
        for (let x = 100; x < 400; x++) out.push(pixel(x, 200)[0]);
        return out;"""

    def is_sharp(one):
        shown = one.execute_script(row)
        edges = [i for i in range(1, len(shown)) if shown[i] != shown[i - 1]]
        steps = {abs(shown[i] - shown[i - 1]) for i in edges}
        # Neighbours differ by one level, or two as shown; of a shrunk one they would by four.
        return len(edges) >= 10 and min(np.diff(edges)) >= 20 and steps <= {1, 2, 255}

    WebDriverWait(driver, 20).until(is_sharp)


def test_a_hundred_megapixels_do_not_hold_the_page_up(view):
    driver = view(2)
    driver.execute_script("resetLongest()")
    surface = driver.find_element(By.CSS_SELECTOR, ".viewer-stage")
    for _ in range(3):
        ActionChains(driver, duration=10).move_to_element(surface).click_and_hold().move_by_offset(
            120, 60
        ).release().perform()
        press(driver, "+", "+")
    driver.execute_async_script("setTimeout(arguments[0], 500)")
    assert driver.execute_script("return longest()") < 1000  # a freeze, not a slow machine


def test_heat_lies_over_the_image(view):
    driver = view(0)
    before = read_pixel(driver, 0.2, 0.25)
    press(driver, "h")
    assert wait_pixel(driver, 0.2, 0.25, before + 0.6 * (255 - before))
    set_slider(driver, "heat", 100)
    assert wait_pixel(driver, 0.2, 0.25, 255)
    press(driver, "h")
    assert wait_pixel(driver, 0.2, 0.25, before)


def test_the_golden_image_blinks_or_stands_beside(view):
    driver = view(0)
    before = read_pixel(driver, 0.2, 0.25)
    golden = round((100 - 20) / 200 * 255)
    press(driver, "r")
    assert wait_pixel(driver, 0.2, 0.25, golden)
    assert read(driver, ".viewer-pane figcaption") == "golden image"
    press(driver, "r")
    assert wait_pixel(driver, 0.2, 0.25, before)
    press(driver, "R")
    captions = driver.find_elements(By.CSS_SELECTOR, ".viewer-pane figcaption")
    assert [one.text for one in captions] == ["image", "golden image"]


def test_the_box_around_the_defect_is_outlined(view):
    driver = view(0)
    left, top = driver.execute_script("""
        const { clientWidth: w, clientHeight: h } = document.querySelector(".viewer-pane");
        const scale = Math.min(w / 640, h / 480);
        return [w / 2 + (290 - 320) * scale, h / 2 + (220 - 240) * scale];""")
    assert driver.execute_script(f"return pixel({left} - 1, {top} + 20)")[:3] == [255, 212, 0]


def test_what_cannot_be_read_is_said(view):
    driver = view(3, expected="die_4.png cannot be read")
    press(driver, "p")
    await_image(driver, "")
    assert read(driver, ".viewer-title") == HOSTILE


@pytest.mark.parametrize("index", [0, 1])
def test_axe_finds_nothing(view, run_axe, index):
    assert run_axe(view(index)) == []


def test_wafer_maps_say_what_they_show(browser, address):
    browser.get(f"{address}/wafer.html")
    maps = browser.find_elements(By.CSS_SELECTOR, ".wafer-map")
    labels = [one.get_attribute("aria-label") for one in maps]
    assert labels == [
        "Wafer map: 8 places of this proposal, 113 others",
        "Wafer map: 34 places of this proposal, 266 others",
        "Wafer map: 5,556 places of this proposal, 44,444 others",
    ]
    inks = browser.execute_script("""
        return [...document.querySelectorAll(".wafer-map")].map((canvas) => {
          const { width, height } = canvas;
          const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          return new Set(new Uint32Array(data.buffer)).size;
        });""")
    assert min(inks) > 3
    assert browser.get_log("browser") == []
