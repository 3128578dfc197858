"""A small training from nothing, through the command: its model, its counts, its refusals."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torchvision.ops import FrozenBatchNorm2d

from discovery.detect import DetectCommand, main
from discovery.detector.boxes import Boxes
from discovery.detector.dataset import Example, PictureRef, read_box_examples, split_examples
from discovery.detector.model import load_detector, save_detector
from discovery.detector.network import build_detector, find_backbone
from discovery.detector.options import (
    CountOptions,
    DetectorEvaluateOptions,
    DetectorTrainOptions,
)
from discovery.detector.pictures import load_examples
from discovery.detector.predict import Detector, find_boxes
from discovery.detector.presentation import Presentation
from discovery.detector.spec import DetectorSpec
from discovery.detector.train import learn_boxes
from embeddings.console import run_command
from embeddings.errors import ModelError, OptionError, WeightsError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.files import seal

CPU = torch.device("cpu")
TINY = DetectorTrainOptions(
    weights="none", epochs=1, batch_size=4, size=64, holdout=0.25, device="cpu"
)
HEADER = ("path", "label", "xmin", "ymin", "xmax", "ymax")


def run(*words):
    return run_command(main, DetectCommand, prog="detect", args=[str(word) for word in words])


def fail(capsys, *words):
    """Return the one line that a command ends with, and check that its code is 2."""
    capsys.readouterr()
    assert 2 == run(*words)
    lines = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert 1 == len(lines)
    return lines[0]


def write_csv(path, rows, header=HEADER):
    path.write_text("\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\n")
    return path


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def draw_pictures(folder, *, n=8, seed=0):
    """Write n pictures of bright squares, the last one without any; returns BOXES.csv."""
    rng = np.random.default_rng(seed)
    rows = []
    (folder / "images").mkdir(parents=True)
    for number in range(n):
        pixels = rng.integers(60, 90, (64, 64)).astype(np.uint8)
        for place in range(number % 3 + 1 if number < n - 1 else 0):
            label, side = [("small", 8), ("large", 15)][(number + place) % 2]
            x, y = rng.integers(2, 45, 2)
            pixels[y : y + side, x : x + side] = 230
            rows.append((f"images/{number}.png", label, x, y, x + side, y + side))
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    return write_csv(folder / "boxes.csv", rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with pictures, boxes.csv, and a model trained on them for one epoch."""
    folder = tmp_path_factory.mktemp("counting")
    boxes = draw_pictures(folder)
    assert 0 == run(
        "train", boxes, "--images", folder / "images", "--out", folder / "model", "--weights",
        "none", "--epochs", 1, "--size", 64, "--holdout", 0.25, "--device", "cpu",
    )  # fmt: skip
    return folder


def test_masks_beside_the_images_are_told_and_left_out_by_name(tmp_path, caplog):
    boxes = draw_pictures(tmp_path)
    for number in range(8):
        mask = Image.fromarray(np.eye(64, dtype=np.uint8) * 255)
        mask.save(tmp_path / "images" / f"{number}_mask.png")
    assert 16 == len(read_box_examples(boxes, tmp_path / "images").items)
    assert caplog.text.rstrip().endswith("pass --exclude '*_mask.png'")
    caplog.clear()
    assert 8 == len(read_box_examples(boxes, tmp_path / "images", exclude=("*_mask.png",)).items)
    assert [] == caplog.messages
    for options in (DetectorTrainOptions, DetectorEvaluateOptions):
        with pytest.raises(OptionError, match="--exclude leaves out files of the folder"):
            options(exclude=("*_mask.png",))


def test_a_model_holds_two_files_and_says_how_it_was_made(made):
    assert ["model.json", "model.safetensors"] == sorted(
        path.name for path in (made / "model").iterdir()
    )
    values = json.loads((made / "model" / "model.json").read_text())
    assert ("defect-discovery-detector", 2) == (values["format"], values["version"])
    assert ["large", "small"] == values["spec"]["labels"]
    assert ("group", None) == (values["spec"]["norm"], values["facts"]["weights"])
    assert {"uint8": [0.0, 255.0]} == values["spec"]["windows"]
    assert (6, 2) == (values["facts"]["learnt"], values["facts"]["held_out"])
    assert 64 == len(values["facts"]["boxes_sha256"])
    assert 2 == values["facts"]["held_out_figures"]["images"]


def test_counts_have_a_row_an_image_and_boxes_a_row_a_defect(made, tmp_path):
    out, boxes = tmp_path / "counts.csv", tmp_path / "boxes.csv"
    assert 0 == run(
        "count", made / "model", made / "images", "--out", out, "--boxes-out", boxes,
        "--threshold", 0.05, "--um-per-pixel", 0.5, "--overlay", tmp_path / "seen",
    )  # fmt: skip
    counts, found = read_csv(out), read_csv(boxes)
    assert [
        "image_id", "path", "count", "count_large", "count_small", "size_median_px",
        "size_max_px", "size_median_um", "size_max_um",
    ] == list(counts[0])  # fmt: skip
    assert 8 == len(counts)
    assert len(found) == sum(int(row["count"]) for row in counts)
    for row in counts:
        assert int(row["count"]) == int(row["count_large"]) + int(row["count_small"])
    for row in found:
        xmin, ymin, xmax, ymax = (float(row[edge]) for edge in HEADER[2:])
        assert 0 <= xmin < xmax <= 64
        assert 0 <= ymin < ymax <= 64
        assert (xmax - xmin) / 2 == pytest.approx(float(row["width_um"]), abs=0.02)
        assert 0.05 <= float(row["score"]) <= 1
    assert 8 == len(list((tmp_path / "seen").glob("*.png")))


def test_coco_holds_the_same_boxes(made, tmp_path):
    out, coco = tmp_path / "counts.csv", tmp_path / "boxes.json"
    assert 0 == run(
        "count", made / "model", made / "images", "--out", out, "--boxes-out", coco,
        "--format", "coco", "--threshold", 0.05,
    )  # fmt: skip
    values = json.loads(coco.read_text())
    assert ["large", "small"] == [category["name"] for category in values["categories"]]
    assert 8 == len(values["images"])
    assert sum(int(row["count"]) for row in read_csv(out)) == len(values["annotations"])
    assert {(64, 64)} == {(image["width"], image["height"]) for image in values["images"]}


def test_evaluation_writes_its_keys(made, tmp_path):
    out = tmp_path / "metrics.json"
    assert 0 == run(
        "evaluate", made / "model", made / "boxes.csv", "--images", made / "images", "--out", out
    )
    scores = json.loads(out.read_text())
    assert (8, 0) == (scores["images"], scores["unreadable"])
    assert {"ap50", "ap", "count_mae", "count_exact", "precision", "recall"} <= set(scores)
    assert 0 <= scores["ap50"] <= 1


def test_the_same_seed_trains_the_same_detector(tmp_path):
    boxes = draw_pictures(tmp_path, n=5)
    one, other = (learn_boxes(boxes, options=TINY)[0] for _ in range(2))
    assert one.threshold == other.threshold
    for key, value in one.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[key]), key
    view = np.random.default_rng(0).random((1, 64, 64), np.float32)
    assert find_boxes(one, view).edges.tolist() == find_boxes(other, view).edges.tolist()


def test_a_training_that_is_stopped_leaves_its_best_epoch(tmp_path):
    boxes = draw_pictures(tmp_path, n=5)
    model = tmp_path / "model"

    def keep_and_stop(best):
        save_detector(best, model)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_boxes(boxes, options=replace(TINY, epochs=3), keep=keep_and_stop)
    kept = load_detector(model, CPU)
    assert (1, None) == (kept.facts["epoch"], kept.facts["weights"])


def make_detector(*, has_reference=False, labels=("dot",), tile=64):
    spec = DetectorSpec(
        labels=labels, norm="group", anchors=(8.0, 16.0, 32.0, 64.0, 128.0), ratios=(1.0,),
        tile=tile, size=tile, has_reference=has_reference,
    )  # fmt: skip
    torch.manual_seed(0)
    return Detector(
        spec=spec, network=build_detector(spec), device=CPU, threshold=0.05, overlap=0.25, facts={}
    )


def test_a_detector_comes_back_as_it_was(tmp_path):
    detector = make_detector()
    save_detector(detector, tmp_path)
    again = load_detector(tmp_path, CPU)
    assert detector.spec == again.spec
    assert (detector.threshold, detector.overlap) == (again.threshold, again.overlap)
    view = np.random.default_rng(0).random((1, 100, 150), np.float32)
    one, other = find_boxes(detector, view), find_boxes(again, view)
    assert one.edges.tolist() == other.edges.tolist()
    assert one.scores.tolist() == other.scores.tolist()


def test_without_weights_the_norm_is_trained_and_with_them_it_is_frozen():
    kinds = {type(module).__name__ for module in make_detector().network.backbone.modules()}
    assert "GroupNorm" in kinds
    assert not {"BatchNorm2d", "FrozenBatchNorm2d"} & kinds
    spec = replace(make_detector().spec, norm="frozen-batch")
    frozen = build_detector(spec)
    kinds = {type(module).__name__ for module in frozen.modules()}
    assert any(isinstance(module, FrozenBatchNorm2d) for module in frozen.modules())
    assert not {"BatchNorm2d", "GroupNorm"} & kinds
    assert not frozen.backbone.body.conv1.weight.requires_grad
    assert frozen.backbone.body.layer4[0].conv1.weight.requires_grad


def test_the_frozen_norm_is_torchvisions():
    frozen = build_detector(replace(make_detector().spec, norm="frozen-batch"))
    norm = frozen.backbone.body.layer1[0].bn3
    for buffer in norm.buffers():
        buffer.uniform_(0.5, 2.0)
    x = torch.randn(2, 256, 5, 7)
    torch.testing.assert_close(FrozenBatchNorm2d.forward(norm, x), norm(x))
    assert torch.bfloat16 == norm(x.bfloat16()).dtype


def test_the_network_sees_pictures_at_their_own_size():
    network = make_detector().network
    images, _ = network.transform([torch.zeros(3, 50, 70)])
    assert [(50, 70)] == images.image_sizes


def change_bytes(model):
    path = model / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def swap(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def change_json(**values):
    def change(model):
        path = model / "model.json"
        path.write_text(json.dumps(seal(json.loads(path.read_text()) | values)))

    return change


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (change_bytes, "damaged, or of another training"),
        (change_json(format="a-classifier"), "expected 'defect-discovery-detector'"),
        (change_json(version=99), "has version 99, this program reads 1 and 2: upgrade with"),
        (change_json(spec={}), "model.json is damaged"),
        (change_json(threshold="high"), "model.json is damaged"),
        (lambda model: swap(model / "model.json", '"threshold"', '"threshole"'), "was altered"),
        (lambda model: (model / "model.json").write_text("{"), "model.json is damaged"),
        (lambda model: (model / "model.json").unlink(), "is not a detector"),
        (lambda model: (model / "model.safetensors").unlink(), "model.safetensors cannot be read"),
    ],
)
def test_a_model_that_does_not_match_is_refused(made, tmp_path, capsys, damage, told):
    model = tmp_path / "model"
    shutil.copytree(made / "model", model)
    damage(model)
    assert told in fail(capsys, "count", model, made / "images", "--out", tmp_path / "counts.csv")
    assert not (tmp_path / "counts.csv").exists()


BOX = ("images/0.png", "a", 5, 5, 20, 20)
OTHER = ("images/1.png", "a", 5, 5, 20, 20)


@pytest.mark.parametrize(
    ("rows", "header", "told"),
    [
        ([BOX[:1] + BOX[2:]], ("path", *HEADER[2:]), "has no column label"),
        ([BOX[:-1]], HEADER[:-1], "has no column ymax"),
        ([BOX, ("images/1.png", "", 5, 5, 20, 20)], HEADER, "row 2 (1.png) has no label"),
        ([BOX, ("images/1.png", "a", 20, 5, 20, 20)], HEADER, "xmin 20 is not below xmax 20"),
        ([BOX, ("images/1.png", "a", 5, 5, 20, 99)], HEADER, "outside of the 64x64 picture"),
        ([BOX, ("images/absent.png", "a", 5, 5, 20, 20)], HEADER, "do not exist"),
        ([BOX], HEADER, "expected 2 pictures with boxes at least"),
        ([], HEADER, "has a header and no row"),
        ([(*BOX, "images/1.png"), (*OTHER, "")], (*HEADER, "reference"), "have no reference"),
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_met_with_one_line(
    tmp_path, capsys, rows, header, told
):
    draw_pictures(tmp_path, n=3)
    table = write_csv(tmp_path / "bad.csv", rows, header)
    words = ("train", table, "--out", tmp_path / "model", "--weights", "none")
    assert told in fail(capsys, *words)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--weights", "absent.safetensors"), "absent.safetensors"),
        (("--epochs", 0), "--epochs 0: expected 1 or more"),
        (("--holdout", 0.9), "--holdout 0.9"),
        (("--max-minutes", 0), "--max-minutes 0.0"),
        (("--tile", 8), "--tile 8"),
        (("--seed", -1), "--seed -1"),
        (("--lr", 1e30, "--weights", "none", "--size", 64), "give a smaller --lr"),
    ],
)
def test_options_that_make_no_sense_are_met_with_one_line(tmp_path, capsys, words, told):
    boxes = draw_pictures(tmp_path, n=5)
    assert told in fail(capsys, "train", boxes, "--out", tmp_path / "model", *words)


def test_counting_nothing_is_met_with_one_line(made, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    told = fail(capsys, "count", made / "model", tmp_path / "empty", "--out", tmp_path / "c.csv")
    assert "holds no image" in told


def test_what_is_read_is_never_written_over(made, tmp_path, capsys):
    boxes = shutil.copy(made / "boxes.csv", tmp_path / "boxes.csv")
    before = boxes.read_bytes()
    for words in (
        ("count", made / "model", boxes, "--out", boxes),
        ("count", made / "model", boxes, "--out", tmp_path / "c.csv", "--boxes-out", boxes),
        ("evaluate", made / "model", boxes, "--out", boxes),
    ):
        told = fail(capsys, *words)
        assert f"{words[-2]} {boxes} is what is read" in told
    assert before == boxes.read_bytes()


@pytest.mark.parametrize(
    "words", [{"threshold": 1.5}, {"format": "coco"}, {"um_per_pixel": 0.0}, {"tile": 3}]
)
def test_counting_options_are_checked(words):
    with pytest.raises(OptionError):
        CountOptions(**words)


def test_what_cannot_be_read_is_told_and_the_rest_counted(made, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(made / "images", images)
    (images / "0.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    pages = np.random.default_rng(0).integers(0, 255, (2, 64, 64)).astype(np.uint8)
    tifffile.imwrite(images / "stack.tif", pages)
    out = tmp_path / "counts.csv"
    assert 0 == run("count", made / "model", images, "--out", out)
    counts = read_csv(out)
    assert 9 == len(counts)
    assert ["#0", "#1"] == [row["image_id"][-2:] for row in counts if "stack" in row["path"]]
    (fault,) = read_csv(tmp_path / "counts.quarantine.csv")
    assert (str(images / "0.png"), True) == (fault["path"], "PNG" in fault["reason"])


def save_stack(path, n=3, thumbnails=(1,)):
    """Write a TIFF of n pages of noise; those of `thumbnails` are marked as such."""
    rng = np.random.default_rng(0)
    with tifffile.TiffWriter(path) as file:
        for number in range(n):
            pixels = rng.integers(0, 255, (64, 64), dtype=np.uint8)
            kind = 1 if number in thumbnails else 0
            file.write(pixels, photometric="minisblack", subfiletype=kind)
    return path


def test_pages_have_the_ids_of_the_store_beside_thumbnails(made, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    save_stack(images / "a.tif", 2)
    save_stack(images / "b.tif", 3)
    assert 0 == run("count", made / "model", images, "--out", tmp_path / "counts.csv")
    options = ExtractOptions(extractor="texture", size=32)
    ids = extract_vectors(images, tmp_path / "store", options=options).ids.tolist()
    counted = [row["image_id"] for row in read_csv(tmp_path / "counts.csv")]
    assert ids == counted
    assert ["#0", "#0", "#2"] == [name[16:] for name in ids]


def test_boxes_are_of_the_page_of_their_number_and_a_page_is_decoded_once(tmp_path, monkeypatch):
    path = save_stack(tmp_path / "b.tif", 12, thumbnails=(1,))
    decoded = []
    real = tifffile.TiffPage.asarray
    monkeypatch.setattr(
        tifffile.TiffPage,
        "asarray",
        lambda page, *args, **kwargs: decoded.append(page.index) or real(page, *args, **kwargs),
    )
    rows = [("b.tif", page, "a", 2, 2, 20, 20) for page in (2, 5, 11)]
    rows += [("b.tif", 1, "a", 2, 2, 20, 20)]  # the thumbnail
    header = ("path", "page", "label", "xmin", "ymin", "xmax", "ymax")
    examples = read_box_examples(write_csv(tmp_path / "boxes.csv", rows, header))
    loaded = load_examples(examples.items, Presentation({"uint8": (0.0, 255.0)}))
    assert [2, 5, 11] == decoded
    for item, pixels in zip(loaded.items, loaded.pictures, strict=True):
        stored = tifffile.imread(path, key=item.ref.page)
        assert np.allclose(stored / 255, pixels[0], atol=1e-6)
    ((_, reason),) = loaded.faults
    assert "has no page 1" in reason


@pytest.mark.parametrize("what", ["count", "evaluate"])
def test_larger_pictures_than_the_user_allows_are_not_read(what, made, tmp_path, capsys):
    rest = [made / "images"] if what == "count" else [made / "boxes.csv"]
    told = fail(
        capsys, what, made / "model", *rest, "--out", tmp_path / "out.csv", "--max-pixels", 4000
    )
    assert "can be read" in told


def test_a_large_picture_gives_the_same_defects_wherever_it_is_cut_out(made):
    """Tiles are independent: a tile's boxes are those of the tile given as a picture."""
    detector = replace(load_detector(made / "model", CPU), threshold=0.0)
    view = np.random.default_rng(1).random((1, 64, 112), np.float32)
    alone = find_boxes(detector, np.ascontiguousarray(view[:, :, :64]))
    both = find_boxes(detector, view)
    inner = {tuple(edges) for edges in alone.edges.round(1).tolist() if edges[2] < 46}
    assert inner <= {tuple(edges) for edges in both.edges.round(1).tolist()}


def test_a_detector_with_references_needs_them(tmp_path, capsys):
    model = tmp_path / "model"
    save_detector(make_detector(has_reference=True), model)
    boxes = draw_pictures(tmp_path, n=3)
    told = fail(capsys, "count", model, tmp_path / "images", "--out", tmp_path / "counts.csv")
    assert "can be read" in told
    assert "no golden reference" in read_csv(tmp_path / "counts.quarantine.csv")[0]["reason"]
    table = write_csv(
        tmp_path / "list.csv", [("images/0.png", "images/1.png")], ("path", "template")
    )
    assert 0 == run("count", model, table, "--out", tmp_path / "counts.csv")
    assert 1 == len(read_csv(tmp_path / "counts.csv"))
    told = fail(capsys, "evaluate", model, boxes, "--out", tmp_path / "metrics.json")
    assert "the model was not taught" in told


def test_labels_that_do_not_matter_are_all_defects(tmp_path):
    boxes = draw_pictures(tmp_path, n=3)
    assert ("large", "small") == read_box_examples(boxes).labels
    assert ("defect",) == read_box_examples(boxes, labels=("defect",)).labels


def test_pictures_without_a_box_are_examples_too(tmp_path):
    boxes = draw_pictures(tmp_path, n=4)
    with_boxes = read_box_examples(boxes)
    everything = read_box_examples(boxes, tmp_path / "images")
    assert (3, 4) == (len(with_boxes.items), len(everything.items))
    assert {"3.png": 0} == {
        item.ref.path.name: len(item.boxes) for item in everything.items if not len(item.boxes)
    }


def test_a_picture_with_boxes_is_no_negative_under_another_name(tmp_path):
    boxes = draw_pictures(tmp_path / "real", n=3)
    (tmp_path / "linked").symlink_to(tmp_path / "real" / "images")
    listed = write_csv(
        tmp_path / "list.csv", [(f"linked/{number}.png",) for number in range(3)], ("path",)
    )
    items = read_box_examples(boxes, listed).items
    assert [False, True, True] == sorted(len(item.boxes) > 0 for item in items)


def test_what_a_folder_cannot_offer_is_told(tmp_path):
    boxes = draw_pictures(tmp_path, n=3)
    (tmp_path / "images" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    gone = str(tmp_path / "images" / "gone.png")
    assert ((gone, "a dangling link"),) == read_box_examples(boxes, tmp_path / "images").faults


def test_a_page_that_does_not_fit_its_reference_spoils_no_other(tmp_path):
    sizes = [(40, 50), (40, 60), (40, 50)]
    path, golden = tmp_path / "stack.tif", tmp_path / "golden.tif"
    with tifffile.TiffWriter(path) as file:
        for number, size in enumerate(sizes):
            file.write(np.full(size, number, np.uint8), contiguous=False)
    tifffile.imwrite(golden, np.zeros(sizes[0], np.uint8))
    refs = [PictureRef(path=path, page=page, reference=golden) for page in range(3)]
    items = [Example(ref=ref, boxes=Boxes.make([], [])) for ref in refs]
    loaded = load_examples(items, Presentation())
    assert [0, 2] == [item.ref.page for item in loaded.items]
    ((_, reason),) = loaded.faults
    assert "60x40 pixels, but its reference has 50x40" in reason


def test_boxes_a_pixel_too_large_are_cut_at_the_edge(tmp_path):
    draw_pictures(tmp_path, n=3)
    table = write_csv(tmp_path / "b.csv", [("images/0.png", "a", -0.5, 5, 64.8, 20)])
    loaded = load_examples(read_box_examples(table).items, Presentation())
    assert [[0.0, 5.0, 64.0, 20.0]] == loaded.items[0].boxes.edges.tolist()


@pytest.mark.parametrize(("with_boxes", "without"), [(2, 0), (2, 5), (40, 10), (7, 1)])
def test_each_side_of_the_split_has_boxes(with_boxes, without, tmp_path):
    items = [
        Example(
            ref=PictureRef(path=tmp_path / str(number)),
            boxes=Boxes.make([(0, 0, 9, 9)] * (number < with_boxes), [0] * (number < with_boxes)),
        )
        for number in range(with_boxes + without)
    ]
    split = split_examples(items, 0.2, seed=3)
    assert sorted([*split.learned, *split.held_out]) == list(range(len(items)))
    for side in (split.learned, split.held_out):
        assert any(len(items[i].boxes) for i in side)


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """Nothing downloaded before, and a proxy that refuses every connection."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


def test_without_a_wish_and_without_weights_it_starts_from_nothing_and_says_so(no_network, caplog):
    assert find_backbone(None) is None
    assert "WARNING: no ImageNet weights could be had: the detector starts from" in caplog.text
    assert "--extractor" not in caplog.text


@pytest.mark.parametrize("source", ["imagenet", "imagenet-v1", "absent.safetensors"])
def test_weights_that_were_asked_for_are_never_replaced(no_network, source):
    with pytest.raises(WeightsError):
        find_backbone(source)


def test_none_is_a_wish_too(caplog):
    assert find_backbone("none") is None
    assert "" == caplog.text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["labels", "norm", "anchors", "ratios", "tile", "size", "windows"])
def test_nonsense_under_a_valid_seal_is_no_detector(tmp_path, name):
    save_detector(make_detector(), tmp_path)
    content = json.loads((tmp_path / "model.json").read_bytes())
    for value in (None, "x", -1, 10**12, 1e300, [], {"a": 1}, [None], [1e300] * 5, [[[]]]):
        spec = {**content["spec"], name: value}
        if name == "labels" and value in ("x", {"a": 1}):
            continue  # one label, however it is written
        altered = seal({**content, "spec": spec})
        (tmp_path / "model.json").write_text(json.dumps(altered, indent=2) + "\n")
        with pytest.raises(ModelError, match=r"model\.(json|safetensors)"):
            load_detector(tmp_path, CPU)
