"""Large pictures by overlapping tiles: what several tiles saw of one defect becomes one box.

`merge_tiles` moves each tile's boxes to the picture and removes what was seen twice. A box that
ends at a tile's inner border was cut there: it goes where a neighbour saw more of the same defect.
Where no tile saw the whole of it (a long scratch), the pieces are united.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from discovery.detector.boxes import Boxes, intersect_areas, join_boxes
from embeddings.images import Region

OVERLAP = 0.25  # of a tile's side, or more where defects are larger (`choose_overlap`)
MOST_OVERLAP = 0.5  # beyond, every place is seen three times and more
SAME_IOU = 0.5  # two boxes that overlap by more are one defect, whatever their types
_INSIDE = 0.7  # share of a cut box that lies in a neighbour's: the same defect
# Share of the smaller box that lies in another of its type: the same defect. A long scratch is
# found whole and in part, and neither overlaps the other by half.
_NESTED = 0.8
_TOUCH = 2.0  # pixels from a tile's border within which a box was cut by it
_JOINED = 0.5  # share of the shorter side along which the pieces of a cut defect meet


def choose_overlap(lengths: NDArray[np.float32], tile: int) -> float:
    """Return the overlap at which nearly all defects of these lengths are whole in some tile.

    Parameters
    ----------
    lengths : (k,) float32
        Longer sides of boxes in pixels.
    tile : int
        Side of a tile in pixels.
    """
    if not len(lengths):
        return OVERLAP
    needed = 1.1 * float(np.percentile(lengths, 95)) / tile
    return min(max(OVERLAP, needed), MOST_OVERLAP)


def merge_tiles(
    found: Sequence[tuple[Region, Boxes]], size: tuple[int, int], *, iou: float = SAME_IOU
) -> Boxes:
    """Move the boxes of overlapping tiles to their picture, and keep one a defect.

    Parameters
    ----------
    found : sequence of (Region, Boxes)
        Each tile and its boxes, in the tile's pixels.
    size : (int, int)
        Width and height of the picture.
    iou : float
        Boxes with a larger intersection over union are one defect.

    Returns
    -------
    Boxes
        In the picture's pixels, highest score first.
    """
    moved = [boxes.transform((1, 1), (tile.x0, tile.y0)) for tile, boxes in found]
    cut = [_find_cut(boxes, tile, size) for boxes, (tile, _) in zip(moved, found, strict=True)]
    tiles = np.repeat(np.arange(len(found)), [len(boxes) for boxes in moved])  # (k,)
    everything = join_boxes(moved)
    is_cut = np.concatenate([np.zeros(0, bool), *cut])
    # Whole boxes first: a cut one with a higher score must not remove the whole defect.
    order = np.lexsort((-everything.scores, is_cut))
    everything, is_cut, tiles = everything.take(order), is_cut[order], tiles[order]
    kept = _suppress(everything, is_cut, tiles, iou=iou)
    united = _unite_pieces(everything.take(kept), is_cut[kept], tiles[kept])
    return united.take(np.argsort(-united.scores, kind="stable"))


def _find_cut(boxes: Boxes, tile: Region, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which boxes (picture pixels) end at a border of their tile that is not the picture's."""
    width, height = size
    right, bottom = tile.x0 + tile.width, tile.y0 + tile.height
    xmin, ymin, xmax, ymax = boxes.edges.T
    cut = (xmin <= tile.x0 + _TOUCH) & (tile.x0 > 0)
    cut |= (ymin <= tile.y0 + _TOUCH) & (tile.y0 > 0)
    cut |= (xmax >= right - _TOUCH) & (right < width)
    cut |= (ymax >= bottom - _TOUCH) & (bottom < height)
    return np.asarray(cut)


def _suppress(
    boxes: Boxes, is_cut: NDArray[np.bool_], tiles: NDArray[np.int64], *, iou: float
) -> NDArray[np.bool_]:
    """Keep a box, in this order, where no kept one is the same defect. One row at a time: O(k)."""
    kept = np.ones(len(boxes), bool)
    areas = boxes.areas
    for i in range(len(boxes)):
        if not kept[i]:
            continue
        common = intersect_areas(boxes.edges[i : i + 1], boxes.edges[i + 1 :])[0]  # (k - i - 1,)
        rest = areas[i + 1 :]
        alike = boxes.labels[i + 1 :] == boxes.labels[i]
        cut = is_cut[i + 1 :] & (tiles[i + 1 :] != tiles[i])
        same = common > iou * (areas[i] + rest - common)
        inside = cut & (common > _INSIDE * rest)
        nested = alike & (common > _NESTED * np.minimum(rest, areas[i]))
        if is_cut[i]:  # neither saw the whole: `_unite_pieces` joins what each saw of it
            inside &= ~alike
            nested &= ~cut
        kept[i + 1 :] &= ~(same | inside | nested)
    return kept


def _unite_pieces(boxes: Boxes, is_cut: NDArray[np.bool_], tiles: NDArray[np.int64]) -> Boxes:
    """Unite cut boxes of one type from different tiles that overlap as pieces of one defect do."""
    pieces = np.flatnonzero(is_cut)
    links = [np.zeros((0, 2), np.int64)]
    for at, i in enumerate(pieces[:-1]):  # one row at a time: O(k) memory, of thousands of pieces
        rest = pieces[at + 1 :]
        alike = (tiles[rest] != tiles[i]) & (boxes.labels[rest] == boxes.labels[i])
        joined = rest[alike & _are_joined(boxes.edges[i], boxes.edges[rest])]
        links.append(np.stack([np.full(len(joined), i), joined], axis=1))
    rows, columns = np.concatenate(links).T
    k = len(boxes)
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(k, k))
    # Pieces of a chain need not touch each other: a scratch over five tiles is one defect.
    _, groups = connected_components(graph, directed=False)  # (k,)
    _, firsts = np.unique(groups, return_index=True)
    edges, scores = boxes.edges[firsts], boxes.scores[firsts]
    np.minimum.at(edges[:, :2], groups, boxes.edges[:, :2])
    np.maximum.at(edges[:, 2:], groups, boxes.edges[:, 2:])
    np.maximum.at(scores, groups, boxes.scores)
    return Boxes(edges=edges, labels=boxes.labels[firsts], scores=scores)


def _are_joined(piece: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of (k, 4) pieces overlap one in both directions, in one along most of the shorter."""
    common = np.minimum(piece[2:], others[:, 2:]) - np.maximum(piece[:2], others[:, :2])  # (k, 2)
    shorter = np.minimum(piece[2:] - piece[:2], others[:, 2:] - others[:, :2])
    return np.asarray((common > 0).all(axis=1) & (common >= _JOINED * shorter).any(axis=1))
