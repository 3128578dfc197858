"""What can be said about training and using the classifier, and about fine-tuning."""

import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from discovery.classifier.enhance.denoise import DenoiseMethod
from embeddings.errors import OptionError
from embeddings.extract import ExtractOptions
from embeddings.extractors import find_extractor
from embeddings.paths import takes_paths

MAX_SEED = 2**32 - 1
# Options of extraction that say which images there are: here the table says it.
OF_TABLES = ("tile", "boxes", "only", "exclude", "metadata", "um_per_pixel", "vector_dtype")


@takes_paths
@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How the classifier is trained; what is left out is chosen from the images."""

    seed: int = 0
    """Of everything random; the same seed gives the same model on one machine."""
    target_purity: float = 0.95
    """Share of right answers wanted among those vouched for, at every level."""
    max_rejection: float | None = None
    """Instead of a purity: the largest share of known images that may go unanswered."""
    false_alarms: float = 0.05
    """Share of known images that may be called unknown."""
    epochs: int = 40
    """Turns of each small network over the images."""
    orientations: Literal[1, 8] = 8
    """8 sees every image in all its orientations; 1 where the way up tells types apart."""
    varied: int | None = None
    """Further copies of each image with noise, blur, drift and charging (default: 8 where there
    are fewer than 300 images)."""
    finetune: bool = False
    """Train the last stage of ResNet-50 too; kept only where held-out images gain by it."""
    finetune_minutes: float = 4.0
    """What fine-tuning may take at most."""
    noise_threshold: float | None = None
    """Noise, as a share of the grey range, above which an image is denoised first (default: what
    the training images have, and half as much again)."""
    denoise: DenoiseMethod = "nonlocal-means"
    """How noisy images are denoised."""
    ignore_store: bool = False
    """Compute all features anew, instead of taking extractor and vectors of the handoff's store."""
    extract: ExtractOptions = field(default_factory=ExtractOptions)

    def __post_init__(self) -> None:
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            # NaN fails the comparison; None is chosen from the images.
            if value is not None and not low <= value <= high:
                flag = "--" + name.replace("_", "-")
                raise OptionError(f"{flag} {value}: expected {low:g} to {high:g}")
        refuse_options(self.extract)
        if self.extract.data_bar == "crop":
            raise OptionError(
                "--data-bar crop has no effect here: the table says which images are meant; "
                "expected auto or keep"
            )
        if self.extract.check_precision is not None:
            raise OptionError(
                "--check-precision is for embeddings.extract and discovery.cluster, which make a "
                "store: leave it out here"
            )
        name = self.extract.extractor
        if self.finetune and name != "auto" and not find_extractor(name).tuned_layer:
            raise OptionError(f"--finetune needs ResNet-50; leave --extractor {name} out")


@takes_paths
@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Which images are answered, and where the network runs."""

    tile: int | None = None
    """Cut every picture into overlapping tiles of this side, one answer a tile."""
    boxes: Path | None = None
    """One answer a defect: a CSV with path,xmin,ymin,xmax,ymax (pixels), or a KLARF."""
    only: Path | None = None
    """Take only the images of this CSV (column image_id or path)."""
    exclude: tuple[str, ...] = ()
    """Leave out files that match these patterns, such as: 'masks/*'."""
    um_per_pixel: float | None = None
    """Pixel size in micrometres, which the boxes of a KLARF need."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs."""
    batch_size: int | None = None
    """Images a step of the network (default 16 on a CPU, 128 on a GPU)."""
    workers: int | None = None
    """Threads that read and decode (default: one a core, 16 at most)."""
    max_pixels: int = 100_000_000
    """Larger pictures are not read: a guard against decompression bombs."""

    def __post_init__(self) -> None:
        self.to_extract()  # its own checks refuse what is wrong, in the words of extraction

    def to_extract(self) -> ExtractOptions:
        """Return what the finding of images understands, checked."""
        return ExtractOptions(**{field.name: getattr(self, field.name) for field in fields(self)})


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


def refuse_options(options: ExtractOptions, names: tuple[str, ...] = OF_TABLES) -> None:
    """Refuse options that would have no effect.

    Raises
    ------
    OptionError
        One of them is given.
    """
    # By value: an option that says its default has no effect, and does no harm.
    default = ExtractOptions()
    for name in names:
        if getattr(options, name) != getattr(default, name):
            raise OptionError(
                f"--{name.replace('_', '-')} has no effect here: the table says which images are "
                "meant (an image_id names a page, tile or crop)"
            )


# Beyond these nothing sensible was meant: option, lowest, highest.
_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("seed", 0, MAX_SEED),
    ("target_purity", 0.5, 1),
    ("max_rejection", 0, 1),
    ("false_alarms", 0.001, 0.5),
    ("epochs", 1, 1000),
    ("varied", 0, 64),
    ("finetune_minutes", 0.1, 600),
    ("noise_threshold", 0.001, 0.9),
)
