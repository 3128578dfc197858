"""Too few images are told before the work: nothing is extracted, and no run is made."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from discovery import AgglomerativeOptions, KMeansOptions, RoundOptions, discover_types
from discovery.flow.enough import check_enough
from embeddings.errors import InputError, OptionError
from embeddings.extract import ExtractOptions
from embeddings.images import fingerprint_file


def save_images(folder, n):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(n):
        pixels = rng.integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def options(clusterer=None, **extract):
    made = ExtractOptions(extractor="texture", **extract)
    return RoundOptions(extract=made, **({"clusterer": clusterer} if clusterer else {}))


def test_too_few_images_are_refused_before_anything_is_made_of_them(tmp_path):
    images = save_images(tmp_path / "images", 4)
    (images / "broken.png").write_bytes(b"none")
    out = tmp_path / "run"
    text = r"images: 4 images to cluster, expected 5 or more \(files 5, quarantined 1, ignored 0; "
    with pytest.raises(InputError, match=text):
        discover_types(images, out, options=options())
    assert not out.exists()


def test_more_clusters_than_images_are_refused_before_the_work(tmp_path):
    images = save_images(tmp_path / "images", 6)
    for clusterer in (KMeansOptions(n_clusters=7), AgglomerativeOptions(n_clusters=7)):
        with pytest.raises(OptionError, match="--n-clusters 7: there are 6 images"):
            discover_types(images, tmp_path / "run", options=options(clusterer))
    assert not (tmp_path / "run").exists()
    check_enough(images, options(KMeansOptions(n_clusters=6)))


def test_pages_tiles_and_crops_count_as_the_images_they_become(tmp_path):
    images = save_images(tmp_path / "images", 2)
    with pytest.raises(InputError, match="2 images to cluster"):
        check_enough(images, options())
    check_enough(images, options(tile=32))
    table = tmp_path / "boxes.csv"
    boxes = [f"images/0.png,{left},4,{left + 8},12" for left in range(5)]
    table.write_text("\n".join(["path,xmin,ymin,xmax,ymax", *boxes]) + "\n")
    check_enough(images, options(boxes=table))
    table.write_text("\n".join(["path,xmin,ymin,xmax,ymax", *boxes[:4]]) + "\n")
    with pytest.raises(InputError, match="4 images to cluster"):
        check_enough(images, options(boxes=table))
    stack = np.random.default_rng(1).integers(0, 256, (3, 40, 40), dtype=np.uint8)
    tifffile.imwrite(images / "stack.tif", stack, photometric="minisblack")
    check_enough(images, options())


@pytest.mark.parametrize("column", ["path", "image_id"])
def test_images_that_a_list_leaves_out_do_not_count(tmp_path, column):
    images = save_images(tmp_path / "images", 60)
    names = [images / f"{number}.png" for number in range(60)]
    cells = names if column == "path" else [fingerprint_file(path) for path in names]

    def listing(n):
        table = tmp_path / "only.csv"
        table.write_text("\n".join([column, *map(str, cells[:n])]) + "\n")
        return options(only=table)

    with pytest.raises(InputError, match=r"images: 4 images to cluster that .*only\.csv lists"):
        discover_types(images, tmp_path / "run", options=listing(4))
    assert not (tmp_path / "run").exists()
    check_enough(images, listing(5))
    check_enough(images, listing(60))
    cells[0] = "none.png" if column == "path" else "0" * 16
    with pytest.raises(OptionError, match=r"only\.csv: none of its images is in "):
        check_enough(images, listing(1))
