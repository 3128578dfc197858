"""What tests of both packages share."""

import contextlib
import os
import random
import shutil
import sys
import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_info, threadpool_limits

# How long an example takes says how busy the machine is: speed belongs in benchmarks/.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

RELIABILITY = "tests/reliability/"  # works on one lot, which takes half a minute to make


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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """One process more than cores: a test that waits for a browser leaves its core to another."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else None


@pytest.hookimpl(optionalhook=True)  # without xdist there is nothing to schedule
def pytest_xdist_make_scheduler(config, log):
    """Keep the tests of one file in one process, and those that share the dearest fixture."""
    from xdist.scheduler import LoadScopeScheduling

    class FileScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return RELIABILITY if file.startswith(RELIABILITY) else file

    return FileScheduling(config, log) if config.getoption("dist") == "loadfile" else None


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


@pytest.fixture(scope="session")
def count_calls():
    """``with count_calls(name, ...) as calls``: how often Python functions are really called.

    In this thread and in those that are started inside.
    """

    @contextlib.contextmanager
    def count(*names):
        calls, lock = Counter(dict.fromkeys(names, 0)), threading.Lock()

        def note(frame, event, _):
            if event == "call" and frame.f_code.co_name in calls:
                with lock:
                    calls[frame.f_code.co_name] += 1

        before = sys.getprofile()
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            yield calls
        finally:
            sys.setprofile(before)
            threading.setprofile(None)

    return count


@pytest.fixture(scope="session")
def draw_bar():
    """Return a function that draws a microscope's data bar, (rows, width) uint8."""
    from PIL import Image, ImageDraw, ImageFont

    def draw(width, rows, *, seed=0, paper=0, ink=255, style="line"):
        rng = np.random.default_rng(seed)
        image = Image.new("L", (width, rows), paper)
        pen = ImageDraw.Draw(image)
        mag, hour, minute = rng.integers(1, 400) * 250, rng.integers(24), rng.integers(60)
        words = f"HV {rng.integers(1, 30)}.0 kV  {mag} x  WD {rng.uniform(2, 12):.1f} mm"
        clock = f"{rng.integers(1, 13)}/{rng.integers(1, 29)}/2024 {hour:02}:{minute:02}"
        if style == "line":  # one line of text, and a scale
            font = ImageFont.load_default(max(6, rows // 2))
            pen.text((3, rows // 5), f"{words} {clock}", fill=ink, font=font)
        else:  # two lines in a frame, a logo and a scale
            font = ImageFont.load_default(max(6, round(rows * 0.36)))
            pen.rectangle((0, 0, width - 1, rows - 1), outline=ink)
            pen.text((4, 1), words, fill=ink, font=font)
            pen.text((4, rows // 2), clock, fill=ink, font=font)
            pen.rectangle((width - rows, 2, width - 3, rows - 3), fill=ink)
        pen.line((width * 4 // 5, rows - 4, width - rows - 6, rows - 4), fill=ink)
        return np.asarray(image)

    return draw


@pytest.fixture(scope="session")
def built_page():
    """Build the review page where it is not there yet; skipped only on a machine without npm."""
    from discovery.review.server.build import PAGE, ensure_page
    from embeddings.errors import InputError

    try:
        ensure_page()
    except InputError as error:
        if shutil.which("npm"):  # it is the page's own fault, and not the machine's
            raise
        pytest.skip(f"the review page cannot be built here: {error}")
    return PAGE


@pytest.fixture
def two_blas_threads():
    """Start from two threads, whatever the machine and its environment say; count them."""

    def count():
        # Of numpy's and scipy's BLAS; one with OpenMP, as that of FAISS, counts each thread's own.
        found = [one for one in threadpool_info() if one.get("threading_layer") == "pthreads"]
        return {one["num_threads"] for one in found}

    np.linalg.lstsq(np.eye(3), np.ones(3), rcond=None)  # the library is there
    with threadpool_limits(limits=2, user_api="blas"):
        if count() != {2}:
            pytest.skip("this BLAS has no second thread")
        yield count
