"""Extraction end to end against plain torchvision: the same images, the same network, in turns.

    python benchmarks/extract.py FOLDER --weights FILE [--rounds 3]

Plain torchvision is what one would write first: Pillow, torchvision's transforms, ResNet-50 in
eager float32, batches of 16, no threads beside torch's own. Ours is the command: find, hash,
decode, embed, commit to a fresh store; lite is the same with `--extractor lite`. Rounds alternate
and ratios are taken round by round, so that a machine that gets slower meanwhile favours none.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image
from torchvision.models import resnet50
from torchvision.transforms import v2

from embeddings.extract import ExtractOptions, extract_vectors
from embeddings.extractors.resnet50 import EXTRACTOR as RESNET50
from embeddings.images import find_images

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


def run_ours(folder: Path, options: ExtractOptions) -> None:
    """Extract into a fresh store with the defaults of an extractor."""
    with tempfile.TemporaryDirectory() as scratch:
        extract_vectors(folder, Path(scratch) / "store", options=options)


def main() -> None:
    """Alternate the two and print images a second and ratios as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    files = list(find_images(args.folder).files)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(json.dumps({
        "images": len(files), "device": device, "threads": torch.get_num_threads(),
        "torch": torch.__version__, "machine": platform.machine(),
    }))  # fmt: skip
    ratios, gains = [], []
    for number in range(args.rounds):
        start = time.perf_counter()
        run_torchvision(files, args.weights)
        plain = len(files) / (time.perf_counter() - start)
        start = time.perf_counter()
        run_ours(args.folder, ExtractOptions(weights=args.weights))
        ours = len(files) / (time.perf_counter() - start)
        start = time.perf_counter()
        run_ours(args.folder, ExtractOptions(extractor="lite"))
        lite = len(files) / (time.perf_counter() - start)
        ratios.append(ours / plain)
        gains.append(lite / ours)
        print(json.dumps({
            "round": number + 1, "torchvision images/s": round(plain, 1),
            "ours images/s": round(ours, 1), "ratio": round(ratios[-1], 2),
            "lite images/s": round(lite, 1), "lite to ours": round(gains[-1], 2),
        }), flush=True)  # fmt: skip
    medians = {"median ratio": ratios, "median lite to ours": gains}
    print(json.dumps({name: round(statistics.median(of), 2) for name, of in medians.items()}))


if __name__ == "__main__":
    main()
