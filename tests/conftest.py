"""What tests of both packages share."""

import random

import pytest


def pytest_addoption(parser):
    """`make test-long` and the sample of it that continuous integration takes."""
    group = parser.getgroup("long tests")
    group.addoption("--seed", type=int, default=0, help="of the sample, and of what tests draw")
    group.addoption("--sample", type=int, help="run this many of the selected tests, drawn")


def pytest_report_header(config):
    return f"seed {config.getoption('--seed')}, sample {config.getoption('--sample') or 'all'}"


@pytest.hookimpl(trylast=True)  # after -m and -k have chosen
def pytest_collection_modifyitems(config, items):
    size = config.getoption("--sample")
    if size is None or size >= len(items):
        return
    # By name, so that every process of a parallel run draws the same.
    names = sorted(item.nodeid for item in items)
    drawn = set(random.Random(config.getoption("--seed")).sample(names, size))
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in drawn])
    items[:] = [item for item in items if item.nodeid in drawn]


@pytest.fixture(scope="session")
def seed(request):
    """What a long test draws from: another one each time continuous integration runs."""
    return request.config.getoption("--seed")


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
