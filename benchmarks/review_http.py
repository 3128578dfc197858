"""How long the page of a review waits for its server, at many images, over HTTP.

    python benchmarks/review_http.py --images 50000

The run of benchmarks/review_speed.py is made up once more, here with vectors around a centre a
group, a neighbour graph, levels, and small image files; it is kept in --run, where that is given,
and used again. `python -m discovery.review` serves it in a process of its own, a client asks as the
page does. Prints Markdown: median and worst in milliseconds, and the server's memory.
"""

import argparse
import json
import os
import statistics
import subprocess  # nosec B404 # the project's own commands, without a shell
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pandas as pd
import psutil
from PIL import Image
from review_speed import PROVENANCE, make_run

from discovery.flow.settings import describe_graph
from discovery.flow.space import fit_space
from discovery.graph.neighbours import find_neighbours
from discovery.review.regroup import open_levels
from discovery.runs import COPIES, Run, open_run
from embeddings.records import ExtractorSpec, unit_rows
from embeddings.store import create_store, open_store

PICTURES = 200  # different ones; all other files are links to them
SIDE = 200
DIM = 704  # of the default's vectors where there are no weights of ResNet-50
LATENT = 40
SPEC = ExtractorSpec(
    name="lite", weights="made up", weights_sha256="0" * 64, layers=("stage7",), pooling="max",
    tau=0.0, bank_sha256="", normals_sha256="", input_size=224, fit="stretch", resize="bilinear",
    level="none", decoder="pillow+tifffile", backend="torch-cpu", precision="bf16", window=None,
    dim=DIM,
)  # fmt: skip


def make_reviewed(folder: Path, n: int, seed: int) -> Run:
    """Make a run with everything the page asks for."""
    run = make_run(folder / "run", n, seed)
    clustering = run.load_clustering()
    rng = np.random.default_rng(seed)
    paths = write_images(folder / "images", n, rng)
    layout = replace(run.load_layout(), paths=tuple((path,) for path in paths))
    centres = rng.normal(size=(clustering.k + 1, LATENT))
    latent = 2 * centres[clustering.labels] + rng.normal(size=(n, LATENT))
    values = unit_rows(latent @ rng.normal(size=(LATENT, DIM)) / LATENT**0.5)
    write_store(run.path / "store", clustering.ids, values, paths)
    run.set_store({"path": str(run.path / "store"), "spec_hash": SPEC.hash})
    run.save_clustering(clustering, layout, PROVENANCE)
    run.save_bytes(COPIES, b"group,image_id,path,kind,similarity,kept\n", PROVENANCE)
    vectors = open_store(run.path / "store").load_vectors(clustering.ids)
    rows = fit_space([vectors], seed=0).rows
    graph = find_neighbours(rows, describe_graph(n)["k"])
    run.save_neighbours(graph, clustering.ids, PROVENANCE)
    open_levels(run)
    return run


def write_images(folder: Path, n: int, rng: np.random.Generator) -> list[str]:
    """Write n small photographs, of few different contents."""
    folder.mkdir()
    for number in range(min(n, PICTURES)):
        grain = rng.normal(120, 12, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
        Image.fromarray(grain).save(folder / f"{number:06}.png")
    for number in range(PICTURES, n):
        os.link(folder / f"{number % PICTURES:06}.png", folder / f"{number:06}.png")
    return [str(folder / f"{number:06}.png") for number in range(n)]


def write_store(folder: Path, ids: Any, values: Any, paths: list[str]) -> None:
    """Write vectors and rows of images that were never seen."""
    n = len(ids)
    rows = pd.DataFrame(
        {
            "file_id": ids, "region": "", "path": "", "paths": [[] for _ in range(n)],
            "width": np.int32(SIDE), "height": np.int32(SIDE), "bit_depth": np.int32(8),
            "channels": np.int32(1), "nan_pixels": np.int64(0), "um_per_pixel": np.nan,
            "defect_px": np.nan, "parent_id": "", "page": np.int32(0), "x0": np.int32(0),
            "y0": np.int32(0), "metadata": [json.dumps({"tool": f"T{i % 7}"}) for i in range(n)],
        }
    )  # fmt: skip
    stats = [Path(path).stat() for path in paths]
    files = pd.DataFrame(
        {
            "path": paths, "file_id": ids, "size": [one.st_size for one in stats],
            "mtime_ns": [one.st_mtime_ns for one in stats],
        }
    )  # fmt: skip
    create_store(folder, SPEC)
    with open_store(folder).write() as writer:
        writer.set_window("uint8", (0.0, 255.0))
        writer.set_files(files)
        writer.append(ids, values, rows)


class Client:
    """Asks as the page does, and notes how long each answer took."""

    def __init__(self, address: str, token: str) -> None:
        self.http = httpx.Client(base_url=address, headers={"x-token": token}, timeout=600)
        self.taken: dict[str, list[float]] = {}

    def ask(self, method: str, name: str = "", **args: Any) -> tuple[dict[str, Any], bytes]:
        """Call a method; returns its JSON and what follows it."""
        started = time.perf_counter()
        answer = self.http.post(f"/api/{method}", json=args)
        self.note(name or method, started)
        if answer.status_code != 200:
            raise RuntimeError(f"{method}: {answer.text}")
        if answer.headers["content-type"] == "application/json":
            return answer.json(), b""
        length = int.from_bytes(answer.content[:4], "little")
        return json.loads(answer.content[4 : 4 + length]), answer.content[4 + length :]

    def act(self, title: str, **action: Any) -> None:
        """Decide something, and ask for the state that came of it."""
        self.ask("act", f"{title}", action=action)
        self.ask("state", "the state after a decision")

    def note(self, name: str, started: float) -> None:
        """Note how long something took."""
        self.taken.setdefault(name, []).append(1000 * (time.perf_counter() - started))


def start_server(run: Path) -> tuple[subprocess.Popen[str], Client, float]:
    """Start the command, and return with it how long it took to print its address."""
    started = time.perf_counter()
    process = subprocess.Popen(  # nosec B603 # this Python, words of this file
        [sys.executable, "-m", "discovery.review", str(run), "--no-browser", "--by", "eva"],
        stdout=subprocess.PIPE,
        text=True,
    )
    address, _, token = process.stdout.readline().strip().partition("/#token=")
    return process, Client(address, token), time.perf_counter() - started


def open_page(client: Client) -> None:
    """Ask what the page asks for before it shows anything."""
    started = time.perf_counter()
    client.ask("hello")
    client.ask("overview", "overview, the first time")
    client.ask("columns", "columns, the first time")
    client.ask("state", "state, the first time")
    client.note("all that the page asks for when it opens", started)


def decide(client: Client, repeats: int, rng: np.random.Generator) -> None:
    """Make each decision, and undo it."""
    state, _ = client.ask("state")
    proposals = sorted(state["proposals"], key=lambda one: -one["size"])
    n = state["left"]
    for number in range(10):
        client.act("(prepare)", name="accept", proposal=proposals[20 + number]["id"],
                   label=f"defect/{number}")  # fmt: skip
    client.act("(prepare)", name="accept", proposal=proposals[40]["id"], label="defect/known")
    actions: list[tuple[str, Callable[[int], dict[str, Any]]]] = [
        ("accept", lambda i: {"proposal": proposals[i]["id"], "label": "defect/a"}),
        ("reject", lambda i: {"proposal": proposals[i]["id"]}),
        ("move", lambda _: {"images": draw(rng, n, 60), "label": "defect/b"}),
        ("merge_proposals", lambda i: {
            "proposals": [one["id"] for one in proposals[i:i + 5]], "label": "defect/c"}),
        ("exclude", lambda _: {"images": draw(rng, n, 60), "label": "defect/known"}),
        ("rename", lambda i: {"label": "defect/known", "to": f"defect/new {i}"}),
    ]  # fmt: skip
    for repeat in range(repeats):
        for name, give in actions:
            client.act(name, name=name, **give(repeat))
            client.act("undo", name="undo")
    many = draw(rng, n, n // 5)
    client.act("move a fifth of all", name="move", images=many, label="defect/many")
    client.act("undo", name="undo")


def ask_around(client: Client, repeats: int, rng: np.random.Generator) -> None:
    """Ask what the screens ask for."""
    state, _ = client.ask("state")
    proposals = sorted(state["proposals"], key=lambda one: -one["size"])
    positions = (client.ask("overview")[0]["levels"] or {"positions": []})["positions"]
    for repeat in range(repeats):
        for position in rng.permutation(len(positions))[:5].tolist():
            client.ask("levels", "the slider", position=position)
        client.ask("split", proposal=proposals[repeat]["id"])
        client.ask("merge_pairs")
        client.ask("look_alikes", image=int(rng.integers(len(state["proposals"]))), k=60)
        client.ask("image_info", image=int(rng.integers(1000)))
        client.ask("evidence", proposal=proposals[repeat]["id"])
        client.ask("validate", proposal=proposals[repeat]["id"])
        client.ask("next")
        client.ask("doubt")
        client.ask("rest")
        page = client.ask("grow", label="defect/known")[0]
        client.ask("grow", "grow, the next page", label="defect/known", cursor=page["cursor"],
                   answer="pure")  # fmt: skip
        client.act("(judge again)", name="move", images=draw(rng, 1000, 5), label="defect/known")
    show_screen(client, rng, "60 thumbnails never seen before")


def show_screen(client: Client, rng: np.random.Generator, name: str) -> None:
    """Fetch a screen of thumbnails as a browser does, six at a time."""
    wanted = rng.integers(PICTURES, 10 * PICTURES, 60).tolist()
    started = time.perf_counter()

    def fetch(part: list[int]) -> None:
        for image in part:
            client.http.get(f"/image/{image}/thumb?size=160").raise_for_status()

    threads = [threading.Thread(target=fetch, args=(wanted[i::6],)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.note(name, started)


def decide_beside(client: Client, rng: np.random.Generator, n: int) -> None:
    """Decide while what is left is clustered again."""
    job = client.ask("start_regroup")[0]["job"]
    started = time.perf_counter()
    while client.ask("job", id=job)[0]["status"] == "running":
        client.ask("act", "a decision while the rest is clustered", action={
            "name": "move", "images": draw(rng, n, 60), "label": "defect/beside"})  # fmt: skip
        time.sleep(0.2)
    client.note("clustering the rest, in the background", started)


def draw(rng: np.random.Generator, n: int, count: int) -> list[int]:
    """Draw positions."""
    found: list[int] = rng.choice(n, count, replace=False).tolist()
    return found


def main() -> None:
    """Make the run or use it again, serve it, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--run", type=Path, default=None, help="folder to keep the run in")
    parser.add_argument("--beside", action="store_true", help="cluster the rest meanwhile, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="review-http-") as made:
        folder = options.run or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "run" / "neighbours.npz").exists():
            make_reviewed(folder, options.images, 0)
        run = open_run(folder / "run")
        for name in ("decisions.jsonl", "decisions.head"):
            (run.path / name).unlink(missing_ok=True)
        measure(run, options.repeats, is_beside=options.beside)


def measure(run: Run, repeats: int, *, is_beside: bool) -> None:
    """Serve the run and print how long all took."""
    rng = np.random.default_rng(0)
    process, client, seconds = start_server(run.path)
    try:
        open_page(client)
        decide(client, repeats, rng)
        ask_around(client, repeats, rng)
        if is_beside:
            decide_beside(client, rng, len(run.load_clustering()))
        memory = psutil.Process(process.pid).memory_info().rss
    finally:
        process.terminate()
        process.wait()
    print(f"\n{len(run.load_clustering())} images; the address is printed after {seconds:.1f} s;")
    print(f"memory of the server {memory / 1e6:.0f} MB\n")
    print("| what | median, ms | worst, ms |\n|---|---|---|")
    for name, times in client.taken.items():
        if not name.startswith("("):
            print(f"| {name} | {statistics.median(times):.0f} | {max(times):.0f} |")


if __name__ == "__main__":
    main()
