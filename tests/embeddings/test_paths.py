"""A text is taken for the path it names, in every public function and class of options."""

import importlib
import inspect
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from discovery import AssignOptions, RoundOptions, discover_types, open_run, read_decisions
from embeddings import ExtractOptions, extract_vectors, find_images, open_store
from embeddings.paths import takes_paths

ROOT = Path(__file__).resolve().parents[2]
# What is given them is a path already: `open_run`, `open_store` and the like made them.
VALUES = {"Run", "Store", "Exported"}


def list_takers():
    """Yield each public function, or class of options, with a parameter that is a path."""
    for stub in sorted(ROOT.glob("*/__init__.pyi")) + sorted(ROOT.glob("*/*/__init__.pyi")):
        package = ".".join(stub.parent.relative_to(ROOT).parts)
        for module, name in re.findall(r"from (\.[\w.]*) import (\w+)", stub.read_text()):
            found = getattr(importlib.import_module(module, package), name)
            function = found.__init__ if inspect.isclass(found) else found
            if name in VALUES or not inspect.isfunction(inspect.unwrap(function)):
                continue
            kinds = [str(one.annotation) for one in inspect.signature(function).parameters.values()]
            if any("pathlib.Path" in kind and "str" not in kind for kind in kinds):
                yield name, function


def test_every_public_function_takes_texts_for_paths():
    takers = dict(list_takers())
    assert {"discover_types", "extract_vectors", "ExtractOptions", "open_run"} <= set(takers)
    assert [name for name, one in takers.items() if not hasattr(one, "__wrapped__")] == []


def test_a_text_becomes_a_path_and_nothing_else_changes():
    @takes_paths
    def join(a: Path, b: Path | str, *, c: Path | None = None, d: str = "") -> tuple:
        """Say what came."""
        return a, b, c, d

    assert join("x", "y", c="z", d="w") == (Path("x"), "y", Path("z"), "w")
    assert join(Path("x"), b="y") == (Path("x"), "y", None, "")
    assert (join.__name__, join.__doc__) == ("join", "Say what came.")
    with pytest.raises(TypeError, match=r"join\(\) missing 1 required positional argument: 'b'"):
        join("x")

    @takes_paths
    @dataclass(frozen=True, kw_only=True)
    class Options:
        only: Path | None = None
        n: int = 1

    assert Options(only="a.csv", n=2) == Options(only=Path("a.csv"), n=2)


def test_a_round_is_made_of_texts(make_images, tmp_path):
    images, out = make_images(n=6), tmp_path / "run"
    table = tmp_path / "meta.csv"
    table.write_text("path,lot\n0.png,L1\n")
    options = ExtractOptions(extractor="texture", metadata=str(table))
    extracted = extract_vectors(str(images), str(tmp_path / "store"), options=options)
    assert len(extracted.ids) == len(find_images(str(images)).files) == 6
    assert open_store(str(tmp_path / "store")).path == tmp_path / "store"
    made = discover_types(str(images), str(out), options=RoundOptions(extract=options))
    assert made.images == 6
    assert open_run(str(out)).path == out
    assert read_decisions(str(out / "decisions.jsonl")) == []
    assert AssignOptions(store="a").store == Path("a")
