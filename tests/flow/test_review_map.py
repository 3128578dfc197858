"""The map of the review page in a real Chromium, under the page's Content-Security-Policy."""

import re

import numpy as np
import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver import ActionChains, Keys  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

from discovery.review.regroup import inside  # noqa: E402

SOFTWARE = ("use-gl=angle", "use-angle=swiftshader", "enable-unsafe-swiftshader")
WITHOUT = ("disable-gpu", "disable-3d-apis")
# Corners of a lasso as steps in pixels from the one before; the first from the map's middle.
LASSO = ((-150, -120), (230, 20), (60, 130), (-40, 90), (-130, -40), (-70, 80), (-50, -120))


@pytest.fixture(scope="module")
def address(component_pages, serve_pages):
    """Where the pages of single components are."""
    with serve_pages(component_pages) as address:
        yield address


@pytest.fixture(scope="module")
def with_webgl(start_chromium):
    """A browser with WebGL2 in software."""
    with start_chromium(*SOFTWARE) as driver:
        yield driver


@pytest.fixture(scope="module")
def without_webgl(start_chromium):
    """A browser that has no WebGL at all."""
    with start_chromium(*WITHOUT) as driver:
        yield driver


@pytest.fixture
def open_map(address):
    """Open a map of so many points, and expect at the end that the page said nothing of a fault."""
    opened = []

    def show(driver, n, **options):
        query = "&".join(f"{name}={value}" for name, value in options.items())
        driver.get(f"{address}/map.html?n={n}&{query}")
        opened.append(driver)
        wait(driver, "return window.mounted !== undefined && drawn() > 0")
        return driver.find_element(By.CSS_SELECTOR, ".map-surface")

    yield show
    for driver in opened:
        assert driver.get_log("browser") == []
        assert driver.execute_script("return window.owned === undefined")


def wait(driver, script, seconds=60):
    full = (
        "const drawn = () => Number(document.querySelector('.map-stage').dataset.drawn);" + script
    )
    WebDriverWait(driver, seconds).until(lambda one: one.execute_script(full), script)


def read_notice(driver):
    return driver.find_element(By.CSS_SELECTOR, ".map-notice").text


def name_renderer(driver):
    return driver.find_element(By.CSS_SELECTOR, ".map").get_attribute("data-renderer")


def draw_lasso(driver, surface, steps=LASSO):
    first, *others = steps
    actions = ActionChains(driver, duration=10)
    actions.move_to_element_with_offset(surface, *first).click_and_hold()
    for step in others:
        actions.move_by_offset(*step)
    actions.release().perform()
    wait(driver, "return seen.lasso !== null")
    seen = driver.execute_script("return seen.lasso")
    return np.array(seen["polygon"]), seen["indices"], seen["ms"]


def load_points(driver):
    points = [driver.execute_script(f"return Array.from(points.{axis})") for axis in "xy"]
    return [np.array(values, dtype=np.float64) for values in points]


def look_at_every_point(polygon, x, y):
    """Return the points inside a polygon as the server computes them."""
    return np.flatnonzero(inside(polygon, np.stack([x, y], axis=1))).tolist()


# 100,000 points in software WebGL2; a million on the canvas, which is what such a machine gets.
@pytest.mark.parametrize(
    ("graphics", "renderer", "n"),
    [
        ("with_webgl", "webgl2", 100_000),
        pytest.param("with_webgl", "webgl2", 1_000_000, marks=pytest.mark.long),
        ("without_webgl", "canvas", 100_000),
        pytest.param("without_webgl", "canvas", 1_000_000, marks=pytest.mark.long),
    ],
)
def test_lasso_selects_what_a_look_at_every_point_selects(request, open_map, graphics, renderer, n):
    driver = request.getfixturevalue(graphics)
    surface = open_map(driver, n, renderer=renderer if graphics == "with_webgl" else "auto")
    assert name_renderer(driver) == renderer
    driver.find_element(By.CSS_SELECTOR, "[aria-label=Lasso]").click()
    polygon, indices, _ = draw_lasso(driver, surface)
    assert len(polygon) == len(LASSO)
    assert indices == look_at_every_point(polygon, *load_points(driver))
    assert n // 50 < len(indices) < n // 2
    # The selection is drawn, and the next drag moves the map again.
    pressed = driver.find_element(By.CSS_SELECTOR, "[aria-label=Lasso]")
    assert pressed.get_attribute("aria-pressed") == "false"
    assert driver.find_element(By.CSS_SELECTOR, ".map-spoken").text == (
        f"{len(indices):,} images selected"
    )


def test_shift_and_drag_is_a_lasso_too(without_webgl, open_map):
    surface = open_map(without_webgl, 2000)
    ActionChains(without_webgl).key_down(Keys.SHIFT).perform()
    polygon, indices, _ = draw_lasso(without_webgl, surface)
    ActionChains(without_webgl).key_up(Keys.SHIFT).perform()
    assert indices == look_at_every_point(polygon, *load_points(without_webgl))


def test_escape_gives_a_lasso_up(without_webgl, open_map):
    surface = open_map(without_webgl, 2000)
    drag = ActionChains(without_webgl, duration=10)
    drag.key_down(Keys.SHIFT).move_to_element(surface).click_and_hold().move_by_offset(90, 90)
    drag.key_up(Keys.SHIFT).send_keys(Keys.ESCAPE).release().perform()
    assert without_webgl.execute_script("return [seen.lasso, seen.picks]") == [None, []]
    outline = without_webgl.find_element(By.CSS_SELECTOR, ".map-lasso")
    assert outline.get_attribute("points") == ""


@pytest.mark.long
def test_fewer_points_are_drawn_while_moving_where_all_take_too_long(with_webgl, open_map):
    open_map(with_webgl, 1_000_000, renderer="webgl2")
    moved = with_webgl.execute_async_script("measure(20).then(arguments[0])")
    assert min(moved["drawn"]) < 1_000_000
    wait(with_webgl, "return drawn() === 1000000")  # all of them again at rest
    said = re.fullmatch(r"([\d,]+) of 1,000,000 points shown while moving", read_notice(with_webgl))
    assert said
    assert int(said[1].replace(",", "")) < 1_000_000


def test_a_canvas_draws_where_there_is_no_webgl_and_says_so(without_webgl, open_map):
    open_map(without_webgl, 1000)
    assert name_renderer(without_webgl) == "canvas"
    assert read_notice(without_webgl) == "no WebGL2 here: drawn on a canvas"


def test_a_canvas_draws_where_webgl_is_but_software(with_webgl, open_map):
    open_map(with_webgl, 1000)
    assert name_renderer(with_webgl) == "canvas"
    assert read_notice(with_webgl) == "no graphics processor here: drawn on a canvas"


def test_a_lost_context_goes_over_to_the_canvas_and_back(with_webgl, open_map):
    open_map(with_webgl, 1000, renderer="webgl2")
    assert read_notice(with_webgl) == ""
    with_webgl.execute_script("""
        const gl = document.querySelector(".map-canvas").getContext("webgl2");
        window.loss = gl.getExtension("WEBGL_lose_context");
        loss.loseContext();
    """)
    wait(with_webgl, "return document.querySelector('.map').dataset.renderer === 'canvas'")
    assert read_notice(with_webgl) == "the graphics context was lost: drawn on a canvas"
    with_webgl.execute_script("loss.restoreContext()")
    wait(with_webgl, "return document.querySelector('.map').dataset.renderer === 'webgl2'")
    assert read_notice(with_webgl) == ""
    assert count_colours(with_webgl) > 20


@pytest.mark.parametrize(("graphics", "renderer"), [("with_webgl", "webgl2"), ("without_webgl", "canvas")])  # fmt: skip # noqa: E501
def test_points_are_drawn_where_they_are_and_in_their_colours(
    request, open_map, graphics, renderer
):
    driver = request.getfixturevalue(graphics)
    open_map(driver, 3000, renderer=renderer)
    assert count_colours(driver) > 20
    share = driver.execute_script("return shareOfPointsOnInk()")
    assert share > 0.98


def test_hover_and_click_tell_the_nearest_point(without_webgl, open_map):
    surface = open_map(without_webgl, 500, broken=1)
    index, dx, dy = without_webgl.execute_script("return placeOf(42)")
    actions = ActionChains(without_webgl, duration=10)
    actions.move_to_element_with_offset(surface, dx, dy).perform()
    x, y = load_points(without_webgl)
    hovered = without_webgl.execute_script("return seen.hover")
    assert np.hypot(x[hovered] - x[index], y[hovered] - y[index]) < 0.05
    ActionChains(without_webgl).click().perform()
    assert without_webgl.execute_script("return seen.picks") == [hovered]
    actions.move_to_element_with_offset(surface, 590, 350).perform()
    assert without_webgl.execute_script("return seen.hover") is None


def test_the_keyboard_moves_zooms_and_selects_by_a_rectangle(without_webgl, open_map):
    surface = open_map(without_webgl, 5000)
    without_webgl.execute_script("arguments[0].focus()", surface)
    keys = ActionChains(without_webgl)
    keys.send_keys("++", Keys.ARROW_RIGHT, Keys.ARROW_UP).perform()
    assert without_webgl.execute_script("return seen.zoom") == pytest.approx(2.25)
    keys.send_keys(" ", Keys.ARROW_LEFT, Keys.ARROW_DOWN).perform()
    keys.key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT * 3).key_up(Keys.SHIFT).perform()
    told = without_webgl.find_element(By.CSS_SELECTOR, ".map-spoken").text
    keys.send_keys(Keys.ENTER).perform()
    seen = without_webgl.execute_script("return seen.lasso")
    polygon = np.array(seen["polygon"])
    assert polygon.shape == (4, 2)
    assert seen["indices"] == look_at_every_point(polygon, *load_points(without_webgl))
    assert told == f"{len(seen['indices']):,} images in the rectangle"
    keys.send_keys("0").perform()
    assert without_webgl.execute_script("return seen.zoom") == 1


def test_two_fingers_zoom_at_what_lies_between_them(without_webgl, open_map):
    open_map(without_webgl, 2000)
    without_webgl.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def touch(kind, *points):
        touched = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        without_webgl.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched}
        )

    touch("touchStart", (500, 300))
    touch("touchStart", (500, 300), (600, 300))
    for k in range(1, 11):
        touch("touchMove", (500 - 5 * k, 300), (600 + 5 * k, 300))
    touch("touchEnd")
    assert without_webgl.execute_script("return seen.zoom") == pytest.approx(2, rel=0.02)
    assert without_webgl.execute_script("return seen.lasso") is None
    assert without_webgl.execute_script("return seen.picks") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(without_webgl, open_map, run_axe, theme):
    open_map(without_webgl, 500, **{theme: 1})
    assert run_axe(without_webgl) == []


def test_labels_overlap_nowhere_and_hostile_names_are_text(without_webgl, open_map):
    open_map(without_webgl, 2000)
    boxes = without_webgl.execute_script("""
        const map = document.querySelector(".map").getBoundingClientRect();
        return [...document.querySelectorAll(".map-label:not(.map-out)")].map((label) => {
          const { left, top, right, bottom } = label.getBoundingClientRect();
          return [left - map.left, top - map.top, right - map.left, bottom - map.top,
                  map.width, map.height];
        });""")
    assert len(boxes) >= 20
    for i, (left, top, right, bottom, width, height) in enumerate(boxes):
        assert (left >= 0, top >= 0, right <= width, bottom <= height) == (True,) * 4
        for other in boxes[i + 1 :]:
            assert right < other[0] or other[2] < left or bottom < other[1] or other[3] < top
    texts = [label.text for label in without_webgl.find_elements(By.CSS_SELECTOR, ".map-label")]
    assert "<img src=x onerror=window.owned=1>" in texts


def count_colours(driver):
    return driver.execute_script("return countColours()")
