"""The laws of the house that a linter does not know: layers, data classes, functions, sizes."""

import ast
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(p for package in ("embeddings", "discovery") for p in (ROOT / package).rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LAYERS = PYPROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
MOST_LINES = 300
MOST_POSITIONAL = 3


def name(path):
    """Return the dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def is_public(path, node):
    return not node.name.startswith("_") and not any(
        part.startswith("_") and not part.startswith("__") for part in path.parts
    )


def public_functions():
    """Yield (path, function, is a method) of all that another module may call."""
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and is_public(path, node):
                yield path, node, False
            if isinstance(node, ast.ClassDef) and is_public(path, node):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and is_public(path, method):
                        yield path, method, True


def where(path, node):
    return f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def decorators(node):
    """Return the decorators' names, as they are called."""
    calls = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    return {ast.unparse(call).split(".")[-1] for call in calls}


def test_imports_run_down_only():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_has_its_layer():
    listed = {word for layer in LAYERS for word in layer.replace("|", ":").split(" ")} - {":"}
    found = {".".join(name(path).split(".")[:2]) for path in FILES} - {"embeddings", "discovery"}
    assert sorted(found - listed) == []


def test_pyproject_lists_every_package():
    listed = PYPROJECT["tool"]["setuptools"]["packages"]
    found = {name(path) for path in FILES if path.name == "__init__.py"}
    if isinstance(listed, list):
        assert sorted(found) == sorted(listed)
    else:
        # `packages.find` with these patterns finds them all.
        assert {"embeddings*", "discovery*"} <= set(listed["find"]["include"])


def test_no_file_is_long():
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {module: n for module, n in lines.items() if n > MOST_LINES} == {}


def test_functions_are_short():
    lines = []
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                first = node.body[1] if ast.get_docstring(node) and node.body[1:] else node.body[0]
                lines.append(node.end_lineno - first.lineno + 1)  # the docstring not counted
    assert statistics.median(lines) <= 12
    assert statistics.quantiles(lines, n=10)[-1] <= 40


def test_every_module_opens_with_what_it_computes():
    assert [name(path) for path, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_a_public_function_has_at_most_three_positional_parameters():
    long = []
    for path, node, is_method in public_functions():
        positional = len(node.args.posonlyargs) + len(node.args.args)
        own = 1 if is_method and "staticmethod" not in decorators(node) else 0
        if positional - own > MOST_POSITIONAL:
            long.append(where(path, node))
    assert long == []


def test_public_things_are_documented_and_annotated():
    bare = []
    for path, node, _ in public_functions():
        inherited = node.name in {"fit", "fit_predict", "fit_transform", "transform", "predict"}
        if not (ast.get_docstring(node) or inherited) or node.returns is None:
            bare.append(where(path, node))
    for path, tree in TREES.items():
        bare.extend(
            where(path, node)
            for node in tree.body
            if isinstance(node, ast.ClassDef)
            and is_public(path, node)
            and not ast.get_docstring(node)
        )
    assert bare == []


def test_data_classes_are_frozen_and_made_by_keyword():
    loose = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef) or "dataclass" not in decorators(node):
                continue
            call = next(d for d in node.decorator_list if "dataclass" in ast.unparse(d))
            given = {k.arg for k in call.keywords} if isinstance(call, ast.Call) else set()
            fields = [inner for inner in node.body if isinstance(inner, ast.AnnAssign)]
            # Of one field nothing can be mixed up.
            wanted = {"frozen"} if len(fields) == 1 else {"frozen", "kw_only"}
            if is_public(path, node) and not wanted <= given:
                loose.append(where(path, node))
    assert loose == []


def test_only_the_console_prints():
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in TREES.items()
        if name(path) != "embeddings.console"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"print", "sys.stdout.write", "sys.stderr.write"}
    ]
    assert printing == []


def test_a_users_error_is_not_an_assertion():
    # `python -O` drops assertions: what is checked for a user is raised.
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_no_exception_is_swallowed():
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    assert broad == []


def test_a_function_does_not_bear_its_modules_name():
    # Exposed from the package it would hide the module: `discovery.cluster` must stay the module.
    clashes = [
        where(path, node)
        for path, node, is_method in public_functions()
        if not is_method and node.name == name(path).split(".")[-1]
    ]
    assert clashes == []


@pytest.mark.parametrize(
    "statement",
    ["import embeddings", "import discovery", "import embeddings.errors, embeddings.console"],
)
def test_importing_a_package_loads_nothing_heavy(statement):
    heavy = ["torch", "torchvision", "faiss", "pandas", "sklearn", "umap", "numba", "skimage"]
    code = f"{statement}; import sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
