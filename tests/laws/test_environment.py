"""environment.yml is pyproject.toml in conda's words: the same packages with the same bounds."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))

# PyPI's name to conda-forge's, where they differ.
CONDA_NAMES = {"torch": "pytorch"}
# Extras that conda users add themselves, or that conda-forge does not have.
NOT_IN_CONDA: set[str] = set()


def split(requirement):
    """Split `name>=1.0` or `name >=1.0` into the name and its bounds without blanks."""
    match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([^;]*)", requirement.strip())
    return match[1].lower(), match[2].replace(" ", "")


def pip_requirements():
    wanted = [*PROJECT["dependencies"]]
    for extra in ("docs", "notebook", "test"):
        wanted += PROJECT["optional-dependencies"][extra]
    found = dict(map(split, wanted))
    return {
        CONDA_NAMES.get(package, package): bounds
        for package, bounds in found.items()
        if package not in NOT_IN_CONDA
    }


def conda_requirements():
    *conda, by_pip = CONDA["dependencies"]
    found = dict(map(split, conda + by_pip["pip"]))
    del found["pip"]  # it installs the project itself
    return found


def test_the_environment_bears_the_projects_name():
    assert PROJECT["name"] == CONDA["name"]


def test_conda_installs_the_same_python():
    assert PROJECT["requires-python"] == conda_requirements()["python"]


def test_conda_installs_the_same_packages_with_the_same_bounds():
    expected, actual = pip_requirements(), conda_requirements()
    del actual["python"]
    assert expected == actual


def test_what_is_optional_is_offered_with_the_same_bounds():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    (offered,) = re.findall(r"^  # - (ray-core .*)$", text, re.MULTILINE)
    (wanted,) = PROJECT["optional-dependencies"]["ray"]
    assert split(wanted)[1] == split(offered)[1]


def test_all_comes_from_one_channel():
    # Channels mixed bring a torch and a torchvision of different CUDA versions.
    assert CONDA["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch>=2.14", ("torch", ">=2.14")),
        ("python >=3.11,<3.14", ("python", ">=3.11,<3.14")),
        ("pip", ("pip", "")),
        ("ray[data]>=2.5", ("ray", ">=2.5")),
    ],
)
def test_requirements_are_split(text, expected):
    assert expected == split(text)
