"""The lock holds what pyproject.toml asks for, each package with its sha256, and no address."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
SHA256 = "ab" * 32


def load_tool():
    """Load the tool from its file: tools/ is no package."""
    spec = importlib.util.spec_from_file_location("lock_tool", ROOT / "tools" / "lock.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its data classes look for their module
    spec.loader.exec_module(module)
    return module


lock = load_tool()


def test_the_projects_lock_holds_and_names_no_address():
    text = lock.LOCK.read_text(encoding="ascii")
    locked = lock.parse_lock(text)
    assert lock.find_faults(locked, lock.read_wanted(ROOT / "pyproject.toml")) == []
    assert "://" not in text
    assert not [line for line in text.splitlines() if line.startswith("-")]  # no option of pip
    # What they are built with for a GPU comes along: it is no part of pyproject.toml.
    assert {"torch", "torchvision", "numpy", "bandit", "nvidia-cublas"} <= set(locked)


def test_the_command_says_how_many_packages_are_locked():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "lock.py"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("packages, each with its sha256\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--index-url https://pypi.example/simple", "line 2: '--index-url"),
        ("--extra-index-url https://a.example", "line 2: '--extra-index-url"),
        ("six @ https://files.example/six.whl", "is no `name==version` with hashes"),
        ("-e .", "is no `name==version` with hashes"),
        ("six>=1.0 --hash=sha256:" + SHA256, "is no `name==version` with hashes"),
        ("six==1.0", "six has no sha256"),
        ("six==1.0 --hash=md5:" + SHA256[:32], "six has no sha256"),
        ("six==1.0 --hash=sha256:" + SHA256[1:], "six has no sha256"),
        (f"six==1.0 --hash=sha256:{SHA256} --index-url=https://a.example", "or more than that"),
        ("six==1.0 \\", "six==1.0 ends in the middle"),
        (f"Good_One==2 --hash=sha256:{SHA256}", "good-one stands there twice"),
    ],
)
def test_a_line_that_is_more_or_less_than_a_version_with_hashes_is_named(line, said):
    with pytest.raises(lock.LockError, match=r"^line [12]: ") as caught:
        lock.parse_lock(f"good-one==1.0 --hash=sha256:{SHA256}\n{line}\n")
    assert said in str(caught.value)


def test_what_is_missing_or_too_old_is_named():
    locked = lock.parse_lock(f"numpy==2.1 \\\n    --hash=sha256:{SHA256}\n")
    wanted = [Requirement("numpy>=2.2"), Requirement("torch>=2.14")]
    assert lock.find_faults(locked, wanted) == [
        "numpy is 2.1, expected numpy>=2.2: run `make lock`",
        "torch is missing: run `make lock`",
    ]


def test_what_is_installed_is_compared_with_all_that_it_needs():
    packaging = lock.distribution("packaging").version
    locked = lock.parse_lock(
        f"packaging==0.1 --hash=sha256:{SHA256}\nsix==1.0 --hash=sha256:{SHA256}\n"
    )
    faults = lock.compare_installed(locked, [Requirement("packaging"), Requirement("not-there")])
    assert faults == [
        "not-there is not installed",
        f"packaging is installed as {packaging}, locked as 0.1",
        "six is asked for by nothing",
    ]
    faults = lock.compare_installed(locked, [Requirement("scikit-image")])
    assert any("numpy" in fault and "needed and not locked" in fault for fault in faults)


def test_a_report_of_pip_becomes_a_lock_that_reads_back():
    def item(name, version, sha256):
        archive = {"hashes": {"sha256": sha256} if sha256 else {}}
        url = f"https://files.example/{name}.whl"
        return {
            "metadata": {"name": name, "version": version},
            "download_info": {"url": url, "archive_info": archive},
        }

    report = {"install": [item("Six", "1.17.0", SHA256), item("a_b", "1+cpu", "cd" * 32)]}
    text = lock.format_lock(lock.list_pins(report))
    assert "example" not in text
    assert list(lock.parse_lock(text)) == ["a-b", "six"]
    assert lock.parse_lock(text)["six"] == lock.Pin("six", "1.17.0", (SHA256,))
    with pytest.raises(lock.LockError, match=r"^the index tells no sha256 of x 1"):
        lock.list_pins({"install": [item("x", "1", "")]})


def test_a_lock_is_written_on_its_own_kind_of_machine_alone(monkeypatch):
    monkeypatch.setattr(lock.platform, "machine", lambda: "aarch64")
    with pytest.raises(lock.LockError, match=r"aarch64.*expected Linux x86_64 cpython 3\.11"):
        lock.resolve([])
