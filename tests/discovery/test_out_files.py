"""What a command writes goes over nothing that is something else; it is said before the work."""

import numpy as np
import pytest
from PIL import Image

from discovery import assign, classify, detect, evaluate
from discovery.detector.options import CountOptions
from discovery.handoff import HandoffOptions
from discovery.handoff import main as hand_off
from embeddings.errors import ModelError, OptionError


def count(folder, out, **options):
    command = detect.CountDefects(
        model=folder / "no-model",
        images=folder / "images",
        out=out,
        counting=CountOptions(**options),
    )
    detect.main(detect.DetectCommand(what=command))


COMMANDS = {
    "assign": lambda folder, out: assign.main(
        assign.AssignCommand(run=folder / "run", source=folder / "images", out=out)
    ),
    "predict": lambda folder, out: classify.main(
        classify.Classify(
            command=classify.Predict(model=folder / "model", source=folder / "images", out=out)
        )
    ),
    "classify evaluate": lambda folder, out: classify.main(
        classify.Classify(
            command=classify.Evaluate(model=folder / "model", truth=folder / "t.csv", out=out)
        )
    ),
    "evaluate": lambda folder, out: evaluate.main(
        evaluate.EvaluateOptions(run=folder / "run", truth=folder / "t.csv", out=out)
    ),
    "count": count,
    "count boxes": lambda folder, out: count(folder, folder / "c.csv", boxes_out=out),
    "detect evaluate": lambda folder, out: detect.main(
        detect.DetectCommand(
            what=detect.EvaluateDetector(model=folder / "m", boxes=folder / "t.csv", out=out)
        )
    ),
}


@pytest.fixture
def folder(tmp_path):
    """Images, a truth, and a run's own files."""
    (tmp_path / "images").mkdir()
    (tmp_path / "run").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "images" / "a.png")
    (tmp_path / "t.csv").write_text("path,label\nimages/a.png,dot\n")
    (tmp_path / "run" / "decisions.jsonl").write_text('{"verdict": "accept"}\n')
    (tmp_path / "run" / "handoff.csv").write_text(
        "image_id,path,cluster_id,membership,proposal_id,label,label_source,decided_by,decided_at\n"
    )
    return tmp_path


@pytest.mark.parametrize("out", ["run/decisions.jsonl", "run/handoff.csv", "images/a.png", "t.csv"])
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_else_is_written_over(name, out, folder):
    before = (folder / out).read_bytes()
    with pytest.raises(OptionError, match="would be lost"):
        COMMANDS[name](folder, folder / out)
    assert before == (folder / out).read_bytes()


@pytest.mark.parametrize("name", ["assign", "predict", "count", "detect evaluate"])
def test_nor_by_the_list_of_what_cannot_be_read(name, folder):
    (folder / "out.quarantine.csv").write_text("path,reason,my note\n")
    with pytest.raises(OptionError, match=r"out\.quarantine\.csv is there and is not what"):
        COMMANDS[name](folder, folder / "out.csv")


@pytest.mark.parametrize("place", ["images", "classifier", "t.csv"])
def test_a_detector_goes_over_no_other_model_and_into_no_other_folder(place, folder):
    (folder / "classifier").mkdir()
    (folder / "classifier" / "model.json").write_text('{"format": "defect-discovery-classifier"}')
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    command = detect.TrainDetector(boxes=folder / "t.csv", out=folder / place)
    with pytest.raises(ModelError, match=r"--out .*(holds no detector|expected a folder)"):
        detect.main(detect.DetectCommand(what=command))
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_boxes_and_counts_need_two_names(folder):
    with pytest.raises(OptionError, match=r"--boxes-out .* is where --out .* goes"):
        count(folder, folder / "c.csv", boxes_out=folder / "images" / ".." / "c.csv")


@pytest.mark.parametrize("place", ["images", "images/drawn"])
def test_boxes_are_not_drawn_among_the_images(place, folder):
    with pytest.raises(OptionError, match=r"--overlay .* lies in the folder of the images"):
        count(folder, folder / "c.csv", overlay=folder / place)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("coco", "coco.json"), ("label-studio", "tasks.json"), ("klarf", "handoff.klarf")],
)
def test_an_export_goes_over_no_file_of_another_kind(kind, name, make_small_run, tmp_path):
    run = make_small_run(tmp_path / "run").path
    (tmp_path / name).write_text('[{"id": 1, "annotations": []}]')
    with pytest.raises(OptionError, match=f"{name} is there and is not what"):
        hand_off(HandoffOptions(run=run, out=tmp_path, format=kind))
