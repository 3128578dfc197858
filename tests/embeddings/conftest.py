"""What several tests of `embeddings` share: small pictures, and the extract command in-process."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from embeddings.console import run_command
from embeddings.extract.__main__ import ExtractCommand, main

PROG = "python -m embeddings.extract"


@dataclass(frozen=True)
class Ran:
    """A command that has ended: its exit code, its last line, its one line of error."""

    code: int
    out: str
    err: str

    @property
    def last(self):
        return self.out.strip().splitlines()[-1]

    @property
    def error(self):
        lines = [line for line in self.err.splitlines() if line.startswith(f"{PROG}: error: ")]
        assert len(lines) == 1, self.err
        return lines[0].removeprefix(f"{PROG}: error: ")


def draw(seed, *, side=64, low=0, high=256, dtype=np.uint8):
    """Return a noisy picture; seeds give pictures of visibly different texture."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((4 + seed % 5, 4 + seed % 3))
    fine = np.asarray(Image.fromarray(coarse.astype(np.float32)).resize((side, side)))
    shown = np.clip(0.8 * fine + 0.2 * rng.random((side, side)), 0, 0.999)
    return (low + (high - low) * shown).astype(dtype)


def save(path, pixels):
    """Write a picture in the format of the path's suffix; returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".tif", ".tiff"):
        tifffile.imwrite(path, pixels, photometric="minisblack")
    else:
        Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def make_images(tmp_path):
    """Return a function that fills a folder with n PNG files named 0.png, 1.png, ..."""

    def make(folder="images", n=3, first=0):
        for seed in range(first, first + n):
            save(tmp_path / folder / f"{seed}.png", draw(seed))
        return tmp_path / folder

    return make


@pytest.fixture
def picture():
    return draw


@pytest.fixture
def save_picture():
    return save


@pytest.fixture
def extract(capsys):
    """Return a function that runs the command with the texture extractor, in this process."""

    def run(*words, extractor="texture"):
        chosen = ["--extractor", extractor] if extractor else []
        capsys.readouterr()
        code = run_command(main, ExtractCommand, prog=PROG, args=[*map(str, words), *chosen])
        return Ran(code, *capsys.readouterr())

    return run
