"""The names that `embeddings` and `discovery` offer: all there, documented, loaded when used."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import discovery
import discovery.clusterers
import embeddings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [embeddings, discovery, discovery.clusterers]
NAMES = [(package, name) for package in PACKAGES for name in package.__all__]


def typed_homes(package):
    """Return where a type checker finds each name: the imports under `if TYPE_CHECKING`."""
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {alias.name: node.module for node in block.body for alias in node.names}


def run_python(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_a_public_name_is_there_and_says_what_it_is(package, name):
    found = getattr(package, name)
    assert found.__name__ == name
    assert inspect.getdoc(found)
    # The docstring that @dataclass writes by itself is the signature: it says nothing.
    assert not found.__doc__.startswith(f"{name}(")


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checker_and_interpreter_find_the_same(package):
    homes = typed_homes(package)
    assert sorted(homes) == sorted(package.__all__)
    for name, home in homes.items():
        assert getattr(importlib.import_module(home), name) is getattr(package, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_is_told_twice(package):
    assert len(set(package.__all__)) == len(package.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_hides_no_module(package):
    # `from discovery.cluster import main` and `discovery.cluster` must mean the same.
    folder = Path(package.__file__).parent
    modules = {path.stem for path in folder.iterdir()} - {"__init__", "__pycache__"}
    assert set(package.__all__) & modules == set()


@pytest.mark.parametrize("package", [embeddings, discovery])
def test_completion_offers_every_name(package):
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_met_as_python_does(package):
    with pytest.raises(AttributeError, match=f"{package.__name__}.*no attribute 'nonsense'"):
        package.nonsense  # noqa: B018


@pytest.mark.parametrize("package", ["embeddings", "discovery", "discovery.clusterers"])
def test_importing_and_listing_a_package_loads_only_itself(package):
    code = (
        f"import sys, {package}; dir({package}); root = {package!r}.split('.')[0]\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in "
        "{'embeddings', 'discovery', 'numpy', 'torch', 'faiss', 'sklearn', 'pandas', 'PIL'}))"
    )
    done = run_python(code)
    parents = [package.rsplit(".", depth)[0] for depth in range(package.count(".") + 1)]
    assert (done.stdout.strip(), done.stderr) == (str(sorted(parents)), "")


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("from discovery import RoundOptions, HDBSCANOptions", "torch faiss sklearn umap"),
        ("from discovery import Clustering, Proposal", "torch faiss sklearn umap"),
        ("from embeddings import ExtractOptions", "torch faiss sklearn umap"),
        ("from embeddings import Vectors, open_store", "torch sklearn umap"),
        ("from discovery import draw_map", "torch sklearn umap matplotlib"),
    ],
)
def test_a_name_loads_no_more_than_it_needs(statement, heavy):
    code = f"{statement}; import sys; print([m for m in {heavy.split()} if m in sys.modules])"
    done = run_python(code)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
