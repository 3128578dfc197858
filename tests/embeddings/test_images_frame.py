"""Which way up pictures are, which pages are pictures, which kinds of files are read or named."""

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from embeddings.errors import ImageError
from embeddings.extract.recipe import make_recipe
from embeddings.images import find_images, is_wafer_map, read_headers, read_pictures, read_sizes
from embeddings.reader import Part, open_parts
from embeddings.records import ExtractorSpec
from embeddings.store import create_store, open_store

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
RNG = np.random.default_rng(4)
GREY = RNG.integers(0, 256, (20, 32), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (20, 32, 3), dtype=np.uint8)
ALL = list(range(1, 9))


def read(path, **how):
    (picture,) = read_pictures(path, **how)
    return picture


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def shown(path):
    """Return what Pillow shows, which turns as viewers do."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image))


# --- orientation ---


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize(
    ("name", "options"),
    [("a.png", {}), ("a.jpg", {"quality": 95}), ("a.webp", {"lossless": True})],
)
def test_exif_orientation_is_applied(tmp_path, orientation, name, options):
    path = tmp_path / name
    Image.fromarray(COLOUR).save(path, exif=exif_of(orientation), **options)
    np.testing.assert_array_equal(shown(path), read(path).pixels)
    height, width = shown(path).shape[:2]
    assert read_sizes(path) == [(width, height)]


# By TIFF 6.0, p. 36: where the first row and the first column lie.
TURNED = {
    1: GREY, 2: GREY[:, ::-1], 3: GREY[::-1, ::-1], 4: GREY[::-1],
    5: GREY.T, 6: np.rot90(GREY, -1), 7: GREY[::-1, ::-1].T, 8: np.rot90(GREY, 1),
}  # fmt: skip


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_tiff_orientation_is_applied(tmp_path, orientation, options):
    path = tmp_path / "a.tif"
    tag = (274, 3, 1, orientation, True)
    tifffile.imwrite(path, GREY, extratags=[tag], metadata=None, **options)
    np.testing.assert_array_equal(TURNED[orientation], read(path).pixels)
    assert read_sizes(path) == [TURNED[orientation].shape[::-1]]


def test_each_page_has_its_own_orientation(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for orientation in (1, 6, 3):
            writer.write(GREY, extratags=[(274, 3, 1, orientation, True)], metadata=None)
    first, second, third = (page.pixels for page in read_pictures(path))
    np.testing.assert_array_equal(GREY, first)
    np.testing.assert_array_equal(np.rot90(GREY, -1), second)
    np.testing.assert_array_equal(GREY[::-1, ::-1], third)
    assert read_sizes(path) == [(32, 20), (20, 32), (32, 20)]


def test_16_bit_colours_are_turned_too(tmp_path):
    deep = RNG.integers(0, 65536, (20, 32, 3), dtype=np.uint16)
    data = imagecodecs.png_encode(deep)
    block = exif_of(6).tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block
    chunk += struct.pack(">I", zlib.crc32(b"eXIf" + block))
    for at in (33, len(data) - 12):  # behind the header, and behind the pixels
        path = tmp_path / "a.png"
        path.write_bytes(data[:at] + chunk + data[at:])
        np.testing.assert_array_equal(np.rot90(deep, -1), read(path).pixels)
        assert read_sizes(path) == [(20, 32)]


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_is_upright(tmp_path, orientation):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, extratags=[(274, 3, 1, orientation, True)], metadata=None)
    np.testing.assert_array_equal(GREY, read(path).pixels)


@pytest.mark.parametrize(
    "block", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"]
)
def test_damaged_exif_is_upright(tmp_path, block):
    path = tmp_path / "a.jpg"
    Image.fromarray(GREY).save(path, exif=b"Exif\0\0" + block)
    assert read_sizes(path) == [(32, 20)]
    assert (read(path).width, read(path).height) == (32, 20)


def test_pictures_of_an_older_store_are_read_as_they_were(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path, exif=exif_of(6))
    np.testing.assert_array_equal(GREY, read(path, reading=1).pixels)
    assert read_sizes(path, reading=1) == [(32, 20)]
    (opened,) = open_parts([Part(path=str(path))], reading=1)
    np.testing.assert_array_equal(GREY, opened.pixels)


def test_a_spec_says_how_pictures_were_read():
    new = ExtractorSpec(name="texture", dim=4)
    old = replace(new, reading=1)
    assert new.to_dict()["reading"] == 2
    assert "reading" not in old.to_dict()  # as it was written before there was another way
    assert ExtractorSpec.from_dict(old.to_dict()) == old
    assert new.hash != old.hash
    assert new.differences(old) == ["reading: 2 != 1"]


def test_a_store_of_a_newer_way_is_refused_with_advice():
    values = ExtractorSpec(name="texture", dim=4).to_dict() | {"reading": 3}
    with pytest.raises(Exception, match="1 to 2: upgrade with"):
        ExtractorSpec.from_dict(values)


def draw_marked(folder, n=4):
    """Draw pictures stored on their side; a viewer shows a bright mark at 20..50, 150..180."""
    folder.mkdir()
    for seed in range(n):
        upright = np.random.default_rng(seed).normal(100, 5, (200, 120)).clip(0, 255)
        upright[150:180, 20:50] = 230
        stored = np.rot90(upright, 1).astype(np.uint8)  # which orientation 6 turns back
        Image.fromarray(stored).save(folder / f"{seed}.jpg", quality=95, exif=exif_of(6))
    rows = [f"{seed}.jpg,20,150,50,180" for seed in range(n)]
    table = folder / "boxes.csv"
    table.write_text("path,xmin,ymin,xmax,ymax\n" + "\n".join(rows) + "\n")
    return table


def middles_of(store):
    """Return the mean grey level of the middle of each crop of a store."""
    rows = store.rows().merge(store.files(), on="file_id")
    found = []
    for row in rows.itertuples():
        (opened,) = open_parts([Part(path=row.path)], reading=store.spec.reading)
        x, y = row.x0 + row.width // 2, row.y0 + row.height // 2
        found.append(opened.pixels[y - 10 : y + 10, x - 10 : x + 10].mean())
    return np.array(found)


def test_boxes_lie_where_a_viewer_shows_them(extract, tmp_path):
    table = draw_marked(tmp_path / "sq")
    ran = extract(tmp_path / "sq", "--store", tmp_path / "store", "--boxes", table)
    assert (ran.code, ran.last.split(": ")[1]) == (
        0, "computed 4, reused 0, quarantined 0, ignored 1, 4 vectors"
    )  # fmt: skip
    assert (middles_of(open_store(tmp_path / "store")) > 200).all()


def test_an_older_store_keeps_its_frame(extract, tmp_path):
    table = draw_marked(tmp_path / "sq", n=2)
    extract(tmp_path / "sq", "--store", tmp_path / "new", "--boxes", table)
    old_spec = replace(open_store(tmp_path / "new").spec, reading=1)
    create_store(tmp_path / "old", old_spec)
    # In that frame the box lies outside of the pictures, which are 200 wide and 120 high.
    ran = extract(tmp_path / "sq", "--store", tmp_path / "old", "--boxes", table)
    assert "quarantined 2" in ran.last
    assert open_store(tmp_path / "old").spec.reading == 1


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases")
def test_boxes_of_turned_photographs(extract, tmp_path):
    case = CASES / "13-orientation-tag"
    extract(case / "sq", "--store", tmp_path / "store", "--boxes", case / "sq.csv")
    assert (middles_of(open_store(tmp_path / "store")) > 180).all()


def test_boxes_of_a_klarf_are_laid_round_the_middle_that_a_viewer_shows(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.zeros((40, 100), np.uint8)).save(path, exif=exif_of(6))
    assert [read_sizes(path), read_sizes(path, reading=1)] == [[(40, 100)], [(100, 40)]]
    assert make_recipe.__kwdefaults__ == {"reading": 2}


# --- pages ---


def write_pages(path, *flags, size=(40, 48)):
    """Write a page a flag: NewSubfileType, and half the size where it is a thumbnail."""
    with tifffile.TiffWriter(path) as writer:
        for number, flag in enumerate(flags):
            sides = [side // 2 for side in size] if flag & 1 else list(size)
            page = np.full(sides, 10 * number, np.uint8)
            writer.write(page, subfiletype=flag, metadata=None)
    return path


@pytest.mark.parametrize(
    ("flags", "pages"),
    [
        ((1, 0), [1]), ((0, 1), [0]), ((0, 1, 0, 1), [0, 2]), ((1, 0, 0), [1, 2]), ((3, 0), [1]),
        ((2, 2), [0, 1]), ((1,), [0]), ((1, 1), [0]),
    ],
)  # fmt: skip
def test_thumbnails_are_left_out_wherever_they_stand(tmp_path, flags, pages):
    path = write_pages(tmp_path / "a.tif", *flags)
    read_ones = read_pictures(path)
    assert pages == [page.page for page in read_ones]
    # A page keeps its number in the file.
    assert [10 * number for number in pages] == [int(page.pixels[0, 0]) for page in read_ones]
    headers = read_headers(path)
    assert pages == [header.page for header in headers if header.is_picture]
    assert len(headers) == len(flags) == read_ones[0].n_pages


def test_the_old_tag_of_a_thumbnail_counts_too(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(GREY, extratags=[(255, 3, 1, 2, True)], metadata=None)
        writer.write(GREY, metadata=None)
    assert [1] == [page.page for page in read_pictures(path)]


def test_a_first_page_that_an_older_store_took_is_still_read_for_it(tmp_path):
    path = write_pages(tmp_path / "a.tif", 1, 0)
    assert [0, 1] == [page.page for page in read_pictures(path, reading=1)]


STACK = RNG.integers(0, 256, (5, 40, 50), dtype=np.uint8)


def test_a_stack_of_one_header_is_refused(tmp_path):
    path = tmp_path / "five.tif"
    tifffile.imwrite(path, STACK, truncate=True)
    for look in (read_pictures, read_headers):
        with pytest.raises(ImageError, match=r"a stack of 5 images under one header: save them"):
            look(path)


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases")
def test_a_stack_of_one_header_goes_to_quarantine(extract, tmp_path):
    ran = extract(CASES / "16-one-header-stack", "--store", tmp_path / "store")
    assert "computed 0, reused 0, quarantined 1" in ran.last
    (reason,) = open_store(tmp_path / "store").quarantine()["reason"]
    assert reason == "a stack of 5 images under one header: save them apart"


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("cut", [1, 2, 4])
def test_a_stack_that_lost_its_last_pages_is_refused(tmp_path, cut, colours):
    path = tmp_path / "a.tif"
    stack = STACK if colours == 1 else np.stack([STACK] * 3, axis=-1)
    photometric = "minisblack" if colours == 1 else "rgb"
    tifffile.imwrite(path, stack, photometric=photometric)
    drop_pages(path, keep=5 - cut)
    told = "cut short" if cut < 4 else "one header"
    with pytest.raises(ImageError, match=f"a stack of 5 .*{told}"):
        read_pictures(path)


def drop_pages(path, *, keep):
    """End the chain of pages of a TIFF behind some of them."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[keep - 1]
        at = page.offset + 2 + 12 * len(page.tags)
    data = bytearray(path.read_bytes())
    data[at : at + 4] = bytes(4)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((6, 40, 50), "ZYX"), ((2, 3, 40, 50), "ZCYX"), ((2, 3, 2, 40, 50), "TZCYX")],
)
def test_hyperstacks_of_imagej_are_whole_or_refused(tmp_path, shape, axes):
    path = tmp_path / "a.tif"
    stack = RNG.integers(0, 256, shape, dtype=np.uint8)
    n = int(np.prod(shape[:-2]))
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": axes})
    assert n == len(read_pictures(path))
    drop_pages(path, keep=n - 1)
    with pytest.raises(ImageError, match=f"an ImageJ stack of {n} pictures, of which {n - 1} are"):
        read_pictures(path)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": axes}, truncate=True)
    with pytest.raises(ImageError, match=f"an ImageJ stack of {n} images under one header"):
        read_pictures(path)


def test_a_hyperstack_whose_images_are_not_counted(tmp_path):
    path = tmp_path / "a.tif"
    text = "ImageJ=1.53t\nchannels=2\nslices=3\nhyperstack=true\n"
    tifffile.imwrite(path, GREY, description=text, metadata=None)
    with pytest.raises(ImageError, match="an ImageJ stack of 6 images under one header"):
        read_pictures(path)


def test_a_colour_picture_of_imagej_is_one(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COLOUR, imagej=True)
    np.testing.assert_array_equal(COLOUR, read(path).pixels)


def test_an_ome_stack_is_whole_or_refused(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK, ome=True, photometric="minisblack", metadata={"axes": "ZYX"})
    assert 5 == len(read_pictures(path))
    drop_pages(path, keep=3)
    with pytest.raises(ImageError, match="an OME-TIFF of 5 pictures, of which 3 are in the file"):
        read_pictures(path)


def write_ome(path, images, *, own="", pages=5):
    """Write an OME-TIFF whose images are lists of blocks: attributes, and a file and its id."""
    pixels = ""
    for blocks in images:
        pixels += '<Image><Pixels SizeZ="5" SizeC="1" SizeT="1">'
        for attributes, file, name in blocks:
            named = f'<UUID FileName="{file}">{name}</UUID>' if file else ""
            pixels += f"<TiffData {attributes}>{named}</TiffData>"
        pixels += "</Pixels></Image>"
    text = f'<?xml version="1.0"?><OME UUID="{own}">{pixels}</OME>'
    tifffile.imwrite(path, STACK[:pages], photometric="minisblack", description=text, metadata=None)
    return path


HERE, THERE = "urn:uuid:11", "urn:uuid:22"
ONE_HERE = [('IFD="0" PlaneCount="2"', "a.tif", HERE), ('IFD="0" PlaneCount="3"', "b.tif", THERE)]


@pytest.mark.parametrize(
    ("images", "own", "planes"),
    [
        ([ONE_HERE], HERE, 2),
        ([ONE_HERE], THERE, 3),
        ([ONE_HERE], "", None),  # nobody says which of them this is
        ([[("", "b.tif", THERE)], ONE_HERE], HERE, 2),
        ([[("", "b.tif", THERE)], [("", "", "")]], HERE, 5),  # those elsewhere take no page here
        ([[('IFD="0"', "a.tif", HERE), ('IFD="1"', "a.tif", HERE)]], HERE, 2),
        ([[('IFD="0"', "b.tif", THERE), ('IFD="0"', "a.tif", HERE)]], HERE, 1),
    ],
)
def test_planes_of_an_ome_set_that_lie_in_other_files_are_not_missing(
    tmp_path, images, own, planes
):
    path = tmp_path / "renamed.ome.tif"
    write_ome(path, images, own=own, pages=planes or 1)
    assert (planes or 1) == len(read_pictures(path))
    if planes and planes > 2:
        write_ome(path, images, own=own, pages=planes - 1)
        with pytest.raises(ImageError, match=f"OME-TIFF of {planes} pictures, of which"):
            read_pictures(path)


def test_an_ome_picture_in_colours_is_one(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, COLOUR, ome=True, photometric="rgb", metadata={"axes": "YXS"})
    np.testing.assert_array_equal(COLOUR, read(path).pixels)


def test_series_of_their_own_shapes_are_whole(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(STACK[:2], photometric="minisblack")
        writer.write(np.stack([COLOUR] * 3), photometric="rgb")
        writer.write(GREY, photometric="minisblack")
    assert 6 == len(read_pictures(path))


def test_a_description_of_another_picture_refuses_nothing(tmp_path):
    path = tmp_path / "a.tif"
    text = json.dumps({"shape": [5, 400, 500]})  # of what this one was cut from
    tifffile.imwrite(path, GREY, description=text, metadata=None)
    np.testing.assert_array_equal(GREY, read(path).pixels)


# --- kinds of files ---


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.gif", {}), ("a.webp", {"lossless": True}), ("a.jp2", {"irreversible": False})],
)
@pytest.mark.parametrize("pixels", [GREY, np.repeat(GREY[..., None] // 64 * 64, 3, axis=2)])
def test_gif_webp_and_jpeg_2000_are_read(tmp_path, name, options, pixels):
    path = tmp_path / name
    Image.fromarray(pixels).save(path, **options)
    picture = read(path)
    grey = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[..., 0]
    np.testing.assert_array_equal(pixels if pixels.ndim == 2 else pixels[..., 0], grey)
    assert (read_sizes(path), picture.bit_depth, picture.kind) == ([(32, 20)], 8, "uint8")
    assert find_images(tmp_path).files == (path,)


@pytest.mark.parametrize(("kind", "name"), [("jp2", "a.jp2"), ("j2k", "a.j2k")])
@pytest.mark.parametrize(("bits", "dtype"), [(4, "u1"), (8, "u1"), (12, "u2"), (16, "u2")])
def test_jpeg_2000_keeps_its_bits(tmp_path, kind, name, bits, dtype):
    pixels = RNG.integers(0, 2**bits, (20, 32)).astype(dtype)
    options = {"codecformat": kind, "reversible": True, "level": 0, "bitspersample": bits}
    (tmp_path / name).write_bytes(imagecodecs.jpeg2k_encode(pixels, **options))
    picture = read(tmp_path / name)
    expected = pixels * 17 if bits == 4 else pixels  # few bits are spread over 0 to 255
    np.testing.assert_array_equal(expected, picture.pixels)
    assert (picture.bit_depth, picture.kind) == (bits, f"uint{max(bits, 8)}")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_jpeg_2000_loses_its_alpha_and_keeps_its_colours(tmp_path, channels):
    pixels = RNG.integers(0, 256, (20, 32, channels), dtype=np.uint8)
    path = tmp_path / "a.jp2"
    path.write_bytes(imagecodecs.jpeg2k_encode(pixels, reversible=True, level=0))
    np.testing.assert_array_equal(
        pixels[..., 0] if channels == 2 else pixels[..., :3], read(path).pixels
    )


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_a_film_is_refused(tmp_path, name):
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="of several frames, expected one picture: save them"):
        read_pictures(tmp_path / name)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.jp2"])
def test_what_is_cut_short_is_refused(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ImageError, match=r"truncated|damaged"):
            read_pictures(path)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.jp2"])
def test_too_large_is_told_by_the_header(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(GREY).save(path)
    with pytest.raises(ImageError, match="over the limit of 500 pixels"):
        read_pictures(path, max_pixels=500)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"), (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"\xff\x0a\0\0", "JPEG XL"), (b"8BPS\0\x01", "Photoshop"), (b"%PDF-1.4", "PDF"),
    ],
)  # fmt: skip
def test_pictures_that_are_not_read_are_named(tmp_path, data, kind):
    path = tmp_path / "a.png"
    path.write_bytes(data + bytes(40))
    with pytest.raises(ImageError, match=f"a {kind} file, which is not read: save the picture as"):
        read_pictures(path)


def test_a_folder_lists_pictures_that_are_not_read(tmp_path):
    for name in ("a.heic", "b.avif", "c.txt"):
        (tmp_path / name).write_bytes(b"x")
    found = find_images(tmp_path)
    assert ([path.name for path in found.files], found.ignored) == (["a.heic", "b.avif"], 1)


def test_cmyk_of_floats_is_named_and_not_damaged(tmp_path):
    path = tmp_path / "a.tif"
    inks = RNG.random((20, 32, 4)).astype(np.float32)
    tifffile.imwrite(path, inks, photometric="separated")
    with pytest.raises(
        ImageError, match=r"^CMYK colours of float32 are not supported: save as RGB"
    ):
        read_pictures(path)


def test_cmyk_of_16_bits_is_read(tmp_path):
    path = tmp_path / "a.tif"
    inks = np.zeros((20, 32, 4), np.uint16)
    tifffile.imwrite(path, inks, photometric="separated")
    assert (read(path).pixels == 65535).all()  # no ink is white


# --- wafer maps in colour ---


def draw_disc(side=40, *, bad=()):
    """Return 0 outside of a disc, 1 in it and 2 at some places."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    codes = (x**2 + y**2 <= 1).astype(int)
    for place in bad:
        codes[place] = 2
    return codes


BAD = (slice(10, 16), slice(20, 26))
PALETTES = {
    "white, green, red": [(255, 255, 255), (0, 128, 0), (255, 0, 0)],
    "viridis": [(68, 1, 84), (33, 145, 140), (253, 231, 37)],
    "black, grey, blue": [(0, 0, 0), (128, 128, 128), (0, 0, 255)],
    "grey, yellow, black": [(200, 200, 200), (255, 255, 0), (0, 0, 0)],
}


@pytest.mark.parametrize("palette", list(PALETTES))
@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_wafer_maps_of_few_colours_are_maps(tmp_path, palette, mode):
    colours = np.array(PALETTES[palette], np.uint8)[draw_disc(bad=[BAD])]
    path = tmp_path / "a.png"
    image = Image.fromarray(colours)
    (image.quantize(8) if mode == "P" else image).save(path)
    assert is_wafer_map(read(path).pixels)


def test_a_map_in_colour_is_drawn_as_the_same_map_in_grey(tmp_path):
    from embeddings.images import show_picture

    codes = draw_disc(bad=[BAD])
    spec = ExtractorSpec(name="resnet50", view="map", input_size=64, dim=4)
    grey, coloured = tmp_path / "grey.png", tmp_path / "coloured.png"
    Image.fromarray((codes * 100).astype(np.uint8)).save(grey)
    palette = np.array(PALETTES["white, green, red"], np.uint8)
    Image.fromarray(palette[codes]).save(coloured)
    window = (0.0, 255.0)
    first, second = (show_picture(read(path), spec, window=window) for path in (grey, coloured))
    np.testing.assert_array_equal(first, second)
    # A store of the first rules showed colours as a picture.
    old = show_picture(read(coloured), replace(spec, reading=1), window=window)
    assert old.shape == (3, 64, 64)


@pytest.mark.parametrize(
    "pixels",
    [
        COLOUR,
        np.array([(0, 0, 0), (255, 0, 0)], np.uint8)[RNG.integers(0, 2, (40, 40))],
        np.array([(9, 9, 9), (255, 0, 0)], np.uint8)[np.pad(np.ones((20, 20), int), 10)],
        np.full((40, 40, 3), (9, 20, 9), np.uint8),
    ],
)
def test_other_pictures_in_colour_are_no_maps(pixels):
    assert not is_wafer_map(pixels)
