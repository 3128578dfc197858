"""Finding images: what is taken, ignored, excluded and quarantined, and how a file is named."""

import hashlib
import os
import socket
from pathlib import Path

import pytest

from embeddings.errors import ImageError, InputError
from embeddings.images import find_images, fingerprint_file


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _names(folder: Path, paths) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_files_are_sorted_absolute_and_told_by_suffix(tmp_path):
    # LOT.I01 is the TIFF that inspection tools write beside LOT.001.
    names = ["B.bmp", "LOT.I01", "a/c.tiff", "a/z.JPG", "b.png"]
    _touch(tmp_path, *names[::-1], "notes.txt", "a/labels.csv")
    found = find_images(tmp_path)
    assert _names(tmp_path, found.files) == names
    assert all(path.is_absolute() for path in found.files)
    assert found.ignored == 2
    assert found.quarantined == ()


def test_hidden_files_and_folders_are_left_out(tmp_path):
    _touch(tmp_path, ".a.png", ".git/b.png", "c.png")
    assert _names(tmp_path, find_images(tmp_path).files) == ["c.png"]


def test_a_folder_named_like_an_image_is_searched(tmp_path):
    _touch(tmp_path, "x.png/a.png")
    assert _names(tmp_path, find_images(tmp_path).files) == ["x.png/a.png"]


def test_a_relative_folder_gives_absolute_paths(tmp_path, monkeypatch):
    _touch(tmp_path, "in/a.png")
    monkeypatch.chdir(tmp_path)
    assert (tmp_path / "in/a.png",) == find_images(Path("in")).files


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        ("*_ref.png", ["a.png", "masks/a.png", "x/masks/c.png"]),
        ("masks", ["a.png", "a_ref.png"]),
        ("masks/*", ["a.png", "a_ref.png", "x/masks/c.png"]),
        ("x/masks/c.png", ["a.png", "a_ref.png", "masks/a.png"]),
        ("A.png", ["a.png", "a_ref.png", "masks/a.png", "x/masks/c.png"]),
    ],
)
def test_exclude_matches_names_paths_and_folders(tmp_path, glob, left):
    _touch(tmp_path, "a.png", "a_ref.png", "masks/a.png", "x/masks/c.png")
    found = find_images(tmp_path, exclude=[glob])
    assert left == _names(tmp_path, found.files)


@pytest.fixture
def odd_folder(tmp_path):
    """A folder with everything that is not a plain file; the image outside is not its own."""
    outside = tmp_path / "outside"
    _touch(outside, "o.png", "notes.txt")
    folder = tmp_path / "in"
    _touch(folder, "real.png", "sub/a.png")
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "pipe")
    (folder / "null.png").symlink_to("/dev/null")
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    (folder / "gone.txt").symlink_to(folder / "nothing.txt")
    (folder / "out.png").symlink_to(outside / "o.png")
    (folder / "out").symlink_to(outside)
    (folder / "notes.txt").symlink_to(outside / "notes.txt")
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "sub/up").symlink_to(folder)
    (folder / "again").symlink_to(folder / "sub")
    (folder / "copy.png").symlink_to(folder / "real.png")
    return folder


def test_odd_files_are_quarantined_with_their_reason(odd_folder):
    found = find_images(odd_folder)
    outside = odd_folder.parent / "outside"
    expected = [
        ("gone.png", "a dangling link"),
        ("null.png", "a link that leaves the folder, to /dev/null"),
        ("out", f"a link that leaves the folder, to {outside}"),
        ("out.png", f"a link that leaves the folder, to {outside / 'o.png'}"),
        ("pipe", "a pipe, not a file"),
        ("pipe.png", "a pipe, not a file"),
        ("self.png", "a link cycle"),
        ("sub/up", "a link cycle"),
    ]
    actual = [(path.relative_to(odd_folder).as_posix(), why) for path, why in found.quarantined]
    assert expected == actual


def test_links_inside_the_folder_are_images_once_a_name(odd_folder):
    found = find_images(odd_folder)
    assert _names(odd_folder, found.files) == ["copy.png", "real.png", "sub/a.png"]
    assert found.ignored == 3  # gone.txt, notes.txt, and `again`, whose images are met in sub


def test_a_socket_is_quarantined(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.png")
        found = find_images(tmp_path)
    assert ((tmp_path / "s.png", "a socket, not a file"),) == found.quarantined


def test_a_name_that_is_not_utf8_is_quarantined(tmp_path):
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = find_images(tmp_path)
    assert found.files == ()
    assert [w for _, w in found.quarantined] == ["the file's name is not valid UTF-8: rename it"]


@pytest.mark.parametrize(
    ("name", "text"), [("missing", "does not exist"), ("a.png", "is not a folder")]
)
def test_a_wrong_folder_is_an_input_error(tmp_path, name, text):
    _touch(tmp_path, "a.png")
    with pytest.raises(InputError, match=text):
        find_images(tmp_path / name)


def test_a_fingerprint_is_of_the_content_alone(tmp_path):
    (tmp_path / "a.png").write_bytes(b"same")
    (tmp_path / "b.jpg").write_bytes(b"same")
    expected = hashlib.sha256(b"same").hexdigest()[:16]
    assert [expected] * 2 == [fingerprint_file(tmp_path / n) for n in ("a.png", "b.jpg")]


def test_what_has_no_fingerprint_says_why(odd_folder):
    (odd_folder / "empty.png").touch()
    reasons = {}
    for name in ("empty.png", "gone.png", "pipe.png", "null.png", "sub", "self.png"):
        with pytest.raises(ImageError) as error:
            fingerprint_file(odd_folder / name)
        reasons[name] = str(error.value)
    assert reasons == {
        "empty.png": "an empty file (0 bytes)",
        "gone.png": "cannot be read: No such file or directory",
        "pipe.png": "a pipe, not a file",
        "null.png": "a device, not a file",
        "sub": "a folder, not a file",
        "self.png": "cannot be read: Too many levels of symbolic links",
    }
