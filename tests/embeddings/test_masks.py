"""A folder that holds masks beside its images says so, and what leaves them out."""

import logging

import numpy as np
import pytest
from PIL import Image

from embeddings.extract import extract_vectors
from embeddings.extract.masks import tell_masks
from embeddings.extract.options import ExtractOptions
from embeddings.extract.sources import open_source


def draw_picture(number):
    return np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)


def draw_mask(number):
    mask = np.zeros((32, 32), np.uint8)
    mask[4 : 5 + number, 4:12] = 255
    return mask


def lay(folder, picture, mask, *, n=6, draw=draw_mask):
    """Write n pictures and what stands beside each; the names have a place for its number."""
    for number in range(n):
        for name, pixels in ((picture, draw_picture(number)), (mask, draw(number))):
            path = folder / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return folder


def tell(folder, **options):
    options = ExtractOptions(**options)
    return tell_masks(open_source(folder, options), options)


@pytest.mark.parametrize(
    ("picture", "mask", "glob"),
    [
        ("{}.jpg", "{}.png", "*.png"),
        ("a/{}.JPG", "masks/a/{}.png", "*.png"),
        ("{}.png", "{}_mask.png", "*_mask.png"),
        ("{}.jpg", "{}-mask.png", "*-mask.png"),
        ("test/cut/{}.png", "truth/cut/{}_gt.png", "*_gt.png"),
        ("{}.png", "{}_label.tif", "*_label.tif"),
        ("images/{}.png", "masks/{}.png", "masks"),
        ("train/a/{}.png", "ground_truth/a/{}.png", "ground_truth"),
    ],
)
def test_masks_are_told_with_the_glob_that_leaves_them_out(tmp_path, picture, mask, glob):
    lay(tmp_path, picture, mask)
    (told,) = tell(tmp_path)
    assert told.startswith("6 of 12 files look like masks of their neighbours")
    assert told.endswith(f"--exclude '{glob}'")
    assert 6 == len(open_source(tmp_path, ExtractOptions(exclude=(glob,))).files)
    assert [] == tell(tmp_path, exclude=(glob,))


@pytest.mark.parametrize(
    ("picture", "other", "draw"),
    [
        ("{}.jpg", "{}.png", draw_picture),  # two pictures of one defect
        ("lot1/{}.png", "lot2/{}.png", draw_mask),  # names that lots have in common
        ("{}.png", "other_{}.png", draw_mask),  # a binary picture by itself
        ("images/{}.png", "masks/{}.png", draw_picture),  # of a mask in the other sense
    ],
)
def test_what_is_no_mask_is_not_told(tmp_path, picture, other, draw):
    assert [] == tell(lay(tmp_path, picture, other, draw=draw))


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_blank_masks_and_those_of_several_classes_are_masks(tmp_path, levels):
    def draw(number):
        return (np.arange(32 * 32).reshape(32, 32) % levels).astype(np.uint8)

    assert 1 == len(tell(lay(tmp_path, "{}.jpg", "{}.png", draw=draw)))


def test_what_the_glob_takes_beside_is_told(tmp_path):
    lay(tmp_path, "{}.jpg", "{}.png")
    Image.fromarray(draw_picture(9)).save(tmp_path / "alone.png")
    (told,) = tell(tmp_path)
    assert told.endswith("--exclude '*.png' (which leaves out 1 other file)")


def test_a_sample_is_decoded_and_no_more(tmp_path, monkeypatch):
    from embeddings.extract import masks

    read, real = [], masks.read_pictures
    monkeypatch.setattr(
        masks, "read_pictures", lambda path, **how: read.append(path) or real(path, **how)
    )
    lay(tmp_path, "{}.jpg", "{}.png", n=60)
    (told,) = tell(tmp_path)
    assert "20 of 20 that were looked at" in told
    assert 40 + 5 == len(read)  # and five pictures, which are no masks of the masks


def test_an_extraction_tells_and_leaves_nothing_out(tmp_path, caplog):
    lay(tmp_path / "images", "{}.jpg", "{}.png")
    with caplog.at_level(logging.WARNING, logger="defect-discovery"):
        extracted = extract_vectors(
            tmp_path / "images", tmp_path / "store", options=ExtractOptions(extractor="texture")
        )
    assert 12 == len(extracted.ids)
    assert 1 == sum("look like masks" in text for text in extracted.warnings)
    assert 1 == sum("look like masks" in text for text in caplog.messages)
