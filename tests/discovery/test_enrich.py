"""What clusters have in common: values, numbers, times, and what is behind an association."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, hypergeom, mannwhitneyu

from discovery.records import Clustering, Proposal
from discovery.runs.tables import format_proposals, parse_proposals
from discovery.stages.enrich import (
    EnrichOptions,
    attach_associations,
    find_associations,
    format_associations,
)
from discovery.stages.enrich.columns import read_columns, spread_metadata
from discovery.stages.enrich.hypothesis_tests import (
    adjust_pvalues,
    compute_excess_p,
    compute_stratified_p,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def cluster_images(labels):
    """Labels are by size already: 0 is the biggest."""
    labels = np.asarray(labels, np.int32)
    n = len(labels)
    return Clustering(
        ids=np.array([f"{i:05d}" for i in range(n)]),
        labels=labels,
        memberships=(labels >= 0).astype(np.float32),
        outlier_scores=np.zeros(n, np.float32),
        spec={},
        made_by="test",
    )


def write_metadata(**columns):
    rows = zip(*columns.values(), strict=True)
    return [json.dumps({k: str(v) for k, v in zip(columns, row, strict=True)}) for row in rows]


def pick(found, column):
    return [one for one in found if one.column == column]


class TestAdjustPvalues:
    @given(P_VALUES)
    def test_it_is_the_procedure_of_benjamini_and_hochberg(self, p):
        expected = false_discovery_control(p)
        np.testing.assert_allclose(adjust_pvalues(np.array(p)), expected, atol=1e-12)

    @given(P_VALUES, st.integers(0, 100))
    def test_a_smaller_p_never_has_a_larger_q(self, p, more):
        p = np.array(p)
        q = adjust_pvalues(p, tests=len(p) + more)
        order = np.argsort(p)
        assert (np.diff(q[order]) >= 0).all()
        assert (q >= np.minimum(p, 1) - 1e-12).all()

    @given(P_VALUES, st.integers(0, 100))
    def test_tests_that_came_to_nothing_count(self, p, more):
        whole = false_discovery_control([*p, *[1.0] * more])[: len(p)]
        q = adjust_pvalues(np.array(p), tests=len(p) + more)
        np.testing.assert_allclose(q, whole, atol=1e-12)

    def test_fewer_tests_than_p_values_are_refused(self):
        with pytest.raises(ValueError, match="1 tests for 2 p-values"):
            adjust_pvalues(np.array([0.1, 0.2]), tests=1)


class TestChance:
    @given(st.integers(1, 200), st.data())
    def test_the_tail_is_that_of_the_hypergeometric_law(self, total, data):
        size = data.draw(st.integers(0, total))
        having = data.draw(st.integers(0, total))
        count = data.draw(st.integers(0, min(size, having)))
        expected = hypergeom.sf(count - 1, total, having, size)
        actual = compute_excess_p(count, size, having, total=total)[0]
        assert expected == pytest.approx(actual, rel=1e-9, abs=1e-300)

    def test_the_tail_of_a_large_lot(self):
        expected = hypergeom.sf([119, 10], 50_000, [2_000, 40], [500, 5_000])
        actual = compute_excess_p(
            np.array([120, 11]), np.array([500, 5_000]), np.array([2_000, 40]), total=50_000
        )
        np.testing.assert_allclose(expected, actual, rtol=1e-8)

    def test_a_value_that_only_follows_another_is_explained_by_it(self):
        rng = np.random.default_rng(0)
        lot = np.arange(1000) < 300
        members = lot & (rng.random(1000) < 0.5)
        tool = lot | (rng.random(1000) < 0.3)  # all of the lot went through the tool
        assert compute_excess_p(
            int((tool & members).sum()), int(members.sum()), int(tool.sum()), total=1000
        )[0] < 1e-20  # fmt: skip
        assert compute_stratified_p(tool, members, lot) > 0.05
        assert compute_stratified_p(lot, members, tool) < 1e-10


class TestColumns:
    def read(self, **columns):
        kept, left_out = read_columns(spread_metadata(write_metadata(**columns)))
        return {column.name: column for column in kept}, left_out

    def test_each_column_is_told_by_its_name_or_by_what_is_in_it(self):
        n = 60
        kept, left_out = self.read(
            slot=[i % 25 for i in range(n)],
            pressure=[4 + i / 7 for i in range(n)],
            chamber=[i % 3 for i in range(n)],
            area=range(n),
            bins=[i % 5 for i in range(n)],
            inspected=[f"11-{1 + i % 20:02d}-2026 10:00:00" for i in range(n)],
            done=[f"2026-11-{1 + i % 20:02d}T10:00:00" for i in range(n)],
            operator=["x"] * n,
            serial=[f"s{i}" for i in range(n)],
            defectid=range(n),
        )
        assert {name: column.kind for name, column in kept.items()} == {
            "slot": "value", "pressure": "number", "chamber": "value", "area": "number",
            "bins": "value", "inspected": "time",
            "done": "time",
        }  # fmt: skip
        assert left_out == {
            "operator": "the same for all images",
            "serial": "nearly every image has a value of its own",
            "defectid": "no property of a defect",
        }

    def test_what_is_missing_is_no_value(self):
        kept, _ = self.read(tool=["A", "", "B", "A", "B", ""] * 3, x=["1.5", "", "2.5"] * 6)
        assert kept["tool"].values == ("A", "B")
        assert kept["tool"].codes[:6].tolist() == [0, -1, 1, 0, 1, -1]
        assert np.isnan(kept["x"].numbers[1])

    def test_images_without_metadata_know_nothing(self):
        table = spread_metadata(["", '{"tool": "A"}', '{"lot": 7, "tool": null}'])
        assert table.to_dict("list") == {"tool": ["", "A", ""], "lot": ["", "", "7"]}

    def test_columns_that_split_alike_are_one(self):
        lots = [f"L{i % 4}" for i in range(40)]
        kept, _ = self.read(lot=lots, recipe=[{"L0": "z"}.get(lot, lot.lower()) for lot in lots])
        assert list(kept) == ["lot"]
        assert kept["lot"].same_as == ("recipe",)

    def test_wafers_of_two_lots_are_told_apart(self):
        kept, _ = self.read(lot=["A", "B"] * 30, wafer=[1, 1, 2, 2] * 15)
        assert kept["lot, wafer"].values == ("A, 1", "A, 2", "B, 1", "B, 2")
        assert kept["wafer"].values == ("1", "2")


@pytest.fixture(scope="module")
def round_():
    """600 images of 4 lots; cluster 1 is one wafer, cluster 2 likes chamber X at high pressure."""
    rng = np.random.default_rng(3)
    n = 600
    lot, wafer = rng.integers(0, 4, n), rng.integers(1, 11, n)
    chamber = np.where(rng.random(n) < 0.3, "X", "Y")
    pressure = rng.normal(5, 1, n)
    labels = np.where(rng.random(n) < 0.4, 0, -1)  # 0 is drawn at random, the others of the rest
    labels[(labels < 0) & (chamber == "X") & (pressure > 5.3)] = 1
    labels[(labels < 0) & (lot == 2) & (wafer == 4)] = 2
    assert (np.diff(np.bincount(labels[labels >= 0])) <= 0).all()
    hours = lot * 24 + wafer + rng.random(n)
    times = np.datetime64("2026-11-01T00:00:00") + (hours * 3600).astype("timedelta64[s]")
    metadata = write_metadata(
        lot=[f"L{i}" for i in lot],
        wafer=wafer,
        tool=[f"T{i % 2}" for i in lot],
        chamber=chamber,
        pressure=[f"{p:.4f}" for p in pressure],
        time=times,
    )
    return metadata, cluster_images(labels)


@pytest.fixture(scope="module")
def found(round_):
    return find_associations(*round_).found


class TestFindAssociations:
    def test_one_wafer_is_named_and_the_rest_follows_from_it(self, found, round_):
        first, *others = found[2]
        size = len(round_[1].members(2))
        assert (first.column, first.value, first.count, first.size) == (
            "lot, wafer", "L2, 4", size, size,
        )  # fmt: skip
        assert (first.wafers, first.lots) == (1, 1)
        rows = [json.loads(text) for text in round_[0]]
        assert first.count + first.others == sum(
            (r["lot"], r["wafer"]) == ("L2", "4") for r in rows
        )
        assert {one.column for one in others} >= {"lot", "wafer", "tool", "time"}
        assert {one.explained_by for one in others} == {"lot, wafer: L2, 4"}

    def test_one_wafer_proves_nothing_of_its_lot(self, found):
        (lot,) = pick(found[2], "lot")
        assert lot.p < 1e-6
        assert lot.wafer_p == pytest.approx(0.25, abs=0.03)  # one of 40 wafers, 10 of this lot

    def test_two_independent_causes_are_both_told(self, found):
        firm = [one for one in found[1] if not one.explained_by]
        assert {one.column for one in firm} == {"chamber", "pressure"}
        (chamber,) = pick(firm, "chamber")
        assert (chamber.value, chamber.share_in) == ("X", 1.0)
        (pressure,) = pick(firm, "pressure")
        assert pressure.value.startswith("higher: median 5.")

    def test_a_count_is_fishers(self, found, round_):
        (chamber,) = pick(found[1], "chamber")
        rows = [json.loads(text)["chamber"] for text in round_[0]]
        assert chamber.count + chamber.others == rows.count("X")
        p = hypergeom.sf(chamber.count - 1, len(rows), rows.count("X"), chamber.size)
        assert p == pytest.approx(chamber.p, rel=1e-6)

    def test_a_number_is_mann_and_whitneys(self, found, round_):
        (pressure,) = pick(found[1], "pressure")
        values = np.array([float(json.loads(text)["pressure"]) for text in round_[0]])
        members = round_[1].labels == 1
        said = mannwhitneyu(values[members], values[~members], method="asymptotic")
        assert said.pvalue == pytest.approx(pressure.p, rel=1e-6)
        pairs = members.sum() * (~members).sum()
        assert 2 * said.statistic / pairs - 1 == pytest.approx(pressure.effect)

    def test_a_burst_is_told_by_its_window(self, found):
        window = next(one for one in found[2] if one.kind == "time")
        start, stop = window.value.split(" to ")
        assert "2026-11-03 04:00:00" <= start < stop <= "2026-11-03 05:00:00"
        assert window.share_in >= 0.8
        assert window.others <= 6  # images of that wafer in other clusters

    def test_a_cluster_at_random_has_nothing(self, found):
        assert found.get(0, ()) == ()

    def test_the_order_of_the_images_changes_nothing(self, round_, found):
        metadata, clustering = round_
        order = np.random.default_rng(1).permutation(len(metadata))
        again = find_associations(
            [metadata[i] for i in order], cluster_images(clustering.labels[order])
        )
        assert found == again.found

    def test_missing_values_are_counted_and_left_out(self, round_):
        metadata, clustering = round_
        fewer = list(metadata)
        lost = clustering.members(1)[:7]
        for i in lost:
            fewer[i] = ""
        (chamber,) = pick(find_associations(fewer, clustering).found[1], "chamber")
        assert (chamber.missing, chamber.size) == (7, len(clustering.members(1)) - 7)

    def test_the_strongest_are_kept(self, round_, found):
        kept = find_associations(*round_, options=EnrichOptions(most=1)).found
        assert {cluster: (ones[0],) for cluster, ones in found.items()} == kept

    def test_no_metadata_is_nothing_found(self):
        nothing = find_associations(["", ""], cluster_images([0, 0]))
        assert (nothing.found, nothing.signatures, nothing.tests) == ({}, {}, 0)

    def test_noise_alone_is_nothing_found(self):
        metadata = write_metadata(tool=["A", "B"] * 10)
        assert find_associations(metadata, cluster_images([-1] * 20)).found == {}

    def test_metadata_of_other_images_are_refused(self):
        with pytest.raises(ValueError, match="metadata of 1 images, clusters of 2"):
            find_associations([""], cluster_images([0, 0]))

    @pytest.mark.parametrize("wrong", [{"q": 0.0}, {"most": 0}, {"draws": 9}])
    def test_options_out_of_range_are_refused(self, wrong):
        with pytest.raises(ValueError, match=r"expected between|must be 1"):
            EnrichOptions(**wrong)


def test_random_metadata_come_to_nothing_in_nearly_every_run():
    """The false discovery rate without any true association: runs with any hit, at most 5 %."""
    n, runs = 400, 60
    options = EnrichOptions(least_odds=1e-9, least_effect=0.0)  # nothing but chance holds them
    hits = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1, 2, 3, -1], [120, 90, 60, 30, 100])
        metadata = write_metadata(
            lot=rng.integers(0, 8, n),
            tool=rng.choice(["A", "B", "C"], n),
            temperature=rng.normal(20, 1, n),
            time=np.datetime64("2026-11-01T00:00:00")
            + rng.integers(0, 900_000, n).astype("timedelta64[s]"),
        )
        hits += bool(find_associations(metadata, cluster_images(labels), options=options).found)
    assert hits <= 7  # of 60 at 5 %: more than 7 have a chance of 1 %


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_shares_and_counts_hold_together(seed):
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, 3, 90))
    labels = np.argsort(-np.bincount(labels, minlength=3), kind="stable").argsort()[labels]
    metadata = write_metadata(tool=rng.choice(["A", "B", ""], 90), lot=labels // 2)
    clustering = cluster_images(labels)
    for cluster, ones in find_associations(metadata, clustering).found.items():
        for one in ones:
            assert one.size + one.missing == len(clustering.members(cluster))
            assert one.size + one.rest <= len(labels)
            assert 0 <= one.others <= one.rest
            assert one.p <= one.q <= 0.05


def make_proposal(cluster, size):
    return Proposal(
        proposal_id=f"P{cluster}", cluster_id=cluster, rank=cluster + 1, size=size, cohesion=0.5,
        separation=0.5, stability=0.9, novelty=0.5, nearest_known="", medoid="00000",
        exemplars={"central": ("00000",), "edge": (), "diverse": ()},
    )  # fmt: skip


def test_associations_come_back_from_proposals_csv(round_, tmp_path):
    enrichment = find_associations(*round_)
    proposals = [make_proposal(i, len(round_[1].members(i))) for i in range(3)]
    attached = attach_associations(proposals, enrichment)
    path = tmp_path / "proposals.csv"
    assert attached == parse_proposals(format_proposals(attached), path)
    assert attached[0].associations == {}
    assert attached[2].associations["found"][0]["value"] == "L2, 4"
    assert len(json.dumps(attached[2].associations)) < 10_000


def test_the_table_has_one_row_an_association(round_):
    enrichment = find_associations(*round_)
    proposals = [make_proposal(i, 9) for i in (2, 1)]
    head, *rows = format_associations(proposals, enrichment).decode().splitlines()
    assert head.startswith("proposal_id,cluster_id,column,kind,value,count,size,share_in")
    assert len(rows) == len(enrichment.found[2]) + len(enrichment.found[1])
    assert rows[0].startswith('P2,2,"lot, wafer",value,"L2, 4",')


def test_where_an_image_was_listed_is_no_association():
    notes = {"klarf_file": "/lot/W1.001", "defect_box": [1, 2, 3, 4]}
    texts = [json.dumps({"tool": "T1", **notes}), json.dumps(notes), ""]
    assert spread_metadata(texts).to_dict("list") == {"tool": ["T1", "", ""]}
    assert not len(spread_metadata([json.dumps(notes)]).columns)


@pytest.mark.parametrize(
    ("cells", "last"),
    [
        (["11/24/2026 10:00:00", "01/02/2026 10:00:00"], "2026-01-02T10:00"),
        (["24/11/2026 10:00:00", "01/02/2026 10:00:00"], "2026-02-01T10:00"),
        (["24-11-2026", "01-02-2026"], "2026-02-01T00:00"),
        (["03/04/2026", "01/02/2026"], "2026-01-02T00:00"),  # nothing tells: as KLARF has it
        (["03.04.2026 08:15", "01.02.2026 08:15"], "2026-02-01T08:15"),
        (["24.11.26 08:15", "01.02.26 08:15"], "2026-02-01T08:15"),
        (["2026/11/24", "2026/01/02"], "2026-01-02T00:00"),
        (["11/24/2026 10:00:00 PM", "01/02/2026 1:30:00 PM"], "2026-01-02T13:30"),
    ],
)
def test_dates_of_other_countries_are_read_by_the_column(cells, last):
    columns, _ = read_columns(spread_metadata([json.dumps({"when": cell}) for cell in cells]))
    (column,) = columns
    assert "time" == column.kind
    expected = np.datetime64(last).astype("datetime64[s]").astype(float)
    assert expected == column.numbers[-1]


@pytest.mark.parametrize("cells", [["1.2.03", "1.2.04"], ["24.11.2026", "soon"], ["13/13/2026"]])
def test_what_is_no_date_stays_text(cells):
    rows = [json.dumps({"x": cell}) for cell in [*cells, *cells, "end", "end"]]
    columns, _ = read_columns(spread_metadata(rows))
    assert ["value"] == [column.kind for column in columns]
