"""The strip "Rare: look at these first": the strangest images, look-alikes framed together."""

from collections.abc import Sequence

import numpy as np

from discovery.pages.html import Markup, join, node
from discovery.pages.words import write_count
from discovery.records import NOISE, Rarity
from discovery.stages.report.data import ReportData
from discovery.stages.report.marks import render_members, render_shot
from discovery.stages.report.thumbnails import RARE_SHOWN, find_rare


def render_rare(data: ReportData) -> Markup:
    """Render the rarest images in the order of `data.rarity`, else the strangest of the noise."""
    rarity = data.rarity or _order_noise(data)
    groups = _take_groups(rarity)
    shots = join(_render_group(data, rarity, ranks) for ranks in groups)
    return node(
        "section",
        node("h2", "Rare: look at these first" if groups else "Nothing rare"),
        node("p", _describe(data, rarity, groups), class_="quiet"),
        node("div", shots, class_="strip", tabindex=0, role="group", aria_label="Rare images")
        if groups
        else None,
        render_members(
            NOISE,
            int((data.clustering.labels == NOISE).sum()),
            "In no cluster",
            where=" in no cluster",
        ),
        id="rare",
        class_="panel rare",
    )


def _order_noise(data: ReportData) -> Rarity:
    """Order the noise by outlier score alone, where no neighbours were at hand."""
    positions = find_rare(data.clustering)
    m = len(positions)
    return Rarity(
        positions=positions,
        scores=data.clustering.outlier_scores[positions],
        groups=np.arange(m, dtype=np.int32),
        nearest=np.full(m, -1, np.int32),
        ratios=np.ones(m, np.float32),
    )


def _take_groups(rarity: Rarity) -> list[list[int]]:
    """Return the ranks of the first groups, whole ones, as many as the strip shows."""
    groups: list[list[int]] = []
    for rank, group in enumerate(rarity.groups[:RARE_SHOWN].tolist()):
        if group == len(groups):
            groups.append([])
        groups[group].append(rank)
    # Look-alikes are shown together or not at all: half a group would look like oddities.
    cut = RARE_SHOWN < len(rarity) and rarity.groups[RARE_SHOWN] == rarity.groups[RARE_SHOWN - 1]
    return groups[:-1] if cut else groups


def _describe(data: ReportData, rarity: Rarity, groups: Sequence[Sequence[int]]) -> str:
    if not groups:
        return "Every image is in a cluster, and none lies far outside of its own."
    labels, core = data.clustering.labels, data.clustering.core_labels
    noise = int((core == NOISE).sum())
    # Rare though clustered: far from the others of their own cluster.
    inside = int((core[rarity.positions] >= 0).sum())
    own = "its" if inside == 1 else "their"
    far = f"{write_count(inside)} far outside of {own} own cluster" if inside else ""
    assigned = ", assigned to the nearest" if (labels[core == NOISE] >= 0).any() else ""
    none = f"{write_count(noise)} in no cluster{assigned}" if noise else ""
    where = " and ".join(filter(None, (none, far)))
    shown, there = sum(map(len, groups)), noise + inside
    # All of them, or the first of more: the figures behind the colon add up to the last of these.
    shares = f"{write_count(shown)} of " if shown < there else ""
    count = f"{shares}{write_count(there, 'rare image')}"
    sentences = [f"{count}, the strangest first, with outlier scores: {where}."]
    if any(len(ranks) > 1 for ranks in groups):
        sentences.append("Framed together: images that look alike, too few for a cluster.")
    if data.rarity is not None:
        sentences.append("All are in rare.csv.")
    return " ".join(sentences)


def _render_group(data: ReportData, rarity: Rarity, ranks: Sequence[int]) -> Markup:
    shots = join(_render_rare_shot(data, rarity, rank) for rank in ranks)
    if len(ranks) == 1:
        return shots
    label = f"{len(ranks)} look-alikes"
    return node("div", shots, class_="lookalikes", role="group", aria_label=label)


def _render_rare_shot(data: ReportData, rarity: Rarity, rank: int) -> Markup:
    score = f"{rarity.scores[rank]:.2f}"
    what = f"Rare image, outlier score {score}"
    if data.rarity is not None:
        what += f", neighbours {rarity.ratios[rank]:.1f} times as far as usual"
    return render_shot(data, int(rarity.positions[rank]), what, caption=score)
