"""The cascade as a whole: trees of several shapes, few images, weights, verdicts, scikit-learn."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_predict

from discovery.classifier.cascade import CascadeClassifier
from discovery.classifier.evidence import describe_members, summarise_members
from discovery.classifier.taxonomy import Taxonomy
from discovery.records import Predictions
from embeddings.errors import HandoffError

pytestmark = pytest.mark.usefixtures("few_steps")
TYPES = ("defect/large", "defect/small/particle", "defect/small/pit", "no_defect")


def make(**options):
    return CascadeClassifier(epochs=1, **options)


def answer(cascade, rows, **options):
    return cascade.answer(rows, np.array([f"i{i}" for i in range(len(rows))]), **options)


@pytest.fixture(scope="module")
def blobs(make_blobs):
    return make_blobs(TYPES, size=20)


@pytest.fixture(scope="module")
def cascade(few_steps, blobs):
    return make().fit(*blobs)


@pytest.fixture(scope="module")
def vague(make_blobs):
    """Blobs that lie half on each other: there is something to be unsure of."""
    return make_blobs(TYPES[1:], size=40, gap=2.5)


@pytest.fixture(scope="module")
def fit_vague(few_steps, vague):
    """Return a function that fits the vague blobs, each set of options once."""
    fitted = {}

    def fit(**options):
        key = tuple(sorted(options.items()))
        if key not in fitted:
            fitted[key] = make(**options).fit(*vague)
        return fitted[key]

    return fit


def answer_held_out(cascade):
    """Answer the training images as they were answered while held out."""
    from discovery.classifier.decision_rule import truncate_forced

    held = cascade.calibration_.held_out
    named = truncate_forced(held.paths, cascade.calibration_.thresholds) == held.paths.forced
    return named, cascade.calibration_.scale.score(held.measures) > 1


def test_three_levels_are_answered(cascade, make_blobs):
    rows, labels = make_blobs(TYPES, size=20, seed=1)
    assert sorted(TYPES) == cascade.classes_.tolist()
    assert cascade.score(rows, labels) > 0.95
    assert {"", "defect", "defect/small"} == set(cascade.calibration_.blends)
    answers = answer(cascade, rows)
    assert isinstance(answers, Predictions)
    assert 3 == answers.depth
    assert np.mean(answers.labels == labels) > 0.8
    np.testing.assert_array_equal(cascade.predict(rows), answers.forced)


def test_probabilities_add_up_and_agree_with_the_forced_answer(cascade, blobs):
    chances = cascade.predict_proba(blobs[0])
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_array_equal(
        cascade.classes_[chances.argmax(axis=1)], cascade.predict(blobs[0])
    )
    np.testing.assert_allclose(
        chances.max(axis=1), answer(cascade, blobs[0]).confidences, atol=1e-6
    )


def test_labels_of_one_level_are_a_flat_tree(make_blobs):
    rows, labels = make_blobs(("a", "a-b", "Ätzung"), size=8)
    fitted = make().fit(rows, labels)
    assert {""} == set(fitted.calibration_.blends)
    assert (1,) == fitted.calibration_.thresholds.shape
    assert fitted.score(rows, labels) == 1
    assert fitted.predict_flat(rows).tolist() == labels.tolist()


def test_names_that_sort_between_a_parent_and_its_children_do_no_harm(make_blobs):
    types = ("a", "a!/x", "a-b", "a/b", "a/c")  # "a!" and "a-" come before "a/"
    rows, labels = make_blobs(types, size=10)
    fitted = make().fit(rows, labels)
    deep = labels != "a"
    assert np.mean(fitted.predict(rows)[deep] == labels[deep]) > 0.95
    assert {"a/b", "a/c"} >= set(fitted.predict(rows)[~deep].tolist())


def test_a_label_above_its_siblings_is_vouched_for_down_to_there(make_blobs):
    # Images labelled `a` lie between a/x and a/y, and c is far away.
    rows, labels = make_blobs(("a/x", "a/y", "c"), size=20, gap=5)
    between = (rows[:20] + rows[20:40]) / 2
    fitted = make().fit(np.vstack([rows, between]), np.append(labels, ["a"] * 20))
    assert {"a/x", "a/y", "c"} == set(fitted.classes_.tolist())
    answers = answer(fitted, between)
    assert np.mean(np.char.startswith(answers.forced, "a/")) > 0.9
    assert {"", "a", "a/x", "a/y"} >= set(answers.labels.tolist())


def test_one_type_is_refused_in_one_line():
    for labels in (["a"] * 6, ["a", "a/b"] * 3):
        with pytest.raises(HandoffError, match=r"the labels hold one type \(a") as raised:
            make().fit(np.eye(6), np.array(labels))
        assert "\n" not in str(raised.value)


def test_a_type_of_one_image_is_learned_and_never_held_out(make_blobs):
    rows, labels = make_blobs(("a", "b", "c"), size=9)
    kept = np.r_[0:18, 18]  # one image of c
    fitted = make().fit(rows[kept], labels[kept])
    assert list(range(18)) == fitted.calibration_.held_out.which.tolist()
    assert "c" == fitted.predict(rows[18:19])[0]


def test_single_images_below_a_node_leave_its_temperature_at_1(make_blobs):
    rows, labels = make_blobs(("a/x", "a/y", "b"), size=9)
    kept = np.r_[0, 9, 18:27]
    fitted = make().fit(rows[kept], labels[kept])
    assert fitted.calibration_.blends["a"].temperature == 1
    assert np.isfinite(fitted.calibration_.thresholds[0])
    # No image shows what an answer there is worth.
    assert np.isinf(fitted.calibration_.thresholds[1])
    assert "a/" not in "".join(answer(fitted, rows).labels.tolist())


def test_where_nothing_can_be_held_out_nothing_is_vouched_for(make_blobs):
    rows, labels = make_blobs(("a/x", "a/y", "b"), size=1)
    fitted = make().fit(rows, labels)
    assert fitted.calibration_.held_out is None
    answers = answer(fitted, rows)
    assert labels.tolist() == answers.forced.tolist()
    assert ["undecided"] * 3 == answers.verdicts.tolist()
    assert [""] * 3 == answers.labels.tolist()
    assert (answers.novelties < 1).all()


def test_four_images_of_two_types_are_enough(make_blobs):
    rows, labels = make_blobs(("a", "b"), size=2)
    fitted = make().fit(rows, labels)
    assert 4 == len(fitted.calibration_.held_out.which)
    assert labels.tolist() == answer(fitted, rows).forced.tolist()


@pytest.mark.parametrize("rows", [np.ones((12, 5)), np.repeat(np.eye(5)[:2], 6, axis=0)])
def test_images_that_are_copies_give_numbers(rows):
    fitted = make().fit(rows, np.array(["a", "b"]).repeat(6))
    answers = answer(fitted, rows)
    assert np.isfinite(answers.novelties).all()
    assert np.isfinite(fitted.predict_proba(rows + 0.1)).all()


def test_groups_of_several_labels_are_held_out_together(make_blobs):
    rows, labels = make_blobs(("a", "b", "c"), size=4)
    groups = np.array(list("ghigghijkkkk"))  # c is in one group only
    fitted = make().fit(rows, labels, groups=groups)
    # Of b, only j has it first; it is learned, and the b in g, h and i are held out.
    assert list(range(7)) == fitted.calibration_.held_out.which.tolist()
    lonely = np.array(list("ggghghijgggg"))  # c stands beside a and b in g
    held = make().fit(rows, labels, groups=lonely).calibration_.held_out.which
    assert [3, 5, 6, 7] == held.tolist()


def test_given_folds_may_have_gaps_and_hold_a_type_whole(make_blobs):
    rows, labels = make_blobs(("a", "b", "c"), size=4)
    folds = np.array([-1, -1, 7, 7, -1, 2, 7, 2, 2, 2, 2, 2], np.int32)
    fitted = make().fit(rows, labels, folds=folds)
    assert [2, 3, 5, 6, 7] == fitted.calibration_.held_out.which.tolist()  # c is always learned
    assert all(0.005 < one.temperature < 10 for one in fitted.calibration_.blends.values())


def test_wrongly_labelled_images_of_weight_0_change_nothing(cascade, blobs):
    rows, labels = blobs
    wrong = np.roll(labels, 20)
    weights = np.repeat([1.0, 0.0], len(rows))
    fitted = make().fit(np.vstack([rows, rows]), np.append(labels, wrong), weights)
    np.testing.assert_array_equal(cascade.calibration_.thresholds, fitted.calibration_.thresholds)
    np.testing.assert_array_equal(cascade.predict_proba(rows), fitted.predict_proba(rows))
    np.testing.assert_array_equal(answer(cascade, rows).novelties, answer(fitted, rows).novelties)
    assert list(range(len(rows))) == fitted.calibration_.held_out.which.tolist()


def test_a_type_of_weight_0_alone_is_refused(blobs):
    rows, labels = blobs
    with pytest.raises(HandoffError, match="every image of no_defect has weight 0"):
        make().fit(rows, labels, (labels != "no_defect").astype(float))


@pytest.mark.parametrize("weights", [np.ones(3), np.full(80, -1.0), np.full(80, np.nan)])
def test_weights_that_are_none_are_refused(blobs, weights):
    with pytest.raises(ValueError, match="expected one a row, 0 or more"):
        make().fit(*blobs, weights)


def test_labels_with_blanks_are_those_of_the_tree(make_blobs):
    rows, labels = make_blobs(("a/x", "A\u0308", "b"), size=6)  # A and a combining diaeresis
    blank = np.char.replace(labels, "/", " / ")
    fitted = make().fit(rows, blank)
    assert ["a/x", "b", "Ä"] == sorted(fitted.classes_.tolist())
    assert np.mean(fitted.predict(rows) == np.repeat(["a/x", "Ä", "b"], 6)) == 1


def test_a_taxonomy_of_other_labels_is_refused(blobs):
    other = Taxonomy.from_labels([*TYPES, "defect/small/scratch"])
    with pytest.raises(ValueError, match="the taxonomy is not the tree of the labels"):
        make().fit(*blobs, taxonomy=other)


def test_definitions_of_a_given_taxonomy_are_kept(make_blobs):
    rows, labels = make_blobs(("a", "b"), size=3)
    taxonomy = Taxonomy.from_labels(["a", "b"], definitions={"a": "a pit"})
    assert "a pit" == make().fit(rows, labels, taxonomy=taxonomy).taxonomy_.definitions["a"]


def test_one_copy_a_row_is_the_same_as_rows(cascade, blobs):
    rows, labels = blobs
    fitted = make().fit(rows[:, None, :].astype(np.float64), labels)
    np.testing.assert_array_equal(cascade.predict_proba(rows), fitted.predict_proba(rows))


def test_copies_of_an_image_are_averaged(blobs):
    rows, labels = blobs
    rng = np.random.default_rng(0)
    copies = np.stack([rows + rng.normal(scale=0.3, size=rows.shape) for _ in range(3)], axis=1)
    fitted = make().fit(copies, labels)
    assert np.mean(fitted.predict(copies) == labels) > 0.95
    np.testing.assert_allclose(
        fitted.predict_proba(copies), fitted.predict_proba(copies[:, ::-1]), atol=1e-4
    )


def test_blocks_give_the_ablation(make_blobs):
    rows, labels = make_blobs(("a", "b"), size=12)
    rng = np.random.default_rng(0)
    with_noise = np.hstack([rows, rng.normal(size=(24, 4))])  # the second block says nothing
    fitted = make(blocks=(12, 4)).fit(with_noise, labels)
    assert np.mean(fitted.predict_flat(with_noise, "deep") == labels) == 1
    assert {"fused", "deep", "linear", "classical"} == set(fitted.networks_.flats)
    assert ("fused", "deep", "linear") == fitted.members_
    with pytest.raises(KeyError, match="deep"):
        make().fit(rows, labels).predict_flat(rows, "deep")


def test_each_member_answers_alone_and_is_told_with_its_weight(make_blobs):
    rows, labels = make_blobs(TYPES[1:], size=16)
    rng = np.random.default_rng(0)
    with_noise = np.hstack([rows, rng.normal(size=(48, 4))])
    fitted = make(blocks=(12, 4)).fit(with_noise, labels)
    for member in fitted.members_:
        assert np.mean(fitted.predict_alone(with_noise, member) == labels) > 0.9
    with pytest.raises(KeyError, match="classical"):  # of the ablation, and no member
        fitted.predict_alone(with_noise, "classical")
    rows_of = summarise_members(fitted, labels)
    assert [*fitted.members_, "mean"] == [row["name"] for row in rows_of]
    for node in ("", "defect/small"):
        assert sum(row["weights"][node] for row in rows_of[:-1]) == pytest.approx(1)
    held = fitted.calibration_.held_out
    assert held.score(labels)["accuracy"] == rows_of[-1]["held_out_accuracy"]
    lines = list(describe_members(rows_of))
    assert "network on all features: weight" in lines[0]
    assert "their mean, which answers: held-out accuracy" in lines[-1]


def test_where_nothing_is_held_out_the_members_say_so(make_blobs):
    rows, labels = make_blobs(("a", "b"), size=1)
    fitted = make().fit(rows, labels)
    lines = list(describe_members(summarise_members(fitted, labels)))
    assert "network on all features: weight 0.50" == lines[0]
    assert "their mean, which answers: no image was held out" == lines[-1]


def test_of_one_level_the_flat_baseline_is_the_cascade(make_blobs):
    rows, labels = make_blobs(("a", "b"), size=9)
    fitted = make().fit(rows, labels)
    assert all(fitted.networks_.flats[n] is h for n, h in fitted.networks_.heads[""].items())


def test_rows_that_do_not_fit_are_refused(cascade, blobs):
    with pytest.raises(ValueError, match="13 columns, learned 12"):
        cascade.predict(np.ones((2, 13)))
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or infinity"):
            cascade.predict(np.full((2, 12), bad))
    for shape in ((0, 12), (12,), (2, 0, 12)):
        with pytest.raises(ValueError, match="X has shape"):
            cascade.predict(np.ones(shape))
    with pytest.raises(ValueError, match="80 images for 79 labels"):
        make().fit(blobs[0], blobs[1][:-1])
    with pytest.raises(ValueError, match=r"blocks \(5, 5\) for 12 columns"):
        make(blocks=(5, 5)).fit(*blobs)
    with pytest.raises(NotFittedError):
        make().predict(blobs[0])


def test_a_blob_of_another_type_is_unknown(cascade, make_blobs):
    strange = make_blobs(("x",) * 9, size=5)[0][20:]  # corners that no type has
    answers = answer(cascade, strange)
    assert np.mean(answers.verdicts == "unknown") > 0.9
    assert {""} == set(answers.labels[answers.verdicts == "unknown"].tolist())
    np.testing.assert_array_equal(answers.verdicts == "unknown", answers.novelties > 1)


def test_an_image_between_two_siblings_is_undecided_below_their_parent(make_blobs):
    rows, labels = make_blobs(("a/x", "a/y", "b"), size=60, gap=3)
    rows[:120, 4:] += 3  # what the siblings have in common
    fitted = make(target_purity=0.99).fit(rows, labels)
    corners = 3 * np.eye(12) + np.repeat([0, 3], [4, 8])
    answers = answer(fitted, np.stack([(corners[0] + corners[1]) / 2, corners[0]]))
    assert ["undecided", "named"] == answers.verdicts.tolist()
    assert ["a", "a/x"] == answers.labels.tolist()


def test_noisy_images_are_undecided_whatever_they_look_like(cascade, blobs):
    rows = np.vstack([blobs[0][:1], blobs[0][:1] * -50])
    assert "unknown" == answer(cascade, rows).verdicts[1]
    noises = np.array([0.5, 0.25], np.float32)
    answers = answer(cascade, rows, noises=noises, too_noisy=np.array([True, True]))
    assert ["undecided", "undecided"] == answers.verdicts.tolist()
    assert ["", ""] == answers.labels.tolist()
    np.testing.assert_array_equal(noises, answers.noises)


@pytest.mark.parametrize(("alarms", "purity"), [(0.0, 0.6), (0.05, 0.9), (0.2, 1.0)])
def test_false_alarms_are_kept_on_images_held_out(fit_vague, alarms, purity):
    refused = answer_held_out(fit_vague(false_alarms=alarms, target_purity=purity))[1]
    assert refused.mean() <= alarms
    assert refused.any() == (alarms > 0)


@pytest.mark.parametrize("rejection", [0.0, 0.3])
def test_the_largest_rejection_is_kept_on_images_held_out(fit_vague, rejection):
    named, refused = answer_held_out(fit_vague(max_rejection=rejection))
    left = np.mean(~named | refused)
    assert left <= max(rejection, 0.05)
    assert left >= rejection - 0.02  # and what may be rejected is


def test_the_target_purity_is_kept_on_images_held_out_and_costs_coverage(fit_vague, vague):
    shares = []
    for alarms, purity in ((0.0, 0.6), (0.05, 0.9), (0.2, 1.0)):
        fitted = fit_vague(false_alarms=alarms, target_purity=purity)
        paths = fitted.calibration_.held_out.paths
        sure = paths.path_probabilities[:, 0] >= fitted.calibration_.thresholds[0]
        right = [
            a.split("/")[0] == b.split("/")[0] for a, b in zip(paths.forced, vague[1], strict=True)
        ]
        assert np.mean(np.array(right)[sure]) >= purity
        shares.append(answer_held_out(fitted)[0].mean())
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]


def test_it_is_a_classifier_to_scikit_learn(cascade, make_blobs):
    fresh = clone(cascade)
    assert cascade.get_params() == fresh.get_params()
    assert not hasattr(fresh, "networks_")
    rows, labels = make_blobs(("a/x", "b"), size=9, d=3)
    found = cross_val_predict(fresh, rows, labels, cv=3)
    assert np.mean(found == labels) > 0.9
    chances = cross_val_predict(fresh, rows, labels, cv=2, method="predict_proba")
    assert (18, 2) == chances.shape


def test_the_same_seed_gives_the_same_answers(cascade, blobs):
    again = make().fit(*blobs)
    first, second = answer(cascade, blobs[0]), answer(again, blobs[0])
    for name in ("labels", "verdicts", "confidences", "novelties"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert cascade.calibration_.blends == again.calibration_.blends
