"""Write and check requirements.lock: every package of an install, with version and sha256.

requirements-ray.lock and requirements-bench.lock beside it have what the extras `ray` and `bench`
add, which few need and are large.

    python tools/lock.py                  check the lock against pyproject.toml (`make lint`)
    python tools/lock.py --installed      and against what is installed here (`make check-lock`)
    python tools/lock.py --write          resolve anew (`make lock`), of what pip's index has
    python tools/lock.py --write --keep   the same at the versions that are installed here

To write, pip resolves what pyproject.toml asks for, extras included, from the index that it is
set up with, and tells the sha256 that the index has of each wheel. The lock names no index: a
mirror inside a fab serves the same bytes, or the install ends. One lock is of one kind of machine:
Linux on x86_64 with CPython 3.11.
"""

import argparse
import json
import platform
import re
import subprocess  # nosec B404 # pip alone, without a shell
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
ADDED = {extra: ROOT / f"requirements-{extra}.lock" for extra in ("bench", "ray")}
EXTRAS = ("docs", "notebook", "openvino", "timm", "test")
MACHINE = ("Linux", "x86_64", "cpython", "3.11")
HEAD = """\
# Written by `make lock`, checked by `make lint`: every package, extras included, with the sha256 of
# its wheel for Linux on x86_64 with CPython 3.11. No index is named: any mirror will do.
#
#   python -m pip install --require-hashes --no-deps -r requirements.lock
#   python -m pip install --no-deps --no-build-isolation --editable .
"""
ADDED_HEAD = """\
# Written by `make lock`, checked by `make lint`: what the extra `{extra}` adds to the main lock.
#
#   python -m pip install --require-hashes --no-deps -r requirements-{extra}.lock
"""
_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.+!_-]+)(?P<rest>.*)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of the lock: its version, and the sha256 of each wheel that will do."""

    name: str
    version: str
    hashes: tuple[str, ...]


class LockError(Exception):
    """The lock does not hold; the text says in one line what to do."""


def main() -> None:
    """Write or check the lock."""
    parser = argparse.ArgumentParser(description="Write or check requirements.lock.")
    parser.add_argument("--write", action="store_true", help="resolve anew and write it")
    parser.add_argument("--keep", action="store_true", help="with --write: at installed versions")
    parser.add_argument("--installed", action="store_true", help="compare what is installed here")
    chosen = parser.parse_args()
    wanted = read_wanted(ROOT / "pyproject.toml")
    try:
        if chosen.write:
            pins = resolve(wanted, constraints=list_installed() if chosen.keep else ())
            LOCK.write_text(format_lock(pins), encoding="ascii")
            for extra, path in ADDED.items():
                head = ADDED_HEAD.format(extra=extra)
                path.write_text(format_lock(resolve_extra(pins, extra), head=head), "ascii")
        locked = parse_lock(LOCK.read_text(encoding="ascii"))
        faults = find_faults(locked, wanted)
        for extra, path in ADDED.items():
            added = parse_lock(path.read_text(encoding="ascii"))
            faults += find_faults({**locked, **added}, read_extra(ROOT / "pyproject.toml", extra))
        if chosen.installed:
            faults += compare_installed(locked, wanted)
    except (LockError, OSError, ValueError) as error:
        raise SystemExit(f"{LOCK.name}: {error}") from None
    if faults:
        raise SystemExit("\n".join(f"{LOCK.name}: {fault}" for fault in faults))
    sys.stdout.write(f"{LOCK.name}: {len(locked)} packages, each with its sha256\n")


def read_wanted(pyproject: Path) -> list[Requirement]:
    """Return what pyproject.toml asks for, the extras that are locked included."""
    needed = _read_project(pyproject)["dependencies"]
    extras = [one for extra in EXTRAS for one in read_extra(pyproject, extra)]
    return [*map(Requirement, needed), *extras]


def read_extra(pyproject: Path, extra: str) -> list[Requirement]:
    """Return what one extra asks for."""
    return [*map(Requirement, _read_project(pyproject)["optional-dependencies"][extra])]


def _read_project(pyproject: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return project


def resolve_extra(pins: Sequence[Pin], extra: str) -> list[Pin]:
    """Return what an extra adds to these pins."""
    there = {pin.name for pin in pins}
    held = [f"{pin.name}=={pin.version}" for pin in pins]
    found = resolve(read_extra(ROOT / "pyproject.toml", extra), constraints=held)
    return [pin for pin in found if pin.name not in there]


def parse_lock(text: str) -> dict[str, Pin]:
    """Return the packages of a lock by name.

    Raises
    ------
    LockError
        A line is anything but a version with hashes: an address, an option, a package twice.
    """
    found: dict[str, Pin] = {}
    for number, line in _join_lines(text):
        match = _PIN.fullmatch(line)
        if match is None:
            raise LockError(f"line {number}: {line[:60]!r} is no `name==version` with hashes")
        words = match["rest"].split()
        hashes = [_HASH.fullmatch(word) for word in words]
        if not words or not all(hashes):
            raise LockError(f"line {number}: {match['name']} has no sha256, or more than that")
        name = canonicalize_name(match["name"])
        if name in found:
            raise LockError(f"line {number}: {name} stands there twice")
        found[name] = Pin(name, match["version"], tuple(one[1] for one in hashes if one))
    return found


def find_faults(locked: Mapping[str, Pin], wanted: Sequence[Requirement]) -> list[str]:
    """Say what pyproject.toml asks for and the lock does not give; nothing where all is well."""
    faults = []
    for requirement in wanted:
        pin = locked.get(canonicalize_name(requirement.name))
        if pin is None:
            faults.append(f"{requirement.name} is missing: run `make lock`")
        elif not requirement.specifier.contains(pin.version, prereleases=True):
            faults.append(f"{pin.name} is {pin.version}, expected {requirement}: run `make lock`")
    return faults


def compare_installed(locked: Mapping[str, Pin], wanted: Sequence[Requirement]) -> list[str]:
    """Say what is installed here in another version than the lock's, and what the lock lacks."""
    faults, seen = [], set[tuple[str, str]]()
    waiting: list[tuple[str, str]] = []
    waiting += [(canonicalize_name(one.name), extra) for one in wanted for extra in _extras(one)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        is_new = all(name != other for other, _ in seen)
        seen.add((name, extra))
        try:
            found = distribution(name)
        except PackageNotFoundError:
            faults += [f"{name} is not installed"] * is_new
            continue
        waiting += _list_needs(found.requires or (), extra)
        if is_new and (fault := _compare(locked.get(name), name, found.version)):
            faults.append(fault)
    return faults + [f"{name} is asked for by nothing" for name in locked if _is_left(name, seen)]


def resolve(wanted: Sequence[Requirement], *, constraints: Sequence[str] = ()) -> list[Pin]:
    """Let pip choose the versions, without installing any, and tell their sha256.

    Raises
    ------
    LockError
        This machine is of another kind, or pip failed.
    """
    version = ".".join(platform.python_version_tuple()[:2])
    here = (platform.system(), platform.machine(), sys.implementation.name, version)
    if here != MACHINE:
        raise LockError(f"this is {' '.join(here)}, expected {' '.join(MACHINE)} to write the lock")
    with tempfile.TemporaryDirectory() as folder:
        asked, held, report = (Path(folder) / name for name in ("asked", "held", "report.json"))
        asked.write_text("\n".join(map(str, wanted)), encoding="utf-8")
        held.write_text("\n".join(constraints), encoding="utf-8")
        words = ["install", "--dry-run", "--ignore-installed", "--only-binary", ":all:", "--quiet"]
        words += ["--report", str(report), "--requirement", str(asked), "--constraint", str(held)]
        done = subprocess.run(  # nosec B603 # this Python's pip, words of this file
            [sys.executable, "-m", "pip", *words], check=False
        )
        if done.returncode:
            raise LockError("pip found no set of versions: what it said stands above")
        return list_pins(json.loads(report.read_text(encoding="utf-8")))


def list_pins(report: Mapping[str, Any]) -> list[Pin]:
    """Return what a report of pip would install."""
    pins = []
    for item in report["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        sha256 = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if sha256 is None:
            raise LockError(f"the index tells no sha256 of {name} {version}: ask another one")
        pins.append(Pin(canonicalize_name(name), version, (sha256,)))
    return pins


def format_lock(pins: Sequence[Pin], *, head: str = HEAD) -> str:
    """Return the text of a lock."""
    lines = [head]
    for pin in sorted(pins, key=lambda pin: pin.name):
        hashes = " \\\n".join(f"    --hash=sha256:{one}" for one in sorted(pin.hashes))
        lines.append(f"{pin.name}=={pin.version} \\\n{hashes}\n")
    return "".join(lines)


def list_installed() -> list[str]:
    """Return every installed version as a constraint, those of this project aside."""
    found = {str(canonicalize_name(one.name)): one.version for one in distributions()}
    found.pop("defect-discovery", None)
    return [f"{name}=={found[name]}" for name in sorted(found)]


def _join_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each requirement in one line with the number of its first, without comments."""
    kept, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        first = first if kept else number
        kept += line.removesuffix("\\")
        if not line.endswith("\\"):
            if kept.strip():
                yield first, " ".join(kept.split())
            kept = ""
    if kept.strip():
        raise LockError(f"line {first}: {kept.split()[0]} ends in the middle")


def _extras(requirement: Requirement) -> tuple[str, ...]:
    return ("", *sorted(requirement.extras))


def _list_needs(requires: Sequence[str], extra: str) -> list[tuple[str, str]]:
    """Return what a package needs on this machine, with one of its extras or none."""
    environment: dict[str, str] = {**default_environment(), "extra": extra}  # type: ignore[dict-item]
    needed = [Requirement(line) for line in requires]
    held = [one for one in needed if one.marker is None or one.marker.evaluate(environment)]
    return [(canonicalize_name(one.name), name) for one in held for name in _extras(one)]


def _compare(pin: Pin | None, name: str, version: str) -> str:
    if pin is None:
        return f"{name} {version} is needed and not locked: run `make lock`"
    if pin.version != version:
        return f"{name} is installed as {version}, locked as {pin.version}"
    return ""


def _is_left(name: str, seen: set[tuple[str, str]]) -> bool:
    return all(name != other for other, _ in seen)


if __name__ == "__main__":
    main()
