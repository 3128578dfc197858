"""Every notebook runs from top to bottom on a small set, and what it shows is really there."""

import base64
import io
import json
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from discovery import (
    load_model,
    match_truth,
    open_run,
    read_decisions,
    read_truth,
    score_clustering,
)
from discovery.runs import LEDGER
from discovery.runs.lineage import LINEAGE, read_lineage
from embeddings.tables import read_table

nbformat = pytest.importorskip("nbformat", reason="needs the extra test")
nbclient = pytest.importorskip("nbclient", reason="needs the extra test")
pytest.importorskip("ipykernel", reason="needs the extra notebook")
pytest.importorskip("matplotlib", reason="needs the extra notebook")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FIRST = ROOT / "notebooks" / "1_discover_defect_types.ipynb"
SECOND = ROOT / "notebooks" / "2_from_clusters_to_classifier.ipynb"
THIRD = ROOT / "notebooks" / "3_new_types_in_a_new_lot.ipynb"
FOURTH = ROOT / "notebooks" / "4_review.ipynb"
# The second and the third learn and find for minutes.
RUN = [
    pytest.param(path, marks=pytest.mark.long) if path in (SECOND, THIRD) else path
    for path in NOTEBOOKS
]
IMAGES = 90
VIEW = "application/vnd.jupyter.widget-view+json"
# It shows the images of one step alone, and two lots of them: with fewer, no new type is found.
IMAGES_OF = {THIRD: 360}


def execute(notebook, folder, work, images=IMAGES):
    """Execute a notebook as Jupyter would in this folder, without network, on few images."""
    (work / "pyproject.toml").touch()  # by which a notebook knows the project's folder
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "IPYTHONDIR": str(work / ".ipython"),
        "EXTRACTOR": "texture",
        "N": str(images),
        "SEED": "0",
        # More threads than cores, beside other tests, wait for one another.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        **dict.fromkeys(("IMAGES", "WEIGHTS", "TRUTH"), ""),
    }
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=resources
    )
    return client.execute(env=environment)


@pytest.fixture(scope="module")
def run_once(tmp_path_factory, request):
    """Return a function that gives a notebook with its outputs, and where it worked."""
    done = {}

    def run(path):
        if path not in done:
            if path == FOURTH:
                pytest.importorskip("anywidget", reason="needs the extra notebook")
                request.getfixturevalue("built_page")
            work = tmp_path_factory.mktemp("two words")
            folder = work / "notebooks"
            folder.mkdir()
            images = IMAGES_OF.get(path, IMAGES)
            done[path] = execute(nbformat.read(path, as_version=4), folder, work, images), work
        return done[path]

    return run


@pytest.fixture
def first(run_once):
    return run_once(FIRST)


@pytest.fixture
def second(run_once):
    return run_once(SECOND)


@pytest.fixture
def third(run_once):
    return run_once(THIRD)


@pytest.fixture
def fourth(run_once):
    return run_once(FOURTH)


def outputs(notebook, kind):
    return [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == kind
    ]


def pictures(notebook, word):
    """Return the pictures of the cells whose source has this word."""
    return [
        Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
        for cell in notebook.cells
        if cell.cell_type == "code" and word in cell.source
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def test_there_are_notebooks_in_the_order_of_reading():
    assert FIRST in NOTEBOOKS
    assert [path.name.split("_")[0] for path in NOTEBOOKS] == [
        str(number) for number in range(1, len(NOTEBOOKS) + 1)
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in cells] == [[]] * len(cells)
    assert {cell["execution_count"] for cell in cells} == {None}
    nbformat.validate(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_each_section_has_words(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert max(len(cell["source"]) for cell in cells if cell["cell_type"] == "code") <= 30
    assert sum(cell["cell_type"] == "markdown" for cell in cells) >= len(cells) / 3


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_a_notebook_runs_without_a_warning(path, run_once):
    notebook, _ = run_once(path)
    said = [out.text for out in outputs(notebook, "stream") if out.name == "stderr"]
    assert said == []
    assert outputs(notebook, "error") == []


def test_it_draws_a_card_a_proposal_and_the_map(first):
    notebook, work = first
    run = open_run(work / "demo" / "run-images")
    assert len(run.load_images()) == IMAGES
    cards = pictures(notebook, "draw_proposal(")
    assert len(cards) == len(run.load_proposals()) >= 3
    others = [
        picture
        for word in ("draw_map(", "draw_evidence(", "draw_contact_sheet(")
        for picture in pictures(notebook, word)
    ]
    assert len(others) == 6
    for picture in [*cards, *others]:
        assert np.asarray(picture.convert("L")).std() > 5  # not an empty sheet
        assert picture.width >= 600


def test_the_names_given_reach_ledger_handoff_and_report(first):
    _, work = first
    run = open_run(work / "demo" / "run-images")
    decided = {decision.proposal_id: decision for decision in read_decisions(run.path / LEDGER)}
    assert {proposal.proposal_id for proposal in run.load_proposals()} == set(decided)
    labelled = (run.path / "handoff.csv").read_text(encoding="utf-8").splitlines()[1:]
    in_none = int((run.load_images()["cluster_id"] < 0).sum())
    assert sum(",cluster,notebook," in line for line in labelled) == IMAGES - in_none
    report = (run.path / "report.html").read_text(encoding="utf-8")
    assert all(decision.label in report for decision in decided.values())


def test_the_groups_say_more_of_the_truth_than_chance(first):
    notebook, work = first
    truth = read_truth(work / "demo" / "truth.csv")
    mine = match_truth(open_run(work / "demo" / "run-images").load_images(), truth, {})
    scores = score_clustering(mine.labels, mine.truth)
    assert scores["n"] == IMAGES
    # A quarter of the images have no defect: naming all of them so would be right that often.
    assert scores["label_accuracy"] > 0.35
    assert scores["types_found"] > 3 / 8
    (cell,) = (cell for cell in notebook.cells if "score_clustering(" in cell.source)
    (table,) = (output.data["text/html"] for output in cell.outputs)
    row = table.split("<th>the run</th>")[1].split("</tr>")[0]
    shown = [float(figure) for figure in re.findall(r"<td>([^<]+)</td>", row)]
    names = ("k_found", "decisions", "coverage", "label_accuracy", "types_found", "nmi", "ari")
    assert shown == [round(scores[name], 3) for name in names]


@pytest.mark.long
def test_the_second_names_a_lot_and_sends_the_rest_back(second):
    notebook, work = second
    folder = work / "demo" / "classifier"
    answers = read_table(folder / "predictions.csv", required=("path", "verdict", "forced"))
    lot = read_table(folder / "second.csv", required=("path",))
    assert set(lot["path"]) == set(answers["path"])
    assert set(answers["verdict"]) <= {"named", "unknown", "undecided"}
    model = load_model(folder / "model")
    assert model.training["source"] == "handoff"
    assert set(answers["forced"]) <= set(model.cascade.classes_.tolist())
    assert "residue" not in "".join(model.cascade.classes_.tolist())
    page = (folder / "evaluation.html").read_text(encoding="utf-8")
    assert "defect/large/residue" in page
    (steps,) = pictures(notebook, "draw_steps(")
    assert np.asarray(steps.convert("L")).std() > 5
    back = int((answers["verdict"] != "named").sum())
    said = "".join(out.text for out in outputs(notebook, "stream"))
    assert f"{back} of {len(answers)} images go back to discovery" in said


def read_types(work):
    """Return the true type of each image of the third notebook, by file name."""
    table = read_table(work / "demo" / "lots" / "truth.csv", required=("path", "label"))
    return {
        Path(path).name: label for path, label in zip(table["path"], table["label"], strict=True)
    }


def count_types(run, cluster_id, types):
    images = run.load_images()
    paths = images.loc[images["cluster_id"] == cluster_id, "path"]
    return Counter(types[Path(path).name] for path in paths)


@pytest.mark.long
def test_the_third_sounds_the_alarm_and_proposes_the_new_type_first(third):
    notebook, work = third
    types = read_types(work)
    run = open_run(work / "demo" / "lots" / "run-new")
    news = sorted(run.load_proposals(), key=lambda proposal: -proposal.novelty)
    found = count_types(run, news[0].cluster_id, types)
    assert found["scratch"] / found.total() > 0.9
    assert found["scratch"] > sum(label == "scratch" for label in types.values()) / 2
    assert news[0].novelty > 0.9
    cards = pictures(notebook, "draw_proposal(")
    assert len(cards) == sum(proposal.novelty > 0.5 for proposal in news)
    alarms = pictures(notebook, "draw_contact_sheet(")
    assert len(alarms) >= 1
    said = "".join(out.text for out in outputs(notebook, "stream"))
    assert f"without a name: {len(alarms)}\n" in said
    for picture in [*cards, *alarms]:
        assert np.asarray(picture.convert("L")).std() > 5


@pytest.mark.long
def test_the_third_carries_every_name_into_the_run_of_all_lots(third):
    notebook, work = third
    folder = work / "demo" / "lots"
    first = read_table(folder / "first.csv", required=("path",))
    sheet = read_table(folder / "run" / "handoff.csv", required=("path", "label", "label_source"))
    named = sheet[sheet["label"] != ""]
    assert sorted(first["path"]) == sorted(named["path"])
    assert set(named["label_source"]) <= {"cluster", "human"}
    said = "".join(out.text for out in outputs(notebook, "stream"))
    assert f"{len(first)} of {len(first)} labels of the first lots were carried over" in said
    told = read_lineage(folder / "run" / LINEAGE)
    assert len(told) == 2
    assert {"kept", "born"} <= {event.kind for event in told[-1].events}
    assert set(told[-1].proposals) & set(told[0].proposals)


@pytest.mark.long
def test_the_third_finds_where_the_scratches_come_from(third):
    notebook, work = third
    run = open_run(work / "demo" / "lots" / "run")
    types = read_types(work)
    (cell,) = (cell for cell in notebook.cells if 'associations.csv", dtype' in cell.source)
    (table,) = (output.data["text/html"] for output in cell.outputs)
    (scratches,) = (
        proposal
        for proposal in run.load_proposals()
        if count_types(run, proposal.cluster_id, types).most_common(1)[0][0] == "scratch"
    )
    assert scratches.proposal_id in table
    assert "<td>CMP-02</td>" in table
    assert "<td>edge ring</td>" in table
    (cell,) = (cell for cell in notebook.cells if "draw_wafer(" in cell.source)
    wafers = [output.data["text/html"] for output in cell.outputs]
    assert sum(scratches.proposal_id in wafer and "edge ring" in wafer for wafer in wafers) == 1


def test_a_notebook_may_be_opened_from_the_projects_folder(tmp_path):
    notebook = nbformat.read(FIRST, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = nbformat.v4.new_code_cell("print(Path.cwd())")
    notebook.cells = [*code[:2], shown]
    done = execute(notebook, tmp_path, tmp_path)
    assert done.cells[-1].outputs[0].text.strip() == str(tmp_path)


def test_the_review_is_shown_and_what_is_decided_is_kept(fourth):
    notebook, work = fourth
    shown = [out for out in outputs(notebook, "execute_result") if VIEW in out.data]
    assert len(shown) == 1  # the widget, and nothing in its place
    decided = read_decisions(work / "demo/review/run" / LEDGER)
    assert [line.verdict for line in decided] == ["accept", "exclude", "undo", "redo"]
    assert {line.by for line in decided} == {"notebook"}
    handoff = read_table(work / "demo/review/run/handoff.csv", required=("label",))
    named = handoff[handoff["label"] == "defect/first"]
    assert len(named) == len(decided[0].image_ids) - 2
    assert set(named["label_source"]) == {"cluster"}
