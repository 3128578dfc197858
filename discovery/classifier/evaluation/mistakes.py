"""Which images a person should look at, and their pictures on the page.

Confident mistakes come first, then what was not named.
"""

import numpy as np
from numpy.typing import NDArray

from discovery.classifier.evaluation.correctness import (
    count_parts,
    judge_answers,
    judge_vouched,
    take_confidences,
)
from discovery.classifier.evaluation.page_data import EvaluationData
from discovery.classifier.evaluation.tables import render_path
from discovery.pages.html import Markup, encode_picture, join, node
from discovery.pages.words import write_count, write_share
from discovery.records import Predictions


def choose_mistakes(
    predictions: Predictions, truth: NDArray[np.str_], *, limit: int = 48
) -> list[str]:
    """Choose the images whose pictures the page needs, at most `limit` ids.

    Parameters
    ----------
    predictions : Predictions
    truth : (n,) array of str
    limit : int
        A third of it is kept for images that were not named, where there are so many.

    Returns
    -------
    list of str
        First mistakes (`rank_mistakes`), then images that were not named (`rank_rejected`).
    """
    if limit < 0:
        raise ValueError(f"limit is {limit}, expected 0 or more")
    mistakes, rejected = rank_mistakes(predictions, truth), rank_rejected(predictions)
    # Whichever of the two lists is short leaves its places to the other.
    n_mistakes = min(len(mistakes), max(limit - len(rejected), limit - limit // 3))
    chosen = [*mistakes[:n_mistakes], *rejected[: limit - n_mistakes]]
    return [str(predictions.ids[i]) for i in chosen]


def rank_mistakes(predictions: Predictions, truth: NDArray[np.str_]) -> NDArray[np.intp]:
    """Rank the named images that are wrong at the depth vouched for, (m,), surest first."""
    wrong = np.flatnonzero(predictions.named & ~judge_vouched(predictions.labels, truth))
    confidences = take_confidences(predictions, count_parts(predictions.labels))
    # The surest first: those are wrong labels, or what the classifier has learned wrongly.
    return wrong[np.lexsort((wrong, -confidences[wrong]))]


def rank_rejected(predictions: Predictions) -> NDArray[np.intp]:
    """Rank the images that were not named, (r,): unknown and undecided ones by turns.

    The unknown begin with the most novel, the undecided with the least sure.
    """
    unknown = np.flatnonzero(predictions.verdicts == "unknown")
    undecided = np.flatnonzero(predictions.verdicts == "undecided")
    unknown = unknown[np.argsort(-predictions.novelties[unknown], kind="stable")]
    undecided = undecided[np.argsort(predictions.confidences[undecided], kind="stable")]
    both = np.concatenate([unknown, undecided])
    # Place within its own list: sorted by it, the two lists alternate.
    turn = np.concatenate([np.arange(len(unknown)), np.arange(len(undecided))])
    return both[np.argsort(turn, kind="stable")]


def render_mistakes(data: EvaluationData) -> Markup:
    """Render the named images that are wrong, the surest first."""
    ranked = rank_mistakes(data.predictions, data.truth)
    if not len(ranked):
        return node("p", "No named image is wrong at the depth vouched for.")
    return _render_cards(data, ranked, noun="named image", word="wrong")


def render_rejected(data: EvaluationData) -> Markup:
    """Render the images that were not named: unknown and undecided by turns."""
    ranked = rank_rejected(data.predictions)
    if not len(ranked):
        return node("p", "Every image was named.")
    return _render_cards(data, ranked, noun="image", word="not named")


def _render_cards(
    data: EvaluationData, ranked: NDArray[np.intp], *, noun: str, word: str
) -> Markup:
    """Render the ranked images (m,) that have a place on the page, below how many there are."""
    # The choice whose pictures the command read; ranked again, as it holds both lists.
    chosen = choose_mistakes(data.predictions, data.truth, limit=data.max_pictures)
    kept = ranked[np.isin(data.predictions.ids[ranked], chosen)].tolist()
    verb = "is" if len(ranked) == 1 else "are"
    rest = "" if len(kept) == len(ranked) else f"; {write_count(len(kept))} of them below"
    return node(
        "div",
        node("p", f"{write_count(len(ranked), noun)} {verb} {word}{rest}.", class_="quiet"),
        node("div", join(_render_card(data, i) for i in kept), class_="cards"),
    )


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
    if thumbnail is None:  # the file has gone or does not decode; its figures stay
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
    one = np.array([i])  # the measures work on columns
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
        share = f" {write_share(probability)}"
        facts.append(_render_fact("Second best", render_path(label), share))
    return facts


def _render_confidence(data: EvaluationData, i: int, answer: str) -> Markup:
    """Write the probability of an answer, and of each level where there are several."""
    one = data.predictions.level_probabilities[i]
    depth = count_parts(np.array([answer]))
    whole = take_confidences(data.predictions, np.repeat(depth, len(data.predictions)))[i]
    # Where there is one level only, it would repeat the whole.
    levels = [f"L{d} {100 * p:.0f}" for d, p in enumerate(one[: depth[0]].tolist(), 1)]
    each = node("span", ", ".join(levels), class_="range") if len(levels) > 1 else None
    return node("div", write_share(float(whole)), " ", each)


def _render_fact(name: str, *content: str) -> Markup:
    return node("div", node("dt", name), node("dd", *content))


def _compare_path(label: str, other: str) -> Markup:
    """Write a label path, what differs from the other marked."""
    parts, others = label.split("/"), other.split("/")
    same = 0  # leading parts in common
    while same < min(len(parts), len(others)) and parts[same] == others[same]:
        same += 1
    return render_path(label, marked=same)


def _take_name(path: str) -> str:
    """Take the last part of a path, written on any system."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path
