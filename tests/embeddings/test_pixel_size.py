"""How large a pixel is: who is believed, in which units, and what is said where two disagree."""

import json
import math
import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from embeddings.extract.pixel_sizes import count_sizes, describe_sizes
from embeddings.images import read_pictures
from embeddings.images.pixel_size import SizeClaim, settle_size
from embeddings.images.pixel_size.units import find_unit, read_length, read_number
from embeddings.records import SIZE_DOUBT, SIZE_SOURCE
from embeddings.store import open_store

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
GREY = np.random.default_rng(3).integers(0, 256, (48, 64), dtype=np.uint8)


def write_tiff(folder, *tags, **options):
    """Write a TIFF with tags of (code, type, value)."""
    extra = []
    for code, kind, value in tags:
        count = len(value) if isinstance(value, bytes) else 1
        extra.append((code, kind, count, value, True))
    path = folder / "a.tif"
    tifffile.imwrite(path, GREY, extratags=extra, **options)
    return path


def text_tag(code, text):
    return code, 2, text.encode("latin-1") + b"\0"


def read(path):
    (picture,) = read_pictures(path)
    return picture


@pytest.mark.parametrize(
    ("text", "um"),
    [
        ("m", 1e6), ("mm", 1e3), ("cm", 1e4), ("inch", 25400), ("in", 25400), ("um", 1), ("µm", 1),
        ("\u03bcm", 1), ("\\u00B5m", 1), ("Âµm", 1), ("\ufffdm", 1), ("micron", 1), ("Microns", 1),
        ("micrometers", 1), ("nm", 1e-3), ("nanometer", 1e-3), ("pm", 1e-6), ("Å", 1e-4),
        ("angstrom", 1e-4), ("um/pixel", 1), (b"\xb5m", 1), ("pixel", math.nan), ("1/nm", math.nan),
        ("", math.nan), (None, math.nan),
    ],
)  # fmt: skip
def test_units(text, um):
    assert find_unit(text) == pytest.approx(um, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "um"),
    [("5.5 nm", 0.0055), ("5,5 nm", 0.0055), ("10um", 10), ("1,000.5 um", 1000.5), ("2e-9 m", 2e-3),
     ("1e-05 mm", 0.01), ("nm", math.nan), ("5", math.nan), ("5 stone", math.nan)],
)  # fmt: skip
def test_lengths(text, um):
    assert read_length(text) == pytest.approx(um, nan_ok=True)


def test_numbers():
    assert [2.5, 2.5, 3.0] == [read_number("2,5"), read_number(2.5), read_number("3 V")]
    assert math.isnan(read_number(True))
    assert math.isnan(read_number("x"))


def test_a_long_text_is_no_length_and_takes_no_time():
    start = time.process_time()
    assert math.isnan(read_length("5" + " " * 1_000_000 + "nm"))
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("dpi", "um"),
    [(254, math.nan), (93, math.nan), (146.1213, math.nan), (192, math.nan), (240, math.nan),
     (1200, math.nan), (4800, math.nan), (5081, 4.99902), (254_000, 0.1)],
)  # fmt: skip
def test_dots_an_inch_are_a_printers_unless_a_microscope_may_have_them(tmp_path, dpi, um):
    path = write_tiff(tmp_path, resolution=(dpi, dpi), resolutionunit="inch")
    assert read(path).um_per_pixel == pytest.approx(um, nan_ok=True, rel=1e-4)
    assert read(path).size_source == ("" if math.isnan(um) else "resolution tags (inch)")
    path = write_tiff(tmp_path, resolution=(dpi / 2.54, dpi / 2.54), resolutionunit="centimeter")
    assert read(path).um_per_pixel == pytest.approx(um, nan_ok=True, rel=1e-4)


def test_the_resolution_of_a_printer_in_imagej_is_one_too(tmp_path):
    # ImageJ takes the inches of a TIFF over as its own unit.
    options = {"imagej": True, "resolution": (300, 300), "metadata": {"unit": "inch"}}
    assert math.isnan(read(write_tiff(tmp_path, **options)).um_per_pixel)


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases")
def test_pictures_with_a_printers_resolution():
    folder = CASES / "01-printer-dpi-as-pixel-size"
    assert [True] * 5 == [math.isnan(read(p).um_per_pixel) for p in sorted(folder.glob("*.tif"))]


FEI = "[Beam]\r\nScan=EScan\r\n[EScan]\r\nPixelWidth=2e-9\r\nPixelHeight=2e-9\r\n"
ZEISS = "AP_PIXEL_SIZE\r\nPixel Size = 16.0 nm\r\n"
TESCAN = b"\x01\x00JPEG\xff\xd8\r\nMagnification=5000\r\nPixelSizeX=2.5e-9\r\nPixelSizeY=2.5e-9\r\n"
SIS_INI = "[General]\r\nPixelSizeX=1.5e-7\r\nPixelSizeY=1.5e-7\r\n"


def test_an_image_of_a_beam_that_is_not_scanned(tmp_path):
    text = "[IRBeam]\r\nHFW=0.000064\r\n[Image]\r\nResolutionX=64\r\nResolutionY=48\r\n"
    assert read(write_tiff(tmp_path, text_tag(34682, text))).um_per_pixel == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("tags", "um", "source"),
    [
        ([text_tag(34682, FEI)], 0.002, "FEI tag 34682"),
        ([text_tag(34680, "[Scan]\r\nPixelWidth=3,5e-9\r\n")], 0.0035, "FEI tag 34680"),
        (
            [text_tag(34683, '<M><PixelSize><X unit="m">1.5E-09</X><Y unit="m">1.5E-09</Y>'
                             "</PixelSize></M>")],
            0.0015, "FEI tag 34683",
        ),
        # Of a screen of 1024 pixels, and the picture has 64.
        ([text_tag(34118, ZEISS)], 0.256, "Zeiss AP_PIXEL_SIZE (of 1024 pixels)"),
        (
            [text_tag(34118, "AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 1,5 nm\r\n")],
            0.0015, "Zeiss AP_IMAGE_PIXEL_SIZE",
        ),
        ([text_tag(34118, "0\r\n0\r\n0\r\n1e-9\r\n")], 0.016, "Zeiss tag 34118 (of 1024 pixels)"),
        ([(50431, 1, TESCAN)], 0.0025, "TESCAN tag 50431"),
        ([(50431, 7, TESCAN)], 0.0025, "TESCAN tag 50431"),
        ([(50431, 2, TESCAN[16:] + b"\0")], 0.0025, "TESCAN tag 50431"),
        ([text_tag(33471, SIS_INI)], 0.15, "Olympus SIS tag 33471"),
        (
            [(65003, 2, b"nm\0"), (65004, 2, b"nm\0"), (65009, 12, 4.0), (65010, 12, 4.0)],
            0.004, "DigitalMicrograph tag 65009",
        ),
        (
            [(65003, 2, b"\xb5m\0"), (65009, 12, 0.5), (65010, 12, 0.5)],
            0.5, "DigitalMicrograph tag 65009",
        ),
        ([(65003, 2, b"1/nm\0"), (65009, 12, 0.5), (65010, 12, 0.5)], math.nan, ""),
    ],
)  # fmt: skip
def test_tags_of_microscopes(tmp_path, tags, um, source):
    picture = read(write_tiff(tmp_path, *tags, resolution=(96, 96), resolutionunit="inch"))
    assert picture.um_per_pixel == pytest.approx(um, nan_ok=True)
    assert (picture.size_source, picture.size_doubt) == (source, "")


def test_the_structure_of_olympus_sis(tmp_path):
    """Tag 33560 as a file has it: a header, one entry, and the block that the entry points to."""
    block = struct.pack("<10xhdd8xd2x34s32s", -6, 0.25, 0.25, 100.0, b"camera", b"type")
    length = 60 + 8 + len(block)
    path = write_tiff(tmp_path, (33560, 1, bytes(length)))
    with tifffile.TiffFile(path) as file:
        at = file.pages.first.tags[33560].valueoffset
    head = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 1, 2, 3, 4, 120, b"name", 1)
    entry = struct.pack("<hhI", 1, 1, at + 68)
    data = bytearray(path.read_bytes())
    data[at : at + length] = head + entry + block
    path.write_bytes(bytes(data))
    picture = read(path)
    assert picture.um_per_pixel == pytest.approx(0.25)
    assert picture.size_source == "Olympus SIS tag 33560"


def test_the_magnified_resolution_of_a_jeol_tem(tmp_path):
    xml = (
        "<?xml version='1.0'?><TemReporter><Eos><EosMode>eosTEM</EosMode></Eos><ImageFormingSystem>"
        "<ModeString>MAG</ModeString><SelectorValue>150000</SelectorValue></ImageFormingSystem>"
        "</TemReporter>"
    )
    options = {"resolution": (93, 93), "resolutionunit": "inch", "description": xml}
    picture = read(write_tiff(tmp_path, **options))
    assert picture.um_per_pixel == pytest.approx(25400 / 93 / 150_000)


@pytest.mark.parametrize(
    ("metadata", "um"),
    [
        ({"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}, 0.25),
        ({"PhysicalSizeX": 5, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 5,
          "PhysicalSizeYUnit": "nm"}, 0.005),
        ({"PhysicalSizeX": 2, "PhysicalSizeXUnit": "mm", "PhysicalSizeY": 2,
          "PhysicalSizeYUnit": "mm"}, 2000),
        ({"PhysicalSizeX": 2, "PhysicalSizeXUnit": "Å", "PhysicalSizeY": 2,
          "PhysicalSizeYUnit": "Å"}, 0.0002),
        ({"PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel", "PhysicalSizeY": 1,
          "PhysicalSizeYUnit": "pixel"}, math.nan),
        ({}, math.nan),
    ],
)  # fmt: skip
def test_ome(tmp_path, metadata, um):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, GREY, ome=True, metadata=metadata)
    assert read(path).um_per_pixel == pytest.approx(um, nan_ok=True)
    assert read(path).size_source == ("" if math.isnan(um) else "OME PhysicalSizeX")


def test_two_images_of_one_ome_file_have_their_own_sizes(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for um in (0.25, 0.5):
            writer.write(
                np.stack([GREY, GREY]),
                photometric="minisblack",
                metadata={"axes": "TYX", "PhysicalSizeX": um, "PhysicalSizeY": um},
            )
    assert [0.25, 0.25, 0.5, 0.5] == [page.um_per_pixel for page in read_pictures(path)]


@pytest.mark.parametrize(
    ("unit", "um"),
    [("micron", 0.25), ("um", 0.25), ("µm", 0.25), ("\\u00B5m", 0.25), ("nm", 2.5e-4), ("mm", 250),
     ("pixel", math.nan)],
)  # fmt: skip
def test_imagej(tmp_path, unit, um):
    text = f"ImageJ=1.54f\nunit={unit}\nloop=false\n".encode("latin-1")
    path = write_tiff(
        tmp_path, resolution=(4, 4), resolutionunit="none", description=text, metadata=None
    )
    assert read(path).um_per_pixel == pytest.approx(um, nan_ok=True)


def test_a_resolution_in_inches_of_a_microscope_in_imagej(tmp_path):
    options = {"resolution": (254_000, 254_000), "metadata": {"unit": "inch"}}
    assert read(write_tiff(tmp_path, imagej=True, **options)).um_per_pixel == pytest.approx(0.1)


JEOL = "$SEM_DATA_VERSION 1\r\n$CM_MAG 5000\r\n$CM_FULL_SIZE 64 48\r\n"
BAR = "$$SM_MICRON_BAR 160\r\n$$SM_MICRON_MARKER 8um\r\n"
HITACHI = "[SemImageFile]\r\nInstructName=SU8000\r\nDataSize=64x48\r\nPixelSize=9.5\r\n"


@pytest.mark.parametrize("picture", ["a.tif", "a.bmp", "a.jpg", "a.png", "A.TIF"])
@pytest.mark.parametrize(
    ("text", "um", "source"),
    [
        (JEOL + BAR, 0.05, "JEOL .txt beside the picture"),
        (JEOL + BAR.replace("8um", "8000 nm"), 0.05, "JEOL .txt beside the picture"),
        (JEOL + "$CM_PIXEL_SIZE 0.05\r\n", 0.05, "JEOL .txt beside the picture"),
        (
            JEOL + "$CM_FIELD_OF_VIEW 3.2µm 2.4µm\r\n",
            0.05, "JEOL .txt beside the picture (field of view)",
        ),
        (HITACHI, 0.0095, "Hitachi .txt beside the picture"),
        (HITACHI.replace("9.5", "9,5"), 0.0095, "Hitachi .txt beside the picture"),
        ("lot,wafer\r\nL1,3\r\n", math.nan, ""),
    ],
)  # fmt: skip
def test_texts_beside_a_picture(tmp_path, picture, text, um, source):
    Image.fromarray(GREY).save(tmp_path / picture)
    (tmp_path / picture[0]).with_suffix(".txt").write_bytes(text.encode("cp1252"))
    read_one = read(tmp_path / picture)
    assert read_one.um_per_pixel == pytest.approx(um, nan_ok=True)
    assert (read_one.size_source, read_one.size_doubt) == (source, "")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "cp1252"])
def test_texts_in_any_encoding(tmp_path, encoding):
    path = write_tiff(tmp_path)
    text = HITACHI + "Operator=Jürgen Müller\r\n"
    (tmp_path / "a.TXT").write_bytes(text.encode(encoding))
    assert read(path).um_per_pixel == pytest.approx(0.0095)


@pytest.mark.parametrize("name", ["a.hdr", "a-tif.hdr"])
def test_the_header_beside_a_tescan_picture(tmp_path, name):
    path = write_tiff(tmp_path)
    (tmp_path / name).write_text("[MAIN]\nPixelSizeX=4.0e-9\nPixelSizeY=4.0e-9\n")
    assert read(path).um_per_pixel == pytest.approx(0.004)
    assert read(path).size_source == "TESCAN .hdr beside the picture"


def test_what_is_no_text_beside_a_picture_is_not_read(tmp_path):
    path = write_tiff(tmp_path)
    os.mkfifo(tmp_path / "a.txt")  # reading it would wait for ever
    (tmp_path / "a.TXT").write_bytes(HITACHI.encode() + b" " * 1_000_000)
    (tmp_path / "a.hdr").mkdir()
    assert math.isnan(read(path).um_per_pixel)


def test_two_that_disagree_are_both_named(tmp_path):
    path = write_tiff(tmp_path, text_tag(34682, FEI), resolution=(254_000, 254_000))
    picture = read(path)
    assert picture.um_per_pixel == pytest.approx(0.002)
    assert picture.size_doubt == (
        "FEI tag 34682 says 0.002 um a pixel, resolution tags (inch) 0.1: the first is taken"
    )


def test_a_text_beside_goes_before_the_resolution_and_is_contradicted_by_a_tag(tmp_path):
    path = write_tiff(tmp_path, resolution=(254_000, 254_000))
    (tmp_path / "a.txt").write_text(HITACHI)
    assert read(path).um_per_pixel == pytest.approx(0.0095)
    assert "Hitachi .txt beside the picture says 0.0095" in read(path).size_doubt
    path = write_tiff(tmp_path, text_tag(34682, FEI))
    assert read(path).size_doubt == (
        "FEI tag 34682 says 0.002 um a pixel, Hitachi .txt beside the picture 0.0095: the first is "
        "taken"
    )


def test_a_picture_of_another_width_than_is_said(tmp_path):
    path = write_tiff(tmp_path)
    (tmp_path / "a.txt").write_text(HITACHI.replace("64x48", "1280x960"))
    assert read(path).um_per_pixel == pytest.approx(0.0095)
    assert "of a picture of 1280x960 pixels, and this one has 64x48" in read(path).size_doubt


def test_pixels_that_are_not_square_have_no_size(tmp_path):
    path = write_tiff(tmp_path, text_tag(34682, FEI.replace("Height=2e-9", "Height=4e-9")))
    assert math.isnan(read(path).um_per_pixel)
    assert read(path).size_doubt == "FEI tag 34682 says 0.002 x 0.004 um, not square"


@pytest.mark.parametrize("um", [0.0, -1.0, math.inf, math.nan, 1e9, 1e-12])
def test_a_size_that_cannot_be_is_none(um):
    assert math.isnan(settle_size([SizeClaim(source="x", um=um)], width=64, height=48).um)


def test_a_damaged_tag_spoils_no_picture(tmp_path):
    damaged = [text_tag(34118, "AP_PIXEL_SIZE\r\nPixel Size = \r\n"), (33560, 1, b"SIS0abcdef")]
    picture = read(
        write_tiff(tmp_path, *damaged, (65009, 2, b"x\0"), text_tag(34682, "[Scan\r\n="))
    )
    np.testing.assert_array_equal(GREY, picture.pixels)
    assert math.isnan(picture.um_per_pixel)


def test_the_store_says_where_sizes_came_from(extract, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    path = write_tiff(images, text_tag(34682, FEI), resolution=(254_000, 254_000))
    path.rename(images / "b.tif")
    Image.fromarray(GREY[::-1]).save(images / "c.png")
    ran = extract(images, "--store", tmp_path / "store")
    assert ran.code == 0
    assert "pixel size: 0.002 um by FEI tag 34682 (1), unknown (1)" in ran.err
    assert "the pixel size of 1 image is in doubt, such as" in ran.err
    rows = open_store(tmp_path / "store").rows()
    assert count_sizes(rows) == {"FEI tag 34682": 1, "unknown": 1}
    notes = [json.loads(text) for text in rows["metadata"] if text]
    assert [set(note) for note in notes] == [{SIZE_SOURCE, SIZE_DOUBT}]


def test_what_a_user_says_goes_before_the_file(extract, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    write_tiff(images, text_tag(34682, FEI))
    ran = extract(images, "--store", tmp_path / "store", "--um-per-pixel", "0.5")
    assert "--um-per-pixel says 0.5 um a pixel, FEI tag 34682 0.002: the first is taken" in ran.err
    rows = open_store(tmp_path / "store").rows()
    assert describe_sizes(rows) == "0.5 um by --um-per-pixel (1)"
