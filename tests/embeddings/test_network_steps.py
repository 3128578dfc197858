"""Batches through a network on a CPU: several at once, one a core, in the order they were begun."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from embeddings.networks.steps import NetworkSteps  # noqa: E402


@pytest.fixture
def threads():
    """Four threads of torch's, however many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield 4
    torch.set_num_threads(before)


def test_batches_are_shared_out_and_come_back_in_their_order(threads):
    shares = []

    def compute(pixels):
        shares.append(torch.get_num_threads())
        return pixels.sum(dim=(2, 3))

    steps = NetworkSteps(compute, torch.device("cpu"))
    assert threads + 1 == steps.slots
    batches = [np.full((2, 3, 4, 4), number, np.float32) for number in range(steps.slots)]
    waits = [steps.submit(batch) for batch in batches]
    for number, wait in enumerate(waits):
        np.testing.assert_array_equal(wait(), np.full((2, 3), 16 * number))
    assert {1} == set(shares)
    # One batch alone has all cores, and whoever comes later finds them as they were.
    steps.run(batches[0])
    assert threads == shares[-1] == torch.get_num_threads()


def test_one_core_computes_at_once():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seen = []
        steps = NetworkSteps(
            lambda pixels: seen.append(1) or pixels[:, :, 0, 0], torch.device("cpu")
        )
        wait = steps.submit(np.ones((1, 3, 2, 2), np.float32))
        assert [1] == seen
        np.testing.assert_array_equal(wait(), np.ones((1, 3)))
    finally:
        torch.set_num_threads(before)


def test_what_goes_wrong_in_a_batch_is_raised_where_it_is_waited_for(threads):
    def compute(pixels):
        raise RuntimeError(f"no kernel for {tuple(pixels.shape)}")

    wait = NetworkSteps(compute, torch.device("cpu")).submit(np.ones((1, 3, 2, 2), np.float32))
    with pytest.raises(RuntimeError, match="no kernel"):
        wait()


def test_vectors_are_those_of_a_batch_alone(threads):
    from embeddings.extract import ExtractOptions
    from embeddings.extract.choose import choose_extractor, make_extractor

    options = ExtractOptions(extractor="lite", device="cpu")
    extractor = make_extractor(choose_extractor(options, None), options)
    rng = np.random.default_rng(0)
    batches = [rng.random((4, 1, 64, 64), dtype=np.float32) for _ in range(5)]
    waits = [extractor.submit(batch) for batch in batches]
    for wait, batch in zip(waits, batches, strict=True):
        np.testing.assert_array_equal(wait(), extractor(batch))
