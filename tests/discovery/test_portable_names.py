"""Names and folders that Windows, macOS and Linux take, and that no two labels share."""

import re
from pathlib import PurePath, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.formats.folder_names import name_folder, name_folders, read_folder
from discovery.formats.portable_names import fold_name, make_portable, unquote_name
from discovery.records import find_label_fault, tidy_label

# Windows, "Naming Files, Paths, and Namespaces".
DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{kind}{digit}" for kind in ("com", "lpt") for digit in "0123456789¹²³"
}
LABELS = st.lists(
    (st.text(st.sampled_from("aAbBßÉé_.%/ :~con"), min_size=1, max_size=12) | st.text(max_size=99))
    .map(tidy_label)
    .filter(lambda label: bool(label) and not find_label_fault(label)),
    max_size=8,
    unique=True,
)


def check_windows_takes(name):
    assert name
    assert not re.search(r'[<>:"|?*/\\\x00-\x1f]', name)
    assert name[-1] not in ". "
    assert name.split(".")[0].rstrip(" ").casefold() not in DEVICES
    assert len(name.encode()) <= 255


@given(LABELS)
def test_folders_of_labels_are_taken_everywhere_and_come_back(labels):
    for layout in ("flat", "nested"):
        folders = name_folders(labels, layout)
        assert list(folders) == sorted(labels)
        # Also on a file system that does not tell A from a.
        assert len({fold_name(str(folder)) for folder in folders.values()}) == len(labels)
        for label, folder in folders.items():
            assert len(folder.parts) == (1 if layout == "flat" else len(label.split("/")))
            for name in folder.parts:
                check_windows_takes(name)
            assert read_folder(folder) == label


@given(LABELS)
def test_nested_folders_of_one_level_are_one_folder(labels):
    named = {}
    for label, folder in name_folders(labels, "nested").items():
        for level, name in zip(label.split("/"), folder.parts, strict=True):
            assert named.setdefault(fold_name(name), level) == level


@given(st.text(min_size=1).filter(lambda text: "\ud800" > max(text) or max(text) > "\udfff"))
def test_any_text_becomes_a_name(text):
    name = make_portable(text)
    check_windows_takes(name)
    if "%~" not in name:
        assert unquote_name(name) == text


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("CON", "%43ON"),
        ("nul.x", "%6Eul.x"),
        ("defect/com1", "defect__com1"),
        ("lpt¹", "%6Cpt¹"),
        ("a:b", "a%3Ab"),
        (".hidden", "%2Ehidden"),
        ("end..", "end.%2E"),
        ("console", "console"),
    ],
)
def test_names_that_windows_refuses_are_escaped(label, folder):
    assert name_folder(label) == folder
    assert read_folder(PurePath(folder)) == label


def test_labels_that_differ_by_case_have_folders_of_their_own():
    assert name_folders(["scratch", "Scratch", "SCRATCH", "pit"]) == {
        "SCRATCH": PurePosixPath("%53%43%52%41%54%43%48"),
        "Scratch": PurePosixPath("%53cratch"),
        "pit": PurePosixPath("pit"),
        "scratch": PurePosixPath("scratch"),
    }
    nested = name_folders(["Defect/pit", "defect/void"], "nested")
    assert nested["Defect/pit"] == PurePosixPath("%44efect/pit")
    # Told apart by what follows: nothing is the same in one folder for both.
    assert name_folders(["Defect/pit", "defect/void"])["Defect/pit"].name == "Defect__pit"


def test_a_label_that_is_too_long_for_a_name_is_cut_and_says_so():
    one, other = "検" * 150 + "1", "検" * 150 + "2"
    folders = name_folders([one, other])
    assert folders[one] != folders[other]
    for folder in folders.values():
        check_windows_takes(folder.name)
        with pytest.raises(ValueError, match="too long"):
            read_folder(folder)


@pytest.mark.parametrize("name", ["x" * 250 + "é" * 9, "%" * 200, "\udcff.png", "a/b", "COM1.tar"])
def test_names_of_files_are_taken_everywhere(name):
    check_windows_takes(make_portable(name))
    assert len(make_portable(name, 100).encode()) <= 100
