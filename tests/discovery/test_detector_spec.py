"""What a training decides by its boxes: anchors, tiles and scale follow them."""

import numpy as np

from discovery.detector.boxes import Boxes
from discovery.detector.options import DetectorTrainOptions
from discovery.detector.presentation import Presentation
from discovery.detector.spec import choose_anchors, choose_ratios, choose_spec


def choose(edges, sizes, **options):
    return choose_spec(
        [Boxes.make(edges, [0] * len(edges))], sizes, labels=["dot"], norm="group",
        has_reference=False, how=Presentation(), options=DetectorTrainOptions(**options),
    )  # fmt: skip


def test_small_defects_are_enlarged_and_large_ones_are_not():
    small = choose([(0, 0, 6, 6)], [(256, 200)])
    assert (256, 512, 2.0) == (small.tile, small.size, small.scale)
    large = choose([(0, 0, 40, 40)], [(250, 200)])
    assert (250, 250, 1.0) == (large.tile, large.size, large.scale)


def test_large_pictures_are_seen_by_tiles():
    assert 320 == choose([(0, 0, 40, 40)], [(4000, 3000)]).tile
    assert 500 == choose([(0, 0, 40, 100)], [(4000, 3000)]).tile
    assert 640 == choose([(0, 0, 40, 999)], [(4000, 3000)]).tile
    assert 512 == choose([(0, 0, 40, 40)], [(4000, 3000)], tile=512).tile


def test_anchors_start_at_the_small_defects_and_double():
    assert (10.0, 20.0, 40.0, 80.0, 160.0) == choose_anchors(np.full(9, 10, np.float32))
    assert 4.0 == choose_anchors(np.full(9, 1, np.float32))[0]
    assert 32.0 == choose_anchors(np.full(9, 500, np.float32))[0]


def test_long_defects_get_long_anchors():
    assert 3 == len(choose_ratios(Boxes.make([(0, 0, 10, 10)], [0])))
    assert 5 == len(choose_ratios(Boxes.make([(0, 0, 50, 10)], [0])))
