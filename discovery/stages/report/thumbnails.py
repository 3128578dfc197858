"""Which images are worth a thumbnail inside the page, given how many it may hold.

First what the page shows at once: medoids, exemplars, the strangest of the noise. What is left
is spread over the map, so that pointing at any cluster shows something.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from discovery.records import NOISE, Clustering, Proposal, Rarity

RARE_SHOWN = 24  # images of the strip "look at these first"


def choose_thumbnails(
    clustering: Clustering,
    proposals: Sequence[Proposal],
    *,
    limit: int = 3000,
    rarity: Rarity | None = None,
) -> list[str]:
    """Choose the images whose thumbnails the report embeds.

    Every proposal's medoid comes first, then the few rare images at the head of the page, then
    the exemplars in turn: a tight limit thins all proposals alike. At about 4 kB a thumbnail the
    default keeps the page near 16 MB.

    Parameters
    ----------
    limit : int
        At most that many.
    rarity : Rarity, optional
        The order of the rare images; else outlier scores alone say which are.

    Returns
    -------
    list of str
        Image ids without repetition, most wanted first.

    Raises
    ------
    ValueError
        The limit is negative.
    """
    if limit < 0:
        raise ValueError(f"limit is {limit}, expected 0 or more")
    ranked = sorted(proposals, key=lambda proposal: proposal.rank)
    first = find_rare(clustering) if rarity is None else rarity.positions[:RARE_SHOWN]
    rare = clustering.ids[first].tolist()
    medoids = [proposal.medoid for proposal in ranked]
    wanted = dict.fromkeys(chain(medoids, rare, _interleave(map(_list_pictures, ranked))))
    chosen = list(wanted)[:limit]
    return chosen + _spread(clustering, set(chosen), limit - len(chosen))


def find_rare(clustering: Clustering, count: int = RARE_SHOWN) -> NDArray[np.intp]:
    """Positions of the noise with the highest outlier scores, strangest first."""
    noise = np.flatnonzero(clustering.core_labels == NOISE)
    order = np.argsort(-clustering.outlier_scores[noise], kind="stable")
    return noise[order[:count]]


def _list_pictures(proposal: Proposal) -> Iterator[str]:
    yield from _interleave(proposal.exemplars[kind] for kind in ("central", "edge", "diverse"))


def _interleave(lists: Iterator[Iterator[str]] | Iterator[tuple[str, ...]]) -> Iterator[str]:
    """Take the first of each, then the second of each, and so on."""
    for layer in zip_longest(*lists):
        yield from (item for item in layer if item is not None)


def _spread(clustering: Clustering, taken: set[str], room: int) -> list[str]:
    """Fill the room from every cluster and the noise, in proportion to what each has left."""
    free = np.array([image_id not in taken for image_id in clustering.ids.tolist()], bool)
    positions = np.flatnonzero(free)
    # Small runs show every image.
    if room >= len(positions):
        return [str(image_id) for image_id in clustering.ids[positions]]
    # Sorted by cluster and, inside one, from firm to doubtful: equal steps along this order give
    # each cluster its share and show its whole range.
    firmness = clustering.memberships[positions] - clustering.outlier_scores[positions]
    ordered = positions[np.lexsort((-firmness, clustering.labels[positions]))]
    steps = (np.arange(room) + 0.5) * (len(ordered) / max(room, 1))
    return [str(image_id) for image_id in clustering.ids[ordered[steps.astype(np.intp)]]]
