"""Each export is read by the tool it is for."""

import json
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import PurePath, PurePosixPath
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO
from torchvision.datasets import ImageFolder

from discovery.formats.folder_names import name_folder, read_folder
from discovery.handoff import HandoffOptions, main
from discovery.ledger import append_decisions
from discovery.records import Decision, find_label_fault, tidy_label
from discovery.runs import LEDGER
from embeddings.console import run_command
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.images import fingerprint_file
from embeddings.tables import parse_klarf

# pycocotools wraps arrays the way NumPy 1 had it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
LABELS = ["defect/particle", "defect/void", "no_defect"]


def call(*words):
    return run_command(main, HandoffOptions, prog="handoff", args=[str(word) for word in words])


def decide(run, labels):
    """Give each image of the run, in its order, a label of its own; empty ones are left."""
    ids = run.load_images()["image_id"].tolist()
    append_decisions(
        run.path / LEDGER,
        [
            Decision(
                proposal_id="", verdict="accept", label=label, by="eva", scope="image",
                at="2026-11-24T10:00:00+00:00", image_ids=(image_id,),
            )
            for image_id, label in zip(ids, labels, strict=True)
            if label
        ],
    )  # fmt: skip


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    paths = [tmp_path / "images" / f"img {number}.png" for number in range(4)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (60, 80), np.uint8)).save(path)
    return paths


@pytest.fixture
def run(make_run, images):
    run = make_run([fingerprint_file(path) for path in images], images, [0, 0, 1, -1])
    decide(run, [*LABELS, ""])
    return run


def test_imagefolder_has_one_class_a_label(run, tmp_path, images):
    out = tmp_path / "out"
    assert call(run.path, "--out", out, "--format", "imagefolder") == 0
    found = ImageFolder(out)
    assert found.classes == ["defect__particle", "defect__void", "no_defect"]
    assert [read_folder(PurePath(name)) for name in found.classes] == LABELS
    assert [(PurePath(path).name, kind) for path, kind in found.samples] == [
        ("img 0.png", 0), ("img 1.png", 1), ("img 2.png", 2),
    ]  # fmt: skip
    for (picture, _), original in zip(found, images, strict=False):
        assert np.array_equal(np.array(picture.convert("L")), np.array(Image.open(original)))


@given(st.text(min_size=1, max_size=30))
def test_a_label_is_read_back_from_its_folder(text):
    label = tidy_label(text)
    if not label or find_label_fault(label):
        return
    folder = name_folder(label)
    assert read_folder(PurePosixPath(folder)) == label
    assert not set(folder) & set('/<>:"|?*')
    # A level a folder is what a person makes of the same label.
    levels = PurePosixPath(*(name_folder(part) for part in label.split("/")))
    assert read_folder(levels) == label


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("a__b", "a%5F%5Fb"),
        ("a_/_b", "a%5F__%5Fb"),
        ("cd>5nm/x%41", "cd%3E5nm__x%2541"),
        ("dot.", "dot%2E"),
        ("große_lücke", "große_lücke"),
    ],
)
def test_folders_that_would_not_come_back_are_escaped(label, folder):
    assert name_folder(label) == folder
    assert read_folder(PurePath(folder)) == label


def test_coco_is_loaded_by_pycocotools(run, tmp_path, capsys):
    assert call(run.path, "--out", tmp_path / "out", "--format", "coco") == 0
    coco = COCO(tmp_path / "out" / "coco.json")
    kinds = coco.loadCats(coco.getCatIds())
    assert [(kind["name"], kind["supercategory"]) for kind in kinds] == [
        ("defect/particle", "defect"), ("defect/void", "defect"), ("no_defect", ""),
    ]  # fmt: skip
    assert coco.getCatIds(supNms=["defect"]) == [1, 2]
    for annotation in coco.loadAnns(coco.getAnnIds()):
        assert annotation["bbox"] == [0, 0, 80, 60]
        assert coco.annToMask(annotation).sum() == annotation["area"] == 4800


def test_coco_has_the_box_of_a_defect_and_not_its_crop(make_run, tmp_path, images, capsys):
    boxes = "path,xmin,ymin,xmax,ymax\nimg 0.png,10,20,30,26\nimg 0.png,70,50,90,70\n"
    (tmp_path / "images" / "boxes.csv").write_text(boxes)
    pages = np.random.default_rng(1).integers(0, 255, (2, 40, 50), np.uint8)
    tifffile.imwrite(tmp_path / "images" / "pages.tif", pages, photometric="minisblack")
    store = tmp_path / "store"
    options = ExtractOptions(
        extractor="texture", boxes=tmp_path / "images" / "boxes.csv", device="cpu"
    )
    ids = extract_vectors(tmp_path / "images", store, options=options).ids.tolist()
    assert len(ids) == 2
    page = fingerprint_file(tmp_path / "images" / "pages.tif") + "#1"
    paths = [images[0], images[0], tmp_path / "images" / "pages.tif"]
    run = make_run([*ids, page], paths, [0, 0, 0], store=store)
    decide(run, ["void", "void", "void"])
    assert call(run.path, "--out", tmp_path / "out", "--format", "coco") == 0
    coco = COCO(tmp_path / "out" / "coco.json")
    found = coco.loadAnns(coco.getAnnIds())
    assert [one["bbox"] for one in found] == [[10, 20, 20, 6], [70, 50, 10, 10], [0, 0, 50, 40]]
    assert [one["area"] for one in found] == [120, 100, 2000]
    assert [one["image_id"] for one in found] == [1, 1, 2]
    for one in found:
        mask = coco.annToMask(one)
        picture = coco.loadImgs(one["image_id"])[0]
        assert mask.shape == (picture["height"], picture["width"])
        assert mask.sum() == one["area"]


def read_with_klarf_reader(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its patterns are no raw strings
        from klarf_reader.klarf import Klarf
    return Klarf.load_from_file(path)


def test_klarf_is_read_by_klarf_reader(run, tmp_path):
    assert call(run.path, "--out", tmp_path / "out", "--format", "klarf") == 0
    path = tmp_path / "out" / "handoff.klarf"
    content = read_with_klarf_reader(path)
    assert (content.file_version, content.lot_id) == (1.2, run.run_id)
    (wafer,) = content.wafers
    assert [(d.id, d.class_number, d.roughbin, d.finebin, d.cluster_number, d.image_count)
            for d in wafer.defects] == [
        (1, 1, 1, 1, 1, 1), (2, 2, 1, 2, 1, 1), (3, 3, 2, 3, 2, 1), (4, 0, 0, 0, 0, 1),
    ]  # fmt: skip
    assert wafer.summary.number_of_defects == 4
    # The same by this project's own reader, with the names of the pictures.
    own = parse_klarf(path.read_text())
    assert own.classes == {0: "unclassified", 1: LABELS[0], 2: LABELS[1], 3: LABELS[2]}
    assert [one[0].file for one in own.wafers[0].images] == [f"img {n}.png" for n in range(4)]


READ_WITH_KLARFIO = """
import contextlib, io, json, sys, klarfio
with contextlib.redirect_stdout(io.StringIO()):
    found = klarfio.klarf(sys.argv[1]).get_defect_data()
place = [column["Column"] for column in found["Columns"]].index("CLASSNUMBER")
print(json.dumps([row[place] for row in found["Data"]]))
"""


@pytest.mark.skipif(find_spec("klarfio") is None, reason="klarfio is not installed")
def test_klarf_is_read_by_klarfio(run, tmp_path):
    assert call(run.path, "--out", tmp_path / "out", "--format", "klarf") == 0
    # A program of its own: its licence (GPL 3) is not this project's.
    words = [sys.executable, "-c", READ_WITH_KLARFIO, tmp_path / "out" / "handoff.klarf"]
    assert json.loads(subprocess.check_output(words, text=True)) == [1, 2, 3, 0]


# -- Label Studio: what its documentation says of a task, held strictly


def check_results(results, choices):
    (result,) = results
    assert result.keys() == {"id", "type", "from_name", "to_name", "value"}
    assert (result["type"], result["from_name"], result["to_name"]) == ("choices", *NAMES)
    (choice,) = result["value"]["choices"]
    assert choice in choices


NAMES = ("choice", "image")


@pytest.fixture
def label_studio(run, tmp_path):
    """An export with an annotation, a prediction and a bare task, and its labelling interface."""
    ids = run.load_images()["image_id"]
    append_decisions(
        run.path / LEDGER,
        [Decision(proposal_id="P-0", verdict="accept", label="<b> & 'q' \"é\"", by="eva",
                  at="2026-11-24T10:00:00+00:00", image_ids=tuple(ids[:2])),
         Decision(proposal_id="", verdict="defer", label="", by="eva", scope="image",
                  at="2026-11-24T10:00:00+00:00", image_ids=(ids[1],))],
    )  # fmt: skip
    out = tmp_path / "out"
    assert call(run.path, "--out", out, "--format", "label-studio") == 0
    return json.loads((out / "tasks.json").read_text()), (out / "label_config.xml").read_text()


def test_label_studio_is_as_its_documentation_says(label_studio, images):
    tasks, config = label_studio
    view = ElementTree.fromstring(config)
    picture, choices = view
    assert view.tag == "View"
    assert (picture.tag, picture.attrib) == ("Image", {"name": "image", "value": "$image"})
    assert (choices.tag, choices.get("name"), choices.get("toName")) == ("Choices", *NAMES)
    names = [choice.get("value") for choice in choices]
    assert names == ["<b> & 'q' \"é\"", "defect/particle", "no_defect"]
    assert [sorted(task) for task in tasks] == [
        ["annotations", "data"], ["data", "predictions"], ["annotations", "data"], ["data"],
    ]  # fmt: skip
    for task, path in zip(tasks, images, strict=True):
        place = unquote(task["data"]["image"].removeprefix("/data/local-files/?d="))
        assert f"/{place}" == str(path)
        for annotation in task.get("annotations", []):
            assert annotation.keys() == {"result"}
            check_results(annotation["result"], names)
        for prediction in task.get("predictions", []):
            assert prediction.keys() == {"model_version", "score", "result"}
            assert 0 <= prediction["score"] <= 1
            check_results(prediction["result"], names)


def test_label_studio_has_a_choice_before_anything_is_labelled(make_run, tmp_path, images):
    run = make_run(list(map(fingerprint_file, images)), images, [0, 0, 0, 0])
    assert call(run.path, "--out", tmp_path / "out", "--format", "label-studio") == 0
    config = ElementTree.parse(tmp_path / "out" / "label_config.xml").getroot()
    assert [choice.get("value") for choice in config.iter("Choice")] == ["no_defect"]
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    assert [list(task) for task in tasks] == [["data"]] * 4


def test_label_studio_frames_a_crop_in_its_picture(make_run, tmp_path, images):
    ids = [f"{fingerprint_file(images[0])}@{place}" for place in ("20,30,40,15", "-8,-6,24,24")]
    run = make_run(ids, images[:1] * 2, [0, 0])
    decide(run, ["void", ""])
    assert call(run.path, "--out", tmp_path / "out", "--format", "label-studio") == 0
    config = ElementTree.parse(tmp_path / "out" / "label_config.xml").getroot()
    assert config.find("Rectangle").attrib["name"] == "place"
    first, second = json.loads((tmp_path / "out" / "tasks.json").read_text())
    # The picture is 80 wide and 60 high; a crop may begin outside of it.
    (frame, choice), (other,) = (
        first["annotations"][0]["result"], second["predictions"][0]["result"],
    )  # fmt: skip
    assert frame["value"] == {"x": 25, "y": 50, "width": 50, "height": 25, "rotation": 0}
    assert other["value"] == {"x": 0, "y": 0, "width": 20, "height": 30, "rotation": 0}
    assert (frame["type"], frame["original_width"], frame["original_height"]) == (
        "rectangle", 80, 60,
    )  # fmt: skip
    assert choice["value"] == {"choices": ["void"]}
    # With its frame it comes back.
    (tmp_path / "out" / "x.json").write_text(json.dumps([first]))
    first["annotations"][0]["result"][1]["value"] = {"choices": ["scratch"]}
    (tmp_path / "out" / "x.json").write_text(json.dumps([first]))
    assert call(run.path, "--read", tmp_path / "out" / "x.json", "--by", "me") == 0
    text = (run.path / "handoff.csv").read_text()
    assert text.count(",scratch,human,me,") == 1


@pytest.mark.skipif(find_spec("label_studio_sdk") is None, reason="label-studio-sdk not installed")
def test_label_studio_is_valid_to_its_own_sdk(label_studio):
    from label_studio_sdk.label_interface import LabelInterface

    tasks, config = label_studio
    interface = LabelInterface(config)
    interface.validate()
    for task in tasks:
        assert all(task["data"].get(one.value_name) for one in interface.objects)
        for one in [*task.get("annotations", []), *task.get("predictions", [])]:
            assert interface.validate_prediction(one, return_errors=True) == []


@pytest.mark.skipif(find_spec("fiftyone") is None, reason="fiftyone is not installed")
def test_fiftyone_is_read_by_its_importer(run, tmp_path):
    import fiftyone

    assert call(run.path, "--out", tmp_path / "out", "--format", "fiftyone") == 0
    kind = fiftyone.types.FiftyOneImageClassificationDataset
    found = fiftyone.Dataset.from_dir(str(tmp_path / "out"), dataset_type=kind)
    ids = run.load_images()["image_id"].tolist()
    named = {PurePath(one.filepath).stem: one.ground_truth.label for one in found}
    assert named == dict(zip(ids, LABELS, strict=False))
