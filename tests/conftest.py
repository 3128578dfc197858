"""What tests of both packages share."""

import pytest


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory):
    """A file of random ResNet-50 weights, drawn once; nobody writes into it."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file
    from torchvision.models import resnet50

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(resnet50().state_dict(), file)
    return str(file)
