"""What docs/security.md promises of the code as a whole: no pickle, no shell, reasons given."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("embeddings", "discovery")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SCANNED = sorted(
    path
    for folder in (*PACKAGES, "tools", "benchmarks", "docs/_ext")
    for path in (ROOT / folder).rglob("*.py")
    if "node_modules" not in path.parts
)
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
# Reading with these can run what a file says.
RUNS_CODE = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml",
}  # fmt: skip
PARSES_XML = {"xml.etree", "xml.dom", "xml.sax", "lxml"}


def calls(name):
    """Yield (where, keywords) of each call of what ends in a dotted name."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                keywords = {one.arg: ast.unparse(one.value) for one in node.keywords}
                yield f"{path.relative_to(ROOT)}:{node.lineno}", keywords


def imports():
    """Yield (where, module, names) of each import."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            where = path.relative_to(ROOT).as_posix()
            if isinstance(node, ast.Import):
                yield from ((where, one.name, ()) for one in node.names)
            if isinstance(node, ast.ImportFrom) and node.module:
                yield where, node.module, tuple(one.name for one in node.names)


def test_nothing_is_read_in_a_way_that_runs_code():
    found = [(where, m, names) for where, m, names in imports() if m.split(".")[0] in RUNS_CODE]
    # The name of an error that torch.load raises; nothing is unpickled with it.
    assert found == [("embeddings/weights.py", "pickle", ("UnpicklingError",))]
    assert [w for w, _ in calls("eval")] + [w for w, _ in calls("exec")] == []


def test_arrays_and_weights_are_read_without_pickle():
    arrays = [*calls("np.load"), *calls("npy.read_array")]
    weights = list(calls("torch.load"))
    assert len(arrays) >= 1  # all through one reader
    assert [where for where, words in arrays if words.get("allow_pickle") != "False"] == []
    assert [words["weights_only"] for _, words in weights] == ["True"]
    assert list(calls("torch.jit.load")) == []


def test_no_xml_of_a_stranger_is_parsed_here():
    found = {(m, names) for _, m, names in imports() if m.startswith(tuple(PARSES_XML))}
    # One writes; the other is the name of an error of openpyxl, which reads workbooks.
    assert found <= {
        ("xml.sax.saxutils", ("quoteattr",)),
        ("xml.etree.ElementTree", ("ParseError",)),
    }


def test_commands_are_started_without_a_shell_and_from_one_module():
    started = {where for where, m, _ in imports() if m == "subprocess"}
    assert started == {"discovery/review/server/build.py"}
    for name in ("subprocess.run", "subprocess.Popen"):
        assert [where for where, words in calls(name) if "shell" in words] == []
    assert list(calls("os.system")) == list(calls("os.popen")) == []


def test_temporary_files_have_names_that_nobody_can_guess():
    assert list(calls("tempfile.mktemp")) == []
    written = re.compile(r"[\"'](?:/tmp|/var/tmp|/dev/shm)\b")
    assert [p for p in FILES if written.search(p.read_text(encoding="utf-8"))] == []


def test_an_exception_from_bandit_names_its_check_and_says_why():
    lines = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in SCANNED
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"#\s*nosec", line, re.IGNORECASE)
    ]
    assert lines
    assert [x for x in lines if not re.search(r"# nosec B\d{3} # \w{2,}.{4,}", x)] == []


def test_lint_runs_bandit_over_all_but_the_tests_and_skips_no_check():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bandit"]
    assert set(options) == {"exclude_dirs"}
    kept_out = {
        ".venv",
        ".venv-lowest",
        ".venv-ray",
        ".venv-bench",
        "node_modules",
        "build",
        "dist",
    }  # not the project's own
    assert set(options["exclude_dirs"]) == {"tests"} | kept_out
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lint = makefile.partition("\nlint:")[2].partition("\n\n")[0]
    assert "bandit --configfile pyproject.toml --quiet --recursive ." in lint
    assert "tools/lock.py" in lint
