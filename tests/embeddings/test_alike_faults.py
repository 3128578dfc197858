"""Twenty equal faults are told once, by every command that lists what it cannot use."""

import numpy as np
import pytest
from PIL import Image

from embeddings.alike_faults import fold_faults
from embeddings.extract.__main__ import ExtractCommand
from embeddings.extract.__main__ import main as extract
from embeddings.extract.options import ExtractOptions


@pytest.mark.parametrize(
    ("reasons", "lines"),
    [
        ([], []),
        (["empty"], ["/d/0.png: empty"]),
        (["empty"] * 20, ["/d/0.png: empty (and 19 more alike)"]),
        # Numbers, paths and the file's own name make no other reason; neither do line breaks.
        (["3 of 16 bytes", "5 of 16\nbytes"], ["/d/0.png: 3 of 16 bytes (and 1 more alike)"]),
        (
            ["a link to /x/a b", "a link to /y/a b"],
            ["/d/0.png: a link to /x/a b (and 1 more alike)"],
        ),
        (["0.png is cut", "1.png is cut"], ["/d/0.png: 0.png is cut (and 1 more alike)"]),
        (["empty", "cut", "empty"], ["/d/0.png: empty (and 1 more alike)", "/d/1.png: cut"]),
        (["a", "b", "c", "c"], ["/d/0.png: a", "/d/1.png: b", "and 2 more faults"]),
    ],
)
def test_alike_faults_are_folded(reasons, lines):
    faults = [(f"/d/{number}.png", reason) for number, reason in enumerate(reasons)]
    assert lines == fold_faults(faults, most=2)


def test_a_few_are_named_apart_where_each_asks_for_a_hand_of_its_own():
    faults = [(f"task {number}", "no type") for number in range(2)]
    assert ["task 0: no type", "task 1: no type"] == fold_faults(faults, apart=2)
    more = [*faults, ("task 2", "no type")]
    assert ["task 0: no type (and 2 more alike)"] == fold_faults(more, apart=2)


def test_faults_without_a_reason_stay_apart():
    assert ["row lost", "no header"] == fold_faults([("row lost", ""), ("no header", "")])


def test_an_extraction_tells_of_twenty_empty_files_once(tmp_path, caplog):
    images = tmp_path / "images"
    images.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8)
    Image.fromarray(pixels).save(images / "whole.png")
    for number in range(20):
        (images / f"empty{number:02}.png").touch()
    (images / "cut.png").write_bytes((images / "whole.png").read_bytes()[:90])
    store = tmp_path / "store"
    with caplog.at_level("WARNING", logger="defect-discovery"):
        extract(
            ExtractCommand(images=images, store=store, extract=ExtractOptions(extractor="texture"))
        )
    told = [line for line in caplog.messages if line.startswith("quarantined")]
    assert 3 == len(told)
    assert 1 == sum("an empty file (0 bytes) (and 19 more alike)" in line for line in told)
    assert f"quarantined: 21 in all, each with its reason in {store / 'quarantine.csv'}" == told[-1]
    assert 22 == len((store / "quarantine.csv").read_text().splitlines())
