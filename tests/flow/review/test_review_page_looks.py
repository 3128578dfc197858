"""Every screen, light and dark, wide and narrow: nothing overflows, all can be read and reached."""

import pytest

SCREENS = ("Validate", "Grow", "Doubt", "Merge", "Rest", "Types", "Map", "All images")
# What has a text that is cut off without an ellipsis, or lies outside of the window.
FAULTS = """
const faults = [];
const hides = (style) => style.textOverflow === "ellipsis" || style.overflow === "hidden";
for (const one of document.querySelectorAll(".shell :is(button, h1, h2, label, th, td, p, kbd)")) {
  const box = one.getBoundingClientRect();
  if (box.width === 0 || one.closest(".hidden, [aria-hidden=true], .sidebar:not(.open)")) continue;
  const style = getComputedStyle(one);
  if (one.scrollWidth > one.clientWidth + 1 && style.display !== "inline" && !hides(style))
    faults.push(`cut off: ${one.outerHTML.slice(0, 120)}`);
  if (box.right > innerWidth + 1) faults.push(`outside: ${one.outerHTML.slice(0, 120)}`);
}
if (document.documentElement.scrollWidth > innerWidth) faults.push("the page scrolls sideways");
return faults;
"""
AXE = """
const done = arguments[0];
axe.run(document, { resultTypes: ["violations"] }).then(
  (found) => done(found.violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 160)} ${one.nodes[0].failureSummary}`)),
  (error) => done([String(error)]));
"""

LOOKS = ((1400, False), pytest.param(800, True, marks=pytest.mark.long))


@pytest.fixture
def begun(page):
    """A page on which two types have names, so that every screen has something to show."""
    for name in ("defect/small/lines", "waves"):
        page.go("Validate")
        if page.find(".screen-head .status"):
            page.press("n")
        page.wait(lambda: page.find(".validate .cell") and not page.find(".screen-head .status"))
        shown = page.text("h1")
        page.press("ENTER", name, "ENTER")
        page.wait_for(".types-list", name.split("/")[-1])
        page.wait(lambda shown=shown: page.text("h1") != shown)
    return page


def visit(page):
    """Show every screen and every dialog in turn; yields what is shown."""
    for screen in SCREENS:
        page.go(screen)
        page.wait(lambda: page.find("main h1, .screen.empty p"))
        page.wait(lambda: not page.find(".pane.loading"))
        yield screen
    page.wait(lambda: page.find(".cell"))
    for key, name in (("?", "keys"), ("l", "look-alikes"), ("z", "viewer")):
        page.press(key)
        page.wait(lambda: page.find("dialog[open]"))
        yield name
        page.press("ESCAPE")
        page.wait(lambda: not page.find("dialog"))
    page.go("Validate")
    page.wait(lambda: page.find(".validate .cell"))
    for key, name in (("s", "split"), ("m", "merge with")):
        page.press(key)
        page.wait(lambda: page.find("dialog[open]"))
        yield name
        page.press("ESCAPE")
        page.wait(lambda: not page.find("dialog"))


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_no_screen_overflows(begun, tmp_path, width, dark):
    begun.resize(width, 900, dark=dark)
    faults = {}
    for number, name in enumerate(visit(begun)):
        faults[name] = begun.script(FAULTS)
        picture = tmp_path / f"{width}-{number:02}-{name.replace(' ', '-')}.png"
        assert begun.driver.save_screenshot(str(picture))
    assert {name: found for name, found in faults.items() if found} == {}
    assert begun.log() == []


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_axe_finds_nothing_serious(begun, axe, width, dark):
    begun.resize(width, 900, dark=dark)
    begun.script(axe)
    faults = {name: begun.driver.execute_async_script(AXE) for name in visit(begun)}
    assert {name: found for name, found in faults.items() if found} == {}


def test_the_theme_is_switched_and_kept(page):
    ground = "return getComputedStyle(document.querySelector('.shell')).backgroundColor"
    page.resize(1400, 900, dark=True)
    dark = page.script(ground)
    page.find("//button[starts-with(@aria-label, 'Theme')]").click()
    page.wait(lambda: page.script(ground) != dark)
    light = page.script(ground)
    page.driver.refresh()
    page.wait(lambda: page.find("h1"))
    assert page.script(ground) == light
    # The browser is used again.
    page.script("localStorage.clear()")


def test_at_800_pixels_the_list_of_proposals_is_a_drawer(page):
    page.resize(800, 900)
    assert not page.find(".sidebar").is_displayed()
    page.press("\\")
    page.wait(lambda: page.find(".sidebar").is_displayed())
    page.find(".sidebar .row").click()
    page.wait(lambda: not page.find(".sidebar").is_displayed())


def test_the_focus_is_visible_and_goes_through_everything(page):
    page.wait(lambda: page.find(".cell"))
    names = set()
    for _ in range(25):
        page.press("TAB")
        outline, name = page.script(
            "const one = document.activeElement;"
            "return [getComputedStyle(one).outlineStyle, one.textContent || one.ariaLabel]"
        )
        assert outline != "none", name
        names.add(name)
    assert len(names) > 20
