"""The pictures of a round: every image on the map, every proposal in the bars, the report's ink."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

import discovery.stages.report
from discovery import Clustering, Layout, Proposal, draw_evidence, draw_map, draw_proposal
from discovery.notebook_plots import COLOURS, choose_colours, draw_wafer
from embeddings import ExtractOptions, extract_vectors, open_store
from embeddings.errors import InputError, MissingExtraError

NOISE = 4


def make_clustering(ids, sizes):
    labels = np.repeat([*range(len(sizes)), -1], [*sizes, NOISE]).astype(np.int32)
    return Clustering(
        ids=np.asarray(ids[: len(labels)], dtype=np.str_),
        labels=labels,
        memberships=(labels >= 0).astype(np.float32),
        outlier_scores=(labels < 0).astype(np.float32),
        spec={},
        made_by="hdbscan",
    )


def make_layout(clustering):
    rng = np.random.default_rng(0)
    xy = rng.normal(size=(len(clustering), 2)) + 9 * clustering.labels[:, None]
    paths = tuple((f"{image_id}.png",) for image_id in clustering.ids)
    return Layout(ids=clustering.ids, paths=paths, xy=xy.astype(np.float32))


def make_proposals(clustering):
    """Return one a cluster; the smallest has rank 1."""
    found = []
    for cluster in range(clustering.k):
        members = clustering.ids[clustering.members(cluster)].tolist()
        found.append(
            Proposal(
                proposal_id=f"P{cluster}", cluster_id=cluster, rank=clustering.k - cluster,
                size=len(members), cohesion=0.8, separation=0.4, stability=0.5 + cluster / 10,
                novelty=float("nan"), nearest_known="", medoid=members[0],
                exemplars={
                    "central": tuple(members[:6]),
                    "edge": tuple(members[-6:]),
                    "diverse": tuple(members[::2][:6]),
                },
            )
        )  # fmt: skip
    return tuple(found)


@pytest.fixture
def parts():
    clustering = make_clustering([f"{i:016x}" for i in range(64)], (30, 20, 10))
    return clustering, make_layout(clustering), make_proposals(clustering)


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_the_colours_are_the_reports():
    assets = Path(discovery.stages.report.__file__).parent / "assets"
    light = (assets / "report.css").read_text(encoding="utf-8").split("@media")[0]
    assert re.findall(r"--c\d+: (#\w+)", light) == list(COLOURS)


def test_the_map_shows_every_image_and_numbers_the_groups_by_rank(parts):
    clustering, layout, proposals = parts
    figure = draw_map(clustering, layout, proposals=proposals, labels={"P0": "scratch"})
    (axes,) = figure.axes
    drawn = np.concatenate([np.asarray(points.get_offsets()) for points in axes.collections])
    assert np.array_equal(np.sort(drawn, axis=0), np.sort(layout.xy, axis=0))
    assert words(axes) == ["1", "2", "3"]
    key = [text.get_text() for text in axes.get_legend().get_texts()]
    assert key == ["1   10", "2   20", "3   30  scratch", "in none   4"]


def test_the_map_of_other_clusters_has_their_own_numbers(parts):
    clustering, layout, _ = parts
    assert words(draw_map(clustering, layout).axes[0]) == ["0", "1", "2"]


def test_a_group_has_one_colour_on_map_bars_and_card(parts):
    clustering, layout, proposals = parts
    colours = choose_colours(clustering, layout)
    assert len(set(colours)) == clustering.k
    left, _ = draw_evidence(clustering, layout, proposals).axes
    by_rank = sorted(proposals, key=lambda p: p.rank)
    inks = [colours[p.cluster_id] for p in by_rank]
    assert inks == [to_hex(bar.get_facecolor()) for bar in left.patches[: clustering.k]]
    points = draw_map(clustering, layout, proposals=proposals).axes[0].collections
    assert inks == [to_hex(one.get_facecolor()[0]) for one in points[: clustering.k]]


def test_the_bars_are_the_sizes_and_the_dots_the_stabilities(parts):
    clustering, layout, proposals = parts
    left, right = draw_evidence(clustering, layout, proposals, labels={"P2": "void"}).axes
    assert [10, 20, 30, NOISE] == [bar.get_width() for bar in left.patches]
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["1  void", "2", "3", "in none"]
    dots = np.asarray(right.collections[0].get_offsets())
    assert dots[:, 0].tolist() == pytest.approx([0.7, 0.6, 0.5])


@pytest.mark.parametrize("sizes", [(), (5,), tuple(range(60, 0, -1))])
def test_no_group_one_and_sixty_can_be_drawn(sizes):
    clustering = make_clustering([f"{i:016x}" for i in range(2000)], sizes)
    layout, proposals = make_layout(clustering), make_proposals(clustering)
    for figure in (
        draw_map(clustering, layout, proposals=proposals),
        draw_evidence(clustering, layout, proposals),
    ):
        figure.canvas.draw()
    key = draw_map(clustering, layout, proposals=proposals).axes[0].get_legend().get_texts()
    assert len(key) <= 24
    assert key[-1].get_text().startswith(f"in none   {NOISE}")


def test_duplicates_in_no_group_are_counted_as_images(parts):
    clustering, layout, proposals = parts
    twice = (*layout.paths[:-1], ("one.png", "its copy.png"))
    layout = Layout(ids=layout.ids, paths=twice, xy=layout.xy)
    left, _ = draw_evidence(clustering, layout, proposals).axes
    assert left.patches[-1].get_width() == NOISE + 1


def test_without_matplotlib_the_error_says_what_to_install(parts, monkeypatch):
    clustering, layout, _ = parts
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib.*pip install.*\[notebook\]"):
        draw_map(clustering, layout)


def test_a_card_shows_each_picture_once(tmp_path):
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for number in range(24):
        grey = rng.integers(0, 255, (32, 32)).astype(np.uint8)
        Image.fromarray(grey).save(tmp_path / "images" / f"{number:02d}.png")
    extract_vectors(
        tmp_path / "images", tmp_path / "store", options=ExtractOptions(extractor="texture")
    )
    store = open_store(tmp_path / "store")
    vectors = store.load_vectors()
    clustering = make_clustering(vectors.ids.tolist(), (15, 5))
    # Four of each kind, less what another kind shows already.
    for proposal, shown in zip(make_proposals(clustering), (11, 5), strict=True):
        card = draw_proposal(proposal, vectors, store, side=32, colour="#2bb39f")
        assert card.width == 6 + 12 * 38
        grey = np.asarray(card.convert("L")).astype(float)
        top = card.height - 32 - 6 - 16
        fields = [grey[top : top + 32, 6 + 38 * i : 38 + 38 * i] for i in range(12)]
        filled = [field for field in fields if field.std() > 20]
        assert len(filled) == shown
        assert len({field.tobytes() for field in filled}) == len(filled)


RING = {
    "name": "edge ring", "kind": "ring", "measures": [0, 0, 0.8, 1.0], "size": 3, "count": 2,
    "others": 1, "rest": 9, "p": 0.001, "q": 0.002, "effect": 9.0,
}  # fmt: skip
PLACES = {"source": "die_x, die_y", "known": 3, "points": [900, 0, 0, 900, 100, 200], "ground": []}


def test_the_wafer_has_every_image_in_its_colour_and_says_where_they_are(parts):
    _, _, proposals = parts
    proposal = replace(proposals[0], associations={"signature": RING, "map": PLACES})
    page = draw_wafer(proposal, label="a & b", colour="#123456", side=200)
    (dots,) = re.findall(r'd="([^"]*)" class="points"', page)
    assert re.findall(r"M(\S+) (\S+)h0", dots) == [
        ("90.0", "0.0"), ("0.0", "-90.0"), ("10.0", "-20.0"),
    ]  # fmt: skip
    assert 'class="zone"' in page
    assert "--accent: #123456; width: 200px" in page
    assert "edge ring: 2 of 3 there, 1 of 9 of all others" in page
    assert f"<b>{proposal.rank} a &amp; b {proposal.proposal_id}</b>" in page


def test_a_wafer_without_a_pattern_has_no_zone(parts):
    _, _, proposals = parts
    said = {**RING, "name": "random", "kind": "", "measures": [], "p": 0.4}
    page = draw_wafer(replace(proposals[0], associations={"signature": said, "map": PLACES}))
    assert 'class="zone"' not in page
    assert page.endswith("random</figcaption></figure>")


def test_without_places_the_error_says_what_to_give(parts):
    _, _, proposals = parts
    with pytest.raises(InputError, match=r"P0 has no places.*--metadata.*die_x"):
        draw_wafer(proposals[0])
