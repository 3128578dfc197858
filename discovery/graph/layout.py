"""The neighbour graph laid out in a few dimensions by UMAP (McInnes, Healy and Melville 2018).

The method is that of umap-learn, by the same figures: the ties of `weigh_graph`, a start from
principal components, and stochastic gradient descent, edge by edge with negative samples (section
4.3). Written out, as that package compiles some hundred functions in each process, 15 seconds
before the first image is placed; here it is one loop, compiled once. Of more than 2,000 images
the forces are read off a table.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import curve_fit

from embeddings.compiled import compile_loop

Floats = NDArray[np.float64]
Nodes = NDArray[np.int32]

_EPOCHS, _EPOCHS_LARGE, _LARGE = 500, 200, 10_000
_TABULATED = 2_000  # images; of more the forces are read off a table
_SETTLING, _GENTLE = 30, 0.3  # epochs of what was placed, and the first one's rate
_NEGATIVES = 5  # images that push away, for each edge that pulls
_SPREAD = 10.0  # side of the box that the layout starts in
_REACH, _CELLS = 60.0, 16_384  # of the tables of forces of a large layout
_JITTER = 1e-4  # coincident images must not stay so, as nothing would push them apart


def lay_out_graph(
    graph: sparse.csr_matrix,
    start: Floats,
    *,
    min_dist: float = 0.0,
    seed: int = 0,
    epochs: int | None = None,
) -> Floats:
    """Move images until near ones lie together and others apart.

    Parameters
    ----------
    graph : (n, n) sparse, symmetric
        Ties in (0, 1].
    start : (n, p) float64
        Where the images are at first; scaled here.
    min_dist : float
        How near the images of a dense group may lie, in the layout's own unit: 0 packs them.
    seed : int
    epochs : int, optional
        By default 500 of up to 10,000 images, 200 of more.

    Returns
    -------
    (n, p) float64
        The same for a seed on one platform.
    """
    random = np.random.default_rng(seed)
    places = _scale_start(start, random)
    if epochs is None:
        epochs = _EPOCHS if len(start) <= _LARGE else _EPOCHS_LARGE
    _run_epochs(graph, places, epochs, min_dist=min_dist, rate=1.0, random=random)
    return places


def settle_layout(
    graph: sparse.csr_matrix, places: Floats, *, min_dist: float = 0.0, seed: int = 0
) -> Floats:
    """Let images that lie where they belong on the whole settle among their neighbours, (n, p).

    Parameters as in `lay_out_graph`; the places are those of a layout, and are taken as they are.
    """
    settled = places.copy()
    random = np.random.default_rng(seed)
    _run_epochs(graph, settled, _SETTLING, min_dist=min_dist, rate=_GENTLE, random=random)
    return settled


def _run_epochs(
    graph: sparse.csr_matrix,
    places: Floats,
    epochs: int,
    *,
    min_dist: float,
    rate: float,
    random: np.random.Generator,
) -> None:
    """Move the (n, p) places in place; `rate` is that of the first epoch."""
    edges = graph.tocoo()
    # An edge is pulled at once in so many epochs; one that would never be is left out.
    periods = edges.data.max() / edges.data
    kept = periods <= epochs
    heads, tails = edges.row[kept].astype(np.int32), edges.col[kept].astype(np.int32)
    curve = np.array(_fit_curve(min_dist))
    state = np.uint64(random.integers(1, 1 << 62))
    tables = _tabulate_forces(curve, _CELLS if len(places) > _TABULATED else 0)
    axes = (0,) * places.shape[1]
    periods = periods[kept]
    del edges, kept  # the loop has memory of its own
    _descend(places, axes, heads, tails, periods, curve, tables, epochs, rate, state)


def _scale_start(start: Floats, random: np.random.Generator) -> Floats:
    """Fill a box of fixed side, (n, p), with a little noise."""
    scaled = start * (_SPREAD / max(float(np.abs(start).max()), 1e-12))
    scaled = scaled + _JITTER * random.standard_normal(start.shape)
    low, high = scaled.min(axis=0), scaled.max(axis=0)
    filled: Floats = _SPREAD * (scaled - low) / (high - low)
    return filled


def _fit_curve(min_dist: float) -> tuple[float, float]:
    """Return a and b of 1 / (1 + a d^2b), how strongly images at distance d hold together.

    The curve is near to 1 up to min_dist, and to an exponential fall from there on.
    """
    distances = np.linspace(0, 3, 300)
    wanted = np.where(distances < min_dist, 1.0, np.exp(min_dist - distances))
    (a, b), _ = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), distances, wanted)
    return float(a), float(b)


def _tabulate_forces(curve: Floats, cells: int) -> Floats:
    """Return pull and push at evenly spaced distances up to `_REACH`, (2, cells + 1).

    Two powers and a division an edge take half of the time. Between two of 16,384 distances the
    forces are straight lines but for a part in a thousand, far less than one step is off anyway.
    Without a cell, (2, 0): few images are laid out by the formulas themselves.
    """
    if not cells:
        return np.zeros((2, 0))
    a, b = curve
    distances = np.linspace(0, _REACH, cells + 1)
    squared = np.maximum(distances, distances[1] / 4) ** 2  # at no distance the pull is endless
    power = squared**b
    pulls = -2.0 * a * b * power / (squared * (a * power + 1.0))
    pushes = 2.0 * b / ((0.001 + distances**2) * (a * distances ** (2 * b) + 1.0))
    return np.stack([pulls, pushes])


@compile_loop
def _read_force(forces: Floats, at: float) -> float:
    """Return the force between two cells of a table, on a straight line."""
    cell = int(at)
    low = forces[cell]
    force: float = low + (at - cell) * (forces[cell + 1] - low)
    return force


@compile_loop
def _descend(
    places: Floats,
    axes: tuple[int, ...],
    heads: Nodes,
    tails: Nodes,
    periods: Floats,
    curve: Floats,
    tables: Floats,
    epochs: int,
    first_rate: float,
    state: Any,
) -> None:
    """Move the (n, p) places in place, an edge at a time, by steps that shrink to nothing.

    Forces are read off the tables as far as these reach. `axes` is p of anything: the loop is
    compiled for their number, which takes a fifth off its time.
    """
    n, p = len(places), len(axes)
    a, b = curve
    last = tables.shape[1] - 1  # -1 where there is none
    scale = last / _REACH
    due, pushed = periods.copy(), periods / _NEGATIVES
    rests = pushed.copy()
    for epoch in range(epochs):
        rate = first_rate * (1.0 - epoch / epochs)
        for edge in range(len(heads)):
            if due[edge] > epoch:
                continue
            due[edge] += periods[edge]
            i, j = heads[edge], tails[edge]
            squared = 0.0
            for axis in range(p):
                squared += (places[i, axis] - places[j, axis]) ** 2
            if squared > 0.0:
                at = np.sqrt(squared) * scale
                if at < last:
                    pull = _read_force(tables[0], at)
                else:
                    power = squared**b
                    pull = -2.0 * a * b * power / (squared * (a * power + 1.0))
                for axis in range(p):
                    step = pull * (places[i, axis] - places[j, axis])
                    step = min(max(step, -4.0), 4.0) * rate
                    places[i, axis] += step
                    places[j, axis] -= step
            count = int((epoch - pushed[edge]) / rests[edge])
            pushed[edge] += count * rests[edge]
            for _ in range(count):
                # Knuth's linear congruential generator, its upper bits.
                state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                other = np.int64(np.uint32(state >> np.uint64(33)) % np.uint32(n))
                squared = 0.0
                for axis in range(p):
                    squared += (places[i, axis] - places[other, axis]) ** 2
                if squared > 0.0:
                    at = np.sqrt(squared) * scale
                    if at < last:
                        push = _read_force(tables[1], at)
                    else:
                        push = 2.0 * b / ((0.001 + squared) * (a * squared**b + 1.0))
                    for axis in range(p):
                        step = push * (places[i, axis] - places[other, axis])
                        places[i, axis] += min(max(step, -4.0), 4.0) * rate
