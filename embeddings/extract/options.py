"""What a user can say about extraction: the same object for Python, command line and provenance."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from embeddings.errors import OptionError
from embeddings.extractors import NETWORK_OPTIONS, find_extractor
from embeddings.paths import takes_paths
from embeddings.records import COMPARING, Level, Pooling, Resize, View

DataBarOption = Literal["auto", "keep", "crop"]


@takes_paths
@dataclass(frozen=True, kw_only=True)
class ExtractOptions:
    """How images become vectors. What is left out is decided by the store, or by the defaults."""

    extractor: str = "auto"
    """resnet50; lite (EfficientNet-Lite0, whose weights are installed with the package); texture
    (GLCM, LBP, Zernike: no weights); timm:NAME (any backbone of timm, where that is installed); or
    auto: ResNet-50 where its weights are here or can be had, else lite. An existing store's
    extractor wins."""
    weights: str | None = None
    """imagenet (IMAGENET1K_V2), imagenet-v1, or a file: safetensors or a state dict."""
    layers: tuple[str, ...] | None = None
    """Layers of the network that are pooled and joined; a new store takes of ResNet-50 layer3
    layer4 (layer2 layer3 with defect, layer2 layer3 layer4 where it is known what is normal)."""
    pooling: Pooling | None = None
    """Over the picture: mean, max (a small defect counts as a large one does), gem, which lies
    between, or defect, where places count by how unlike the other images they are. With --normal,
    or where a CSV has a column reference (the golden image), defect is residual: what a place has
    that the normal one most like it has not. A new store takes max."""
    normal: Path | None = None
    """Folder of defect-free images, for --pooling defect or residual."""
    tau: float | None = None
    """How much more unlike places count, for --pooling defect or residual: large is the mean, small
    the strangest place alone; a new store takes 1 (2 with --normal or a reference)."""
    turns: Literal[1, 4, 8] | None = None
    """4: the same vector whichever way up a picture lies (four times the work); 8: mirrored, too
    (eight times); a new store takes 1."""
    size: int | None = None
    """Side in pixels of the square the network sees, the longest side with --fit aspect; a new
    store takes 224 (with --normal: 448; texture: 256)."""
    fit: Literal["pad", "stretch", "aspect"] | None = None
    """pad fills up a square, stretch makes one, aspect keeps the picture's own shape; a new store
    takes stretch."""
    resize: Resize | None = None
    """auto takes nearest for pictures of eight grey levels or fewer (wafer maps); a new store takes
    bilinear."""
    view: View | None = None
    """How pictures are shown to the network: picture as they are; highlight what is around the
    region that stands out, without the background. Those of eight grey levels or fewer: map as a
    wafer map without lone bad dies, polar how dense bad dies lie by radius and angle. Level 0 is
    outside of the wafer, the next one a good die; a new store takes picture."""
    level: Level | None = None
    """AFM levelling: subtract a plane, or each scan line's median."""
    data_bar: DataBarOption | None = None
    """The band of text that an electron microscope writes along an edge. auto leaves it out where
    it is found, keep shows it to the network as any other part of the picture, crop leaves it out
    and puts pictures without one to quarantine. A new store takes auto; ids, boxes and what is
    shown are always of the whole picture."""
    window: tuple[float, float] | None = None
    """Grey levels shown as black and white, instead of the ones found in the images."""
    tile: int | None = None
    """Cut every picture into overlapping tiles of this side, one row a tile."""
    boxes: Path | None = None
    """One crop a defect: a CSV with path,xmin,ymin,xmax,ymax (pixels), or a KLARF."""
    only: Path | None = None
    """Take only the images of this CSV (column image_id or path; with a column verdict, only
    unknown and undecided ones)."""
    exclude: tuple[str, ...] = ()
    """Leave out files that match these patterns, such as: 'masks/*'."""
    um_per_pixel: float | None = None
    """Pixel size in micrometres, where the images do not say it."""
    metadata: Path | None = None
    """CSV or KLARF joined on the file name: lot, wafer, tool, chamber, recipe, step, anything."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs."""
    backend: Literal["auto", "torch", "openvino"] = "auto"
    """Who computes: torch, or OpenVINO on a CPU (pip install 'defect-discovery[openvino]'); a new
    store takes torch."""
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    """Arithmetic of the network: auto takes fp16 on a GPU, bf16 where a CPU has it."""
    check_precision: int | None = None
    """Hold the vectors of this many of your images, evenly spread, against float32 by torch on the
    CPU, and say how many of their ten nearest neighbours are the same (200 say enough)."""
    batch_size: int | None = None
    """Images a step of the network (default 16 on a CPU, 128 on a GPU)."""
    workers: int | None = None
    """Threads that read and decode (default: one a core, 16 at most); with --engine ray, of each
    of its workers, which takes as many processors (default 4)."""
    max_pixels: int = 100_000_000
    """Larger pictures go to quarantine: a guard against decompression bombs."""
    engine: Literal["local", "ray"] = "local"
    """Where vectors are made and neighbours found: on this machine, or by a Ray cluster whose
    machines all see the images and the store under the same paths."""
    ray_address: str | None = None
    """With --engine ray: HOST:PORT of the cluster; left out, the one that RAY_ADDRESS names, else
    one of this machine's processors is started."""
    vector_dtype: Literal["float32", "fp16"] | None = None
    """How a new store keeps its vectors: fp16 takes half the room."""
    commit_every: int = 1024
    """Images a commit at most; a crash costs no more than these, or than 20 seconds."""

    def __post_init__(self) -> None:
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                flag = "--" + name.replace("_", "-")
                raise OptionError(f"{flag} {value}: expected {low:g} to {high:g}")
        if self.window is not None:
            _check_window(*self.window)
        if self.layers == ():
            raise OptionError("--layers: expected one layer or more, such as layer3 layer4")
        if self.tile is not None and self.boxes is not None:
            raise OptionError("--tile and --boxes: expected one of them, each cuts the pictures")
        if self.ray_address is not None and self.engine != "ray":
            raise OptionError("--ray-address is for --engine ray: give both, or leave it out")
        if self.backend == "openvino" and self.device == "cuda":
            raise OptionError("--backend openvino runs on a CPU: leave --device cuda out")
        self._check_extractor()
        if self.view == "polar" and self.turns in (4, 8):
            raise OptionError(
                f"--turns {self.turns} and --view polar: by angle a turned wafer is a shifted "
                "picture, not a turned one; leave --turns out, or use --view map"
            )
        if self.pooling not in (None, *COMPARING) and self.asks_for_bank:
            flag = "--tau" if self.normal is None else "--normal"
            raise OptionError(f"{flag} is for --pooling defect or residual, not {self.pooling}")

    @property
    def threads(self) -> int:
        """How many threads read and decode."""
        return self.workers or min(os.cpu_count() or 1, 16)

    def _check_extractor(self) -> None:
        if self.extractor == "auto":
            return
        plugin = find_extractor(self.extractor)
        if self.backend == "openvino" and not plugin.is_network:
            raise OptionError(
                f"--backend openvino: --extractor {self.extractor} is no network; leave one out"
            )
        given = {name for name in NETWORK_OPTIONS if getattr(self, name) is not None}
        lacking = sorted(given - plugin.takes)
        if lacking:
            raise OptionError(
                f"--extractor {self.extractor} has no {', '.join(lacking)}: leave that out, or "
                "use --extractor resnet50 or lite"
            )

    @property
    def asks_for_bank(self) -> bool:
        """Whether an option is given that only a pooling that compares patches has."""
        return self.normal is not None or self.tau is not None


def _check_window(low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise OptionError(f"--window {low:g} {high:g}: expected two levels, the lower one first")


_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("size", 32, 2048),
    ("tau", 0.01, 100),
    ("tile", 16, 8192),
    ("um_per_pixel", 1e-6, 1e6),
    ("check_precision", 12, 5000),
    ("batch_size", 1, 4096),
    ("workers", 1, 256),
    ("commit_every", 1, 1_000_000),
    ("max_pixels", 256, 10_000_000_000),
)
