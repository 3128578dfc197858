"""The pictures of the page: the surest mistakes, and the images that were not named."""

from collections.abc import Sequence

import numpy as np

from discovery.classifier.evaluation.answers import (
    count_parts,
    judge_answers,
    take_confidences,
)
from discovery.classifier.evaluation.data import EvaluationData
from discovery.classifier.evaluation.mistakes import choose_mistakes, rank_mistakes, rank_rejected
from discovery.classifier.evaluation.tables import render_path
from discovery.pages.html import Markup, encode_picture, join, node
from discovery.pages.words import write_count, write_share


def render_mistakes(data: EvaluationData) -> Markup:
    """Render the named images that are wrong, the surest first."""
    ranked = rank_mistakes(data.predictions, data.truth).tolist()
    if not ranked:
        return node("p", "No named image is wrong at the depth vouched for.")
    shown = _keep_shown(data, ranked)
    cards = join(_render_card(data, i) for i in shown)
    said = _count_shown(len(shown), len(ranked), "named image", "wrong")
    return node("div", said, node("div", cards, class_="cards"))


def render_rejected(data: EvaluationData) -> Markup:
    """Render the images that were not named: unknown and undecided by turns."""
    ranked = rank_rejected(data.predictions).tolist()
    if not ranked:
        return node("p", "Every image was named.")
    shown = _keep_shown(data, ranked)
    cards = join(_render_card(data, i) for i in shown)
    said = _count_shown(len(shown), len(ranked), "image", "not named")
    return node("div", said, node("div", cards, class_="cards"))


def _keep_shown(data: EvaluationData, ranked: Sequence[int]) -> list[int]:
    chosen = set(choose_mistakes(data.predictions, data.truth, limit=data.shown))
    return [i for i in ranked if str(data.predictions.ids[i]) in chosen]


def _count_shown(shown: int, total: int, noun: str, word: str) -> Markup:
    verb = "is" if total == 1 else "are"
    rest = "" if shown == total else f"; {write_count(shown)} of them below"
    return node("p", f"{write_count(total, noun)} {verb} {word}{rest}.", class_="quiet")


def _render_card(data: EvaluationData, i: int) -> Markup:
    image_id = str(data.predictions.ids[i])
    path = data.paths.get(image_id, image_id)
    verdict = str(data.predictions.verdicts[i])
    return node(
        "figure",
        _render_picture(data, i, path),
        node(
            "figcaption",
            node("p", node("bdi", _take_name(path), class_="path", title=path),
                 node("span", verdict, class_=f"verdict {verdict}"), class_="file"),
            node("dl", join(_list_facts(data, i))),
        ),
        class_="card",
    )  # fmt: skip


def _render_picture(data: EvaluationData, i: int, path: str) -> Markup:
    thumbnail = data.thumbnails.get(str(data.predictions.ids[i]))
    if thumbnail is None:
        return node("div", "no picture", class_="shot absent")
    alternative = f"{_take_name(path)}: truly {data.truth[i]}"
    image = node("img", src=encode_picture(thumbnail), alt=alternative)
    return node("div", image, class_="shot")


def _list_facts(data: EvaluationData, i: int) -> list[Markup]:
    """List truth, answer, confidence a level and runner-up of one image."""
    predictions, truth = data.predictions, str(data.truth[i])
    named = bool(predictions.named[i])
    forced = str(predictions.forced[i])
    answer = str(predictions.labels[i]) if named else forced
    one = np.array([i])
    facts = [
        _render_fact("Truth", _compare_path(truth, answer)),
        _render_fact("Answer" if named else "Best guess", _compare_path(answer, truth)),
        _render_fact("Confidence", _render_confidence(data, i, answer)),
    ]
    if not named:
        right = judge_answers(predictions.forced[one], data.truth[one])[0]
        facts.append(_render_fact("Guess is", "right" if right else "wrong"))
        facts.append(_render_fact("Novelty", f"{predictions.novelties[i]:.2f} \u00d7 the limit"))
    if runner_up := data.second_best.get(str(predictions.ids[i])):
        label, probability = runner_up
        said = render_path(label), f" {write_share(probability)}"
        facts.append(_render_fact("Second best", *said))
    return facts


def _render_confidence(data: EvaluationData, i: int, answer: str) -> Markup:
    """Write the probability of an answer, and of each level where there are several."""
    one = data.predictions.level_probabilities[i]
    depth = count_parts(np.array([answer]))
    whole = take_confidences(data.predictions, np.repeat(depth, len(data.predictions)))[i]
    levels = [f"L{d} {100 * p:.0f}" for d, p in enumerate(one[: depth[0]].tolist(), 1)]
    each = node("span", ", ".join(levels), class_="range") if len(levels) > 1 else None
    return node("div", write_share(float(whole)), " ", each)


def _render_fact(name: str, *said: str) -> Markup:
    return node("div", node("dt", name), node("dd", *said))


def _compare_path(label: str, other: str) -> Markup:
    """Write a label path, what differs from the other marked."""
    parts, others = label.split("/"), other.split("/")
    same = 0
    while same < min(len(parts), len(others)) and parts[same] == others[same]:
        same += 1
    return render_path(label, marked=same)


def _take_name(path: str) -> str:
    """Take the last part of a path, written on any system."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path
