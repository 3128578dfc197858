"""Images are learned, answered and scored: one small training for all, a few odd ones apart."""

import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from discovery.classifier import predict as module
from discovery.classifier.evaluate import assess_classifier
from discovery.classifier.examples import Examples, read_examples
from discovery.classifier.features import reopen_feature_source
from discovery.classifier.model import load_model, save_model
from discovery.classifier.options import PredictOptions, TrainOptions
from discovery.classifier.parts import find_parts
from discovery.classifier.predict import predict_images, tabulate_answers
from discovery.classifier.taxonomy import Taxonomy
from discovery.classifier.train import train_classifier
from embeddings.errors import HandoffError, InputError, OptionError
from embeddings.extract import ExtractOptions
from embeddings.files import format_faults
from embeddings.reader import preparation

pytestmark = pytest.mark.usefixtures("few_steps")
KINDS = ("no_defect", "defect/pit", "defect/scratch")
EACH = 8
SIDE = 48
TEXTURE = ExtractOptions(extractor="texture")
OPTIONS = TrainOptions(epochs=4, extract=TEXTURE)


def draw(kind, seed, noise=6.0):
    rng = np.random.default_rng([seed, len(kind)])
    y, x = np.mgrid[:SIDE, :SIDE]
    at = rng.integers(14, 34)
    shape = {
        "no_defect": 0 * x,
        "defect/pit": 90 * (np.hypot(x - at, y - 24) < 8),
        "defect/scratch": 90 * (np.abs(x + 2 * y - 3 * at) < 5),
        "rings": 70 * np.cos(np.hypot(x - at, y - at)),
    }[kind]
    return np.clip(100 + shape + rng.normal(0, noise, (SIDE, SIDE)), 0, 255).astype(np.uint8)


def fill(folder, kinds=KINDS, *, first=0, each=EACH, noise=6.0):
    """Draw pictures and write truth.csv; returns the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["path,label"]
    for kind in kinds:
        for i in range(first, first + each):
            name = f"{kind.replace('/', '_')}_{i:02}.png"
            Image.fromarray(draw(kind, i, noise)).save(folder / name)
            lines.append(f"{name},{kind}")
    (folder / "truth.csv").write_text("\n".join(lines) + "\n")
    return folder / "truth.csv"


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    return read_examples(fill(tmp_path_factory.mktemp("learned")))


@pytest.fixture(scope="module")
def model(few_steps, learned):
    return train_classifier(learned, options=OPTIONS)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Pictures of the same types that nobody learned."""
    return fill(tmp_path_factory.mktemp("fresh"), first=50, each=4)


def answer(model, folder, **options):
    found = find_parts(folder, ExtractOptions())
    return found, predict_images(model, found.parts, options=PredictOptions(**options))


# --- train ---


def test_a_model_says_what_it_learned(model, learned):
    assert sorted(KINDS) == sorted(model.cascade.classes_.tolist())
    training = model.training
    assert (learned.sha256, learned.digest) == (training["sha256"], training["digest"])
    assert (24, 0, 0) == (training["images"], training["left_out"], training["unusable"])
    assert dict.fromkeys(sorted(KINDS), EACH) == training["types"]
    assert (0, 4) == (training["options"]["seed"], training["options"]["epochs"])
    assert {"torch", "numpy"} <= set(training["versions"])
    assert training["held_out"]["n"] == 24
    assert training["held_out"]["accuracy"] > 0.8
    assert {"uint8"} == set(model.windows)


def test_the_same_seed_gives_the_same_model(model, learned, fresh):
    again = train_classifier(learned, options=OPTIONS)
    first, second = answer(model, fresh.parent)[1], answer(again, fresh.parent)[1]
    np.testing.assert_array_equal(first.predictions.confidences, second.predictions.confidences)


def test_one_type_is_refused(learned):
    one = learned.take(np.flatnonzero(learned.labels == "no_defect"))
    with pytest.raises(HandoffError, match=r"hold one type \(no_defect, 8 images\), expected two"):
        train_classifier(one, options=OPTIONS)


def test_a_type_whose_images_are_all_unreadable_leaves_one_type(learned, tmp_path):
    table = fill(tmp_path / "set", KINDS[:2], each=2)
    read = read_examples(table)
    for path in (tmp_path / "set").glob("defect*"):
        path.unlink()
    with pytest.raises(HandoffError, match="hold one type"):
        train_classifier(read, options=OPTIONS)


def test_one_image_of_a_type_is_learned_with_a_warning(learned, caplog, fresh):
    pits = np.flatnonzero(learned.labels == "defect/pit")
    few = learned.take(np.setdiff1d(np.arange(len(learned)), pits[1:]))
    with caplog.at_level(logging.WARNING, "defect-discovery"):
        model = train_classifier(few, options=OPTIONS)
    assert "learned from one image each, so that nothing can vouch for them: defect/pit" in (
        caplog.text
    )
    assert 16 == model.training["held_out"]["n"]
    assert "defect/pit" in model.cascade.classes_


def test_a_type_of_weight_nought_is_refused_by_name(learned):
    weights = np.where(learned.labels == "defect/pit", 0, 1).astype(np.float32)
    with pytest.raises(HandoffError, match="every image of defect/pit has weight 0"):
        train_classifier(replace(learned, weights=weights), options=OPTIONS)


def test_labels_may_stop_at_any_node(learned, fresh):
    labels = learned.labels.copy()
    labels[np.flatnonzero(labels == "defect/pit")[::2]] = "defect"
    model = train_classifier(replace(learned, labels=labels), options=OPTIONS)
    assert sorted(KINDS) == sorted(model.cascade.classes_.tolist())
    assert 4 == model.training["types"]["defect"]


def test_missing_files_are_counted(learned, tmp_path, caplog):
    read = read_examples(fill(tmp_path / "set", each=3))
    (tmp_path / "set" / "no_defect_00.png").unlink()
    with caplog.at_level(logging.WARNING, "defect-discovery"):
        model = train_classifier(read, options=OPTIONS)
    assert "1 labelled image could not be used" in caplog.text
    assert "no_defect_00.png" in caplog.text
    assert (8, 1) == (model.training["images"], model.training["unusable"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"target_purity": 1.5}, "--target-purity 1.5: expected 0.5 to 1"),
        ({"target_purity": float("nan")}, "--target-purity nan"),
        ({"epochs": 0}, "--epochs 0"),
        ({"seed": -1}, "--seed -1"),
        ({"extract": ExtractOptions(tile=64)}, "--tile has no effect here"),
        ({"extract": ExtractOptions(data_bar="crop")}, "--data-bar crop has no effect here"),
        ({"finetune": True, "extract": TEXTURE}, "--finetune needs ResNet-50"),
    ],
)
def test_wrong_options_are_refused(values, words):
    with pytest.raises(OptionError, match=words):
        TrainOptions(**values)


# --- predict ---


def test_fresh_pictures_are_told_apart_and_copies_have_a_row_each(model, fresh, tmp_path):
    shutil.copytree(fresh.parent, tmp_path / "set")
    shutil.copyfile(tmp_path / "set" / "no_defect_50.png", tmp_path / "set" / "copy.png")
    found, answered = answer(model, tmp_path / "set")
    truth = [part.path.rsplit("/", 1)[1].rsplit("_", 1)[0] for part in answered.parts]
    said = [label.replace("/", "_") for label in answered.predictions.forced.tolist()]
    right = [a == b or a == "copy.png" for a, b in zip(truth, said, strict=True)]
    assert np.mean(right) > 0.8
    header, *lines = tabulate_answers(answered, found).decode().splitlines()
    assert header == "image_id,path,label,confidence,verdict,p_L1,p_L2,forced,novelty,noise"
    assert 13 == len(lines)
    rows = {line.split(",")[1].rsplit("/", 1)[1]: line.split(",") for line in lines}
    first, copy = rows["no_defect_50.png"], rows["copy.png"]
    assert (first[0], first[2:]) == (copy[0], copy[2:])


def test_answers_do_not_depend_on_how_many_are_asked_at_once(model, fresh, monkeypatch):
    _, whole = answer(model, fresh.parent)
    monkeypatch.setattr(module, "_BLOCK", 5)
    _, cut = answer(model, fresh.parent)
    assert whole.parts == cut.parts
    assert whole.predictions.forced.tolist() == cut.predictions.forced.tolist()
    assert whole.predictions.verdicts.tolist() == cut.predictions.verdicts.tolist()
    for name in ("level_probabilities", "confidences", "novelties", "noises"):
        first, second = getattr(whole.predictions, name), getattr(cut.predictions, name)
        np.testing.assert_allclose(first, second, rtol=1e-5)
    assert (0, whole.gate) == (len(whole.rows), cut.gate)


def test_unreadable_files_are_told_and_the_rest_is_answered(model, fresh, tmp_path):
    shutil.copytree(fresh.parent, tmp_path / "set")
    found = find_parts(tmp_path / "set", ExtractOptions())
    (tmp_path / "set" / "no_defect_50.png").unlink()
    answered = predict_images(model, found.parts)
    assert (11, 1) == (len(answered.predictions), len(answered.faults))
    table = format_faults(answered.faults).decode()
    assert table.startswith("path,reason\n")
    assert "no_defect_50.png" in table
    shutil.rmtree(tmp_path / "set")
    with pytest.raises(InputError, match="none of 12 files can be read"):
        predict_images(model, found.parts)


def test_pictures_of_a_kind_that_was_not_learned_get_a_window_of_their_own(model, tmp_path, caplog):
    for i in range(3):
        pixels = draw("defect/pit", i).astype(np.uint16) * 4 + 800
        tifffile.imwrite(tmp_path / f"{i}.tif", pixels, photometric="minisblack")
    Image.fromarray(draw("no_defect", 90)).save(tmp_path / "a.png")
    with caplog.at_level(logging.WARNING, "defect-discovery"):
        _, answered = answer(model, tmp_path)
    assert 4 == len(answered.predictions)
    assert "without pictures of the kind uint16" in caplog.text
    assert {"uint8", "uint16"} == set(answered.windows)


def test_kinds_of_pictures_that_the_sample_missed_are_learned_and_answered(tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "SAMPLE_FILES", 2)
    table = fill(tmp_path, each=4)
    lines = table.read_text().splitlines()
    for i in range(3):  # named so that neither the first file nor the middle one is wide
        pixels = draw("defect/pit", 30 + i).astype(np.uint16) * 4 + 800
        tifffile.imwrite(tmp_path / f"zz{i}.tif", pixels, photometric="minisblack")
        lines.append(f"zz{i}.tif,defect/pit")
    Image.fromarray(draw("no_defect", 40)).convert("F").save(tmp_path / "zz9.tif")
    table.write_text("\n".join([*lines, "zz9.tif,no_defect"]) + "\n")
    truth = read_examples(table)
    model = train_classifier(truth, options=OPTIONS)
    assert (16, 0) == (model.training["images"], model.training["unusable"])
    assert {"uint8", "uint16", "float32"} == set(model.windows)
    narrow = replace(model, windows={"uint8": model.windows["uint8"]})
    for asked in (model, narrow):
        answered = predict_images(asked, truth.parts)
        assert (16, ()) == (len(answered.predictions), answered.faults)
        assert set(truth.parts) == set(answered.parts)
        assert {"uint8", "uint16", "float32"} == set(answered.windows)


def test_noisy_pictures_are_denoised_or_undecided(model, tmp_path):
    fill(tmp_path, each=5, noise=40.0)
    _, answered = answer(model, tmp_path)
    said, gate = answered.predictions, answered.gate
    assert (said.noises > model.gate["threshold"]).all()
    assert 0 == gate["clear"]
    assert 15 == gate["denoised"] + gate["too_noisy"]
    assert gate["too_noisy"] <= int((said.verdicts == "undecided").sum())


def test_nothing_in_pure_noise_escapes_as_a_plain_film(model, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        noise = rng.normal(128, 70, (96, 96)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{i}.png")
    _, answered = answer(model, tmp_path)
    assert {"clear": 0, "denoised": 0, "too_noisy": 6} == dict(answered.gate)
    assert ["undecided"] * 6 == answered.predictions.verdicts.tolist()
    assert [""] * 6 == answered.predictions.labels.tolist()


def test_a_model_that_was_read_answers_the_same(model, fresh, tmp_path):
    save_model(model, tmp_path / "m")
    first, second = (
        answer(model, fresh.parent)[1],
        answer(load_model(tmp_path / "m"), fresh.parent)[1],
    )
    for name in type(first.predictions).__slots__:
        np.testing.assert_array_equal(
            getattr(first.predictions, name), getattr(second.predictions, name)
        )


def test_a_model_says_where_it_answers_by_another_arithmetic(model, caplog):
    assert "texture" == reopen_feature_source(model.spec, {}, options=TEXTURE).spec.name
    assert "" == caplog.text


# --- evaluate ---


def test_the_scores_have_the_keys_of_the_contract(model, fresh):
    scores = assess_classifier(model, read_examples(fresh)).scores
    keys = {"accuracy", "flat_accuracy", "levels", "coverage", "ece", "aurc"}
    assert keys <= set(scores)
    assert {"L1", "L2"} == set(scores["levels"])
    assert all({"accuracy", "n"} <= set(level) for level in scores["levels"].values())
    assert (12, 8) == (scores["levels"]["L1"]["n"], scores["levels"]["L2"]["n"])
    assert scores["accuracy"] > 0.8
    assert {"clear", "denoised", "too_noisy", "threshold", "method"} == set(scores["noise_gate"])
    assert ["cascade", "cascade: network on all features"] == [
        row["name"] for row in scores["ablation"]
    ][:2]
    assert (0, []) == (scores["unreadable"], scores["unlearned"]["types"])


def test_images_that_were_learned_are_told(model, learned, fresh, tmp_path):
    table = fill(tmp_path / "again", each=2)  # the pictures that were learned, as other files
    assessed = assess_classifier(model, read_examples(table))
    assert 6 == assessed.scores["leaks"]["exact"]
    assert "6 of 6 images of the truth were learned" in assessed.leaks[0]
    assert assessed.leaks[0] in assessed.data.warnings
    assert 0 == assess_classifier(model, read_examples(fresh)).scores["leaks"]["exact"]
    ids = model.training["image_ids"].split()
    assert sorted(part.image_id for part in learned.parts) == ids


def test_types_that_were_not_learned_are_scored_apart(model, tmp_path):
    table = fill(tmp_path, (*KINDS, "rings"), first=70, each=3)
    assessed = assess_classifier(model, read_examples(table))
    unlearned = assessed.scores["unlearned"]
    assert (9, ["rings"]) == (assessed.scores["n"], unlearned["types"])
    assert (3, 9) == (unlearned["n_unknown"], unlearned["n_known"])
    assert 3 == sum(unlearned["called"].values())
    assert unlearned["auroc"] > 0.8
    assert any("rings" in warning for warning in assessed.data.warnings)
    (row,) = assessed.data.left_out["types"]
    assert ("rings", unlearned["auroc"]) == (row["label"], row["auroc"])


def test_a_truth_may_be_coarser_or_finer_than_the_tree(model, fresh):
    truth = read_examples(fresh)
    finer = np.where(truth.labels == "defect/pit", "defect/pit/deep", truth.labels)
    coarser = np.where(truth.labels == "defect/pit", "defect", truth.labels)
    exact = assess_classifier(model, truth).scores["accuracy"]
    assert exact == assess_classifier(model, replace(truth, labels=finer)).scores["accuracy"]
    assert exact <= assess_classifier(model, replace(truth, labels=coarser)).scores["accuracy"]


def test_labels_are_located_in_the_tree():
    tree = Taxonomy.from_labels(["defect/pit", "defect/large/scratch", "no_defect"])
    given = ["defect", "defect/pit/deep", "defect/large", "defect/void", "other", "no_defect"]
    expected = ["defect", "defect/pit", "defect/large", "", "", "no_defect"]
    assert expected == [tree.locate(label) for label in given]


def test_a_truth_without_any_learned_type_is_refused(model, fresh):
    truth = read_examples(fresh)
    labels = np.array(["rings"] * len(truth))
    with pytest.raises(HandoffError, match=r"none of the truth's types \(rings\) is one of the"):
        assess_classifier(model, replace(truth, labels=labels))


def test_a_truth_whose_known_images_are_gone_is_refused(model, tmp_path):
    truth = read_examples(fill(tmp_path, ("no_defect", "rings"), each=2))
    assert isinstance(truth, Examples)
    for path in tmp_path.glob("no_defect*"):
        path.unlink()
    with pytest.raises(HandoffError, match="none of the images of a known type can be read"):
        assess_classifier(model, truth)
