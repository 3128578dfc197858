"""Writes the pages that the project says elsewhere: commands, Python names, root pages.

They lie in docs/reference, are made anew by each build, and are in no commit.
"""

import re
import subprocess  # nosec B404 # the project's own commands, without a shell
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STUBS = {
    "discovery": ROOT / "discovery/__init__.pyi",
    "embeddings": ROOT / "embeddings/__init__.pyi",
}

# Which heading a module's names stand under: the first that fits the module's start.
CHAPTERS = {
    "embeddings": (
        (".extract", "Extracting"),
        (".store", "The store"),
        (".records", "Vectors"),
        ("", "Pictures and errors"),
    ),
    "discovery": (
        (".flow", "A round"),
        (".runs", "Runs"),
        (".review", "Review"),
        (".ledger", "Decisions and handoff"),
        (".formats", "Decisions and handoff"),
        (".stages.handoff", "Decisions and handoff"),
        (".stages.export", "Decisions and handoff"),
        (".classifier", "The classifier"),
        (".detector", "The detector"),
        (".records", "Records"),
        (".clusterers", "Clusterers and their parts"),
        (".estimators", "Clusterers and their parts"),
        (".graph", "Clusterers and their parts"),
        (".notebook_plots", "Drawing in a notebook"),
        ("", "Steps of a round"),
    ),
}


# Pages of the repository's root that are pages of the site too, and how their links lead on.
ROOT_PAGES = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
FROM_THE_ROOT = {
    "](docs/decisions)": "](../index.md)",
    "](docs/": "](../",
    "](CHANGELOG.md)": "](changelog.md)",
    "](CONTRIBUTING.md)": "](contributing.md)",
}
# scikit-learn gives its estimators these; its own documentation describes them.
INHERITED = "set_fit_request, set_predict_request, set_score_request, set_transform_request"


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx to write the pages before it looks for sources."""
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "reference"))
    app.connect("source-read", redirect_links)
    app.connect("autodoc-process-docstring", escape_patterns)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def redirect_links(_app: Any, _name: str, text: list[str]) -> None:
    """Let links to pages of the repository's root lead to their place on the site."""
    for here, there in ROOT_PAGES.items():
        text[0] = text[0].replace(f"](../{there}", f"](reference/{here}")


def escape_patterns(
    _app: Any, what: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Keep the stars of file patterns in the text of an option, which is no markup for --help."""
    if what == "attribute":
        lines[:] = [re.sub(r"(?<=/)\*", r"\\*", line) for line in lines]


def write_pages(folder: Path) -> None:
    """Write commands.md and one page a package."""
    folder.mkdir(exist_ok=True)
    pages = {"commands.md": format_commands()}
    for name, source in ROOT_PAGES.items():
        pages[name] = (ROOT / source).read_text(encoding="utf-8")
        for there, here in FROM_THE_ROOT.items():
            pages[name] = pages[name].replace(there, here)
    for package, stub in STUBS.items():
        pages[f"{package}.md"] = format_names(package, stub.read_text(encoding="utf-8"))
    for name, text in pages.items():
        path = folder / name
        # An unchanged page keeps its time, and Sphinx does not read it again.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def format_commands() -> str:
    """Show what each command says of itself."""
    from discovery.__main__ import VERBS

    parts = [
        "# Commands\n\n`defect-discovery VERB ...` and `python -m MODULE ...` are the same; what "
        "follows is what each says with `--help`. Every command ends with 0, or with 2 and one "
        "line that says what came, what was expected and what to do.\n"
    ]
    for verb, (module, what) in VERBS.items():
        parts.append(f"\n## {verb}\n\n`python -m {module}`: {what}.\n")
        for words in [[], *([name] for name in find_subcommands(verb))]:
            parts.append(f"\n```text\n{read_help(verb, *words)}\n```\n")
    return "".join(parts)


def find_subcommands(verb: str) -> list[str]:
    """Return the subcommands that stand in the usage of a command, such as train and predict."""
    usage = read_help(verb).split("\n\n")[0]
    found = re.search(r"\{([\w,-]+)\}", usage)
    return found[1].split(",") if found else []


def read_help(verb: str, *words: str) -> str:
    """Return the help of a command, 90 columns wide, without colours."""
    done = subprocess.run(  # nosec B603 # this Python, a verb of the project
        [sys.executable, "-m", "discovery", verb, *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "90", "NO_COLOR": "1", "PATH": "", "PYTHONPATH": str(ROOT)},
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    return text.replace("python -m discovery ", "defect-discovery ").strip()


def format_names(package: str, stub: str) -> str:
    """List the public names of a package under their chapters, for autodoc to describe."""
    found = re.findall(r"^from (\S+) import (\w+)", stub, re.MULTILINE)
    chapters: defaultdict[str, list[str]] = defaultdict(list)
    for module, name in found:
        heading = next(title for start, title in CHAPTERS[package] if module.startswith(start))
        chapters[heading].append(name)
    # In the order of the table, each heading once.
    order = dict.fromkeys(title for _, title in CHAPTERS[package])
    parts = [f"# `{package}`\n\n`import {package}`: each name is loaded when it is first used.\n"]
    for title in order:
        if chapters[title]:
            parts.append(f"\n## {title}\n")
            parts += [_describe(package, name) for name in chapters[title]]
    return "".join(parts)


def _describe(package: str, name: str) -> str:
    module = __import__(package)
    is_class = isinstance(getattr(module, name), type)
    kind = "autoclass" if is_class else "autofunction"
    options = f"   :members:\n   :exclude-members: {INHERITED}\n" if is_class else ""
    return f"\n```{{eval-rst}}\n.. {kind}:: {package}.{name}\n{options}```\n"
