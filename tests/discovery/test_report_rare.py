"""The strip of the rare: its order, look-alikes in one frame, and what is said of it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from discovery.records import Clustering, Rarity, number_by_size
from discovery.stages.report import ReportData, choose_thumbnails, render_report
from discovery.stages.report.rare import render_rare
from discovery.stages.report.thumbnails import RARE_SHOWN


def make_data(noise, rarity=None, inside=6):
    n = inside + noise
    labels = number_by_size(np.array([0] * inside + [-1] * noise))
    clustering = Clustering(
        ids=np.array([f"i{i:03}" for i in range(n)], dtype=np.str_),
        labels=labels,
        memberships=(labels >= 0).astype(np.float32),
        outlier_scores=np.linspace(0, 1, n, dtype=np.float32),
        spec={},
        made_by="auto",
    )
    return ReportData(
        clustering=clustering,
        xy=np.zeros((n, 2), np.float32),
        paths=[(f"<{i}>.png",) for i in range(n)],
        proposals=(),
        rarity=rarity,
    )


def make_rarity(positions, groups):
    m = len(positions)
    return Rarity(
        positions=np.array(positions, np.intp),
        scores=np.linspace(0.9, 0.1, m, dtype=np.float32),
        groups=np.array(groups, np.int32),
        nearest=np.zeros(m, np.int32),
        ratios=np.full(m, 1.5, np.float32),
    )


def list_shots(page):
    return [int(i) for i in re.findall(r'class="shot" data-i="(\d+)"', page)]


def test_the_given_order_is_shown_and_look_alikes_are_framed():
    page = render_rare(make_data(4, make_rarity([8, 6, 9, 2], [0, 1, 1, 2])))
    assert [8, 6, 9, 2] == list_shots(page)
    frame = re.search(r'<div class="lookalikes".*?</div>', page, re.DOTALL).group()
    assert [6, 9] == list_shots(frame)
    assert 'aria-label="2 look-alikes"' in frame
    assert "Rare: look at these first" in page
    assert (
        "4 of 5 rare images, the strangest first, with outlier scores: 4 in no cluster and 1 far "
        "outside of its own cluster." in page
    )
    assert "All 4 images in no cluster" in page  # the fold below holds these alone
    assert "outlier score 0.90, neighbours 1.5 times as far as usual: &lt;8&gt;.png" in page
    assert "rare.csv" in page


def test_without_neighbours_the_outlier_scores_order():
    page = render_rare(make_data(3))
    assert [8, 7, 6] == list_shots(page)
    assert "lookalikes" not in page
    assert "rare.csv" not in page
    assert "times as far" not in page


def test_nothing_rare_is_said():
    page = render_rare(make_data(0))
    assert "Nothing rare" in page
    assert [] == list_shots(page)


def test_a_group_is_shown_whole_or_not_at_all():
    m = RARE_SHOWN + 1
    groups = [*range(RARE_SHOWN - 1), RARE_SHOWN - 1, RARE_SHOWN - 1]
    page = render_rare(make_data(m, make_rarity(range(6, 6 + m), groups)))
    assert list(range(6, 6 + RARE_SHOWN - 1)) == list_shots(page)


def test_what_is_shown_has_a_thumbnail_and_stands_on_the_page():
    rarity = make_rarity([9, 7], [0, 1])
    data = make_data(4, rarity)
    assert ["i009", "i007"] == choose_thumbnails(data.clustering, (), limit=2, rarity=rarity)
    assert 'aria-label="Rare images"' in render_report(data)
    with pytest.raises(ValueError, match="outside of the 10 images"):
        make_data(4, make_rarity([10], [0]))


def test_one_image_far_out_is_told_as_one():
    page = render_rare(make_data(0, make_rarity([2], [0])))
    told = (
        "1 rare image, the strangest first, with outlier scores: 1 far outside of its own cluster."
    )
    assert told in page


def test_all_that_are_shown_are_told_as_all_and_the_fold_says_which_it_has():
    page = render_rare(make_data(2, make_rarity([6, 7, 0, 1], [0, 1, 2, 3])))
    assert (
        "4 rare images, the strangest first, with outlier scores: 2 in no cluster and 2 far "
        "outside of their own cluster." in page
    )
    assert "All 2 images in no cluster" in page


def test_noise_that_was_assigned_is_told_all_the_same():
    data = make_data(2, make_rarity([6, 7], [0, 1]))
    labels = np.zeros(8, data.clustering.labels.dtype)
    assigned = replace(data.clustering, labels=labels, assigned=data.clustering.labels < 0)
    page = render_rare(replace(data, clustering=assigned))
    assert "2 rare images, the strangest first, with outlier scores: 2 in no cluster, assi" in page
