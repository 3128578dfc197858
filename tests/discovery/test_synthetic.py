"""Synthetic images: the same for a seed, true to their truth, and kept out of other folders."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from discovery.synthetic import LABELS, Box, draw_picture, plan_pictures
from discovery.synthetic.__main__ import SyntheticOptions, main
from discovery.synthetic.defects import DEFECTS
from discovery.synthetic.folder import write_folder
from discovery.synthetic.plan import MICROSCOPES
from discovery.synthetic.surfaces import correlated_noise, make_line_space, make_plain
from embeddings.errors import InputError, OptionError

PLAN = plan_pictures(600, seed=0)


def first(label, **wanted):
    """Return the first planned picture with that label and those attributes."""
    return next(
        picture
        for picture in PLAN
        if picture.label == label and all(getattr(picture, k) == v for k, v in wanted.items())
    )


def test_the_plan_of_600_has_a_rare_type():
    counts = pd.Series([picture.label for picture in PLAN]).value_counts()
    expected = {
        "no_defect": 150, "particle_small": 120, "particle_large": 78, "scratch": 78,
        "bridge": 72, "residue": 48, "void": 42, "collapse": 12,
    }  # fmt: skip
    assert expected == counts.to_dict()


@given(n=st.integers(1, 700), seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_a_plan_has_n_pictures_and_each_type_where_n_allows(n, seed):
    plan = plan_pictures(n, seed=seed)
    assert list(range(n)) == [picture.index for picture in plan]
    assert min(n, len(LABELS)) == len({picture.label for picture in plan})
    assert all((picture.count == 0) == (picture.label == "no_defect") for picture in plan)


def test_a_plan_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0 pictures"):
        plan_pictures(0, seed=0)


def test_scratches_of_plain_films_come_from_one_polisher_and_nothing_else_does():
    plain = [p for p in plan_pictures(3000, seed=1) if p.background == "plain"]
    shares = pd.DataFrame({"label": [p.label for p in plain], "tool": [p.tool for p in plain]})
    share = (shares.tool == "CMP-02").groupby(shares.label).mean()
    assert share.pop("scratch") > 0.8
    assert share.between(0.2, 0.47).all(), share


def test_what_a_file_is_called_depends_on_its_number_and_microscope_alone():
    assert {f"img_{i:04d}" for i in range(600)} == {p.file_name.split(".")[0] for p in PLAN}
    assert all(p.file_name.endswith(".tif") == (p.microscope.bit_depth == 16) for p in PLAN)


@pytest.mark.parametrize("label", LABELS)
def test_a_picture_depends_on_its_plan_and_seed_alone(label):
    picture = first(label)
    one, again = draw_picture(picture, seed=5), draw_picture(picture, seed=5)
    other = draw_picture(picture, seed=6)
    assert np.array_equal(one.pixels, again.pixels)
    assert one.boxes == again.boxes
    assert not np.array_equal(one.pixels, other.pixels)
    assert picture.microscope.size == one.pixels.shape


@pytest.mark.parametrize("microscope", MICROSCOPES, ids=lambda m: m.name)
def test_grey_levels_fill_the_range_of_the_microscope_and_do_not_clip(microscope):
    pixels = draw_picture(
        first("no_defect", microscope=microscope, background="line_space"), seed=0
    ).pixels
    assert (np.uint16 if microscope.bit_depth == 16 else np.uint8) == pixels.dtype
    dark, light = np.percentile(pixels, [1, 99])
    span = microscope.white - microscope.black
    assert microscope.black <= dark < microscope.black + 0.5 * span
    assert light > microscope.black + 0.6 * span
    assert np.mean(pixels == np.iinfo(pixels.dtype).max) < 0.01


def test_boxes_lie_in_the_picture_and_hold_the_defects_label():
    for picture in PLAN[:60]:
        drawing = draw_picture(picture, seed=0)
        rows, columns = drawing.pixels.shape
        assert len(drawing.boxes) <= picture.count
        assert bool(drawing.boxes) == (picture.count > 0)
        for box in drawing.boxes:
            assert picture.label == box.label
            assert box.xmax <= columns
            assert box.ymax <= rows


PATTERN_ONLY = ("bridge", "collapse")
PUT = [(label, "line_space") for label in sorted(DEFECTS)]
PUT += [(label, "plain") for label in sorted(DEFECTS) if label not in PATTERN_ONLY]


@pytest.mark.parametrize(("label", "background"), PUT)
def test_a_defect_changes_the_surface_inside_its_box_and_leaves_its_argument(label, background):
    rng = np.random.default_rng(3)
    surface = (
        make_plain(rng, (240, 300))
        if background == "plain"
        else make_line_space(rng, (240, 300), pitch=24.0, duty=0.5)
    )
    height, emission = surface.height.copy(), surface.emission.copy()
    mark = DEFECTS[label](surface, rng, (110.0, 120.0))
    assert np.array_equal(height, surface.height)
    assert np.array_equal(emission, surface.emission)
    box = mark.box(label)
    changed = np.abs(mark.surface.height - height)
    inside = changed[box.ymin : box.ymax, box.xmin : box.xmax]
    share = inside.size / changed.size
    assert inside.sum() > 0.9 * changed.sum()
    assert share < 0.6
    assert np.isfinite(mark.surface.height).all()


@pytest.mark.parametrize("label", PATTERN_ONLY)
def test_a_defect_of_the_pattern_needs_a_pattern(label):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="needs a surface with lines"):
        DEFECTS[label](make_plain(rng, (64, 64)), rng, (32.0, 32.0))


@pytest.mark.parametrize(
    ("label", "darker"), [("void", True), ("residue", True), ("particle_large", False)]
)
def test_a_defect_looks_as_it_should_on_a_plain_film(label, darker):
    picture = first(label, background="plain")
    drawing = draw_picture(picture, seed=0)
    box = drawing.boxes[0]
    cx, cy = (box.xmin + box.xmax) // 2, (box.ymin + box.ymax) // 2
    middle = drawing.pixels[cy - 3 : cy + 4, cx - 3 : cx + 4].mean()
    assert darker == (middle < np.median(drawing.pixels))


def test_level_lines_are_upright_lines_turned():
    for vertical in (True, False):
        picture = first("no_defect", background="line_space", vertical=vertical)
        pixels = draw_picture(picture, seed=0).pixels.astype(float)
        across, along = pixels.mean(axis=0).std(), pixels.mean(axis=1).std()
        assert vertical == (across > along)


@given(length=st.floats(1, 8), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_correlated_noise_is_standardised_and_smooth_over_its_length(length, seed):
    field = correlated_noise(np.random.default_rng(seed), (64, 64), length=length)
    assert pytest.approx(0, abs=1e-4) == field.mean()
    assert pytest.approx(1, abs=1e-3) == field.std()
    # White noise smoothed by a Gaussian of that width correlates as exp(-1 / (4 length^2)).
    neighbour = np.mean(field * np.roll(field, 1, axis=1))
    assert pytest.approx(np.exp(-1 / (4 * length**2)), abs=0.03) == neighbour


def test_an_empty_box_is_refused():
    with pytest.raises(ValueError, match="empty"):
        Box(label="void", xmin=3, ymin=3, xmax=3, ymax=9)


def test_the_folder_holds_images_truth_boxes_and_metadata(tmp_path):
    folder = tmp_path / "two words"
    plan = plan_pictures(24, seed=0)
    write_folder(plan, folder, seed=0)
    truth = pd.read_csv(folder / "truth.csv")
    assert [f"images/{p.file_name}" for p in plan] == truth.path.tolist()
    assert [p.label for p in plan] == truth.label.tolist()
    boxes = pd.read_csv(folder / "boxes.csv")
    count = boxes.groupby("path").size().reindex(truth.path, fill_value=0)
    assert truth.defects.tolist() == count.tolist()
    metadata = pd.read_csv(folder / "metadata.csv")
    assert truth.path.tolist() == metadata.path.tolist()
    for picture in plan:
        path = folder / "images" / picture.file_name
        read = tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))
        expected = draw_picture(picture, seed=0).pixels
        assert expected.dtype == read.dtype
        assert np.array_equal(expected, read)


def read_all(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_written_again_the_folder_is_the_same_and_what_a_run_put_there_stays(tmp_path):
    write_folder(plan_pictures(12, seed=0), tmp_path / "demo", seed=0)
    before = read_all(tmp_path / "demo")
    (tmp_path / "demo" / "run").mkdir()
    (tmp_path / "demo" / "run.1").mkdir()
    write_folder(plan_pictures(12, seed=0), tmp_path / "demo", seed=0)
    assert before == read_all(tmp_path / "demo")
    assert (tmp_path / "demo" / "run").is_dir()


@pytest.mark.parametrize(("n", "seed"), [(8, 0), (16, 0), (12, 1)])
def test_another_set_takes_no_pictures_place(tmp_path, n, seed):
    write_folder(plan_pictures(12, seed=0), tmp_path / "demo", seed=0)
    before = read_all(tmp_path / "demo")
    told = f"holds another set .--n 12 --seed 0, and --n {n} --seed {seed} is asked for"
    with pytest.raises(InputError, match=told):
        write_folder(plan_pictures(n, seed=seed), tmp_path / "demo", seed=seed)
    assert before == read_all(tmp_path / "demo")


def test_a_run_may_be_there_before_the_images(tmp_path):
    (tmp_path / "run").mkdir()
    write_folder(plan_pictures(8, seed=0), tmp_path, seed=0)
    assert (tmp_path / "run").is_dir()
    assert (tmp_path / "truth.csv").exists()


def test_an_interrupted_folder_has_no_truth_and_can_be_written_again(tmp_path):
    write_folder(plan_pictures(8, seed=0), tmp_path, seed=0)
    (tmp_path / "images" / "img_0003.png.partial").write_bytes(b"half")
    (tmp_path / "truth.csv").unlink()
    write_folder(plan_pictures(8, seed=0), tmp_path, seed=0)
    assert len(list((tmp_path / "images").iterdir())) == 8
    assert (tmp_path / "truth.csv").exists()


@pytest.mark.parametrize("stranger", ["notes.txt", "images/wafer.png"])
def test_a_foreign_folder_is_refused_and_left_alone(tmp_path, stranger):
    path = tmp_path / stranger
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    if stranger.startswith("images"):
        (tmp_path / "synthetic.json").write_text(
            json.dumps({"format": "defect-discovery-synthetic"})
        )
    before = read_all(tmp_path)
    with pytest.raises(InputError, match="new folder"):
        write_folder(plan_pictures(8, seed=0), tmp_path, seed=0)
    assert before == read_all(tmp_path)


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "demo").write_text("")
    with pytest.raises(InputError, match="is a file"):
        write_folder(plan_pictures(8, seed=0), tmp_path / "demo", seed=0)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 10_000}, {"seed": -1}])
def test_options_out_of_range_are_refused(tmp_path, wrong):
    with pytest.raises(OptionError, match="expected"):
        SyntheticOptions(folder=tmp_path, **wrong)


def test_the_command_says_where_the_images_are(tmp_path, capsys):
    main(SyntheticOptions(folder=tmp_path / "demo", n=8))
    assert f"{tmp_path / 'demo'}\n" == capsys.readouterr().out


def test_the_command_ends_in_one_line_on_a_users_error(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "discovery.synthetic", str(tmp_path), "--n", "8"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "not empty" in done.stderr
