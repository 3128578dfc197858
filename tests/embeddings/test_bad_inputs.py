"""A table of bad inputs to python -m embeddings.extract.

Each ends with one clear line and exit code 2, or with a quarantined file and exit code 0; and
the good images beside it are embedded all the same.
"""

import io
import os
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from embeddings.store import open_store

ROOT = Path(__file__).resolve().parents[2]


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def png(shape=(64, 64), seed=0):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def tiff(pixels, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def bomb():
    """A PNG of 60,000 x 60,000 pixels in 150 bytes."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.fixture
def images(tmp_path):
    """A folder with two good images."""
    write(tmp_path / "images" / "good1.png", png(seed=1))
    write(tmp_path / "images" / "good2.png", png(seed=2))
    return tmp_path / "images"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


# ---- options: (words, what the line says)

VALUES = [
    (("--size", "3"), "--size 3: expected 32 to 2048"),
    (("--size", "4096"), "--size 4096: expected 32 to 2048"),
    (("--size", "large"), "--size 'large': expected INT"),
    (("--tile", "8"), "--tile 8: expected 16 to 8192"),
    (("--um-per-pixel", "0"), "--um-per-pixel 0.0: expected 1e-06 to 1e+06"),
    (("--um-per-pixel", "nan"), "--um-per-pixel nan: expected"),
    (("--batch-size", "0"), "--batch-size 0: expected 1 to 4096"),
    (("--workers", "0"), "--workers 0: expected 1 to 256"),
    (("--commit-every", "0"), "--commit-every 0: expected 1 to"),
    (("--max-pixels", "1"), "--max-pixels 1: expected 256 to"),
    (("--window", "200", "100"), "--window 200 100: expected two levels, the lower one first"),
    (("--window", "0", "inf"), "--window 0 inf: expected two levels"),
    (("--window", "0"), "--window '0': expected {FLOAT FLOAT}"),
    (("--tile", "64", "--boxes", "b.csv"), "--tile and --boxes: expected one of them"),
    (
        ("--pooling", "gem"),
        "--extractor texture has no pooling: leave that out, or use --extractor",
    ),
    (("--fit", "pad"), "--extractor texture has no fit: leave that out, or use --extractor"),
    (("--view", "map"), "--extractor texture has no view: leave that out, or use --extractor"),
    (("--layers",), "--layers: expected one layer or more, such as layer3 layer4"),
    (("--pooling", "median"), "--pooling 'median': expected defect, gem, max, mean or residual;"),
    (("--turns", "3"), "--turns '3': expected 1, 4 or 8;"),
    (("--view", "wafer"), "--view 'wafer': expected "),
    (("--fit", "crop"), "--fit 'crop': expected "),
    (("--resize", "cubic"), "--resize 'cubic': expected "),
    (("--level", "sphere"), "--level 'sphere': expected "),
    (("--device", "tpu"), "--device 'tpu': expected "),
    (("--precision", "int8"), "--precision 'int8': expected "),
    (("--vector-dtype", "int8"), "--vector-dtype 'int8': expected "),
    (("--no-such-option", "1"), "Unrecognized options: --no-such-option"),
    (("another/folder",), "Unrecognized options: another/folder"),
    (("--boxes", "none.csv"), "none.csv"),
    (("--only", "none.csv"), "--only none.csv does not exist; expected a CSV with a column"),
    (("--metadata", "none.csv"), "none.csv"),
    (("--boxes", "."), "."),
    (("--only", "."), ". cannot be read: Is a directory"),
]


@pytest.mark.parametrize(("words", "told"), VALUES, ids=[" ".join(words) for words, _ in VALUES])
def test_a_wrong_option_or_value(extract, images, store, words, told):
    ran = extract(images, "--store", store, *words)
    assert (2, "") == (ran.code, ran.out)
    assert told in ran.error
    assert not store.exists()


def test_a_wrong_extractor(extract, images, store):
    ran = extract(images, "--store", store, extractor="vgg")
    assert 2 == ran.code
    assert (
        "--extractor vgg: expected auto, lite, resnet50, standout, texture, timm:NAME" in ran.error
    )


# ---- sources


def _fifo(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    return tmp_path / "pipe.csv"


SOURCES = [
    ("missing", lambda t: t / "none", "none does not exist; expected a folder of images"),
    ("empty folder", lambda t: write(t / "e" / "x", "").parent, "holds no image (1 other file"),
    ("name too long", lambda t: t / ("x" * 300), "File name too long"),
    ("below a file", lambda t: write(t / "f", "") / "x", "cannot be read (Not a directory)"),
    ("empty CSV", lambda t: write(t / "a.csv", ""), "a.csv is empty"),
    ("CSV without path", lambda t: write(t / "a.csv", "file\nx.png\n"), "has no column path"),
    ("CSV without rows", lambda t: write(t / "a.csv", "path\n"), "has a header and no row"),
    ("CSV with an empty path", lambda t: write(t / "a.csv", "path,x\n,1\n"), "path is empty"),
    ("CSV of other widths", lambda t: write(t / "a.csv", "path,x\na.png\n"), "line 2"),
    ("CSV of bytes", lambda t: write(t / "a.csv", b"\xff\xfe\xfa"), "a.csv"),
    ("CSV of NUL", lambda t: write(t / "a.csv", b"path\n\0\n"), "not a text file"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "told"), [row[1:] for row in SOURCES], ids=[r[0] for r in SOURCES]
)
def test_a_source_that_cannot_be_used(extract, store, tmp_path, make, told):
    ran = extract(make(tmp_path), "--store", store)
    assert (2, "") == (ran.code, ran.out)
    assert told in ran.error
    assert not store.exists()


def test_a_list_with_a_missing_file_embeds_the_others(extract, images, store, tmp_path):
    write(tmp_path / "list.csv", f"path\nimages/good1.png\nimages/none.png\n{'x' * 300}.png\n")
    ran = extract(tmp_path / "list.csv", "--store", store)
    assert (0, True) == (ran.code, "computed 1, reused 0, quarantined 2" in ran.last)
    reasons = dict(open_store(store).quarantine().itertuples(index=False, name=None))
    assert reasons[str(images / "none.png")] == "file not found"
    assert reasons[f"{tmp_path / ('x' * 300)}.png"] == "cannot be read: File name too long"


def test_a_pipe_for_a_list_does_not_block(extract, store, tmp_path):
    ran = extract(_fifo(tmp_path), "--store", store)
    assert (0, True) == (ran.code, "quarantined 1" in ran.last)


# ---- tables beside the images

GOOD_BOX = "images/good1.png,1,1,9,9\n"
HEAD = "path,xmin,ymin,xmax,ymax\n"
TABLES = [
    ("boxes empty", "--boxes", "b.csv", "", "is empty"),
    ("boxes without rows", "--boxes", "b.csv", HEAD, "no row"),
    ("boxes without xmax", "--boxes", "b.csv", "path,xmin,ymin,ymax\n", "has no column xmax"),
    ("box of words", "--boxes", "b.csv", HEAD + "images/good1.png,a,1,2,2\n", "xmin is 'a'"),
    ("box inverted", "--boxes", "b.csv", HEAD + "images/good1.png,9,1,2,2\n", "not below xmax"),
    ("box empty", "--boxes", "b.csv", HEAD + "images/good1.png,2,1,2,2\n", "not below xmax"),
    ("box infinite", "--boxes", "b.csv", HEAD + "images/good1.png,0,0,inf,2\n", "xmax is 'inf'"),
    ("boxes elsewhere", "--boxes", "b.csv", HEAD + "no.png,1,1,9,9\n", "none of its 1 paths"),
    ("KLARF garbage", "--boxes", "b.klarf", "FileVersion 1 2;\nDefectList\n 1 2 3;", "b.klarf"),
    ("KLARF without end", "--boxes", "b.001", 'FileVersion 1 2;\nLotID "x', "b.001"),
    ("KLARF without images", "--metadata", "m.001",
     "FileVersion 1 2;\nDefectRecordSpec 1 DEFECTID ;\nDefectList\n 1;\nEndOfFile;\n", "m.001"),
    ("metadata of others", "--metadata", "m.csv", "file,lot\nno.png,1\n", "no row has the file"),
    ("metadata without key", "--metadata", "m.csv", "lot\n1\n", "has no column path, file"),
    ("metadata that disagrees", "--metadata", "m.csv",
     "file,lot\ngood1.png,1\na/good1.png,2\n", "good1.png and a/good1.png say different things of"),
    ("metadata page of words", "--metadata", "m.csv", "file,page\ngood1.png,x\n", "page is 'x'"),
    ("only of others", "--only", "o.csv", "name\nx\n", "expected image_id or path"),
    ("only named", "--only", "o.csv", "path,verdict\nimages/good1.png,named\n", "lists no image"),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLES, ids=[row[0] for row in TABLES])
def test_a_table_that_cannot_be_used(extract, images, store, tmp_path, row):
    _, flag, name, text, told = row
    ran = extract(images, "--store", store, flag, write(tmp_path / name, text))
    assert (2, "") == (ran.code, ran.out)
    assert told in ran.error
    assert not store.exists()


def test_only_images_of_elsewhere(extract, images, store, tmp_path):
    ran = extract(images, "--store", store, "--only", write(tmp_path / "o.csv", "path\nno.png\n"))
    assert (2, True) == (ran.code, "none of its images is in the source; expected" in ran.error)
    assert not store.exists()


def test_only_by_a_pattern_of_names(extract, images, store):
    ran = extract(images, "--store", store, "--only", "*.png")
    assert (2, True) == (ran.code, "--only *.png does not exist; expected a CSV" in ran.error)
    assert not store.exists()


def test_a_klarf_with_sizes_needs_the_pixel_size(extract, images, store, tmp_path):
    klarf = write(
        images / "k.001",
        "FileVersion 1 2;\nTiffFileName good1.png;\n"
        "DefectRecordSpec 5 DEFECTID XSIZE YSIZE IMAGECOUNT IMAGELIST ;\n"
        "DefectList\n 1 4 4 1 1 1 0;\nEndOfFile;\n",
    )
    ran = extract(images, "--store", store, "--boxes", klarf)
    assert (2, True) == (ran.code, "--um-per-pixel" in ran.error)


def test_a_box_outside_of_its_picture(extract, images, store, tmp_path):
    boxes = HEAD + "images/good2.png,900,900,910,910\n" + GOOD_BOX
    ran = extract(images, "--store", store, "--boxes", write(tmp_path / "b.csv", boxes))
    assert (0, True) == (ran.code, "computed 1, reused 0, quarantined 1" in ran.last)
    assert "outside" in open_store(store).quarantine()["reason"].item()


# ---- weights and stores

WEIGHTS = [
    ("missing", lambda t: t / "none.pth", "No such file or directory"),
    ("folder", lambda t: t, "not a file; expected imagenet"),
    ("empty", lambda t: write(t / "w.pth", ""), "not a readable weights file"),
    ("text", lambda t: write(t / "w.safetensors", "text"), "not a readable weights file"),
    ("image", lambda t: write(t / "w.pth", png()), "not a readable weights file"),
    ("name misspelt", lambda _: "imagenet-v3", "expected imagenet, imagenet-v1"),
]


@pytest.mark.parametrize(
    ("make", "told"), [row[1:] for row in WEIGHTS], ids=[r[0] for r in WEIGHTS]
)
def test_weights_that_cannot_be_used(extract, images, store, tmp_path, make, told):
    ran = extract(images, "--store", store, "--weights", make(tmp_path), extractor=None)
    assert (2, "") == (ran.code, ran.out)
    assert ran.error.startswith("--weights ")
    assert told in ran.error
    assert not store.exists()


def test_a_store_that_is_a_file(extract, images, tmp_path):
    ran = extract(images, "--store", write(tmp_path / "s", "mine"))
    assert (2, True) == (ran.code, "is a file" in ran.error)
    assert "mine" == (tmp_path / "s").read_text()


def test_a_store_below_a_file(extract, images, tmp_path):
    ran = extract(images, "--store", write(tmp_path / "s", "mine") / "store")
    assert (2, True) == (ran.code, "cannot be written" in ran.error)


def test_the_folder_of_the_images_is_not_made_a_store(extract, images):
    ran = extract(images, "--store", images)
    assert (2, True) == (ran.code, "is kept apart from them" in ran.error)
    assert ["good1.png", "good2.png"] == sorted(path.name for path in images.iterdir())


def test_a_folder_that_holds_other_files_is_not_made_a_store(extract, images, tmp_path):
    kept = write(tmp_path / "papers" / "mine.txt", "mine")
    ran = extract(images, "--store", kept.parent)
    assert (2, True) == (ran.code, "is not empty and not a store" in ran.error)
    assert [kept] == list(kept.parent.iterdir())


@pytest.mark.parametrize("name", ["store.json", "segment", "paths"])
def test_a_damaged_store(extract, images, store, name):
    extract(images, "--store", store)
    files = {
        "store.json": store / "store.json",
        "segment": next((store / "segments").glob("*.parquet")),
        "paths": next((store / "paths").glob("*")),
    }
    data = bytearray(files[name].read_bytes())
    data[len(data) // 2] ^= 0xFF
    files[name].write_bytes(data)
    ran = extract(images, "--store", store)
    assert (2, "") == (ran.code, ran.out)
    assert files[name].name in ran.error or "store.json" in ran.error


def test_a_store_that_another_process_writes(extract, images, store):
    extract(images, "--store", store)
    with open_store(store).write():
        ran = extract(images, "--store", store)
    assert (2, True) == (ran.code, "is being written by process" in ran.error)
    assert 0 == extract(images, "--store", store).code


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_in_a_read_only_folder(extract, images, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    ran = extract(images, "--store", tmp_path / "locked" / "store")
    assert (2, True) == (ran.code, "cannot be written" in ran.error)


# ---- images: (name, bytes, the reason begins with or holds)

FAULTS = [
    ("empty.png", b"", "an empty file (0 bytes)"),
    ("text.png", b"no picture", "not an image"),
    ("cut.png", png()[:600], "truncated"),
    ("head.png", png()[:20], ""),
    ("cut.tif", tiff(np.zeros((64, 64), np.uint8))[:900], "truncated"),
    ("bomb.png", bomb(), "60000x60000 pixels: over the limit"),
    ("small.png", png((15, 15)), "15x15 pixels: smaller than 16x16"),
    ("thin.png", png((15, 400)), "400x15 pixels: smaller than 16x16"),
    ("nan.tif", tiff(np.full((64, 64), np.nan, np.float32)), "no finite pixel"),
    ("five.tif", tiff(np.zeros((64, 64, 5), np.uint8), planarconfig="contig"), "5 channels"),
    ("complex.tif", tiff(np.zeros((64, 64), np.complex64)), "complex pixels"),
    ("zeros.jpg", bytes(5000), "not an image"),
    ("page.bmp", b"BM" + bytes(60), ""),
    ("gif.png", b"GIF89a" + bytes(40), ""),
]  # fmt: skip


def test_every_fault_of_an_image_goes_to_quarantine_and_poisons_nothing(extract, images, store):
    alone = extract(images, "--store", store.with_name("alone"))
    assert 0 == alone.code
    for name, data, _ in FAULTS:
        write(images / name, data)
    ran = extract(images, "--store", store)
    assert 0 == ran.code
    assert f"computed 2, reused 0, quarantined {len(FAULTS)}, ignored 0, 2 vectors" in ran.last
    reasons = dict(open_store(store).quarantine().itertuples(index=False, name=None))
    assert sorted(reasons) == sorted(str(images / name) for name, _, _ in FAULTS)
    for name, _, told in FAULTS:
        reason = reasons[str(images / name)]
        assert reason, name
        assert told in reason, name
        assert "\n" not in reason, name
    good, same = (open_store(path).load_vectors() for path in (store, store.with_name("alone")))
    assert np.array_equal(good.values, same.values)
    again = extract(images, "--store", store)
    assert f"computed 0, reused 2, quarantined {len(FAULTS)}" in again.last


def test_what_is_no_file_goes_to_quarantine_and_does_not_block(extract, images, store, tmp_path):
    os.mkfifo(images / "pipe.png")
    (images / "dangling.png").symlink_to("nowhere.png")
    (images / "out.png").symlink_to(write(tmp_path / "elsewhere" / "x.png", png()))
    (images / "loop").symlink_to(images)
    (images / "folder.png").mkdir()
    short = Path(os.path.relpath(images / "socket.png"))
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(min(short, images / "socket.png", key=lambda p: len(str(p)))))
        ran = extract(images, "--store", store)
    assert (0, True) == (ran.code, "computed 2, reused 0, quarantined 5" in ran.last)
    reasons = dict(open_store(store).quarantine().itertuples(index=False, name=None))
    told = {Path(path).name: reason for path, reason in reasons.items()}
    assert told["pipe.png"] == "a pipe, not a file"
    assert told["socket.png"] == "a socket, not a file"
    assert told["dangling.png"] == "a dangling link"
    assert told["out.png"].startswith("a link that leaves the folder")
    assert told["loop"] == "a link cycle"


def test_a_colour_picture_cannot_be_levelled(extract, images, store):
    write(images / "colour.png", png((64, 64, 3)))
    ran = extract(images, "--store", store, "--level", "plane")
    assert (0, True) == (ran.code, "computed 2, reused 0, quarantined 1" in ran.last)
    assert "cannot be levelled" in open_store(store).quarantine()["reason"].item()


def test_pictures_over_the_users_own_limit(extract, images, store):
    write(images / "large.png", png((100, 100)))
    ran = extract(images, "--store", store, "--max-pixels", 5000)
    assert "computed 2, reused 0, quarantined 1" in ran.last
    assert "over the limit of 5000" in open_store(store).quarantine()["reason"].item()


def test_copies_of_a_broken_file_are_counted_each(extract, images, store):
    write(images / "a.png", b"no picture")
    write(images / "b.png", b"no picture")
    ran = extract(images, "--store", store)
    assert "computed 2, reused 0, quarantined 2" in ran.last


def test_a_folder_of_nothing_but_faults_ends_with_0_and_says_so(extract, store, tmp_path):
    write(tmp_path / "images" / "text.png", "no picture")
    ran = extract(tmp_path / "images", "--store", store)
    assert (0, True) == (ran.code, "computed 0, reused 0, quarantined 1" in ran.last)
    assert ran.last.endswith("0 vectors")


def test_names_with_blanks_line_breaks_and_letters_of_the_world(extract, images, store):
    for name in ("a b.png", "µm-Größe.png", "結晶.png", "line\nbreak.png", '"quoted",.png'):
        write(images / name, png(seed=len(name) + 10))
    write(images / "bad\nname.png", b"no picture")
    ran = extract(images, "--store", store)
    assert (0, True) == (ran.code, "computed 7, reused 0, quarantined 1" in ran.last)
    assert [str(images / "bad\nname.png")] == open_store(store).quarantine()["path"].tolist()


# ---- a real process, warnings as errors


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("none", "--store", "{t}/s"), 2, "none does not exist"),
        (("gs://lots/7", "--store", "{t}/s"), 2, "is an address (gs)"),
        (("{i}", "--store", "{t}/s", "--size", "1"), 2, "--size 1: expected 32 to 2048"),
        (("{i}", "--store", "{t}/s", "--extractor", "texture"), 0, "computed 2, reused 0"),
    ],
)
def test_the_command_as_a_user_runs_it(images, tmp_path, words, code, told):
    filled = [word.format(t=tmp_path, i=images) for word in words]
    write(images / "text.png", "no picture")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "embeddings.extract", *filled],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert code == done.returncode, done.stderr
    assert told in (done.stderr if code else done.stdout).splitlines()[-1]
    assert "Traceback" not in done.stderr
