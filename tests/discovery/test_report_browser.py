"""The report in a real Chromium: it draws, answers mouse and keys, and runs nothing foreign."""

import io
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discovery import AgglomerativeOptions, RoundOptions, discover_types
from discovery.flow.pictures import draw_tiles
from discovery.records import Clustering, ImageLabel, Proposal, number_by_size
from discovery.stages.report import ReportData, ReportFacts, choose_thumbnails, render_report
from embeddings.extract import ExtractOptions

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver import ActionChains, Keys  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium or chromedriver is absent"),
]

HOSTILE = (
    "<img src=x onerror=window.owned=1>.png",
    "\"'><svg onload=window.owned=1>.png",
    "</script><script>window.owned=1</script>.png",
    "${window.owned=1}`;window.owned=1;`.png",
    "a\u2028window.owned=1\u2029.png",
    "javascript:window.owned=1",
    "not unicode \udce9.png",
)
CENTRES = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], np.float32)


def make_page(
    per_cluster=20, noise=4, *, thumbnails=True, names=None, labels=(), folder=None, **more
):
    """Four clusters at the corners of a square; the noise on its middle lines."""
    rng = np.random.default_rng(0)
    raw = np.repeat(
        [0, 1, 2, 3, -1], [per_cluster + 3, per_cluster, per_cluster, per_cluster, noise]
    )
    clusters = number_by_size(raw)
    n = len(clusters)
    xy = CENTRES[clusters] + rng.normal(0, 0.5, (n, 2)).astype(np.float32)
    xy[clusters < 0] = rng.uniform(4, 6, (noise, 2))
    ids = np.array([f"{i:016x}" for i in range(n)], dtype=np.str_)
    clustering = Clustering(
        ids=ids,
        labels=clusters,
        memberships=np.where(clusters >= 0, 0.93, 0).astype(np.float32),
        outlier_scores=np.linspace(0, 1, n, dtype=np.float32),
        spec={"min_cluster_size": 5},
        made_by="hdbscan",
    )
    proposals = [make_proposal(clustering, cluster) for cluster in range(clustering.k)]
    shown = choose_thumbnails(clustering, proposals) if thumbnails else []
    names = names or [f"die_{i}.png" for i in range(n)]
    return render_report(
        ReportData(
            clustering=clustering,
            xy=xy,
            paths=[(f"{folder or '/no/such/folder'}/{name}",) for name in
                   itertools.islice(itertools.cycle(names), n)],
            proposals=proposals,
            thumbnails={i: make_jpeg(k) for k, i in enumerate(shown)},
            labels={p.proposal_id: label for p, label in zip(proposals, labels, strict=False)},
            facts=ReportFacts(run="demo/run", warnings=names[:1], quarantined=[(names[0], "odd")]),
            title=names[0] if names[0] in HOSTILE else "Proposed defect types",
            **more,
        )
    )  # fmt: skip


def make_proposal(clustering, cluster):
    ids = clustering.ids[clustering.members(cluster)].tolist()
    return Proposal(
        proposal_id=f"p-{ids[0]}",
        cluster_id=cluster,
        rank=4 - cluster,
        size=len(ids),
        cohesion=0.9,
        separation=0.5,
        stability=0.5 + 0.1 * (cluster % 2),
        novelty=float("nan"),
        nearest_known="",
        medoid=ids[0],
        exemplars={"central": tuple(ids[:4]), "edge": tuple(ids[4:8]), "diverse": tuple(ids[8:12])},
    )


def make_jpeg(seed, side=72):
    stream = io.BytesIO()
    grey = np.random.default_rng(seed).integers(0, 255, (18, 18), np.uint8)
    Image.fromarray(grey).resize((side, side)).save(stream, "JPEG")
    return stream.getvalue()


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


@pytest.fixture
def show(browser, tmp_path):
    """Open a page from the disk, at a size, in light or dark."""

    def open_page(page, width=1280, height=900, scheme="light"):
        path = tmp_path / "report.html"
        path.write_text(page, encoding="utf-8")
        browser.get_log("browser")
        browser.get_log("performance")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(path.as_uri())
        wait(browser, "return document.documentElement.dataset.ready === '1'")
        return browser

    return open_page


def wait(browser, script):
    return WebDriverWait(browser, 15).until(lambda driver: driver.execute_script(script))


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def zoom_of(browser):
    """Read the zoom of the frame after the next one."""
    return browser.execute_async_script(
        "const done = arguments[0];"
        "requestAnimationFrame(() => requestAnimationFrame(() =>"
        " done(Number(document.getElementById('map-canvas').dataset.zoom))));"
    )


def place_of(browser, corner):
    """Where a corner of the square lies, from the canvas's middle as ActionChains counts."""
    size = find(browser, "#map-canvas").size
    reach = min(size["width"], size["height"]) * 0.5
    for radius in np.linspace(0.5, 1, 60) * reach:
        x, y = (round(radius * 0.8 * side) for side in corner)
        script = (
            "const c = document.getElementById('map-canvas'), b = c.getBoundingClientRect();"
            "c.dispatchEvent(new PointerEvent('pointermove', {clientX: b.left + b.width / 2 +"
            " arguments[0], clientY: b.top + b.height / 2 + arguments[1], pointerId: 1}));"
            "return !document.getElementById('tip').hidden"
        )
        if browser.execute_script(script, x, y):
            return x + 6 * corner[0], y + 6 * corner[1]  # well within reach of the pointer
    raise AssertionError("no image lies in that corner")


def move_to(browser, place):
    ActionChains(browser).move_to_element_with_offset(
        find(browser, "#map-canvas"), *place
    ).perform()


def chosen(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('.card.chosen')].map((c) => c.dataset.cluster)"
    )


def test_opens_without_an_error_and_asks_nobody(show):
    browser = show(make_page())
    wait(browser, "return [...document.querySelectorAll('.rare img')].every((i) => i.naturalWidth)")
    assert browser.get_log("browser") == []
    asked = browser.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
    )
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    sent = [entry["message"] for entry in browser.get_log("performance")]
    assert not any('"url":"http' in message for message in sent)


def colours_of(browser):
    """Count the solid pixels of each colour on the map."""
    return browser.execute_script(
        "const c = document.getElementById('map-canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "const seen = {}; for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 250) {"
        " const k = [d[i], d[i + 1], d[i + 2]].join(); seen[k] = (seen[k] || 0) + 1; }"
        "return seen"
    )


def test_map_is_drawn_in_the_colours_of_the_clusters(show):
    colours = colours_of(show(make_page()))
    for expected in ("28,99,182", "175,163,0", "43,179,159", "236,57,115"):  # c0 to c3, light
        assert colours[expected] > 100


def test_pointing_shows_picture_type_membership_and_path(show):
    browser = show(make_page(labels=["defect/large/scratch"]))
    move_to(browser, place_of(browser, (-1, 1)))  # the first cluster: x and y low, y upwards
    tip = find(browser, "#tip")
    assert tip.is_displayed()
    name, membership, path = tip.text.split("\n")
    assert (name, membership) == ("Type 4 · defect/large/scratch", "membership 0.93")
    assert path.startswith("die_")
    assert find(browser, "#tip img").get_attribute("src").startswith("data:image/jpeg")
    ActionChains(browser).move_to_element(find(browser, "h1")).perform()
    assert not tip.is_displayed()


def test_clicking_a_point_chooses_its_cluster_everywhere_and_empty_ground_clears(show):
    browser = show(make_page())
    place = place_of(browser, (1, 1))
    move_to(browser, place)
    ActionChains(browser).click().perform()
    assert chosen(browser) == ["1"]
    assert find(browser, ".legend-row[data-cluster='1']").get_attribute("aria-pressed") == "true"
    wait(
        browser,
        "const b = document.querySelector('.card.chosen').getBoundingClientRect();"
        "return b.top >= 0 && b.top < innerHeight / 2",
    )
    move_to(browser, (0, round(place[1] * 1.2)))
    ActionChains(browser).click().perform()
    assert chosen(browser) == []


def test_choosing_a_card_dims_the_others_on_the_map(show):
    browser = show(make_page())
    find(browser, ".card[data-cluster='2'] .select").click()
    zoom_of(browser)  # waits for the frame
    seen = set(colours_of(browser))
    assert "43,179,159" in seen  # c2
    assert not {"28,99,182", "175,163,0", "236,57,115"} & seen


def test_noise_is_chosen_from_the_legend(show):
    browser = show(make_page())
    find(browser, ".legend-row[data-cluster='-1']").click()
    assert "chosen" in find(browser, "#rare").get_attribute("class")


def test_zoom_by_buttons_wheel_and_keys_and_back(show):
    browser = show(make_page())
    assert zoom_of(browser) == 1
    find(browser, "#zoom-in").click()
    assert zoom_of(browser) == 1.6
    find(browser, "#zoom-reset").click()
    assert zoom_of(browser) == 1
    canvas = find(browser, "#map-canvas")
    origin = webdriver.common.actions.wheel_input.ScrollOrigin.from_element(canvas)
    ActionChains(browser).scroll_from_origin(origin, 0, -200).perform()
    assert zoom_of(browser) > 1.5
    canvas.send_keys("0", "+")
    assert zoom_of(browser) == 1.4
    canvas.send_keys("-")
    assert zoom_of(browser) == 1


def test_dragging_moves_the_map_and_chooses_nothing(show):
    browser = show(make_page())
    place = place_of(browser, (1, 1))
    move_to(browser, place)
    ActionChains(browser).click_and_hold().move_by_offset(-90, -60).release().perform()
    assert chosen(browser) == []
    move_to(browser, (place[0] - 90, place[1] - 60))
    assert find(browser, "#tip b").text == "Type 3"


def test_keys_walk_through_the_clusters(show):
    browser = show(make_page())
    canvas = find(browser, "#map-canvas")
    canvas.send_keys(".")
    assert chosen(browser) == ["0"]
    canvas.send_keys(",")
    assert chosen(browser) == ["3"]
    canvas.send_keys(Keys.ESCAPE)
    assert chosen(browser) == []


def test_lightbox_shows_the_path_steps_and_closes(show):
    browser = show(make_page())
    find(browser, ".card[data-cluster='0'] .shot").click()
    dialog = find(browser, "#lightbox")
    assert find(browser, "#lightbox .path").text == "/no/such/folder/die_0.png"
    find(browser, "#large-next").send_keys(Keys.ARROW_RIGHT)
    assert find(browser, "#lightbox .path").text == "/no/such/folder/die_1.png"
    find(browser, "#lightbox .copy").click()
    wait(browser, "return document.querySelector('#lightbox .copy').textContent === 'Copied'")
    dialog.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()


def test_sorting_and_filtering(show):
    browser = show(make_page(labels=["", "", "scratch"]))
    shown = (
        "return [...document.querySelectorAll('.card:not([hidden])')].map(c => c.dataset.cluster)"
    )
    assert browser.execute_script(shown) == ["3", "2", "1", "0"]
    find(browser, "#sort option[value=size]").click()
    assert browser.execute_script(shown) == ["0", "3", "2", "1"]
    find(browser, "#sort option[value=stability]").click()
    assert browser.execute_script(shown) == ["3", "1", "2", "0"]
    field = find(browser, "#filter")
    field.send_keys("Scratch")
    assert browser.execute_script(shown) == ["2"]
    field.send_keys(" nowhere")
    assert browser.execute_script(shown) == []
    assert find(browser, "#no-match").is_displayed()


def test_hostile_names_run_nothing(show):
    browser = show(make_page(names=HOSTILE, labels=HOSTILE))
    assert browser.title.startswith(HOSTILE[0])
    for corner in itertools.product((-1, 1), repeat=2):
        move_to(browser, place_of(browser, corner))
    for card in browser.find_elements(By.CSS_SELECTOR, ".card"):
        card.find_element(By.CSS_SELECTOR, ".select").click()
        for shot in card.find_elements(By.CSS_SELECTOR, ".shot")[:8]:
            shot.click()
            find(browser, "#large-close").click()
    find(browser, "summary").click()
    find(browser, "#filter").send_keys("onerror")
    assert browser.execute_script("return window.owned === undefined")
    assert (
        browser.execute_script("return document.querySelectorAll('img[src=x], svg[onload]').length")
        == 0
    )
    # The files do not exist, which Chromium tells as a failed load; nothing else went wrong.
    told = [entry["message"] for entry in browser.get_log("browser")]
    assert [message for message in told if "ERR_FILE_NOT_FOUND" not in message] == []


def test_policy_stops_a_script_that_got_in_all_the_same(show):
    page = make_page().replace("</body>", "<script>window.owned = 1</script></body>")
    browser = show(page)
    assert browser.execute_script("return window.owned === undefined")
    assert any("Content Security Policy" in e["message"] for e in browser.get_log("browser"))


@pytest.mark.parametrize("name", ["plain.png", "100% #1 ?ünïcode.png", b"latin \xe9.png"])
def test_without_a_thumbnail_the_file_itself_is_shown(show, tmp_path, name):
    text = name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
    Image.new("L", (40, 30), 128).save(Path(tmp_path) / text, "PNG")
    browser = show(make_page(thumbnails=False, names=[text], folder=str(tmp_path)))
    wait(browser, "return document.querySelector('.rare img').naturalWidth === 40")


def test_without_a_thumbnail_or_a_file_the_name_is_said(show):
    browser = show(make_page(thumbnails=False))
    wait(browser, "return document.querySelector('.rare .shot').classList.contains('missing')")
    said = browser.execute_script(
        "return getComputedStyle(document.querySelector('.rare .shot'), '::after').content"
    )
    assert said.strip('"').startswith("die_")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_the_window_in_light_and_dark(show, width, scheme):
    browser = show(make_page(), width=width, scheme=scheme)
    page = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scrolled, visible = browser.execute_script(page)
    assert width - 20 < scrolled == visible  # but for a scroll bar, the width asked for
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(244, 245, 246)", "dark": "rgb(16, 20, 24)"}[scheme]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(show, scheme):
    browser = show(make_page(labels=["scratch"]), scheme=scheme)
    # Contrast of every text with the nearest painted ground behind it (WCAG 2.2, 1.4.3).
    least = browser.execute_script("""
        const parse = (text) => text.match(/[\\d.]+/g).map(Number);
        const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
          .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
          .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const ground = (element) => {
          for (let e = element; e; e = e.parentElement) {
            const rgb = parse(getComputedStyle(e).backgroundColor);
            if (rgb.length < 4 || rgb[3] > 0.5) return rgb;
          }
          return [255, 255, 255];
        };
        let least = [21, ''];
        for (const e of document.querySelectorAll('body *')) {
          const own = [...e.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
          if (!own || !e.getClientRects().length) continue;
          const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          if (ratio < least[0]) least = [ratio, e.outerHTML.slice(0, 90)];
        }
        return least""")
    assert least[0] >= 4.5, least


def test_a_page_of_fifty_thousand_images_answers(show):
    browser = show(make_page(per_cluster=12_500, noise=50))
    browser.get_log("browser")
    move_to(browser, place_of(browser, (1, -1)))
    assert find(browser, "#tip b").text == "Type 1"
    find(browser, "#zoom-in").click()
    assert zoom_of(browser) == 1.6
    find(browser, ".legend-row[data-cluster='3']").click()
    assert chosen(browser) == ["3"]


def test_prints_with_every_picture(show):
    browser = show(make_page(per_cluster=12, noise=0))
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert pdf["data"].startswith("JVBERi0")  # %PDF-
    assert browser.execute_script(
        "return [...document.querySelectorAll('.brief img')].every((image) => image.src)"
    )


def test_on_paper_there_is_the_summary_alone(show):
    browser = show(make_page(per_cluster=12))
    assert not find(browser, "#brief").is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert find(browser, "#brief").is_displayed()
        assert find(browser, "#map-canvas").is_displayed()
        for hidden in (".found", ".steps", ".legend", ".made"):
            assert not find(browser, hidden).is_displayed()
        pictures = "return [...document.querySelectorAll('.brief img')].map((i) => i.naturalWidth)"
        assert set(browser.execute_script(pictures)) == {72}
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_every_image_of_a_group_is_shown_when_it_is_opened(show):
    browser = show(make_page(per_cluster=300, thumbnails=False, folder="/no"))
    fold = find(browser, "#type-4 details.all")
    shots = "return document.querySelectorAll('#type-4 .members .shot').length"
    assert browser.execute_script(shots) == 0
    fold.find_element(By.TAG_NAME, "summary").click()
    wait(browser, f"{shots} === 240")
    # The rest comes when its end comes into view.
    browser.execute_script(
        "const m = document.querySelector('#type-4 .members'); m.scrollTop = m.scrollHeight"
    )
    wait(browser, f"{shots} === 303")
    browser.execute_script("document.querySelectorAll('#type-4 .members .shot')[7].click()")
    assert find(browser, "#lightbox").is_displayed()
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    assert "Type 4" in find(browser, "#large-said h2").text


def test_a_tile_is_shown_where_there_is_no_thumbnail(show):
    colours = {f"{i:016x}": make_tile(40 * i) for i in range(1, 6)}
    tiles = tuple(draw_tiles(colours.items()))
    browser = show(make_page(thumbnails=False, tiles=tiles))
    browser.execute_script(
        "const fold = document.querySelector('#type-4 details.all');"
        "fold.open = true; fold.scrollIntoView()"
    )
    script = """
        const done = arguments[0];
        const wanted = [...document.querySelectorAll('#type-4 .members img')].filter(
            (image) => Number(image.dataset.i) >= 1 && Number(image.dataset.i) <= 5);
        const ready = wanted.length === 5 && wanted.every((image) => image.naturalWidth);
        if (!ready) { done(null); return; }
        const greys = wanted.map((image) => {
            const canvas = document.createElement('canvas');
            canvas.width = canvas.height = 1;
            const pen = canvas.getContext('2d');
            pen.drawImage(image, image.naturalWidth / 2, image.naturalHeight / 2, 1, 1, 0, 0, 1, 1);
            return [Number(image.dataset.i), pen.getImageData(0, 0, 1, 1).data[0]];
        });
        done(greys);"""
    greys = WebDriverWait(browser, 15).until(lambda driver: driver.execute_async_script(script))
    assert {i: pytest.approx(40 * i, abs=6) for i in range(1, 6)} == dict(greys)


def make_tile(grey):
    stream = io.BytesIO()
    Image.new("L", (60, 60), grey).save(stream, "JPEG")
    return stream.getvalue()


def test_a_label_that_is_not_the_groups_is_said_on_the_picture(show):
    images = {f"{0:016x}": ImageLabel(label="defect/scratch", source="human")}
    browser = show(make_page(images=images))
    browser.execute_script(
        "const fold = document.querySelector('#type-4 details.all');"
        "fold.open = true; fold.scrollIntoView()"
    )
    wait(browser, "return document.querySelector('#type-4 .members .caption')")
    captions = browser.execute_script(
        "return [...document.querySelectorAll('.members .caption')].map((c) => c.textContent)"
    )
    assert captions == ["scratch"]


def test_names_on_the_map_lie_inside_and_apart(show):
    browser = show(make_page(labels=("a/very-long-name-of-a-type",) * 4), width=800)
    boxes = browser.execute_script("""
        const drawn = [];
        const pen = CanvasRenderingContext2D.prototype;
        const original = pen.fillText;
        pen.fillText = function (text, x, y) {
            const half = this.measureText(text).width / 2;
            drawn.push([x - half, y - 6, x + half, y + 6]);
            original.call(this, text, x, y);
        };
        const canvas = document.getElementById('map-canvas');
        canvas.dispatchEvent(new WheelEvent('wheel', {deltaY: 1, clientX: 1, clientY: 1}));
        return new Promise((done) => setTimeout(() => {
            pen.fillText = original;
            done([drawn, canvas.clientWidth, canvas.clientHeight]);
        }, 400));""")
    names, width, height = boxes
    assert len(names) >= 4
    for left, top, right, bottom in names[-4:]:
        assert left >= 0
        assert right <= width
        assert top >= 0
        assert bottom <= height
    for one, two in itertools.combinations(names[-4:], 2):
        apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
        assert apart


def test_the_command_of_the_review_is_copied(show):
    browser = show(make_page())
    button = find(browser, ".steps .copy")
    assert button.get_attribute("data-copy") == "python -m discovery.review demo/run"
    button.click()
    wait(browser, "return document.querySelector('.steps .copy').textContent === 'Copied'")


def test_a_type_that_follows_one_tool_is_seen_to_be_in_doubt(tmp_path, show):
    """From pictures and their metadata to what a person sees, by the command's own way."""
    rows = []
    for number in range(36):
        kind = number % 3
        rng = np.random.default_rng(number)
        wave = (np.zeros(48), 60 * np.sin(np.arange(48) / 3), 60 * np.sin(np.arange(48)))[kind]
        pixels = np.clip(120 + wave[:, None] + rng.normal(0, 15, (48, 48)), 0, 255)
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / f"{number:02}.png")
        rows.append(f"images/{number:02}.png,{'EQ1' if kind == 0 else f'EQ{2 + number // 3 % 2}'}")
    (tmp_path / "metadata.csv").write_text("\n".join(["path,tool", *rows]) + "\n")
    options = RoundOptions(
        extract=ExtractOptions(extractor="texture", metadata=tmp_path / "metadata.csv"),
        clusterer=AgglomerativeOptions(n_clusters=3),
    )
    discover_types(tmp_path / "images", tmp_path / "run", options=options)
    browser = show((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    text = (
        "may be the picture of one tool and not a defect: 12 of 12 images come from tool EQ1, "
        "0 of 24 of all others"
    )
    cards = [card for card in browser.find_elements(By.TAG_NAME, "article") if card.is_displayed()]
    assert 3 == len(cards)
    told = [card for card in cards if text in card.text]
    assert 1 == len(told)
