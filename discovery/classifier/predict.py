"""A model's answers to the images of a source, noise gate included, and predictions.csv.

found = find_parts(source, options)
answered = predict_images(load_model(folder), found.parts)
tabulate_answers(answered, found)  # CSV
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.describe import Described, DescribeOptions, describe_images
from discovery.classifier.enhance.gate import GateOptions
from discovery.classifier.features import FeatureSource, add_windows, reopen_feature_source
from discovery.classifier.model import Model
from discovery.classifier.options import PredictOptions
from discovery.classifier.parts import Parts
from discovery.records import Predictions
from embeddings.console import get_logger, stage
from embeddings.errors import InputError
from embeddings.extract import ExtractOptions
from embeddings.files import format_csv
from embeddings.plurals import tell_count
from embeddings.reader import Fault, Part, read_parts

_BLOCK = 1024  # images described before they are answered: 8 orientations of one take 100 kB
_VERDICTS = ("named", "unknown", "undecided")
_GATE = ("clear", "denoised", "too_noisy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Answers with what they were made of.

    Attributes
    ----------
    predictions : Predictions
    parts : tuple of Part
        Aligned with the predictions.
    rows : (n, c, d) float32
        The features, for the flat baseline and the ablation; n = 0 where they were not kept.
    faults : tuple of (path, reason)
    gate : mapping of str to int
        How many images were clear, denoised, and too noisy for an answer.
    windows : mapping of kind to (low, high)
        Grey levels by which the pictures were shown.
    """

    predictions: Predictions
    parts: tuple[Part, ...]
    rows: NDArray[np.float32]
    faults: tuple[Fault, ...]
    gate: Mapping[str, int]
    windows: Mapping[str, tuple[float, float]]


def predict_images(
    model: Model,
    parts: Sequence[Part],
    *,
    options: PredictOptions | None = None,
    keep_rows: bool = False,
) -> Answered:
    """Answer the images.

    Parameters
    ----------
    parts : sequence of Part
        As `find_parts` lists them; those of one file stand together.
    keep_rows : bool
        Return the features too, which need 100 kB an image.

    Raises
    ------
    InputError
        None of them can be read.
    OptionError
        The device is not there.
    """
    extract = (options or PredictOptions()).to_extract()
    with stage("load extractor") as facts:
        source = reopen_feature_source(model.spec, model.tensors, options=extract)
        source = replace(source, windows=model.windows, bars=model.bars)
        facts.update(extractor=source.spec.name)
    source = _add_windows(source, parts, options=extract)
    gate = GateOptions(**model.gate)  # of training: the noise limit belongs to the model
    blocks: list[_Block] = []
    with stage("describe and answer") as facts:
        waiting: Sequence[Part] = parts
        while waiting:  # each further pass has the window of at least one more kind of picture
            deferred: list[Part] = []
            total, before = len({part.path for part in waiting}), 0
            for block in _cut_blocks(waiting):
                described = describe_images(
                    read_parts(block, source.prepare(extract)),
                    source.extractor,
                    options=DescribeOptions(orientations=model.orientations, gate=gate),
                    batch_size=extract.batch_size,
                    total=total,
                    before=before,
                )
                before += len({part.path for part in block})
                deferred += described.deferred
                blocks.append(_answer_block(model.cascade, described, keep_rows=keep_rows))
            waiting = deferred
            source = _add_windows(source, waiting, options=extract)
        answered = _join(blocks, source.windows)
        verdicts = Counter(answered.predictions.verdicts.tolist())
        facts.update({name: verdicts[name] for name in _VERDICTS})
    return answered


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Described images with their answers: None where there is no image."""

    described: Described
    predictions: Predictions | None
    gate: Mapping[str, int]


def _cut_blocks(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Divide the images into blocks of whole files, so that memory does not grow with them."""
    block: list[Part] = []
    for _, file in groupby(parts, key=lambda part: part.path):
        block += file
        if len(block) >= _BLOCK:
            yield block
            block = []
    if block:
        yield block


def _answer_block(cascade: CascadeClassifier, described: Described, *, keep_rows: bool) -> _Block:
    predictions: Predictions | None = None
    gate: dict[str, int] = {}
    if len(described):
        predictions, gate = answer_described(cascade, described)
    # 100 kB an image: a command that writes a table has no use for them.
    rows = described.rows if keep_rows else described.rows[:0].copy()  # a view would keep them
    return _Block(
        described=replace(described, rows=rows, denoised=None), predictions=predictions, gate=gate
    )


def _join(blocks: Sequence[_Block], windows: Mapping[str, tuple[float, float]]) -> Answered:
    """Put the blocks together again.

    Raises
    ------
    InputError
        No image could be read.
    """
    faults = tuple(fault for block in blocks for fault in block.described.faults)
    answered = [block.predictions for block in blocks if block.predictions is not None]
    if not answered:
        first = faults[0] if faults else ("", "no image came")
        raise InputError(
            f"none of {tell_count(len(faults), 'file')} can be read (the first: "
            f"{', '.join(first)}); expected JPEG, PNG, TIFF or other image files"
        )
    names = Predictions.__slots__
    return Answered(
        predictions=Predictions(
            **{name: np.concatenate([getattr(one, name) for one in answered]) for name in names}
        ),
        parts=tuple(part for block in blocks for part in block.described.parts),
        rows=np.concatenate([b.described.rows for b in blocks if b.predictions is not None]),
        faults=faults,
        gate={name: sum(block.gate.get(name, 0) for block in blocks) for name in _GATE},
        windows=windows,
    )


def _add_windows(
    source: FeatureSource, parts: Sequence[Part], *, options: ExtractOptions
) -> FeatureSource:
    """Choose windows for kinds of pictures that the model has not met, and warn of them."""
    wider = add_windows(source, parts, options=options)
    if new := sorted(wider.windows.keys() - source.windows.keys()):
        get_logger().warning(
            "WARNING: the model was trained without pictures of the kind %s: their grey levels "
            "are shown by a window of their own",
            ", ".join(new),
        )
    return wider


def answer_described(
    cascade: CascadeClassifier, described: Described
) -> tuple[Predictions, dict[str, int]]:
    """Answer described images; noisy ones by what is left of them after denoising.

    Where the noise hides everything, the image is undecided, whatever it looks like: a small
    defect in heavy noise looks like a plain film, and would escape as `no_defect`.
    """
    ids, noises = described.ids, described.noises
    again = described.denoised
    # Noisy and not cleared: nothing that denoising leaves says what it was.
    cleared = set(again.ids.tolist()) if again is not None else set()
    has_cleared = np.array([name in cleared for name in ids.tolist()], bool)
    too_noisy = described.is_noisy & ~has_cleared
    result = cascade.answer(described.rows, ids, noises=noises, too_noisy=too_noisy)
    if again is not None:
        result = _replace_denoised(cascade, result, again)
    return result, {
        "clear": int((~described.is_noisy).sum()),
        "denoised": len(cleared),
        "too_noisy": int(too_noisy.sum()),
    }


def _replace_denoised(
    cascade: CascadeClassifier, result: Predictions, again: Described
) -> Predictions:
    """Put in the answers to the denoised pictures."""
    # The noise stays the one that came: it says why the picture was denoised.
    place = {name: i for i, name in enumerate(result.ids.tolist())}
    positions = np.array([place[name] for name in again.ids.tolist()], np.intp)
    second = cascade.answer(again.rows, again.ids)
    changed = {}
    names = ("labels", "forced", "level_probabilities", "confidences", "verdicts", "novelties")
    for name in names:
        first, new = getattr(result, name), getattr(second, name)
        # Labels of another length: numpy would cut the longer ones.
        merged = first.astype(np.promote_types(first.dtype, new.dtype))
        merged[positions] = new
        changed[name] = merged
    return replace(result, **changed)


def tabulate_answers(answered: Answered, found: Parts) -> bytes:
    """Write the answers as CSV.

    ``image_id, path, label, confidence, verdict, p_L1 ... p_Ln`` and, behind them, ``forced`` (the
    answer at full coverage), ``novelty`` (above 1: unknown) and ``noise``. Exact duplicates have
    a row each.
    """
    depth = answered.predictions.depth
    levels = [f"p_L{level}" for level in range(1, depth + 1)]
    header = ["image_id", "path", "label", "confidence", "verdict", *levels]
    return format_csv([[*header, "forced", "novelty", "noise"], *_list_answers(answered, found)])


def _list_answers(answered: Answered, found: Parts) -> Iterator[list[str]]:
    predictions = answered.predictions
    for i, part in enumerate(answered.parts):
        label, verdict = str(predictions.labels[i]), str(predictions.verdicts[i])
        confidence = _format_number(predictions.confidences[i])
        levels = [_format_number(p) for p in predictions.level_probabilities[i]]
        novelty = _format_number(predictions.novelties[i])
        noise = _format_number(predictions.noises[i])
        for path in found.list_paths(part):  # exact duplicates: one image, several files
            yield [
                part.image_id, path, label, confidence, verdict, *levels,
                str(predictions.forced[i]), novelty, noise,
            ]  # fmt: skip


def _format_number(value: np.float32) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"
