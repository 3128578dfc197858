"""Wafer maps: places from metadata, the signature's name, reticle repeats, and WM-811K."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from discovery.records import Clustering
from discovery.stages.enrich import find_associations, name_signature
from discovery.stages.enrich.columns import spread_metadata
from discovery.stages.enrich.positions import find_positions
from discovery.stages.enrich.records import Positions
from discovery.stages.enrich.reticle import find_repeat
from discovery.stages.enrich.zones import FAMILIES, build_zones, find_cells

WM811K = Path(__file__).resolve().parents[3] / "shared" / "data" / "wm811k"
NAMES = {
    "Center": "centre", "Donut": "donut", "Edge-Ring": "edge ring", "Edge-Loc": "edge local",
    "Loc": "local", "Scratch": "scratch", "Random": "random", "Clean": "random",
}  # fmt: skip


def scatter(n, seed=0):
    """Places all over the unit disc."""
    rng = np.random.default_rng(seed)
    radius, angle = np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def draw_pattern(name, rng):
    """Twenty-five places of one pattern."""
    n = 25
    angle = rng.uniform(0, 2 * np.pi, n)
    match name:
        case "edge ring":
            radius = rng.uniform(0.92, 1.0, n)
        case "centre":
            radius = 0.3 * np.sqrt(rng.random(n))
        case "donut":
            radius = rng.uniform(0.45, 0.6, n)
        case "edge local":
            radius, angle = rng.uniform(0.88, 1.0, n), rng.uniform(0.3, 1.2, n)
        case "local":
            return np.array([-0.45, 0.2]) + rng.normal(0, 0.06, (n, 2))
        case "scratch":
            along = rng.uniform(-0.3, 0.4, n)
            return np.column_stack([along, 0.4 * along + 0.3]) + rng.normal(0, 0.01, (n, 2))
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_drawn_pattern_gets_its_name(name, seed):
    xy = np.concatenate([draw_pattern(name, np.random.default_rng(seed)), scatter(600, seed)])
    members = np.arange(len(xy)) < 25
    signature = name_signature(xy, members, draws=39)
    assert name == signature.name
    assert signature.p < 1e-4
    assert signature.count >= 15


def test_a_pattern_of_all_images_is_no_signature():
    ring = np.concatenate([draw_pattern("edge ring", np.random.default_rng(i)) for i in range(12)])
    members = np.zeros(300, bool)
    members[np.random.default_rng(0).choice(300, 40, replace=False)] = True
    assert name_signature(ring, members, draws=39).name == "random"


def test_random_places_are_rarely_given_a_name():
    xy = scatter(500)
    p = []
    for seed in range(40):
        members = np.zeros(500, bool)
        members[np.random.default_rng(seed).choice(500, 50, replace=False)] = True
        p.append(name_signature(xy, members, draws=39, seed=seed).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.15  # of 40 at 5 %: more than 6 have a chance of 0.3 %


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_handful_of_points_has_no_name(count):
    signature = name_signature(scatter(200), np.arange(200) < count)
    assert (signature.name, signature.size) == ("too few points", count)
    assert np.isnan(signature.p)
    assert json.loads(json.dumps(signature.to_dict(), allow_nan=False))["p"] is None


def test_places_that_are_not_known_are_refused():
    with pytest.raises(ValueError, match="expected known places of 20 images"):
        name_signature(np.full((20, 2), np.nan), np.arange(20) < 10)


def test_every_zone_lies_on_the_wafer_and_is_that_of_its_shape():
    zones = build_zones()
    assert (zones.cells.sum(axis=1) > 0).all()
    assert [FAMILIES[one] for one in zones.families] == [zone.family for zone in zones.zones]
    xy = scatter(4000)
    cells = np.bincount(find_cells(xy), minlength=zones.cells.shape[1])
    for zone in range(0, len(zones.zones), 577):
        inside = zones.zones[zone].covers(xy).sum()
        # Cells are squares: along a zone's border they disagree with its shape.
        assert abs(inside - (zones.cells[[zone]] @ cells)[0]) <= 20 + 0.3 * inside


def find(**columns):
    return find_positions(pd.DataFrame(columns).astype("str"))


class TestFindPositions:
    def test_a_klarfs_places_are_scaled_by_the_diameter(self):
        x = np.linspace(-140_000, 140_000, 8)
        positions, used = find(
            wafer_x_um=x, wafer_y_um=x / 2, wafer_diameter_mm=["300.0"] * 8, die_x=range(8),
            die_y=range(8),
        )  # fmt: skip
        np.testing.assert_allclose(positions.xy[0], [-140 / 150, -70 / 150])
        assert positions.source == "wafer_x_um, wafer_y_um"
        assert set(used) == {"wafer_x_um", "wafer_y_um", "die_x", "die_y"}

    def test_places_counted_from_a_corner_are_centred(self):
        positions, _ = find(X=[0, 50, 100, 20, 80], Y=[50, 0, 40, 80, 100])
        assert positions.xy[0].tolist() == [-50 / np.hypot(30, 50), 0.0]  # (80, 100) is farthest
        assert np.hypot(*positions.xy[4]) == pytest.approx(1.0)

    def test_dies_stand_for_places(self):
        side = np.arange(-2, 3)
        positions, _ = find(die_x=side, die_y=10 * np.ones(5) + side)
        assert positions.xy[:, 0].tolist() == [-0.8, -0.4, 0.0, 0.4, 0.8]
        assert positions.xy[:, 1].tolist() == [-0.8, -0.4, 0.0, 0.4, 0.8]

    def test_an_image_without_a_place_is_not_known(self):
        positions, _ = find(x=["1", "2", "", "4", "5", "6"], y=["1", "2", "3", "4", "5", "6"])
        assert positions.known.tolist() == [True, True, False, True, True, True]

    @pytest.mark.parametrize(
        "columns",
        [{"lot": ["1"] * 6}, {"x": ["1"] * 6, "y": range(6)}, {"x": ["", *"     "], "y": range(6)}],
    )
    def test_without_a_map_there_are_none(self, columns):
        assert find(**columns) == (None, ())


def make_dies(n, seed):
    rng = np.random.default_rng(seed)
    dies = rng.integers(-8, 9, (n, 2)).astype(float)
    within = rng.random((n, 2))
    return dies, within, rng.integers(0, 10, n)


def place(dies, within):
    return Positions(xy=dies / 10, source="die_x, die_y", dies=dies, within=within)


class TestFindRepeat:
    def test_the_same_place_in_many_dies(self):
        dies, within, wafers = make_dies(800, 0)
        within[:30] = np.random.default_rng(1).normal([0.3, 0.7], 0.001, (30, 2))
        signature = find_repeat(place(dies, within), np.arange(800) < 40, wafers)
        assert (signature.name, signature.kind) == ("reticle repeat", "in die")
        assert signature.measures == pytest.approx((0.3, 0.7), abs=0.005)
        assert 28 <= signature.count <= 31
        assert signature.p < 1e-20

    def test_the_same_die_of_many_shots(self):
        dies, within, wafers = make_dies(800, 0)
        dies[:30] = dies[:30] - dies[:30] % (2, 3) + (1, 2)
        signature = find_repeat(
            place(dies, np.full_like(within, np.nan)), np.arange(800) < 35, wafers
        )
        assert (signature.kind, signature.measures) == ("in shot", (2.0, 3.0, 1.0, 2.0))
        assert signature.p < 1e-10

    def test_one_scratched_die_is_no_repeat(self):
        dies, within, wafers = make_dies(800, 0)
        dies[:30], within[:30], wafers[:30] = 0, [0.3, 0.7], 0
        assert find_repeat(place(dies, within), np.arange(800) < 30, wafers) is None

    def test_random_dies_do_not_repeat(self):
        dies, within, wafers = make_dies(800, 0)
        found = [
            find_repeat(
                place(dies, within), np.random.default_rng(100 + seed).random(800) < 0.05, wafers
            )
            for seed in range(40)
        ]
        assert found.count(None) == 40

    def test_dies_that_are_not_known_say_nothing(self):
        nothing = np.full((50, 2), np.nan)
        assert find_repeat(place(nothing, nothing), np.arange(50) < 20) is None


def test_a_round_names_its_wafer_maps():
    ring = draw_pattern("edge ring", np.random.default_rng(5))
    xy = np.concatenate([ring, scatter(400)])
    labels = np.full(len(xy), -1, np.int32)
    labels[:25], labels[25:65], labels[65:71] = 1, 0, 2
    rows = [json.dumps({"x_mm": f"{150 * x:.3f}", "y_mm": f"{150 * y:.3f}"}) for x, y in xy]
    clustering = Clustering(
        ids=np.array([f"{i:04d}" for i in range(len(xy))]),
        labels=labels,
        memberships=(labels >= 0).astype(np.float32),
        outlier_scores=np.zeros(len(xy), np.float32),
        spec={},
        made_by="test",
    )
    enrichment = find_associations(rows, clustering)
    names = {cluster: signature.name for cluster, signature in enrichment.signatures.items()}
    assert names == {0: "random", 1: "edge ring", 2: "too few points"}
    assert enrichment.signatures[1].q >= enrichment.signatures[1].p
    assert enrichment.maps[1]["known"] == 25
    first = np.array(enrichment.maps[1]["points"][:2]) / 1000
    farthest = np.hypot(*np.round(xy * 150, 3).T).max() / 150
    np.testing.assert_allclose(first, xy[0] / farthest, atol=2e-3)
    assert set(spread_metadata(rows).columns) == set(enrichment.left_out)


def read_map(path):
    """Return the dies of a wafer map and which of them fail: 0 is off the wafer, 255 fails."""
    grey = np.array(Image.open(path))
    row, column = np.nonzero(grey)
    height, width = grey.shape
    xy = np.column_stack([(2 * column + 1) / width - 1, 1 - (2 * row + 1) / height])
    return xy, grey[row, column] == 255


@pytest.mark.skipif(not WM811K.is_dir(), reason="the wafer maps of WM-811K are not here")
def test_wafer_maps_of_wm811k_get_their_names():
    """On odd rows: the even ones chose the weights. All odd rows come to .82 (docs/log.md)."""
    rows = pd.read_csv(WM811K / "labels.csv").iloc[1::16]  # 75 maps, about 9 a class
    right = 0
    for path, label in zip(rows["path"], rows["label"], strict=True):
        xy, failing = read_map(WM811K / path)
        right += NAMES[label] == name_signature(xy, failing, draws=19).name
    assert right >= 0.72 * len(rows)
