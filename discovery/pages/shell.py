"""What every page has around its content: policy, style, scripts, title, headline figures.

A page is one file that opens from the disk and never asks the network. Its
Content-Security-Policy forbids everything that is not inside it, so that text from files could
run nothing even if it were not escaped.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence

from discovery.pages.html import Markup, join, node, raw


def render_page(
    title: str,
    content: Sequence[Markup],
    *,
    style: str,
    script: str = "",
    data: str = "",
    images: str = "data:",
) -> str:
    """Render a whole page.

    Parameters
    ----------
    content : sequence of Markup
        What stands in the body.
    style, script : str
        The page's own, allowed by their hashes; without a script the page runs none.
    data : str
        JSON for the script, as `encode_json` writes it; its element has the id ``report-data``.
    images : str
        Where pictures may come from, in the words of the policy.

    Returns
    -------
    str
        HTML, to be written as UTF-8.
    """
    policy = [
        # What is not allowed below is forbidden: requests, frames, forms, plug-ins.
        "default-src 'none'", f"img-src {images}", "base-uri 'none'", "form-action 'none'",
        f"script-src {_hash_source(script)}" if script else "", f"style-src {_hash_source(style)}",
    ]  # fmt: skip
    head = node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", http_equiv="Content-Security-Policy", content="; ".join(filter(None, policy))),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Scroll bars and controls follow the system's light or dark as well.
        node("meta", name="color-scheme", content="light dark"),
        node("meta", name="referrer", content="no-referrer"),
        node("title", f"{title} \u2013 defect-discovery"),
        raw("style", style),
    )
    body = node(
        "body",
        *content,
        # Data before the script that reads it: nothing waits for the page to load.
        raw("script", data, type="application/json", id="report-data") if data else None,
        raw("script", script) if script else None,
    )
    return f"<!DOCTYPE html>\n{node('html', head, body, lang='en')}\n"


def _hash_source(content: str) -> str:
    """Name an inline script or style the way a Content-Security-Policy allows it."""
    digest = base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def render_title(
    title: str, origin: Iterable[Markup | None], links: Iterable[tuple[str, str]]
) -> Markup:
    """Render the title, where the data came from, and links (id, name) to the page's sections."""
    return node(
        "div",
        node(
            "div",
            node("h1", title),
            node("p", join(origin), class_="origin"),
        ),
        node(
            "nav",
            join(node("a", name, href=f"#{target}") for target, name in links),
            aria_label="Sections",
        ),
        class_="title",
    )


def render_figures(figures: Iterable[Sequence[str]]) -> Markup:
    """Render headline figures, each (name, figure, detail, ...); empty details are left out."""
    return node("dl", join(_render_figure(*figure) for figure in figures), class_="figures")


def _render_figure(name: str, figure: str, *details: str) -> Markup:
    lines = [node("span", line) for line in details if line]
    return node("div", node("dt", name), node("dd", node("b", figure), *lines), class_="figure")


def render_warnings(warnings: Sequence[str]) -> Markup | None:
    """Render what a reader must know before trusting the page; None where there is nothing."""
    if not warnings:
        return None
    return node(
        "div",
        node("h2", "Before you trust this page"),
        node("ul", join(node("li", warning) for warning in warnings)),
        class_="warnings",
        role="note",
    )
