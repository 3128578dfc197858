"""The outer files keep their word: licence, README, changelog, decisions, Makefile, .ci."""

import hashlib
import os
import re
import subprocess
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from discovery.flow.settings import MIN_IMAGES

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
TEXTS = {
    ".py",
    ".pyi",
    ".md",
    ".toml",
    ".yml",
    ".ipynb",
    ".html",
    ".js",
    ".css",
    ".csv",
    ".txt",
    "",
}


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def make_targets():
    return set(re.findall(r"^([a-z-]+):(?!=)", read("Makefile"), re.MULTILINE))


def run_make(*words, cwd=ROOT, **environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *words],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_licence_is_the_full_text_of_apache_2():
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2
    assert PROJECT["license"] == "Apache-2.0"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_what_a_document_says_to_make_can_be_made(name):
    said = set(re.findall(r"(?:^|`)make ([a-z-]+)", read(name), re.MULTILINE))
    assert said
    assert said <= make_targets()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_the_modules_that_a_document_runs_exist(name):
    said = set(re.findall(r"python -m ((?:embeddings|discovery)\.\w+)", read(name)))
    assert [module for module in sorted(said) if find_spec(module) is None] == []


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md"])
def test_who_follows_a_document_has_a_run_with_its_metadata(name):
    # The synthetic lots have a metadata.csv beside their images; a store keeps what it was given.
    text = read(name).replace("\\\n", " ")
    said = re.findall(
        r"^python -m (?:discovery\.cluster|embeddings\.extract) (\w+)/images(.*)$",
        text,
        re.MULTILINE,
    )
    assert said
    assert [lot for lot, rest in said if f"--metadata {lot}/metadata.csv" not in rest] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_the_files_that_a_document_links_to_exist(name):
    linked = set(re.findall(r"\]\((?!https?:|#)([^)#]+)", read(name)))
    assert [link for link in sorted(linked) if not (ROOT / link).exists()] == []


def test_the_readme_tells_what_a_run_takes_and_how_a_command_ends():
    text = " ".join(read("README.md").split())
    assert f"A run takes at least {MIN_IMAGES} images." in text
    assert "CSV files in UTF-8" in text
    assert "by Ctrl-C it ends with 130, by SIGTERM with 143" in text


def test_the_changelog_has_the_current_version():
    assert re.search(
        rf"^## \[{re.escape(PROJECT['version'])}\]", read("CHANGELOG.md"), re.MULTILINE
    )


def test_decisions_are_numbered_without_gaps_and_say_what_why_and_what_it_costs():
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [f"{number:04d}" for number in range(1, len(files) + 1)] == [f.name[:4] for f in files]
    for file in files:
        text = file.read_text(encoding="utf-8")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Decision", "Why", "Cost"], file.name


def own_texts():
    """Return the project's own text files, whether or not this is a git checkout."""
    skipped = {
        ".git",
        ".venv",
        ".venv-lowest",
        ".venv-ray",
        ".venv-bench",
        "demo",
        "build",
        "dist",
        "shared",
        "__pycache__",
        "htmlcov",
        "node_modules",
        "page",  # the built one
    }
    made = re.compile(r"\..*_cache|\.hypothesis|.*\.egg-info")
    found = []
    for folder, folders, files in os.walk(ROOT):
        # Pruned while walking: an environment holds some hundred thousand files.
        folders[:] = [f for f in folders if f not in skipped and not made.fullmatch(f)]
        # In a worktree .git is a file, which names where the repository lies.
        kept = (name for name in files if name != ".git" and not name.startswith(".coverage"))
        paths = [Path(folder) / name for name in kept]
        found += [path for path in paths if path.suffix in TEXTS]
    return sorted(found)


def test_the_project_names_no_path_of_anyones_machine():
    # Put together here, so that this file does not name them either.
    private = re.compile(
        "(?<![\\w.}])/(?:" + "|".join(("home", "root", "work", "tmp/env")) + ")/\\w"
    )
    named = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in own_texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if private.search(line)
    ]
    assert named == []


def test_make_alone_lists_the_commands():
    done = run_make()
    assert done.returncode == 0
    listed = {line.split()[1] for line in done.stdout.splitlines()}
    assert listed == make_targets()


def test_the_python_that_make_looks_for_is_the_one_that_pyproject_asks_for():
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    assert f"(3, {low}) <= sys.version_info[:2] < (3, {high})" in read(".ci/find-python")
    names = {f"python3.{minor}" for minor in range(int(low), int(high))}
    assert names <= set(re.findall(r"\bpython3\.\d+", read(".ci/find-python")))


@pytest.mark.parametrize("given", [True, False])
def test_a_machine_with_an_old_python_alone_gets_one_clear_line(tmp_path, given):
    old = tmp_path / "bin" / "python3"
    old.parent.mkdir()
    # Stands for an old Python: the version check fails, the version is told.
    old.write_text('#!/bin/sh\ncase "$2" in *platform*) echo 3.9.18;; *) exit 1;; esac\n')
    old.chmod(0o755)
    environment = {"PATH": str(old.parent), **({"PYTHON": str(old)} if given else {})}
    done = subprocess.run(
        ["/bin/sh", ".ci/find-python"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "3.9.18" in done.stderr
    assert "3.11 to 3.13" in done.stderr


class Demo:
    """A copy of the Makefile whose Python writes down how it was called."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "Makefile").write_text(read("Makefile"))
        (folder / "pyproject.toml").write_text("")
        python = folder / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(
            "#!/bin/sh\n"
            'for word in "$@"; do printf "[%s]" "$word" >> calls; done; echo >> calls\n'
            'case "$*" in\n'
            "*discovery.synthetic*) touch demo/truth.csv;;\n"
            "*discovery.cluster*) mkdir -p demo/run;;\n"
            "esac\n"
        )
        python.chmod(0o755)
        (folder / "demo").mkdir()
        (folder / ".venv" / ".installed").touch()

    def make(self, *words):
        """Run make and return its last line and the calls since the last time."""
        calls = self.folder / "calls"
        calls.unlink(missing_ok=True)
        done = run_make(*words, cwd=self.folder, IMAGES="", WEIGHTS="")
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1], calls.read_text().splitlines()


@pytest.fixture
def demo(tmp_path):
    folder = tmp_path / "two words"
    folder.mkdir()
    return Demo(folder)


def test_make_demo_draws_clusters_scores_and_ends_with_the_reports_path(demo):
    last, calls = demo.make("demo")
    assert f"{demo.folder}/demo/run/report.html" == last
    assert calls == [
        "[-m][discovery.synthetic][demo]",
        "[-m][discovery.cluster][demo/images][--out][demo/run][--metadata][demo/metadata.csv]",
        "[-m][discovery.evaluate][demo/run][demo/truth.csv][--out][demo/run/metrics.json]",
    ]
    _, again = demo.make("demo")
    assert again == calls[1:]  # the images are there


def test_make_demo_runs_on_ones_own_images_and_weights_blanks_and_all(demo):
    last, calls = demo.make("demo", "IMAGES=my images", "WEIGHTS=a $$b/it's.pth")
    assert f"{demo.folder}/demo/run/report.html" == last
    assert calls == [
        "[-m][discovery.cluster][my images][--out][demo/run][--weights][a $b/it's.pth]"
    ]


def test_a_run_of_other_images_is_kept_not_mixed(demo):
    demo.make("demo")
    (demo.folder / "demo" / "run" / "decisions.jsonl").write_text("{}")
    demo.make("demo", "IMAGES=other")
    assert (demo.folder / "demo" / "run.1" / "decisions.jsonl").exists()
    assert not (demo.folder / "demo" / "run" / "decisions.jsonl").exists()
    demo.make("demo", "IMAGES=other")
    assert not (demo.folder / "demo" / "run.2").exists()


def test_make_review_opens_the_demos_run_or_another(demo):
    for words, run in (((), "demo/run"), (("RUN=my run",), "my run")):
        (demo.folder / "calls").unlink(missing_ok=True)
        done = run_make("review", *words, cwd=demo.folder, RUN="")
        assert done.returncode == 0, done.stderr
        assert (demo.folder / "calls").read_text() == f"[-m][discovery.review][{run}]\n"


def test_make_demo_does_not_build_the_page_and_make_page_brings_node_along(demo):
    assert not any("build" in call for call in demo.make("demo")[1])
    (demo.folder / "calls").unlink()
    assert run_make("page", cwd=demo.folder).returncode == 0
    assert (demo.folder / "calls").read_text() == (
        "[-m][discovery.review.server.build][--install-node]\n"
    )
