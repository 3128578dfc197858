"""The KLARF that images came from gets its classes filled in, and nothing else changes."""

import csv
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from discovery.handoff import HandoffOptions, main
from discovery.ledger import append_decisions
from discovery.records import Decision
from discovery.runs import LEDGER
from embeddings.console import run_command
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.images import fingerprint_file
from embeddings.store import open_store
from embeddings.tables import read_klarf

AT = "2026-11-24T10:00:00+00:00"
COLUMNS = "DEFECTID XREL YREL XSIZE YSIZE CLASSNUMBER FINEBINNUMBER IMAGECOUNT IMAGELIST"


def make_flat(wafer, rows, *, lookup=' 0 "Unclassified"\n 7 "Big Particle"\n 9 "VOID"'):
    count = lookup.count("\n") + 1
    table = f"ClassLookup {count}\n{lookup};\n" if lookup else ""
    text = f'FileVersion 1 2;\nLotID "LÖT";\n{table}DefectRecordSpec 9 {COLUMNS} ;\n'
    text += f'WaferID "{wafer}";\nTiffFileName {wafer}.tif;\nDefectList\n{rows};\nEndOfFile;\n'
    return text.replace("\n", "\r\n").encode("latin-1")


def write_pages(path, n, seed=0):
    rng = np.random.default_rng(seed)
    pages = rng.integers(0, 255, (n, 64, 64), np.uint8)
    tifffile.imwrite(path, pages, photometric="minisblack")


def call(*words):
    return run_command(main, HandoffOptions, prog="handoff", args=[str(word) for word in words])


def decide(run, labels, *, scope="image", by="eva"):
    append_decisions(
        run.path / LEDGER,
        [
            Decision(
                proposal_id="P-0", verdict="accept", label=label, by=by, at=AT, scope=scope,
                image_ids=(image_id,),
            )
            for image_id, label in labels.items()
        ],
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Two wafers of a lot, each a KLARF with a TIFF of its pictures."""
    folder = tmp_path / "lot"
    folder.mkdir()
    for wafer, seed in (("W1", 1), ("W2", 2)):
        rows = " 1 1 2 4 4 0 0 1 1 1 0\n 2 1 2 4 4\n   0000 0 2 2 2 0 3 0\n 3 5 5 4 4 9 0 0 0"
        (folder / f"{wafer}.001").write_bytes(make_flat(wafer, rows))
        write_pages(folder / f"{wafer}.tif", 4, seed)
    return folder


@pytest.fixture
def run(folder, tmp_path, make_run):
    """A run of both wafers' pictures, extracted each with its own KLARF."""
    store = tmp_path / "store"
    ids = []
    for wafer in ("W1", "W2"):
        options = ExtractOptions(
            extractor="texture", metadata=folder / f"{wafer}.001", device="cpu"
        )
        found = extract_vectors(folder / f"{wafer}.tif", store, options=options)
        ids += found.ids.tolist()
    paths = [folder / f"{wafer}.tif" for wafer in ("W1", "W2") for _ in range(4)]
    return make_run(ids, paths, [0] * 8, store=store)


def find_id(folder, wafer, page):
    return f"{fingerprint_file(folder / f'{wafer}.tif')}#{page}"


def test_the_file_is_written_again_with_its_classes(run, folder, tmp_path, capsys):
    decide(run, {
        find_id(folder, "W1", 0): "defect/big_particle", find_id(folder, "W1", 2): "defect/void",
        find_id(folder, "W2", 0): "void",
    })  # fmt: skip
    out = tmp_path / "out"
    assert call(run.path, "--out", out, "--format", "klarf") == 0
    said = capsys.readouterr().out.splitlines()
    assert f"{out / 'W1.001'}: 2 of 3 defects have a class now" in said[0]
    assert f"{out / 'W2.001'}: 1 of 3 defects have a class now" in said[1]
    assert said[-1] == str(out)
    before = {name: (folder / name).read_bytes() for name in ("W1.001", "W2.001")}
    expected = before["W1.001"].replace(b" 1 1 2 4 4 0 0", b" 1 1 2 4 4 7 0")
    assert (out / "W1.001").read_bytes() == expected.replace(b"   0000 0", b"   9 0")
    assert (out / "W2.001").read_bytes() == before["W2.001"].replace(b"2 4 4 0 0", b"2 4 4 9 0")
    assert sorted(path.name for path in out.iterdir()) == ["W1.001", "W2.001"]
    # The file that the tool wrote is as it was, and cannot be written over.
    assert call(run.path, "--out", folder, "--format", "klarf") == 2
    assert "is the KLARF itself" in capsys.readouterr().err
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_it_goes_over_itself_and_over_no_other_wafers_file(run, folder, tmp_path, capsys):
    decide(run, {find_id(folder, "W1", 0): "defect/big_particle"})
    words = [run.path, "--out", tmp_path / "out", "--format", "klarf"]
    assert call(*words) == 0
    decide(run, {find_id(folder, "W1", 0): "defect/void"})
    assert call(*words) == 0
    other = make_flat("W9", " 1 1 2 4 4 0 0 0 0")
    (tmp_path / "out" / "W1.001").write_bytes(other)
    capsys.readouterr()
    assert call(*words) == 2
    assert "W1.001 is there and is not what this command writes" in capsys.readouterr().err
    assert other == (tmp_path / "out" / "W1.001").read_bytes()


def test_new_classes_get_a_number_in_a_file_beside_it(run, folder, tmp_path, capsys):
    decide(run, {find_id(folder, "W1", 0): "bridge", find_id(folder, "W2", 1): "bridge",
                 find_id(folder, "W2", 0): "scratch"})  # fmt: skip
    out = tmp_path / "out"
    words = [run.path, "--format", "klarf", "--klarf-column", "finebinnumber"]
    assert call(*words, "--out", out) == 0
    assert "2 labels are no class of the KLARF" in capsys.readouterr().out
    with (out / "classes.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["label", "number"], ["bridge", "10"], ["scratch", "11"]]
    for wafer, numbers in (("W1", [10, 0, 0]), ("W2", [11, 10, 0])):
        defects = read_klarf(out / f"{wafer}.001").defects
        assert defects["FINEBINNUMBER"].tolist() == numbers
        assert defects["CLASSNUMBER"].tolist() == [0, 0, 9]
    # The numbers that came out go in again, or others.
    (tmp_path / "own.csv").write_text("label;number\nbridge;300\nscratch;11\n")
    assert call(*words, "--out", tmp_path / "two", "--klarf-classes", tmp_path / "own.csv") == 0
    defects = read_klarf(tmp_path / "two" / "W2.001").defects
    assert defects["FINEBINNUMBER"].tolist() == [11, 300, 0]


def test_people_go_first_where_the_pictures_of_a_defect_differ(run, folder, tmp_path, capsys):
    # Defect 2 has the pages 1 and 2.
    decide(run, {find_id(folder, "W1", 1): "void"}, scope="proposal")
    decide(run, {find_id(folder, "W1", 2): "big particle"})
    assert call(run.path, "--out", tmp_path / "one", "--format", "klarf") == 0
    assert read_klarf(tmp_path / "one" / "W1.001").defects["CLASSNUMBER"].tolist() == [0, 7, 9]
    decide(run, {find_id(folder, "W1", 1): "void"})
    assert call(run.path, "--out", tmp_path / "two", "--format", "klarf") == 2
    error = capsys.readouterr().err
    assert "defect 2 of wafer 'W1': 'void' (W1.tif) and 'big particle' (W1.tif)" in error
    assert not (tmp_path / "two").exists()


def test_with_nothing_said_by_a_person_the_first_picture_counts(run, folder, tmp_path):
    decide(run, {find_id(folder, "W1", 2): "void"}, scope="proposal")
    decide(run, {find_id(folder, "W1", 1): "big particle"}, scope="proposal")
    assert call(run.path, "--out", tmp_path / "one", "--format", "klarf") == 0
    assert read_klarf(tmp_path / "one" / "W1.001").defects["CLASSNUMBER"].tolist() == [0, 7, 9]


NESTED = """Record FileRecord "1.8"
{
  Record LotRecord "L" { Record WaferRecord "W" {
    List DefectList { Columns 6 { int32 DEFECTID, int32 XSIZE, int32 YSIZE, int32 CLASSNUMBER,
        int32 MANSEMCLASS, ImageList IMAGEINFO }
      Data 3 {
        1 4000 4000 0 0 Images 1 { "a.png" "PNG" 1 "top" };
        2 20000 20000 0 0 Images 1 { "a.png" "PNG" 1 "top" };
        3 4000 4000 0 0 Images 1 { "b.png" "PNG" 1 "top" };
      } } } } }
EndOfFile;
"""


@pytest.fixture
def crops(tmp_path, make_run):
    """A run of crops round the defects of a KLARF 1.8, two of them in one picture."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(rng.integers(0, 255, (96, 96), np.uint8)).save(folder / f"{name}.png")
    (folder / "w.klarf").write_text(NESTED)
    options = ExtractOptions(
        extractor="texture", boxes=folder / "w.klarf", um_per_pixel=0.5, device="cpu"
    )
    ids = extract_vectors(folder, tmp_path / "store", options=options).ids.tolist()
    paths = [folder / f"{name}.png" for name in "aab"]
    return make_run(ids, paths, [0, 0, 0], store=tmp_path / "store")


def test_each_crop_finds_its_own_defect(crops, tmp_path):
    rows = open_store(tmp_path / "store").rows().set_index("image_id")
    ids = crops.load_images()["image_id"].tolist()
    size = {image_id: rows.loc[image_id, "defect_px"] for image_id in ids}
    assert sorted(size.values()) == [8, 8, 40]
    decide(crops, {one: "small" if size[one] == 8 else "large" for one in ids})
    words = [crops.path, "--format", "klarf", "--klarf-column", "MANSEMCLASS"]
    assert call(*words, "--out", tmp_path / "out") == 0
    text = (tmp_path / "out" / "w.klarf").read_text()
    expected = NESTED.replace("1 4000 4000 0 0", "1 4000 4000 0 2")
    expected = expected.replace("2 20000 20000 0 0", "2 20000 20000 0 1")
    assert text == expected.replace("3 4000 4000 0 0", "3 4000 4000 0 2")
    assert (tmp_path / "out" / "classes.csv").read_text() == "label,number\nlarge,1\nsmall,2\n"


def test_a_klarf_that_moved_is_named_or_asked_for(crops, tmp_path, capsys):
    (tmp_path / "images" / "w.klarf").rename(tmp_path / "images" / "w2.klarf")
    ids = crops.load_images()["image_id"].tolist()
    decide(crops, {ids[2]: "void"})
    words = [crops.path, "--out", tmp_path / "out", "--format", "klarf"]
    assert call(*words) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'images' / 'w.klarf'} cannot be read" in error
    assert "--klarf FILE" in error
    assert call(*words, "--klarf", tmp_path / "images" / "w2.klarf") == 0
    filled = read_klarf(tmp_path / "out" / "w2.klarf").defects
    assert filled["CLASSNUMBER"].tolist() == [0, 0, 1]


CLASH = ' 0 "x"\n 7 "Void"\n 8 "void"'


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--klarf-column", "XREL"], "XREL is no class"),
        (["--klarf-column", "MANSEMCLASS"], "have no column MANSEMCLASS: expected one of"),
        (["--klarf-classes", "{run}/none.csv"], "none.csv cannot be read"),
        (["--klarf-classes", "{run}/proposals.csv"], "label"),
        (["--klarf", "{run}/proposals.csv"], "no KLARF"),
    ],
)
def test_what_cannot_be_used_is_one_line(run, folder, tmp_path, capsys, words, text):
    decide(run, {find_id(folder, "W1", 0): "void"})
    words = [word.format(run=run.path) for word in words]
    assert call(run.path, "--out", tmp_path / "out", "--format", "klarf", *words) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert text in error[0]
    assert not (tmp_path / "out").exists()


def test_two_classes_of_one_name_are_asked_about(run, folder, tmp_path, capsys):
    path = folder / "W1.001"
    path.write_bytes(make_flat("W1", " 1 1 2 4 4 0 0 1 1 1 0", lookup=CLASH))
    decide(run, {find_id(folder, "W1", 0): "a/void"})
    words = [run.path, "--out", tmp_path / "out", "--format", "klarf", "--klarf", path]
    assert call(*words) == 2
    assert "the classes 7 and 8 both have the name of 'a/void'" in capsys.readouterr().err
    (tmp_path / "own.csv").write_text("label,number\na/void,8\n")
    assert call(*words, "--klarf-classes", tmp_path / "own.csv") == 0
    assert read_klarf(tmp_path / "out" / "W1.001").defects["CLASSNUMBER"].tolist() == [8]


def test_klarf_options_need_a_klarf(make_run, tmp_path, capsys):
    run = make_run(["0" * 16], [tmp_path / "a.png"], [0])
    words = [run.path, "--out", tmp_path / "out", "--klarf-column", "FINEBINNUMBER"]
    assert call(*words, "--format", "klarf") == 2
    assert "the store notes no KLARF" in capsys.readouterr().err
    assert call(*words, "--format", "coco") == 2
    assert "are for --format klarf" in capsys.readouterr().err


def test_pictures_of_one_name_are_told_apart_by_their_place(make_run, tmp_path, capsys):
    ids, paths = [], []
    text = f"FileVersion 1 2;\nDefectRecordSpec 9 {COLUMNS} ;\nTiffFileName a.tif;\nDefectList\n"
    for lot in ("one", "two"):
        (tmp_path / lot).mkdir()
        Image.fromarray(np.full((8, 8), len(ids), np.uint8)).save(tmp_path / lot / "a.tif")
        (tmp_path / lot / "w.klarf").write_text(text + " 1 1 2 4 4 0 0 1 1 1 0;\n")
        paths.append(tmp_path / lot / "a.tif")
        ids.append(fingerprint_file(paths[-1]))
    run = make_run(ids, paths, [0, 0])
    decide(run, {ids[0]: "void", ids[1]: "bridge"})
    words = [run.path, "--format", "klarf", "--out"]
    both = ["--klarf", tmp_path / "one" / "w.klarf", tmp_path / "two" / "w.klarf"]
    assert call(*words, tmp_path / "out", *both) == 0
    for lot, number in (("one", 2), ("two", 1)):
        defects = read_klarf(tmp_path / "out" / lot / "w.klarf").defects
        assert defects["CLASSNUMBER"].tolist() == [number]
    shutil.copy(tmp_path / "one" / "w.klarf", tmp_path)
    assert call(*words, tmp_path / "more", "--klarf", tmp_path / "w.klarf") == 2
    assert "a.tif fits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "there"),
    [
        ("{lot}/{name}", "images/{lot}/{name}"),
        ("E:\\export\\{lot}\\{name}", "images/{lot}/{name}"),
        ("{lot}\\{name}", "images/{lot}/{name}"),
        ("/tool/{LOT}/{NAME}", "images/{lot}/{name}"),
        ("{NAME}", "images/{lot}_{name}"),
    ],
)
def test_classes_go_to_the_defects_whose_pictures_end_alike(
    make_run, tmp_path, capsys, form, there
):
    ids, paths, rows = [], [], []
    for lot in ("lota", "lotb"):
        name = "a.png" if "_" not in there else f"{lot}_a.png"
        words = {"lot": lot, "name": name, "LOT": lot.upper(), "NAME": name.upper()}
        place = tmp_path / there.replace("{lot}_", "").format(**words)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), len(ids), np.uint8)).save(place)
        ids.append(fingerprint_file(place))
        paths.append(place)
        rows.append(
            f"TiffFileName {form.format(**words)};\nDefectList\n {len(ids)} 1 2 4 4 0 0 1 1 1 0;\n"
        )
    head = f"FileVersion 1 2;\nDefectRecordSpec 9 {COLUMNS} ;\n"
    gone = "TiffFileName gone.png;\nDefectList\n 3 1 2 4 4 0 0 1 1 1 0;\n"
    klarf = tmp_path / "elsewhere" / "w.klarf"
    klarf.parent.mkdir()
    klarf.write_text(head + "".join(rows) + gone)
    run = make_run(ids, paths, [0, 0])
    decide(run, {ids[0]: "void", ids[1]: "bridge"})
    assert call(run.path, "--format", "klarf", "--out", tmp_path / "out", "--klarf", klarf) == 0
    assert [2, 1, 0] == read_klarf(tmp_path / "out" / "w.klarf").defects["CLASSNUMBER"].tolist()
    said = capsys.readouterr().out
    assert "2 of 3 defects have a class now" in said
    assert "of the pictures that it names 1 fit no image: gone.png" in said
