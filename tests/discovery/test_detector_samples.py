"""Samples: boxes follow what is done to the picture."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.classifier.augment import turn_picture
from discovery.detector.boxes import Boxes, clip_boxes, turn_boxes
from discovery.detector.pictures import prepare_pixels, stack_channels
from discovery.detector.presentation import Presentation
from discovery.detector.samples import list_crops, make_sample, prepare_sample
from discovery.detector.spec import DetectorSpec
from embeddings.errors import ImageError
from embeddings.images import Picture

SPEC = DetectorSpec(
    labels=("dot",), norm="group", anchors=(8.0, 16.0, 32.0, 64.0, 128.0), ratios=(1.0,),
    tile=64, size=64,
)  # fmt: skip


def paint(boxes, *, height, width):
    view = np.zeros((1, height, width), np.float32)
    for xmin, ymin, xmax, ymax in boxes.edges.astype(int):
        view[0, ymin:ymax, xmin:xmax] = 1
    return view


def find_box(view):
    rows, columns = np.flatnonzero(view.any(axis=1)), np.flatnonzero(view.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def make_picture(pixels, kind="uint8"):
    return Picture(
        pixels=pixels, kind=kind, page=0, bit_depth=8, um_per_pixel=float("nan"), nan_pixels=0
    )


@pytest.mark.parametrize("k", range(8))
def test_boxes_turn_as_the_picture_does(k):
    boxes = Boxes.make([(3, 5, 10, 20)], [0])
    view = paint(boxes, height=40, width=30)
    turned = turn_boxes(boxes, k, shape=(40, 30))
    assert find_box(turn_picture(view, k)[0]) == turned.edges[0].tolist()


@given(st.integers(0, 2**32 - 1), st.integers(40, 200), st.integers(40, 200))
def test_boxes_stay_on_their_defects_through_crops_and_turns(seed, width, height):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, width - 12), rng.uniform(0, height - 12)
    boxes = Boxes.make(np.floor([(x, y, x + 12, y + 12)]), [0])
    view = paint(boxes, height=height, width=width)
    sample = make_sample(view, boxes, SPEC, rng=rng)
    assert 3 == len(sample.image)
    assert max(sample.image.shape) <= 64
    for xmin, ymin, xmax, ymax in sample.boxes.edges.astype(int):
        inside = sample.image[0, ymin:ymax, xmin:xmax]
        # Bright where the box is, on a picture that is dark elsewhere.
        assert float(inside.mean()) > float(sample.image[0].mean())


def test_a_sample_depends_on_its_arguments_alone():
    boxes = Boxes.make([(3, 5, 10, 20)], [0])
    view = paint(boxes, height=100, width=90)
    one, other = (
        make_sample(view, boxes, SPEC, rng=np.random.default_rng([1, 2])) for _ in range(2)
    )
    assert (one.image == other.image).all()
    assert one.boxes.edges.tolist() == other.boxes.edges.tolist()


def test_enlarging_enlarges_the_boxes():
    boxes = Boxes.make([(8, 8, 16, 24)], [0])
    sample = prepare_sample(paint(boxes, height=64, width=64), boxes, replace(SPEC, size=128))
    assert (3, 128, 128) == tuple(sample.image.shape)
    assert [[16.0, 16.0, 32.0, 48.0]] == sample.boxes.edges.tolist()
    assert [1] == sample.target["labels"].tolist()  # 0 is the background


def test_clipping_tells_what_is_left():
    cut, share = clip_boxes(Boxes.make([(0, 0, 10, 10), (50, 50, 60, 60)], [0, 0]), (5, 0, 40, 40))
    assert [0.5, 0.0] == share.tolist()
    assert [0.0, 0.0, 5.0, 10.0] == cut.edges[0].tolist()


def test_a_reference_becomes_the_second_channel_and_the_difference_the_third():
    pixels = np.full((32, 32), 51, np.uint8)
    golden = pixels.copy()
    golden[4:8, 4:8] = 153
    view = prepare_pixels(make_picture(pixels), make_picture(golden), Presentation())
    stacked = stack_channels(view)
    assert (3, 32, 32) == stacked.shape
    assert [0.2, 0.6, 0.4] == pytest.approx(stacked[:, 5, 5].tolist())
    assert [0.2, 0.2, 0.0] == pytest.approx(stacked[:, 20, 20].tolist())


def test_a_reference_of_another_size_is_refused():
    one, other = (make_picture(np.zeros((side, 32), np.uint8)) for side in (32, 40))
    with pytest.raises(ImageError, match="32x32 pixels, but its reference has 32x40"):
        prepare_pixels(one, other, Presentation())


def test_grey_is_shown_three_times_and_colour_as_it_is():
    grey = prepare_pixels(make_picture(np.full((20, 30), 51, np.uint8)), None, Presentation())
    assert [0.2, 0.2, 0.2] == pytest.approx(stack_channels(grey)[:, 0, 0].tolist())
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[...] = (0, 51, 255)
    colour = prepare_pixels(make_picture(pixels), None, Presentation())
    assert [0.0, 0.2, 1.0] == pytest.approx(stack_channels(colour)[:, 0, 0].tolist())


def test_a_window_once_fixed_is_kept():
    windows = Presentation({"uint16": (0.0, 1000.0)})
    view = prepare_pixels(make_picture(np.full((20, 20), 500, np.uint16), "uint16"), None, windows)
    assert 0.5 == pytest.approx(float(view.mean()))
    assert {"uint16": (0.0, 1000.0)} == windows.windows


def test_a_kind_met_first_gets_a_window_of_its_own():
    windows = Presentation({"uint8": (0.0, 255.0)})
    pixels = np.linspace(800, 1200, 400).reshape(20, 20).astype(np.uint16)
    view = prepare_pixels(make_picture(pixels, "uint16"), None, windows)
    assert {"uint8", "uint16"} == set(windows.windows)
    assert float(view.max() - view.min()) > 0.7  # not shown as black


def test_an_epoch_sees_a_large_picture_by_as_many_crops_as_tiles_fill_it():
    crops = list_crops(np.array([0, 1]), [(64, 64), (192, 128)], 64)
    assert [[0, 0], *([1, number] for number in range(6))] == crops.tolist()
