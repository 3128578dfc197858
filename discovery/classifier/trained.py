"""A training that is done: what it says of itself, and what its user must know."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.describe import Described
from discovery.classifier.evidence import summarise_members
from discovery.classifier.examples import Examples, describe_faults
from discovery.classifier.features import FeatureSource
from discovery.classifier.options import TrainOptions
from discovery.runs import package_versions
from embeddings.console import get_logger
from embeddings.plurals import tell_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A cascade with what it was fitted on: `learned` aligned with `described`."""

    cascade: CascadeClassifier
    source: FeatureSource
    learned: Examples
    described: Described
    finetuned: bool = False

    def score_held_out(self) -> dict[str, Any]:
        """Score the answers to the training images while each was held out."""
        held_out = self.cascade.calibration_.held_out
        if held_out is None:
            return {"n": 0, "accuracy": None, "flat_accuracy": None}
        scores = held_out.score(self.learned.labels)
        return scores | {"finetuned": 1} if self.finetuned else scores


def format_scores(scores: Mapping[str, Any]) -> dict[str, str]:
    """Write the scores of held-out images for a line of the log."""
    if not scores["n"]:
        return {"held out": "none"}
    return {
        "held-out accuracy": f"{scores['accuracy']:.3f}",
        "flat baseline": f"{scores['flat_accuracy']:.3f}",
    }


def warn_of_training(trained: Trained) -> None:
    """Say what a user must know of what was learned."""
    log, learned, cascade = get_logger(), trained.learned, trained.cascade
    faults = [*learned.faults, *trained.described.faults]
    if faults:
        log.warning(
            "WARNING: %s could not be used: %s",
            tell_count(len(faults), "labelled image"), describe_faults(faults),
        )  # fmt: skip
    counts = Counter(learned.labels.tolist())
    # They are always learned and never held out.
    if single := sorted(label for label, count in counts.items() if count == 1):
        log.warning(
            "WARNING: learned from one image each, so that nothing can vouch for them: %s",
            ", ".join(single),
        )
    if np.isinf(cascade.calibration_.thresholds).any():
        log.warning(
            "WARNING: no confidence gives the purity that is asked for (%s) at every level: "
            "answers stop above it; label more images, or lower --target-purity",
            cascade.target_purity,
        )


def summarise_training(trained: Trained, options: TrainOptions) -> dict[str, Any]:
    """Return what a model says of its training, JSON-ready."""
    learned = trained.learned
    chosen = asdict(options)
    del chosen["extract"]  # the spec says what came of it
    return {
        "source": learned.source,
        "sha256": learned.sha256,
        "digest": learned.digest,
        # As one text: a line each would fill model.json.
        "image_ids": " ".join(sorted(part.image_id for part in learned.parts)),
        "images": len(learned),
        "types": dict(sorted(Counter(learned.labels.tolist()).items())),
        "left_out": learned.left_out,
        "unusable": len(learned.faults) + len(trained.described.faults),
        "weighted": int((learned.weights < 1).sum()),
        "options": chosen,
        "held_out": trained.score_held_out(),
        "members": summarise_members(trained.cascade, learned.labels),
        "versions": package_versions(),
        "warnings": list(trained.source.warnings),
    }
