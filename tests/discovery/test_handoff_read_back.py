"""Label Studio's exports and re-sorted folders come back as decisions, all of them or none."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from discovery.formats.handoff import decide_handoff
from discovery.formats.label_studio_read import read_label_studio
from discovery.handoff import HandoffOptions, main
from discovery.ledger import append_decisions, read_decisions, replay_decisions
from discovery.records import HANDOFF_COLUMNS, Decided, Decision, Handoff
from discovery.runs import LEDGER
from embeddings.console import run_command
from embeddings.errors import HandoffError
from embeddings.images import fingerprint_file

AT = "2026-11-24T10:00:00+00:00"


def call(*words):
    return run_command(main, HandoffOptions, prog="handoff", args=[str(word) for word in words])


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    paths = [tmp_path / "images" / f"{name}.png" for name in "abcd"]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (20, 30), np.uint8)).save(path)
    return paths


@pytest.fixture
def run(make_run, images):
    """Two proposals, of three images and of a page of a stack; one image in none."""
    pages = images[0].parent / "pages.tif"
    tifffile.imwrite(pages, np.arange(800, dtype=np.uint16).reshape(2, 20, 20),
                     photometric="minisblack")  # fmt: skip
    ids = [*map(fingerprint_file, images), f"{fingerprint_file(pages)}#1@0,0,8,8"]
    return make_run(ids, [*images, pages], [0, 0, 0, -1, 1])


def decide(run, images, label, *, scope="image", by="ann"):
    append_decisions(
        run.path / LEDGER,
        [
            Decision(proposal_id="P-0", verdict="accept", label=label, by=by, at=AT, scope=scope,
                     image_ids=tuple(map(fingerprint_file, images)))
        ],
    )  # fmt: skip


def labels_of(run):
    """Return label, source and person of each image, in the run's order."""
    decided = replay_decisions(read_decisions(run.path / LEDGER)).images
    ids = run.load_images()["image_id"].tolist()
    return [(decided[i].label, decided[i].source, decided[i].by) if i in decided else None
            for i in ids]  # fmt: skip


# -- Label Studio


def annotate(task, *choices, by=None, at="2026-11-25T08:30:00.123456Z", **more):
    result = [
        {"id": "x", "type": "choices", "from_name": "choice", "to_name": "image",
         "value": {"choices": list(choices)}}
    ] if choices else []  # fmt: skip
    who = {"id": 1, "email": by or "eva@fab.example", "first_name": "Eva", "last_name": "M"}
    answer = {"id": 7, "completed_by": who, "result": result, "was_cancelled": False,
              "created_at": at, "updated_at": at, "lead_time": 3.2, **more}  # fmt: skip
    task["annotations"] = [*task.get("annotations", []), answer]
    return task


@pytest.fixture
def tasks(run, tmp_path, capsys):
    """What Label Studio gives back before anybody answered: its numbers beside our data."""

    def export():
        out = tmp_path / "tasks"
        assert call(run.path, "--out", out, "--format", "label-studio") == 0
        listed = json.loads((out / "tasks.json").read_text())
        capsys.readouterr()
        return [
            {"id": number, "inner_id": number, "drafts": [], "meta": {}, "project": 3, **task}
            for number, task in enumerate(listed, start=100)
        ]

    return export


def save(tmp_path, tasks, name="project-3.json"):
    path = tmp_path / name
    path.write_text(json.dumps(tasks))
    return path


def test_answers_become_decisions_with_their_person_and_time(run, tasks, tmp_path, capsys):
    listed = tasks()
    annotate(listed[0], "defect/void")
    annotate(listed[3], " no_defect ", by="tom@fab.example")
    annotate(listed[1], "scratch", was_cancelled=True)  # skipped
    annotate(listed[4], "bridge")
    path = save(tmp_path, listed)
    assert call(run.path, "--read", path, "--by", "me") == 0
    assert "3 images labelled" in capsys.readouterr().out
    assert labels_of(run) == [
        ("defect/void", "human", "eva@fab.example"), None, None,
        ("no_defect", "human", "tom@fab.example"), ("bridge", "human", "eva@fab.example"),
    ]  # fmt: skip
    decisions = read_decisions(run.path / LEDGER)
    assert {decision.at for decision in decisions} == {"2026-11-25T08:30:00+00:00"}
    assert {decision.selection["file"] for decision in decisions} == {"project-3.json"}
    # One action a person, which is undone as one.
    assert len({(decision.by, decision.action) for decision in decisions}) == 2
    before = (run.path / LEDGER).read_bytes()
    assert call(run.path, "--read", path, "--by", "me") == 0
    assert (run.path / LEDGER).read_bytes() == before


def test_a_label_of_a_proposal_that_is_confirmed_is_a_persons(run, images, tasks, tmp_path):
    decide(run, images[:3], "void", scope="proposal")
    listed = tasks()
    assert [sorted(task.keys() & {"predictions", "annotations"}) for task in listed[:4]] == [
        ["predictions"], ["predictions"], ["predictions"], [],
    ]  # fmt: skip
    annotate(listed[0], "void")
    annotate(listed[1])  # cleared
    assert call(run.path, "--read", save(tmp_path, listed), "--by", "me") == 0
    assert labels_of(run)[:3] == [
        ("void", "human", "eva@fab.example"), None, ("void", "cluster", "ann"),
    ]  # fmt: skip


def test_what_was_decided_since_stands_unless_it_was_answered_anew(
    run, images, tasks, tmp_path, capsys
):
    decide(run, images[:2], "void")
    listed = tasks()
    # As it was imported: Label Studio notes who imported it, and when.
    for task in listed[:2]:
        task["annotations"][0] |= {"id": 1, "completed_by": 1, "updated_at": "2026-11-25T00:00:00Z"}
    decide(run, images[:2], "scratch", by="tom")
    path = save(tmp_path, listed)
    assert call(run.path, "--read", path, "--by", "me") == 0
    assert "0 images labelled, 0 labels withdrawn, 2 left as decided" in capsys.readouterr().out
    listed[0]["annotations"] = []
    annotate(listed[0], "bridge")
    assert call(run.path, "--read", save(tmp_path, listed), "--by", "me") == 0
    assert "1 image labelled, 0 labels withdrawn, 1 left as decided before, 1 newer decision " \
        "overruled" in capsys.readouterr().out  # fmt: skip
    assert [label[0] for label in labels_of(run)[:2]] == ["bridge", "scratch"]
    # The same answer a second time is not new, whatever was decided since.
    decide(run, images[:1], "void", by="tom")
    assert call(run.path, "--read", save(tmp_path, listed), "--by", "me") == 0
    assert labels_of(run)[0] == ("void", "human", "tom")


def test_json_min_is_read(run, tasks, tmp_path):
    records = []
    for task, choice in zip(tasks(), ["void", None, {"choices": ["scratch"]}], strict=False):
        answer = {} if choice is None else {"choice": choice, "annotation_id": 1, "annotator": 4}
        records.append({**task["data"], "id": task["id"], "annotator": None, **answer,
                        "created_at": "2026-11-25T08:30:00Z", "lead_time": 1.0})  # fmt: skip
    path = save(tmp_path, records)
    assert call(run.path, "--read", path, "--by", "me") == 0
    who = "label-studio user 4"
    assert labels_of(run)[:3] == [("void", "human", who), None, ("scratch", "human", who)]


def test_tasks_are_found_by_path_and_content_and_strangers_are_named(
    run, images, tasks, tmp_path, capsys
):
    listed = tasks()
    kept = {"image": listed[0]["data"]["image"]}
    listed[0]["data"] = kept
    listed[1]["data"] = {"image": "s3://other/b.png", "path": str(images[1])}
    shutil.copy(images[2], tmp_path / "copy.png")
    listed[2]["data"] = {"image": f"/data/local-files/?d={str(tmp_path)[1:]}/copy.png"}
    listed[3]["data"] = {"image": "s3://other/d.png"}
    for task in listed[:4]:
        annotate(task, "void")
    assert call(run.path, "--read", save(tmp_path, listed), "--by", "me") == 0
    said = capsys.readouterr()
    assert "left out: 1 labelled image not of this run" in said.out
    assert "task 103 (s3://other/d.png): no image of this run" in said.err
    assert [label and label[0] for label in labels_of(run)[:4]] == ["void"] * 3 + [None]


def test_two_people_who_differ_are_asked_but_for_the_truth(run, tasks, tmp_path, capsys):
    listed = tasks()
    annotate(listed[0], "void", by="eva")
    annotate(listed[0], "scratch", by="tom")
    assert call(run.path, "--read", save(tmp_path, listed), "--by", "me") == 2
    assert "task 100: 'void' (eva) and 'scratch' (tom) were chosen" in capsys.readouterr().err
    listed[0]["annotations"][1]["ground_truth"] = True
    assert call(run.path, "--read", save(tmp_path, listed), "--by", "me") == 0
    assert labels_of(run)[0] == ("scratch", "human", "tom")


def two_choices(task):
    annotate(task, "a", "b")


def bad_label(task):
    annotate(task, "a//b")


def verdict(task):
    annotate(task, "unknown")


def bad_time(task):
    annotate(task, "a", at="yesterday")


def no_list(task):
    task["annotations"] = {"result": "x"}


def bad_choice(task):
    annotate(task, "a")["annotations"][-1]["result"][0]["value"] = {"choices": [3]}


def two_controls(task):
    annotate(task, "a")
    task["annotations"][-1]["result"] = [
        {"type": "choices", "from_name": name, "value": {"choices": ["a"]}} for name in ("x", "y")
    ]


def no_results(task):
    annotate(task, "a")["annotations"][-1]["result"] = ["a"]


FAULTS = {
    two_choices: "the choices ['a', 'b'] came, expected one",
    bad_label: "'a//b' has an empty part",
    verdict: "'unknown' is a verdict and no type",
    bad_time: "the time 'yesterday' came, expected ISO 8601",
    no_list: "expected a list of annotations",
    bad_choice: "the choice 3 came, expected the name of a type",
    two_controls: "choices of x and y came, expected those of 'choice'",
    no_results: "expected a list of results",
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_each_fault_is_named_with_its_task_and_nothing_is_taken(
    run, tasks, tmp_path, capsys, spoil
):
    listed = tasks()
    annotate(listed[0], "void")
    spoil(listed[1])
    spoil(listed[2])
    path = save(tmp_path, listed)
    assert call(run.path, "--read", path, "--by", "me") == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith(f"handoff: error: {path}: task 101: ")
    assert "; task 102: " in error
    assert FAULTS[spoil] in error
    assert not (run.path / LEDGER).exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no export of Label Studio"),
        ("[3]", "no export of Label Studio"),
        ("[{]", "not"),
        ('[{"id": 1, "data": {"image": "x"}}]', "no task is answered (1 tasks)"),
        (json.dumps([annotate({"id": 1, "data": {"image": "x"}}, "a")]), "none is of an image"),
    ],
)
def test_a_file_without_answers_of_this_run_is_refused(run, tmp_path, capsys, text, said):
    (tmp_path / "x.json").write_text(text)
    words = [run.path, "--read", tmp_path / "x.json", "--read-format", "label-studio"]
    assert call(*words, "--by", "me") == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert said in error
    assert not (run.path / LEDGER).exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
RESULTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["choices", "taxonomy", "x"]), "from_name": JSON, "value": JSON}
)
ANNOTATIONS = st.fixed_dictionaries(
    {},
    optional={
        "result": st.lists(RESULTS, max_size=2) | JSON, "completed_by": JSON, "updated_at": JSON,
        "ground_truth": JSON, "was_cancelled": JSON,
    },
)  # fmt: skip
TASKS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "data": st.fixed_dictionaries({"image_id": st.just("a" * 16) | JSON, "image": JSON}) | JSON,
        "annotations": st.lists(ANNOTATIONS, max_size=2) | JSON, "choice": JSON,
        "annotation_id": JSON, "image_id": st.just("a" * 16),
    },
)  # fmt: skip


@given(JSON | st.lists(TASKS, max_size=2))
def test_whatever_stands_in_the_file_is_read_or_refused_in_one_line(values):
    rows = pd.DataFrame(
        [["a" * 16, "/a.png", 0, 1.0, "P", "", "", "", ""]], columns=list(HANDOFF_COLUMNS)
    )
    written = Handoff(rows=rows, types=(), proposals={0: "P"}, run_id="r")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        path.write_text(json.dumps(values))
        try:
            returned = read_label_studio(path, written=written)
        except HandoffError as error:
            said = str(error)
        else:
            said = ""
            decide_handoff(returned.handoff, Decided(), by="me", at=AT, judged=returned.judged)
        assert "\n" not in said


def test_a_path_in_a_taxonomy_is_a_label(run, tasks, tmp_path):
    listed = tasks()
    annotate(listed[0], "x")["annotations"][0]["result"] = [
        {"type": "taxonomy", "from_name": "kind", "value": {"taxonomy": [["defect", "void"]]}}
    ]
    assert call(run.path, "--read", save(tmp_path, listed), "--by", "me") == 0
    assert labels_of(run)[0][0] == "defect/void"


def test_a_file_that_is_nested_without_end_is_refused(run, tmp_path, capsys):
    (tmp_path / "x.json").write_text("[" * 100_000)
    words = [run.path, "--read", tmp_path / "x.json", "--by", "me"]
    assert call(*words) == 2
    assert call(*words, "--read-format", "label-studio") == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


# -- a tree of folders


@pytest.fixture
def tree(run, images, tmp_path):
    """An exported tree: a and b are voids, by a person and by their proposal, the page a bridge."""
    decide(run, images[:1], "defect/void")
    decide(run, images[1:2], "defect/void", scope="proposal")
    page = run.load_images()["image_id"].iloc[-1]
    append_decisions(
        run.path / LEDGER,
        [Decision(proposal_id="P-1", verdict="accept", label="bridge", by="ann", at=AT,
                  scope="image", image_ids=(page,))],
    )  # fmt: skip
    out = tmp_path / "tree"
    assert call(run.path, "--out", out, "--format", "imagefolder") == 0
    return out


def test_an_image_in_another_folder_is_a_decision(run, tree, images, capsys):
    assert sorted(str(path.relative_to(tree)) for path in tree.rglob("*.*")) == [
        "bridge/pages#1@0_0_8_8.png", "defect__void/a.png", "defect__void/b.png", "images.csv",
    ]  # fmt: skip
    # Renamed, sorted into folders of folders, put in from elsewhere; one is gone.
    (tree / "defect" / "scratch").mkdir(parents=True)
    (tree / "defect__void" / "b.png").rename(tree / "defect" / "scratch" / "new name.png")
    (tree / "defect__void" / "a.png").unlink()
    (tree / "bridge" / "pages#1@0_0_8_8.png").rename(tree / "defect__void" / "x.png")
    shutil.copy(images[2], tree / "bridge")
    shutil.copy(images[3], tree)  # in no folder
    Image.new("L", (9, 9)).save(tree / "bridge" / "foreign.png")
    assert call(run.path, "--read", tree, "--by", "me") == 0
    said = capsys.readouterr()
    assert "3 images labelled, 0 labels withdrawn" in said.out
    assert "left out: 1 labelled image not of this run" in said.out
    assert "bridge/foreign.png: no image of this run" in said.err
    assert labels_of(run) == [
        ("defect/void", "human", "ann"), ("defect/scratch", "human", "me"),
        ("bridge", "human", "me"), None, ("defect/void", "human", "me"),
    ]  # fmt: skip
    before = (run.path / LEDGER).read_bytes()
    roundabout = tree / ".." / tree.name  # a folder named by another way to it
    assert call(run.path, "--read", roundabout, "--by", "me") == 0
    assert (run.path / LEDGER).read_bytes() == before


def test_an_image_that_was_not_moved_undoes_nothing(run, tree, images, capsys):
    decide(run, images[:1], "scratch", by="tom")
    assert call(run.path, "--read", tree, "--by", "me") == 0
    assert "0 images labelled, 0 labels withdrawn, 1 left as decided" in capsys.readouterr().out
    assert labels_of(run)[:2] == [("scratch", "human", "tom"), ("defect/void", "cluster", "ann")]


def test_faults_of_a_tree_are_named_and_nothing_is_taken(run, tree, images, capsys):
    (tree / "unknown").mkdir()
    shutil.copy(images[2], tree / "unknown")
    shutil.copy(images[0], tree / "bridge" / "again.png")
    shutil.copy(images[0].parent / "pages.tif", tree / "bridge")
    before = (run.path / LEDGER).read_bytes()
    assert call(run.path, "--read", tree, "--by", "me") == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "folder unknown: 'unknown' is a verdict and no type" in error
    assert "a.png and bridge/again.png are the same image: keep one" in error
    assert "pages.tif holds 1 image of the run" in error
    assert (run.path / LEDGER).read_bytes() == before


def test_a_label_typed_into_the_list_of_images_is_a_fault(run, tree, capsys):
    listed = tree / "images.csv"
    before, ledger = listed.read_text(), (run.path / LEDGER).read_bytes()
    listed.write_text(before.replace(",defect/void,", ",scratch,", 1))
    assert call(run.path, "--read", tree, "--by", "me") == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "images.csv: defect__void/a.png has the label 'scratch' there: move the file" in error
    assert (run.path / LEDGER).read_bytes() == ledger


def test_a_tree_that_was_not_exported_is_read_when_asked(run, images, tmp_path, capsys):
    tree = tmp_path / "own"
    (tree / "void").mkdir(parents=True)
    shutil.copy(images[0], tree / "void")
    words = [run.path, "--read", tree, "--by", "me"]
    assert call(*words) == 2
    assert "say --read-format imagefolder" in capsys.readouterr().err
    assert call(*words, "--read-format", "imagefolder") == 0
    assert labels_of(run)[0] == ("void", "human", "me")
    shutil.rmtree(tree / "void")
    (tree / "scratch").mkdir()
    assert call(*words, "--read-format", "imagefolder") == 2
    assert "none of its 0 images lies in a folder" in capsys.readouterr().err
    (tree / "images.csv").write_text("a,b\n1,2\n")
    shutil.copy(images[0], tree / "scratch")
    assert call(*words) == 2
    assert "take it as it was written" in capsys.readouterr().err
