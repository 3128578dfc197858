"""The page of the evaluation as text: nothing foreign gets in, and every figure has its words."""

import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from discovery.classifier.evaluation import (
    EvaluationData,
    choose_mistakes,
    render_evaluation,
    score_novelty,
    score_predictions,
    score_variant,
    summarise_left_out,
)
from discovery.classifier.evaluation.page import compare_with_flat, judge_calibration
from discovery.classifier.evaluation.plots import PlotAxes, list_ticks
from discovery.classifier.evaluation.tables import MOST_CLASSES, list_confusions, render_matrix
from discovery.pages.words import shorten_labels, write_share
from discovery.records import Predictions

HOSTILE = (
    "</title></style><script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    "\"'><svg onload=window.owned=1>",
    "--><!--",
    "javascript:window.owned=1",
    "not unicode \udce9",
)
LEAVES = np.array(["defect/large/particle", "defect/small/particle", "defect/small/pit", "clean"])


def make_jpeg(seed):
    stream = io.BytesIO()
    grey = np.random.default_rng(seed).integers(0, 255, (24, 32), np.uint8)
    Image.fromarray(grey).save(stream, "JPEG")
    return stream.getvalue()


def make_answers(n=120, *, seed=0, mistaken=0.15):
    """Answers to n images, some of them wrong, unknown or undecided, and their truth."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(LEAVES, n)
    forced = np.where(rng.random(n) < mistaken, rng.choice(LEAVES, n), truth)
    parts = np.char.count(forced, "/") + 1
    confidences = rng.uniform(0.5, 1, n).astype(np.float32)
    levels = np.where(np.arange(3) < parts[:, None], confidences[:, None] ** (1 / 3), np.nan)
    verdicts = rng.choice(["named", "unknown", "undecided"], n, p=[0.8, 0.1, 0.1])
    predictions = Predictions(
        ids=np.array([f"{i:016x}" for i in range(n)]),
        labels=np.where(verdicts == "named", forced, ""),
        forced=forced,
        level_probabilities=levels.astype(np.float32),
        confidences=confidences,
        verdicts=verdicts,
        novelties=rng.gamma(3, 0.2, n).astype(np.float32),
        noises=rng.gamma(2, 0.02, n).astype(np.float32),
    )
    return predictions, truth


def make_data(*, flat=True, **changed):
    predictions, truth = make_answers()
    answers = np.roll(truth, 1) if flat else None
    scores = score_predictions(predictions, truth, flat=answers)
    return EvaluationData(
        **{"predictions": predictions, "truth": truth, "scores": scores, **changed}
    )


def make_hostile_data():
    """Every text a user or a file can bring is hostile; labels are what a CSV may hold."""
    predictions, truth = make_answers()
    label = HOSTILE[0].replace("/", "\u2215")
    truth = np.where(np.arange(len(truth)) % 7 == 0, f"defect/{label}", truth)
    gate = {HOSTILE[1]: HOSTILE[2], "nested": {HOSTILE[0]: [HOSTILE[1]]}}
    chosen = choose_mistakes(predictions, truth)
    cycle = dict(zip(chosen, HOSTILE * len(chosen), strict=False))
    return EvaluationData(
        predictions=predictions,
        truth=truth,
        scores=score_predictions(predictions, truth, flat=truth, noise_gate=gate),
        paths={i: f"/lot/{name}.png" for i, name in cycle.items()},
        thumbnails={i: make_jpeg(k) for k, i in enumerate(chosen[:-1])},
        second_best={i: (name, 0.1) for i, name in cycle.items()},
        threshold=0.8,
        ablation=[score_variant(HOSTILE[0], truth, truth)],
        left_out=summarise_left_out({HOSTILE[1]: score_novelty(np.arange(9.0), np.ones(3))}),
        facts=dict(zip(HOSTILE, reversed(HOSTILE), strict=True)),
        warnings=HOSTILE,
        title=HOSTILE[0],
        source=HOSTILE[2],
        made_at=HOSTILE[1],
    )


def read_elements(page):
    """Read the page as a browser would, into (tag, attributes)."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, dict(attributes)))
    parser.feed(page)
    return found


def read_text(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.split("</head>")[1]))


def test_no_text_becomes_an_element():
    page = render_evaluation(make_hostile_data())
    page.encode("utf-8")
    elements = read_elements(page)
    assert "script" not in {tag for tag, _ in elements}
    assert not [name for _, attributes in elements for name in attributes if name[:2] == "on"]
    assert 48 - 1 == len([tag for tag, _ in elements if tag == "img"])  # one has no thumbnail
    assert 1 == page.count("<style>") == page.count("</title>")


def test_the_page_asks_for_nothing():
    page = render_evaluation(make_hostile_data())
    assert "default-src 'none'; img-src data:" in page.replace("&#x27;", "'")
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert {"#", "d"} == {source[0] for source in sources}
    assert all(source.startswith(("#", "data:image/jpeg;base64,")) for source in sources)
    assert " style=" not in page


def test_links_lead_somewhere_and_names_are_given_once():
    page = render_evaluation(make_data())
    names = re.findall(r' id="([^"]*)"', page)
    assert sorted(set(names)) == sorted(names)
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(names)


def test_every_figure_has_its_text_and_every_table_its_scopes():
    page = render_evaluation(make_hostile_data())
    plots = re.findall(r"<svg[^>]*role=\"img\"[^>]*>", page)
    assert 2 == len(plots)
    assert all("aria-label=" in plot for plot in plots)
    assert all("alt=" in image for image in re.findall(r"<img[^>]*>", page))
    assert all("scope=" in head for head in re.findall(r"<th[ >][^>]*>?", page))
    assert page.count("<table") == page.count("<caption>") == page.count('role="region"')


def test_what_is_missing_is_said():
    text = read_text(render_evaluation(make_data(flat=False)))
    for words in (
        "No flat classifier was scored beside the cascade.",
        "no variant was scored beside the whole",
        "no type was left out of training",
        "Nothing is known of the noise gate.",
        "no picture",
    ):
        assert words in text


def test_a_perfect_classifier_has_a_page_too():
    predictions, truth = make_answers(mistaken=0)
    everyone = {"labels": truth, "verdicts": np.full(len(truth), "named")}
    fields = {name: getattr(predictions, name) for name in Predictions.__slots__}
    predictions = Predictions(**{**fields, **everyone})
    scores = score_predictions(predictions, truth, flat=truth)
    text = read_text(
        render_evaluation(EvaluationData(predictions=predictions, truth=truth, scores=scores))
    )
    for words in ("No image was answered wrongly.", "No named image is wrong", "Every image was"):
        assert words in text
    assert "both get the same images right" in text


def test_nothing_named_has_a_page_too():
    predictions, truth = make_answers(5)
    fields = {name: getattr(predictions, name) for name in Predictions.__slots__}
    predictions = Predictions(**{**fields, "verdicts": np.full(5, "unknown")})
    scores = score_predictions(predictions, truth)
    page = render_evaluation(EvaluationData(predictions=predictions, truth=truth, scores=scores))
    assert "5 images are not named." in read_text(page)


def test_pictures_of_all_that_was_chosen_are_shown_and_no_more():
    predictions, truth = make_answers()
    chosen = choose_mistakes(predictions, truth, limit=12)
    data = make_data(thumbnails={i: make_jpeg(0) for i in chosen}, max_pictures=12)
    page = render_evaluation(data)
    assert 12 == page.count("<img") == page.count('class="card"')
    assert "of them below" in read_text(page)


def test_what_does_not_fit_is_refused():
    predictions, truth = make_answers()
    with pytest.raises(ValueError, match="scores of 7, 120 images"):
        EvaluationData(predictions=predictions, truth=truth, scores={"n": 7})
    with pytest.raises(ValueError, match="a thumbnail begins with"):
        render_evaluation(make_data(thumbnails=dict.fromkeys(predictions.ids.tolist(), b"GIF89a")))


@pytest.mark.parametrize(
    ("cascade", "flat", "p", "word", "says"),
    [
        (5, 4, 1.0, "tie", "no better than the flat classifier here, and no worse"),
        (20, 3, 0.0005, "better", "is better than the flat classifier here"),
        (3, 20, 0.0005, "worse", "is worse than the flat classifier here"),
        (0, 0, 1.0, "tie", "both get the same images right"),
    ],
)
def test_who_is_better_is_said_honestly(cascade, flat, p, word, says):
    difference = {"cascade_only_right": cascade, "flat_only_right": flat, "p": p}
    found, sentence = compare_with_flat({"flat_difference": difference})
    assert word == found
    assert says in sentence


@pytest.mark.parametrize(
    ("stretch", "says"),
    [(0, "taken at their word"), (0.15, "too high: 1"), (-0.15, "too low: 1")],
)
def test_calibration_is_judged_against_chance(stretch, says):
    rng = np.random.default_rng(1)
    truly = rng.uniform(0.6, 0.84, 3000)
    predictions, _ = make_answers(3000)
    right = rng.random(3000) < truly
    fields = {name: getattr(predictions, name) for name in Predictions.__slots__}
    sure = {"confidences": (truly + stretch).astype(np.float32)}
    predictions = Predictions(**{**fields, **sure})
    truth = np.where(right, predictions.forced, "another")
    assert says in judge_calibration(score_predictions(predictions, truth))


def test_labels_are_shortened_as_far_as_they_stay_apart():
    labels = ["defect/large/particle", "defect/small/particle", "defect/small/pit", "pit", "clean"]
    assert ["large/particle", "small/particle", "small/pit", "pit", "clean"] == shorten_labels(
        labels
    )


def test_confusions_are_listed_by_count():
    confusion = {"labels": ["a", "b", "c"], "matrix": [[5, 1, 2], [2, 9, 0], [0, 0, 3]]}
    assert [("a", "c", 2), ("b", "a", 2)] == list_confusions(confusion, limit=2)


def test_too_many_classes_make_no_matrix():
    k = MOST_CLASSES + 1
    confusion = {"labels": [f"c{i}" for i in range(k)], "matrix": np.eye(k, dtype=int).tolist()}
    assert "too many" in render_matrix(confusion, "Final")


def test_shares_that_are_not_all_never_look_so():
    written = [write_share(share) for share in (0.0, 0.0004, 0.5, 0.9999, 1.0, None)]
    assert ["0 %", "< 0.1 %", "50.0 %", "> 99.9 %", "100 %", "\u2013"] == [
        text.replace("\u00a0", " ") for text in written
    ]


def test_plots_have_round_ticks_and_nothing_leaves_the_frame():
    assert pytest.approx([0.8, 0.85, 0.9, 0.95, 1.0]) == list_ticks(0.8, 1.0)
    assert pytest.approx([0, 0.02, 0.04, 0.06, 0.08, 0.1]) == list_ticks(0.0, 0.1)
    frame = PlotAxes(x=(0.5, 1.0), y=(0.0, 1.0))
    assert frame.place_x(0.2) == frame.place_x(0.5) < frame.place_x(1.0) == frame.place_x(3)
    assert frame.place_y(1.0) < frame.place_y(0.0)
