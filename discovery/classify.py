"""The command of the hierarchical classifier: learn named types, answer images, be judged.

    python -m discovery.classify train HANDOFF --out MODEL
    python -m discovery.classify predict MODEL IMAGES --out predictions.csv
    python -m discovery.classify evaluate MODEL TRUTH.csv --out metrics.json

predictions.csv is what `discovery.cluster --only` takes: its unknown and undecided rows go back
to discovery. evaluate also writes a page with the pictures beside metrics.json.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from discovery.classifier.options import PredictOptions, TrainOptions, refuse_options
from discovery.runs.checkpoint import CHECKPOINT, Checkpoint
from embeddings.alike_faults import tell_faults
from embeddings.console import get_logger, run_command, say
from embeddings.errors import InputError, OptionError
from embeddings.extractors import find_extractor
from embeddings.files import (
    FAULT_COLUMNS,
    check_out_file,
    format_faults,
    match_header,
    write_bytes,
)
from embeddings.locks import working
from embeddings.plurals import tell_count

if TYPE_CHECKING:
    from embeddings.reader import Fault

_PROG = "python -m discovery.classify"
_FAULTS = ".quarantine.csv"  # beside the answers: their own name goes before
# What the files begin with that are written, and may be written over.
_PREDICTIONS = match_header(
    ("image_id", "path", "label", "confidence", "verdict"),
    more="(,p_L[0-9]+)*,forced,novelty,noise",
)
_SCORES = rb'\{\s*"n": [0-9]+,\s*"accuracy"'
_PAGE = rb"(?s)<!DOCTYPE html>.*<title>How good the classifier is"


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train from a handoff, or any CSV with the columns path and label."""

    handoff: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="HANDOFF")]
    """handoff.csv, handoff.json, their folder, or a CSV with path,label."""
    out: Annotated[Path, tyro.conf.arg(metavar="MODEL")]
    """Folder of the model; one that is there is replaced when the new one is complete."""
    options: TrainOptions = field(default_factory=TrainOptions)


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Answer images: label, confidence, and named, unknown or undecided."""

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Folder that train made."""
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Folder of images (searched recursively), CSV with a column path, one image, or a store."""
    out: Annotated[Path, tyro.conf.arg(metavar="CSV")]
    """File to write the answers into; what cannot be read is listed beside it, in a file with the
    ending .quarantine.csv."""
    options: PredictOptions = field(default_factory=PredictOptions)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score a model on labelled images it has not learned, the flat baseline beside it."""

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Folder that train made."""
    truth: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TRUTH")]
    """CSV with path and label (and perhaps image_id), or a handoff."""
    out: Annotated[Path, tyro.conf.arg(metavar="JSON")]
    """File to write the scores into; the page with the pictures has its name and .html."""
    options: PredictOptions = field(default_factory=PredictOptions)


Subcommand = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Predict, tyro.conf.subcommand("predict")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
)


@dataclass(frozen=True, kw_only=True)
class Classify:
    """The hierarchical classifier: learns the types that were named, and knows what it does not."""

    command: Subcommand


def main(options: Classify) -> None:
    """Run the subcommand."""
    command = options.command
    if isinstance(command, Train):
        _train(command)
    elif isinstance(command, Predict):
        _predict(command)
    else:
        _evaluate(command)


# Imports stand inside: `--help` and a wrong option need neither torch nor scikit-learn.
def _train(command: Train) -> None:
    from discovery.classifier.evidence import describe_members
    from discovery.classifier.examples import read_examples
    from discovery.classifier.model import check_model_folder, save_model
    from discovery.classifier.train import train_classifier

    check_model_folder(command.out)  # before the work, which takes minutes
    with working(command.out):  # a second training into the same folder is told of the first
        examples = read_examples(command.handoff)
        get_logger().info(
            "labelled images: %d, %s left out, %d unusable",
            len(examples), tell_count(examples.left_out, "row"), len(examples.faults),
        )  # fmt: skip
        kept = command.out / CHECKPOINT
        model = train_classifier(examples, options=command.options, folder=kept)
        save_model(model, command.out)
        Checkpoint(kept, key="").remove()
    say(model.cascade.taxonomy_.draw())
    for line in describe_members(model.training["members"]):
        say(line)
    held = model.training["held_out"]
    if held["n"]:
        say(
            f"held-out accuracy {held['accuracy']:.3f}, flat baseline {held['flat_accuracy']:.3f} "
            f"({tell_count(held['n'], 'image')})"
        )
    else:
        say("no image could be held out: nothing vouches for this model")
    if not find_extractor(model.spec.name).is_network:
        say(f"no network: it sees by {model.spec.name} descriptors, which tell less apart")
    say(str(command.out))


def _predict(command: Predict) -> None:
    from discovery.classifier.model import load_model
    from discovery.classifier.parts import find_parts
    from discovery.classifier.predict import predict_images, tabulate_answers

    check_out_file(command.out, command.source, begins=_PREDICTIONS)
    faults_path = command.out.with_suffix(_FAULTS)
    check_out_file(faults_path, command.source, begins=match_header(FAULT_COLUMNS))
    model = load_model(command.model)
    found = find_parts(command.source, command.options.to_extract(), reading=model.spec.reading)
    # Unreadable files are listed beside the answers, unless there is nothing else.
    if not found.parts:
        first = f" (the first: {': '.join(found.faults[0])})" if found.faults else ""
        raise InputError(f"{command.source} holds no image that can be read{first}")
    answered = predict_images(model, found.parts, options=command.options)
    # Both files before the summary: what is said is there.
    write_bytes(command.out, tabulate_answers(answered, found))
    faults = [*found.faults, *answered.faults]
    _write_quarantine(faults_path, faults)
    verdicts = answered.predictions.verdicts
    counts = [f"{(verdicts == name).sum()} {name}" for name in ("named", "unknown", "undecided")]
    rows = sum(len(found.list_paths(part)) for part in answered.parts)
    copies = f" in {rows} rows, one a file" if rows != len(verdicts) else ""
    say(
        f"{tell_count(len(verdicts), 'image')}{copies}: {', '.join(counts)}; "
        f"{tell_count(len(faults), 'file')} not readable"
    )
    say(str(command.out))


def _evaluate(command: Evaluate) -> None:
    from discovery.classifier.evaluate import assess_classifier
    from discovery.classifier.evaluation import render_evaluation
    from discovery.classifier.examples import read_examples
    from discovery.classifier.model import load_model

    check_out_file(command.out, command.truth, begins=_SCORES)
    page = command.out.with_suffix(".html")  # beside metrics.json, under its name
    if page == command.out:
        raise OptionError(f"--out {command.out}: expected a name that ends in .json")
    check_out_file(page, command.truth, begins=_PAGE)
    # Which images are meant is in the table: `--tile` and the like would be passed over in silence.
    refuse_options(command.options.to_extract())
    model = load_model(command.model)
    truth = read_examples(command.truth)
    assessed = assess_classifier(model, truth, options=command.options, source=str(command.truth))
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    content = {**assessed.scores, "made_at": made_at}
    write_bytes(command.out, (json.dumps(content, indent=2) + "\n").encode())
    # On the page, too; but who reads the figures alone must see them.
    for warning in assessed.leaks:
        get_logger().warning("WARNING: %s", warning)
    write_bytes(page, render_evaluation(replace(assessed.data, made_at=made_at)).encode())
    for line in _format_scores(assessed.scores):
        say(line)
    say(f"page: {page}")
    say(str(command.out))


def _format_scores(scores: dict[str, object]) -> Iterable[str]:
    def write(value: object) -> str:
        return f"{value:.3f}" if isinstance(value, float) else "-"

    flat = scores["flat_difference"]
    yield f"images           {scores['n']}"
    yield f"accuracy         {write(scores['accuracy'])} (flat {write(scores['flat_accuracy'])})"
    if isinstance(flat, dict) and isinstance(flat.get("p"), float):
        better = scores["accuracy"] > scores["flat_accuracy"]  # type: ignore[operator]
        sure = flat["p"] < 0.05  # McNemar's test on the images that only one of both has right
        yield (
            "                 "
            + (
                f"the cascade is {'better' if better else 'worse'} than the flat classifier"
                if sure
                else "the cascade is no better and no worse than the flat classifier"
            )
            + f" (p {flat['p']:.2f})"
        )
    levels = scores["levels"]
    if isinstance(levels, dict):
        for name, level in levels.items():
            yield f"{name:<16} {write(level['accuracy'])} of {level['n']}"
    yield f"named            {write(scores['coverage'])}, rightly {write(scores['accuracy_named'])}"
    yield f"calibration      ECE {write(scores['ece'])}, AURC {write(scores['aurc'])}"


def _write_quarantine(path: Path, faults: Sequence["Fault"]) -> None:
    """Write what could not be used beside the answers; none is left from an earlier call."""
    if faults:
        write_bytes(path, format_faults(faults))
        tell_faults(faults, what="WARNING: not used", where=path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(run_command(main, Classify, prog=_PROG))
