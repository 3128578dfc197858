"""Batches of which one is in flight while the next is put together: each picture has its own."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from embeddings.extract.batches import Batches
from embeddings.networks.steps import NetworkSteps


class Means:
    """An extractor that gives each picture its mean, begun and waited for in turn."""

    fills_batches, spec = True, None

    def __init__(self):
        self.steps = NetworkSteps(lambda x: x.mean(dim=(1, 2, 3))[:, None], torch.device("cpu"))
        self.submit = self.steps.submit

    def __call__(self, batch):
        return self.submit(batch)()


@given(
    sides=st.lists(st.integers(1, 3), max_size=30),
    size=st.integers(1, 5),
    forgotten=st.sets(st.integers(0, 29), max_size=4),
    cut=st.integers(0, 30),
)
def test_each_picture_gets_its_own_vector(sides, size, forgotten, cut):
    extractor, found = Means(), {}
    batches = Batches(lambda: extractor, size)
    for number, side in enumerate(sides):
        batches.add(str(number), np.full((1, side, 2), number, np.float32))
        if number == cut:
            found |= batches.take()
    gone = {str(number) for number in forgotten if number > cut}
    batches.forget(gone)
    found |= batches.take()
    assert found.keys() == {str(number) for number in range(len(sides))} - gone
    assert all(found[name] == [float(name)] for name in found)
    assert batches.take() == {}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_graph_gives_what_the_step_gives():
    device = torch.device("cuda")
    kernel = torch.randn((4, 3, 3, 3), device=device)

    def compute(pixels):
        return torch.nn.functional.conv2d(pixels, kernel).amax(dim=(2, 3))

    steps, rng = NetworkSteps(compute, device), np.random.default_rng(0)
    batches = [rng.random((5, 3, 8, 8), np.float32) for _ in range(6)]
    waits, values = [], []
    for batch in batches:
        waits.append(steps.submit(batch))
        if len(waits) > 1:
            values.append(waits.pop(0)())
    values.append(waits.pop()())
    for batch, found in zip(batches, values, strict=True):
        expected = compute(torch.from_numpy(batch).to(device)).cpu().numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
