"""Which images: --only, --exclude; and what is known of them: --metadata, --um-per-pixel."""

import json
import shutil

import numpy as np
import pytest
import tifffile

from embeddings.errors import InputError, OptionError, StoreCorruptError, TableError
from embeddings.extract import ExtractOptions, add_metadata, extract_vectors
from embeddings.images import fingerprint_file
from embeddings.store import open_store, repair_store, verify_store


@pytest.fixture
def run(tmp_path):
    def run(source, **options):
        options = ExtractOptions(extractor="texture", **options)
        return extract_vectors(source, tmp_path / "store", options=options)

    return run


@pytest.fixture
def names(tmp_path):
    """Return a function that names the files of some ids."""

    def names(ids):
        paths = open_store(tmp_path / "store").load_vectors(ids).rows["path"]
        return [path.rsplit("/", 1)[-1] for path in paths]

    return names


def write(path, text):
    path.write_text(text)
    return path


def test_only_by_path(run, names, make_images, tmp_path):
    images = make_images(n=3)
    only = write(tmp_path / "only.csv", f"path\nimages/2.png\n{images / '0.png'}\n")
    extracted = run(images, only=only)
    assert (2, ["0.png", "2.png"]) == (extracted.computed, names(extracted.ids))


def test_only_by_image_id(run, names, make_images, tmp_path):
    images = make_images(n=3)
    only = write(tmp_path / "only.csv", f"image_id\n{fingerprint_file(images / '1.png')}\n")
    extracted = run(images, only=only)
    assert (1, ["1.png"]) == (extracted.computed, names(extracted.ids))


def test_only_takes_unknown_and_undecided_verdicts(run, names, make_images, tmp_path):
    images = make_images(n=4)
    verdicts = ["named", "unknown", "undecided", ""]
    lines = [f"images/{i}.png,{verdict}" for i, verdict in enumerate(verdicts)]
    only = write(tmp_path / "only.csv", "path,verdict\n" + "\n".join(lines))
    assert ["1.png", "2.png"] == names(run(images, only=only).ids)


def test_only_by_tile_takes_that_tile_and_computes_its_file_alone(
    run, picture, save_picture, make_images, tmp_path
):
    images = make_images(n=2)
    path = save_picture(images / "large.png", picture(3, side=96))
    wanted = f"{fingerprint_file(path)}@32,0,64,64"
    whole = fingerprint_file(images / "0.png")
    only = write(tmp_path / "only.csv", f'image_id\n"{wanted}"\n{whole}\n')
    extracted = run(images, tile=64, only=only)
    assert 2 == extracted.computed
    assert [f"{whole}@0,0,64,64", wanted] == extracted.ids.tolist()


def test_only_by_page_takes_that_page(run, picture, tmp_path):
    stack = tmp_path / "images" / "stack.tif"
    stack.parent.mkdir()
    tifffile.imwrite(stack, np.stack([picture(i) for i in range(3)]), photometric="minisblack")
    wanted = f"{fingerprint_file(stack)}#1"
    only = write(tmp_path / "only.csv", f"image_id\n{wanted}\n")
    assert [wanted] == run(stack.parent, only=only).ids.tolist()


def test_only_forgets_nothing_of_the_rest(run, names, make_images, tmp_path):
    images = make_images(n=3)
    (images / "bad.png").write_text("no picture")
    run(images)
    extracted = run(images, only=write(tmp_path / "only.csv", "path\nimages/1.png\n"))
    assert (0, ["1.png"]) == (extracted.computed, names(extracted.ids))
    store = open_store(tmp_path / "store")
    assert 3 == len(store.load_vectors())
    assert [str(images / "bad.png")] == store.quarantine()["path"].tolist()


def test_a_file_renamed_meanwhile_keeps_its_vector_although_not_on_the_list(
    run, names, make_images, tmp_path
):
    images = make_images(n=2)
    run(images)
    (images / "0.png").rename(images / "new.png")
    run(images, only=write(tmp_path / "only.csv", "path\nimages/1.png\n"))
    assert {"new.png", "1.png"} == set(names(open_store(tmp_path / "store").load_vectors().ids))


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("path\nimages/9.png\n", OptionError, "the source; expected paths, from the folder of the"),
        (
            f"image_id\n{'0' * 16}\n",
            OptionError,
            "none of its images is in the source; expected ids",
        ),
        ("", TableError, "is empty: expected a header line$"),
        ("name\n0.png\n", TableError, "expected image_id or path"),
        ("path,verdict\nimages/0.png,named\n", TableError, "lists no image"),
    ],
)
def test_a_list_that_selects_nothing_is_refused(run, make_images, tmp_path, text, error, told):
    with pytest.raises(error, match=told):
        run(make_images(n=1), only=write(tmp_path / "only.csv", text))
    assert not (tmp_path / "store").exists()


def test_a_list_of_nothing_but_faulty_images_leaves_no_store(run, make_images, tmp_path):
    images = make_images(n=1)
    (images / "bad.png").write_bytes(b"")
    with pytest.raises(OptionError, match="none of its images is in the source"):
        run(images, only=write(tmp_path / "only.csv", "path\nimages/bad.png\n"))
    assert not (tmp_path / "store").exists()


def test_exclude_leaves_files_and_folders_out(run, names, make_images):
    images = make_images(n=3)
    make_images("images/masks", n=2, first=5)
    extracted = run(images, exclude=("masks", "1.*"))
    assert ["0.png", "2.png"] == names(extracted.ids)


def test_a_pattern_that_leaves_nothing_out_is_told(run, make_images):
    extracted = run(make_images(n=3), exclude=("1.*", "mask/*"))
    assert ("--exclude 'mask/*' leaves nothing out: no file or folder is named so",) == tuple(
        one for one in extracted.warnings if "exclude" in one
    )


def test_exclude_of_everything_is_named_as_the_cause(run, make_images, tmp_path):
    with pytest.raises(OptionError, match="--exclude '\\*' 'x' leaves out every image of "):
        run(make_images(n=2), exclude=("*", "x"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        run(tmp_path / "empty", exclude=("*",))


def test_exclude_of_a_list_is_refused_not_ignored(run, make_images, tmp_path):
    make_images(n=1)
    with pytest.raises(OptionError, match="--exclude is for a folder"):
        run(write(tmp_path / "list.csv", "path\nimages/0.png\n"), exclude=("x",))


def metadata_of(tmp_path):
    rows = open_store(tmp_path / "store").load_vectors().rows
    named = zip(rows["path"], rows["page"], rows["metadata"], strict=True)
    return {
        (path.rsplit("/", 1)[-1], page): json.loads(text) if text else {}
        for path, page, text in named
    }


def test_metadata_of_a_csv_joins_on_the_file_name(run, make_images, tmp_path):
    images = make_images(n=2)
    table = write(tmp_path / "m.csv", "file,lot,tool\nelsewhere/0.png,L1,E2\n9.png,L9,E9\n")
    run(images, metadata=table)
    assert {("0.png", 0): {"lot": "L1", "tool": "E2"}, ("1.png", 0): {}} == metadata_of(tmp_path)


def test_metadata_by_page(run, picture, tmp_path):
    stack = tmp_path / "images" / "stack.tif"
    stack.parent.mkdir()
    tifffile.imwrite(stack, np.stack([picture(i) for i in range(2)]), photometric="minisblack")
    table = write(tmp_path / "m.csv", "file,page,lot\nstack.tif,0,A\nstack.tif,1,B\n")
    run(stack.parent, metadata=table)
    assert {("stack.tif", 0): {"lot": "A"}, ("stack.tif", 1): {"lot": "B"}} == metadata_of(tmp_path)


def test_metadata_of_a_klarf(run, make_images, tmp_path):
    images = make_images(n=1)
    klarf = write(
        tmp_path / "lot.klarf",
        'FileVersion 1 2;\nLotID "LOT1";\nStepID "ETCH";\nWaferID "W01";\nTiffFileName 0.png;\n'
        "DefectRecordSpec 5 DEFECTID XINDEX YINDEX IMAGECOUNT IMAGELIST ;\n"
        "DefectList\n 1 3 -2 1 1 1 0;\nEndOfFile;\n",
    )
    run(images, metadata=klarf)
    known = metadata_of(tmp_path)["0.png", 0]
    assert ("LOT1", "W01", "ETCH") == (known["lot"], known["wafer"], known["step"])
    assert ("3", "-2") == (known["die_x"], known["die_y"])


def test_the_klarf_of_an_image_is_noted_and_is_no_news(run, make_images, tmp_path):
    images = make_images(n=1)
    text = "FileVersion 1 2;\nTiffFileName 0.png;\n"
    text += "DefectRecordSpec 3 DEFECTID IMAGECOUNT IMAGELIST ;\nDefectList\n 1 1 1 1 0;\n"
    klarf = write(tmp_path / "lot.klarf", text)
    run(images, metadata=klarf)
    assert metadata_of(tmp_path)["0.png", 0]["klarf_file"] == str(klarf)
    # The same list at another place says nothing new of the image.
    assert run(images, metadata=write(tmp_path / "moved.klarf", text)).warnings == ()
    other = write(tmp_path / "other.klarf", text.replace(" 1 1 1 1 0;", " 2 1 1 1 0;"))
    assert run(images, metadata=other).warnings == ()
    assert metadata_of(tmp_path)["0.png", 0]["defectid"] == "2"
    assert metadata_of(tmp_path)["0.png", 0]["klarf_file"] == str(other)


def test_metadata_that_matches_nothing_is_refused_and_leaves_no_store(run, make_images, tmp_path):
    images = make_images(n=1)
    with pytest.raises(InputError, match="no row has the file name of an image"):
        run(images, metadata=write(tmp_path / "m.csv", "file,lot\nx.png,L1\n"))
    assert not (tmp_path / "store").exists()


def test_metadata_that_comes_later_takes_effect_and_is_told(run, make_images, tmp_path, caplog):
    images = make_images(n=2)
    first = write(tmp_path / "first.csv", "file,lot,tool\n0.png,L1,T1\n1.png,L1,T1\n")
    run(images, metadata=first)
    table = write(tmp_path / "m.csv", "file,lot,cd_nm\n0.png,L2,5\n1.png,L1,\n")
    with caplog.at_level("INFO", logger="defect-discovery"):
        extracted = run(images, metadata=table)
    assert (0, 2, ()) == (extracted.computed, extracted.reused, extracted.warnings)
    told = "metadata of 1 image in the store changed; new: cd_nm (1); changed: lot (1)"
    assert told in caplog.messages
    known = {"lot": "L2", "tool": "T1", "cd_nm": "5"}
    told = {("0.png", 0): known, ("1.png", 0): {"lot": "L1", "tool": "T1"}}
    assert told == metadata_of(tmp_path)
    # A third time nothing is new, and nothing is written.
    before = (tmp_path / "store" / "store.json").read_bytes()
    run(images, metadata=table)
    assert before == (tmp_path / "store" / "store.json").read_bytes()
    # Without the table nothing is lost, and new images beside get theirs.
    run(make_images(n=3), metadata=write(tmp_path / "n.csv", "file,lot\n2.png,L3\n"))
    assert told | {("2.png", 0): {"lot": "L3"}} == metadata_of(tmp_path)
    assert [] == verify_store(tmp_path / "store")


def test_metadata_is_given_to_a_store_without_its_images(run, make_images, tmp_path):
    images = make_images(n=2)
    run(images)
    shutil.rmtree(images)
    table = write(tmp_path / "m.csv", "file,lot\nimages/0.png,L1\nimages/7.png,L1\n")
    store = add_metadata(tmp_path / "store", table)
    assert ['{"lot": "L1"}', ""] == store.rows()["metadata"].tolist()
    with pytest.raises(InputError, match="no row has the file name of an image"):
        add_metadata(tmp_path / "store", write(tmp_path / "x.csv", "file,lot\nx.png,L1\n"))


def test_metadata_of_later_are_found_damaged_mended_and_rebuilt(run, make_images, tmp_path):
    run(make_images(n=2))
    store = tmp_path / "store"
    add_metadata(store, write(tmp_path / "m.csv", "file,lot\n0.png,L1\n"))
    manifest = (store / "store.json").read_bytes()
    assert 2 == json.loads(manifest)["version"]  # a program that knows only 1 would lose them
    # Rebuilt from the files alone they are all there.
    (store / "store.json").unlink()
    assert repair_store(store).rebuilt
    assert {("0.png", 0): {"lot": "L1"}, ("1.png", 0): {}} == metadata_of(tmp_path)
    (note,) = (store / "notes").iterdir()
    data = bytearray(note.read_bytes())
    data[len(data) // 2] ^= 1
    note.write_bytes(data)
    with pytest.raises(StoreCorruptError, match=f"notes/{note.name} is damaged"):
        open_store(store).rows()
    told = repair_store(store).describe()
    assert "metadata that were given later are lost: give them again by --metadata" in told
    assert {("0.png", 0): {}, ("1.png", 0): {}} == metadata_of(tmp_path)
    add_metadata(store, tmp_path / "m.csv")
    assert {("0.png", 0): {"lot": "L1"}, ("1.png", 0): {}} == metadata_of(tmp_path)


LOTS = ("lotA/0.png", "lotA/1.png", "lotB/0.png", "lotB/1.png")


@pytest.fixture
def lots(tmp_path, picture, save_picture):
    """Two lots whose images have the same names."""
    for seed, name in enumerate(LOTS):
        save_picture(tmp_path / "imgs" / name, picture(seed))
    return tmp_path / "imgs"


def tools_of(tmp_path):
    rows = open_store(tmp_path / "store").load_vectors().rows
    pairs = zip(rows["path"], rows["metadata"], strict=True)
    return {
        "/".join(path.split("/")[-2:]): json.loads(text)["tool"] if text else ""
        for path, text in pairs
    }


def test_metadata_of_one_lot_are_not_given_to_the_other(run, lots, tmp_path, caplog):
    text = "path,tool\nimgs/lotA/0.png,T1\nimgs/lotA/1.png,T1\nimgs/lotA/2.png,T1\n"
    with caplog.at_level("INFO", logger="defect-discovery"):
        run(lots, metadata=write(tmp_path / "m.csv", text))
    expected = dict(zip(LOTS, ["T1", "T1", "", ""], strict=True))
    assert expected == tools_of(tmp_path)
    (told,) = (text for text in caplog.messages if text.startswith("metadata:"))
    assert "2 of 4 images have a row" in told
    assert "of its 3 rows 1 fit no image: imgs/lotA/2.png" in told


@pytest.mark.parametrize(
    "form", ["imgs/{}", "{}", "D:\\export\\{}", "/elsewhere/{}", "IMGS\\{}", "imgs/lotA/../{}"]
)
def test_metadata_of_lots_with_the_same_names_are_told_apart(run, lots, tmp_path, form):
    names = [form.format(name) for name in LOTS]
    if "\\" in form:
        names = [name.replace("/", "\\") for name in names]
    rows = [f"{name},T{i}" for i, name in enumerate(names)]
    run(lots, metadata=write(tmp_path / "m.csv", "path,tool\n" + "\n".join(rows)))
    assert {name: f"T{i}" for i, name in enumerate(LOTS)} == tools_of(tmp_path)


def test_a_row_that_fits_several_images_is_refused_with_both(run, lots, tmp_path):
    with pytest.raises(TableError) as error:
        run(lots, metadata=write(tmp_path / "m.csv", "path,tool\n0.png,T1\n"))
    assert str(error.value) == (
        f"{tmp_path}/m.csv: 0.png fits {lots}/lotA/0.png and {lots}/lotB/0.png: write so much of "
        "its folder that it fits one"
    )
    assert not (tmp_path / "store").exists()


def test_a_bare_name_beside_its_image_is_that_image(run, lots, tmp_path):
    run(lots, metadata=write(lots / "lotB" / "m.csv", "path,tool\n0.png,T1\n"))
    assert dict(zip(LOTS, ["", "", "T1", ""], strict=True)) == tools_of(tmp_path)


def test_a_row_may_be_of_exact_copies(run, lots, tmp_path):
    (lots / "lotB" / "0.png").write_bytes((lots / "lotA" / "0.png").read_bytes())
    run(lots, metadata=write(tmp_path / "m.csv", "path,tool\n0.png,T1\n"))
    assert {"T1"} == {tools_of(tmp_path)[name] for name in LOTS if name == "lotA/0.png"}


def test_rows_that_say_different_things_of_one_image_are_refused(run, make_images, tmp_path):
    images = make_images(n=1)
    text = "path,tool\na/0.png,T1\nb/0.png,T2\n"
    with pytest.raises(TableError, match=r"a/0.png and b/0.png say different things of .*/0.png"):
        run(images, metadata=write(tmp_path / "m.csv", text))
    # The one that has more of the path in common is meant.
    text = "path,tool\na/0.png,T1\nimages/0.png,T2\n"
    run(images, metadata=write(tmp_path / "m.csv", text))
    assert {"images/0.png": "T2"} == tools_of(tmp_path)


def test_names_that_differ_in_case_are_joined_where_that_is_unique(
    run, picture, save_picture, tmp_path
):
    images = tmp_path / "images"
    images.mkdir()
    for seed, name in enumerate(("d0.png", "e0.png", "E0.PNG", "Ünal.png")):
        save_picture(tmp_path / "one.png", picture(seed)).rename(images / name)
    # macOS writes the dots of the letter as a character of their own.
    text = "path,tool\nD0.PNG,T1\nE0.PNG,T2\nu\u0308NAL.png,T3\n"
    run(images, metadata=write(tmp_path / "m.csv", text))
    told = {name.split("/")[-1]: tool for name, tool in tools_of(tmp_path).items()}
    assert {"d0.png": "T1", "e0.png": "", "E0.PNG": "T2", "Ünal.png": "T3"} == told
    with pytest.raises(TableError, match=r"E0.png fits .*/E0.PNG and .*/e0.png"):
        run(images, metadata=write(tmp_path / "m.csv", "path,tool\nE0.png,T2\n"))


@pytest.mark.parametrize(
    "name", ["0.PNG", "C:\\tool\\images\\0.png", "IMAGES\\0.png", "images/0.png"]
)
def test_boxes_are_joined_as_metadata_are(run, make_images, tmp_path, name, caplog):
    images = make_images(n=2)
    text = f"path;xmin;ymin;xmax;ymax\n{name};1,5;2;30;31,5\ngone.png;1;2;3;4\n"
    (tmp_path / "tables").mkdir()
    with caplog.at_level("INFO", logger="defect-discovery"):
        extracted = run(images, boxes=write(tmp_path / "tables" / "boxes.csv", text))
    assert 1 == len(extracted.ids)
    rows = open_store(tmp_path / "store").rows()
    assert [[1.5, 2, 30, 31.5]] == [json.loads(m)["defect_box"] for m in rows["metadata"]]
    assert any("1 fit no image: gone.png" in text for text in caplog.messages)


def test_the_pixel_size_is_kept(run, make_images, tmp_path):
    run(make_images(n=1), um_per_pixel=0.25)
    assert [0.25] == open_store(tmp_path / "store").load_vectors().rows["um_per_pixel"].tolist()
