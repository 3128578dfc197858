"""Boxes that were counted, as other tools read them."""

from pathlib import Path

import pytest
from pycocotools.coco import COCO

from discovery.detector.boxes import Boxes
from discovery.detector.outputs import format_boxes_coco
from discovery.detector.predict import Counted


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
    assert 120 == found[0]["area"] == masks[0].sum() == masks[0][20:26, 10:30].sum()
    assert abs(found[1]["area"] - masks[1].sum()) < 10
