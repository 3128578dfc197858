"""What each node is answered by, with which weight, and on which evidence: for people to read."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.evaluation.correctness import judge_answers

MEMBER_WORDS: Final[Mapping[str, str]] = {
    "fused": "network on all features",
    "deep": "network on deep features",
    "classical": "network on classical features",
    "linear": "linear, on all features",
}


def summarise_members(cascade: CascadeClassifier, labels: NDArray[np.str_]) -> list[dict[str, Any]]:
    """Summarise the members of a cascade that was just fitted to images of these labels (n,).

    Returns
    -------
    list of dict
        One a member: ``name``, ``held_out_accuracy`` of its answers alone to images that were
        held out (None where there were none), ``weights`` and ``held_out_losses`` at each node;
        the last, of the name ``mean``, is what the cascade answers.
    """
    calibration = cascade.calibration_
    held = calibration.held_out
    blends = calibration.blends
    rows: list[dict[str, Any]] = []
    for name in cascade.members_:
        right = None if held is None else judge_answers(held.alone[name], labels[held.which])
        rows.append(
            {
                "name": name,
                "held_out_accuracy": None if right is None else float(right.mean()),
                "weights": {node: blend.members[name].weight for node, blend in blends.items()},
                "held_out_losses": {n: blend.members[name].loss for n, blend in blends.items()},
            }
        )
    accuracy = None if held is None else held.score(labels)["accuracy"]
    losses = {node: blend.loss for node, blend in blends.items()}
    rows.append({"name": "mean", "held_out_accuracy": accuracy, "held_out_losses": losses})
    return rows


def describe_members(rows: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Yield a line a member: its weight at each node, and what held-out images say of it.

    Parameters
    ----------
    rows : iterable of mapping
        As `summarise_members` returns them.
    """
    for row in rows:
        name = MEMBER_WORDS.get(row["name"], "their mean, which answers")
        weights = row.get("weights", {})
        if len({round(weight, 2) for weight in weights.values()}) == 1:
            share = f"weight {next(iter(weights.values())):.2f}"
        else:
            each = (f"{node or 'top'} {weight:.2f}" for node, weight in weights.items())
            share = f"weight {', '.join(each)}"
        parts = [share] if weights else []
        if row["held_out_accuracy"] is not None:
            parts.append(f"held-out accuracy {row['held_out_accuracy']:.3f}")
        losses = [loss for loss in row["held_out_losses"].values() if loss is not None]
        if losses:
            parts.append(f"log loss {', '.join(f'{loss:.3f}' for loss in losses)}")
        yield f"{name}: {'; '.join(parts) or 'no image was held out'}"
