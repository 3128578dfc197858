"""Pictures become rows: orientations, varied copies, what a store knows already, the noise gate."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torchvision.models import resnet50

from discovery.classifier.augment import AugmentOptions, turn_picture
from discovery.classifier.describe import (
    _WORKERS,
    DescribeOptions,
    describe_images,
    describe_moments,
    join_described,
)
from discovery.classifier.enhance.gate import GateOptions
from embeddings.extractors import SpecRequest
from embeddings.extractors.resnet50 import EXTRACTOR as RESNET50
from embeddings.extractors.texture import EXTRACTOR as TEXTURE
from embeddings.reader import Part, Preparation, ReadParts, name_part, read_parts
from embeddings.records import ExtractorSpec
from embeddings.weights import Weights

CPU = torch.device("cpu")
SIDE = 64


class Counting:
    """The extractor itself, which remembers the pictures it was given."""

    def __init__(self, extractor):
        self.inner, self.spec = extractor, extractor.spec
        self.fills_batches, self.seen = extractor.fills_batches, 0

    def __call__(self, batch):
        self.seen += int((batch != 0).any(axis=(1, 2, 3)).sum())  # a last batch is filled with 0
        return self.inner(batch)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    spec = ExtractorSpec(
        name="resnet50",
        weights="random",
        weights_sha256="0" * 64,
        layers=("layer3",),
        input_size=SIDE,
        dim=1024,
    )
    tensors = {k: v for k, v in resnet50().state_dict().items() if not k.startswith("fc.")}
    weights = Weights(name="random", sha256="0" * 64, tensors=tensors)
    return RESNET50.load(spec, weights, CPU)


@pytest.fixture(scope="module")
def texture():
    return TEXTURE.load(TEXTURE.make_spec(SpecRequest(name="texture")))


def draw(seed=0, *, noise=0.02, side=SIDE, defect=True):
    """A film with a bright spot, (1, side, side)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    spot = 0.35 * (np.hypot(x - side / 3, y - side / 2) < side / 7) if defect else 0.0
    return np.clip(0.4 + spot + rng.normal(0, noise, (1, side, side)), 0, 1).astype(np.float32)


def hold(*images):
    return [
        ReadParts(images=[(Part(image_id=f"i{i}", path=f"{i}.png"), image)])
        for i, image in enumerate(images)
    ]


def describe(images, extractor, **options):
    known = options.pop("known", None)
    chosen = DescribeOptions(**options)
    return describe_images(hold(*images), extractor, options=chosen, known=known)


# --- copies ---


def test_a_network_sees_every_orientation_and_the_moments_stand_behind(network):
    images = [draw(0), draw(1)]
    said = describe(images, network)
    assert (2, 8) == said.rows.shape[:2]
    for i, image in enumerate(images):
        for k in (0, 3, 6):
            np.testing.assert_allclose(
                said.rows[i, k, :1024], network(turn_picture(image, k)[None])[0], atol=1e-5
            )
            np.testing.assert_array_equal(said.rows[i, k, 1024:], describe_moments(image))
    assert (1024, said.rows.shape[2] - 1024) == said.blocks


def test_one_orientation_where_the_way_up_matters(network):
    image = draw(0)
    said = describe([image], network, orientations=1)
    assert (1, 1) == said.rows.shape[:2]
    np.testing.assert_allclose(said.rows[0, 0, :1024], network(image[None])[0], atol=1e-5)


def test_varied_copies_stand_behind_the_orientations(network):
    augment = AugmentOptions(copies=2)
    said = describe([draw(0)], network, augment=augment, seed=4)
    assert (1, 10) == said.rows.shape[:2]
    assert 8 == said.n_orientations
    plain = describe([draw(0)], network)
    np.testing.assert_allclose(plain.rows[0], said.rows[0, :8], atol=1e-5)
    assert np.linalg.norm(said.rows[0, 8] - said.rows[0, 9]) > 1e-3
    again = describe([draw(0)], network, augment=augment, seed=4)
    np.testing.assert_array_equal(said.rows, again.rows)


def test_texture_sees_one_copy_and_has_no_second_block(texture):
    image = draw(0)
    said = describe([image], texture, augment=AugmentOptions(copies=3))
    assert (1, 1, texture.spec.dim) == said.rows.shape
    assert (texture.spec.dim,) == said.blocks
    np.testing.assert_array_equal(texture(image[None])[0], said.rows[0, 0])


@pytest.mark.parametrize("kind", ["network", "texture"])
def test_what_a_store_knows_is_taken_and_not_made_again(kind, request):
    extractor = Counting(request.getfixturevalue(kind))
    known = {"i1": np.full(extractor.spec.dim, 0.5, np.float32)}
    said = describe([draw(0), draw(1)], extractor, known=known)
    deep = said.rows[:, :, : extractor.spec.dim]
    np.testing.assert_array_equal(known["i1"], deep[1, 0])
    copies = deep.shape[1]
    assert 2 * copies - 1 == extractor.seen
    plain = describe([draw(0), draw(1)], extractor)
    np.testing.assert_allclose(plain.rows[1, 1:], said.rows[1, 1:], atol=1e-5)


def test_pictures_that_are_not_square_keep_their_shape_in_each_orientation(network):
    wide = draw(0)[:, :, : SIDE // 2].copy()
    said = describe([wide], network)
    assert (1, 8, 8) == (*said.rows.shape[:2], said.n_orientations)
    for copy, k in enumerate((0, 2, 4, 6, 0, 2, 4, 6)):
        expected = network(turn_picture(wide, k)[None])[0]
        np.testing.assert_allclose(said.rows[0, copy, :1024], expected, atol=1e-5)


def test_no_varied_copy_stands_among_the_orientations_whatever_the_shape(network):
    pictures = [draw(0)[:, :, : SIDE // 2].copy(), draw(1)]
    plain = describe(pictures, network)
    varied = describe(pictures, network, augment=AugmentOptions(copies=3))
    assert (2, 11, 8) == (*varied.rows.shape[:2], varied.n_orientations)
    np.testing.assert_allclose(plain.rows, varied.rows[:, : varied.n_orientations], atol=1e-5)
    last = varied.rows[:, 8:, :1024]
    assert np.linalg.norm(last - plain.rows[:, 5:, :1024], axis=2).min() > 1e-3
    # A picture's rows do not depend on the shapes of those beside it.
    for i, picture in enumerate(pictures):
        alone = describe([picture], network, augment=AugmentOptions(copies=3))
        np.testing.assert_allclose(alone.rows[0], varied.rows[i], atol=1e-5)


def test_no_more_than_a_few_pictures_are_held_however_slow_the_moments_are(network):
    alive = []

    class Plain:
        """A network that costs nothing: the moments are what takes time."""

        spec, fills_batches = network.spec, False

        def __call__(self, batch):
            return np.zeros((len(batch), self.spec.dim), np.float32)

    most = 0

    def stream():
        nonlocal most
        for i in range(300):
            image = draw(i)
            alive.append(weakref.ref(image))
            yield ReadParts(images=[(Part(image_id=f"i{i}", path=f"{i}.png"), image)])
            del image
            most = max(most, sum(ref() is not None for ref in alive))

    said = describe_images(stream(), Plain(), options=DescribeOptions(orientations=1), batch_size=4)
    assert 300 == len(said)
    assert most <= 2 * _WORKERS + 8


# --- noise ---


def test_without_a_gate_noise_is_measured_and_everything_passes(texture):
    said = describe([draw(0, noise=0.02), draw(1, noise=0.2)], texture)
    assert said.noises[0] < 0.05 < said.noises[1]
    assert ([False, False], None) == (said.is_noisy.tolist(), said.denoised)


def test_a_noisy_picture_is_denoised_beside_the_one_that_came(texture):
    images = [draw(0), draw(1, noise=0.1)]
    said = describe(images, texture, gate=GateOptions(threshold=0.05))
    assert [False, True] == said.is_noisy.tolist()
    assert ["i1"] == said.denoised.ids.tolist()
    np.testing.assert_array_equal(texture(images[1][None])[0], said.rows[1, 0])
    assert np.linalg.norm(said.denoised.rows[0, 0] - said.rows[1, 0]) > 0.01
    assert said.denoised.noises[0] < said.noises[1]


def test_a_picture_that_drowns_in_noise_is_noisy_and_not_denoised(texture):
    drowned = np.random.default_rng(0).random((1, SIDE, SIDE), dtype=np.float32)
    said = describe([drowned], texture, gate=GateOptions(threshold=0.05))
    assert ([True], None) == (said.is_noisy.tolist(), said.denoised)


def test_pictures_too_small_for_filters_pass_unmeasured(texture):
    small = draw(0, side=16)[:, :, :6].copy()
    said = describe([small, draw(1)], texture, gate=GateOptions(threshold=0.05))
    assert [True, False] == np.isnan(said.noises).tolist()
    assert not said.is_noisy.any()
    assert np.isfinite(said.rows).all()


def test_moments_are_finite_on_a_plain_picture():
    moments = describe_moments(np.full((1, SIDE, SIDE), 0.5, np.float32))
    assert np.isfinite(moments).all()
    assert 1 == moments.ndim


# --- reading ---


def make_reading(texture, **windows):
    return Preparation(
        spec=texture.spec, windows={"uint8": (0, 255), **windows}, max_pixels=10**6, workers=2
    )


def test_files_are_read_in_order_and_faults_stay_in_their_place(texture, tmp_path):
    for i in range(12):
        Image.fromarray((255 * draw(i)[0]).astype(np.uint8)).save(tmp_path / f"{i:02}.png")
    (tmp_path / "05.png").write_bytes(b"no picture")
    parts = [name_part(f"i{i:02}", str(tmp_path / f"{i:02}.png")) for i in range(12)]
    files = list(read_parts(parts, make_reading(texture)))
    assert [part.path for part in parts] == [
        file.fault[0] if file.fault else file.images[0][0].path for file in files
    ]
    assert [5] == [i for i, file in enumerate(files) if file.fault]
    said = describe_images(files, texture, options=DescribeOptions())
    assert (11, 1) == (len(said), len(said.faults))
    assert "i05" not in said.ids


def test_pages_and_regions_of_one_file_are_read_together(texture, tmp_path):
    path = tmp_path / "stack.tif"
    stack = np.stack([np.full((40, 40), 50 * page, np.uint8) for page in range(3)])
    stack[2, :20] = 200
    tifffile.imwrite(path, stack, photometric="minisblack")
    names = ["f#2@0,0,20,20", "f#2@0,20,20,20", "f#1"]
    (file,) = read_parts([name_part(name, str(path)) for name in names], make_reading(texture))
    levels = {part.image_id: round(255 * float(image.mean())) for part, image in file.images}
    assert {"f#1": 50, "f#2@0,0,20,20": 200, "f#2@0,20,20,20": 100} == levels
    (lost,) = read_parts([name_part("f#7", str(path))], make_reading(texture))
    assert (str(path), "has no page 7 (counted from 0)") == lost.fault


def test_wide_pictures_are_shown_by_their_window_or_wait_for_one(texture, tmp_path):
    path = tmp_path / "wide.tif"
    tifffile.imwrite(path, np.full((40, 40), 1000, np.uint16), photometric="minisblack")
    parts = [name_part("w", str(path))]
    (file,) = read_parts(parts, make_reading(texture, uint16=(800, 1200)))
    assert pytest.approx(0.5) == float(file.images[0][1].mean())
    (waiting,) = read_parts(parts, make_reading(texture))
    assert (tuple(parts), None, []) == (waiting.deferred, waiting.fault, waiting.images)
    said = describe_images([waiting, *hold(draw())], texture, options=DescribeOptions())
    assert (["i0"], tuple(parts)) == (said.ids.tolist(), said.deferred)


def test_descriptions_are_put_together(texture):
    first, second = describe([draw(0)], texture), describe([draw(1), draw(2)], texture)
    empty = replace(describe([], texture), faults=(("a.png", "gone"),))
    both = join_described(first, second)
    for joined in (both, join_described(empty, both)):
        np.testing.assert_array_equal(joined.rows, np.concatenate([first.rows, second.rows]))
        assert ["i0", "i0", "i1"] == joined.ids.tolist()
        assert 3 == len(joined.noises) == len(joined.is_noisy)
    assert (("a.png", "gone"),) == join_described(first, empty).faults


def test_a_region_outside_of_the_picture_is_a_fault(texture, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray((255 * draw()[0]).astype(np.uint8)).save(path)
    (lost,) = read_parts([name_part("a@900,900,8,8", str(path))], make_reading(texture))
    assert "lies outside" in lost.fault[1]
