"""How long each action of a review takes, on a run of many images and a ledger of many actions.

    python benchmarks/review_speed.py --images 50000 --actions 2000

The run is made up: ids, clusters and proposals without pictures, in a folder that goes afterwards.
The ledger is filled through the engine itself, by two people, with every kind of action and undone
ones among them. Then each action is timed alone, `--repeats` times, with the background writer of
handoff.csv at work; last other groupings of as many images (benchmarks/regroup.py): the slider,
splits, pairs to merge, a lasso. Prints Markdown: median and worst of each in milliseconds.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from regroup import time_regrouping

from discovery import Review, open_review
from discovery.records import Clustering, Layout, Proposal
from discovery.runs import Provenance, Run, create_run

PROVENANCE = Provenance(command="benchmarks.review_speed", spec={}, seed=0, inputs={})
NOISE_SHARE = 0.15
PER_PROPOSAL = 150  # images, in the mean
Timing = tuple[float, float]


def make_run(folder: Path, n: int, seed: int) -> Run:
    """Make a run of n images in clusters of very different sizes."""
    rng = np.random.default_rng(seed)
    k = max(2, n // PER_PROPOSAL)
    shares = rng.lognormal(sigma=1.0, size=k)
    drawn = rng.choice(k, size=n, p=shares / shares.sum())
    drawn[rng.random(n) < NOISE_SHARE] = -1
    kept, sizes = np.unique(drawn[drawn >= 0], return_counts=True)
    rank = np.full(k + 1, -1, np.int32)  # the last one is noise's
    rank[kept[np.argsort(-sizes, kind="stable")]] = np.arange(len(kept))
    labels = rank[drawn]
    ids = np.array([f"{value:016x}" for value in rng.choice(2**48, size=n, replace=False)])
    clustering = Clustering(
        ids=ids,
        labels=labels,
        memberships=np.where(labels >= 0, rng.random(n), 0).astype(np.float32),
        outlier_scores=rng.random(n).astype(np.float32),
        spec={},
        made_by="made up",
    )
    layout = Layout(
        ids=ids,
        paths=tuple((f"/images/lot{i % 50:02}/{i:06}.png",) for i in range(n)),
        xy=rng.normal(size=(n, 2)).astype(np.float32),
    )
    run = create_run(folder)
    run.save_clustering(clustering, layout, PROVENANCE)
    run.save_proposals(_propose(clustering), PROVENANCE)
    return run


def _propose(clustering: Clustering) -> list[Proposal]:
    proposals = []
    for cluster in range(clustering.k):
        members = clustering.members(cluster)
        names = tuple(clustering.ids[members[:6]].tolist())
        proposals.append(
            Proposal(
                proposal_id=f"P{cluster:08x}",
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
        )
    return proposals


def time_call(act: Callable[[], object]) -> Timing:
    """Return the milliseconds that a call took: by the clock, and of the processor."""
    started, worked = time.perf_counter(), time.thread_time()
    act()
    return 1000 * (time.perf_counter() - started), 1000 * (time.thread_time() - worked)


def pick_action(review: Review, rng: np.random.Generator) -> Callable[[], object]:
    """Choose what a person might do next, in the mix of a long review."""
    state = review.state
    groups = [one for one in state.proposals if len(one.images) > 1]
    group = groups[int(rng.integers(len(groups)))]
    some = rng.choice(len(state), size=8, replace=False)
    label = f"defect/type {int(rng.integers(60)):02}"
    shown = group.images[:60]
    choices: list[tuple[float, Callable[[], object]]] = [
        (0.25, lambda: review.accept(group.proposal_id, label, shown=shown, thrown=shown[:1])),
        (0.25, lambda: review.move(some, label)),
        (0.15, lambda: review.grow(label, taken=np.sort(some), shown=some[:4], thrown=some[4:5])),
        (0.05, lambda: review.exclude(some, label)),
        (0.04, lambda: review.reject(group.proposal_id)),
        (0.03, lambda: review.defer(group.proposal_id)),
        (0.03, lambda: review.discard(some)),
        (0.02, lambda: review.split(group.proposal_id, [group.images[::2]])),
    ]
    if state.labels:
        known = state.labels[int(rng.integers(len(state.labels)))]
        new = f"defect/renamed {state.revision}"
        choices.append((0.04, lambda: review.rename(known, new)))
    if len(state.labels) > 30:
        pair = list(state.labels[-2:])
        choices.append((0.04, lambda: review.merge_types(pair, pair[0])))
    if state.undoable:
        choices.append((0.1, review.undo))
    if state.redoable:
        choices.append((0.3, review.redo))
    weights = np.array([weight for weight, _ in choices])
    return choices[int(rng.choice(len(choices), p=weights / weights.sum()))][1]


def fill_ledger(run: Run, actions: int, seed: int) -> None:
    """Let two people act in turn."""
    rng = np.random.default_rng(seed)
    with open_review(run, by="eva") as eva, open_review(run, by="max") as other:
        for number in range(actions):
            person = eva if number % 3 else other
            person.refresh()
            pick_action(person, rng)()


def time_actions(run: Run, repeats: int, seed: int) -> dict[str, list[Timing]]:
    """Time each action by itself, each followed by its undo and redo."""
    rng = np.random.default_rng(seed)
    taken: dict[str, list[Timing]] = {}

    def clock(name: str, act: Callable[[], object]) -> None:
        taken.setdefault(name, []).append(time_call(act))

    with open_review(run, by="eva") as review:
        for repeat in range(repeats):
            for name, act in _list_actions(review, rng, repeat):
                clock(name, act)
                clock(f"undo: {name}", review.undo)
                clock(f"redo: {name}", review.redo)
                clock(f"undo: {name}", review.undo)
    return taken


def _list_actions(
    review: Review, rng: np.random.Generator, repeat: int
) -> list[tuple[str, Callable[[], object]]]:
    state = review.state
    groups = sorted(
        (one for one in state.proposals if one.images.size > 1), key=lambda one: -one.images.size
    )
    biggest, label = groups[repeat % 10], state.labels[repeat % len(state.labels)]
    types = sorted(state.types, key=lambda one: -len(one.images))
    some = rng.choice(len(state), size=60, replace=False)
    many = rng.choice(len(state), size=len(state) // 5, replace=False)
    ids = [one.proposal_id for one in groups[:5]]
    left = np.array_split(state.left, 40)
    best = types[repeat % 5].images[:9]
    return [
        ("accept the biggest proposals", lambda: review.accept(
            biggest.proposal_id, label, shown=biggest.images[:60], thrown=biggest.images[:3])),
        ("reject", lambda: review.reject(biggest.proposal_id)),
        ("defer", lambda: review.defer(biggest.proposal_id)),
        ("merge 5 proposals", lambda: review.merge_proposals(ids, label)),
        ("split in 2", lambda: review.split(biggest.proposal_id, [biggest.images[::2]])),
        ("regroup the rest into 40", lambda: review.regroup(left)),
        ("move 60 images", lambda: review.move(some, label)),
        ("grow by a fifth of all", lambda: review.grow(label, taken=many, shown=many[:60])),
        ("exclude 60 images", lambda: review.exclude(some, label)),
        ("discard 60 images", lambda: review.discard(some)),
        ("rename the biggest types", lambda: review.rename(
            types[repeat % 5].label, f"defect/new {review.revision}")),
        ("merge the 2 biggest types", lambda: review.merge_types(
            [types[0].label, types[1].label], types[0].label)),
        ("mark prototypes", lambda: review.set_prototypes(best, types[repeat % 5].label)),
    ]  # fmt: skip


def main() -> None:
    """Make the run, fill its ledger, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--actions", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="review-speed-") as folder:
        run = make_run(Path(folder) / "run", options.images, options.seed)
        started = time.perf_counter()
        fill_ledger(run, options.actions, options.seed)
        print(f"filling: {time.perf_counter() - started:.1f} s")
        openings = [time_call(lambda: open_review(Run(run.path), by="eva")) for _ in range(3)]
        taken = {"open": openings, **time_actions(run, options.repeats, options.seed)}
        size = (run.path / "decisions.jsonl").stat().st_size / 1e6
        print(f"\n{options.images} images, {options.actions} actions, a ledger of {size:.1f} MB")
        print(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB\n")
        print("| action | median, ms | worst, ms | processor, ms |\n|---|---|---|---|")
        for name, times in taken.items():
            clock, processor = zip(*times, strict=True)
            middle, worked = statistics.median(clock), statistics.median(processor)
            print(f"| {name} | {middle:.0f} | {max(clock):.0f} | {worked:.0f} |")
        for name, each in time_regrouping(options.images, options.repeats, options.seed).items():
            print(f"| {name} | {statistics.median(each):.0f} | {max(each):.0f} | |")


if __name__ == "__main__":
    main()
