"""How well images of a type nobody trained on are told from the known ones.

The honest test is to leave a type out: train without it, then see whether its images come out
more novel than held-out images of the known types. `score_novelty` scores one such round,
`summarise_left_out` puts the rounds together.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

FALSE_ALARMS = 0.05
_MEASURES = ("auroc", "recall_at_5_false_alarms")


def score_novelty(
    novelties_known: NDArray[np.floating], novelties_unknown: NDArray[np.floating]
) -> dict[str, Any]:
    """Score (n,) novelties of known types against (m,) of an unknown one.

    Returns
    -------
    dict
        ``auroc`` : probability that an unknown image is more novel than a known one; 0.5 is
        chance. ``recall_at_5_false_alarms`` : share of unknown images above the lowest limit
        that at most 5 % of the known ones exceed. Both None where either side is empty.
        ``n_known``, ``n_unknown`` : counts.
    """
    counts = {"n_known": len(novelties_known), "n_unknown": len(novelties_unknown)}
    if not all(counts.values()):
        return {**dict.fromkeys(_MEASURES), **counts}
    values = np.concatenate([novelties_known, novelties_unknown]).astype(np.float64)
    unknown = np.arange(len(values)) >= len(novelties_known)
    descending = np.sort(values[~unknown])[::-1]
    limit = descending[int(FALSE_ALARMS * len(descending) + 1e-9)]
    return {
        "auroc": float(roc_auc_score(unknown, values)),
        "recall_at_5_false_alarms": float(np.mean(values[unknown] > limit)),
        **counts,
    }


def summarise_left_out(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Put together what `score_novelty` gave for each type that was left out.

    Parameters
    ----------
    results : mapping of label to mapping

    Returns
    -------
    dict
        ``types`` : one row a type, with its ``label``, the hardest to detect first and those
        that could not be scored last. ``mean`` : of each measure over the types, every type
        counting the same; None where none could be scored. ``worst`` : label of the hardest.
    """
    rows = [{"label": label, **result} for label, result in results.items()]
    rows.sort(key=_rank_hardness)
    scored = [row for row in rows if row["auroc"] is not None]
    mean = {
        name: float(np.mean([row[name] for row in scored])) if scored else None
        for name in _MEASURES
    }
    return {"types": rows, "mean": mean, "worst": scored[0]["label"] if scored else None}


def _rank_hardness(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    unscored = row["auroc"] is None
    return unscored, 0.0 if unscored else row["auroc"], row["label"]
