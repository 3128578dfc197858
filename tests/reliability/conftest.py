"""A small lot with all that the commands make of it, and the commands that are made to fail."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discovery import read_decisions
from discovery.runs import LEDGER
from embeddings.litter import is_temporary
from embeddings.store import open_store, store_exists, verify_store

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TYPES = ("spot", "scratch", "blank")


@dataclass(frozen=True)
class Verb:
    """A command on the lot, and where its results stand."""

    name: str
    module: str
    words: tuple[str, ...]
    #: What it writes, below the lot's folder.
    out: str
    #: Results that are alike whatever happened on the way, with what is compared of each.
    same: tuple[str, ...] = ()
    #: What it says, with code 2, where an earlier try was killed after all was written.
    already: str = ""

    def has_ended(self, done):
        """Tell whether it did what it had to, now or in the try before."""
        return done["code"] == 0 or bool(self.already and self.already in done["said"])


VERBS = (
    Verb("synthetic", "discovery.synthetic", ("made", "--n", "12"), "made", ("made/truth.csv",)),
    Verb(
        "extract", "embeddings.extract",
        ("images", "--store", "made", "--extractor", "texture", "--commit-every", "4"), "made",
    ),
    Verb("cluster", "discovery.cluster", ("store", "--out", "made"), "made",
         ("made/clustering.parquet", "made/proposals.csv", "made/handoff.csv")),
    Verb("cluster again", "discovery.cluster",
         ("store", "--out", "run", "kmeans", "--n-clusters", "4"), "run",
         ("run/clustering.parquet",)),
    Verb("read back", "discovery.handoff", ("run", "--read", "filled.csv"), "run"),
    Verb("export", "discovery.handoff", ("run", "--out", "made", "--format", "imagefolder"),
         "made", already="is not an empty folder"),
    Verb("assign", "discovery.assign", ("run", "lot2", "--out", "made.csv"), "made.csv",
         ("made.csv",)),
    Verb("evaluate", "discovery.evaluate", ("run", "truth.csv", "--out", "made.json"), "made.json",
         ("made.json",)),
    Verb("train", "discovery.classify",
         ("train", "few.csv", "--out", "made", "--extractor", "texture", "--varied", "0",
          "--epochs", "2", "--orientations", "1"), "made"),
    Verb("predict", "discovery.classify", ("predict", "model", "lot2", "--out", "made.csv"),
         "made.csv", ("made.csv",)),
    Verb("detect", "discovery.detect",
         ("train", "boxes.csv", "--out", "made", "--weights", "none", "--epochs", "1", "--size",
          "64", "--holdout", "0.25", "--device", "cpu"), "made"),
    Verb("review", str(HERE / "decide.py"), ("run", "said.txt"), "run"),
)  # fmt: skip
BY_NAME = {verb.name: verb for verb in VERBS}
# Commands that only read: they are given damaged files, and are not killed.
READERS_ONLY = (
    Verb("labels", "discovery.handoff", ("run", "--out", "made"), "made"),
    Verb("count", "discovery.detect", ("count", "detector", "lot2", "--out", "made.csv"),
         "made.csv"),
)  # fmt: skip


LARGE = 1 << 20  # bytes: a detector has 130 MB, the hundreds of copies of which are gigabytes
SLOW = ("detect",)
FULL = ("extract", "cluster", "read back", "review")  # tried on a full disk in make test
POWER_CUTS = ("extract", "cluster", "read back", "review", "train", "detect")


def pytest_generate_tests(metafunc):
    if "verb" in metafunc.fixturenames:
        metafunc.parametrize("verb", [_mark(verb) for verb in VERBS], ids=list(BY_NAME))
    if "full_verb" in metafunc.fixturenames:
        given = [verb if verb.name in FULL else _as_long(verb) for verb in VERBS]
        metafunc.parametrize("full_verb", given, ids=list(BY_NAME))
    if "power_verb" in metafunc.fixturenames:
        given = [_mark(BY_NAME[name]) for name in POWER_CUTS]
        metafunc.parametrize("power_verb", given, ids=POWER_CUTS)


def _mark(verb):
    """Leave what takes a minute to the long tests."""
    return _as_long(verb) if verb.name in SLOW else verb


def _as_long(verb):
    return pytest.param(verb, marks=pytest.mark.long)


def copy_or_link(source, target):
    """Copy a small file; link a large one, which the toolkit replaces and never writes into."""
    if Path(source).stat().st_size < LARGE:
        return shutil.copy2(source, target)
    os.link(source, target)
    return target


class Lot:
    """A folder that can be put back to how it was before a command ran."""

    def __init__(self, folder):
        self.folder, self._kept = folder / "lot", folder / "kept"

    def keep(self):
        """Remember how it is now."""
        shutil.copytree(self.folder, self._kept)

    def restore(self):
        """Put it back."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._kept, self.folder, copy_function=copy_or_link)

    def lay_out(self, state, contents):
        """Make it what a power cut left: {path: name of its content, or "" where it is empty}."""
        shutil.rmtree(self.folder)
        for name, content in state.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content:
                copy_or_link(contents / content, path)
            else:
                path.touch()

    def read(self, names):
        """Return the bytes of some of its files."""
        return [(self.folder / name).read_bytes() for name in names]


class Forks:
    """The warm process whose children run the commands."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "fork_server.py")], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._number = 0

    def run(self, verb, cwd, **fault):
        """Run a command in a folder; say how it ended."""
        self._number += 1
        job = {"module": verb.module, "words": verb.words, "cwd": str(cwd), "number": self._number}
        self._process.stdin.write(json.dumps({**job, **fault}) + "\n")
        self._process.stdin.flush()
        while (answer := json.loads(self._process.stdout.readline()))["number"] != self._number:
            pass  # of a job whose test was stopped for the time it took
        return answer

    def end(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def draw(folder, count, seed):
    """Draw pictures of three types; returns [(path, type)]."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    drawn = []
    for number in range(count):
        kind = TYPES[number % len(TYPES)]
        pixels = rng.normal(100, 8, (48, 48))
        if kind == "spot":
            pixels[14:30, 16:32] += 90
        elif kind == "scratch":
            pixels[:, 20:23] -= 80
        path = folder / f"{number:03}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        drawn.append((path, kind))
    return drawn


def write_rows(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture(scope="session")
def verbs():
    """Every command by its name."""
    return {**BY_NAME, **{verb.name: verb for verb in READERS_ONLY}}


@pytest.fixture(scope="session")
def forks():
    """The process that runs commands and makes them fail."""
    server = Forks()
    yield server
    server.end()


@pytest.fixture(scope="session")
def lot(tmp_path_factory, forks):
    """Images, a store, a run with decisions, a model: what the commands work on."""
    made = Lot(tmp_path_factory.mktemp("reliability"))
    folder = made.folder
    drawn = draw(folder / "images", 36, seed=0)
    draw(folder / "lot2", 9, seed=1)
    write_rows(folder / "truth.csv", ("path", "label"),
               [(f"images/{path.name}", kind) for path, kind in drawn])  # fmt: skip
    write_rows(folder / "few.csv", ("path", "label"),
               [(f"images/{path.name}", kind) for path, kind in drawn[:18]])  # fmt: skip
    boxes = [
        (f"images/{path.name}", kind, 14, 14, 32, 32) for path, kind in drawn if kind != "blank"
    ]
    write_rows(folder / "boxes.csv", ("path", "label", "xmin", "ymin", "xmax", "ymax"), boxes)
    for words in (
        ("embeddings.extract", "images", "--store", "store", "--extractor", "texture"),
        ("discovery.cluster", "store", "--out", "run", "kmeans", "--n-clusters", "3"),
        ("discovery.classify", "train", "few.csv", "--out", "model", *BY_NAME["train"].words[4:]),
        ("discovery.detect", "train", "boxes.csv", "--out", "detector",
         *BY_NAME["detect"].words[4:]),
    ):  # fmt: skip
        done = forks.run(Verb("", words[0], words[1:], ""), folder)
        assert done["code"] == 0, done["said"]
    fill_handoff(folder / "run/handoff.csv", folder / "run/first.csv", dict(drawn), rows=12)
    done = forks.run(Verb("", "discovery.handoff", ("run", "--read", "run/first.csv"), ""), folder)
    assert done["code"] == 0, done["said"]
    fill_handoff(folder / "run/handoff.csv", folder / "filled.csv", dict(drawn), rows=36)
    made.keep()
    return made


def fill_handoff(source, target, types, *, rows):
    """Fill in the labels of the first rows, as a person does in a spreadsheet."""
    with source.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        lines = list(reader)
    for line in lines[:rows]:
        line["label"] = types[Path(line["path"])]
    write_rows(target, reader.fieldnames, [list(line.values()) for line in lines])


@dataclass(frozen=True)
class Before:
    """What there was before a command: nothing of it may be lost."""

    decisions: dict[str, int]
    vectors: dict[str, set[str]]


def look(folder):
    """Return what is decided and stored now; every file that is there must be readable."""
    decisions, vectors = {}, {}
    for ledger in sorted(folder.rglob(LEDGER)):
        decisions[str(ledger.parent)] = len(read_decisions(ledger))
    for manifest in sorted(folder.rglob("store.json")):
        store = manifest.parent
        if store_exists(store):
            faults = [fault for fault in verify_store(store) if fault.kind != "leftover"]
            assert faults == [], store
            vectors[str(store)] = set(open_store(store).ids())
    return Before(decisions, vectors)


READERS: dict[str, Callable[[Path], object]] = {}


def reader(*suffixes):
    def keep(function):
        READERS.update(dict.fromkeys(suffixes, function))
        return function

    return keep


@reader(".json")
def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


@reader(".csv")
def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len({len(row) for row in rows}) <= 1, path
    return rows


@reader(".parquet")
def read_parquet(path):
    import pandas as pd

    return pd.read_parquet(path)


@reader(".npz")
def read_npz(path):
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


@reader(".html")
def read_html(path):
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), path


@reader(".png", ".jpg")
def read_picture(path):
    with Image.open(path) as picture:
        picture.load()


def check_whole(folder):
    """Every file of a name that is not temporary is whole; which ones there are may differ."""
    for path in sorted(folder.rglob("*")):
        read = READERS.get(path.suffix)
        if read and path.is_file() and not any(is_temporary(part) for part in path.parts):
            read(path)


@pytest.fixture(scope="module")
def calm(forks, lot):
    """Give a function that runs a command undisturbed, once, and returns what it left."""
    seen = {}

    def run(verb, names):
        if (verb.name, names) not in seen:
            lot.restore()
            done = forks.run(verb, lot.folder)
            assert done["code"] == 0, done["said"]
            seen[verb.name, names] = done, lot.read(names)
        return seen[verb.name, names]

    return run


@pytest.fixture
def check(lot):
    """Give a function that checks the lot after a fault."""
    lot.restore()
    before = look(lot.folder)

    def check_lot(what, *, receipts=0):
        try:
            check_whole(lot.folder)
            now = look(lot.folder)
        except Exception as error:
            error.add_note(what)
            raise
        for run, count in before.decisions.items():
            assert now.decisions.get(run, 0) >= count + receipts, (what, run)
        for store, ids in before.vectors.items():
            assert ids <= now.vectors.get(store, set()), (what, store)

    return check_lot


@pytest.fixture
def draws(seed, request):
    """Give a generator of random numbers of this test's own, from the seed of the session."""
    return random.Random(f"{seed} {request.node.name}")
