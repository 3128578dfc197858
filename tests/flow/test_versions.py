"""What a newer version wrote is refused by every command that reads it, in one line of advice."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from discovery.classifier.model import _format
from discovery.ledger.lines import parse_decision
from embeddings.chain import ChainReader, chain_lines
from embeddings.files import seal
from embeddings.store.manifest import format_manifest

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "version_0_1"
ADVICE = "upgrade with `pip install --upgrade defect-discovery`"
# All in one process: most of what a command takes is the loading of its modules.
CHILD = """
import contextlib, io, json, sys
from discovery.__main__ import main
said = []
for words in json.load(sys.stdin):
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = main(words)
    said.append([code, errors.getvalue()])
print(json.dumps(said))
"""


def raise_version(path, version, write):
    """Write a file as a newer version would: of another version, and sealed."""
    path.write_bytes(write({**json.loads(path.read_bytes()), "version": version}))


def append_newer(path):
    """Append a line with a field that is not known yet."""
    reader = ChainReader(parse_decision)
    reader.read(path.read_bytes())
    data, _ = chain_lines(['{"mood": "good"}'], reader.link)
    path.write_bytes(path.read_bytes() + data)


def dump(values):
    return json.dumps(values).encode()


def dump_sealed(values):
    return dump(seal(values))


CASES = {
    "run.json": (
        lambda folder: raise_version(folder / "run/run.json", 2, dump_sealed),
        "run.json has version 2, this program reads 1: " + ADVICE,
        ["handoff run --out out", "review run --no-browser", "assign run images2 --out out.csv",
         "evaluate run truth.csv --out out.json", "cluster images1 --out run --extractor texture"],
    ),
    "decisions.jsonl": (
        lambda folder: append_newer(folder / "run/decisions.jsonl"),
        "decisions.jsonl, line 7 was written by a newer version of this program",
        ["handoff run --out out", "review run --no-browser", "assign run images2 --out out.csv",
         "cluster images1 --out run --extractor texture"],
    ),
    "lineage.jsonl": (
        lambda folder: append_newer(folder / "run/lineage.jsonl"),
        "lineage.jsonl, line 2 was written by a newer version of this program",
        ["cluster images1 --out out --extractor texture --since run"],
    ),
    "store.json": (
        lambda folder: raise_version(folder / "run/store/store.json", 3, format_manifest),
        "the store has format version 3, this program reads 1 and 2: " + ADVICE,
        ["search run/store images2/blob_00.png", "extract images1 --store run/store",
         "cluster run/store --out out"],
    ),
    "handoff.json": (
        lambda folder: raise_version(folder / "handoff/handoff.json", 2, dump),
        "handoff.json has version 2, this program reads 1: " + ADVICE,
        ["classify train handoff --out out", "cluster images2 --out out --known handoff"],
    ),
    "classifier": (
        lambda folder: raise_version(folder / "model/model.json", 3, lambda v: _format(seal(v))),
        "model.json has version 3, this program reads 1 and 2: " + ADVICE,
        ["classify predict model images2 --out out.csv",
         "classify evaluate model truth2.csv --out out.json"],
    ),
    "detector": (
        lambda folder: raise_version(folder / "detector/model.json", 3, dump_sealed),
        "model.json has version 3, this program reads 1 and 2: " + ADVICE,
        ["detect count detector images2 --out out.csv"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What every command said of each newer file."""
    root, asked = tmp_path_factory.mktemp("newer"), []
    for name, (change, _, commands) in CASES.items():
        folder = shutil.copytree(GOLDEN, root / name)
        (folder / "detector").mkdir()
        shutil.copy(folder / "detector.json", folder / "detector" / "model.json")
        change(folder)
        names = {path.name for path in folder.iterdir()} | {"out", "out.csv", "out.json"}
        for words in commands:
            verb, *others = words.split()
            here = [str(folder / one) if one.partition("/")[0] in names else one for one in others]
            asked.append([verb, *here])
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(asked), capture_output=True, text=True,
        check=True, timeout=280,
    )  # fmt: skip
    return iter(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def said(answers):
    return {name: [next(answers) for _ in CASES[name][2]] for name in CASES}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_newer_file_is_refused_with_advice(said, name):
    _, text, commands = CASES[name]
    for words, (code, errors) in zip(commands, said[name], strict=True):
        [line] = [one for one in errors.splitlines() if ": error: " in one]
        assert (code, text in line, ADVICE in line) == (2, True, True), (words, errors)
        assert errors.splitlines()[-1] == line
