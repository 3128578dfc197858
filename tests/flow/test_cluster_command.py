"""The command line of the main job: what it says, what it takes, what it refuses in one line."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from discovery.flow.__main__ import ClusterCommand, run_round
from discovery.runs import open_run
from embeddings.console import parse_options, run_command

PROG = "python -m discovery.cluster"
LAST = re.compile(r"computed \d+, reused \d+, quarantined \d+, ignored \d+$")


def call(*words):
    return run_command(run_round, ClusterCommand, prog=PROG, args=[str(word) for word in words])


def spec_of(run):
    entries = json.loads((run / "run.json").read_text())["artefacts"]
    return entries["clustering.parquet"]["spec"] | {"seed": entries["clustering.parquet"]["seed"]}


@pytest.fixture(scope="module")
def store(finished):
    return finished / "store"


@pytest.mark.long
def test_it_runs_as_a_program_without_a_warning(finished, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "discovery.cluster", str(finished / "store"),
         "--out", str(tmp_path / "run"), "agglomerative", "--n-clusters", "4"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    said = done.stdout.splitlines()
    assert "4 proposed types among 60 images, 0 in none of them" == said[0]
    assert f"report: {tmp_path / 'run' / 'report.html'}" == said[1]
    assert LAST.search(said[-1])
    assert "Warning" not in done.stderr
    stages = ("read vectors", "neighbours", "cluster", "map", "stability", "propose", "report")
    for stage in stages:  # one line each, with the seconds it took
        assert 1 == len(re.findall(rf"^[\d:]+ {stage}: .*\([\d.]+ s\)$", done.stderr, re.M))


def test_help_reads_well(capsys):
    with pytest.raises(SystemExit) as ended:
        call("--help")
    assert ended.value.code in (0, None)
    text = capsys.readouterr().out
    assert "SOURCE" in text
    assert "--out RUN" in text
    for word in ("auto", "hdbscan", "kmeans", "agglomerative", "--known", "--only", "--seed"):
        assert word in text
    assert "report.html" in text
    assert "handoff.csv" in text


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("auto", ()),
        ("hdbscan", ("--min-cluster-size", "--min-samples", "--cluster-selection-method")),
        ("kmeans", ("--n-clusters",)),
        ("agglomerative", ("--n-clusters", "--linkage")),
    ],
)
def test_help_of_a_subcommand(words, flags, capsys):
    with pytest.raises(SystemExit):
        call("SOURCE", "--out", "RUN", words, "--help")
    text = capsys.readouterr().out
    assert all(flag in text for flag in (*flags, "--seed", "--extractor"))


# Each with what the run's provenance must say. `store` and `out` stand for the paths.
CHOICES = {
    "auto": ("", {"clusterer": "auto"}),
    "auto by name": ("auto", {"clusterer": "auto"}),
    "hdbscan": ("hdbscan", {"clusterer": "hdbscan", "cluster_selection_method": "eom"}),
    "hdbscan --min-cluster-size": (
        "hdbscan --min-cluster-size 9", {"clusterer": "hdbscan", "min_cluster_size": 9},
    ),
    "kmeans": ("kmeans", {"clusterer": "kmeans", "n_clusters": "auto"}),
    "kmeans --n-clusters": ("kmeans --n-clusters 3", {"n_clusters": 3}),
    "kmeans --n-clusters auto": ("kmeans --n-clusters auto", {"n_clusters": "auto"}),
    "agglomerative": ("agglomerative", {"n_clusters": "auto", "linkage": "ward"}),
    "agglomerative --linkage": (
        "agglomerative --n-clusters 5 --linkage average", {"n_clusters": 5, "linkage": "average"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), CHOICES.values(), ids=CHOICES)
def test_every_choice_of_clusterer(words, expected, store, tmp_path, capsys):
    assert 0 == call(store, "--out", tmp_path / "run", *words.split())
    assert expected.items() <= spec_of(tmp_path / "run").items()
    said = capsys.readouterr().out.splitlines()
    count = int(said[0].split()[0])
    assert count == len(open_run(tmp_path / "run").load_proposals())
    wanted = expected.get("n_clusters")
    assert count == wanted if isinstance(wanted, int) else count >= 2
    assert LAST.search(said[-1])


@pytest.mark.parametrize("choice", ["auto", "hdbscan", "kmeans", "agglomerative"])
def test_options_are_valid_before_and_after_the_subcommand(choice):
    def parse(*words):
        return parse_options(ClusterCommand, prog=PROG, args=[str(word) for word in words])

    options = ["--out", "r", "--seed", "3", "--extractor", "texture", "--known", "k.csv"]
    before = parse("s", *options, choice)
    assert before == parse("s", "--out", "r", choice, *options[2:])
    assert before == parse("--seed", "3", *options[4:], "s", "--out", "r", choice)
    assert before == parse(choice, "s", *options)
    assert before == parse("s", "--seed", "3", choice, *options[:2], *options[4:])
    assert (3, choice) == (before.round.seed, before.round.clusterer.name)


@pytest.mark.parametrize("seed", [5, 2**31 - 2])
def test_a_seed_is_kept_in_the_provenance(seed, store, tmp_path):
    words = ("kmeans", "--n-clusters", "3", "--seed", seed)
    assert 0 == call(store, "--out", tmp_path / "run", *words)
    assert seed == spec_of(tmp_path / "run")["seed"]


def test_nothing_dense_enough_is_said_with_what_to_do(store, tmp_path, capsys):
    assert 0 == call(store, "--out", tmp_path / "run", "hdbscan", "--min-cluster-size", "999")
    said = capsys.readouterr().out
    assert "0 proposed types among 60 images, 60 in none of them" in said
    assert "try a smaller hdbscan --min-cluster-size, or kmeans" in said


# --- what is refused ---

# Words of the command line -> what its one line must say. {images}, {store}, {run} (finished),
# {file}, {empty}, {foreign}, {few} and {out} stand for paths. Found while parsing:
WRONG = [
    ("", "SOURCE"),
    ("{images}", "--out"),
    ("--out {out}", "SOURCE"),
    ("{images} --out", "--out"),
    ("{images} --out {out} --bogus", "--bogus"),
    ("{images} --out {out} --bogus 3 kmeans", "--bogus"),
    ("{images} --out {out} dbscan", "dbscan"),
    ("{images} more --out {out}", "more"),
    ("{images} --out {out} hdbscan kmeans", "kmeans"),
    ("{images} --out {out} --seed x", "--seed"),
    ("{images} --out {out} --seed 1.5", "--seed"),
    ("{images} --out {out} --seed -1", "--seed -1: expected 0 to 2147483646"),
    ("{images} --out {out} --seed 2147483647", "expected 0 to 2147483646"),
    ("{images} --out {out} --thumbnails -1", "--thumbnails -1: expected 0 to 20000"),
    ("{images} --out {out} --thumbnails 20001", "expected 0 to 20000"),
    ("{images} --out {out} kmeans --n-clusters x", "--n-clusters"),
    ("{images} --out {out} kmeans --n-clusters 2.5", "--n-clusters"),
    ("{images} --out {out} kmeans --n-clusters 1", "--n-clusters 1: expected auto, or 2 or more"),
    ("{images} --out {out} kmeans --n-clusters 0", "expected auto, or 2 or more"),
    ("{images} --out {out} kmeans --n-clusters -3", "expected auto, or 2 or more"),
    ("{images} --out {out} agglomerative --n-clusters 1", "expected auto, or 2 or more"),
    ("{images} --out {out} agglomerative --linkage single", "'single': expected average or ward"),
    ("{images} --out {out} hdbscan --min-cluster-size 1", "--min-cluster-size 1: expected 2"),
    ("{images} --out {out} hdbscan --min-cluster-size many", "--min-cluster-size"),
    ("{images} --out {out} hdbscan --min-samples 0", "--min-samples 0: expected 1 or more"),
    (
        "{images} --out {out} hdbscan --cluster-selection-method dbscan",
        "'dbscan': expected eom or leaf",
    ),
    ("{images} --out {out} hdbscan --n-clusters 3", "--n-clusters"),
    ("{images} --out {out} kmeans --min-cluster-size 3", "--min-cluster-size"),
    ("{images} --out {out} kmeans --linkage ward", "--linkage"),
    (
        "{images} --out {out} --extractor vit",
        "--extractor vit: expected auto, lite, resnet50, standout, texture, timm:NAME",
    ),
    ("{images} --out {out} --extractor texture --pooling mean", "--extractor texture has no"),
    ("{images} --out {out} --extractor texture --adapt", "--extractor texture is no network"),
    ("{images} --out {out} --extractor texture --views given highlight", "is no network, and has"),
    ("{images} --out {out} --size 3", "--size 3: expected 32 to 2048"),
    ("{images} --out {out} --window 5 2", "--window 5 2: expected"),
    ("{images} --out {out} --window 5", "--window"),
    ("{images} --out {out} --tile 32 --boxes b.csv", "--tile and --boxes"),
    ("{images} --out {out} --um-per-pixel 0", "--um-per-pixel"),
]
# Found at work:
FAULTY = [
    ("{images}/none --out {out} --extractor texture", "does not exist; expected a folder"),
    ("{file} --out {out} --extractor texture", "quarantined 1"),
    ("{empty} --out {out} --extractor texture", "holds no image"),
    ("{few} --out {out} --extractor texture", "4 images to cluster, expected 5 or more"),
    ("{few}/none.csv --out {out} --extractor texture", "does not exist"),
    ("s3://lots/7 --out {out}", "is an address (s3), and only files of this machine are read"),
    ("{images} --out {out} --weights none.pth", "none.pth"),
    ("{images} --out {out} --extractor texture --only none.csv", "none.csv"),
    ("{images} --out {out} --extractor texture --boxes none.csv", "none.csv"),
    ("{images} --out {out} --extractor texture --metadata none.csv", "none.csv"),
    ("{images} --out {out} --extractor texture --known none", "none does not exist"),
    ("{images} --out {out} --extractor texture --known {table}", "label"),
    ("{images} --out {file} --extractor texture", "is a file: expected a folder"),
    ("{images} --out {foreign} --extractor texture", "is not a run and not empty"),
    ("{images} --out {store} --extractor texture", "is not a run and not empty"),
    ("{images} --out {images} --extractor texture", "is kept apart from them"),
    ("{images} --out {damaged}", "run.json is damaged"),
    ("{images} --out {newer}", "has version 99"),
    ("{images} --out {run} --extractor texture --size 64", "another extractor"),
    ("{images} --out {run} --weights none.pth", "none.pth"),
    (
        "{images} --out {run} --views given highlight",
        "--views highlight: {run}/store holds vectors of texture, which is no network",
    ),
    (
        "{images} --out {run} --views maps given",
        "--views maps: {run}/store holds vectors of texture, which is no network",
    ),
    (
        "{images} --out {run} --views given defect",
        "--views defect: {run}/store holds vectors of texture, which is no network",
    ),
    ("{store} --out {out} --extractor resnet50", "another extractor"),
    ("{store} --out {out} --tile 32", "--tile has no effect on a store"),
    ("{store} --out {out} --boxes b.csv", "--boxes has no effect on a store"),
    ("{store} --out {out} --size 64", "input_size: "),
    ("{store} --out {out} kmeans --n-clusters 61", "--n-clusters 61: there are 60 images"),
    ("{store} --out {out} --only {table}", "image_id or path"),
    ("{lost} --out {out}", "store"),
]


@pytest.fixture(scope="module")
def places(finished, pictures, tmp_path_factory):
    root = tmp_path_factory.mktemp("places")
    at = {"images": pictures / "images", "store": finished / "store", "out": root / "out"}
    for name in ("empty", "foreign", "few", "damaged", "newer"):
        at[name] = root / name
        at[name].mkdir()
    for path in sorted(at["images"].iterdir())[:4]:
        shutil.copy(path, at["few"])
    at["run"] = shutil.copytree(finished, root / "run")
    at["file"] = root / "notes.png"
    at["file"].write_text("no picture")
    at["table"] = root / "table.csv"
    at["table"].write_text("name\nx\n")
    (at["foreign"] / "thesis.doc").write_text("mine")
    state = (finished / "run.json").read_text()
    (at["damaged"] / "run.json").write_text(state[: len(state) // 2])
    (at["newer"] / "run.json").write_text(json.dumps(json.loads(state) | {"version": 99}))
    at["lost"] = shutil.copytree(finished / "store", root / "lost")
    for path in (at["lost"] / "segments").iterdir():
        path.unlink()
    return at


@pytest.mark.parametrize(("words", "expected"), WRONG + FAULTY)
def test_a_mistake_is_met_with_one_helpful_line(words, expected, places, capsys):
    assert 2 == call(*[word.format(**places) for word in words.split()])
    said = capsys.readouterr()
    assert "" == said.out
    error = said.err.splitlines()[-1]
    assert error.startswith(f"{PROG}: error: ")
    assert expected.replace("{run}", str(places["run"])) in error
    # Besides, only what the stages before it had to say.
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in said.err.splitlines()[:-1])
    assert "Traceback" not in said.err
    assert not (places["run"] / "views").exists()  # what is refused is refused before extraction


def test_what_is_found_while_parsing_leaves_nothing_behind(places, tmp_path, capsys):
    at = places | {"out": tmp_path / "out"}
    for words, _ in WRONG:
        call(*[word.format(**at) for word in words.split()])
    assert not (tmp_path / "out").exists()


def test_what_is_refused_at_work_leaves_no_folder_without_a_picture(places, tmp_path):
    for number, (words, told) in enumerate(FAULTY):
        out = tmp_path / str(number)
        call(*[word.format(**places | {"out": out}) for word in words.split()])
        # What a store has been made of is kept: vectors, or why there are none.
        assert not out.exists() or (out / "store" / "store.json").is_file(), told


def test_a_round_that_is_refused_late_says_what_it_keeps(places, tmp_path, capsys):
    out, images = tmp_path / "out", tmp_path / "five"
    images.mkdir()
    for path in sorted(Path(places["images"]).glob("*.png"))[:5]:
        shutil.copy(path, images)
    # Its header is whole: that it cannot be read is found when it is.
    last = images / path.name
    last.write_bytes(last.read_bytes()[:-200])
    assert 2 == call(images, "--out", out, "--extractor", "texture")
    *_, kept, error = capsys.readouterr().err.splitlines()
    assert kept.endswith(
        f"what was committed is kept: 4 new vectors in {out / 'store'}; "
        "the same command goes on there"
    )
    assert f"{PROG}: error: 4 images to cluster, expected 5 or more" in error


def test_a_foreign_folder_is_left_as_it_is(places):
    assert ["thesis.doc"] == [path.name for path in places["foreign"].iterdir()]


def test_profile_says_what_each_stage_took(store, tmp_path, capsys):
    assert 0 == call(store, "--out", tmp_path / "run", "--profile", "kmeans", "--n-clusters", "4")
    said = capsys.readouterr().out.splitlines()
    assert ["stage", "seconds", "processor", "s", "peak", "MB", "images/s"] == said[0].split()
    names = [re.split(r"\s{2,}", line)[0] for line in said if not line.startswith(" ")]
    stages = ["images", "neighbours", "map", "duplicates", "cluster", "propose", "report"]
    assert stages == [name for name in names if name in stages]
    # All of it is there, and the lines that scripts read come last as ever.
    assert "in all" in names
    assert "4 proposed types among 60 images, 0 in none of them" == said[-3]
    entries = json.loads((tmp_path / "run" / "run.json").read_text())["artefacts"]
    for name in ("neighbours.npz", "clustering.parquet", "report.html"):
        assert entries[name]["seconds"] > 0
        assert entries[name]["processor_seconds"] > 0
        # This process, with all it has loaded, and no more than the machine has.
        assert 50 < entries[name]["peak_memory_mb"] < 100_000
