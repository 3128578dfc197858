"""The wafer map of each proposal: its signature, and the places that the report draws."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.stages.enrich.chance import adjust_pvalues
from discovery.stages.enrich.records import EnrichOptions, Positions, Signature
from discovery.stages.enrich.reticle import find_repeat
from discovery.stages.enrich.signature import RANDOM, name_signature

MOST_POINTS = 300  # drawn of a cluster: more fill the picture, and proposals.csv
MOST_GROUND = 200  # drawn of all images, behind them


def name_signatures(
    positions: Positions,
    labels: NDArray[np.int32],
    wafers: NDArray[np.int64] | None = None,
    *,
    options: EnrichOptions,
    seed: int = 0,
) -> dict[int, Signature]:
    """Name the spatial signature of each cluster, the false discovery rate held over all.

    Parameters
    ----------
    positions : Positions of n images
    labels : (n,) int32
        Cluster of each image, -1 for noise: the ground of all.
    wafers : (n,) int64, optional
        Numbered, -1 for unknown.
    """
    known = positions.known
    xy, inside = positions.xy[known], labels[known]
    named: list[Signature] = []
    for cluster in range(int(labels.max(initial=-1)) + 1):
        scanned = name_signature(
            xy, inside == cluster, alpha=options.q, draws=options.draws, seed=seed + cluster
        )
        repeat = find_repeat(positions, labels == cluster, wafers, alpha=options.q)
        named.append(repeat or scanned)
    p = np.array([signature.p for signature in named])
    told = np.isfinite(p)
    q = np.full(len(p), np.nan)
    q[told] = adjust_pvalues(p[told])
    return {cluster: _hold(one, float(q[cluster]), options.q) for cluster, one in enumerate(named)}


def _hold(signature: Signature, q: float, most: float) -> Signature:
    """Keep the name where it stands among all clusters; else it is random."""
    if signature.measures and q > most:
        return Signature(name=RANDOM, p=signature.p, q=q, size=signature.size)
    return replace(signature, q=q)


def sample_map(
    positions: Positions, members: NDArray[np.bool_], *, seed: int = 0
) -> dict[str, Any]:
    """Return the places to draw: JSON-ready, in thousandths of a radius, x and y in turn.

    Returns
    -------
    dict
        ``points`` and ``ground`` (all images of the round), each sampled where there are many;
        ``known``: members whose place is known; ``source``: the columns.
    """
    rng = np.random.default_rng(seed)
    known = positions.known
    return {
        "source": positions.source,
        "known": int((known & members).sum()),
        "points": _flatten(positions.xy[known & members], MOST_POINTS, rng),
        "ground": _flatten(positions.xy[known], MOST_GROUND, rng),
    }


def _flatten(xy: NDArray[np.float64], most: int, rng: np.random.Generator) -> list[int]:
    if len(xy) > most:
        xy = xy[np.sort(rng.choice(len(xy), most, replace=False))]
    return [int(value) for value in np.rint(1000 * xy).ravel()]
