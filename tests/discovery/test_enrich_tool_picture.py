"""A proposal whose images come nearly all from one tool is marked: it may be the tool's picture."""

import json

import numpy as np
import pytest

from discovery.formats.type_sheet.rows import describe_associations
from discovery.records import Clustering, Proposal
from discovery.review.server.words import sum_up_associations
from discovery.stages.enrich import attach_associations, find_associations
from discovery.stages.report.associations import render_associations

SIZES = (40, 30, 30)


def group(column, values):
    """Return the associations of three groups with one column of metadata, by cluster."""
    labels = np.repeat(np.arange(3, dtype=np.int32), SIZES)
    n = len(labels)
    clustering = Clustering(
        ids=np.array([f"{i:05d}" for i in range(n)]),
        labels=labels,
        memberships=np.ones(n, np.float32),
        outlier_scores=np.zeros(n, np.float32),
        spec={},
        made_by="test",
    )
    metadata = [json.dumps({column: value}) for value in values]
    proposals = [
        Proposal(
            proposal_id=f"p{cluster}",
            cluster_id=cluster,
            rank=cluster + 1,
            size=SIZES[cluster],
            cohesion=0.9,
            separation=0.5,
            stability=0.9,
            novelty=0.5,
            nearest_known="",
            medoid="00000",
            exemplars={"central": (), "diverse": (), "edge": ()},
        )
        for cluster in range(3)
    ]
    attached = attach_associations(proposals, find_associations(metadata, clustering))
    return [one.associations for one in attached]


def mix(first, second, others):
    """Tools of the first group: `first` of A; the second group has `second` of A, then the rest."""
    own = ["A"] * first + ["B"] * (SIZES[0] - first)
    return [*own, *["A"] * second, *["B"] * (SIZES[1] - second), *others]


@pytest.mark.parametrize(
    ("column", "what"),
    [("tool", "tool"), ("Microscope", "tool"), ("inspection tool", "tool"), ("RECIPE", "recipe")],
)
def test_a_group_of_one_tool_alone_is_marked(column, what):
    one, *others = group(column, mix(39, 4, ["B", "C"] * 15))
    assert (
        f"may be the picture of one {what} and not a defect: 39 of 40 images come from "
        f"{column} A, 4 of 60 of all others"
    ) == one["warning"]
    assert ["warning" in other for other in others] == [False, False]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("tool", mix(24, 4, ["B"] * 30)),  # over-represented, but from others too
        ("tool", mix(40, 30, ["A"] * 29 + ["B"])),  # nearly all images are of this tool
        ("lot", mix(40, 0, ["B"] * 30)),  # a lot takes no pictures
        ("tool", ["A"] * 100),  # there is no other
    ],
)
def test_other_groups_are_not(column, values):
    assert "warning" not in group(column, values)[0]


def test_the_warning_stands_wherever_the_evidence_does():
    one = group("tool", mix(40, 2, ["B"] * 30))[0]
    assert "This type may be the picture of one tool" in render_associations(one)
    assert "tool A (may be one tool's picture)" == sum_up_associations(one)
    assert describe_associations(one).startswith("may be the picture of one tool and not a defect")
