"""The texture descriptors: unit rows of a fixed length, finite for any picture, with their laws."""

import json
from importlib.resources import files

import numpy as np
import pytest

from embeddings.extractors import SpecRequest
from embeddings.extractors.texture import BLOCKS, EXTRACTOR, INPUT_SIZE, describe_blocks
from embeddings.texture.salient_regions import SALIENT_FEATURES, describe_salient, remove_background

SPEC = EXTRACTOR.make_spec(SpecRequest(name="texture"))
EXTRACT = EXTRACTOR.load(SPEC)
DIM = SPEC.dim


def noise(shape=(64, 64), *, seed=0, low=0.3, high=0.7):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def particle(*, at=(32, 32), radius=8, level=0.9, seed=0):
    picture = noise(seed=seed, low=0.35, high=0.45)
    yy, xx = np.mgrid[:64, :64]
    picture[(yy - at[0]) ** 2 + (xx - at[1]) ** 2 <= radius**2] = level
    return picture


def scratch(*, row=32, seed=0):
    picture = noise(seed=seed, low=0.35, high=0.45)
    yy, xx = np.mgrid[:64, :64]
    picture[np.abs(yy - row - (xx - 32) * 0.5) < 2] = 0.9
    return picture


def embed(*pictures):
    return EXTRACT(np.stack(pictures)[:, None])


def test_the_spec_names_the_blocks_and_their_length():
    spec = SPEC
    assert (spec.name, spec.layers, spec.input_size) == ("texture", tuple(BLOCKS), INPUT_SIZE)
    assert (spec.fit, spec.weights_sha256) == ("none", "")


def test_scale_matches_the_blocks_feature_by_feature():
    scale = json.loads(files("embeddings.texture").joinpath("scale.json").read_text())["blocks"]
    described = describe_blocks(noise()[None])
    assert list(scale) == list(BLOCKS) == list(described)
    for name, block in scale.items():
        assert len(block["mean"]) == len(block["spread"]) == len(described[name]), name
        assert min(block["spread"]) > 0, name
    assert DIM == sum(len(block["mean"]) for block in scale.values())


@pytest.mark.parametrize("channels", [1, 3])
def test_vectors_are_float32_unit_rows(channels):
    batch = np.random.default_rng(0).random((3, channels, 64, 64), dtype=np.float32)
    rows = EXTRACT(batch)
    assert (rows.shape, rows.dtype) == ((3, DIM), np.float32)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_colour_is_seen_as_its_mean():
    colour = np.random.default_rng(0).random((1, 3, 64, 64), dtype=np.float32)
    assert np.allclose(EXTRACT(colour), EXTRACT(colour.mean(axis=1, keepdims=True)), atol=1e-6)


@pytest.mark.parametrize(
    "shape", [(64, 64), (16, 16), (1, 64), (64, 1), (2, 256), (17, 40)], ids=str
)
@pytest.mark.parametrize("fill", ["black", "white", "grey", "noise", "half", "one pixel"])
def test_any_picture_gives_a_finite_row(shape, fill):
    picture = {
        "black": np.zeros(shape), "white": np.ones(shape), "grey": np.full(shape, 0.5),
        "noise": noise(shape), "half": np.indices(shape)[1] >= shape[1] // 2,
        "one pixel": np.indices(shape).sum(axis=0) == 0,
    }[fill]  # fmt: skip
    (row,) = EXTRACT(picture.astype(np.float32)[None, None])
    assert np.isfinite(row).all()
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-6)


def test_uniform_fields_are_alike_and_tell_their_brightness():
    dark, same, bright = embed(*(np.full((64, 64), v, np.float32) for v in (0.2, 0.2, 0.8)))
    assert np.array_equal(dark, same)
    assert not np.array_equal(dark, bright)
    textured = embed(noise(), scratch())
    assert dark @ bright > (textured @ dark).max()


@pytest.mark.parametrize("block", ["glcm", "lbp", "levels", "zernike"])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_changes_nothing(block, turns):
    picture = scratch()
    described = describe_blocks(picture[None])[block]
    turned = describe_blocks(np.rot90(picture, turns)[None].copy())[block]
    assert np.allclose(described, turned, atol=1e-6)


def test_a_turned_picture_stays_nearer_than_another_defect():
    base, turned, other = embed(scratch(), np.rot90(scratch()).copy(), particle())
    assert base @ turned > 0.95 > base @ other


@pytest.mark.parametrize("block", ["glcm", "lbp"])
def test_texture_is_told_apart_from_brightness_and_contrast(block):
    picture = noise()
    dimmed = describe_blocks((picture * 0.5 + 0.1)[None])[block]
    assert np.allclose(describe_blocks(picture[None])[block], dimmed, atol=0.02)


def test_levels_see_what_texture_leaves_out():
    picture = noise(low=0.2, high=0.4)
    assert not np.allclose(
        describe_blocks(picture[None])["levels"], describe_blocks((picture + 0.4)[None])["levels"]
    )


def test_the_same_defect_elsewhere_is_the_nearest():
    one, moved, line = embed(particle(), particle(at=(20, 40), seed=1), scratch(seed=2))
    assert one @ moved > one @ line


def test_nothing_stands_out_of_noise_and_a_particle_does():
    assert not describe_salient(noise())[5:].any()
    features = describe_salient(particle())
    assert (features[5], len(features)) == (1.0, SALIENT_FEATURES)
    assert features[6] > 0  # brighter than its surroundings
    assert describe_salient(particle(level=0.05))[6] < 0


@pytest.mark.parametrize("axis", [0, 1])
def test_lines_are_taken_for_background_and_what_lies_on_them_is_not(axis):
    stripes = np.where(np.arange(64) // 4 % 2, 0.7, 0.3)
    picture = np.broadcast_to(stripes if axis else stripes[:, None], (64, 64)).copy()
    picture += np.random.default_rng(0).normal(0, 0.02, (64, 64))
    picture[30:36, 30:36] += 0.3
    rest = np.abs(remove_background(picture.astype(np.float32)))
    assert rest[31:35, 31:35].min() > 5
    assert np.median(rest) < 2


def test_the_same_picture_is_the_same_vector_in_any_company():
    pictures = [noise(seed=i) for i in range(5)]
    together = embed(*pictures)
    for i in (0, 4):
        assert np.array_equal(embed(pictures[i])[0], together[i])
