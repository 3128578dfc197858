import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.review.guidance import (
    Labelled,
    expected_right,
    fit_judge,
    fold_copies,
    label_rest,
    make_features,
    order_members,
    pick_prototypes,
    rank_doubt,
    rank_growth,
    suggest_next,
)
from embeddings.records import unit_rows

EACH, K = 30, 3
TRUTH = np.repeat(np.arange(K), EACH).astype(np.int32)


def make_rows(spread=0.15, seed=0):
    """Draw three types of thirty images each."""
    rng = np.random.default_rng(seed)
    middles = np.eye(K, 12)
    return unit_rows((middles[TRUTH] + spread * rng.normal(size=(K * EACH, 12))).astype(np.float32))


def make_scene(spread=0.15, copies=None):
    rows = make_rows(spread)
    nearest = np.argsort(-rows @ rows.T, axis=1, kind="stable")[:, 1:11].astype(np.int32)
    copies = np.full(len(rows), -1, np.int32) if copies is None else copies
    return make_features(rows, nearest, rows=rows, copies=copies), rows


def label(seen, *, accepted=(-1, -1, -1), excluded=(), aside=(), codes=None):
    codes = np.full(len(TRUTH), -1, np.int32) if codes is None else codes.copy()
    codes[seen] = TRUTH[seen]
    is_seen = np.zeros(len(TRUTH), np.bool_)
    is_seen[seen] = True
    return Labelled(
        codes=codes,
        seen=is_seen,
        proposals=TRUTH,
        accepted=np.array(accepted, np.int32),
        n_types=K,
        excluded=excluded,
        aside=np.array(aside, np.intp),
    )


ONE_EACH = [0, EACH, 2 * EACH]


def test_of_near_copies_the_first_is_kept_and_stands_for_the_others():
    copies = np.array([0, -1, 0, 1, 1, -1, 0], np.int32)
    kept, folded = fold_copies(np.array([6, 5, 4, 3, 2, 1]), copies)
    assert [6, 5, 4, 1] == kept.tolist()
    assert {6: [2], 4: [3]} == {one: of.tolist() for one, of in folded.items()}


def test_members_come_with_the_strangers_first_and_each_once():
    rows = make_rows()
    members = np.concatenate([np.arange(EACH), [EACH + 1]])  # one of another type
    copies = np.full(len(rows), -1, np.int32)
    order = order_members(rows, members, prototypes=np.array([0, 1]), copies=copies)
    assert order.images[0] == EACH + 1
    assert sorted(members.tolist()) == sorted(order.images.tolist())
    assert order.of == len(members)


def test_a_proposal_that_nothing_is_left_of_has_no_members():
    rows = make_rows()
    nothing = np.zeros(0, np.intp)
    copies = np.full(len(rows), -1, np.int32)
    order = order_members(rows, nothing, prototypes=nothing, copies=copies)
    assert (order.images.tolist(), order.folded, order.of) == ([], {}, 0)


def test_a_screen_too_small_shows_extremes_and_a_sample_of_the_others():
    rows = make_rows()
    copies = np.full(len(rows), -1, np.int32)
    copies[:2] = 7
    members = np.arange(EACH)
    order = order_members(rows, members, prototypes=members[:0], copies=copies, limit=10)
    assert (10, EACH - 1) == (len(order.images), order.of)
    far = np.argsort(rows[members] @ rows[members].mean(axis=0))
    assert far[0] == order.images[0]
    assert {0, 1} & {int(far[-1])} or int(far[-1]) == order.images[-1]
    assert set(order.folded) <= set(order.images.tolist())


def test_growth_ranks_by_the_nearest_of_several_prototypes():
    rows = make_rows()
    growth = rank_growth(rows, np.arange(len(rows)), np.array([0, EACH]))
    assert (np.diff(growth.distances) >= 0).all()
    assert set(growth.images[: 2 * EACH - 2].tolist()) == set(range(1, 2 * EACH)) - {EACH}
    gaps = np.linalg.norm(rows[growth.images, None] - rows[[0, EACH]], axis=2).min(axis=1)
    assert np.allclose(gaps, growth.distances, atol=1e-3)


def test_growth_without_a_prototype_is_refused():
    with pytest.raises(ValueError, match="prototypes"):
        rank_growth(make_rows(), np.arange(3), np.empty(0, np.intp))


def test_prototypes_cover_the_members_and_are_no_copies():
    rows = make_rows()
    picked = pick_prototypes(rows, np.arange(len(rows)), count=3)
    assert {0, 1, 2} == set(TRUTH[picked].tolist())
    same = np.repeat(rows[:1], 5, axis=0)
    assert len(pick_prototypes(same, np.arange(5))) == 1


def test_the_judge_tells_types_apart_from_an_image_of_each():
    features, _ = make_scene()
    judge = fit_judge(features, label(ONE_EACH))
    assert (judge.likely == TRUTH).mean() > 0.95


def test_accepted_proposals_hint_where_nobody_looked():
    features, _ = make_scene(spread=0.3)
    without = fit_judge(features, label(ONE_EACH))
    hinted = fit_judge(features, label(ONE_EACH, accepted=(0, 1, 2)))
    assert (hinted.likely == TRUTH).mean() >= (without.likely == TRUTH).mean()
    assert (hinted.likely == TRUTH).mean() > 0.95


def test_what_was_seen_outweighs_a_proposal_that_is_wrong():
    features, _ = make_scene()
    seen = [i for i in range(len(TRUTH)) if i % 3 == 0]
    judge = fit_judge(features, label(seen, accepted=(1, 1, 2)))
    assert (judge.likely == TRUTH).mean() > 0.95


def test_a_wrong_label_is_seen_by_the_held_out_answers():
    features, _ = make_scene()
    seen = list(range(0, len(TRUTH), 2))
    labelled = label(seen)
    labelled.codes[4] = 2
    page = rank_doubt(fit_judge(features, labelled), labelled, features, code=2)
    assert 4 in page.images.tolist()


def test_a_page_of_doubt_has_no_image_that_was_seen_and_folds_copies():
    copies = np.full(len(TRUTH), -1, np.int32)
    copies[[5, 6, 7]] = 0
    features, _ = make_scene(copies=copies)
    left = [5, 6, 7, 40, 41, 70]
    labelled = label([i for i in range(len(TRUTH)) if i not in left])
    page = rank_doubt(fit_judge(features, labelled), labelled, features, limit=200)
    shown = set(page.images.tolist())
    assert len(shown & {5, 6, 7}) == 1
    assert shown - {5, 6, 7} == {40, 41, 70}
    assert len(page.images) == 4
    assert (np.diff(page.likely) >= 0).all()  # of one type side by side


def test_expected_right_counts_what_has_no_label_as_wrong():
    features, _ = make_scene()
    seen = list(range(0, len(TRUTH), 2))
    labelled = label(seen)
    judge = fit_judge(features, labelled)
    assert expected_right(judge, labelled) == pytest.approx(0.5)
    assert expected_right(judge, labelled, after_rest=True) > 0.9
    aside = label(seen, aside=range(1, len(TRUTH), 2))
    assert expected_right(judge, aside) == 1


def test_the_rest_goes_to_the_likely_types_and_what_was_seen_stays():
    features, _ = make_scene()
    labelled = label(ONE_EACH)
    given = label_rest(fit_judge(features, labelled), labelled)
    images = np.concatenate(list(given.values()))
    assert sorted(images.tolist()) == sorted(set(range(len(TRUTH))) - set(ONE_EACH))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_an_excluded_pair_is_never_offered(data):
    features, rows = make_scene(spread=0.4)
    n = len(TRUTH)
    pairs = st.lists(st.integers(0, n - 1), max_size=n, unique=True)
    excluded = tuple(np.array(sorted(data.draw(pairs)), np.intp) for _ in range(K))
    labelled = label(ONE_EACH, accepted=(0, 1, -1), excluded=excluded)
    judge = fit_judge(features, labelled)
    for code in (None, 0, 1, 2):
        page = rank_doubt(judge, labelled, features, code=code, limit=n)
        for image, likely in zip(page.images.tolist(), page.likely.tolist(), strict=True):
            assert image not in excluded[likely]
    for code, images in label_rest(judge, labelled).items():
        assert not np.isin(images, excluded[code]).any()
    growth = rank_growth(rows, np.arange(n), np.array([0]), excluded=excluded[0])
    assert not np.isin(growth.images, excluded[0]).any()


def test_the_largest_proposal_comes_first_and_settled_ones_are_left_out():
    members = [np.arange(EACH), np.arange(EACH, 2 * EACH + 5), np.arange(2 * EACH + 5, 3 * EACH)]
    waiting = dict(enumerate(members))
    assert suggest_next(label([]), None, waiting=waiting).proposal == 1
    half = label(list(range(EACH, EACH + 20)))
    assert suggest_next(half, None, waiting=waiting).proposal == 0


def test_a_review_ends_with_the_rest_and_then_is_done():
    features, _ = make_scene(spread=0.05)
    seen = list(range(0, len(TRUTH), 2))
    labelled = label(seen)
    judge = fit_judge(features, labelled)
    assert suggest_next(labelled, judge, waiting={}).screen == "rest"
    codes = labelled.codes.copy()
    for code, images in label_rest(judge, labelled).items():
        codes[images] = code
    done = label(seen, codes=codes)
    assert suggest_next(done, fit_judge(features, done), waiting={}).screen == "done"
    everything = label(list(range(len(TRUTH))))
    assert suggest_next(everything, judge, waiting={}).screen == "done"


def test_doubt_comes_when_no_proposal_waits():
    features, _ = make_scene(spread=0.5)
    labelled = label(ONE_EACH)
    judge = fit_judge(features, labelled)
    assert suggest_next(labelled, judge, waiting={}).screen == "doubt"


def test_nothing_labelled_is_nothing_to_learn():
    features, _ = make_scene()
    with pytest.raises(ValueError, match="nothing is labelled"):
        fit_judge(features, label([]))


def test_a_page_is_no_larger_than_what_is_missing_to_the_target():
    features, _ = make_scene(spread=0.3)
    labelled = label(list(range(0, len(TRUTH), 3)))
    judge = fit_judge(features, labelled)
    whole = rank_doubt(judge, labelled, features, limit=60)
    reached = expected_right(judge, labelled, after_rest=True)
    least = rank_doubt(judge, labelled, features, limit=60, target=reached - 0.01)
    assert len(least.images) == 10 < len(whole.images)
    most = rank_doubt(judge, labelled, features, limit=60, target=2.0)
    assert whole.images.tolist() == most.images.tolist()


def test_a_copy_of_what_was_seen_is_settled_while_it_bears_the_same_label():
    copies = np.full(len(TRUTH), -1, np.int32)
    copies[[0, 1]] = 0
    labelled = label([0])
    codes = labelled.codes.copy()
    codes[1] = TRUTH[0]
    for bears, waits in ((labelled.codes, True), (codes, False)):
        both = Labelled(
            codes=bears,
            seen=labelled.seen,
            proposals=TRUTH,
            accepted=labelled.accepted,
            n_types=K,
            copies=copies,
        )
        assert waits == both.is_open[1]


def test_proposals_come_before_the_rest_however_sure_the_judge_is():
    features, _ = make_scene(spread=0.05)
    labelled = label(list(range(0, 2 * EACH, 2)))
    judge = fit_judge(features, labelled)
    found = suggest_next(labelled, judge, waiting={2: np.arange(2 * EACH, 3 * EACH)}, target=0.1)
    assert ("validate", 2) == (found.screen, found.proposal)


def test_near_neighbours_do_not_stand_on_one_page():
    features, rows = make_scene(spread=0.3)
    labelled = label(ONE_EACH)
    page = rank_doubt(fit_judge(features, labelled), labelled, features, limit=8)
    likeness = rows[page.images] @ rows.T
    nearest = np.argsort(-likeness, axis=1)[:, 1:3]  # nearer than the five that links keep apart
    assert not np.isin(nearest, page.images).all(axis=1).any()


def test_what_was_thrown_out_is_learned_as_the_next_type():
    features, _ = make_scene()
    seen = list(range(EACH, 3 * EACH))
    thrown = np.arange(EACH)  # all of a type without a name yet but for one image
    nobody = np.empty(0, np.intp)
    before = fit_judge(features, label([0, *seen]))
    after = fit_judge(features, label([0, *seen], excluded=(nobody, thrown[1:], thrown[1:])))
    assert (after.likely[thrown] == 0).all()
    assert after.right[thrown].mean() > before.right[thrown].mean()
