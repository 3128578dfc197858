"""What is called viewable is what torchvision's own loader shows as it is."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS, default_loader

from embeddings.images.viewable import VIEWED_SUFFIXES, is_viewable

GREY = np.linspace(0, 255, 40 * 40).reshape(40, 40)


def test_the_endings_are_those_of_torchvision():
    assert set(IMG_EXTENSIONS) == VIEWED_SUFFIXES


@pytest.mark.parametrize(
    ("name", "pixels", "options"),
    [
        ("a.png", GREY.astype(np.uint8), {}),
        ("a.JPG", GREY.astype(np.uint8), {"format": "JPEG"}),
        ("a.bmp", np.repeat(GREY.astype(np.uint8)[..., None], 3, 2), {}),
        ("a.tif", GREY.astype(np.uint8), {}),
        ("lzw.tif", GREY.astype(np.uint8), {"compression": "tiff_lzw"}),
        ("a.pgm", GREY.astype(np.uint8), {}),
    ],
)
def test_eight_bits_are_viewable(tmp_path, name, pixels, options):
    Image.fromarray(pixels).save(tmp_path / name, **options)
    assert is_viewable(tmp_path / name)
    shown = np.asarray(default_loader(str(tmp_path / name))).astype(float)
    assert np.abs(shown[..., 0] - GREY).max() < 4


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("a.tif", (GREY * 257).astype(np.uint16)),
        ("deflate.tif", (GREY * 16).astype(np.uint16)),
        ("a.png", (GREY * 257).astype(np.uint16)),
        ("a.pgm", (GREY * 257).astype(np.uint16)),
        ("float.tif", GREY.astype(np.float32) / 255),
        ("double.tif", GREY / 255),
        ("int.tif", GREY.astype(np.int32)),
        ("signed.tif", (GREY - 128).astype(np.int8)),
        ("colour.tif", np.repeat((GREY * 16).astype(np.uint16)[..., None], 3, 2)),
    ],
)
def test_more_than_eight_bits_are_not(tmp_path, name, pixels):
    if name.endswith(".tif"):
        options = {"compression": "zlib"} if name == "deflate.tif" else {}
        tifffile.imwrite(tmp_path / name, pixels, **options)
    elif name.endswith(".pgm"):
        head = f"P5 {pixels.shape[1]} {pixels.shape[0]} 65535\n".encode()
        (tmp_path / name).write_bytes(head + pixels.astype(">u2").tobytes())
    else:
        Image.fromarray(pixels).save(tmp_path / name)
    assert not is_viewable(tmp_path / name)


@pytest.mark.parametrize(("orientation", "expected"), [(1, True), (6, False)])
def test_a_picture_that_has_to_be_turned_is_not(tmp_path, orientation, expected):
    exif = Image.Exif()
    exif[274] = orientation
    for name in ("a.jpg", "a.png"):  # Pillow turns a TIFF by itself
        Image.fromarray(GREY.astype(np.uint8)).save(tmp_path / name, exif=exif)
        assert is_viewable(tmp_path / name) is expected


def test_what_no_program_looks_for_or_opens_is_not(tmp_path):
    Image.fromarray(GREY.astype(np.uint8)).save(tmp_path / "LOT.I01", format="TIFF")
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    for name in ("LOT.I01", "damaged.png", "gone.png"):
        assert not is_viewable(tmp_path / name)
