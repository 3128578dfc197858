"""Extraction with --pooling defect: the bank is made once, kept, and used for all that comes."""

import csv
import json
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from embeddings.errors import InputError, OptionError, StoreSpecError, TableError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.extract.defect import DefectExtractor
from embeddings.heat import draw_heat, weigh_images
from embeddings.images import decode
from embeddings.reader import Previews
from embeddings.records import REFERENCE, ExtractorSpec
from embeddings.store import open_store
from embeddings.thumbnails import read_thumbnails

SHARED = Path(__file__).resolve().parents[3] / "shared"
TILES = SHARED / "data/magnetic_tile"
REAL = SHARED / "weights/resnet50-imagenet-pq.safetensors"
DIM = 512 + 1024  # channels of layer2 and layer3


@pytest.fixture
def options(random_weights):
    def make(**given):
        base = {"pooling": "defect", "size": 64, "precision": "float32", "device": "cpu"}
        return ExtractOptions(weights=random_weights, **(base | given))

    return make


def load(store):
    vectors = open_store(store).load_vectors()
    paths = [Path(path).name for path in vectors.rows["path"]]
    return dict(zip(paths, vectors.values, strict=True))


def test_an_image_added_later_is_weighed_as_the_first_ones_were(make_images, options, tmp_path):
    images, store = make_images(n=5), tmp_path / "store"
    extract_vectors(images, store, options=options())
    before, bank = load(store), open_store(store).spec.bank_sha256
    make_images(n=2, first=5)
    added = extract_vectors(images, store, options=options())
    after = load(store)
    assert (2, 5) == (added.computed, added.reused)
    assert bank == open_store(store).spec.bank_sha256
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert {DIM} == {len(vector) for vector in after.values()}
    np.testing.assert_allclose([np.linalg.norm(v) for v in after.values()], 1, atol=1e-5)


@pytest.mark.long
def test_with_previews_no_picture_is_decoded_more_than_twice(
    make_images, options, tmp_path, monkeypatch
):
    counts, real = Counter(), decode.decode_raster

    def counting(data, **limits):
        counts[data] += 1
        return real(data, **limits)

    monkeypatch.setattr(decode, "decode_raster", counting)
    images, normals = make_images(n=4), make_images("normals", n=2, first=10)
    for given in ({}, {"normal": normals}):
        plain, store = tmp_path / f"plain{len(given)}", tmp_path / f"store{len(given)}"
        extract_vectors(images, plain, options=options(**given))
        counts.clear()
        previews = Previews(keep_pages=True)
        extract_vectors(images, store, options=options(**given), previews=previews)
        assert 2 == max(counts.values())  # for the window, and for the bank
        assert open_store(plain).spec == open_store(store).spec
        first, second = (open_store(one).load_vectors().values for one in (plain, store))
        assert np.array_equal(first, second)


@pytest.mark.long
def test_two_stores_of_the_same_images_are_the_same(make_images, options, tmp_path):
    images = make_images(n=4)
    for name, size in (("one", 1), ("two", 3)):  # whatever the batches
        extract_vectors(images, tmp_path / name, options=options(batch_size=size, workers=size))
    one, two = (open_store(tmp_path / name) for name in ("one", "two"))
    assert one.spec.hash == two.spec.hash
    first, second = load(tmp_path / "one"), load(tmp_path / "two")
    for name in first:
        np.testing.assert_allclose(first[name], second[name], atol=1e-4)


@pytest.mark.long
def test_killed_before_the_first_commit_it_goes_on(make_images, options, tmp_path, monkeypatch):
    images, store = make_images(n=4), tmp_path / "store"

    class KilledError(Exception):
        pass

    def die(*_):
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(DefectExtractor, "__call__", die)
        with pytest.raises(KilledError):
            extract_vectors(images, store, options=options())
    assert open_store(store).load_bank() is not None  # the store never exists without it
    assert 4 == extract_vectors(images, store, options=options()).computed
    extract_vectors(images, tmp_path / "whole", options=options())
    killed, whole = load(store), load(tmp_path / "whole")
    assert all(np.array_equal(killed[name], whole[name]) for name in whole)


@pytest.mark.long
def test_normals_are_the_bank_and_other_ones_are_another_extractor(make_images, options, tmp_path):
    images = make_images(n=3)
    normals, others = make_images("normals", n=3, first=10), make_images("others", n=2, first=20)
    store = tmp_path / "store"
    extract_vectors(images, store, options=options(normal=normals))
    spec = open_store(store).spec
    assert "residual" == spec.pooling
    assert str(open_store(store).load_bank()["memory"]) == "normals"
    with pytest.raises(StoreSpecError, match="normals_sha256"):
        extract_vectors(images, store, options=options(normal=others))
    extract_vectors(images, tmp_path / "plain", options=options())
    assert "defect" == open_store(tmp_path / "plain").spec.pooling


@pytest.mark.parametrize(("fill", "text"), [(None, "not a folder"), ("a.txt", "holds no image")])
def test_normals_that_are_not_there_are_named(make_images, options, tmp_path, fill, text):
    folder = tmp_path / "normals"
    if fill:
        folder.mkdir()
        (folder / fill).write_text("nothing")
    with pytest.raises(InputError, match=text):
        extract_vectors(make_images(n=2), tmp_path / "store", options=options(normal=folder))
    assert not (tmp_path / "store").exists()


def write_list(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def pairs(tmp_path):
    """Return a list with golden images; the second picture has a bright square low on the right."""
    rng = np.random.default_rng(0)
    rows = [("path", "reference")]
    for i in range(3):
        golden = rng.integers(60, 120, (128, 128), dtype=np.uint8)
        Image.fromarray(golden).save(tmp_path / f"golden{i}.png")
        seen = golden.copy()
        seen[0, 0] += 1  # other bytes, the same picture
        if i == 1:
            seen[88:112, 80:104] = 255
        Image.fromarray(seen).save(tmp_path / f"{i}.png")
        rows.append((f"{i}.png", f"golden{i}.png"))
    return write_list(tmp_path / "pairs.csv", rows)


def test_against_golden_images_the_heat_lies_on_the_defect(pairs, options, tmp_path):
    store = tmp_path / "store"
    given = options(size=128)
    extract_vectors(pairs, store, options=given)
    opened = open_store(store)
    assert REFERENCE == opened.spec.normals_sha256
    vectors = opened.load_vectors()
    names = {Path(p).name: i for p, i in zip(vectors.rows["path"], vectors.ids, strict=True)}
    heats = weigh_images(vectors, vectors.ids.tolist(), opened, options=given)
    heat = heats[names["1.png"]]
    row, column = np.unravel_index(heat.distances.argmax(), heat.distances.shape)
    cell = 128 / heat.distances.shape[0]
    assert 80 <= (row + 0.5) * cell <= 120
    assert 72 <= (column + 0.5) * cell <= 112
    assert heat.distances.max() > 5 * heats[names["0.png"]].distances.max()
    assert 1 == pytest.approx(heat.weights.sum())
    thumbnail = read_thumbnails(vectors, [names["1.png"]], opened)[names["1.png"]]
    drawn = draw_heat(thumbnail, heat)
    shown = np.asarray(Image.open(BytesIO(drawn)).convert("RGB"), dtype=int)
    redness = shown[..., 0] - shown[..., 2]
    assert redness[60:110, 60:110].max() > 60 > redness[:40, :40].max()


def test_references_that_lack_are_counted_and_named(pairs, options, tmp_path):
    lines = pairs.read_text().splitlines()
    pairs.write_text("\n".join([*lines[:2], "1.png,", lines[3]]) + "\n")
    with pytest.raises(TableError, match=r"1 of 3 images have no reference .*1\.png"):
        extract_vectors(pairs, tmp_path / "store", options=options())
    (tmp_path / "golden0.png").unlink()
    pairs.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"references of 1 of 3 images are not there"):
        extract_vectors(pairs, tmp_path / "store", options=options())


def test_normals_and_references_are_too_much(pairs, options, make_images, tmp_path):
    with pytest.raises(OptionError, match="expected one of them"):
        extract_vectors(pairs, tmp_path / "store", options=options(normal=make_images(n=2)))


@pytest.mark.long
def test_all_ways_up_are_one_vector(options, tmp_path, make_images):
    images = make_images(n=3)
    turned = tmp_path / "turned"
    turned.mkdir()
    for path in sorted(images.iterdir()):
        Image.open(path).rotate(90).save(turned / path.name)
    given = options(turns=8, window=(0, 255))
    for source, name in ((images, "one"), (turned, "two")):
        extract_vectors(source, tmp_path / name, options=given)
    assert 8 == open_store(tmp_path / "one").spec.orientations
    one, two = load(tmp_path / "one"), load(tmp_path / "two")
    alike = min(float(one[name] @ two[name]) for name in one)
    apart = max(float(one[a] @ one[b]) for a in one for b in one if a != b)
    assert alike > apart
    assert alike > 0.999


def test_a_store_made_before_has_the_spec_it_had():
    spec = ExtractorSpec(name="texture", dim=3)
    assert "orientations" not in spec.to_dict()
    assert ExtractorSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.long
@pytest.mark.skipif(not (TILES.exists() and REAL.exists()), reason="no ../shared data or weights")
def test_with_normals_the_heat_finds_real_defects(tmp_path):
    with (TILES / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    free = [row for row in rows if row["label"] == "MT_Free"][:40]
    shown = [row for row in rows if row["label"] == "MT_Blowhole"][:12]
    normals = tmp_path / "normals"
    normals.mkdir()
    for i, row in enumerate(free):
        (normals / f"{i}.jpg").write_bytes((TILES / row["path"]).read_bytes())
    listed = write_list(
        tmp_path / "list.csv", [("path",), *((str(TILES / row["path"]),) for row in shown)]
    )
    given = ExtractOptions(weights=str(REAL), pooling="defect", normal=normals)
    extract_vectors(listed, tmp_path / "store", options=given)
    opened = open_store(tmp_path / "store")
    vectors = opened.load_vectors()
    heats = weigh_images(vectors, vectors.ids.tolist(), opened, options=given)
    mask_of = {str(TILES / row["path"]): TILES / row["mask"] for row in shown}
    hits, chances = 0, []
    for path, image_id in zip(vectors.rows["path"], vectors.ids.tolist(), strict=True):
        distances = heats[image_id].distances
        mask = Image.open(mask_of[str(path)]).convert("L").point(lambda v: 255 * (v > 0))
        share = np.asarray(mask.resize(distances.shape[::-1], Image.Resampling.BOX)) > 0
        hits += bool(share.ravel()[distances.argmax()])
        chances.append(share.mean())
    assert len(shown) == len(chances)
    # By chance two or three would be hit; half of them is far beyond that.
    assert hits >= len(shown) / 2 > 2 * sum(chances)
