"""What the default route finds in real inspection images, against the truth they come with.

Each set takes a minute or two to embed. Where the environment variable DEFECT_DISCOVERY_STORES
names a folder, its stores (one a set) are brought up to date and used, so that it is done once.
"""

import json
import os
from pathlib import Path

import pytest

from discovery import RoundOptions, discover_types
from discovery.evaluate import EvaluateOptions
from discovery.evaluate import main as evaluate
from embeddings.extract import ExtractOptions, extract_vectors

SHARED = Path(__file__).resolve().parents[3] / "shared"
WEIGHTS = SHARED / "weights" / "resnet50-imagenet-pq.safetensors"

# Source and the least each score must be. What was measured before is in docs/log.md.
SETS = {
    "neu_det": (".", {"acc": 0.88, "label_accuracy": 0.985, "coverage": 0.98}),
    "magnetic_tile": ("labels.csv", {"nmi": 0.23, "label_accuracy": 0.60, "coverage": 0.80}),
    "wm811k": ("labels.csv", {"ari": 0.32, "label_accuracy": 0.66, "coverage": 0.92}),
}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not WEIGHTS.exists(), reason=f"the weights are not in {WEIGHTS.parent}"),
]


def find_types(source, run, *, name):
    """Run a round by the default route, on a kept store where there is one."""
    extract = ExtractOptions(weights=str(WEIGHTS))
    options = RoundOptions(extract=extract, thumbnails=0)
    if kept := os.environ.get("DEFECT_DISCOVERY_STORES"):
        extract_vectors(source, Path(kept) / name, options=extract)
        source, options = Path(kept) / name, RoundOptions(thumbnails=0)
    discover_types(source, run, options=options)


@pytest.mark.parametrize("name", SETS)
def test_the_default_route_finds_the_types(name, tmp_path):
    data = SHARED / "data" / name
    if not data.exists():
        pytest.skip(f"{data} is not there")
    source, least = SETS[name]
    find_types(data / source, tmp_path / "run", name=name)
    out = tmp_path / "metrics.json"
    evaluate(EvaluateOptions(run=tmp_path / "run", truth=data / "labels.csv", out=out))
    scores = json.loads(out.read_text())
    assert 0 == scores["missing"]
    too_low = {key: scores[key] for key, bound in least.items() if scores[key] < bound}
    assert not too_low, scores
