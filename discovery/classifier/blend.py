"""Several answers to one question made one: the mean of their calibrated log-probabilities.

    blend = Blend.fit({"fused": logits, "deep": others}, targets)  # of images held out
    blend.answer({"fused": new, "deep": new_others})               # (n, k) probabilities

Which kind of features is best cannot be told from sixty images (docs/log.md), so that nothing is
chosen: each member is made as sure as its held-out answers deserve, and all count, less only those
that are worse beyond doubt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from discovery.classifier.evaluation.calibration import (
    apply_temperature,
    fit_temperature,
    measure_losses,
)

Floats = NDArray[np.float64]
Logits = Mapping[str, NDArray[np.floating]]

# Standard errors by which a member's held-out loss must exceed the best one's to be left out.
_BEYOND_DOUBT = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One of the answers of a blend.

    Attributes
    ----------
    temperature : float
    weight : float
        Its share, in [0, 1]; those of a blend add up to 1.
    loss : float or None
        Mean log loss of its calibrated answers to images held out; None where there were none.
    """

    temperature: float = 1.0
    weight: float = 1.0
    loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """How the members' logits become probabilities.

    Attributes
    ----------
    members : mapping of str to Member
    temperature : float
        Of the mean over the members.
    loss : float or None
        Mean log loss of the blend on the same held-out images.
    """

    members: Mapping[str, Member] = field(default_factory=dict)
    temperature: float = 1.0
    loss: float | None = None

    @classmethod
    def share_equally(cls, names: tuple[str, ...]) -> Self:
        """Return the blend where nothing was held out: every member as it comes."""
        return cls(members={name: Member(weight=1 / len(names)) for name in names})

    @classmethod
    def fit(cls, logits: Logits, targets: NDArray[np.intp]) -> Self:
        """Fit temperatures and weights to logits (n, k) of held-out images of classes (n,)."""
        temperatures = {name: fit_temperature(values, targets) for name, values in logits.items()}
        calibrated = {
            name: log_softmax(values / temperatures[name], axis=1)
            for name, values in logits.items()
        }
        losses = {name: measure_losses(values, targets) for name, values in calibrated.items()}
        kept = _list_kept(losses)
        members = {
            name: Member(
                temperature=temperatures[name],
                weight=1 / len(kept) if name in kept else 0.0,
                loss=float(losses[name].mean()),
            )
            for name in logits
        }
        blend = cls(members=members)
        mean = blend.average(logits)
        temperature = fit_temperature(mean, targets)
        loss = measure_losses(log_softmax(mean / temperature, axis=1), targets).mean()
        return cls(members=members, temperature=temperature, loss=float(loss))

    def average(self, logits: Logits) -> Floats:
        """Return the weighted mean (n, k) of the members' log-probabilities."""
        counted = {name: one for name, one in self.members.items() if one.weight > 0}
        parts = [
            one.weight * log_softmax(logits[name].astype(np.float64) / one.temperature, axis=1)
            for name, one in counted.items()
        ]
        return np.asarray(np.sum(parts, axis=0), np.float64)

    def answer(self, logits: Logits) -> Floats:
        """Return the probabilities (n, k) of the members' logits (n, k)."""
        return apply_temperature(self.average(logits), self.temperature)

    def answer_alone(self, name: str, logits: NDArray[np.floating]) -> Floats:
        """Return the probabilities (n, k) that one member alone would give."""
        return apply_temperature(logits, self.members[name].temperature)


def _list_kept(losses: Mapping[str, Floats]) -> list[str]:
    """List the members whose held-out losses (n,) are not worse than the best's beyond doubt."""
    best = min(losses, key=lambda name: float(losses[name].mean()))
    kept = []
    for name, values in losses.items():
        worse = values - losses[best]
        error = worse.std(ddof=1) / np.sqrt(len(worse)) if len(worse) > 1 else np.inf
        if name == best or not worse.mean() > _BEYOND_DOUBT * error:
            kept.append(name)
    return kept
