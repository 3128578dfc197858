"""Patches, how unlike the rest they are, and what they weigh."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

torch = pytest.importorskip("torch")

from embeddings.errors import StoreError  # noqa: E402
from embeddings.networks.features import embed_turned, turn_pictures  # noqa: E402
from embeddings.pooling import (  # noqa: E402
    Bank,
    PatchMemory,
    find_in_reference,
    fingerprint_picture,
    make_patches,
    measure_against_reference,
    pool_map,
    pool_patches,
    pool_residuals,
    weigh_patches,
)
from embeddings.records import unit_rows  # noqa: E402

CPU = torch.device("cpu")
DISTANCES = arrays(np.float64, (3, 4), elements=st.floats(0, 100))


@settings(max_examples=50, deadline=None)
@given(DISTANCES, st.floats(0.01, 10), st.floats(0.01, 10))
def test_weights_sum_to_one_and_rise_with_the_distance(distances, spread, tau):
    weights = weigh_patches(distances, spread=spread, tau=tau)
    assert 1 == pytest.approx(weights.sum())
    order = np.argsort(distances, axis=None)
    assert (np.diff(weights.ravel()[order]) >= 0).all()


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_patches_alike_count_the_same(spread):
    weights = weigh_patches(np.full((3, 4), 0.7), spread=spread, tau=0.3)
    np.testing.assert_allclose(weights, 1 / 12)


def test_patches_are_unit_by_layer_and_meet_on_the_coarser_grid():
    maps = {"layer2": torch.rand(2, 6, 8, 12), "layer3": torch.rand(2, 10, 4, 6)}
    patches = make_patches(maps, ("layer2", "layer3"))
    assert (2, 4, 6, 16) == tuple(patches.shape)
    for part in (patches[..., :6], patches[..., 6:]):
        torch.testing.assert_close(part.norm(dim=-1), torch.ones(2, 4, 6))


def test_a_picture_of_one_patch_is_that_patch():
    patches = torch.nn.functional.normalize(torch.rand(1, 1, 5), dim=-1).expand(3, 4, 5)
    pooled = pool_patches(patches, torch.full((3, 4), 1 / 12), widths=[5])
    torch.testing.assert_close(pooled, patches[0, 0])


def make_bank(memory, images=4, patches=5, d=8, seed=0):
    rng = np.random.default_rng(seed)
    return Bank(
        memory=memory,
        patches=unit_rows(rng.normal(size=(images * patches, d))).astype(np.float16),
        owners=np.repeat(np.arange(images, dtype=np.int32), patches),
        prints=np.array([[f"print{i}"] for i in range(images)]),
        centre=0.5,
        spread=0.1,
    )


@pytest.mark.parametrize("memory", ["normals", "images"])
@pytest.mark.parametrize("own", [None, 2])
def test_distances_are_those_of_a_plain_search_without_the_own_image(memory, own):
    bank = make_bank(memory)
    patches = torch.nn.functional.normalize(torch.randn(1, 2, 3, 8), dim=-1)
    found = PatchMemory(bank, CPU).measure(patches, ["stranger" if own is None else f"print{own}"])
    known = torch.from_numpy(bank.patches.astype(np.float32))
    all_ = torch.cdist(patches.reshape(6, 8), known).numpy().reshape(6, 4, 5)  # by image
    kept = [i for i in range(4) if i != own]
    nearest = all_[:, kept].min(axis=2)  # (6, images)
    plain = nearest.min(axis=1) if memory == "normals" else nearest.mean(axis=1)
    # The axes are as many as the dimensions here: nothing is left out.
    np.testing.assert_allclose(found.ravel(), plain, atol=1e-3)


@pytest.mark.parametrize("own", [None, 2])
def test_the_nearest_normal_patch_is_that_of_a_plain_search(own):
    bank = make_bank("normals")
    patches = torch.nn.functional.normalize(torch.randn(2, 2, 3, 8), dim=-1)
    prints = ["stranger", "stranger" if own is None else f"print{own}"]
    memory = PatchMemory(bank, CPU)
    distances, nearest = memory.find_nearest(patches, prints)
    assert np.array_equal(memory.measure(patches, prints), distances)
    for picture, owner in ((0, None), (1, own)):
        known = torch.from_numpy(bank.patches[bank.owners != owner].astype(np.float32))
        best = torch.cdist(patches[picture].reshape(6, 8), known).argmin(dim=1)
        assert torch.equal(known[best].reshape(2, 3, 8), nearest[picture])


def test_a_bank_of_the_picture_alone_leaves_nothing():
    bank = make_bank("normals", images=1)
    patches = torch.rand(1, 2, 3, 8)
    distances, nearest = PatchMemory(bank, CPU).find_nearest(patches, ["print0"])
    assert (True, False) == (torch.equal(patches, nearest), distances.any())


def test_among_images_of_the_lot_no_patch_is_the_nearest():
    with pytest.raises(ValueError, match="a bank of images has no nearest patch"):
        PatchMemory(make_bank("images"), CPU).find_nearest(torch.rand(1, 2, 3, 8), ["print0"])


def test_the_nearest_place_of_a_reference_is_found_where_it_moved_to():
    golden = torch.rand(2, 5, 6, 9)
    moved = torch.roll(golden, (1, -1), dims=(1, 2))
    distances, nearest = find_in_reference(moved, golden)
    assert np.array_equal(measure_against_reference(moved, golden), distances)
    torch.testing.assert_close(nearest[:, 1:, :-1], moved[:, 1:, :-1])  # the rest came round
    far = (moved - nearest).norm(dim=3).numpy()
    np.testing.assert_allclose(far, distances, atol=1e-6)


def test_residuals_of_no_length_are_the_constant_direction_layer_by_layer():
    residuals = torch.zeros(3, 4, 5)
    residuals[..., 0] = 1e-4  # less than float16 rounds: no direction
    residuals[1, 2, 2] = -3.0
    pooled = pool_residuals(residuals, torch.full((3, 4), 1 / 12), widths=[2, 3])
    half = 2**-0.5
    torch.testing.assert_close(pooled, torch.tensor([half, half, -1.0, 0.0, 0.0]))


def test_against_its_reference_only_what_changed_is_far():
    golden = torch.nn.functional.normalize(torch.rand(1, 6, 6, 9), dim=-1)
    changed = golden.clone()
    changed[0, 2, 3] = -changed[0, 2, 3]
    distances = measure_against_reference(changed, golden)[0]
    assert (2, 3) == np.unravel_index(distances.argmax(), distances.shape)
    assert distances.max() > 1
    assert np.delete(distances.ravel(), 2 * 6 + 3).max() < 1e-3


def test_a_reference_may_be_off_by_a_cell():
    golden = torch.rand(1, 6, 6, 9)
    moved = torch.roll(golden, 1, dims=2)
    assert measure_against_reference(moved, golden)[0][:, 1:].max() < 1e-3
    assert measure_against_reference(torch.roll(golden, 3, dims=2), golden)[0][:, 3:].min() > 0.01


def test_a_bank_comes_back_and_is_known_by_all_of_it():
    bank = make_bank("images")
    again = Bank.from_arrays(bank.to_arrays())
    assert bank.sha256 == again.sha256
    assert make_bank("normals").sha256 != bank.sha256 != make_bank("images", seed=1).sha256
    with pytest.raises(StoreError, match="other contents"):
        Bank.from_arrays({"patches": bank.patches})


def test_the_eight_ways_up_are_eight():
    picture = np.random.default_rng(0).random((1, 1, 5, 7), dtype=np.float32)
    prints = {fingerprint_picture(one[0]) for one in turn_pictures(picture, 8)}
    assert 8 == len(prints)
    assert [fingerprint_picture(picture[0])] == [
        fingerprint_picture(p[0]) for p in turn_pictures(picture, 1)
    ]


@pytest.fixture
def flat():
    """Three pictures, and an extractor to which each direction of them is another picture."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(36, 5))
    batch = rng.random((3, 1, 6, 6), dtype=np.float32)
    return batch, lambda some: unit_rows(some.reshape(len(some), -1) @ axes)


def test_a_vector_over_all_ways_up_does_not_change_with_the_way_up(flat):
    batch, embed = flat
    vectors = [embed_turned(embed, turned, 8) for turned in turn_pictures(batch, 8)]
    for other in vectors[1:]:
        np.testing.assert_allclose(vectors[0], other, atol=1e-6)
    assert not np.allclose(embed(batch), embed(batch[..., ::-1]), atol=1e-2)


def test_a_vector_over_quarter_turns_tells_a_picture_from_its_mirror_image(flat):
    batch, embed = flat
    assert 4 == len({fingerprint_picture(one[0]) for one in turn_pictures(batch[:1], 4)})
    vectors = [embed_turned(embed, turned, 4) for turned in turn_pictures(batch, 4)]
    for other in vectors[1:]:
        np.testing.assert_allclose(vectors[0], other, atol=1e-6)
    mirrored = embed_turned(embed, np.ascontiguousarray(batch[..., ::-1]), 4)
    assert not np.allclose(vectors[0], mirrored, atol=1e-2)


def test_a_deeper_map_is_pooled_where_the_weights_lie():
    deep = torch.zeros(3, 2, 2)
    deep[:, 0, 0], deep[:, 1, 1] = torch.tensor([4.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 9.0])
    weights = torch.zeros(4, 4, dtype=torch.float64)
    weights[:2, :2] = 0.25  # of the upper left alone
    expected = torch.tensor([2.0, 1.0, 0.0]) / 5**0.5
    torch.testing.assert_close(expected, pool_map(deep, weights))
    evenly = pool_map(deep, torch.full((4, 4), 1 / 16))
    assert 1 == pytest.approx(float(evenly.norm()))
    assert evenly[2] > evenly[0] > evenly[1] > 0
