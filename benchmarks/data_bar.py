"""What two tools' data bars do to the types that are found, and what leaving them out gives back.

Steel surfaces of NEU-DET, each as if taken by one of two microscopes: one writes a framed bar of
white on black below its pictures, the other one line of black on white. The same pictures are
grouped without bars, with the bars kept, and with them left out.

    python benchmarks/data_bar.py --data ../shared/data --out /tmp/bars
"""

import argparse
import json
import subprocess  # nosec B404 # the project's own commands, without a shell
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

ROWS = 20  # of 200: a tenth of the picture
WAYS = {"without bars": ("alone", "auto"), "kept": ("bars", "keep"), "left out": ("bars", "auto")}
KEYS = ("k_found", "acc", "ari", "label_accuracy", "decisions", "types_found")


def main() -> None:
    """Draw the pictures of each seed, group them three ways, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with neu_det")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures and runs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=30, help="of each type")
    given = parser.parse_args()
    print("| way | seed |", " | ".join(KEYS), "|")
    for seed in range(given.seeds):
        folder = given.out / f"seed{seed}"
        draw_set(given.data / "neu_det", folder, images=given.images, seed=seed)
        for way, (kind, use) in WAYS.items():
            figures = score(folder / kind, folder / f"run-{kind}-{use}", use=use, seed=seed)
            shown = (f"{figures[key]:.3f}".removesuffix(".000") for key in KEYS)
            print("|", way, "|", seed, "|", " | ".join(shown), "|", flush=True)


def draw_set(source: Path, folder: Path, *, images: int, seed: int) -> None:
    """Write the pictures with and without bars, each with its truth.csv."""
    rng = np.random.default_rng(seed)
    table = pd.read_csv(source / "labels.csv")
    for kind in ("alone", "bars"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    rows = []
    for label, own in table.groupby("label"):
        for number, path in enumerate(rng.permutation(own["path"].to_numpy())[:images]):
            with Image.open(source / path) as opened:
                picture = np.asarray(opened.convert("L"))
            name = f"{str(label).replace('/', '-')}_{number:03}.png"
            bar = draw_bar(picture.shape[1], tool=int(rng.integers(2)), rng=rng)
            Image.fromarray(picture).save(folder / "alone" / name)
            Image.fromarray(np.concatenate([picture, bar])).save(folder / "bars" / name)
            rows.append((name, label))
    for kind in ("alone", "bars"):
        pd.DataFrame(rows, columns=["path", "label"]).to_csv(
            folder / kind / "truth.csv", index=False
        )


def draw_bar(width: int, *, tool: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw the bar of one of two microscopes, with its own magnification, date and time."""
    paper, ink = (0, 255) if tool == 0 else (255, 0)
    image = Image.new("L", (width, ROWS), paper)
    pen = ImageDraw.Draw(image)
    words = f"{rng.integers(1, 30)}.0kV x{rng.integers(1, 400) * 250} {rng.uniform(2, 12):.1f}mm"
    date = f"{rng.integers(1, 13)}/{rng.integers(1, 29)}/2025 {rng.integers(24):02}:15"
    if tool == 0:
        font = ImageFont.load_default(8)
        pen.rectangle((0, 0, width - 1, ROWS - 1), outline=ink)
        pen.text((4, 1), words, fill=ink, font=font)
        pen.text((4, 10), date, fill=ink, font=font)
        pen.rectangle((width - 18, 3, width - 4, ROWS - 4), fill=ink)  # its logo
    else:
        pen.text((4, 4), f"{words} {date}", fill=ink, font=ImageFont.load_default(9))
    pen.line((width * 2 // 3, ROWS - 4, width - 24, ROWS - 4), fill=ink)
    return np.asarray(image)


def score(images: Path, run: Path, *, use: str, seed: int) -> dict[str, float]:
    """Group the pictures as a user would, and hold the groups against the truth."""
    python = [sys.executable, "-m"]
    cluster = ["discovery.cluster", images, "--out", run, "--extractor", "lite"]
    options = ["--data-bar", use, "--seed", seed]
    evaluate = ["discovery.evaluate", run, images / "truth.csv", "--out", run / "metrics.json"]
    for command in ([*cluster, *options], evaluate):
        words = [*python, *map(str, command)]
        subprocess.run(words, check=True, capture_output=True)  # nosec B603 # words of this file
    figures: dict[str, float] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return figures


if __name__ == "__main__":
    main()
