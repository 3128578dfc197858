"""A lasso that comes with a decision: the images must lie inside it, or neither is recorded."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.review.regroup import inside
from discovery.review.server.context import ApiContext
from embeddings.errors import OptionError

_ROUNDING = 1e-6  # of the farthest corner: the map's places are float32


def check_lasso(
    context: ApiContext, selection: Mapping[str, Any] | None, values: Mapping[str, Any]
) -> None:
    """Refuse images that lie outside the lasso they are said to be chosen with.

    A person may have taken some out of what the lasso caught, so it may hold more than those.

    Parameters
    ----------
    selection : mapping or None
        How the images of an action were chosen; only one of the kind lasso is looked at.
    values : mapping
        The action's arguments: its `images`, or the first of its `parts`, which a lasso cut out.

    Raises
    ------
    OptionError
        The polygon is none, or images lie outside it.
    """
    if selection is None or selection.get("kind") != "lasso":
        return
    parts = values.get("parts") or [()]
    images = np.asarray(values.get("images", parts[0]), np.intp)
    outside = images[~_lie_inside(selection.get("polygon"), context.data.positions[images])]
    if len(outside):
        raise OptionError(
            f"{len(outside)} of {len(images)} images lie outside the lasso that came with them: "
            "load the page anew and draw it again"
        )


def _lie_inside(polygon: Any, places: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which places are inside, (n,); those on the line up to rounding, too."""
    try:
        corners = np.asarray(polygon, np.float64)
        found = inside(corners, places)
    except (TypeError, ValueError) as error:
        raise OptionError(f"selection: the lasso's polygon is none ({error})") from error
    near = np.flatnonzero(~found)
    step = _ROUNDING * max(1.0, float(np.abs(corners).max(initial=0.0)))
    # Both ways at once: beside a corner of the lasso one way alone leads along its line.
    for shift in itertools.product((-step, 0, step), repeat=2):
        found[near] |= inside(corners, places[near] + np.array(shift))
    return found
