"""The command that counts defects: train a detector from boxes, count with it, evaluate it.

    python -m discovery.detect train BOXES.csv --images IMAGES --out MODEL
    python -m discovery.detect count MODEL IMAGES --out counts.csv
    python -m discovery.detect evaluate MODEL BOXES.csv --images IMAGES --out metrics.json

The network is Faster R-CNN with ResNet-50 and a feature pyramid. A model is a folder without
pickle: model.safetensors and model.json.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from discovery.detector.options import (
    CountOptions,
    DetectorEvaluateOptions,
    DetectorTrainOptions,
)
from discovery.formats.portable_names import make_portable
from discovery.runs.checkpoint import CHECKPOINT
from embeddings.alike_faults import tell_faults
from embeddings.console import run_command, say, stage, track
from embeddings.errors import InputError, OptionError
from embeddings.files import (
    FAULT_COLUMNS,
    check_out_file,
    format_faults,
    match_header,
    write_bytes,
)
from embeddings.images import check_apart
from embeddings.locks import working
from embeddings.plurals import tell_count

if TYPE_CHECKING:  # torch is loaded when there is work for it, not for --help
    from discovery.detector.dataset import PictureRef
    from discovery.detector.predict import Counted, Detector
    from embeddings.reader import Fault

_PROG = "python -m discovery.detect"
_LONGEST_STEM = 150  # bytes: what a file is called while it is written is longer than its name
_FAULTS = ".quarantine.csv"  # beside a table: its own name goes before
_SCORES = rb'\{\s*"images": [0-9]+,\s*"boxes"'  # such a file may be written over


@dataclass(frozen=True, kw_only=True)
class TrainDetector:
    """Learn to find and tell the defects of a table of boxes."""

    boxes: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="BOXES.csv")]
    """CSV with the columns path,label,xmin,ymin,xmax,ymax in pixels, one row a defect. A column
    reference (or template) gives the golden image of that very picture."""
    out: Annotated[Path, tyro.conf.arg(metavar="MODEL")]
    """Folder to write the model into."""
    training: DetectorTrainOptions = field(default_factory=DetectorTrainOptions)


@dataclass(frozen=True, kw_only=True)
class CountDefects:
    """Count the defects of pictures."""

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Folder that train made."""
    images: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")]
    """Folder of images (searched recursively), CSV with a column path, or one image."""
    out: Annotated[Path, tyro.conf.arg(metavar="counts.csv")]
    """CSV to write: one row a picture."""
    counting: CountOptions = field(default_factory=CountOptions)


@dataclass(frozen=True, kw_only=True)
class EvaluateDetector:
    """Score a model against boxes that it was not trained on."""

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Folder that train made."""
    boxes: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="BOXES.csv")]
    """The truth: path,label,xmin,ymin,xmax,ymax in pixels."""
    out: Annotated[Path, tyro.conf.arg(metavar="metrics.json")]
    """File to write the scores into."""
    scoring: DetectorEvaluateOptions = field(default_factory=DetectorEvaluateOptions)


@dataclass(frozen=True, kw_only=True)
class DetectCommand:
    """Count defects: Faster R-CNN trained from boxes."""

    what: (
        Annotated[TrainDetector, tyro.conf.subcommand("train")]
        | Annotated[CountDefects, tyro.conf.subcommand("count")]
        | Annotated[EvaluateDetector, tyro.conf.subcommand("evaluate")]
    )


def main(command: DetectCommand) -> None:
    """Train, count or evaluate; the last line says where the result is."""
    if isinstance(command.what, TrainDetector):
        _train(command.what)
    elif isinstance(command.what, CountDefects):
        _count(command.what)
    else:
        _evaluate(command.what)


def _train(command: TrainDetector) -> None:
    from discovery.detector.model import QUARANTINE, check_detector_folder, save_detector
    from discovery.detector.train import learn_boxes

    check_detector_folder(command.out)
    with working(command.out):  # a second training into the same folder is told of the first
        # Saved after each best epoch: a training that is stopped leaves the best one so far.
        detector, faults = learn_boxes(
            command.boxes,
            options=command.training,
            keep=lambda best: save_detector(best, command.out),
            folder=command.out / CHECKPOINT,
        )
        _report_faults(faults, command.out / QUARANTINE)
    figures = detector.facts["held_out_figures"]
    say(
        f"held out: {tell_count(figures['images'], 'image')} with "
        f"{tell_count(figures['boxes'], 'defect')}; AP50 {_format_figure(figures['ap50'])}, count "
        f"error {figures['count_mae']:.2f} a picture at threshold {detector.threshold:.2f}"
    )
    say(str(command.out))


def _count(command: CountDefects) -> None:
    from discovery.detector.dataset import list_pictures
    from discovery.detector.model import load_detector
    from discovery.detector.outputs import format_boxes_coco, format_boxes_csv, format_counts
    from embeddings.networks.hardware import choose_device

    options = command.counting
    _check_places(command)
    detector = load_detector(command.model, choose_device(options.device))
    labels = detector.spec.labels
    refs, unlisted = list_pictures(command.images, options.exclude)
    with stage("count") as facts:
        answers, faults = _count_pictures(detector, refs, options)
        defects = sum(len(answer.boxes) for answer in answers)
        facts |= {"images": len(answers), "defects": defects}
    faults = [*unlisted, *faults]
    _report_faults(faults, command.out.with_suffix(_FAULTS))
    if not answers:
        raise InputError(
            f"{command.images}: none of {tell_count(len(faults), 'image')} can be read"
        )
    write_bytes(command.out, format_counts(answers, labels))
    if options.boxes_out is not None:
        form = format_boxes_coco if options.format == "coco" else format_boxes_csv
        write_bytes(options.boxes_out, form(answers, labels))
    say(f"{tell_count(defects, 'defect')} in {tell_count(len(answers), 'image')}")
    say(str(command.out))


def _check_places(command: CountDefects) -> None:
    """Refuse, before the work, to write over what is not of the kind that is written."""
    from discovery.detector.outputs import BOX_COLUMNS, COCO, COUNTS

    options, faults_path = command.counting, command.out.with_suffix(_FAULTS)
    check_out_file(command.out, command.images, begins=COUNTS)
    check_out_file(faults_path, command.images, begins=match_header(FAULT_COLUMNS))
    if options.overlay is not None:
        check_apart(options.overlay, command.images, flag="--overlay")
    if options.boxes_out is None:
        return
    if options.boxes_out.resolve() in (command.out.resolve(), faults_path.resolve()):
        raise OptionError(
            f"--boxes-out {options.boxes_out} is where --out {command.out} goes: choose another "
            "name"
        )
    begins = COCO if options.format == "coco" else match_header(BOX_COLUMNS)
    check_out_file(options.boxes_out, command.images, flag="--boxes-out", begins=begins)


def _count_pictures(
    detector: "Detector", refs: Sequence["PictureRef"], options: CountOptions
) -> tuple[list["Counted"], list["Fault"]]:
    """Count each file, and draw its boxes where that was asked for."""
    from discovery.detector.predict import Counted, count_defects

    answers: list[Counted] = []
    faults: list[Fault] = []
    found = count_defects(
        detector,
        refs,
        threshold=options.threshold,
        tile=options.tile,
        um_per_pixel=options.um_per_pixel,
        max_pixels=options.max_pixels,
    )
    for answer in track(found, total=len(refs), what="images"):
        if not isinstance(answer, Counted):
            faults.append(answer)
            continue
        if options.overlay is not None:
            _draw(answer, detector.spec.labels, options.overlay)
        answers.append(replace(answer, pixels=None))
    return answers, faults


def _draw(answer: "Counted", labels: Sequence[str], folder: Path) -> None:
    from discovery.detector.outputs import draw_boxes, encode_png

    if answer.pixels is None:
        raise ValueError("the picture is no longer there")
    image = draw_boxes(answer.pixels, answer.boxes, labels)
    end = f"_{answer.image_id.replace('#', '-')}.png"
    # Of another system, or too long with what is added: no reason to lose what was counted.
    name = make_portable(answer.path.stem, _LONGEST_STEM) + end
    write_bytes(folder / name, encode_png(image))


def _evaluate(command: EvaluateDetector) -> None:
    from discovery.detector.evaluate import evaluate_detector
    from discovery.detector.model import load_detector
    from embeddings.networks.hardware import choose_device

    options = command.scoring
    check_out_file(command.out, command.boxes, begins=_SCORES)
    faults_path = command.out.with_suffix(_FAULTS)
    check_out_file(faults_path, command.boxes, begins=match_header(FAULT_COLUMNS))
    detector = load_detector(command.model, choose_device(options.device))
    with stage("evaluate") as facts:
        scores, faults = evaluate_detector(detector, command.boxes, options=options)
        facts |= {"images": scores["images"], "boxes": scores["boxes"]}
    _report_faults(faults, faults_path)
    write_bytes(command.out, (json.dumps(scores, indent=2) + "\n").encode())
    for line in _format_scores(scores):
        say(line)
    say(str(command.out))


def _report_faults(faults: Sequence["Fault"], path: Path) -> None:
    """Name what could not be read, and list it in a file; none is left of an earlier run."""
    if faults:
        tell_faults(faults, what="left out")
        say(f"{tell_count(len(faults), 'image')} cannot be read: {path}")
        write_bytes(path, format_faults(faults))
    else:
        path.unlink(missing_ok=True)


def _format_scores(scores: dict[str, Any]) -> list[str]:
    by_count = scores["count_mae_by_true_count"]
    return [
        f"images, boxes   {scores['images']}, {scores['boxes']}",
        f"AP50, AP        {_format_figure(scores['ap50'])}, {_format_figure(scores['ap'])} "
        f"(types disregarded: AP50 {_format_figure(scores['ap50_any_type'])})",
        f"count error     {scores['count_mae']:.3f} a picture (mean |found - true|) at threshold "
        f"{scores['threshold']:.2f}; {scores['count_exact']:.1%} exactly right",
        "by true count   "
        + ", ".join(f"{name}: {held['mae']:.2f}" for name, held in by_count.items()),
        f"at threshold    precision {_format_figure(scores['precision'])}, "
        f"recall {_format_figure(scores['recall'])}",
    ]


def _format_figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(run_command(main, DetectCommand, prog=_PROG))
