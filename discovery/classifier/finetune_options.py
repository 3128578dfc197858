"""How the last stage of ResNet-50 is fine-tuned, and how long it may take."""

import math
from dataclasses import dataclass

from embeddings.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class FineTuneOptions:
    """How the last stage is fine-tuned.

    Attributes
    ----------
    epochs_head, epochs_stage : int
        Turns at most of the head alone, and of head and stage together.
    learning_rate_head, learning_rate_stage : float
        The highest of a warm-up and a cosine (AdamW). With a head that is trained too little,
        epoch 0 looks worse than the pretrained stage is, and any training like a gain.
    batch_size : int
        Copies a step of the stage.
    pictures : int
        Copies in one epoch of the stage at most: the held-out images are asked after each, so
        that early stopping is as fine on many images as on few.
    held_out_copies : int
        Copies of each held-out image that are asked.
    max_minutes : float
        Of the whole call.
    patience : int
        Epochs without a better held-out loss before it stops.
    max_map_bytes : int
        Memory for the maps of the frozen stages.
    seed : int
    """

    epochs_head: int = 40
    epochs_stage: int = 8
    learning_rate_head: float = 1e-3
    learning_rate_stage: float = 3e-5
    batch_size: int = 32
    pictures: int = 512
    held_out_copies: int = 4
    max_minutes: float = 4.0
    patience: int = 3
    max_map_bytes: int = 2 * 10**9
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs_head", "epochs_stage", "batch_size", "pictures", "held_out_copies",
                     "patience", "max_map_bytes"):  # fmt: skip
            if getattr(self, name) < 1:
                raise OptionError(f"{name} is {getattr(self, name)}, expected 1 or more")
        for name in ("learning_rate_head", "learning_rate_stage", "max_minutes"):
            # NaN fails the comparison.
            if not 0 < getattr(self, name) < math.inf:
                raise OptionError(f"{name} is {getattr(self, name)}, expected a number above 0")
        if self.seed < 0:
            raise OptionError(f"seed is {self.seed}, expected 0 or more")
