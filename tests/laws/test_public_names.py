"""The names that packages offer through their stubs: all there, documented, loaded when used."""

import ast
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUBS = sorted(p for top in ("embeddings", "discovery") for p in (ROOT / top).rglob("*.pyi"))
PACKAGES = [
    importlib.import_module(".".join(path.relative_to(ROOT).parent.parts)) for path in STUBS
]
NAMES = [(package, name) for package in PACKAGES for name in package.__all__]


def typed_homes(package):
    """Return where a type checker finds each name: the imports of the stub, all of them public."""
    tree = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    assert {type(node) for node in tree.body} == {ast.ImportFrom}
    named = [(node, alias) for node in tree.body for alias in node.names]
    # `import X as X` is what makes a name of a stub public.
    assert [alias.name for _, alias in named] == [alias.asname for _, alias in named]
    return {
        alias.name: importlib.util.resolve_name("." * node.level + node.module, package.__name__)
        for node, alias in named
    }


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


def test_the_packages_of_this_law():
    assert {"embeddings", "discovery", "discovery.flow"} <= {one.__name__ for one in PACKAGES}


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checker_and_interpreter_find_the_same(package):
    homes = typed_homes(package)
    assert sorted(homes) == sorted(package.__all__)
    for name, home in homes.items():
        assert getattr(importlib.import_module(home), name) is getattr(package, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_stub_has_no_name_twice(package):
    lines = Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8").splitlines()
    names = [line.rsplit(" ", 1)[-1] for line in lines]
    assert sorted(set(names)) == sorted(names) == sorted(package.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_hides_no_module(package):
    # `from discovery.cluster import main` and `discovery.cluster` must mean the same.
    folder = Path(package.__file__).parent
    modules = {path.stem for path in folder.iterdir()} - {"__init__", "__pycache__"}
    assert set(package.__all__) & modules == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_completion_offers_every_name(package):
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_named(package):
    with pytest.raises(AttributeError, match=f"No {package.__name__} attribute nonsense$"):
        package.nonsense  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nonsense'"):
        exec(f"from {package.__name__} import nonsense")


@pytest.mark.parametrize("package", [package.__name__ for package in PACKAGES])
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
        ("from discovery import open_review", "torch faiss sklearn scipy umap"),
    ],
)
def test_a_name_loads_no_more_than_it_needs(statement, heavy):
    code = f"{statement}; import sys; print([m for m in {heavy.split()} if m in sys.modules])"
    done = run_python(code)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
