"""Decoding: every grey level as it was stored, from each container and number type."""

import concurrent.futures
import io
import math
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from embeddings.errors import ImageError
from embeddings.images import Picture, read_pictures, read_sizes, stream_pictures

HEIGHT, WIDTH = 20, 32
RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
DEEP_COLOUR = RNG.integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
HEIGHTS = RNG.normal(0, 3e-9, (HEIGHT, WIDTH)).astype(np.float32)


def _one(path: Path) -> Picture:
    pictures = read_pictures(path)
    assert len(pictures) == 1
    return pictures[0]


def _save(tmp_path: Path, name: str, image: Image.Image, **options) -> Path:
    image.save(tmp_path / name, **options)
    return tmp_path / name


def _tiff(tmp_path: Path, array: np.ndarray, **options) -> Path:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.pgm"])
def test_8_bit_grey_is_kept(tmp_path, name):
    picture = _one(_save(tmp_path, name, Image.fromarray(GREY)))
    np.testing.assert_array_equal(GREY, picture.pixels)
    assert (
        picture.kind, picture.bit_depth, picture.channels, picture.page, picture.nan_pixels,
    ) == ("uint8", 8, 1, 0, 0)  # fmt: skip
    assert math.isnan(picture.um_per_pixel)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm"])
def test_8_bit_colour_is_kept(tmp_path, name):
    picture = _one(_save(tmp_path, name, Image.fromarray(COLOUR)))
    np.testing.assert_array_equal(COLOUR, picture.pixels)
    assert picture.channels == 3


def test_16_bit_png_and_pgm_are_not_clipped(tmp_path):
    for name in ("a.png", "a.pgm"):
        picture = _one(_save(tmp_path, name, Image.fromarray(DEEP)))
        np.testing.assert_array_equal(DEEP, picture.pixels)
        assert (picture.kind, picture.bit_depth) == ("uint16", 16)


@pytest.mark.parametrize("n_alpha", [0, 1])
def test_16_bit_colour_png_keeps_16_bits_without_alpha(tmp_path, n_alpha):
    alpha = np.full((HEIGHT, WIDTH, n_alpha), 7, np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(np.concatenate([DEEP_COLOUR, alpha], axis=2)))
    picture = _one(path)
    np.testing.assert_array_equal(DEEP_COLOUR, picture.pixels)
    assert picture.kind == "uint16"


def test_16_bit_grey_and_alpha_png_keeps_16_bits(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(np.stack([DEEP, DEEP], axis=2)))
    np.testing.assert_array_equal(DEEP, _one(path).pixels)


@given(hnp.arrays(np.uint16, st.tuples(st.integers(16, 40), st.integers(16, 40))))
@settings(max_examples=30, deadline=None)
def test_any_uint16_value_survives_png_and_tiff(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("deep")
    Image.fromarray(array).save(folder / "a.png")
    tifffile.imwrite(folder / "a.tif", array, compression="zlib")
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(array, _one(folder / name).pixels)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"rowsperstrip": 3}])
def test_tiff_layouts_keep_16_bits(tmp_path, compression, layout):
    picture = _one(_tiff(tmp_path, DEEP, compression=compression, **layout))
    np.testing.assert_array_equal(DEEP, picture.pixels)


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}, {"predictor": True,
                                     "compression": "lzw"}])  # fmt: skip
def test_tiff_variants_keep_16_bits(tmp_path, options):
    np.testing.assert_array_equal(DEEP, _one(_tiff(tmp_path, DEEP, **options)).pixels)


@pytest.mark.parametrize(
    ("dtype", "kind", "held"),
    [
        ("int8", "int8", "float32"),
        ("int16", "int16", "float32"),
        ("uint32", "uint32", "float32"),
        ("int32", "int32", "float32"),
        ("float16", "float16", "float32"),
        ("float32", "float32", "float32"),
        ("float64", "float64", "float32"),
    ],
)
def test_wide_tiff_types_are_held_as_float32(tmp_path, dtype, kind, held):
    array = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 100).astype(dtype)
    picture = _one(_tiff(tmp_path, array))
    assert (kind, held) == (picture.kind, str(picture.pixels.dtype))
    assert np.dtype(dtype).itemsize * 8 == picture.bit_depth
    np.testing.assert_array_equal(array.astype(np.float64), picture.pixels)


def test_heights_in_metres_are_kept(tmp_path):
    np.testing.assert_array_equal(HEIGHTS, _one(_tiff(tmp_path, HEIGHTS)).pixels)


def test_12_bit_tiff_has_its_own_kind(tmp_path):
    # 12 bits packed: two pixels in three bytes, written by hand.
    array = (DEEP >> 4).astype(np.uint16)
    packed = imagecodecs.packints_encode(array, 12)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.frombuffer(packed, np.uint8).reshape(HEIGHT, -1), metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(WIDTH)
        file.pages[0].tags["BitsPerSample"].overwrite(12)
    picture = _one(path)
    np.testing.assert_array_equal(array, picture.pixels)
    assert (picture.kind, picture.bit_depth) == ("uint12", 12)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_1_bit_becomes_black_and_white(tmp_path, name):
    mask = GREY > 128
    picture = _one(_save(tmp_path, name, Image.fromarray(mask)))
    np.testing.assert_array_equal(np.where(mask, 255, 0), picture.pixels)
    assert picture.kind == "uint8"


def test_4_bit_tiff_is_spread_over_8_bits(tmp_path):
    array = (GREY >> 4).astype(np.uint8)
    packed = (array[:, ::2] << 4) | array[:, 1::2]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, packed, metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(WIDTH)
        file.pages[0].tags["BitsPerSample"].overwrite(4)
    np.testing.assert_array_equal(array * 17, _one(path).pixels)


@pytest.mark.parametrize("array", [GREY, DEEP])
def test_min_is_white_is_turned_round(tmp_path, array):
    picture = _one(_tiff(tmp_path, array, photometric="miniswhite"))
    np.testing.assert_array_equal(np.iinfo(array.dtype).max - array, picture.pixels)


def test_min_is_white_floats_change_sign(tmp_path):
    picture = _one(_tiff(tmp_path, HEIGHTS, photometric="miniswhite"))
    np.testing.assert_array_equal(-HEIGHTS, picture.pixels)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_colour_of_both_layouts(tmp_path, planar):
    array = DEEP_COLOUR if planar == "contig" else np.moveaxis(DEEP_COLOUR, 2, 0)
    picture = _one(_tiff(tmp_path, array, photometric="rgb", planarconfig=planar))
    np.testing.assert_array_equal(DEEP_COLOUR, picture.pixels)


@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha", "unspecified"])
def test_tiff_alpha_is_dropped(tmp_path, extra):
    array = np.concatenate([COLOUR, np.full_like(COLOUR[..., :1], 9)], axis=2)
    path = _tiff(tmp_path, array, photometric="rgb", extrasamples=[extra])
    np.testing.assert_array_equal(COLOUR, _one(path).pixels)


def test_palettes_become_grey_or_colour(tmp_path):
    levels = np.linspace(0, 255, 8).astype(np.uint8)
    indices = (GREY % 8).astype(np.uint8)
    for name in ("a.png", "a.bmp", "a.tif"):
        image = Image.fromarray(indices)
        image.putpalette(np.repeat(levels, 3).tobytes())
        np.testing.assert_array_equal(levels[indices], _one(_save(tmp_path, name, image)).pixels)
    table = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
    image.putpalette(table.tobytes())
    picture = _one(_save(tmp_path, "c.png", image, transparency=bytes([0, 128, 255])))
    np.testing.assert_array_equal(table[indices], picture.pixels)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_png_alpha_is_dropped(tmp_path, mode):
    colours = GREY[..., None] if mode == "LA" else COLOUR
    array = np.concatenate([colours, GREY[::-1, :, None]], axis=2)
    picture = _one(_save(tmp_path, "a.png", Image.fromarray(array)))
    np.testing.assert_array_equal(colours.squeeze(), picture.pixels)


def test_jpeg_grey_colour_and_cmyk(tmp_path):
    flat = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    for mode, channels in (("L", 1), ("RGB", 3), ("CMYK", 3)):
        image = Image.fromarray(flat).convert(mode)
        picture = _one(_save(tmp_path, "a.jpg", image, quality=100))
        assert channels == picture.channels
        expected = np.asarray(image.convert("L" if channels == 1 else "RGB"))
        np.testing.assert_allclose(picture.pixels, expected, atol=2)


def test_jpeg_in_tiff(tmp_path):
    flat = np.full((32, 48, 3), (200, 100, 50), np.uint8)
    path = _tiff(tmp_path, flat, photometric="rgb", compression="jpeg")
    np.testing.assert_allclose(_one(path).pixels, flat, atol=3)


def test_cmyk_tiff_becomes_colour(tmp_path):
    inks = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    inks[..., 0], inks[..., 3] = 255, 51  # cyan, a fifth of black
    picture = _one(_tiff(tmp_path, inks, photometric="separated"))
    assert {(0, 204, 204)} == {tuple(int(v) for v in p) for p in picture.pixels.reshape(-1, 3)}


def test_content_counts_not_the_suffix(tmp_path):
    path = tmp_path / "a.jpg"
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, DEEP)
    path.write_bytes(buffer.getvalue())
    np.testing.assert_array_equal(DEEP, _one(path).pixels)


def test_pages_come_in_order_with_their_number(tmp_path):
    stack = RNG.integers(0, 65536, (5, HEIGHT, WIDTH), dtype=np.uint16)
    pictures = read_pictures(_tiff(tmp_path, stack, photometric="minisblack"))
    assert [picture.page for picture in pictures] == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(stack, np.stack([picture.pixels for picture in pictures]))


def test_thumbnails_beside_a_page_are_left_out(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(DEEP)
        writer.write(DEEP[:16, :16], subfiletype=1)
        writer.write(DEEP[::-1])
    assert [picture.page for picture in read_pictures(path)] == [0, 2]
    assert read_sizes(path) == [(WIDTH, HEIGHT), (16, 16), (WIDTH, HEIGHT)]


def test_sizes_come_from_the_header(tmp_path):
    for name in ("a.png", "a.jpg", "a.bmp", "a.tif", "a.pgm"):
        assert read_sizes(_save(tmp_path, name, Image.fromarray(GREY))) == [(WIDTH, HEIGHT)]


def test_what_is_not_finite_becomes_the_median_and_is_counted(tmp_path):
    array = HEIGHTS.copy()
    array[0, :3] = np.nan, np.inf, -np.inf
    picture = _one(_tiff(tmp_path, array))
    assert picture.nan_pixels == 3
    assert [np.median(array[np.isfinite(array)])] * 3 == list(picture.pixels[0, :3])
    np.testing.assert_array_equal(array[1:], picture.pixels[1:])


def test_float64_beyond_float32_is_counted_as_infinite(tmp_path):
    array = np.ones((HEIGHT, WIDTH))
    array[3, 3] = 1e300
    picture = _one(_tiff(tmp_path, array))
    assert (picture.nan_pixels, float(picture.pixels[3, 3])) == (1, 1.0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"resolution": (50_000, 50_000), "resolutionunit": "centimeter"}, 0.2),
        ({"resolution": (254_000, 254_000), "resolutionunit": "inch"}, 0.1),
        ({"resolution": (72, 72), "resolutionunit": "inch"}, math.nan),
        ({"resolution": (300, 300), "resolutionunit": "inch"}, math.nan),
        ({"resolution": (118.11, 118.11), "resolutionunit": "centimeter"}, math.nan),
        ({"resolution": (1, 1)}, math.nan),
        ({"resolution": (50_000, 25_000), "resolutionunit": "centimeter"}, math.nan),
        ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "um"}}, 0.25),
        ({"imagej": True, "resolution": (0.5, 0.5), "metadata": {"unit": "nm"}}, 0.002),
        ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "pixel"}}, math.nan),
    ],
)
def test_pixel_size_where_the_tags_really_say_it(tmp_path, options, expected):
    assert (
        pytest.approx(expected, nan_ok=True) == _one(_tiff(tmp_path, GREY, **options)).um_per_pixel
    )


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        (34682, "[Scan]\r\nPixelWidth=2.5e-009\r\nPixelHeight=2.5e-009\r\n", 0.0025),
        (34680, "[EScan]\r\nPixelWidth=1e-006\r\n", 1.0),
        (34118, "AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 5.5 nm\r\n", 0.0055),
        # Of a screen of 1024 pixels; the picture has 32.
        (34118, "AP_PIXEL_SIZE\r\nPixel Size = 1.25 µm\r\n", 40.0),
    ],
)
def test_pixel_size_of_electron_microscopes(tmp_path, tag, text, expected):
    data = text.encode("latin-1")
    path = _tiff(tmp_path, GREY, extratags=[(tag, 2, len(data) + 1, data + b"\0", True)])
    assert pytest.approx(expected) == _one(path).um_per_pixel


def test_pages_before_a_damaged_one_are_streamed(tmp_path):
    path = _tiff(tmp_path, np.stack([DEEP] * 3), photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[1].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + 8] = b"\0" * 8
    path.write_bytes(bytes(data))
    pictures = stream_pictures(path)
    np.testing.assert_array_equal(DEEP, next(pictures).pixels)
    with pytest.raises(ImageError, match="page 1 of 3"):
        next(pictures)


def test_threads_decode_the_same(tmp_path):
    paths = [_save(tmp_path, f"{n}.png", Image.fromarray(DEEP + n)) for n in range(8)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for n, pictures in enumerate(pool.map(read_pictures, paths * 4)):
            np.testing.assert_array_equal(DEEP + n % 8, pictures[0].pixels)
