"""Bad images: each is an ImageError whose one-line reason says what is wrong; none is filled in."""

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from embeddings.errors import ImageError
from embeddings.images import read_pictures, read_sizes

RNG = np.random.default_rng(6)
GREY = RNG.integers(0, 256, (64, 80), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)


def _encode(array: np.ndarray, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def _tiff(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_bomb() -> bytes:
    """A PNG of 60,000 x 60,000 black pixels in 4 kB."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 4_000_000)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(
        b"IEND", b""
    )  # fmt: skip


def _patch_tag(data: bytes, name: str, value: int) -> bytes:
    buffer = io.BytesIO(data)
    with tifffile.TiffFile(buffer, mode="r+") as file:
        file.pages[0].tags[name].overwrite(value)
        return buffer.getvalue()


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _break_page(page: int) -> bytes:
    data = _tiff(np.stack([GREY] * 3), photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        at = file.pages[page].dataoffsets[0]
    return data[:at] + b"\xff" * 6 + data[at + 6 :]


def _circle() -> bytes:
    """A TIFF whose second page is its first."""
    data = _tiff(GREY, metadata=None)
    (first,) = struct.unpack("<I", data[4:8])
    (entries,) = struct.unpack("<H", data[first : first + 2])
    at = first + 2 + 12 * entries
    return data[:at] + struct.pack("<I", first) + data[at + 4 :]


def _next_page_beyond() -> bytes:
    data = _circle()
    (first,) = struct.unpack("<I", data[4:8])
    (entries,) = struct.unpack("<H", data[first : first + 2])
    at = first + 2 + 12 * entries
    return data[:at] + struct.pack("<I", len(data) + 1000) + data[at + 4 :]


PNG, JPEG, BMP = _encode(GREY, "PNG"), _encode(SMOOTH, "JPEG"), _encode(GREY, "BMP")
TIFF = _tiff(GREY)
IDAT = PNG.index(b"IDAT")

BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.png": (lambda: b"", "an empty file (0 bytes)"),
    "text.png": (lambda: b"path,label\n", "not an image"),
    "pdf.png": (lambda: _encode(GREY, "PDF"), "a PDF file, which is not read"),
    "zeros.tif": (lambda: bytes(1000), "not an image"),
    "half.jpg": (lambda: JPEG[: len(JPEG) // 2], "truncated JPEG"),
    "end.jpg": (lambda: JPEG[:-30], "truncated JPEG"),
    "progressive.jpg": (
        lambda: (d := _encode(SMOOTH, "JPEG", progressive=True))[: len(d) * 2 // 3],
        "truncated JPEG",
    ),
    "head.jpg": (lambda: JPEG[:20], "truncated JPEG"),
    "half.png": (lambda: PNG[: len(PNG) // 2], "truncated PNG"),
    "noend.png": (lambda: PNG[:-12], "truncated PNG"),
    "idat.png": (lambda: _flip(PNG, IDAT + 40), "checksum of its b'IDAT' chunk"),
    "ihdr.png": (lambda: _flip(PNG, 18), "checksum of its b'IHDR' chunk"),
    "noidat.png": (lambda: PNG[:33] + _chunk(b"IEND", b""), "PNG"),
    "shortidat.png": (
        lambda: PNG[:33] + _chunk(b"IDAT", zlib.compress(b"\0" * 500)) + _chunk(b"IEND", b""),
        "truncated PNG",
    ),
    "half.bmp": (lambda: BMP[: len(BMP) // 2], "truncated BMP"),
    "half.tif": (lambda: TIFF[: len(TIFF) // 2], "truncated TIFF"),
    "head.tif": (lambda: TIFF[:40], "truncated TIFF"),
    "nopage.tif": (lambda: b"II*\0" + bytes(40), "it holds no page"),
    "lzw.tif": (
        lambda: _flip(_tiff(GREY, compression="zlib"), len(_tiff(GREY, compression="zlib")) - 20),
        "damaged or truncated TIFF",
    ),
    "page.tif": (lambda: _break_page(1), "(page 1 of 3)"),
    "circle.tif": (_circle, "form a circle"),
    "beyond.tif": (_next_page_beyond, "beyond the end of the file"),
    "short.tif": (
        lambda: _patch_tag(_patch_tag(TIFF, "ImageLength", 640), "RowsPerStrip", 640),
        "its strips hold fewer bytes than its size needs",
    ),
    "strips.tif": (
        lambda: _patch_tag(_tiff(GREY, rowsperstrip=8, compression="zlib"), "ImageLength", 640),
        "strips or tiles are missing",
    ),
    "bomb.png": (_png_bomb, "60000x60000 pixels: over the limit of 100000000 pixels"),
    "bomb.tif": (
        lambda: _patch_tag(_patch_tag(TIFF, "ImageWidth", 2**20), "ImageLength", 2**20),
        "over the limit",
    ),
    "bomb.bmp": (
        lambda: BMP[:18] + struct.pack("<ii", 50_000, 50_000) + BMP[26:],
        "over the limit",
    ),
    "flat.tif": (lambda: _tiff(np.zeros((15, 400), np.uint8)), "400x15 pixels: smaller than 16x16"),
    "dot.png": (lambda: _encode(GREY[:1, :1], "PNG"), "1x1 pixels: smaller than 16x16"),
    "nan.tif": (lambda: _tiff(np.full((20, 20), np.nan, np.float32)), "no finite pixel"),
    "inf.tif": (lambda: _tiff(np.full((20, 20), -np.inf)), "no finite pixel"),
    "complex.tif": (lambda: _tiff(np.ones((20, 20), np.complex64)), "complex pixels"),
    "five.tif": (
        lambda: _tiff(np.ones((20, 20, 5), np.uint8), photometric="minisblack",
                      planarconfig="contig"),
        "5 channels, expected 1 (grey) or 3 (colour)",
    ),
    "two.tif": (
        lambda: _tiff(np.ones((2, 20, 20), np.uint8), photometric="minisblack",
                      planarconfig="separate"),
        "2 channels",
    ),
    "lab.tif": (
        lambda: _tiff(np.ones((20, 20, 3), np.uint8), photometric="cielab"),
        "CIELAB colours are not supported",
    ),
    "ycbcr.tif": (
        lambda: _patch_tag(
            _tiff(np.ones((20, 20, 3), np.uint8), photometric="rgb"),
            "PhotometricInterpretation",
            6,
        ),
        "YCbCr colours without JPEG compression are not supported",
    ),
    "volume.tif": (
        lambda: _tiff(np.ones((4, 32, 32), np.uint8), volumetric=True,
                      photometric="minisblack", tile=(4, 32, 32)),
        "a volume of 4 slices",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_an_error_with_its_reason(tmp_path, name, capfd):
    make, reason = BAD[name]
    path = tmp_path / name
    path.write_bytes(make())
    with pytest.raises(ImageError) as error:
        read_pictures(path)
    text = str(error.value)
    assert reason in text
    assert "\n" not in text
    assert str(tmp_path) not in text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("data", [PNG, JPEG, BMP, TIFF, _tiff(GREY, compression="lzw")])
def test_no_cut_of_a_file_is_filled_in(tmp_path, data):
    path = tmp_path / "cut.png"
    for cut in [*range(0, len(data) - 40, 97), *range(len(data) - 40, len(data))]:
        path.write_bytes(data[:cut])
        try:
            pictures = read_pictures(path)
        except ImageError:
            continue
        # Bytes after the pixels may go (a TIFF's text); the pixels may not.
        whole = tmp_path / "whole.png"
        whole.write_bytes(data)
        np.testing.assert_array_equal(read_pictures(whole)[0].pixels, pictures[0].pixels)


@pytest.mark.parametrize("data", [PNG, JPEG, BMP, TIFF, _tiff(GREY, compression="zlib",
                                  tile=(16, 16))])  # fmt: skip
def test_damaged_bytes_raise_nothing_but_image_errors(tmp_path, data):
    rng = np.random.default_rng(7)
    path = tmp_path / "a.png"
    for _ in range(150):
        damaged = bytearray(data)
        for at in rng.integers(0, min(len(data), 400), 3):
            damaged[at] = rng.integers(0, 256)
        path.write_bytes(bytes(damaged))
        for read in (read_pictures, read_sizes):
            with contextlib.suppress(ImageError):
                read(path)


def test_an_imagej_stack_under_one_header_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    text = "ImageJ=1.53k\nimages=3\nslices=3\n"
    tifffile.imwrite(path, GREY, description=text, metadata=None)
    with pytest.raises(ImageError, match="ImageJ stack of 3 images under one header"):
        read_pictures(path)


def test_what_is_not_a_file_is_refused_unopened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "null.png").symlink_to("/dev/null")
    for name, reason in [
        ("pipe.png", "a pipe, not a file"),
        ("folder.png", "a folder, not a file"),
        ("null.png", "a device, not a file"),
        ("gone.png", "cannot be read: No such file or directory"),
    ]:
        with pytest.raises(ImageError) as error:
            read_pictures(tmp_path / name)
        assert reason == str(error.value)


def test_the_limit_is_the_callers(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with pytest.raises(ImageError, match="over the limit of 5119 pixels"):
        read_pictures(path, max_pixels=80 * 64 - 1)
    assert len(read_pictures(path, max_pixels=80 * 64)) == 1


def test_sizes_of_what_is_no_image(tmp_path: Path):
    for name, data in [("a.png", b"text"), ("b.tif", TIFF[:40])]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ImageError):
            read_sizes(tmp_path / name)
