"""What the cases work on: pictures, weights and vectors, made once each in the working folder.

What is heavy is imported by the functions. Each writes under another name first, so that a stopped
run leaves nothing half made.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.case import Task

WIDTH, GROUPS = 50, 100  # of the mixtures that clusterers are given


def make_once(place: Path, make: Callable[[Path], None]) -> Path:
    """Let `make` write to a name beside the place, and move it there, unless it is there."""
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_name(f"half-{place.name}")
    if half.is_dir():
        shutil.rmtree(half)
    make(half)
    half.rename(place)
    return place


def find_weights(task: Task) -> str:
    """Return the weights that were given, else random ones."""
    if task.weights is not None:
        return task.weights

    def save(path: Path) -> None:
        from gpu import draw_weights
        from safetensors.torch import save_file

        save_file(draw_weights(), path)

    return str(make_once(task.folder / "random.safetensors", save))


def make_network(task: Task, make: Callable[[], Any]) -> Any:
    """Return a peer's ResNet-50 with the weights of all cases, without the classifier."""
    from embeddings.extractors.resnet50 import EXTRACTOR

    network = make()
    tensors = dict(EXTRACTOR.read_weights("resnet50", find_weights(task)).tensors)
    network.load_state_dict(tensors, strict=False)
    return network.eval()


def make_jpegs(task: Task) -> Path:
    """Draw grey JPEGs of 1024 pixels, each another one."""
    side = 64 if task.quick else 1024

    def draw(folder: Path) -> None:
        from gpu import draw_jpegs

        folder.mkdir()
        draw_jpegs(folder, task.size, side)

    return make_once(task.folder / f"jpegs-{task.size}-{side}", draw)


def make_synthetic(task: Task) -> tuple[Path, Path]:
    """Draw the synthetic images; return their folder and their truth."""
    if task.images is not None and task.labels is not None:
        return task.images, task.labels

    def draw(folder: Path) -> None:
        from discovery.synthetic import plan_pictures
        from discovery.synthetic.folder import write_folder

        write_folder(plan_pictures(task.size, seed=0), folder, seed=0)

    place = make_once(task.folder / f"synthetic-{task.size}", draw)
    return place / "images", place / "truth.csv"


def make_matrix(task: Task) -> tuple[Any, Any]:
    """Return (n, 50) float32 rows of a mixture, and the group of each, -1 for noise."""
    import numpy as np

    def draw(folder: Path) -> None:
        from cluster import make_mixture

        folder.mkdir()
        values, truth = make_mixture(task.size, WIDTH, GROUPS)
        np.save(folder / "values.npy", values)
        np.save(folder / "truth.npy", truth)

    place = make_once(task.folder / f"matrix-{task.size}", draw)
    return np.load(place / "values.npy"), np.load(place / "truth.npy")


def find_store(task: Task) -> Path:
    """Return where the store of `make_store` is."""
    return task.folder / f"mixture-{task.size}" / "store"


def make_store(task: Task) -> Path:
    """Make a store of a mixture turned into 2,048 dimensions; return it, truth.npy beside it."""
    from speed import make_store as make

    return make(task.size, task.folder)


def make_vectors(task: Task) -> Path:
    """Make the store's vectors a file for the peers, fp16 as in the store."""

    def copy(folder: Path) -> None:
        import numpy as np

        from embeddings.store import open_store

        store = make_store(task)
        vectors = open_store(store).load_vectors()
        numbers = [int(name, 16) for name in vectors.ids.tolist()]
        folder.mkdir()
        np.save(folder / "values.npy", vectors.values.astype(np.float16))
        np.save(folder / "truth.npy", np.load(store.parent / "truth.npy")[numbers])

    return make_once(task.folder / f"vectors-{task.size}", copy)


def score(truth: Any, labels: Any) -> dict[str, float | int]:
    """Return the ARI, noise as one cluster, and how many clusters there are beside noise."""
    import numpy as np
    from sklearn.metrics import adjusted_rand_score

    groups = len(np.unique(labels[labels >= 0]))
    return {"ari": float(adjusted_rand_score(truth, labels)), "groups": groups}
