"""Numbers of what stands out as an extractor, and the view that shows it to a network."""

import numpy as np
import pytest

from embeddings.extractors import SpecRequest, find_extractor
from embeddings.extractors.standout import read_numbers
from embeddings.highlight import NUMBERS, describe_regions, highlight
from embeddings.images import Picture, Region, show_picture
from embeddings.records import ExtractorSpec
from embeddings.weights import NO_WEIGHTS


def draw(radius, *, seed=0, shape=(96, 120)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    spot = np.hypot(y - 50, x - 60) < radius
    noise = np.random.default_rng(seed).normal(0, 0.02, shape)
    return np.clip(0.4 + 0.3 * spot + noise, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def extractor():
    plugin = find_extractor("standout")
    return plugin.load(plugin.make_spec(SpecRequest(name="standout")), NO_WEIGHTS, None)


def test_numbers_come_back_from_unit_rows(extractor):
    pictures = [draw(radius) for radius in (0, 4, 12)]
    rows = extractor(np.stack(pictures)[:, None])
    assert (3, extractor.spec.dim) == rows.shape
    np.testing.assert_allclose(1, np.linalg.norm(rows, axis=1), rtol=1e-6)
    expected = np.stack([describe_regions(highlight(one)) for one in pictures])
    np.testing.assert_allclose(expected, read_numbers(rows), rtol=1e-4, atol=1e-5)
    assert [0, 1, 1] == np.rint(read_numbers(rows)[:, NUMBERS.index("found")]).tolist()


def test_pictures_in_which_nothing_stands_out_have_one_row(extractor):
    rows = extractor(np.stack([draw(0, seed=seed) for seed in range(4)])[:, None])
    assert 1 == len(np.unique(rows, axis=0))


def test_a_sliver_has_nothing(extractor):
    assert not read_numbers(extractor(np.ones((1, 1, 4, 90), np.float32))).any()


def show(pixels, **given):
    spec = ExtractorSpec(name="lite", view="highlight", input_size=48, dim=8, fit="stretch")
    levels = np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    picture = Picture(
        pixels=levels, kind="uint8", page=0, bit_depth=8, um_per_pixel=float("nan"), nan_pixels=0
    )
    return show_picture(picture, spec, window=(0, 255), **given)


def test_the_view_shows_what_stands_out_without_its_background():
    shown = show(draw(8))
    assert (1, 48, 48) == shown.shape
    assert 0.5 == pytest.approx(float(np.median(shown)), abs=0.03)
    assert shown[0, 24, 24] > 0.8
    # On a brighter and sloping background it looks the same.
    slope = np.linspace(0, 0.2, 120, dtype=np.float32)[None]
    np.testing.assert_allclose(shown, show(draw(8) + slope), atol=0.12)


def test_a_region_is_looked_at_alone_and_a_sliver_as_it_is():
    whole = show(draw(8))
    part = show(draw(8), region=Region(x0=30, y0=20, width=60, height=60))
    assert whole.shape == part.shape
    assert (1, 48, 48) == show(draw(0, shape=(5, 90))).shape


def test_a_spec_of_the_view_is_another_store_and_reads_back():
    plain = ExtractorSpec(name="lite", dim=8)
    spec = ExtractorSpec(name="lite", dim=8, view="highlight")
    assert plain.hash != spec.hash
    assert spec == ExtractorSpec.from_dict(spec.to_dict())
