"""Each export is read by the tool it is for."""

import csv
import json
import subprocess
import sys
import warnings
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import PurePath, PurePosixPath
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO
from torchvision.datasets import ImageFolder

from discovery.formats.folder_names import name_folder, read_folder
from discovery.formats.klarf import format_klarf
from discovery.handoff import HandoffOptions, main
from discovery.ledger import append_decisions
from discovery.records import Decision, Handoff, find_label_fault, tidy_label
from discovery.runs import LEDGER
from embeddings.console import run_command
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.images import fingerprint_file
from embeddings.tables import parse_klarf, read_klarf

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


def test_labels_keep_their_own_class_whatever_they_are_called(make_run, tmp_path, images, capsys):
    labels = ["scratch", "Scratch", "検" * 150, "defect__a/b:c"]
    run = make_run([fingerprint_file(path) for path in images], images, [0, 0, 1, -1])
    decide(run, labels)
    out = tmp_path / "out"
    assert call(run.path, "--out", out, "--format", "imagefolder") == 0
    assert len({name.casefold() for name in ImageFolder(out).classes}) == 4
    assert all(len(name.encode()) <= 255 for name in ImageFolder(out).classes)
    with (out / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == labels
    assert [fingerprint_file(out / row["file"]) for row in rows] == [
        row["image_id"] for row in rows
    ]
    # Nothing was moved: nothing is decided. A folder that was cut is known by the list.
    assert call(run.path, "--read", out, "--by", "me") == 0
    assert "0 images labelled, 0 labels withdrawn" in capsys.readouterr().out
    (out / rows[0]["file"]).rename(out / PurePath(rows[2]["file"]).parent / "moved.png")
    (out / rows[1]["file"]).rename(out / PurePath(rows[3]["file"]).parent / "too.png")
    assert call(run.path, "--read", out, "--by", "me") == 0
    said = [row["label"] for row in read_rows(run.path / "handoff.csv")]
    assert said == [labels[2], labels[3], labels[2], labels[3]]
    # Also where the list is lost, since the run knows the label.
    (out / "images.csv").unlink()
    words = [run.path, "--read", out, "--read-format", "imagefolder", "--by", "me"]
    assert call(*words) == 0
    assert [row["label"] for row in read_rows(run.path / "handoff.csv")] == said


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_imagefolder_has_a_folder_a_level_on_request(run, tmp_path, images, capsys):
    out = tmp_path / "out"
    words = [run.path, "--out", out, "--format", "imagefolder", "--folders", "nested"]
    assert call(*words) == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == [
        "defect/particle/img 0.png", "defect/void/img 1.png", "no_defect/img 2.png",
    ]  # fmt: skip
    (out / "defect" / "void" / "img 1.png").rename(out / "defect" / "particle" / "img 1.png")
    assert call(run.path, "--read", out, "--by", "me") == 0
    assert "1 image labelled" in capsys.readouterr().out
    assert call(run.path, "--out", tmp_path / "x", "--format", "coco", "--folders", "nested") == 2
    assert "--folders is for --format imagefolder" in capsys.readouterr().err


def test_files_of_one_name_are_told_apart_where_case_is_not(make_run, tmp_path, capsys):
    names = ["a/x.png", "b/x.png", "c/X.png", "c/a:b.png", "d/CON.png", "e/" + "x" * 250 + ".png"]
    paths = []
    for number, name in enumerate(names):
        paths.append(tmp_path / "images" / name)
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20), number).save(paths[-1])
    run = make_run([fingerprint_file(path) for path in paths], paths, [0] * 6)
    decide(run, ["pit"] * 6)
    out = tmp_path / "out"
    assert call(run.path, "--out", out, "--format", "imagefolder") == 0
    found = sorted(path.name for path in (out / "pit").iterdir())
    assert len({name.casefold() for name in found}) == 6
    assert {"x.png", "a%3Ab.png", "%43ON.png"} < set(found)
    assert max(len(name.encode()) for name in found) <= 255
    assert call(run.path, "--read", out, "--by", "me") == 0
    assert "0 images labelled, 0 labels withdrawn" in capsys.readouterr().out


@pytest.fixture
def wide(make_run, tmp_path):
    """A run of pictures of 16 bits, floats and two pages, and one far darker than the others."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "wide"
    folder.mkdir()
    values = rng.random((5, 60, 80))
    pixels = {
        "a.tif": (values[0] * 4000 + 20000).astype(np.uint16),
        "b.tif": (values[1] * 4000 + 20000).astype(np.uint16),
        "dark.tif": (values[2] * 50).astype(np.uint16),
        "heights.tif": (values[3] * 1e-7 - 5e-8).astype(np.float32),
    }
    for name, levels in pixels.items():
        tifffile.imwrite(folder / name, levels)
    pages = (values[[4, 4]] * 4000 + 20000).astype(np.uint16)
    tifffile.imwrite(folder / "pages.tif", pages, photometric="minisblack")
    paths = [folder / name for name in (*pixels, "pages.tif")]
    ids = [fingerprint_file(path) for path in paths]
    ids[-1] += "#1@10,10,30,20"
    run = make_run(ids, paths, [0] * 5)
    decide(run, ["void", "void", "pit", "pit", "pit"])
    return run, paths, [*pixels.values(), pages[1][10:30, 10:40]]


def test_pictures_of_sixteen_bits_are_pictures_to_torchvision(wide, tmp_path, capsys):
    run, _, pixels = wide
    out = tmp_path / "out"
    assert call(run.path, "--out", out, "--format", "imagefolder") == 0
    said = capsys.readouterr().out
    assert "5 images that most programs would not show" in said
    assert "1 of their files are shown in grey levels of their own" in said
    found = ImageFolder(out)
    assert [(PurePath(path).name, kind) for path, kind in found.samples] == [
        ("dark.png", 0), ("heights.png", 0), ("pages#1@10_10_30_20.png", 0), ("a.png", 1),
        ("b.png", 1),
    ]  # fmt: skip
    shown = {PurePath(path).stem: np.asarray(found.loader(path)) for path, _ in found.samples}
    for name, levels in zip(("a", "b", "dark", "heights"), pixels, strict=False):
        picture = shown[name][..., 0].astype(float)
        assert picture.std() > 5
        assert np.corrcoef(picture.ravel(), levels.ravel())[0, 1] > 0.99
    # Pictures of one kind are shown alike: one grey level is one level in all of them.
    (low, _), (high, _) = (
        (shown[name][..., 0][pixels[i] > 22000].mean(), name) for i, name in enumerate("ab")
    )
    assert abs(low - high) < 2
    assert not (tmp_path / "out-originals").exists()


def test_originals_are_kept_beside_on_request(wide, tmp_path, capsys):
    run, paths, pixels = wide
    out, beside = tmp_path / "out", tmp_path / "out-originals"
    assert call(run.path, "--out", out, "--format", "imagefolder", "--originals") == 0
    assert ImageFolder(out).classes == ["pit", "void"]
    rows = read_rows(out / "images.csv")
    assert [row["original"] for row in rows] == [
        "void/a.tif", "void/b.tif", "pit/dark.tif", "pit/heights.tif",
        "pit/pages#1@10_10_30_20.tif",
    ]  # fmt: skip
    for row, path in zip(rows[:4], paths, strict=False):
        assert (beside / row["original"]).read_bytes() == path.read_bytes()
    assert np.array_equal(tifffile.imread(beside / rows[4]["original"]), pixels[4])
    # Neither is written over.
    assert call(run.path, "--out", tmp_path / "out", "--format", "imagefolder", "--originals") == 2
    assert call(run.path, "--out", tmp_path / "x", "--format", "csv", "--originals") == 2
    assert "--originals is for --format imagefolder or fiftyone" in capsys.readouterr().err


def test_pictures_that_were_made_eight_bit_are_known_when_they_come_back(wide, tmp_path, capsys):
    run, _, _ = wide
    out = tmp_path / "out"
    assert call(run.path, "--out", out, "--format", "imagefolder") == 0
    (out / "void" / "a.png").rename(out / "pit" / "renamed.png")
    # Saved anew by another program, which keeps no text of the file, and moved.
    with Image.open(out / "void" / "b.png") as picture:
        picture.copy().rotate(90, expand=True).save(out / "pit" / "b.png", pnginfo=None)
    (out / "void" / "b.png").unlink()
    Image.new("L", (20, 20)).save(out / "pit" / "foreign.png")
    assert call(run.path, "--read", out, "--by", "me") == 0
    said = capsys.readouterr()
    assert "2 images labelled, 0 labels withdrawn" in said.out
    assert "pit/foreign.png: no image of this run" in said.err
    assert [row["label"] for row in read_rows(run.path / "handoff.csv")] == ["pit"] * 5


def test_fiftyone_has_pictures_that_can_be_seen(wide, tmp_path, capsys):
    run, _, _ = wide
    out = tmp_path / "out"
    assert call(run.path, "--out", out, "--format", "fiftyone") == 0
    files = sorted((out / "data").iterdir())
    assert {path.suffix for path in files} == {".png"}
    named = json.loads((out / "labels.json").read_text())["labels"]
    assert sorted(named) == [path.stem for path in files]
    assert min(np.asarray(Image.open(path)).std() for path in files) > 5


def test_a_run_shows_wide_pictures_in_the_grey_levels_of_its_store(make_run, tmp_path, capsys):
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    paths = [tmp_path / "images" / f"{n}.tif" for n in range(4)]
    for path in paths:
        tifffile.imwrite(path, rng.integers(1000, 5000, (40, 40)).astype(np.uint16))
    options = ExtractOptions(extractor="texture", device="cpu", window=(0, 10000))
    store = tmp_path / "store"
    extract_vectors(tmp_path / "images", store, options=options)
    run = make_run([fingerprint_file(path) for path in paths], paths, [0] * 4, store=store)
    decide(run, ["pit", "", "", ""])
    assert call(run.path, "--out", tmp_path / "out", "--format", "imagefolder") == 0
    shown = np.asarray(Image.open(tmp_path / "out" / "pit" / "0.png"))
    assert np.array_equal(shown, np.rint(tifffile.imread(paths[0]) / 10000 * 255))


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


def write_wafer(wafer, **columns):
    """Return the metadata of four defects of a wafer, two a column of dies of 10 mm."""
    rows = []
    for n in range(4):
        die, rel = n // 2 - 1, 1000.5 * n
        rows.append({
            "lot": "L7", "wafer": wafer, "slot": "3", "step": "ETCH", "device": "D1",
            "wafer_diameter_mm": "200", "die_x": str(die), "die_y": str(die),
            "xrel": str(rel), "yrel": str(rel + 5), "wafer_x_um": str(die * 10_000 + rel - 5000),
            "wafer_y_um": str(die * 8_000 + rel + 5 - 4000), "xsize": "0.5", "dsize": "0.25",
            **columns,
        })  # fmt: skip
    return rows


def test_a_klarf_has_the_places_and_wafers_that_are_known(tmp_path):
    rows = pd.DataFrame(
        {"image_id": [f"{n:016x}" for n in range(8)], "path": [f"/x/{n}.png" for n in range(8)],
         "cluster_id": 0, "membership": 1.0, "proposal_id": "P", "label": "", "label_source": "",
         "decided_by": "", "decided_at": ""}
    )  # fmt: skip
    known = dict(zip(rows["image_id"], write_wafer("W1") + write_wafer("W2"), strict=True))
    handoff = Handoff(rows=rows, types=(), proposals={}, run_id="r", store={}, provenance={})
    path = tmp_path / "a.klarf"
    path.write_bytes(format_klarf(handoff, at=datetime(2026, 11, 24, tzinfo=UTC), known=known))
    own = read_klarf(path)
    assert ["W1", "W2"] == [wafer.wafer for wafer in own.wafers]
    for wafer in own.wafers:
        told = (wafer.lot, wafer.slot, wafer.step, wafer.device, wafer.diameter / 1000)
        assert ("L7", "3", "ETCH", "D1", 200) == told
        assert ((10_000, 8_000), (5000, 4000)) == (wafer.die_pitch, wafer.sample_center)
        places = [[float(one["wafer_x_um"]), float(one["wafer_y_um"])] for one in write_wafer("W")]
        np.testing.assert_allclose(wafer.positions, places)
        assert [0.5] * 4 == wafer.defects["XSIZE"].tolist()
        assert [0.25] * 4 == wafer.defects["DSIZE"].tolist()
    read = read_with_klarf_reader(path)
    assert ["W1", "W2"] == [wafer.id for wafer in read.wafers]
    assert [4, 4] == [len(wafer.defects) for wafer in read.wafers]
    # Without dies the places on the wafer are kept, and of one wafer there is one list.
    for one in known.values():
        del one["die_x"]
        one["wafer"] = "W1"
    data = format_klarf(handoff, at=datetime(2026, 11, 24, tzinfo=UTC), known=known)
    assert 1 == data.count(b"DefectList")
    (wafer,) = parse_klarf(data.decode()).wafers
    np.testing.assert_allclose(wafer.positions, [*places, *places])


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


@pytest.mark.parametrize("kind", ["imagefolder", "fiftyone", "coco"])
def test_an_export_without_any_image_is_a_mistake_that_is_told(run, images, tmp_path, capsys, kind):
    for path in images:
        path.rename(path.with_suffix(".moved"))
    assert call(run.path, "--out", tmp_path / "out", "--format", kind) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "error" in one]
    assert "none of the labelled images can be read" in line
    assert "into the same run, which keeps their labels" in line
    assert not (tmp_path / "out").exists()


def test_coco_counts_the_pages_that_it_lists(make_run, tmp_path, capsys):
    path = tmp_path / "stack.tif"
    pages = np.random.default_rng(0).integers(0, 255, (3, 32, 32), np.uint8)
    tifffile.imwrite(path, pages, photometric="minisblack")
    fingerprint = fingerprint_file(path)
    ids = [f"{fingerprint}#{page}" for page in range(3)]
    run = make_run(ids, [path] * 3, [0, 0, 1])
    decide(run, LABELS)
    assert call(run.path, "--out", tmp_path / "out", "--format", "coco") == 0
    listed = json.loads((tmp_path / "out" / "coco.json").read_text())["images"]
    assert 3 == len(listed)
    assert "3 images written" in capsys.readouterr().out
