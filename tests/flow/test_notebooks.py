"""Every notebook runs from top to bottom on a small set, and what it shows is really there."""

import base64
import io
import json
import os
import re
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
from embeddings.tables import read_table

nbformat = pytest.importorskip("nbformat", reason="needs the extra test")
nbclient = pytest.importorskip("nbclient", reason="needs the extra test")
pytest.importorskip("ipykernel", reason="needs the extra notebook")
pytest.importorskip("matplotlib", reason="needs the extra notebook")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FIRST = ROOT / "notebooks" / "1_discover_defect_types.ipynb"
SECOND = ROOT / "notebooks" / "2_from_clusters_to_classifier.ipynb"
IMAGES = 90


def execute(notebook, folder, work):
    """Execute a notebook as Jupyter would in this folder, without network, on few images."""
    (work / "pyproject.toml").touch()  # by which a notebook knows the project's folder
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "IPYTHONDIR": str(work / ".ipython"),
        "EXTRACTOR": "texture",
        "N": str(IMAGES),
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
def run_once(tmp_path_factory):
    """Return a function that gives a notebook with its outputs, and where it worked."""
    done = {}

    def run(path):
        if path not in done:
            work = tmp_path_factory.mktemp("two words")
            folder = work / "notebooks"
            folder.mkdir()
            done[path] = execute(nbformat.read(path, as_version=4), folder, work), work
        return done[path]

    return run


@pytest.fixture
def first(run_once):
    return run_once(FIRST)


@pytest.fixture
def second(run_once):
    return run_once(SECOND)


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
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
    assert sum(",human,notebook," in line for line in labelled) == IMAGES - in_none
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


def test_a_notebook_may_be_opened_from_the_projects_folder(tmp_path):
    notebook = nbformat.read(FIRST, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = nbformat.v4.new_code_cell("print(Path.cwd())")
    notebook.cells = [*code[:2], shown]
    done = execute(notebook, tmp_path, tmp_path)
    assert done.cells[-1].outputs[0].text.strip() == str(tmp_path)
