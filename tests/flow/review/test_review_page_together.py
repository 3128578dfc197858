"""Two people at once, a server that dies, and decisions that nobody acknowledged."""

import pytest

from discovery import open_review

# The page asks for the state and is not answered until `window.release` is called.
HOLD_STATE = """
const real = window.fetch;
const held = new Promise((resolve) => { window.release = resolve; });
window.fetch = (to, how) =>
  String(to).endsWith("/state") ? held.then(() => real(to, how)) : real(to, how);
"""


@pytest.fixture
def run(four, copy):
    return copy(four)


def title(page):
    return page.text("h1")


def count_lines(run):
    ledger = run / "decisions.jsonl"
    return len(ledger.read_text().splitlines()) if ledger.exists() else 0


def test_each_sees_what_the_other_decides(run, browser, serve):
    anna = browser(0).open(serve(run, by="anna").url)
    bert = browser(1).open(serve(run, by="bert").url)
    number = title(anna).split()[-1]
    anna.press("ENTER", "lines", "ENTER")
    anna.wait_for(".types-list", "lines")
    bert.wait_for(".types-list", "lines")
    bert.wait_for(".others", f"{number} accepted as lines")
    assert bert.find(f"//button[contains(@class, 'accepted')]/span[.='{number}']")
    # What anna did is hers to undo.
    assert bert.find("//button[@title='Nothing to undo']")


def test_a_conflict_is_shown_and_nothing_is_overwritten(run, browser, serve):
    anna = browser(0).open(serve(run, by="anna").url)
    bert = browser(1).open(serve(run, by="bert").url)
    assert title(anna) == title(bert)
    bert.script(HOLD_STATE)  # bert's page does not learn of it in time
    anna.press("ENTER", "lines", "ENTER")
    anna.wait_for(".types-list", "lines")
    before = count_lines(run)
    bert.press("ENTER", "waves", "ENTER")
    bert.wait_for("dialog h2", "anna decided first")
    assert "lines" in bert.text("dialog")
    assert "accept as waves" in bert.text("dialog")
    bert.press("ENTER")
    bert.script("window.release()")
    bert.wait_for(".types-list", "lines")
    assert count_lines(run) == before
    assert "waves" not in bert.text(".types-list")
    with open_review(run) as review:
        assert review.state.labels == ("lines",)


def test_a_killed_server_loses_nothing_that_was_acknowledged(run, browser, serve):
    server = serve(run, apart=True)
    page = browser(0).open(server.url)
    first = title(page)
    page.press("ENTER", "lines", "ENTER")
    page.wait(lambda: title(page) != first and page.find(".validate .cell"))
    second = title(page)
    before = count_lines(run)
    server.kill()
    page.wait_for(".banner", "The server does not answer")
    page.press("ENTER", "waves", "ENTER")
    page.wait_for(".banner", "Not acknowledged yet: accept as waves")
    assert count_lines(run) == before
    assert "waves" not in page.text(".types-list")

    # Its address, opened in the same window, sends what was not acknowledged.
    again = serve(run, apart=True, port=server.port)
    page.driver.get(again.url)
    page.wait_for(".types-list", "waves")
    # The page goes on when it has drawn what came, which may be after the banner has gone.
    page.wait(lambda: not page.find(".banner") and title(page) != second)

    page.driver.refresh()
    page.wait_for(".types-list", "waves")
    assert "lines" in page.text(".types-list")
    page.press("u")
    page.wait(lambda: "waves" not in page.text(".types-list"))


def test_a_page_without_the_token_says_so(run, browser, serve):
    server = serve(run)
    page = browser(2)
    page.driver.get(server.url.split("#")[0])
    page.wait_for(".banner", "The server does not know this page")
    assert not page.find(".cell")
