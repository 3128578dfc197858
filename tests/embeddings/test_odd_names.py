"""A folder whose name is not UTF-8 is used as any other; an odd name in it is put aside."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from embeddings.console import run_command
from embeddings.errors import InputError
from embeddings.extract.__main__ import ExtractCommand
from embeddings.images import find_images, fingerprint_file, read_headers, read_pictures
from embeddings.odd_names import real_path, spell_path
from embeddings.store import open_store


def draw(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)


@pytest.fixture
def odd(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/l\xe4ngs"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    for seed in range(3):
        Image.fromarray(draw(seed)).save(folder / f"{seed}.png")
    yield folder
    shutil.rmtree(folder)


def test_a_path_is_spelled_and_found_again(odd, tmp_path):
    spelled = spell_path(odd / "0.png")

    assert str(spelled).encode().decode() == str(spelled)
    assert odd / "0.png" == real_path(spelled)
    assert spell_path(tmp_path / "ä.png") == tmp_path / "ä.png" == real_path(tmp_path / "ä.png")
    # A file that really has such letters is that file.
    (tmp_path / "\uf7e4.png").touch()
    assert tmp_path / "\uf7e4.png" == real_path(tmp_path / "\uf7e4.png")


def test_images_of_such_a_folder_are_read(odd):
    found = find_images(odd)

    assert ["0.png", "1.png", "2.png"] == [path.name for path in found.files]
    assert () == found.quarantined
    first = found.files[0]
    assert np.array_equal(draw(0), read_pictures(first)[0].pixels)
    assert (48, 48) == (read_headers(first)[0].width, read_headers(first)[0].height)
    assert fingerprint_file(odd / "0.png") == fingerprint_file(first)


def test_an_odd_name_beside_sound_ones_is_quarantined(odd):
    (odd / "1.png").rename(odd / "\udcff.png")
    found = find_images(odd)
    assert ["0.png", "2.png"] == [path.name for path in found.files]
    assert [r for _, r in found.quarantined] == ["the file's name is not valid UTF-8: rename it"]


@pytest.mark.parametrize("table", [None, "boxes", "metadata", "source"])
def test_a_store_of_such_a_folder(odd, tmp_path, table, extract):
    (odd / "t.csv").write_text("path,lot,xmin,ymin,xmax,ymax\n1.png,A,4,4,30,30\n")
    words = [odd, "--store", tmp_path / "store"]
    if table == "source":
        words[0] = odd / "t.csv"
    elif table is not None:
        words += [f"--{table}", odd / "t.csv"]

    ran = extract(*words)

    assert 0 == ran.code
    store = open_store(tmp_path / "store")
    assert {None: 3, "boxes": 1, "metadata": 3, "source": 1}[table] == len(store)
    paths = store.load_vectors().rows["path"].tolist()
    assert str(spell_path(odd / "1.png")) in paths
    if table == "metadata":
        assert any("A" in text for text in store.rows()["metadata"])
    # Nothing is computed twice, and the list of what was found may be given as a source again.
    assert f"reused {len(store)}" in extract(*words).last
    pd.DataFrame({"path": paths}).to_csv(tmp_path / "list.csv", index=False)
    assert "quarantined 0" in extract(tmp_path / "list.csv", "--store", tmp_path / "again").last


def test_what_the_system_says_of_a_file_is_one_line(tmp_path, capsys):
    def fail(_command):
        raise PermissionError(13, "Permission denied", "/data/a.png")

    words = [str(tmp_path), "--store", "s"]
    assert 2 == run_command(fail, ExtractCommand, prog="p", args=words)
    assert "p: error: /data/a.png: Permission denied; expected a file" in capsys.readouterr().err


def test_memory_that_is_not_there_is_one_line(tmp_path, capsys):
    def fail(_command):
        raise MemoryError

    words = [str(tmp_path), "--store", "s"]
    assert 2 == run_command(fail, ExtractCommand, prog="p", args=words)
    assert "p: error: there is not enough memory" in capsys.readouterr().err


class _Scan:
    """What another process does to a folder between its listing and a look at its files."""

    real = staticmethod(os.scandir)

    def __init__(self, path):
        self.scan = self.real(path)

    def __enter__(self):
        entries = list(self.scan)
        for entry in entries:
            if entry.name in ("1.png", "sub"):
                shutil.rmtree(entry.path, ignore_errors=True)
                Path(entry.path).unlink(missing_ok=True)
        return iter(entries)

    def __exit__(self, *_):
        self.scan.close()


def test_what_goes_while_the_folder_is_listed_is_not_there(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    for name in ("0.png", "1.png", "sub/2.png"):
        Image.fromarray(draw(1)).save(tmp_path / name)
    monkeypatch.setattr(os, "scandir", _Scan)

    found = find_images(tmp_path)

    assert ((tmp_path / "0.png",), ()) == (found.files, found.quarantined)


def test_a_folder_that_is_too_long_a_name(tmp_path):
    with pytest.raises((InputError, OSError)):
        find_images(tmp_path / ("x" * 300))
