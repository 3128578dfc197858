"""Answers as predictions.csv: one row a path, a probability a level."""

from collections.abc import Iterable, Iterator, Mapping

from discovery.classifier.parts import Parts
from discovery.classifier.predict import Answered
from embeddings.files import format_csv
from embeddings.reader import Fault


def tabulate_answers(answered: Answered, found: Parts) -> bytes:
    """Write the answers as CSV.

    ``image_id, path, label, confidence, verdict, p_L1 ... p_Ln`` and, behind them, ``forced`` (the
    answer at full coverage), ``novelty`` (above 1: unknown) and ``noise``. Exact duplicates have
    a row each.
    """
    depth = answered.predictions.depth
    levels = [f"p_L{level}" for level in range(1, depth + 1)]
    header = ["image_id", "path", "label", "confidence", "verdict", *levels]
    return format_csv([[*header, "forced", "novelty", "noise"], *_list_rows(answered, found)])


def _list_rows(answered: Answered, found: Parts) -> Iterator[list[str]]:
    said = answered.predictions
    for i, part in enumerate(answered.parts):
        levels = [_number(p) for p in said.level_probabilities[i].tolist()]
        for path in found.list_paths(part):
            yield [
                part.image_id, path, str(said.labels[i]), _number(float(said.confidences[i])),
                str(said.verdicts[i]), *levels, str(said.forced[i]),
                _number(float(said.novelties[i])), _number(float(said.noises[i])),
            ]  # fmt: skip


def tabulate_faults(faults: Iterable[Fault]) -> bytes:
    """Write what could not be used as CSV: path, reason."""
    return format_csv([["path", "reason"], *([path, reason] for path, reason in faults)])


def count_words(counts: Mapping[str, int]) -> str:
    """Write counts for a line of the terminal: 12 named, 3 unknown."""
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def _number(value: float) -> str:
    return "" if value != value else f"{value:.6g}"
