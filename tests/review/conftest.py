"""A small real run to review: four kinds of pictures, 8 and 16 bits, one stack, hostile names."""

import json
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from discovery import AgglomerativeOptions, RoundOptions, discover_types, open_review
from discovery.review.server import ReviewApi
from embeddings.extract import ExtractOptions

SIDE = 64
HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    "line\nbreak.png",
    "\u202egnp.exe.png",
    "a'b\"c&.png",
)


def draw(kind, rng):
    """Return one picture of a kind in grey levels of 8 bits."""
    y, x = np.mgrid[:SIDE, :SIDE]
    shift = rng.integers(8)
    pattern = {
        "lines": 40 * np.sin(1.1 * (x + shift)),
        "waves": 40 * np.sin((y + shift) / 1.5),
        "blob": 90.0 * (np.hypot(x - 24 - shift, y - 30) < 11),
        "checks": 60.0 * (((x + shift) // 8 + y // 8) % 2),
    }[kind]
    return np.clip(120 + pattern + rng.normal(0, 8, (SIDE, SIDE)), 0, 255)


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """48 images: nobody writes into their folder."""
    folder = tmp_path_factory.mktemp("reviewed") / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = ["path,tool,die_x,die_y"]
    for kind in ("lines", "waves", "blob", "checks"):
        for number in range(12):
            name = f"{kind}_{number:02}.png"
            pixels = draw(kind, rng)
            if kind == "lines" and number < len(HOSTILE):
                name = HOSTILE[number]
            if kind == "blob" and number == 0:
                name = "deep.tif"
                pages = np.stack([pixels, draw(kind, rng)])
                tifffile.imwrite(folder / name, (pages * 64).astype(np.uint16))
            else:
                Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
            if "\n" not in name:
                quoted = name.replace('"', '""')
                rows.append(f'"{quoted}",tool-{kind[:2]},{number},{number % 5}')
    (folder.parent / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def finished(images, tmp_path_factory):
    """The run of a whole round; copy it before deciding anything."""
    out = tmp_path_factory.mktemp("round") / "run"
    extract = ExtractOptions(extractor="texture", metadata=images.parent / "metadata.csv")
    options = RoundOptions(extract=extract, clusterer=AgglomerativeOptions(n_clusters=4))
    discover_types(images, out, options=options)
    return out


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the run, to decide in."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def review(run):
    """The review of the copy by one person."""
    with open_review(run, by="eva") as review:
        yield review


@pytest.fixture
def api(review):
    """All methods of the review."""
    api = ReviewApi(review)
    yield api
    api.close()


@pytest.fixture
def ask(api):
    """Return a function that calls a method and gives its JSON, as a client gets it."""

    def call(method, **args):
        return read_answer(api.call(method, args))[0]

    return call


def read_answer(answer):
    """Take an answer's bytes apart as a client does: JSON, and arrays by name."""
    body = answer.pack()
    if answer.media_type == "application/json":
        return json.loads(body), {}
    length = int.from_bytes(body[:4], "little")
    assert (4 + length) % 8 == 0
    header = json.loads(body[4 : 4 + length])
    columns = {}
    for column in header.pop("columns"):
        start = 4 + length + column["offset"]
        assert start % 8 == 0
        size = column["length"] * np.dtype(column["dtype"]).itemsize
        columns[column["name"]] = np.frombuffer(body[start : start + size], column["dtype"])
    return header, columns


@pytest.fixture(scope="session")
def unpack():
    """Return `read_answer`."""
    return read_answer
