"""Extraction end to end against plain torchvision: the same images, the same network, in turns.

    python benchmarks/extract.py FOLDER --weights FILE [--rounds 3]
    python benchmarks/extract.py FOLDER --weights FILE --draw 300  (1024 x 1024)

Plain torchvision is what one would write first: Pillow, torchvision's transforms, ResNet-50 in
eager float32, batches of 16, no threads beside torch's own. Ours is the command: find, hash,
decode, embed, commit to a fresh store; openvino is the same with `--backend openvino`, where that
is installed, and lite the same with `--extractor lite`. Rounds alternate and ratios are taken round
by round, so that a machine that gets slower meanwhile favours none. Overlaps are of the ten nearest
neighbours by each with those by eager float32 of what ours sees of the pictures, on 200 of them.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.models import resnet50
from torchvision.transforms import v2

from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.extract.agreement import Agreement
from embeddings.extractors.resnet50 import EXTRACTOR as RESNET50
from embeddings.images import find_images
from embeddings.networks.by_openvino import has_openvino

BATCH = 16


def run_torchvision(files: list[Path], weights: str) -> None:
    """Embed with eager float32 torchvision, batch 16."""
    net = resnet50()
    net.load_state_dict(dict(RESNET50.read_weights("resnet50", weights).tensors), strict=False)
    net.fc = torch.nn.Identity()
    net.eval()
    prepare = v2.Compose(
        [
            v2.ToImage(),
            v2.Resize((224, 224), antialias=True),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    with torch.inference_mode():
        for start in range(0, len(files), BATCH):
            batch = [Image.open(path).convert("RGB") for path in files[start : start + BATCH]]
            net(torch.stack([prepare(image) for image in batch]))


def run_ours(folder: Path, options: ExtractOptions) -> Agreement | None:
    """Extract into a fresh store with the defaults of an extractor."""
    with tempfile.TemporaryDirectory() as scratch:
        return extract_vectors(folder, Path(scratch) / "store", options=options).agreement


def draw_images(folder: Path, n: int) -> None:
    """Write noisy JPEGs of 1024 x 1024 pixels: blobs and lines on a rough ground."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        rng = np.random.default_rng(number)
        side, kind = 1024, number % 6
        coarse = rng.normal(size=(4 << kind % 3, 4 << kind // 3)).astype(np.float32)
        ground = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
        shown = 128 + 25 * ground + rng.normal(size=(side, side)) * (6 + 2 * kind)
        x, y = rng.integers(100, 900, 2)
        size = int(rng.integers(20, 120))
        shown[y : y + size, x : x + (size if kind % 2 else 8)] += 60
        pixels = np.clip(shown, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04d}.jpg", quality=90)


def list_ours(weights: str) -> dict[str, ExtractOptions]:
    """Return the ways of ours that can be had here."""
    ways = {"ours": ExtractOptions(weights=weights)}
    if has_openvino():
        ways["openvino"] = ExtractOptions(weights=weights, backend="openvino")
    return ways | {"lite": ExtractOptions(extractor="lite")}


def main() -> None:
    """Alternate all and print images a second, ratios and overlaps as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--draw", type=int, metavar="N", help="draw N pictures into FOLDER first")
    args = parser.parse_args()
    if args.draw:
        draw_images(args.folder, args.draw)
    files = list(find_images(args.folder).files)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(json.dumps({
        "images": len(files), "device": device, "threads": torch.get_num_threads(),
        "torch": torch.__version__, "machine": platform.machine(),
    }))  # fmt: skip
    ways = list_ours(args.weights)
    ratios: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(args.rounds):
        plain = measure(len(files), lambda: run_torchvision(files, args.weights))
        told = {"round": number + 1, "load": os.getloadavg()[0], "torchvision images/s": plain}
        for name, options in ways.items():
            rate = measure(len(files), partial(run_ours, args.folder, options))
            ratios[name].append(rate / plain)
            told |= {f"{name} images/s": rate, f"{name} ratio": rate / plain}
        print(json.dumps({key: round(value, 2) for key, value in told.items()}), flush=True)
    print(json.dumps({f"median {name}": round(statistics.median(of), 2)
                      for name, of in ratios.items()}), flush=True)  # fmt: skip
    for name, options in ways.items():
        print(name, run_ours(args.folder, replace(options, check_precision=200)))


def measure(n: int, run: Callable[[], object]) -> float:
    """Return how many of n images a second a run does."""
    start = time.perf_counter()
    run()
    return n / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
