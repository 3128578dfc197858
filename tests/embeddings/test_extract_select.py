"""Which images: --only, --exclude; and what is known of them: --metadata, --um-per-pixel."""

import json

import numpy as np
import pytest
import tifffile

from embeddings.errors import InputError, OptionError, TableError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.images import fingerprint_file
from embeddings.store import open_store


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
        ("path\nimages/9.png\n", OptionError, "none of its images is in the source"),
        ("", TableError, "is empty: expected a header line$"),
        ("name\n0.png\n", TableError, "expected image_id or path"),
        ("path,verdict\nimages/0.png,named\n", TableError, "lists no image"),
    ],
)
def test_a_list_that_selects_nothing_is_refused(run, make_images, tmp_path, text, error, told):
    with pytest.raises(error, match=told):
        run(make_images(n=1), only=write(tmp_path / "only.csv", text))


def test_exclude_leaves_files_and_folders_out(run, names, make_images):
    images = make_images(n=3)
    make_images("images/masks", n=2, first=5)
    extracted = run(images, exclude=("masks", "1.*"))
    assert ["0.png", "2.png"] == names(extracted.ids)


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
    assert run(images, metadata=write(tmp_path / "other.klarf", text.replace(" 1 1 1 1 0;",
               " 2 1 1 1 0;"))).warnings != ()  # fmt: skip


def test_metadata_that_matches_nothing_is_refused_and_leaves_no_store(run, make_images, tmp_path):
    images = make_images(n=1)
    with pytest.raises(InputError, match="no row has the file name of an image"):
        run(images, metadata=write(tmp_path / "m.csv", "file,lot\nx.png,L1\n"))
    assert not (tmp_path / "store").exists()


def test_metadata_that_comes_too_late_is_told(run, make_images, tmp_path):
    images = make_images(n=2)
    assert () == run(images).warnings
    table = write(tmp_path / "m.csv", "file,lot\n0.png,L1\n")
    (warning,) = run(images, metadata=table).warnings
    assert "says something new of 1 images that the store holds already" in warning
    assert {("0.png", 0): {}, ("1.png", 0): {}} == metadata_of(tmp_path)


def test_the_pixel_size_is_kept(run, make_images, tmp_path):
    run(make_images(n=1), um_per_pixel=0.25)
    assert [0.25] == open_store(tmp_path / "store").load_vectors().rows["um_per_pixel"].tolist()
