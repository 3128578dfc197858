"""Small files that ask for gigabytes or minutes are refused by their headers, in one line."""

import io
import re
import struct
import tracemalloc
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, PpmImagePlugin

from embeddings.errors import ImageError
from embeddings.images import read_headers, read_pictures
from embeddings.images.bounds import list_markers
from embeddings.images.netpbm import decode_netpbm

GREY = np.random.default_rng(6).integers(0, 256, (64, 80), dtype=np.uint8)
MOST = 20_000_000  # bytes that Python and numpy may hold at once for a file that is refused


def refuse(tmp_path, data, *, suffix=".tif", max_pixels=100_000_000):
    """Return why these bytes are refused; what was allocated meanwhile stays small."""
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError) as caught:
            read_pictures(path, max_pixels=max_pixels)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < MOST + 4 * len(data)
    return str(caught.value)


def make_tiff(array=GREY, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, metadata=None, **options)
    return buffer.getvalue()


def find_entry(data, tag):
    (at,) = struct.unpack("<I", data[4:8])
    (entries,) = struct.unpack("<H", data[at : at + 2])
    places = [at + 2 + 12 * i for i in range(entries)]
    return next(place for place in places if struct.unpack_from("<H", data, place) == (tag,))


def set_tag(data, tag, value):
    data, place = bytearray(data), find_entry(data, tag)
    kind = struct.unpack_from("<H", data, place + 2)[0]
    struct.pack_into("<H" if kind == 3 else "<I", data, place + 8, value)
    return bytes(data)


def make_directories(n, entries, *, first=8, size=0):
    """A TIFF of `n` directories with the same entries, one behind the other, padded to a size."""
    step = 2 + 12 * len(entries) + 4
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    pages = [
        struct.pack("<H", len(entries)) + body
        + struct.pack("<I", first + (i + 1) * step if i + 1 < n else 0)
        for i in range(n)
    ]  # fmt: skip
    return (struct.pack("<2sHI", b"II", 42, first) + b"".join(pages)).ljust(size, b"\0")


def write_png(width, height, *, extra=b"", depth=8, packed=None):
    packed = zlib.compress(bytes(10_000)) if packed is None else packed
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", packed)
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels + chunk(b"IEND", b"")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_flipped_bit_in_samples_per_pixel(tmp_path):
    data = set_tag(make_tiff(compression="zlib"), 277, 1 ^ (1 << 14))

    reason = refuse(tmp_path, data)

    assert "16385 channels, expected 1 (grey) or 3 (colour): save one a file" == reason


def test_a_size_that_the_bytes_cannot_fill(tmp_path):
    data = make_tiff(compression="zlib", rowsperstrip=64)
    for tag, value in ((256, 9000), (257, 9000), (278, 9000)):
        data = set_tag(data, tag, value)

    assert "81000000 bytes" in (reason := refuse(tmp_path, data))
    assert "packed more than 1100 to one" in reason


def test_pixels_of_many_bits_are_over_the_limit(tmp_path):
    data = make_tiff(np.zeros((64, 80, 4)), photometric="rgb", extrasamples=[2], compression="zlib")
    for tag, value in ((256, 9000), (257, 9000), (278, 9000)):
        data = set_tag(data, tag, value)

    assert "9000x9000 pixels of 256 bits take 2592000000 bytes" in refuse(tmp_path, data)


def test_a_strip_may_not_be_longer_than_its_pixels(tmp_path):
    """One megabyte that is the strip of each of ten thousand rows."""
    data = make_tiff(np.zeros((16, 16), np.uint8), compression="zlib") + bytes(1_000_000)
    entry = make_directories(
        1,
        [(256, 3, 1, 16), (257, 3, 1, 5000), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1),
         (273, 4, 5000, 8000), (277, 3, 1, 1), (278, 3, 1, 1), (279, 4, 5000, 28_000)],
        size=8000,
    )  # fmt: skip
    data = entry + struct.pack("<I", 48_000) * 5000 + struct.pack("<I", 1_000_000) * 5000
    data = data.ljust(1_048_000, b"\0")

    assert "strips or tiles of 5000000000 bytes for 80000 of pixels" in refuse(tmp_path, data)


@pytest.mark.parametrize(
    ("entries", "n", "told"),
    [
        ([], 100_000, "a page without any entry"),
        ([(254, 4, 1, 1)], 100_000, "more than 65536 pages"),
        ([(273, 4, 3_000_000, 8)], 1, "3000000 strips or tiles"),
        ([(270, 2, 600_000, 8)], 3000, "more than the file holds"),
    ],
)
def test_directories_that_would_take_minutes(tmp_path, entries, n, told):
    data = make_directories(n, entries, size=12_100_000 if n == 1 else 700_000)

    assert told in refuse(tmp_path, data)
    with pytest.raises(ImageError, match=told):
        read_headers(tmp_path / "a.tif")


def test_tiles_of_one_pixel(tmp_path):
    data = make_tiff(np.zeros((512, 512), np.uint8), tile=(16, 16))
    for tag in (322, 323):
        data = set_tag(data, tag, 1)

    assert "262144 strips or tiles, expected at most 100000" == refuse(tmp_path, data)


@pytest.mark.parametrize("codec", ["jpeg", "jpeg2000", "png", "webp"])
def test_a_tile_that_says_it_is_larger_than_its_page(tmp_path, codec):
    pixels = np.zeros((4096, 4096), np.uint8)
    grey = {"jpeg": imagecodecs.jpeg_encode, "png": imagecodecs.png_encode}
    if codec == "webp":
        packed = imagecodecs.webp_encode(np.zeros((4096, 4096, 3), np.uint8))
    elif codec == "jpeg2000":
        packed = imagecodecs.jpeg2k_encode(pixels, codecformat="j2k")
    else:
        packed = grey[codec](pixels)
    number = {"jpeg": 7, "jpeg2000": 34712, "png": 34933, "webp": 50001}[codec]
    data = make_tiff(np.zeros((256, 256), np.uint8), compression="zlib", rowsperstrip=256)
    at = len(data)
    for tag, value in ((259, number), (273, at), (279, len(packed))):
        data = set_tag(data, tag, value)

    reason = refuse(tmp_path, data + packed)

    assert "4096x4096 pixels" in reason


def test_a_tile_of_a_codec_whose_size_is_not_known(tmp_path):
    data = set_tag(make_tiff(compression="zlib"), 259, 50002)

    assert "are not supported: save them uncompressed, or by LZW or deflate" in refuse(
        tmp_path, data
    )


def test_a_progressive_jpeg_of_many_scans(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    scan = data[data.rfind(b"\xff\xda") : -2]

    assert "a progressive JPEG of more than 50 scans, expected about 10" in refuse(
        tmp_path, data[:-2] + scan * 60 + b"\xff\xd9", suffix=".jpg"
    )
    (tmp_path / "b.jpg").write_bytes(data)
    assert (64, 80) == read_pictures(tmp_path / "b.jpg")[0].pixels.shape


def test_scans_within_a_jpegs_own_thumbnail_do_not_count(tmp_path):
    """Marker-like bytes of an APP segment are passed over, in as many segments as there are."""
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "JPEG", quality=95)
    data, note = buffer.getvalue(), b"\xff\xda" * 30_000
    segment = b"\xff\xe4" + struct.pack(">H", len(note) + 2) + note
    (tmp_path / "a.jpg").write_bytes(data[:2] + segment * 3 + data[2:])

    assert (64, 80) == read_pictures(tmp_path / "a.jpg")[0].pixels.shape


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt", b"tEXt"])
def test_what_is_packed_beside_a_pngs_pixels_is_never_unpacked(tmp_path, kind):
    bomb = zlib.compress(bytes(50_000_000))
    head = {b"zTXt": b"a\0\0", b"iCCP": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"tEXt": b"a\0"}[kind]
    raw = b"".join(b"\0" + row.tobytes() for row in GREY)
    data = write_png(80, 64, extra=chunk(kind, head + bomb) * 70, packed=zlib.compress(raw))
    (tmp_path / "a.png").write_bytes(data)

    assert np.array_equal(GREY, read_pictures(tmp_path / "a.png")[0].pixels)


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (write_png(9000, 9000), ".png"),
        (write_png(9000, 9000, depth=16), ".png"),
        (b"P5 9000 9000 255\n" + bytes(100), ".pgm"),
        (b"P6 9000 9000 65535\n" + bytes(100), ".ppm"),
        (b"P3 9000 9000 255\n" + b"7 " * 100, ".ppm"),
    ],
)
def test_rasters_without_their_pixels(tmp_path, data, suffix):
    assert "truncated" in refuse(tmp_path, data, suffix=suffix)


def test_a_jpeg_without_its_pixels(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    at = data.find(b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, 9000, 9000)

    assert "81000000 bytes" in refuse(tmp_path, bytes(data), suffix=".jpg")


def test_a_run_length_encoded_bmp_is_bounded(tmp_path):
    body = b"\x02\x07" * 1000
    head = struct.pack("<IiiHHIIiiII", 40, 5000, 5000, 1, 8, 1, len(body), 0, 0, 256, 0)
    data = b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + head + bytes(1024) + body

    assert "a run-length encoded BMP of 5000x5000 pixels" in refuse(tmp_path, data, suffix=".bmp")


@pytest.mark.parametrize("highest", [1, 100, 255, 256, 4095, 65535])
@pytest.mark.parametrize("kind", ["2", "3", "5", "6"])
def test_netpbm_gives_what_pillow_gives(highest, kind):
    n = 20 * 17 * (3 if kind in "36" else 1)
    levels = np.random.default_rng(1).integers(0, highest + 1, n)
    body = levels.astype(np.uint8 if highest < 256 else ">u2").tobytes()
    if kind in "23":
        body = b"# as text\n" + " ".join(map(str, levels)).encode()
    data = f"P{kind} # made here\n20 17\n# twice\n{highest}\n".encode() + body
    with PpmImagePlugin.PpmImageFile(io.BytesIO(data)) as image:
        expected = np.asarray(image)

    actual = decode_netpbm(data, max_pixels=1000)

    assert np.array_equal(expected, actual)
    assert (np.uint16 if highest > 255 and kind in "25" else np.uint8) == actual.dtype


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"P2 20 20 255\n" + b"7 " * 399 + b"300", "a level of 300, its highest is 255"),
        (b"P2 20 20 255\n" + b"7 " * 399 + b"9" * 40, "a level of"),
        (b"P2 20 20 255\n" + b"7 " * 399 + b"-7", "something else than digits"),
        (b"P2 20 20 255\n" + b"7" * 1000, "a level of"),
        (b"P2 20 20 255\n" + b" " * 1000, "fewer than 400 levels"),
        (b"P5 20 20 0\n" + bytes(400), "its highest level is 0"),
        (b"P5 20 20 70000\n" + bytes(800), "its highest level is 70000"),
        (b"P5 20 99999999999 255\n", "no size in its header"),
        (b"P5 #" + b"x" * 1000, "no size in its header"),
    ],
)
def test_a_netpbm_that_cannot_be_used(data, told):
    with pytest.raises(ImageError, match=told):
        decode_netpbm(data, max_pixels=1000)


def test_memory_that_is_not_there_is_the_pictures_own_fault(tmp_path, monkeypatch):
    def fail(*_args, **_options):
        raise MemoryError

    Image.fromarray(GREY).save(tmp_path / "a.png")
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)

    with pytest.raises(ImageError, match="it asks for more memory than there is"):
        read_pictures(Path(tmp_path / "a.png"))


_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
_BYTES_OF_JPEGS = st.lists(
    st.one_of(
        st.sampled_from([b"\xff", b"\xff\x00", b"\xff\xd3", b"\xff\xda\x00\x04", b"\xff\xd9"]),
        st.binary(max_size=8),
        st.integers(250, 600).map(bytes),
    ),
    max_size=12,
)


@given(_BYTES_OF_JPEGS.map(b"".join))
def test_markers_are_found_where_the_standard_has_them(data):
    def walk(at=2):
        while (found := _MARKER.search(data, at)) is not None:
            kind, place = found[1][0], found.start(1) - 1
            yield kind, place
            at = place + 2
            if kind not in {0x01, *range(0xD0, 0xD9)}:
                at += int.from_bytes(data[at : at + 2])
            if kind == 0xD9 or at >= len(data):
                return

    assert list(walk()) == list(list_markers(data))


def test_a_marker_far_behind_is_found():
    data = b"\xff\xd8" + b"\xff\x00\x12" * 100_000 + b"\xff\xff\xd9"
    assert [(0xD9, len(data) - 2)] == list(list_markers(data))
    assert [] == list(list_markers(data[:-1]))
