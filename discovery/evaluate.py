"""The command discovery.evaluate: a run's clusters against the truth.

python -m discovery.evaluate RUN TRUTH.csv --out metrics.json
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import tyro

from discovery.runs import COPIES, Run, open_run
from discovery.stages.duplicates import group_files
from discovery.stages.score import score_clustering, score_once
from discovery.stages.truth import Matched, TruthRow, match_truth, read_truth
from embeddings.console import run_command, say, track
from embeddings.errors import ImageError, InputError
from embeddings.files import check_out_file, write_bytes
from embeddings.images import fingerprint_file

_PROG = "python -m discovery.evaluate"
_SCORES = rb'\{\s*"n": [0-9]+,\s*"k_true"'  # of metrics.json: such a file may be written over


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """Score a run's clusters against a truth table.

    Attributes
    ----------
    run : Path
        Folder that discovery.cluster made.
    truth : Path
        CSV with the columns path and label. A path is absolute or starts at the table's folder;
        images are matched by content. A column image_id names tiles and crops exactly.
    out : Path
        File to write the scores into.
    """

    run: tyro.conf.Positional[Path]
    truth: tyro.conf.Positional[Path]
    out: Path


def main(options: EvaluateOptions) -> None:
    """Score, write the scores and say them; the last line says where they are."""
    check_out_file(options.out, options.truth, begins=_SCORES)
    run = open_run(options.run)
    images = run.load_images()
    truth = read_truth(options.truth)
    matched = match_truth(images, truth, _fingerprint_files(truth))
    if not len(matched.labels):
        raise InputError(
            f"none of the {len(images)} images of {options.run} is in {options.truth}: "
            "its paths start at its own folder, give the truth of these images"
        )
    scores: dict[str, Any] = dict(score_clustering(matched.labels, matched.truth))
    # What could not be compared is counted, never left out in silence.
    scores |= {"left_out": matched.left_out, "missing": matched.missing}
    scores |= _score_once(run, images, matched)
    write_bytes(options.out, (json.dumps(scores, indent=2) + "\n").encode())
    for line in _format_scores(scores):
        say(line)
    say(str(options.out))


def _score_once(run: Run, images: pd.DataFrame, matched: Matched) -> dict[str, Any]:
    """Score each picture once, however many copies of it the truth names."""
    data = run.check(COPIES).read_bytes() if (run.path / COPIES).exists() else None
    groups = group_files(images["image_id"].tolist(), data)[matched.rows]
    once = score_once(matched.labels, matched.truth, groups)
    copies, disagreeing = once.pop("copies"), once.pop("disagreeing")
    # Files that share an image id are the same bytes.
    exact = len(groups) - images["image_id"].iloc[matched.rows].nunique()
    return {
        "duplicates": {
            "exact": exact,
            # Not looked for is not none.
            "near": None if data is None else copies - exact,
            "disagreeing": disagreeing,
        },
        "counted_once": once,
    }


def _fingerprint_files(truth: Sequence[TruthRow]) -> dict[str, str]:
    """Fingerprint the truth's files that can be read; the others are matched by path."""
    # A row with an image id needs no file: tiles and crops have none.
    paths = dict.fromkeys(row.path for row in truth if not row.image_id)
    fingerprints = {}
    for path in track(paths, total=len(paths), what="truth"):
        try:
            fingerprints[path] = fingerprint_file(Path(path))
        except ImageError:
            continue
    return fingerprints


def _format_scores(scores: dict[str, Any]) -> list[str]:
    copies, once = scores["duplicates"], scores["counted_once"]
    near = "near not looked for" if copies["near"] is None else f"{copies['near']} near"
    shares = ("acc", "nmi", "ami", "ari", "purity")
    return [
        f"images          {scores['n']} ({scores['left_out']} of the run without truth left out, "
        f"{scores['missing']} of the truth not in the run)",
        f"types, clusters {scores['k_true']}, {scores['k_found']}",
        f"noise           {scores['noise']:.1%}",
        *(f"{name:<15} {scores[name]:.3f}" for name in shares),
        f"decisions       {scores['decisions']}: one name a cluster, that of its majority, "
        f"labels {scores['coverage']:.1%} of the images,",
        f"                {scores['label_accuracy']:.1%} of them rightly; "
        f"{scores['types_found']:.0%} of the types are found",
        f"copies          {copies['exact']} exact, {near}; each picture counted once: "
        f"ari {once['ari']:.3f}, label accuracy {once['label_accuracy']:.1%}",
    ]


if __name__ == "__main__":
    sys.exit(run_command(main, EvaluateOptions, prog=_PROG))
