"""Tiles and their seams: each planted defect is found once, wherever the tiles cut it."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.detector.boxes import Boxes, intersect_areas, join_boxes
from discovery.detector.tiling import choose_overlap, merge_tiles
from embeddings.images import Region, tile_picture

TILE, OVERLAP = 100, 0.25
VISIBLE = 0.1  # share of a defect that a detector needs to see something of it


def see(planted, region, *, visible=VISIBLE):
    """Return what a perfect detector finds in one tile: every defect, cut at the tile's edges."""
    low = np.array([region.x0, region.y0] * 2)
    high = low + np.array([region.width, region.height] * 2)
    edges = np.clip(planted.edges, low, high) - low
    seen = Boxes.make(edges, planted.labels, planted.scores)
    return seen.take((seen.areas > visible * planted.areas) & (seen.areas > 0))


def count_by_tiles(planted, size, *, visible=VISIBLE):
    regions = tile_picture(*size, tile=TILE, overlap=OVERLAP)
    return merge_tiles(
        [(region, see(planted, region, visible=visible)) for region in regions], size
    )


def boxes_of(*edges, labels=None, scores=None):
    return Boxes.make(edges, [0] * len(edges) if labels is None else labels, scores)


def sorted_edges(boxes):
    return sorted(map(tuple, boxes.edges.tolist()))


@st.composite
def planted_pictures(draw):
    """Draw a picture and boxes in cells of their own, so that they never overlap."""
    width, height = draw(st.integers(20, 400)), draw(st.integers(20, 400))
    cell = 24  # one pixel less than the overlap of two tiles: whole in at least one
    cells = [(x, y) for x in range(width // cell) for y in range(height // cell)]
    chosen = draw(st.lists(st.sampled_from(cells), max_size=30, unique=True)) if cells else []
    edges = []
    for x, y in chosen:
        w, h = draw(st.integers(4, cell - 1)), draw(st.integers(4, cell - 1))
        x0, y0 = (
            x * cell + draw(st.integers(0, cell - w)),
            y * cell + draw(st.integers(0, cell - h)),
        )
        edges.append((x0, y0, x0 + w, y0 + h))
    labels = [draw(st.integers(0, 2)) for _ in edges]
    scores = [draw(st.floats(0.125, 1, width=32)) for _ in edges]
    return (width, height), Boxes.make(edges, labels, scores)


@settings(max_examples=150, deadline=None)
@given(planted_pictures())
def test_each_defect_smaller_than_the_overlap_is_found_once_and_whole(case):
    size, planted = case
    found = count_by_tiles(planted, size)
    assert sorted_edges(planted) == sorted_edges(found)
    assert sorted(planted.labels) == sorted(found.labels)
    assert (np.diff(found.scores) <= 0).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 60), st.integers(120, 380), st.integers(3, 12), st.booleans())
def test_a_long_scratch_that_no_tile_holds_is_one(start, length, width, upright):
    edges = (start, 40, start + length, 40 + width)
    edges = edges if not upright else (40, start, 40 + width, start + length)
    found = count_by_tiles(boxes_of(edges), (450, 450), visible=0)
    assert [tuple(map(float, edges))] == sorted_edges(found)


def test_two_defects_that_lie_apart_on_one_seam_stay_two():
    planted = boxes_of((70, 10, 95, 30), (80, 40, 98, 60), scores=[0.9, 0.8])
    assert sorted_edges(planted) == sorted_edges(count_by_tiles(planted, (300, 100)))


def test_a_cut_box_with_a_higher_score_does_not_remove_the_whole():
    tiles = [Region(x0=0, y0=0, width=100, height=100), Region(x0=75, y0=0, width=100, height=100)]
    cut = boxes_of((80, 10, 100, 30), scores=[0.95])
    whole = boxes_of((5, 10, 35, 30), scores=[0.6])  # x from 80 to 110 of the picture
    found = merge_tiles([(tiles[0], cut), (tiles[1], whole)], (175, 100))
    assert [(80.0, 10.0, 110.0, 30.0)] == sorted_edges(found)


def test_a_scratch_over_many_tiles_is_one_and_its_likelier_neighbours_another():
    tiles = [Region(x0=75 * i, y0=0, width=100, height=100) for i in range(5)]
    pieces = [
        (tile, boxes_of((0, 40, 100, 48), (0, 70, 100, 75), labels=[0, 1], scores=[0.5, 0.6]))
        for tile in tiles
    ]
    found = merge_tiles(pieces, (500, 100))
    assert [(0.0, 40.0, 400.0, 48.0), (0.0, 70.0, 400.0, 75.0)] == sorted_edges(found)
    assert [1, 0] == found.labels.tolist()


def count_calls(function, *args):
    """Count the Python functions that run while a function does."""
    calls = 0

    def note(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        function(*args)
    finally:
        sys.setprofile(None)
    return calls


def test_the_work_on_cut_boxes_grows_with_their_number_and_not_with_its_square():
    def make(n):  # a cut box at the right border of each tile, far from all others
        return [
            (Region(x0=0, y0=200 * i, width=100, height=100), boxes_of((80, 20, 100, 40)))
            for i in range(n)
        ]

    few, many = (count_calls(merge_tiles, make(n), (200, 200 * n)) for n in (50, 200))
    assert many < 5 * few


def test_a_box_at_the_pictures_own_edge_is_not_cut():
    tile = Region(x0=0, y0=0, width=100, height=100)
    boxes = boxes_of((0, 0, 10, 10), (90, 90, 100, 100), scores=[0.9, 0.8])
    assert sorted_edges(boxes) == sorted_edges(merge_tiles([(tile, boxes)], (100, 100)))


def test_one_defect_of_two_types_is_counted_once_as_the_likelier():
    tile = Region(x0=0, y0=0, width=100, height=100)
    boxes = boxes_of((10, 10, 30, 30), (11, 10, 31, 30), labels=[0, 1], scores=[0.4, 0.7])
    assert [1] == merge_tiles([(tile, boxes)], (100, 100)).labels.tolist()


@pytest.mark.parametrize(("labels", "expected"), [([0, 0], [0.9]), ([0, 1], [0.9, 0.5])])
def test_a_part_of_a_defect_within_the_whole_is_counted_once(labels, expected):
    tile = Region(x0=0, y0=0, width=100, height=100)
    boxes = boxes_of((10, 10, 30, 90), (12, 60, 29, 89), labels=labels, scores=[0.9, 0.5])
    assert expected == pytest.approx(merge_tiles([(tile, boxes)], (100, 100)).scores.tolist())


def test_no_tile_found_anything():
    tile = Region(x0=0, y0=0, width=100, height=100)
    assert 0 == len(merge_tiles([(tile, Boxes.make([], []))], (100, 100)))


@pytest.mark.parametrize(
    ("lengths", "expected"), [([], 0.25), ([10, 12], 0.25), ([40], 0.44), ([300], 0.5)]
)
def test_the_overlap_grows_with_the_defects(lengths, expected):
    assert expected == pytest.approx(choose_overlap(np.array(lengths, np.float32), 100))


def test_areas_in_common():
    one, other = boxes_of((0, 0, 10, 10)), boxes_of((5, 5, 15, 15), (10, 0, 20, 10))
    assert [[25.0, 0.0]] == intersect_areas(one.edges, other.edges).tolist()


def test_joining_nothing_is_nothing():
    assert 0 == len(join_boxes([]))
