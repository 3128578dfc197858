"""The report as text: structure, escaping, size, choice of thumbnails, colours."""

import io
import itertools
import json
import re
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from discovery.records import Clustering, Proposal, number_by_size
from discovery.stages.report import ReportData, ReportFacts, choose_thumbnails, render_report
from discovery.stages.report.encode import encode_array, encode_json, encode_picture
from discovery.stages.report.figures import assign_marks, fit_map, locate_clusters, summarise
from discovery.stages.report.html import node, raw
from discovery.stages.report.thumbnails import find_rare
from discovery.stages.report.words import (
    weigh_evidence,
    write_count,
    write_seconds,
    write_share,
    write_sizes,
)

HOSTILE = (
    "<img src=x onerror=document.title='owned'>.png",
    "\"'><script>document.title='owned'</script>.png",
    "</script><script>document.title='owned'</script>.png",
    "${document.title='owned'} `{{7*7}}`.png",
    "line\u2028break\u2029 \u202egnp.exe",
    "not unicode \udce9\udcff.png",
    "<!-- & &lt; --> %41 #fragment ?query.png",
)


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


def make_report(sizes=(30, 20, 10), noise=6, **changes):
    clustering = make_clustering(sizes, noise)
    n = len(clustering)
    rng = np.random.default_rng(1)
    centres = rng.uniform(-9, 9, (max(clustering.k, 1) + 1, 2))
    values = {
        "clustering": clustering,
        "xy": (centres[clustering.labels] + rng.normal(0, 0.4, (n, 2))).astype(np.float32),
        "paths": [(f"/data/lot/die_{i}.png",) for i in range(n)],
        "proposals": make_proposals(clustering),
    }
    return ReportData(**(values | changes))


def make_jpeg(seed=0, side=96):
    grey = np.random.default_rng(seed).integers(0, 255, (side // 4, side // 4), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey).resize((side, side)).save(stream, "JPEG", quality=80)
    return stream.getvalue()


class Reader(HTMLParser):
    """Every start tag with its attributes, and the text of every element."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self._open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag, **wanted):
        return [
            found
            for name, found in self.tags
            if name == tag and all(wanted[key] in found.get(key, "").split() for key in wanted)
        ]


def read_data(page):
    found = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', page)
    return json.loads(found[1])


def test_page_has_a_card_a_proposal_in_rank_order_and_a_legend_row_a_cluster():
    page = Reader(render_report(make_report()))
    cards = page.all("article")
    assert [card["data-rank"] for card in cards] == ["1", "2", "3"]
    assert [card["data-cluster"] for card in cards] == ["2", "1", "0"]
    rows = [button["data-cluster"] for button in page.all("button", **{"class": "legend-row"})]
    assert rows == ["0", "1", "2", "-1"]
    assert page.all("html")[0] == {"lang": "en"}


def test_every_picture_has_an_alternative_text():
    page = Reader(render_report(make_report()))
    images = [image for image in page.all("img") if "data-i" in image]
    assert len(images) == 3 * (1 + 9) + 6
    assert all(image["alt"] for image in images)


def test_head_counts_images_by_path():
    report = make_report(
        facts=ReportFacts(quarantined=[("a.png", "is empty")], quarantined_count=4)
    )
    paths = [*report.paths[:-1], (*report.paths[-1], "/data/lot/copy.png")]
    report = make_report(paths=paths, facts=report.facts)
    summary = summarise(report)
    assert (
        summary.images,
        summary.duplicates,
        summary.clustered,
        summary.noise,
        summary.quarantined,
    ) == (67, 1, 61, 6, 4)
    text = " ".join(Reader(render_report(report)).texts)
    for said in ("67", "1 exact duplicate", "91.0 %", "9.0 %", "4 images in quarantine"):
        assert said in text


def test_next_steps_name_the_files_of_the_run_quoted_for_the_shell():
    page = render_report(make_report(facts=ReportFacts(run="lot 17/run")))
    command = "python -m discovery.handoff 'lot 17/run' --read 'lot 17/run/handoff.csv'"
    assert command in Reader(page).texts


def test_decided_labels_stand_on_card_legend_and_map():
    report = make_report()
    decided = {report.proposals[0].proposal_id: "defect/large/scratch"}
    page = render_report(make_report(labels=decided))
    texts = Reader(page).texts
    assert (texts.count("defect/large/scratch"), texts.count("scratch")) == (1, 1)
    assert [c["label"] for c in read_data(page)["clusters"]] == ["defect/large/scratch", "", ""]


def test_provenance_is_shown_and_what_is_unknown_is_left_out():
    facts = ReportFacts(
        source="/data/lot",
        extractor="texture",
        precision="float32",
        seed=0,
        versions={"torch": "2.14.0"},
        seconds={"extract": 312.0, "reduce": 9.31},
        ignored=14,
        warnings=["Texture descriptors were used."],
        made_at="24 November 2026",
    )
    texts = Reader(render_report(make_report(facts=facts))).texts
    for said in ("2.14.0", "5 min 12 s", "9.3 s", "5 min 21 s", "Texture descriptors were used."):
        assert said in texts
    assert "14 files without an image's extension" in texts
    assert texts[texts.index("min_cluster_size") + 1] == "5"
    assert texts[texts.index("seed") + 1] == "0"
    bare = Reader(render_report(make_report())).texts
    assert not {"seed", "Time", "Versions", "Before you trust this page"} & set(bare)


def test_policy_allows_the_pages_own_script_and_style_only():
    page = render_report(make_report())
    policy = next(
        meta["content"]
        for meta in Reader(page).all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data: file:;")
    assert "unsafe" not in policy
    assert not re.search(r"https?://", page)
    assert not any(
        key.startswith("on") or key == "style" for _, a in Reader(page).tags for key in a
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text_everywhere(name):
    plain = make_report()
    n = len(plain.clustering)
    first = plain.proposals[0]
    hostile = Proposal(
        **{
            field: getattr(first, field)
            for field in first.__dataclass_fields__
            if field not in ("associations", "nearest_known", "novelty")
        },
        novelty=0.5,
        nearest_known=name,
        associations={name: name},
    )
    report = make_report(
        paths=[(f"/data/{i}/{name}", name) for i in range(n)],
        proposals=[hostile, *plain.proposals[1:]],
        labels={first.proposal_id: name},
        facts=ReportFacts(
            source=name,
            run=name,
            extractor=name,
            parameters={name: name},
            versions={name: name},
            seconds={name: 1.0},
            quarantined=[(name, name)],
            warnings=[name],
            made_at=name,
        ),
        title=name,
    )
    page = render_report(report)
    page.encode("utf-8")
    expected, actual = Reader(render_report(plain)), Reader(page)
    ours = {"html", "head", "meta", "title", "style", "body", "script", "img", "svg", "button"}
    assert ours <= {tag for tag, _ in actual.tags}
    assert {tag for tag, _ in actual.tags} <= {tag for tag, _ in expected.tags} | {
        "thead", "tfoot", "details", "summary", "ul", "time"
    }  # fmt: skip
    assert len(actual.all("script")) == 2
    assert page.count("</script>") == 2
    assert not any(key.startswith("on") for _, found in actual.tags for key in found)
    data = read_data(page)
    assert [f"/data/0/{name}", name] == [data["root"] + path for path in data["paths"][0]]
    assert name == data["clusters"][first.cluster_id]["label"]


@given(st.text(alphabet=st.characters(codec=None), max_size=40))
def test_any_text_survives_the_round_trip_through_json_and_markup(text):
    written = encode_json({"path": text})
    assert text == json.loads(written)["path"]
    assert written.isascii()
    assert not set("<>&") & set(written)
    element = node("b", text, title=text)
    shown = text.encode("utf-8", "backslashreplace").decode("utf-8")
    assert element.count("<b") == 1
    reader = HTMLParser(convert_charrefs=True)
    seen = []
    reader.handle_data = seen.append
    reader.feed(element.replace("\r", ""))
    reader.close()
    assert shown.replace("\r", "") == "".join(seen)


def test_a_script_that_would_end_its_element_is_refused():
    with pytest.raises(ValueError, match="would end it early"):
        raw("script", "let a = '</SCRIPT>'")


def test_arrays_are_little_endian():
    assert encode_array(np.array([1], ">i4")) == "AQAAAA=="


def test_pictures_are_told_by_their_bytes():
    assert encode_picture(make_jpeg()).startswith("data:image/jpeg;base64,/9j/")
    for bad in (b"<svg onload='x'/>", b"RIFF\x00\x00\x00\x00WAVE", b""):
        with pytest.raises(ValueError, match="expected JPEG, PNG or WebP"):
            encode_picture(bad)


@pytest.mark.parametrize(
    ("sizes", "noise"),
    [((), 12), ((9,), 0), ((1,), 0), ((), 1), ((), 0), ((4,) * 300, 20)],
    ids=["all noise", "one cluster", "one image", "one rare image", "no image", "300 clusters"],
)
def test_every_kind_of_clustering_renders(sizes, noise):
    page = Reader(render_report(make_report(sizes, noise)))
    assert len(sizes) == len(page.all("article"))
    assert len(sizes) + 1 == len(page.all("button", **{"class": "legend-row"}))


def test_coincident_points_and_clusters_without_a_proposal_render():
    report = make_report(xy=np.zeros((66, 2), np.float32), proposals=[])
    data = read_data(render_report(report))
    assert [c["name"] for c in data["clusters"]] == ["Cluster 0", "Cluster 1", "Cluster 2"]


def test_page_of_fifty_thousand_images_is_bounded():
    clustering = make_clustering((166,) * 300, 200)
    n = len(clustering)
    proposals = make_proposals(clustering, exemplars=5)
    pictures = [make_jpeg(seed, side=112) for seed in range(8)]
    chosen = choose_thumbnails(clustering, proposals)
    page = render_report(
        make_report(
            (166,) * 300,
            200,
            proposals=proposals,
            paths=[(f"/data/2026-11/lot-{i % 97}/wafer-{i % 25}/die_{i}.tif",) for i in range(n)],
            thumbnails={image_id: pictures[i % 8] for i, image_id in enumerate(chosen)},
        )
    )
    assert (n, len(chosen)) == (50_000, 3000)
    assert len(page.encode()) < 30e6


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


class TestWords:
    @pytest.mark.parametrize(
        ("share", "text"),
        [(0, "0 %"), (1, "100 %"), (1e-5, "< 0.1 %"), (0.99999, "> 99.9 %"), (0.16, "16.0 %")],
    )
    def test_share(self, share, text):
        assert text == write_share(share)

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0.041, "0.041 s"), (42.4, "42 s"), (312, "5 min 12 s"), (7500, "2 h 5 min")],
    )
    def test_seconds(self, seconds, text):
        assert text == write_seconds(seconds)

    def test_counts_and_sizes(self):
        assert write_count(50_000, "image") == "50\u202f000 images"
        assert write_count(1, "image") == "1 image"
        assert write_sizes((3.2, 41.0)) == "3.2\u201341 \u00b5m"
        assert write_sizes(None) is None

    def test_evidence_grades_by_the_published_rules(self):
        clustering = make_clustering((9, 9, 9))
        proposals = make_proposals(clustering, exemplars=1)
        measures = {m.name: m for m in weigh_evidence(proposals[0], proposals)}
        assert measures["Cohesion"].word == "among the loosest"
        assert measures["Separation"].word == "touches a neighbour"
        assert (measures["Stability"].word, measures["Stability"].filled) == ("very stable", 0.9)
        assert "Novelty" not in measures

    def test_what_was_not_measured_says_so_and_a_negative_margin_keeps_its_sign(self):
        first = make_proposals(make_clustering((9,)))[0]
        values = {name: getattr(first, name) for name in first.__dataclass_fields__}
        odd = Proposal(**(values | {"stability": float("nan"), "separation": -0.25}))
        _, separation, stability = weigh_evidence(odd, [odd])
        assert (
            separation.figure,
            separation.filled,
            separation.word,
        ) == ("\u22120.25", 0.0, "overlaps a neighbour")
        assert (stability.filled, stability.word) == (None, "not measured")


class TestReportData:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"xy": np.zeros((3, 2), np.float32)}, "xy has shape"),
            ({"xy": np.full((66, 2), np.nan, np.float32)}, "finite"),
            ({"paths": [("a",)]}, "1 path lists for 66 images"),
            ({"paths": [()] * 66}, "an empty one"),
            ({"thumbnails": {"nobody": b""}}, "thumbnails of unknown images"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, changes, said):
        with pytest.raises(ValueError, match=said):
            make_report(**changes)

    def test_proposals_must_belong_to_the_clustering(self):
        foreign = make_proposals(make_clustering((9, 9, 9, 9)))
        with pytest.raises(ValueError, match=r"outside 0\.\.2"):
            make_report((9, 9, 9), 0, proposals=foreign)
        with pytest.raises(ValueError, match="two proposals name one cluster"):
            make_report((9, 9, 9), 0, proposals=[foreign[0], foreign[0]])

    def test_a_cut_quarantine_list_is_no_longer_than_the_count(self):
        with pytest.raises(ValueError, match="quarantined_count is 0"):
            ReportFacts(quarantined=[("a", "b")], quarantined_count=0)


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
    colours = re.findall(r"--c\d: #(\w{6})", css)[8 * theme : 8 * theme + 8]
    rgb = np.array([list(bytes.fromhex(colour)) for colour in colours]) / 255  # (8, 3)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(SIGHTS[sight]), 0, 1)
    back = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(back[None])[0]
    apart = [deltaE_ciede2000(lab[a], lab[b]) for a, b in itertools.combinations(range(8), 2)]
    assert len(apart) == 28
    assert min(apart) > 15  # a difference of 10 is seen at a glance
