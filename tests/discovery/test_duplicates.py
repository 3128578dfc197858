"""Copies of a picture are found by their noise; look-alikes and overlapping tiles are none."""

import io
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from discovery.graph.neighbours import find_neighbours
from discovery.records import Clustering, Duplicates, Neighbours, number_by_size
from discovery.stages.duplicates import (
    compare_pictures,
    find_duplicates,
    group_files,
    make_reader,
    propose_pairs,
    read_duplicates,
    tabulate_duplicates,
)
from discovery.stages.duplicates.candidates import MAY_BE_COPY, screen_pairs, sketch_picture
from discovery.stages.propose.evidence import find_members
from discovery.stages.stability import measure_stability
from embeddings.errors import RunError
from embeddings.reader import make_preview
from embeddings.records import ExtractorSpec, Vectors, unit_rows

calmly = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def draw_film(seed, side=200):
    """A uniform film with a particle: nothing but the noise tells two of them apart."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    particle = 90 * np.exp(-((y - 100) ** 2 + (x - 100) ** 2) / 150)
    return np.clip(110 + particle + rng.normal(0, 12, (side, side)), 0, 255).astype(np.uint8)


def draw_lines(seed, side=200):
    """The same line pattern each time, under noise of its own."""
    rng = np.random.default_rng(seed)
    lines = 60 * (np.sin(np.arange(side) / 3) > 0)
    return np.clip(80 + lines + rng.normal(0, 12, (side, side)), 0, 255).astype(np.uint8)


def draw_map(seed, side=52):
    """A wafer map of few failing dies: it has no noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    dies = np.where(y**2 + x**2 < (side / 2) ** 2, 127, 0)
    return np.where((dies > 0) & (rng.random((side, side)) < 0.05), 255, dies).astype(np.uint8)


def save_jpeg(pixels, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(io.BytesIO(buffer.getvalue())))


def resize(pixels, factor):
    size = round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def is_copy(first, second):
    return compare_pictures(make_preview(first), make_preview(second)).is_copy


COPIES = {
    "itself": lambda pixels: pixels,
    "jpeg 75": lambda pixels: save_jpeg(pixels, 75),
    "jpeg 85": lambda pixels: save_jpeg(pixels, 85),
    "jpeg 95": lambda pixels: save_jpeg(pixels, 95),
    "half": lambda pixels: resize(pixels, 0.5),
    "0.7": lambda pixels: resize(pixels, 0.7),
    "double": lambda pixels: resize(pixels, 2),
    "brighter": lambda pixels: np.clip(pixels * 1.1 + 10, 0, 255).astype(np.uint8),
    "cut": lambda pixels: pixels[6:, 4:],
    "colour": lambda pixels: np.repeat(pixels[..., None], 3, axis=2),
    "16 bit": lambda pixels: pixels.astype(np.uint16) * 200 + 1000,
}


@pytest.mark.parametrize("draw", [draw_film, draw_lines])
@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_is_found(draw, make):
    pixels = draw(1)
    assert is_copy(pixels, make(pixels))
    assert is_copy(make(pixels), pixels)


@pytest.mark.parametrize("draw", [draw_film, draw_lines, draw_map])
def test_the_same_scene_with_other_noise_is_no_copy(draw):
    assert not is_copy(draw(1), draw(2))


@pytest.mark.parametrize("step", [0, 7])
def test_the_same_particle_on_another_film_is_no_copy(step):
    y, x = np.mgrid[:96, :96]
    films = [
        100 + 80 * (np.hypot(y - 48, x - 40 - step * seed) < 9)
        + np.random.default_rng(seed).normal(0, 12, (96, 96))
        for seed in range(4)
    ]  # fmt: skip
    for one, other in itertools.pairwise(films):
        assert not is_copy(one.astype(np.uint8), other.astype(np.uint8))
    assert is_copy(films[0].astype(np.uint8), save_jpeg(films[0].astype(np.uint8), 80))


def test_a_wafer_map_is_a_copy_only_of_the_same_dies():
    dies = draw_map(1)
    assert is_copy(dies, resize(dies, 2))
    assert is_copy(dies, save_jpeg(dies, 90))
    other = dies.copy()
    other[20:26, 30:36] = 255  # one more cluster of failing dies
    assert not is_copy(dies, other)


def test_fields_without_detail_are_like_nothing():
    plain = np.full((60, 60), 90, np.uint8)
    assert not is_copy(plain, plain)
    assert not is_copy(plain, draw_film(1))


def test_likeness_has_no_first_and_second():
    one, other = (make_preview(draw_film(seed)) for seed in (1, 2))
    there, back = compare_pictures(one, other), compare_pictures(other, one)
    assert there.similarity == pytest.approx(back.similarity, abs=0.02)


def test_a_sketch_lets_copies_through_and_few_others():
    pixels = draw_film(3)
    pictures = [pixels, save_jpeg(pixels, 75), resize(pixels, 0.5), draw_lines(4), pixels * 0 + 7]
    sketches = np.stack([sketch_picture(make_preview(each)) for each in pictures])
    pairs = np.array([[0, 1], [0, 2], [0, 3], [0, 4], [4, 4]], np.int32)
    assert [True, True, False, False, False] == (
        screen_pairs(sketches, pairs) >= MAY_BE_COPY
    ).tolist()


def make_vectors(values, paths, parents=None):
    n = len(values)
    rows = pd.DataFrame(
        {
            "path": [each[0] for each in paths], "paths": [list(each) for each in paths],
            "width": 200, "height": 200, "bit_depth": 8, "channels": 1, "nan_pixels": 0,
            "um_per_pixel": np.nan, "defect_px": np.nan,
            "parent_id": parents or [""] * n,
            "page": 0, "x0": [8 * i if parents else 0 for i in range(n)], "y0": 0, "metadata": "",
        }
    )  # fmt: skip
    values = unit_rows(values)
    return Vectors(
        # Of another table's form: these files have no fingerprint to be held against.
        ids=np.array([f"image-{i:010x}" for i in range(n)], dtype=np.str_),
        values=values,
        rows=rows,
        spec=ExtractorSpec(name="texture", dim=values.shape[1]),
    )


@pytest.fixture
def shelf(tmp_path):
    """Files of three films, a JPEG of the first and a half-size second, and their vectors."""
    films = [draw_film(seed) for seed in range(3)]
    names = [f"{i}.png" for i in range(3)]
    for name, film in zip(names, films, strict=True):
        Image.fromarray(film).save(tmp_path / name)
    Image.fromarray(films[0]).save(tmp_path / "first.jpg", quality=80)
    Image.fromarray(resize(films[1], 0.5)).save(tmp_path / "second.png")
    names += ["first.jpg", "second.png"]
    values = np.eye(5)[[0, 1, 2, 0, 1]] + np.random.default_rng(0).normal(0, 0.05, (5, 5))
    vectors = make_vectors(values, [(str(tmp_path / name),) for name in names])
    vectors.rows.loc[4, ["width", "height"]] = 100
    return vectors


def test_copies_are_grouped_and_the_largest_is_kept(shelf):
    found = find_duplicates(shelf, find_neighbours(shelf.values, 4), make_reader(shelf))
    assert [0, 1, 2, 0, 1] == found.groups.tolist()
    assert [True, True, True, False, False] == found.kept.tolist()
    assert (0, 2, 2, 0) == (found.exact, found.near, found.near_groups, found.unread)
    assert "0 exact, 2 near duplicates in 2 groups" == found.describe()
    assert found.similarities[2] == 1
    assert (found.similarities[[0, 1, 3, 4]] > 0.7).all()


@given(st.permutations(range(5)))
@settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
def test_the_order_of_the_rows_is_no_matter(shelf, order):
    mixed = shelf.take(np.array(order, np.intp))
    found = find_duplicates(mixed, find_neighbours(mixed.values, 4), make_reader(mixed))
    groups = {
        frozenset(found.ids[found.groups == group].tolist()) for group in np.unique(found.groups)
    }
    assert groups == {frozenset(shelf.ids[list(each)].tolist()) for each in ((0, 3), (1, 4), (2,))}
    assert sorted(shelf.ids[:3].tolist()) == sorted(found.ids[found.kept].tolist())


def test_files_that_have_gone_are_counted(shelf, tmp_path):
    (tmp_path / "first.jpg").unlink()
    (tmp_path / "second.png").write_bytes(b"no picture")
    found = find_duplicates(shelf, find_neighbours(shelf.values, 4), make_reader(shelf))
    assert (0, 2) == (found.near, found.unread)


def test_overlapping_tiles_of_one_picture_are_kin(tmp_path):
    path = tmp_path / "large.png"
    Image.fromarray(draw_film(1, side=240)).save(path)
    vectors = make_vectors(np.eye(4) + 1, [(str(path),)] * 4, parents=["p"] * 4)
    neighbours = find_neighbours(vectors.values, 3)
    reader = make_reader(vectors)
    one, other = (grey for _, grey in reader(np.array([0, 1], np.intp)))
    assert compare_pictures(one, other).is_copy  # by their pixels alone they would be
    assert 0 == find_duplicates(vectors, neighbours, reader).near


def test_vectors_and_neighbours_must_fit(shelf):
    graph = find_neighbours(shelf.values[:4], 3)
    with pytest.raises(ValueError, match="5 vectors, neighbours of 4 images"):
        find_duplicates(shelf, graph, make_reader(shelf))


def test_pairs_are_the_nearest_and_the_much_nearer():
    indices = np.array([[1, 2, 3], [0, 2, 3], [3, 0, 1], [2, 0, 1]], np.int32)
    distances = np.array([[0.1, 0.3, 1], [0.1, 0.9, 1], [0.8, 0.9, 1], [0.8, 1, 1]], np.float32)
    graph = Neighbours(indices=indices, distances=distances)
    found = propose_pairs(graph, np.full(4, ""), nearest=1)
    assert [[0, 1], [0, 2], [2, 3]] == found.tolist()
    kin = propose_pairs(graph, np.array(["p", "p", "", ""]), nearest=1)
    assert [[0, 2], [2, 3]] == kin.tolist()


def test_more_copies_than_neighbours_are_all_looked_at():
    rows = np.vstack([np.zeros((6, 2)), [[5, 0], [0, 5], [9, 9], [-9, 4], [4, -9], [-8, -8]]])
    graph = find_neighbours(rows.astype(np.float32), 4)
    pairs = {tuple(pair) for pair in propose_pairs(graph, np.full(12, ""), nearest=1).tolist()}
    assert len([pair for pair in pairs if max(pair) < 6]) > 9  # of 15; a chain would be enough


def group_images(ids, groups, files=None):
    n = len(ids)
    numbers, kept = np.arange(n), np.ones(n, bool)
    where = {name: i for i, name in enumerate(ids)}
    for group in groups:
        places = [where[name] for name in group]
        numbers[places] = places[0]
        kept[places[1:]] = False
    return Duplicates(
        ids=np.array(ids, dtype=np.str_),
        groups=np.unique(numbers, return_inverse=True)[1].astype(np.int32),
        kept=kept,
        similarities=np.where(kept, 1, 0.9).astype(np.float32),
        files=np.array(files or [1] * n, np.int32),
    )


def test_the_table_by_hand_and_back():
    duplicates = group_images(["a", "b", "c", "d"], [["b", "c"]], files=[1, 1, 2, 2])
    paths = [("a.png",), ("b.png",), ("c.png", "c2.png"), ("d.png", "=d,2.png")]
    data = tabulate_duplicates(duplicates, paths)
    assert [
        "group,image_id,path,kind,similarity,kept",
        "0,b,b.png,kept,1.000,b",
        "0,c,c.png,near,0.900,b",
        "0,c,c2.png,exact,1.000,b",
        "1,d,d.png,kept,1.000,d",
        '1,d,"=d,2.png",exact,1.000,d',
    ] == data.decode().splitlines()
    back = read_duplicates(data, duplicates.ids, duplicates.files)
    assert duplicates.groups.tolist() == back.groups.tolist()
    assert duplicates.kept.tolist() == back.kept.tolist()
    assert (2, 1) == (back.exact, back.near)
    assert [0, 1, 1, 1, 2, 2] == group_files(list("abccdd"), data).tolist()
    assert [0, 1, 2, 2, 3, 3] == group_files(list("abccdd")).tolist()


def test_a_table_of_other_images_is_refused():
    data = tabulate_duplicates(group_images(["a", "b"], [["a", "b"]]), [("a",), ("b",)])
    with pytest.raises(RunError, match="does not fit the run"):
        read_duplicates(data, np.array(["x"]), np.ones(1, np.int32))
    with pytest.raises(RunError, match="does not have the columns"):
        read_duplicates(b"a,b\n1,2\n", np.array(["x"]), np.ones(1, np.int32))


@pytest.mark.parametrize(
    "broken",
    [{"groups": [0, 2, 2]}, {"kept": [True, True, True]}, {"files": [1, 0, 1]},
     {"similarities": [1, 2, 1]}, {"ids": ["a", "a", "b"]}],
)  # fmt: skip
def test_duplicates_are_checked_once(broken):
    good = {"ids": ["a", "b", "c"], "groups": [0, 1, 1], "kept": [True, True, False],
            "similarities": [1, 1, 0.9], "files": [1, 1, 1]} | broken  # fmt: skip
    with pytest.raises(ValueError, match=r"unique|expected|must|no path"):
        Duplicates(
            ids=np.array(good["ids"], dtype=np.str_),
            groups=np.array(good["groups"], np.int32),
            kept=np.array(good["kept"]),
            similarities=np.array(good["similarities"], np.float32),
            files=np.array(good["files"], np.int32),
        )


def cluster(labels):
    labels = number_by_size(np.asarray(labels))
    inside = (labels >= 0).astype(np.float32)
    return Clustering(
        ids=np.array([f"i{i:03}" for i in range(len(labels))], dtype=np.str_),
        labels=labels, memberships=inside, outlier_scores=1 - inside, spec={}, made_by="test",
    )  # fmt: skip


def duplicate(clustering, numbers):
    _, first, groups = np.unique(numbers, return_index=True, return_inverse=True)
    kept = np.zeros(len(numbers), bool)
    kept[first] = True
    ones = np.ones(len(numbers), np.float32)
    return Duplicates(
        ids=clustering.ids, groups=groups.astype(np.int32), kept=kept, similarities=ones,
        files=ones.astype(np.int32),
    )  # fmt: skip


def count_distinct(clustering, duplicates):
    """The groups of copies in each cluster, counted one by one."""
    return [len(set(duplicates.groups[clustering.members(i)])) for i in range(clustering.k)]


def test_copies_count_once_in_a_cluster():
    clustering = cluster([0] * 6 + [1] * 4 + [-1])
    duplicates = duplicate(clustering, [0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6])
    assert [2, 4] == count_distinct(clustering, duplicates)
    assert [2, 4] == [len(rows) for rows in find_members(clustering, duplicates)]


PAIRS = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 6)), min_size=1, max_size=40)


@calmly
@given(PAIRS)
def test_each_picture_is_evidence_once_a_cluster(pairs):
    labels, numbers = (np.array(part) for part in zip(*pairs, strict=True))
    clustering = cluster(labels)
    duplicates = duplicate(clustering, numbers)
    members = find_members(clustering, duplicates)
    assert count_distinct(clustering, duplicates) == [len(rows) for rows in members]
    for cluster_id, rows in enumerate(members):
        assert (clustering.labels[rows] == cluster_id).all()
        assert len(np.unique(duplicates.groups[rows])) == len(rows)
        kept = duplicates.kept & (clustering.labels == cluster_id)
        assert set(np.flatnonzero(kept).tolist()) <= set(rows.tolist())


def test_copies_are_drawn_together():
    clustering = cluster([0] * 30 + [1] * 30)
    numbers = np.repeat(np.arange(10), 6)
    drawn = []

    def fit(rows):
        drawn.append(rows[:, 0].astype(int))
        return (rows[:, 0] >= 30).astype(np.int32)

    rows = np.arange(60, dtype=np.float32)[:, None]
    groups = duplicate(clustering, numbers).groups
    stability = measure_stability(rows, clustering, fit=fit, groups=groups)
    assert [1, 1] == stability.tolist()
    for positions in drawn:
        counts = np.bincount(numbers[positions], minlength=10)
        assert set(counts.tolist()) <= {0, 6}
        assert 0 < (counts == 6).sum() < 10
