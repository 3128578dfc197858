"""The report as text: structure, escaping, size, choice of thumbnails, colours."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from discovery.records import (
    Clustering,
    ImageLabel,
    LineageEntry,
    LineageEvent,
    Proposal,
    Sweep,
    TileSheet,
    number_by_size,
)
from discovery.stages.report import ReportData, ReportFacts, choose_thumbnails, render_report
from discovery.stages.report.decided import describe_left, list_types, number_proposals
from discovery.stages.report.figures import explain_rank, summarise

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
    assert len(images) == 3 * (1 + 9) + 6 + 3 * 3  # cards, rare ones, the summary on paper
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
    for figure in (
        "67",
        "1 exact duplicate",
        "91.0\u00a0%",
        "9.0\u00a0%",
        "4 images in quarantine",
    ):
        assert figure in text


def test_next_steps_name_the_files_of_the_run_quoted_for_the_shell():
    page = render_report(make_report(facts=ReportFacts(run="lot 17/run")))
    texts = Reader(page).texts
    assert "python -m discovery.review 'lot 17/run'" in texts
    assert "python -m discovery.handoff 'lot 17/run'" in texts
    assert "lot 17/run/types.xlsx" in texts


def test_decided_labels_stand_on_card_legend_and_map():
    report = make_report()
    decided = {report.proposals[0].proposal_id: "defect/large/scratch"}
    page = render_report(make_report(labels=decided))
    texts = Reader(page).texts
    # On the card and on paper, and short in the legend.
    assert (texts.count("defect/large/scratch"), texts.count("scratch")) == (2, 1)
    assert [c["label"] for c in read_data(page)["clusters"]] == ["defect/large/scratch", "", ""]


def decide_images(report, label, count, source):
    ids = report.clustering.ids[:count].tolist()
    return dict.fromkeys(ids, ImageLabel(label=label, source=source))


def test_what_was_decided_stands_in_a_table_of_types_and_what_is_left_is_said():
    plain = make_report()
    first, second, third = plain.proposals
    images = decide_images(plain, "defect/pit", 30, "cluster")
    images |= decide_images(plain, "defect/scratch", 4, "human")
    report = make_report(
        labels={first.proposal_id: "defect/pit"},
        judged={second.proposal_id: "split", third.proposal_id: "reject"},
        images=images,
        definitions={"defect/pit": "a <hole>"},
    )
    assert [row[1:4] for row in list_types(report)] == [("26", "0", "26"), ("4", "4", "0")]
    assert describe_left(report) == (
        "45.5\u00a0% of the images have a label; 36 images without a label."
    )
    page = render_report(report)
    texts = Reader(page).texts
    assert {"a <hole>", "several types in one", "no type", "Several types in one: "} <= set(texts)
    data = read_data(page)
    assert data["types"] == ["defect/pit", "defect/scratch"]
    codes = np.frombuffer(base64.b64decode(data["decided"]), "<i4")
    assert codes[:5].tolist() == [1, 1, 1, 1, 0]
    assert "Decided so far" not in Reader(render_report(plain)).texts


def test_parts_of_a_proposal_are_numbered_as_in_the_review():
    ranks = {"pa": 12, "pb": 3}
    names = ["pa.2", "pb.1.2", "R2", "pb", "p-of-an-earlier-round.1", "pa.1"]
    expected = {"3": 3, "3.1.2": 3, "12.1": 12, "12.2": 12, "R2": 0}
    assert list(expected.items()) == list(number_proposals(names, ranks).items())


def test_the_rank_says_by_what():
    report = make_report()
    ranked = sorted(report.proposals, key=lambda one: one.rank)
    assert explain_rank(ranked[0], ranked) == (
        "1st of 3 to look at: 3rd in stability, 1st in separation, 3rd in size"
    )
    texts = " ".join(Reader(render_report(report)).texts)
    assert "The rank says where a person's time is best spent" in texts
    assert "doubtful" not in texts


def test_every_image_of_a_group_can_be_opened():
    page = Reader(render_report(make_report()))
    folds = {fold["data-cluster"] for fold in page.all("details", **{"class": "all"})}
    assert folds == {"0", "1", "2", "-1"}
    told = {"All 30 images", "All 20 images", "All 10 images", "All 6 images in no cluster"}
    assert told <= set(page.texts)


def test_the_summary_on_paper_tells_what_was_found_decided_and_left():
    plain = make_report()
    report = make_report(
        (4,) * 50,
        labels={},
        images=decide_images(plain, "defect/pit", 30, "cluster"),
        facts=ReportFacts(
            extractor="lite", run="lot/run", seconds={"extraction": 61.0, "map": 1.0}
        ),
    )
    page = render_report(report)
    brief = page[page.index('id="brief"') : page.index("</section>", page.index('id="brief"'))]
    assert brief.count("<tr>") == 1 + 36
    assert "14 more types in the page" in brief
    assert "1 type named: </b><bdi>defect/pit (30)" in brief
    assert "Made by lite, grouped by hdbscan, 1 min 2 s in all, run lot/run." in brief
    assert "6 images in no group" in brief


def test_tiles_and_larger_pictures_travel_in_the_page():
    plain = make_report()
    ids = plain.clustering.ids.tolist()
    tiles = (TileSheet(ids=(ids[5], "gone"), data=make_jpeg(), columns=40, side=24),)
    data = read_data(render_report(make_report(tiles=tiles, larger={ids[2]: make_jpeg()})))
    assert np.frombuffer(base64.b64decode(data["tiles"][0]["images"]), "<i4").tolist() == [5, -1]
    assert list(data["larger"]) == ["2"]


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
        "thead", "tfoot", "details", "summary", "ul", "li", "time"
    }  # fmt: skip
    assert len(actual.all("script")) == 2
    assert page.count("</script>") == 2
    assert not any(key.startswith("on") for _, found in actual.tags for key in found)
    data = read_data(page)
    assert [f"/data/0/{name}", name] == [data["root"] + path for path in data["paths"][0]]
    assert name == data["clusters"][first.cluster_id]["label"]


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


# --- the evidence behind the number of types, and what changed ---


def test_the_sweep_has_one_bar_a_type():
    sweep = Sweep(
        resolutions=np.geomspace(3, 0.1, 5),
        counts=np.array([9, 6, 3, 3, 2]),
        born=np.array([2.0, 1.0, 3.0, 3.0]),
        died=np.array([0.1, 0.5, 0.1, 2.9]),
        sizes=np.array([30, 20, 10, 6]),
        clusters=np.array([0, 1, 2, -1], np.int32),
        choices={"coarse": 2, "auto": 4, "fine": 6},
    )
    page = render_report(make_report(sweep=sweep))
    panel = page.split('id="sweep"')[1].split("</section>")[0]
    assert 3 == panel.count("<rect")  # what became noise is no type
    assert "coarse 2, auto 4, fine 6" in panel
    assert "From 9 groups at resolution 3 to 2 groups at 0.1" in panel
    assert 'id="sweep"' not in render_report(make_report())


def test_what_changed_since_the_round_before_is_told():
    report = make_report()
    first = report.proposals[0]
    events = (
        LineageEvent(
            kind="merged", before=("P1", "P2"), after=(first.proposal_id,),
            before_sizes=(20, 12), after_sizes=(30,), shared=30, by="members",
        ),
        LineageEvent(
            kind="vanished", before=("P<3>",), after=(), before_sizes=(7,), after_sizes=(),
        ),
    )  # fmt: skip
    entry = LineageEntry(
        at="2026-11-24T10:00:00+00:00", command="c", spec={}, seed=0, generation="g", images=66,
        proposals={first.proposal_id: 30}, events=events,
    )  # fmt: skip
    page = render_report(make_report(history=entry))
    panel = page.split('id="history"')[1].split("</section>")[0]
    assert f'href="#type-{first.rank}"' in panel
    assert "30 images in common" in panel
    assert "P&lt;3&gt;" in panel
    assert "has gone" in panel
    assert 'id="history"' not in page.replace(panel, "").replace('id="history"', "", 1)
