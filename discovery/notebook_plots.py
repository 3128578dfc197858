"""What a notebook draws of a round: cards, the map, the evidence in bars, a wafer map.

Colours and marks are those of the report. Cards are Pillow images; `draw_map` and `draw_evidence`
return a matplotlib `Figure` of no window and no global state; `draw_wafer` gives HTML.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from discovery.pages.html import Markup, node, raw
from discovery.pages.words import write_count
from discovery.records import NOISE, Clustering, Layout, Proposal
from discovery.stages.report.associations import render_wafer_map
from discovery.stages.report.figures import STABILITY_GRADES, describe_evidence, write_sizes
from discovery.stages.report.marks import assign_marks, locate_clusters
from embeddings.errors import InputError, MissingExtraError
from embeddings.records import Vectors
from embeddings.store import Store
from embeddings.thumbnails import draw_contact_sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The report's on white (report.css, --c0 to --c23): the first eight for the colour-blind too.
COLOURS = (
    "#1c63b6", "#afa300", "#2bb39f", "#ec3973", "#a492fb", "#835c1e", "#4d0b58", "#600011",
    "#005b49", "#eda480", "#499237", "#3700ff", "#6d5b80", "#2492b6", "#c824ff", "#dba4c8",
    "#a4246d", "#494924", "#a46d6d", "#243780", "#80b6ed", "#80c849", "#ff49c8", "#c85b00",
)  # fmt: skip
_NOISE, _INK, _QUIET, _LINE = "#737d88", "#18212b", "#56616d", "#dadee3"
# The report's (associated.css), for a wafer map outside of it.
_WAFER_STYLE = f"""
.wafer .edge {{ fill: #eef0f2; stroke: {_QUIET}; stroke-width: 1 }}
.wafer .zone {{ fill: var(--accent); fill-opacity: .13; stroke: var(--accent); stroke-width: .8 }}
.wafer .ground, .wafer .points {{ fill: none; stroke-linecap: round }}
.wafer .ground {{ stroke: {_NOISE}; stroke-opacity: .45; stroke-width: 1.8 }}
.wafer .points {{ stroke: var(--accent); stroke-width: 4 }}
"""
_SHAPES = ("o", "s", "^", "D")  # in the order of the report's
_KINDS = {"central": "typical", "diverse": "varied", "edge": "borderline"}  # from left to right
_SHOWN = 4  # pictures of each kind on a card: twelve in a row fill a notebook's width
_MOST_KEYS, _MOST_BARS = 24, 50  # more than this is not read; the report shows all


def choose_colours(clustering: Clustering, layout: Layout) -> tuple[str, ...]:
    """Choose the colour of each of k clusters, as on the map and in the report."""
    marks = assign_marks(locate_clusters(clustering, layout.xy))
    return tuple(COLOURS[colour] for colour, _ in marks)


def draw_proposal(
    proposal: Proposal,
    vectors: Vectors,
    store: Store,
    *,
    among: Sequence[Proposal] = (),
    label: str = "",
    colour: str = "",
    side: int = 96,
) -> Image.Image:
    """Draw one proposal's card: its evidence, and typical, varied and borderline members.

    Parameters
    ----------
    vectors, store
        Of the run's images.
    among : sequence of Proposal
        All of the run: says whether the cohesion is high or low among them.
    label : str
        What it was named, if it was.
    colour : str
        Of the stripe beside the title.
    side : int
        Of a picture, in pixels.
    """
    captions: dict[str, str] = {}  # a small cluster has one image under several kinds: shown once
    for kind in ("central", "edge", "diverse"):
        fresh = [image_id for image_id in proposal.exemplars[kind] if image_id not in captions]
        captions |= dict.fromkeys(fresh[:_SHOWN], _KINDS[kind])
    order = sorted(captions, key=lambda one: tuple(_KINDS.values()).index(captions[one]))
    return draw_contact_sheet(
        vectors,
        order,
        store,
        columns=_SHOWN * len(_KINDS),
        side=side,
        title=_describe_proposal(proposal, among, label),
        captions=[captions[image_id] for image_id in order],
        accent=colour,
    )


def draw_map(
    clustering: Clustering,
    layout: Layout,
    *,
    proposals: Sequence[Proposal] = (),
    labels: Mapping[str, str] | None = None,
) -> "Figure":
    """Draw the 2-D map: clusters in colour with the rank of their proposal, noise hollow grey.

    Parameters
    ----------
    layout : Layout of the clustering's n images
    proposals : sequence of Proposal
        Without them clusters bear their own numbers, from 0.
    labels : mapping of proposal id to str
        Names for the key.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    figure, (axes,) = _make_figure((10.5, 6.0), ratios=(1,))
    size = float(np.clip(20_000 / max(len(clustering), 1), 3, 26))  # points squared
    marks = assign_marks(locate_clusters(clustering, layout.xy))  # (k, 2)
    for number, cluster, name in _list_clusters(clustering, proposals, labels or {}):
        colour, shape = marks[cluster]
        x, y = layout.xy[clustering.members(cluster)].T
        axes.scatter(
            x, y, s=size, c=COLOURS[colour], marker=_SHAPES[shape], linewidths=0.3,
            edgecolors="white", label=f"{number}   {name}",
        )  # fmt: skip
        _write_number(axes, number, (float(np.median(x)), float(y.max())))
    x, y = layout.xy[clustering.members(NOISE)].T
    axes.scatter(
        x, y, s=size, facecolors="none", edgecolors=_NOISE, linewidths=0.8,
        label=f"in none   {write_count(_count_noise(clustering, layout))}",
    )  # fmt: skip
    axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    _add_key(axes)
    return figure


def draw_evidence(
    clustering: Clustering,
    layout: Layout,
    proposals: Sequence[Proposal],
    *,
    labels: Mapping[str, str] | None = None,
) -> "Figure":
    """Draw how big each proposal is, and whether it is found again when images are drawn anew.

    Bars are sizes, noise below them; dots are stabilities, on bands with Hennig's reading.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    shown = sorted(proposals, key=lambda proposal: proposal.rank)[:_MOST_BARS]
    figure, (left, right) = _make_figure((10.5, 1.1 + 0.27 * (len(shown) + 1)), ratios=(1, 1.4))
    colours = choose_colours(clustering, layout)
    rows = np.arange(len(shown))
    inks = [colours[proposal.cluster_id] for proposal in shown]
    sizes = [proposal.size for proposal in shown]
    noise = _count_noise(clustering, layout)
    left.barh(rows, sizes, color=inks, height=0.7)
    left.barh([len(shown)], [noise], color="white", edgecolor=_NOISE, height=0.7)
    for row, size in enumerate([*sizes, noise]):
        left.annotate(f" {write_count(size)}", (size, row), va="center", size=9, color=_QUIET)
    names = [f"{p.rank}  {(labels or {}).get(p.proposal_id, '')}".rstrip() for p in shown]
    left.set_yticks([*rows, len(shown)], [*names, "in none"])
    left.set(ylim=(len(shown) + 0.6, -0.6), xticks=[])
    left.margins(x=0.12)
    left.set_xlabel("images", size=9, color=_QUIET)
    _draw_stability(right, [proposal.stability for proposal in shown], inks)
    return figure


def draw_wafer(
    proposal: Proposal, *, label: str = "", colour: str = COLOURS[0], side: int = 320
) -> Markup:
    """Draw where a proposal's images lie on the wafer, as HTML: `IPython.display.HTML` shows it.

    Its images are in colour over all images of the round, notch down; the zone that holds more of
    them than chance would put there is marked, where there is one.

    Parameters
    ----------
    label : str
        What it was named, if it was.
    colour : str
        Of the images and the zone, such as the cluster's on the map.
    side : int
        Width of the wafer, in pixels.

    Raises
    ------
    InputError
        The run knew no places on the wafer.
    """
    signature, places = (proposal.associations.get(name) for name in ("signature", "map"))
    if not signature or not places:
        raise InputError(
            f"{proposal.proposal_id} has no places on the wafer: run discovery.cluster with "
            "--metadata that has die_x and die_y (or a KLARF)"
        )
    name = " ".join(filter(None, [str(proposal.rank), label, proposal.proposal_id]))
    return node(
        "figure",
        raw("style", _WAFER_STYLE),
        render_wafer_map(signature, places),
        node("figcaption", node("b", name), node("br"), _describe_places(signature)),
        style=f"--accent: {colour}; width: {side}px; margin: 0",
    )


def _describe_places(signature: Mapping[str, Any]) -> str:
    """Say how many of its images are in the zone, and how many of all others."""
    if not signature["measures"]:
        return str(signature["name"])
    return (
        f"{signature['name']}: {signature['count']} of {signature['size']} there, "
        f"{signature['others']} of {signature['rest']} of all others"
    )


def _draw_stability(axes: "Axes", values: Sequence[float], inks: Sequence[str]) -> None:
    high = 1.0  # the report's grades, as bands: the less stable, the darker
    for (low, word), alpha in zip(STABILITY_GRADES, (0.0, 0.2, 0.45, 0.7), strict=True):
        axes.axvspan(low, high, color=_LINE, alpha=alpha, linewidth=0)
        title = axes.text((low + high) / 2, 1.02, word, size=9, color=_QUIET, ha="center")
        title.set_transform(axes.get_xaxis_transform())  # y in heights of the axes
        high = low
    axes.scatter(values, range(len(values)), c=list(inks), s=48, zorder=3)
    axes.hlines(range(len(values)), 0, values, colors=list(inks), linewidth=1.2)
    axes.set(xlim=(0, 1.02), ylim=(len(values) + 0.6, -0.6), yticks=[])
    axes.set_xlabel("stability: Jaccard similarity over bootstrap draws", size=9, color=_QUIET)


def _describe_proposal(proposal: Proposal, among: Sequence[Proposal], label: str) -> str:
    """Return the card's title: what it is, and its evidence in figures and words."""
    head = [f"{proposal.rank}", label, write_count(proposal.size, "image"), proposal.proposal_id]
    head.append(write_sizes(proposal.size_um) or "")
    evidence = [
        f"{one.name.lower()} {one.figure} {one.word}".rstrip()
        for one in describe_evidence(proposal, among)
    ]
    return "   ".join(filter(None, head)) + "\n" + "     ".join(evidence)


def _list_clusters(
    clustering: Clustering, proposals: Sequence[Proposal], labels: Mapping[str, str]
) -> list[tuple[int, int, str]]:
    """List (number to show, cluster id, words of the key), in the order of the key."""
    sizes = np.bincount(clustering.labels[clustering.labels >= 0], minlength=clustering.k)
    if not proposals:
        return [(i, i, write_count(size)) for i, size in enumerate(sizes.tolist())]
    return [
        (p.rank, p.cluster_id, f"{write_count(p.size)}  {labels.get(p.proposal_id, '')}".rstrip())
        for p in sorted(proposals, key=lambda proposal: proposal.rank)
    ]


def _count_noise(clustering: Clustering, layout: Layout) -> int:
    """Count the images in no cluster by path, as the sizes of the proposals are counted."""
    return sum(len(layout.paths[position]) for position in clustering.members(NOISE))


def _write_number(axes: "Axes", number: int, top: tuple[float, float]) -> None:
    """Write a cluster's number on its upper edge: in its middle it would hide a small one."""
    from matplotlib.patheffects import withStroke

    axes.annotate(
        str(number), top, xytext=(0, 2), textcoords="offset points", ha="center", va="bottom",
        size=12, weight="bold", color=_INK, zorder=5,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )  # fmt: skip


def _add_key(axes: "Axes") -> None:
    handles, words = axes.get_legend_handles_labels()
    if len(handles) > _MOST_KEYS:  # the noise, which comes last, always stays
        left_out = len(handles) - _MOST_KEYS
        handles = [*handles[: _MOST_KEYS - 1], handles[-1]]
        words = [*words[: _MOST_KEYS - 1], f"{words[-1]}   ({left_out} more types)"]
    axes.legend(
        handles, words, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9,
        markerscale=1.6, labelcolor=_INK,
    )  # fmt: skip


def _make_figure(size: tuple[float, float], ratios: Sequence[float]) -> "tuple[Figure, list[Axes]]":
    """Return a figure of (width, height) inches and its axes, side by side."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("matplotlib", "notebook") from error
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(ratios), width_ratios=list(ratios), squeeze=False)[0].tolist()
    for one in axes:
        one.spines[:].set_color(_LINE)
        one.tick_params(labelsize=9, color=_LINE, labelcolor=_INK)
    return figure, axes
