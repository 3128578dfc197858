"""A run of 100,000 images: the grid holds only what is seen, and the map draws all of them."""

import numpy as np
import pandas as pd
import pytest

from discovery.graph.levels import Levels
from discovery.graph.persistence import MergeTree
from discovery.records import Clustering, Layout, Neighbours, Proposal
from discovery.runs import COPIES, LEVELS, Provenance, create_run
from discovery.runs.tables import hash_ids
from discovery.stages.levels import format_levels
from embeddings.records import ExtractorSpec, unit_rows
from embeddings.store import create_store, open_store

N, K, DIM, SIDE = 100_000, 20, 8, 64
MADE_UP = Provenance(command="a test", spec={}, seed=0, inputs={})
# Scrolls as a wheel does, frame by frame, and counts the cells after each.
SCROLL = """
const [steps, done] = arguments;
const grid = document.querySelector("main .grid");
const step = (grid.scrollHeight - grid.clientHeight) / steps;
let most = 0, frames = 0;
const draw = () => {
  most = Math.max(most, grid.querySelectorAll(".cell").length);
  if (frames++ >= steps) return done([most, grid.scrollTop + grid.clientHeight, grid.scrollHeight]);
  grid.scrollTop += step;
  requestAnimationFrame(draw);
};
draw();
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A made-up run: groups round centres, and no picture behind any image."""
    rng = np.random.default_rng(0)
    run = create_run(tmp_path_factory.mktemp("many") / "run")
    ids = np.array([f"{number:016x}" for number in range(N)])
    labels = (np.arange(N) // (N // K)).astype(np.int32)
    paths = [f"/images/{number:06}.png" for number in range(N)]
    centres = rng.normal(size=(K, DIM))
    write_store(run, ids, unit_rows(3 * centres[labels] + rng.normal(size=(N, DIM))), paths)
    clustering = Clustering(
        ids=ids,
        labels=labels,
        memberships=np.ones(N, np.float32),
        outlier_scores=np.zeros(N, np.float32),
        spec={},
        made_by="made up",
    )
    xy = (20 * centres[labels, :2] + rng.normal(size=(N, 2))).astype(np.float32)
    layout = Layout(ids=ids, paths=tuple((path,) for path in paths), xy=xy)
    run.save_clustering(clustering, layout, MADE_UP)
    run.save_proposals([propose(clustering, cluster) for cluster in range(K)], MADE_UP)
    run.save_neighbours(link(labels), ids, MADE_UP)
    run.save_bytes(COPIES, b"group,image_id,path,kind,similarity,kept\n", MADE_UP)
    run.save_bytes(LEVELS, format_levels(make_levels(labels), hash_ids(ids)), MADE_UP)
    return run.path


def write_store(run, ids, values, paths):
    rows = pd.DataFrame(
        {
            "file_id": ids, "region": "", "width": SIDE, "height": SIDE, "bit_depth": 8,
            "channels": 1, "nan_pixels": 0, "um_per_pixel": np.nan, "defect_px": np.nan,
            "parent_id": "", "page": 0, "x0": 0, "y0": 0, "metadata": '{"tool": "T1"}',
        }
    )  # fmt: skip
    files = pd.DataFrame({"path": paths, "file_id": ids, "size": 1, "mtime_ns": 1})
    spec = ExtractorSpec(name="texture", dim=DIM)
    create_store(run.path / "store", spec)
    with open_store(run.path / "store").write() as writer:
        writer.set_files(files)
        writer.append(ids, values.astype(np.float32), rows)
    run.set_store({"path": str(run.path / "store"), "spec_hash": spec.hash})


def link(labels):
    """Link each image with the next ones of its group, going round."""
    size = N // K
    ahead = np.arange(1, 6)
    places = np.arange(N)[:, None]
    indices = labels[:, None] * size + (places % size + ahead) % size
    distances = np.broadcast_to(np.linspace(0.1, 0.5, 5, dtype=np.float32), indices.shape)
    return Neighbours(indices=indices.astype(np.int32), distances=np.array(distances))


def propose(clustering, cluster):
    members = clustering.members(cluster)
    names = tuple(clustering.ids[members[:6]].tolist())
    return Proposal(
        proposal_id=f"P{cluster}",
        cluster_id=cluster,
        rank=cluster + 1,
        size=len(members),
        cohesion=0.8,
        separation=0.3,
        stability=0.9,
        novelty=float("nan"),
        nearest_known="",
        medoid=names[0],
        exemplars={"central": names, "edge": names, "diverse": names},
    )


def make_levels(labels):
    """Return levels of one position: the slider has nothing to move between."""
    sizes, children = np.bincount(labels).tolist(), []
    for step in range(K - 1):
        children.append((step + 1, 0 if step == 0 else K + step - 1))
        sizes.append(sum(sizes[one] for one in children[-1]))
    tree = MergeTree(
        sizes=np.array(sizes), children=np.array(children), levels=np.linspace(1, 0.5, K - 1)
    )
    none = np.empty(0)
    return Levels(
        kind="communities",
        tree=tree,
        leaves=labels,
        firm=np.full(N, np.inf),
        smallest=2,
        resolutions=none,
        groups=np.empty(0, np.int64),
        lasts=none,
    )


@pytest.fixture
def crowded(browser, serve, many, copy):
    window = browser()
    window.run = copy(many)
    return window.open(serve(window.run).url)


@pytest.mark.long
def test_the_grid_scrolls_through_all_of_them(crowded):
    crowded.go("All images")
    crowded.wait_for(".screen-head", "100,000 images of 100,000")
    crowded.wait(lambda: crowded.find(".all-images .cell"))
    most, bottom, height = crowded.driver.execute_async_script(SCROLL, 120)
    assert most < 250  # of 100,000
    assert bottom > height - SIDE
    crowded.press("END")
    crowded.wait(lambda: crowded.find(".cell.current[data-position='99999']"))
    crowded.press("HOME")
    crowded.wait(lambda: crowded.find(".cell.current[data-position='0']"))
    # Their files are nowhere: the page says so in the place of each picture.
    crowded.wait(lambda: "no picture" in crowded.text(".all-images .cell"))


@pytest.mark.long
def test_a_lasso_round_all_points_names_all_images(crowded):
    crowded.press("b")
    crowded.wait(lambda: crowded.find(".map-box canvas"))
    crowded.lasso_all()
    crowded.wait_for(".screen-head", "100,000 images chosen")
    crowded.press("ENTER", "crowd", "ENTER")
    crowded.wait_for(".progress", "100 % of the images named")
    crowded.press("u")
    crowded.wait_for(".progress", "0 decisions, 0 % of the images named")


def test_a_proposal_of_them_is_validated(crowded):
    crowded.find("//button[contains(@class, 'row')][span='1']").click()
    crowded.wait(lambda: crowded.text("h1") == "Proposal 1" and crowded.find(".validate .cell"))
    crowded.press("ENTER", "crowd", "ENTER")
    crowded.wait_for(".types-list", "crowd")
    crowded.wait_for(".progress", "5 % of the images named")
