"""Look-alikes: nearest first, as a table and as a sheet, with the store's own extractor."""

import csv
import io
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from embeddings.console import run_command
from embeddings.errors import OptionError
from embeddings.images import fingerprint_file
from embeddings.search import find_look_alikes
from embeddings.search.__main__ import SearchCommand, main
from embeddings.store import open_store

PROG = "python -m embeddings.search"


@pytest.fixture
def store(extract, make_images, tmp_path):
    extract(make_images(n=5), "--store", tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def search(capsys):
    """Return a function that runs the command: (exit code, rows, last line of error)."""

    def run(*words):
        capsys.readouterr()
        code = run_command(main, SearchCommand, prog=PROG, args=[*map(str, words)])
        out, err = capsys.readouterr()
        return code, list(csv.DictReader(io.StringIO(out))), err.strip().splitlines()[-1]

    return run


def test_the_table_lists_the_nearest_first(search, store, tmp_path):
    code, rows, _ = search(store, tmp_path / "images" / "3.png", "-k", 3)
    assert (0, ["1", "2", "3"]) == (code, [row["rank"] for row in rows])
    assert ["rank", "distance", "image_id", "path"] == list(rows[0])
    assert (0.0, str(tmp_path / "images" / "3.png")) == (
        float(rows[0]["distance"]),
        rows[0]["path"],
    )
    vectors = open_store(store).load_vectors()
    at = vectors.ids.tolist().index(rows[0]["image_id"])
    exact = np.linalg.norm(vectors.values - vectors.values[at], axis=1)
    nearest = np.argsort(exact)[:3]
    assert vectors.ids[nearest].tolist() == [row["image_id"] for row in rows]
    assert np.allclose(exact[nearest], [float(row["distance"]) for row in rows], atol=1e-6)


def test_a_run_that_has_its_store_in_it_will_do(search, store, tmp_path):
    (*by_store, told), (*by_run, also) = (
        search(place, tmp_path / "images" / "3.png") for place in (store, store.parent)
    )
    assert by_store == by_run
    assert told.partition(" ")[2] == also.partition(" ")[2]  # but for the time


@pytest.mark.parametrize("asked", ["3.png", "4.png"])
def test_no_sheet_is_drawn_over_an_image(search, store, tmp_path, asked):
    before = (tmp_path / "images" / asked).read_bytes()
    words = (store, tmp_path / "images" / "3.png", "--out", tmp_path / "images" / asked)
    code, _, said = search(*words)
    assert 2 == code
    assert f"{asked} is one of the images: it would be lost" in said
    assert before == (tmp_path / "images" / asked).read_bytes()


@pytest.mark.parametrize("flag", ["-k", "--k"])
def test_no_more_are_listed_than_there_are(search, store, tmp_path, flag):
    assert 5 == len(search(store, tmp_path / "images" / "0.png", flag, 99)[1])


def test_an_image_that_is_not_in_the_store_gets_the_vector_extraction_would_give(
    store, extract, picture, save_picture, tmp_path
):
    new = save_picture(tmp_path / "new" / "n.png", picture(11))
    before = find_look_alikes(open_store(store), new, k=3)
    extract(new, "--store", store)
    after = find_look_alikes(open_store(store), new, k=4)
    assert np.array_equal(before.query.values, after.query.values)
    assert after.table["path"].iloc[0] == str(new)
    assert before.table["image_id"].tolist() == after.table["image_id"].tolist()[1:]


def test_blocks_give_what_one_look_gives(store, tmp_path, monkeypatch):
    image = tmp_path / "images" / "2.png"
    whole = find_look_alikes(open_store(store), image, k=4).table
    monkeypatch.setattr("embeddings.search.look_alikes._BLOCK_ROWS", 2)
    assert whole.equals(find_look_alikes(open_store(store), image, k=4).table)


def test_images_that_are_gone_are_not_listed(search, store, extract, tmp_path):
    shutil.move(tmp_path / "images" / "3.png", tmp_path / "3.png")
    extract(tmp_path / "images", "--store", store)
    _, rows, _ = search(store, tmp_path / "3.png")
    assert 4 == len(rows)
    assert fingerprint_file(tmp_path / "3.png") not in [row["image_id"] for row in rows]


def test_the_windows_of_the_store_are_used(extract, search, picture, save_picture, tmp_path):
    for seed in range(3):
        pixels = picture(seed, low=800, high=1200, dtype=np.uint16)
        save_picture(tmp_path / "wide" / f"{seed}.tif", pixels)
    extract(tmp_path / "wide", "--store", tmp_path / "store")
    pixels = picture(1, low=800, high=1200, dtype=np.uint16)
    pixels[0, 0] += 1  # other bytes, the same picture
    again = save_picture(tmp_path / "again.tif", pixels)
    code, rows, _ = search(tmp_path / "store", again)
    assert (0, str(tmp_path / "wide" / "1.tif")) == (code, rows[0]["path"])
    assert 0 < float(rows[0]["distance"]) < float(rows[1]["distance"]) / 2


def test_a_page_of_a_stack(search, store, picture, tmp_path):
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.stack([picture(9), picture(4)]), photometric="minisblack")
    code, rows, _ = search(store, stack, "--page", 1)
    assert (0, str(tmp_path / "images" / "4.png")) == (code, rows[0]["path"])
    assert float(rows[0]["distance"]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("name", "kind"), [("sheet.png", "PNG"), ("sheet.jpg", "JPEG")])
def test_the_sheet_shows_the_image_and_its_look_alikes(search, store, tmp_path, name, kind):
    code, rows, _ = search(store, tmp_path / "images" / "3.png", "-k", 3, "--out", tmp_path / name)
    assert (0, 3) == (code, len(rows))
    with Image.open(tmp_path / name) as sheet:
        assert kind == sheet.format
        shown = np.asarray(sheet.convert("L"))
    assert shown.std() > 20
    assert not list(tmp_path.glob("*.tmp"))


def test_the_sheet_shows_an_image_from_elsewhere(search, store, picture, save_picture, tmp_path):
    new = save_picture(tmp_path / "new.png", picture(11))
    assert 0 == search(store, new, "-k", 2, "--out", tmp_path / "a.png")[0]
    assert 0 == search(store, tmp_path / "images/0.png", "-k", 2, "--out", tmp_path / "b.png")[0]
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("{t}/none", "{t}/images/0.png"), "none"),
        (("{t}/images", "{t}/images/0.png"), "not a store"),
        (("{s}", "{t}/images/9.png"), "9.png: cannot be read: No such file"),
        (("{s}", "{t}/text.png"), "not an image"),
        (("{s}", "{t}/images"), "a folder, not a file"),
        (("{s}", "{t}/wide.tif"), "a kind of picture that"),
        (("{s}", "{t}/images/0.png", "-k", "0"), "-k 0: expected 1 or more"),
        (("{s}", "{t}/images/0.png", "--page", "3"), "--page 3:"),
        (("{s}", "{t}/images/0.png", "--page", "-1"), "expected 0 or more"),
        (("{s}", "{t}/images/0.png", "--out", "x.gif"), "ends with .png"),
        (("{s}", "{t}/images/0.png", "--out", "{t}/no/x.png"), "a folder that exists"),
        (("{s}", "{t}/images/0.png", "--weights", "{t}/no.pth"), "No such file"),
        (("{s}", "{t}/images/0.png", "--weights", "{t}/text.png"), "another extractor"),
        (("{s}",), "missing PATH The image"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    search, store, picture, save_picture, tmp_path, words, told
):
    (tmp_path / "text.png").write_text("no picture at all")
    save_picture(tmp_path / "wide.tif", picture(0, high=4000, dtype=np.uint16))
    filled = [word.format(t=tmp_path, s=store) for word in words]
    code, rows, error = search(*filled)
    assert (2, []) == (code, rows)
    assert error.startswith(f"{PROG}: error: ")
    assert told in error


def test_an_empty_store_is_told(search, extract, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "text.png").write_text("no picture")
    extract(tmp_path / "images", "--store", tmp_path / "store")
    assert "holds no vectors yet" in search(tmp_path / "store", tmp_path / "images/text.png")[2]


def test_from_python_k_is_checked_too(store, tmp_path):
    with pytest.raises(OptionError, match="expected 1 or more"):
        find_look_alikes(open_store(store), tmp_path / "images" / "0.png", k=0)


def test_help_needs_neither_torch_nor_faiss():
    code = (
        "import sys, runpy\n"
        "sys.argv = ['x', '--help']\n"
        "try: runpy.run_module('embeddings.search', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'faiss', 'pandas', 'skimage') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert ("[]", "") == (done.stdout.splitlines()[-1], done.stderr)
    assert "-k" in done.stdout


def test_a_networks_store_needs_its_own_weights_for_a_new_image_alone(
    extract, search, make_images, picture, save_picture, tmp_path
):
    torch = pytest.importorskip("torch")
    from torchvision.models import resnet50

    torch.save(resnet50().state_dict(), tmp_path / "one.pth")
    torch.save(resnet50().state_dict(), tmp_path / "two.pth")
    images, store = make_images(n=3), tmp_path / "store"
    words = ("--layers", "layer1", "--size", "32", "--precision", "float32")
    made = extract(images, "--store", store, "--weights", tmp_path / "one.pth", *words,
                   extractor=None)  # fmt: skip
    assert 0 == made.code, made.err
    assert 0 == search(store, images / "0.png")[0]  # the store has its vector
    new = save_picture(tmp_path / "new.png", picture(2)[::-1].copy())
    assert 0 == search(store, new)[0]  # the store knows where they lie
    assert "weights_sha256: " in search(store, new, "--weights", tmp_path / "two.pth")[2]
    moved = (tmp_path / "one.pth").rename(tmp_path / "moved.pth")
    assert "say where with --weights FILE" in search(store, new)[2]
    code, rows, _ = search(store, new, "--weights", moved)
    assert (0, 3) == (code, len(rows))
    assert find_look_alikes(open_store(store), images / "2.png", k=1).table["distance"][0] == 0


def test_a_whole_picture_among_crops_is_said_to_be_unlike(extract, make_images, caplog, tmp_path):
    images = make_images(n=3)
    table = tmp_path / "boxes.csv"
    rows = [f"{images / f'{number}.png'},8,8,40,40" for number in range(3)]
    table.write_text("\n".join(["path,xmin,ymin,xmax,ymax", *rows]) + "\n")
    extract(images, "--store", tmp_path / "crops", "--boxes", table)
    extract(images, "--store", tmp_path / "tiles", "--tile", 32)
    extract(images, "--store", tmp_path / "whole")
    for name, words in (
        ("crops", "crops holds crops around defects, and"),
        ("tiles", "tiles holds tiles of pictures, and"),
        ("whole", ""),
    ):
        caplog.clear()
        assert len(find_look_alikes(open_store(tmp_path / name), images / "0.png", k=2).table) == 2
        told = [line for line in caplog.messages if "unlike is compared with unlike" in line]
        assert len(told) == bool(words)
        assert words in "".join(told)
