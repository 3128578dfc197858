"""Pictures that are exported: a page by its number, a tile or crop alone, a file opened once."""

from io import BytesIO
from pathlib import PurePosixPath

import numpy as np
import pytest
import tifffile

from discovery.formats.grey_levels import GreyLevels
from discovery.formats.pictures import name_picture, write_pictures


def draw(seed, side=32):
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


@pytest.fixture
def stack(tmp_path):
    """Picture, thumbnail, picture: the pages 0 and 2 of three."""
    path = tmp_path / "b.tif"
    with tifffile.TiffWriter(path) as file:
        for number, side in enumerate((32, 16, 32)):
            kind = 1 if number == 1 else 0
            file.write(draw(number, side), photometric="minisblack", subfiletype=kind)
    return path


def export(ids, path, folder):
    plan = {PurePosixPath(name_picture(one, str(path))): (one, str(path)) for one in ids}
    return list(write_pictures(plan, folder, grey=GreyLevels()).faults)


def test_a_page_is_exported_by_its_number(stack, tmp_path):
    faults = export(["f#0", "f#2", "f#2@4,4,8,6", "f#0@-2,28,8,8"], stack, tmp_path / "out")
    assert [] == faults
    read = {path.name: tifffile.imread(path) for path in (tmp_path / "out").iterdir()}
    assert np.array_equal(draw(0), read["b#0.tif"])
    assert np.array_equal(draw(2), read["b#2.tif"])
    assert np.array_equal(draw(2)[4:10, 4:12], read["b#2@4_4_8_6.tif"])
    # Where a crop leaves the picture, the edge goes on, as the network saw it.
    edge = np.pad(draw(0), ((0, 4), (2, 0)), mode="edge")[28:36, :8]
    assert np.array_equal(edge, read["b#0@-2_28_8_8.tif"])


def test_a_thumbnail_or_a_page_beyond_is_a_fault(stack, tmp_path):
    faults = export(["f#0", "f#1", "f#7"], stack, tmp_path / "out")
    assert [(str(stack), "has no page 1 (counted from 0)")] * 2 == faults
    assert ["b#0.tif"] == [path.name for path in (tmp_path / "out").iterdir()]


def test_whole_files_are_copied_as_they_are(stack, tmp_path):
    assert [] == export(["f"], stack, tmp_path / "out")
    assert stack.read_bytes() == (tmp_path / "out" / "b.tif").read_bytes()
    stack.unlink()
    assert [(str(stack), "cannot be read: No such file or directory")] == export(
        ["f"], stack, tmp_path / "again"
    )


def test_many_tiles_of_a_picture_decode_it_once(stack, tmp_path, monkeypatch):
    decoded = []
    real = tifffile.TiffPage.asarray
    monkeypatch.setattr(
        tifffile.TiffPage,
        "asarray",
        lambda page, *args, **kwargs: decoded.append(page.index) or real(page, *args, **kwargs),
    )
    tiles = [f"f#2@{x},{y},8,8" for x in (0, 8, 16) for y in (0, 8, 16)]
    assert [] == export(tiles, stack, tmp_path / "out")
    assert [2] == decoded
    written = tmp_path / "out" / "b#2@8_16_8_8.tif"
    assert np.array_equal(draw(2)[16:24, 8:16], tifffile.imread(BytesIO(written.read_bytes())))
