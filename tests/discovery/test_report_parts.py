"""What the report is made of: the choice of thumbnails, marks, words, colours."""

import itertools
import re
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab

from discovery.records import Clustering, Proposal, number_by_size
from discovery.stages.report import choose_thumbnails
from discovery.stages.report.figures import describe_evidence, write_sizes
from discovery.stages.report.marks import assign_marks, fit_map, locate_clusters
from discovery.stages.report.thumbnails import find_rare


def make_clustering(sizes, noise=0, seed=0):
    rng = np.random.default_rng(seed)
    labels = number_by_size(np.repeat(np.arange(-1, len(sizes)), [noise, *sizes]))
    n = len(labels)
    inside = labels >= 0
    return Clustering(
        ids=np.array([f"{i:016x}" for i in range(n)], dtype=np.str_),
        labels=labels,
        memberships=np.where(inside, rng.uniform(0.2, 1, n), 0).astype(np.float32),
        outlier_scores=rng.uniform(0, 1, n).astype(np.float32),
        spec={"min_cluster_size": 5},
        made_by="hdbscan",
    )


def make_proposals(clustering, exemplars=3):
    proposals = []
    for cluster in range(clustering.k):
        ids = clustering.ids[clustering.members(cluster)].tolist()
        parts = [tuple(ids[i * exemplars : (i + 1) * exemplars]) for i in range(3)]
        proposals.append(
            Proposal(
                proposal_id=f"p-{ids[0]}",
                cluster_id=cluster,
                rank=clustering.k - cluster,
                size=len(ids),
                cohesion=0.8 + 0.001 * cluster,
                separation=0.4,
                stability=0.9 - 0.002 * cluster,
                novelty=float("nan"),
                nearest_known="",
                medoid=ids[0],
                exemplars=dict(zip(("central", "edge", "diverse"), parts, strict=True)),
            )
        )
    return proposals


class TestChooseThumbnails:
    def test_medoids_come_first_then_rare_then_exemplars(self):
        clustering = make_clustering((40, 40, 40), noise=30)
        proposals = make_proposals(clustering)
        chosen = choose_thumbnails(clustering, proposals, limit=60)
        ranked = sorted(proposals, key=lambda p: p.rank)
        assert [p.medoid for p in ranked] == chosen[:3]
        assert clustering.ids[find_rare(clustering)].tolist() == chosen[3:27]
        shown = {i for p in proposals for ids in p.exemplars.values() for i in ids}
        assert shown <= set(chosen)

    def test_a_tight_limit_thins_all_proposals_alike(self):
        clustering = make_clustering((40, 40, 40))
        proposals = make_proposals(clustering)
        chosen = set(choose_thumbnails(clustering, proposals, limit=9))
        kept = [sum(i in chosen for ids in p.exemplars.values() for i in ids) for p in proposals]
        assert kept == [3, 3, 3]

    def test_the_rest_follows_the_sizes(self):
        clustering = make_clustering((600, 300, 100))
        chosen = choose_thumbnails(clustering, [], limit=100)
        positions = np.flatnonzero(np.isin(clustering.ids, chosen))
        assert np.bincount(clustering.labels[positions]).tolist() == [60, 30, 10]

    @given(
        sizes=st.lists(st.integers(9, 30), max_size=5),
        noise=st.integers(0, 40),
        limit=st.integers(0, 200),
    )
    def test_known_images_once_each_and_never_beyond_the_limit(self, sizes, noise, limit):
        clustering = make_clustering(sizes, noise)
        chosen = choose_thumbnails(clustering, make_proposals(clustering), limit=limit)
        assert min(limit, len(clustering)) == len(chosen) == len(set(chosen))
        assert set(chosen) <= set(clustering.ids.tolist())

    def test_negative_limit(self):
        with pytest.raises(ValueError, match="limit is -1"):
            choose_thumbnails(make_clustering((3,)), [], limit=-1)


class TestFigures:
    def test_map_keeps_its_shape_inside_the_unit_square(self):
        xy = np.array([[0, 0], [10, 0], [10, 5]], np.float32)
        expected = np.array([[0, 0.75], [1, 0.75], [1, 0.25]], np.float32)
        np.testing.assert_allclose(fit_map(xy), expected, atol=1e-6)

    def test_names_stand_at_the_median(self):
        clustering = make_clustering((3, 1), noise=1)
        xy = np.array([[99, 99], [0, 0], [1, 1], [50, 2], [7, 8]], np.float32)
        assert locate_clusters(clustering, xy).tolist() == [[1, 1], [7, 8]]

    def test_marks_are_distinct_and_no_near_neighbour_shares_a_colour(self):
        side = np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2)
        centres = side.astype(np.float32)
        marks = assign_marks(centres)
        assert len({tuple(mark) for mark in marks.tolist()}) == 25
        for a, b in itertools.combinations(range(25), 2):
            if np.abs(centres[a] - centres[b]).sum() == 1:
                assert marks[a, 0] != marks[b, 0]


class TestEvidence:
    def test_sizes(self):
        assert write_sizes((3.2, 41.0)) == "3.2\u201341 \u00b5m"
        assert write_sizes(None) is None

    def test_evidence_grades_by_the_published_rules(self):
        clustering = make_clustering((9, 9, 9))
        proposals = make_proposals(clustering, exemplars=1)
        measures = {m.name: m for m in describe_evidence(proposals[0], proposals)}
        assert measures["Cohesion"].word == "among the loosest"
        assert measures["Separation"].word == "touches a neighbour"
        assert (measures["Stability"].word, measures["Stability"].filled) == ("very stable", 0.9)
        assert "Novelty" not in measures

    def test_what_was_not_measured_says_so_and_a_negative_margin_keeps_its_sign(self):
        first = make_proposals(make_clustering((9,)))[0]
        values = {name: getattr(first, name) for name in first.__dataclass_fields__}
        odd = Proposal(**(values | {"stability": float("nan"), "separation": -0.25}))
        _, separation, stability = describe_evidence(odd, [odd])
        assert (
            separation.figure,
            separation.filled,
            separation.word,
        ) == ("\u22120.25", 0.0, "overlaps a neighbour")
        assert (stability.filled, stability.word) == (None, "not measured")


# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(sight, theme):
    css = files("discovery.stages.report").joinpath("assets/report.css").read_text("utf-8")
    colours = re.findall(r"--c[0-7]: #(\w{6})", css)[8 * theme : 8 * theme + 8]
    rgb = np.array([list(bytes.fromhex(colour)) for colour in colours]) / 255  # (8, 3)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(SIGHTS[sight]), 0, 1)
    back = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(back[None])[0]
    apart = [deltaE_ciede2000(lab[a], lab[b]) for a, b in itertools.combinations(range(8), 2)]
    assert len(apart) == 28
    assert min(apart) > 15  # a difference of 10 is seen at a glance


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_all_colours_differ_and_those_some_see_alike_have_other_shapes(theme):
    css = files("discovery.stages.report").joinpath("assets/report.css").read_text("utf-8")
    colours = re.findall(r"--c\d+: #(\w{6})", css)[24 * theme : 24 * theme + 24]
    rgb = np.array([list(bytes.fromhex(colour)) for colour in colours]) / 255  # (24, 3)
    lab = rgb2lab(rgb[None])[0]
    apart = [deltaE_ciede2000(lab[a], lab[b]) for a, b in itertools.combinations(range(24), 2)]
    assert min(apart) > 14
    marks = assign_marks(np.zeros((24, 2), np.float32))
    assert sorted(marks[:, 0].tolist()) == list(range(24))
    assert [shape for _, shape in sorted(marks.tolist())] == [0] * 8 + [1] * 8 + [2] * 8
