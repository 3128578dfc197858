"""A detector sees pictures without their data bar; its boxes are of the whole picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from discovery.detector.boxes import Boxes
from discovery.detector.dataset import Example, PictureRef
from discovery.detector.model import load_detector, save_detector
from discovery.detector.network import build_detector
from discovery.detector.options import DetectorTrainOptions
from discovery.detector.pictures import leave_out_hidden, load_examples
from discovery.detector.predict import Detector, count_defects
from discovery.detector.presentation import Presentation
from discovery.detector.spec import DetectorSpec
from discovery.detector.train import learn_boxes
from embeddings.records import DataBar

CPU = torch.device("cpu")
SIDE, ROWS = 128, 20
TINY = DetectorTrainOptions(weights="none", epochs=1, tile=64, size=64, holdout=0.25, device="cpu")


@pytest.fixture(params=["bottom", "top"])
def edge(request):
    return request.param


@pytest.fixture
def refs(tmp_path, draw_bar, edge):
    """Four pictures with bars, each with the same picture alone."""
    found = {}
    for name in ("whole", "alone"):
        (tmp_path / name).mkdir()
        found[name] = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        alone = rng.normal(120, 25, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
        alone[40 : 60 + seed, 30:50] = 250
        parts = [alone, draw_bar(SIDE, ROWS, seed=seed)]
        whole = np.concatenate(parts if edge == "bottom" else parts[::-1])
        for name, pixels in (("whole", whole), ("alone", alone)):
            path = tmp_path / name / f"{seed}.png"
            Image.fromarray(pixels).save(path)
            found[name].append(PictureRef(path=path))
    return found


def make_detector(how):
    spec = DetectorSpec(
        labels=("dot",), norm="group", anchors=(8.0, 16.0, 32.0, 64.0, 128.0), ratios=(1.0,),
        tile=64, size=64, windows=how.windows, bars=how.bars,
        data_bar="keep" if how.data_bar == "keep" else "auto",
    )  # fmt: skip
    torch.manual_seed(0)
    return Detector(
        spec=spec, network=build_detector(spec), device=CPU, threshold=0.05, overlap=0.25, facts={}
    )


def present(refs, data_bar="auto"):
    how = Presentation(data_bar=data_bar)
    how.fix_from(refs)
    return how


def test_boxes_are_counted_in_the_frame_of_the_whole_picture(refs, edge):
    how, kept = present(refs["whole"]), present(refs["alone"], "keep")
    assert {"128x148": (DataBar(edge=edge, rows=ROWS, level=0.0),)} == how.bars
    assert kept.windows == how.windows  # text is whiter than any picture
    expected = list(count_defects(make_detector(kept), refs["alone"][:1]))
    counted = list(count_defects(make_detector(how), refs["whole"][:1]))
    top = ROWS if edge == "top" else 0
    assert sum(len(one.boxes) for one in expected)
    for one, other in zip(expected, counted, strict=True):
        moved = one.boxes.transform((1.0, 1.0), (0.0, top))
        np.testing.assert_array_equal(moved.edges, other.boxes.edges)
        assert ((SIDE, SIDE + ROWS), (1, SIDE + ROWS, SIDE)) == (other.size, other.pixels.shape)


def test_boxes_are_learned_in_what_is_seen(refs, edge, caplog):
    top = ROWS if edge == "top" else 0
    in_bar = (5, SIDE + 6, 15, SIDE + 16) if edge == "bottom" else (5, 4, 15, 14)
    boxes = Boxes.make([(30, 40 + top, 50, 60 + top), in_bar], [0, 0])
    items = [Example(ref=ref, boxes=boxes) for ref in refs["whole"]]
    loaded = load_examples(items, present(refs["whole"]))
    assert [(SIDE, SIDE)] * 4 == loaded.pictures.sizes
    loaded.pictures._held.clear()  # read anew, as where they take more memory than there is
    alone = load_examples([], present(refs["alone"], "keep")).pictures
    for ref in refs["alone"]:
        alone.add(ref, np.zeros((1, SIDE, SIDE), np.float32))
    alone._held.clear()
    np.testing.assert_array_equal(alone[2], loaded.pictures[2])
    seen = leave_out_hidden(loaded)
    assert [[30, 40, 50, 60]] == seen.items[0].boxes.edges.tolist()
    assert "left out: 4 boxes in the data bars of pictures, such as in " in caplog.text
    whole = load_examples(items, present(refs["whole"], "keep"))
    assert boxes.edges.tolist() == leave_out_hidden(whole).items[0].boxes.edges.tolist()


@pytest.mark.parametrize("edge", ["bottom"])
def test_a_model_keeps_what_it_saw_and_a_picture_without_a_bar_may_be_refused(refs, tmp_path):
    rows = [f"whole/{seed}.png,dot,30,40,50,{60 + seed}" for seed in range(4)]
    lone = np.random.default_rng(9).integers(80, 160, (SIDE + ROWS, SIDE)).astype(np.uint8)
    Image.fromarray(lone).save(tmp_path / "whole" / "9.png")
    rows.append("whole/9.png,dot,10,10,30,30")
    table = tmp_path / "boxes.csv"
    table.write_text("\n".join(["path,label,xmin,ymin,xmax,ymax", *rows]) + "\n")
    detector, faults = learn_boxes(table, options=replace(TINY, data_bar="crop"))
    assert [(str(tmp_path / "whole" / "9.png"), "no data bar was found (--data-bar crop)")] == [
        *faults
    ]
    save_detector(detector, tmp_path / "model")
    again = load_detector(tmp_path / "model", CPU)
    assert detector.spec == again.spec
    assert ("auto", ["128x148"]) == (again.spec.data_bar, list(again.spec.bars))
    # It counts in any picture, as it was trained.
    (counted,) = count_defects(again, [PictureRef(path=tmp_path / "whole" / "9.png")])
    assert (SIDE, SIDE + ROWS) == counted.size
