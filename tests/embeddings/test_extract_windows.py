"""Grey-level windows: one a kind of picture, fixed when it is first met, and never changed."""

import numpy as np
import pytest
import tifffile

from embeddings.errors import StoreSpecError
from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.store import open_store


@pytest.fixture
def run(tmp_path):
    def run(source, **options):
        options = ExtractOptions(extractor="texture", **options)
        return extract_vectors(source, tmp_path / "store", options=options)

    return run


@pytest.fixture
def store(tmp_path):
    return lambda: open_store(tmp_path / "store")


def wave(period, *, side=64, across=False):
    line = np.sin(np.arange(side) * 2 * np.pi / period) / 2 + 0.5
    picture = np.broadcast_to(line, (side, side))
    return picture.T if across else picture


def alike(store, *names):
    vectors = store().load_vectors()
    by_name = {
        path.rsplit("/", 1)[-1]: value
        for path, value in zip(vectors.rows["path"], vectors.values, strict=True)
    }
    rows = np.stack([by_name[name] for name in names])
    return rows @ rows.T


@pytest.mark.parametrize(
    ("low", "high", "dtype", "kind"),
    [
        (800, 1200, np.uint16, "uint16"),  # a narrow band that clipping or wrapping would lose
        (40_000, 40_400, np.uint16, "uint16"),
        (-3.5, 7.25, np.float32, "float32"),  # an AFM picture in nanometres
        (1e-9, 5e-9, np.float64, "float64"),  # the same in metres
        (-900, -500, np.int16, "int16"),
    ],
)
def test_two_textures_in_a_narrow_band_are_told_apart(
    run, store, save_picture, tmp_path, low, high, dtype, kind
):
    rng = np.random.default_rng(0)
    for name, period in [("fine1", 4), ("fine2", 4), ("coarse1", 21), ("coarse2", 21)]:
        shown = wave(period, across=name.endswith("2")) + rng.normal(0, 0.02, (64, 64))
        pixels = (low + (high - low) * np.clip(shown, 0, 1)).astype(dtype)
        save_picture(tmp_path / "images" / f"{name}.tif", pixels)
    run(tmp_path / "images")
    near = alike(store, "fine1.tif", "fine2.tif", "coarse1.tif", "coarse2.tif")
    assert min(near[0, 1], near[2, 3]) > near[:2, 2:].max() + 0.2
    window = store().windows[kind]
    assert window[0] < low + 0.1 * (high - low)
    assert window[1] > high - 0.1 * (high - low)
    assert window[1] - window[0] < 1.5 * (high - low)


def test_kinds_are_mixed_in_one_folder_each_with_its_window(
    run, store, picture, save_picture, tmp_path
):
    for seed in range(2):
        save_picture(tmp_path / "images" / f"{seed}.png", picture(seed))
        wide = picture(seed, low=800, high=1200, dtype=np.uint16)
        save_picture(tmp_path / "images" / f"{seed}.tif", wide)
    assert 4 == run(tmp_path / "images").computed
    assert {"uint8", "uint16"} == set(store().windows)
    assert (0, 255) == store().windows["uint8"]
    # The same scene is the nearest, whatever its bit depth.
    near = alike(store, "0.png", "0.tif", "1.png", "1.tif")
    assert min(near[0, 1], near[2, 3]) > near[:2, 2:].max()


def test_a_window_never_changes_once_it_is_fixed(run, store, picture, save_picture, tmp_path):
    images = tmp_path / "images"
    save_picture(images / "a.tif", picture(0, low=800, high=1200, dtype=np.uint16))
    run(images)
    before, vectors = dict(store().windows), store().load_vectors()
    save_picture(images / "b.tif", picture(1, low=0, high=60_000, dtype=np.uint16))
    run(images)
    assert before == dict(store().windows)
    assert np.array_equal(vectors.values, store().load_vectors(vectors.ids).values)


def test_a_kind_met_late_gets_its_window(run, store, picture, save_picture, tmp_path):
    # 70 files of which 64 are sampled: the one of another kind is not among them.
    images = tmp_path / "images"
    for seed in range(70):
        save_picture(images / f"{seed:02d}.png", picture(seed, side=16))
    save_picture(images / "11.png", picture(3, side=16, high=4000, dtype=np.uint16))
    positions = {int(i * 70 / 64) for i in range(64)}
    assert 11 not in positions
    extracted = run(images, commit_every=16)
    assert (70, 0) == (extracted.computed, len(extracted.quarantined))
    assert {"uint8", "uint16"} == set(store().windows)


def test_a_stack_whose_pages_are_of_two_kinds(run, store, picture, tmp_path):
    path = tmp_path / "images" / "mixed.tif"
    path.parent.mkdir()
    with tifffile.TiffWriter(path) as file:
        file.write(picture(0), photometric="minisblack")
        file.write(picture(1, high=5000, dtype=np.uint16), photometric="minisblack")
    assert 2 == run(path.parent).rows
    assert {"uint8", "uint16"} == set(store().windows)


def test_a_file_of_an_unknown_kind_with_a_broken_page_does_not_loop(
    run, picture, save_picture, tmp_path
):
    path = tmp_path / "images" / "stack.tif"
    path.parent.mkdir()
    pages = np.stack([picture(i, high=4000, dtype=np.uint16) for i in range(2)])
    tifffile.imwrite(path, pages, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as file:
        at = file.pages[1].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    save_picture(tmp_path / "images" / "good.png", picture(0))
    extracted = run(tmp_path / "images")
    assert ([str(path)], 1) == ([name for name, _ in extracted.quarantined], extracted.computed)


def test_a_kind_met_late_in_a_stack_leaves_its_rows_once(run, store, picture, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    tifffile.imwrite(images / "a.tif", picture(0), photometric="minisblack")
    run(images)
    with tifffile.TiffWriter(images / "stack.tif") as file:
        for i in range(20):
            deep = i == 18  # behind what is handed on before the stack has been read to its end
            pixels = picture(i, high=4000, dtype=np.uint16) if deep else picture(i)
            file.write(pixels, photometric="minisblack")
    extracted = run(images)
    assert (1, 20, 1) == (extracted.computed, extracted.rows, extracted.reused)
    assert {"uint8", "uint16"} == set(store().windows)
    vectors = store().load_vectors()
    assert (21, list(range(20))) == (len(vectors), vectors.rows["page"].tolist()[1:])


def test_a_page_that_breaks_late_leaves_no_row_of_its_stack(run, store, picture, tmp_path):
    path = tmp_path / "images" / "stack.tif"
    path.parent.mkdir()
    pages = np.stack([picture(i % 5, side=32) for i in range(20)])
    tifffile.imwrite(path, pages, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as file:
        at = file.pages[18].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    tifffile.imwrite(path.parent / "z.tif", picture(0), photometric="minisblack")
    extracted = run(path.parent)
    assert (1, 1, 1) == (extracted.computed, extracted.rows, len(extracted.quarantined))
    assert [str(path.parent / "z.tif")] == store().load_vectors().rows["path"].tolist()


def test_a_window_of_the_users_own(run, store, picture, save_picture, tmp_path):
    images = tmp_path / "images"
    save_picture(images / "a.tif", picture(0, low=800, high=1200, dtype=np.uint16))
    run(images, window=(800.0, 1200.0))
    assert ((800, 1200), {}) == (store().spec.window, dict(store().windows))
    run(images, window=(800.0, 1200.0))
    with pytest.raises(StoreSpecError, match=r"window: \[800.0, 1200.0\] != \[0.0, 2000.0\]"):
        run(images, window=(0.0, 2000.0))


@pytest.mark.parametrize("level", ["plane", "line"])
def test_a_tilted_afm_picture_is_levelled(run, store, save_picture, tmp_path, level):
    rng = np.random.default_rng(0)
    tilt = 50 * np.indices((64, 64))[0] / 64
    for name, tilted in [("flat", 0), ("tilted", 1)]:
        heights = wave(8) + rng.normal(0, 0.02, (64, 64)) + tilted * tilt
        save_picture(tmp_path / "images" / f"{name}.tif", heights.astype(np.float32))
    run(tmp_path / "images", level=level)
    assert [f"float32-{level}"] == list(store().windows)
    assert alike(store, "flat.tif", "tilted.tif")[0, 1] > 0.9
    run(tmp_path / "images")  # an existing store's own levelling goes without saying
    with pytest.raises(StoreSpecError, match="level: "):
        run(tmp_path / "images", level="none")


def test_not_finite_pixels_are_filled_counted_and_told(
    run, store, picture, save_picture, tmp_path, caplog
):
    pixels = picture(0, high=10, dtype=np.float32)
    pixels[:3, :5] = np.nan
    save_picture(tmp_path / "images" / "a.tif", pixels)
    save_picture(tmp_path / "images" / "b.tif", picture(1, high=10, dtype=np.float32))
    found = run(tmp_path / "images")
    assert [15, 0] == store().load_vectors().rows["nan_pixels"].tolist()
    told = "1 image has pixels that are not finite (NaN or infinite), 15 in all, such as "
    (warning,) = found.warnings
    assert warning.startswith(f"{told}{tmp_path / 'images' / 'a.tif'}: ")
    assert f"WARNING: {warning}" in caplog.messages


def test_not_finite_pixels_are_told_of_pictures_and_not_of_their_tiles(
    run, picture, save_picture, tmp_path
):
    for number in range(2):
        pixels = picture(number, high=10, dtype=np.float32)
        pixels[0, number:2] = np.inf
        save_picture(tmp_path / "images" / f"{number}.tif", pixels)
    (warning,) = run(tmp_path / "images", tile=32).warnings
    assert warning.startswith("2 images have pixels that are not finite (NaN or infinite), 3 in ")
