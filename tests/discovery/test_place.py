"""Placing new images: copies, new ones, strangers; the limits; known types; the learned metric."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone

from discovery.clusterers.hdbscan import HDBSCANOptions
from discovery.estimators.agglomerative import Agglomerative
from discovery.estimators.communities import GraphCommunities
from discovery.estimators.kmeans import KMeans
from discovery.graph.neighbours import find_neighbours
from discovery.records import number_by_size
from discovery.stages.partition import partition_rows
from discovery.stages.place import (
    NAMED,
    UNDECIDED,
    UNKNOWN,
    Fitted,
    NeighborVotes,
    PlaceOptions,
    adapt_rows,
    answer_rows,
    calibrate_limits,
    learn_metric,
    match_known,
)
from discovery.stages.place.known import find_pure_groups
from discovery.stages.place.records import DEFAULT_NEIGHBORS
from discovery.stages.place.votes import COPY_RATIO, predict_by_centre
from embeddings.errors import OptionError
from embeddings.records import unit_rows

P = 24
CLUSTERERS = {
    "communities": GraphCommunities(),
    "hdbscan": HDBSCANOptions(min_cluster_size=10).build(0, seed=0),
    "kmeans": KMeans(4),
    "agglomerative": Agglomerative(4),
}


def draw(corner, n, rng, *, spread=0.25):
    """Draw unit rows around a corner of the sphere."""
    rows = np.eye(P)[corner] + rng.normal(0, spread / np.sqrt(P) * 2, (n, P))
    return unit_rows(rows.astype(np.float32))


@pytest.fixture(scope="module")
def blobs():
    """240 rows around four corners, and 12 that lie anywhere."""
    rng = np.random.default_rng(0)
    rows = [draw(corner, size, rng) for corner, size in enumerate((80, 70, 50, 40))]
    stray = unit_rows(rng.normal(size=(12, P)).astype(np.float32))
    return np.concatenate([*rows, stray]), np.repeat([0, 1, 2, 3, -1], (80, 70, 50, 40, 12))


def fit(rows, clusterer, *, full_vectors=None):
    ids = np.array([f"{i:04}" for i in range(len(rows))])
    clustering = partition_rows(rows, ids, clone(clusterer), made_by="x", spec={})
    return Fitted.of(clustering, rows, full_vectors=full_vectors)


def fit_labels(rows, labels):
    labels = np.asarray(labels, np.int32)
    return Fitted(
        rows=rows, full_vectors=rows, labels=labels, memberships=(labels >= 0).astype(np.float32)
    )


def place_rows(rows, fitted, *, full_vectors=None, n_neighbors=DEFAULT_NEIGHBORS):
    """Place rows as `discovery.assign` does."""
    votes = NeighborVotes(fitted, n_neighbors=n_neighbors)
    limits = calibrate_limits(fitted, votes)
    vectors = rows if full_vectors is None else full_vectors
    return answer_rows(rows, vectors, votes=votes, limits=limits)


def match_clusters(before, after):
    """Return for each cluster before the one after that shares most images, one to one."""
    table = np.zeros((before.max() + 1, after.max() + 1))
    both = (before >= 0) & (after >= 0)
    np.add.at(table, (before[both], after[both]), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    match = np.full(len(table), -2)
    match[rows] = columns
    return match


# --- every clusterer under one contract ---


@pytest.mark.parametrize("name", CLUSTERERS)
def test_the_fitted_rows_themselves_get_their_labels(blobs, name):
    fitted = fit(blobs[0], CLUSTERERS[name])
    placed = place_rows(fitted.rows, fitted)
    assert fitted.labels.tolist() == placed.cluster_ids.tolist()
    noise = fitted.labels < 0
    assert (placed.verdicts[~noise] == NAMED).all()
    assert set(placed.verdicts[noise].tolist()) <= {UNKNOWN, UNDECIDED}


@pytest.mark.parametrize("name", CLUSTERERS)
def test_copies_that_moved_a_little_agree_noise_included(blobs, name):
    fitted = fit(blobs[0], CLUSTERERS[name])
    moved = fitted.rows + np.random.default_rng(1).normal(0, 0.01, fitted.rows.shape)
    placed = place_rows(unit_rows(moved.astype(np.float32)), fitted)
    assert (placed.cluster_ids == fitted.labels).mean() >= 0.99


@pytest.mark.parametrize("name", CLUSTERERS)
def test_new_images_agree_with_a_refit_of_all(blobs, name):
    rows, _ = blobs
    held = np.arange(0, len(rows), 5)
    kept = np.setdiff1d(np.arange(len(rows)), held)
    fitted, refit = fit(rows[kept], CLUSTERERS[name]), fit(rows, CLUSTERERS[name]).labels
    placed = place_rows(rows[held], fitted).cluster_ids
    match = match_clusters(fitted.labels, refit[kept])
    both = (placed >= 0) & (refit[held] >= 0)
    assert both.sum() >= 0.9 * (blobs[1][held] >= 0).sum()
    assert (match[placed[both]] == refit[held][both]).mean() >= 0.95


@pytest.mark.parametrize("name", CLUSTERERS)
def test_a_type_that_is_not_there_is_unknown(blobs, name):
    fitted = fit(blobs[0][:240], CLUSTERERS[name])
    new = draw(9, 30, np.random.default_rng(2))
    placed = place_rows(new, fitted)
    assert [UNKNOWN] * 30 == placed.verdicts.tolist()
    assert (placed.cluster_ids == -1).all()
    assert (placed.novelties > 0.5).all()


def test_between_two_clusters_is_undecided_and_not_unknown(blobs):
    rng = np.random.default_rng(3)
    # Two types with noise between them, as far from their images as these are from one another.
    shares = rng.uniform(0.45, 0.55, 40)[:, None]
    bridge = shares * np.eye(P)[0] + (1 - shares) * np.eye(P)[1]
    bridge = unit_rows((bridge + rng.normal(0, 0.2, bridge.shape)).astype(np.float32))
    rows = np.concatenate([draw(0, 60, rng, spread=1), draw(1, 60, rng, spread=1), bridge])
    fitted = fit_labels(rows, np.repeat([0, 1, -1], (60, 60, 40)))
    new = unit_rows((bridge + rng.normal(0, 0.02, bridge.shape)).astype(np.float32))
    placed = place_rows(new, fitted)
    assert set(placed.verdicts.tolist()) <= {UNDECIDED, UNKNOWN}
    assert (placed.verdicts == UNDECIDED).mean() > 0.5


def test_a_reduced_space_is_blind_to_what_is_new_and_the_full_vectors_are_not(blobs):
    rows, _ = blobs
    fitted_rows, vectors = unit_rows(rows[:240, :4]), rows[:240]
    fitted = fit(fitted_rows, Agglomerative(4), full_vectors=vectors)
    # The new type leans towards a corner that is known: across the axes that are kept it is new.
    new = unit_rows(draw(9, 30, np.random.default_rng(4)) + 0.5 * np.eye(P, dtype=np.float32)[0])
    blind = place_rows(unit_rows(new[:, :4]), fit(fitted_rows, Agglomerative(4)))
    seeing = place_rows(unit_rows(new[:, :4]), fitted, full_vectors=new)
    assert (blind.verdicts == UNKNOWN).mean() < 0.5
    assert (seeing.verdicts == UNKNOWN).all()


def test_each_image_is_answered_by_itself(blobs):
    fitted = fit(blobs[0], GraphCommunities())
    new = np.concatenate([draw(c, 5, np.random.default_rng(c)) for c in (0, 3, 9)])
    whole = place_rows(new, fitted)
    for i in (0, 7, 14):
        alone = place_rows(new[i : i + 1], fitted)
        assert whole.verdicts[i] == alone.verdicts[0]
        assert whole.cluster_ids[i] == alone.cluster_ids[0]
        assert whole.confidences[i] == pytest.approx(alone.confidences[0], abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(0, 2**16), st.integers(1, 20))
def test_any_labels_give_sound_answers(n, seed, ties):
    rng = np.random.default_rng(seed)
    rows = unit_rows(rng.normal(size=(n, 5)).astype(np.float32))
    labels = number_by_size(rng.integers(-1, 4, n))
    fitted = fit_labels(rows, labels)
    new = unit_rows(rng.normal(size=(7, 5)).astype(np.float32))
    placed = place_rows(np.concatenate([rows, new]), fitted, n_neighbors=ties)
    assert n + 7 == len(placed)
    assert (placed.cluster_ids < max(fitted.k, 1)).all()
    # The rows themselves keep their label or, at the limit of a cluster, get none; never another.
    own = placed.cluster_ids[:n]
    named = own >= 0
    distinct = len(np.unique(rows, axis=0)) == n
    if distinct and n > 2:
        assert (own[named] == labels[named]).all()


def test_no_cluster_at_all_and_no_new_image(blobs):
    rows = blobs[0][:20]
    placed = place_rows(rows, fit_labels(rows, np.full(20, -1)))
    assert [UNKNOWN] * 20 == placed.verdicts.tolist()
    assert 0 == len(place_rows(rows[:0], fit_labels(rows, np.zeros(20))))


def test_a_single_cluster_is_told_by_its_reach_alone(blobs):
    fitted = fit_labels(blobs[0][:80], np.zeros(80))
    rng = np.random.default_rng(5)
    placed = place_rows(np.concatenate([draw(0, 40, rng), draw(9, 40, rng)]), fitted)
    assert (placed.verdicts[:40] == NAMED).mean() >= 0.9
    assert (placed.verdicts[40:] == UNKNOWN).all()


def test_rows_of_another_space_are_refused(blobs):
    fitted = fit_labels(blobs[0], np.zeros(len(blobs[0])))
    with pytest.raises(ValueError, match="not in the spaces"):
        place_rows(blobs[0][:, :5], fitted)


# --- votes ---


def test_a_copy_is_much_nearer_to_one_than_to_the_next():
    rows = unit_rows(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32))
    votes = NeighborVotes(fit_labels(rows, [0, 1, -1]), n_neighbors=2)
    near = unit_rows(np.array([[1, 0.1, 0], [1, 0.9, 0], [0, 0, 1]], np.float32))
    assert [0, -1, 2] == votes.count(near).copied.tolist()
    gaps = np.linalg.norm(near[1] - rows, axis=1)
    assert min(gaps) > COPY_RATIO * sorted(gaps)[1]


def test_votes_of_many_clusters_need_little_memory():
    n, k = 3_000, 1_500
    rows = unit_rows(np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32))
    fitted = fit_labels(rows, np.arange(n) % k)
    find_neighbours(rows, 14)  # what is loaded once is not counted
    tracemalloc.start()
    try:
        votes = NeighborVotes(fitted, n_neighbors=14)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (n, k + 1) == votes.memberships.shape
    assert held < 2_000_000  # a dense table takes 36 MB


def test_of_equal_shares_the_bigger_cluster_counts():
    angles = np.radians([10, 20, 30, -10, -20, -30])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    middle = np.array([[1, 0]], np.float32)
    for labels in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]):
        votes = NeighborVotes(fit_labels(rows, labels), n_neighbors=3).count(middle)
        assert ([0], [0.5]) == (votes.likeliest.tolist(), votes.confidences.tolist())


def test_a_withheld_image_does_not_vote_for_itself(blobs):
    # One image among those of another cluster: nobody else votes for its label.
    labels = np.zeros(80, np.int32)
    labels[7] = 1
    votes = NeighborVotes(fit_labels(blobs[0][:80], labels), n_neighbors=14)
    assert 0 == votes.count(blobs[0][7:8], np.array([7])).labels[0]
    assert 1 == NeighborVotes(votes.fitted, n_neighbors=1).count(blobs[0][7:8]).labels[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16))
def test_a_withheld_image_is_taken_out_of_its_centre(seed):
    rng = np.random.default_rng(seed)
    rows = unit_rows(rng.normal(size=(12, 4)).astype(np.float32))
    labels = np.repeat([0, 1], (7, 5))
    i = int(rng.integers(12))
    got, clearness = predict_by_centre(
        rows[i : i + 1], fit_labels(rows, labels), withheld=np.array([i])
    )
    rest = np.arange(12) != i
    centres = [rows[rest & (labels == c)].mean(axis=0) for c in (0, 1)]
    squared = np.array([np.square(rows[i] - centre).sum() for centre in centres])
    assert squared.argmin() == got[0]
    assert 1 - squared.min() / squared.sum() == pytest.approx(clearness[0], abs=1e-4)


# --- limits ---


def test_kmeans_goes_by_centres_and_a_ring_by_neighbours():
    rng = np.random.default_rng(6)
    spread = unit_rows(rng.normal(size=(300, 6)).astype(np.float32))
    by_centre = fit(spread, KMeans(5))
    assert "centres" == calibrate_limits(by_centre, NeighborVotes(by_centre, n_neighbors=14)).rule
    # A ring around a blob has the blob's own centre.
    turn = np.linspace(0, 2 * np.pi, 150, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn), np.full(150, 1.0)], axis=1)
    blob = np.array([0, 0, 1.0]) + rng.normal(0, 0.1, (100, 3))
    rows = unit_rows(np.concatenate([ring, blob]).astype(np.float32))
    fitted = fit_labels(rows, np.repeat([0, 1], (150, 100)))
    limits = calibrate_limits(fitted, NeighborVotes(fitted, n_neighbors=14))
    assert ("neighbours", 1.0) == (limits.rule, limits.purity)


@pytest.fixture(scope="module")
def blended():
    """Two types that overlap, so that purity and rejection pull against each other."""
    rng = np.random.default_rng(7)
    rows = np.concatenate([draw(0, 150, rng, spread=1.6), draw(1, 150, rng, spread=1.6)])
    return fit_labels(rows, np.repeat([0, 1], 150))


@pytest.mark.parametrize("target", [0.9, 0.95, 0.99])
def test_the_target_purity_is_met_where_rejection_allows_it(blended, target):
    options = PlaceOptions(target_purity=target, max_rejection=0.9)
    limits = calibrate_limits(blended, NeighborVotes(blended, n_neighbors=14), options=options)
    assert limits.purity >= target


@pytest.mark.parametrize("most", [0.02, 0.1, 0.3])
def test_no_more_is_refused_than_allowed(blended, most):
    options = PlaceOptions(target_purity=1.0, max_rejection=most)
    limits = calibrate_limits(blended, NeighborVotes(blended, n_neighbors=14), options=options)
    assert limits.rejection <= most + 1e-9


def test_a_purer_target_never_names_more(blended):
    votes = NeighborVotes(blended, n_neighbors=14)
    bars = [
        calibrate_limits(
            blended, votes, options=PlaceOptions(target_purity=target, max_rejection=0.9)
        ).confidence
        for target in (0.5, 0.9, 0.95, 0.99, 1.0)
    ]
    assert sorted(bars) == bars


@pytest.mark.parametrize(
    ("options", "flag"),
    [({"target_purity": 0}, "--target-purity 0"), ({"target_purity": 1.2}, "--target-purity 1.2"),
     ({"max_rejection": 1}, "--max-rejection 1"), ({"max_rejection": -0.1}, "--max-rejection")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(options, flag):
    with pytest.raises(OptionError, match=flag):
        PlaceOptions(**options)


# --- known types ---


def match(rows, known, labels, **given):
    """Group known and new images together, and match."""
    both = np.concatenate([rows, known])
    groups = GraphCommunities(granularity="fine", random_state=0).fit(both).labels_
    return match_known(rows, known, labels, groups=groups, **given)


def test_known_types_are_set_aside_and_new_ones_are_not():
    rng = np.random.default_rng(8)
    known = np.concatenate([draw(0, 20, rng), draw(1, 20, rng)])
    rows = np.concatenate([draw(0, 50, rng), draw(1, 50, rng), draw(2, 50, rng)])
    matched = match(rows, known, np.repeat(["a/x", "a/y"], 20))
    truth = np.repeat(["a/x", "a/y", ""], 50)
    named = matched.verdicts == NAMED
    assert (matched.labels[named] == truth[named]).all()
    assert named[:100].mean() > 0.8
    assert (matched.verdicts[100:] == UNKNOWN).all()
    assert ((matched.labels == "") == ~named).all()
    assert 2 / 3 == pytest.approx(matched.share, abs=0.15)


def test_a_new_type_beside_a_known_one_is_not_taken_for_it():
    # So near that it lies within the reach of the known type: only its surplus tells.
    rng = np.random.default_rng(9)
    near = unit_rows(draw(0, 60, rng) + 0.35 * np.eye(P, dtype=np.float32)[5])
    rows = np.concatenate([draw(0, 40, rng), draw(1, 40, rng), near])
    known = np.concatenate([draw(0, 40, rng), draw(1, 40, rng)])
    matched = match(rows, known, np.repeat(["a", "b"], 40))
    assert (matched.labels[80:] == "").mean() > 0.8
    assert (matched.labels[40:80] == "b").mean() > 0.8


def test_a_single_known_type_is_told_by_its_reach():
    rng = np.random.default_rng(9)
    rows = np.concatenate([draw(0, 300, rng), draw(3, 100, rng)])
    matched = match(rows, draw(0, 200, rng), np.repeat("no_defect", 200))
    assert (matched.labels[300:] == "").all()
    assert (matched.labels[:300] == "no_defect").mean() > 0.5


def test_types_of_one_image_take_copies_of_it_and_no_more():
    rng = np.random.default_rng(10)
    known = np.concatenate([draw(c, 1, rng) for c in range(3)])
    rows = np.concatenate([known, draw(7, 5, rng)])
    matched = match(rows, known, np.array(["a", "b", "c"]))
    assert ["a", "b", "c"] == matched.labels[:3].tolist()
    assert [UNKNOWN] * 5 == matched.verdicts[3:].tolist()


def test_a_single_known_image_matches_nothing():
    rng = np.random.default_rng(11)
    known = draw(0, 1, rng)
    matched = match(np.concatenate([known, draw(0, 20, rng)]), known, np.array(["a"]))
    assert [UNDECIDED] * 21 == matched.verdicts.tolist()
    assert (matched.labels == "").all()
    assert 0 == matched.share


def test_a_group_with_a_surplus_is_not_pure():
    known = np.repeat([0, 1, 2, 3], [20, 30, 40, 2]).astype(np.int32)
    mixed = np.repeat([0, 1, 2, 3, 4, -1], [20, 90, 44, 2, 30, 9]).astype(np.int32)
    pure, share = find_pure_groups(mixed, known, target_purity=0.95)
    # The second has thrice its share, the fourth too few known ones, the fifth none.
    assert [True, False, True, False, False, False] == pure.tolist()
    assert 0 < share < 1
    assert not find_pure_groups(mixed, known[-2:], target_purity=0.95)[0].any()


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=8),
    st.floats(0.5, 1),
)
def test_a_lower_target_never_trusts_fewer_groups(counts, target):
    mixed = np.repeat(np.arange(len(counts)), [m for m, _ in counts]).astype(np.int32)
    known = np.repeat(np.arange(len(counts)), [n for _, n in counts]).astype(np.int32)
    strict, share = find_pure_groups(mixed, known, target_purity=target)
    lax, _ = find_pure_groups(mixed, known, target_purity=target / 2)
    assert (lax >= strict).all()
    assert not strict[-1]
    assert 0 <= share <= 1


# --- the learned metric ---


def test_what_varies_inside_types_counts_less():
    rng = np.random.default_rng(13)
    rows = rng.normal(size=(200, 6)) * np.array([3, 1, 1, 1, 1, 1])
    labels = np.repeat(["a", "b"], 100)
    rows[:100, 1] += 4
    metric = learn_metric(rows.astype(np.float32), labels)
    within = np.cov((rows[:100] @ metric).T)
    assert within[0, 0] < 1.5 * within[2, 2]
    adapted = adapt_rows(rows.astype(np.float32), metric)
    assert np.allclose(1, np.linalg.norm(adapted, axis=1), atol=1e-5)


def test_few_known_images_leave_the_metric_alone():
    rows = np.random.default_rng(14).normal(size=(3, 50)).astype(np.float32)
    assert np.allclose(np.eye(50), learn_metric(rows, np.array(["a", "b", "c"])))
    two = learn_metric(rows[:2], np.array(["a", "a"]))
    assert np.abs(two - np.eye(50)).max() < 0.3


def test_clusters_that_would_take_each_others_images_are_known(blobs):
    rows, labels = blobs
    votes = {}
    for name, clusters in (("apart", labels), ("by chance", np.arange(len(rows)) % 4)):
        fitted = fit_labels(rows, clusters)
        votes[name] = calibrate_limits(fitted, NeighborVotes(fitted, n_neighbors=14)).mistakable
    assert votes["apart"] == 0
    assert votes["by chance"] > 0.8
    alone = fit_labels(rows[:80], np.zeros(80))
    assert np.isnan(calibrate_limits(alone, NeighborVotes(alone, n_neighbors=14)).mistakable)
