"""Boxes that were counted, as other tools read them."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from discovery.detect import _draw
from discovery.detector.boxes import Boxes
from discovery.detector.outputs import format_boxes_coco, format_counts
from discovery.detector.predict import Counted
from embeddings.files import parse_csv


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_boxes_are_drawn_as_masks_by_pycocotools(tmp_path, capsys):
    boxes = Boxes.make([[10, 20, 30, 26], [1.5, 2.25, 8.75, 9]], [0, 1], [0.9, 0.5])
    answers = [
        Counted(image_id=name, path=Path(f"{name}.png"), page=0, size=(64, 40), boxes=found,
                um_per_pixel=float("nan"))
        for name, found in (("a", boxes), ("b", Boxes.make([], [])))
    ]  # fmt: skip
    (tmp_path / "boxes.json").write_bytes(format_boxes_coco(answers, ["dot", "line/fine"]))
    coco = COCO(tmp_path / "boxes.json")
    assert [1, 2] == coco.getImgIds()
    assert [] == coco.loadAnns(coco.getAnnIds(imgIds=[2]))
    found = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert [0, 0] == [one["iscrowd"] for one in found]
    masks = [coco.annToMask(one) for one in found]
    assert [(40, 64)] * 2 == [mask.shape for mask in masks]
    assert [image["file_name"] for image in coco.loadImgs([1, 2])] == ["a.png", "b.png"]
    assert 120 == found[0]["area"] == masks[0].sum() == masks[0][20:26, 10:30].sum()
    assert abs(found[1]["area"] - masks[1].sum()) < 10


def test_a_path_that_is_not_utf8_is_written_and_comes_back():
    answer = Counted(
        image_id="a", path=Path("\udcff.png"), page=0, size=(64, 40), boxes=Boxes.make([], []),
        um_per_pixel=float("nan"),
    )  # fmt: skip
    data = format_boxes_coco([answer], ["dot"])
    assert json.loads(data)["images"][0]["file_name"] == "\udcff.png"
    assert parse_csv(format_counts([answer], ["dot"]))[0]["path"] == "\udcff.png"


def test_pictures_with_boxes_have_names_that_any_system_takes(tmp_path):
    answer = Counted(
        image_id="0123456789abcdef", path=Path("a:" + "x" * 248 + ".png"), page=0, size=(20, 20),
        boxes=Boxes.make([], []), um_per_pixel=float("nan"),
        pixels=np.zeros((1, 20, 20), np.float32),
    )  # fmt: skip
    _draw(answer, ["dot"], tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("a%3Axxx")
    assert path.name.endswith("_0123456789abcdef.png")
    assert len(path.name.encode()) < 200
