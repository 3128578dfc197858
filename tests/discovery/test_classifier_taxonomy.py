"""The tree of types: made from label paths, asked for its nodes, written and read."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.classifier.taxonomy import (
    Taxonomy,
    make_default_taxonomy,
    split_path,
)
from embeddings.errors import HandoffError

LABELS = ["no_defect", "defect/small/particle", "defect/large", "defect/small/pit", "defect"]
TREE = Taxonomy.from_labels(LABELS, definitions={"defect/small": "a few pixels"})

parts = st.sampled_from(["a", "b", "c-1", "c", "Ä", "large particle"])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)
label_sets = st.lists(paths, min_size=1, max_size=12)


def test_the_nodes_are_all_labels_and_their_ancestors_sorted():
    expected = (
        "defect", "defect/large", "defect/small", "defect/small/particle", "defect/small/pit",
        "no_defect",
    )  # fmt: skip
    assert expected == TREE.nodes


def test_the_tree_answers_for_its_parts():
    assert TREE.leaves == (
        "defect/large",
        "defect/small/particle",
        "defect/small/pit",
        "no_defect",
    )
    assert TREE.depth == 3
    assert TREE.children("") == ("defect", "no_defect")
    assert TREE.children("defect/small") == ("defect/small/particle", "defect/small/pit")
    assert TREE.children("no_defect") == ()
    assert TREE.parent("defect/small/pit") == "defect/small"
    assert TREE.parent("defect") == ""
    assert TREE.ancestors("defect/small/pit") == ("defect", "defect/small", "defect/small/pit")
    assert TREE.ancestors("") == ()
    assert TREE.level(1) == ("defect", "no_defect")
    assert TREE.level(3) == ("defect/small/particle", "defect/small/pit")
    assert TREE.level(4) == ()
    assert TREE.truncate("defect/small/pit", 2) == "defect/small"
    assert TREE.truncate("defect/small/pit", 0) == ""
    assert TREE.truncate("no_defect", 3) == "no_defect"
    assert "" in TREE
    assert "defect/small" in TREE
    assert "small" not in TREE


def test_the_decisions_are_where_there_is_a_choice_from_the_top_down():
    assert TREE.decision_nodes() == ("", "defect", "defect/small")
    chain = Taxonomy.from_labels(["b/x/1", "b/x/2", "a/y"])
    assert chain.decision_nodes() == ("", "b/x")
    wide = Taxonomy.from_labels(["b/1", "b/2", "a/x/1", "a/x/2"])
    assert wide.decision_nodes() == ("", "b", "a/x")  # by depth first, not by name
    assert Taxonomy.from_labels(["defect/small/pit"]).decision_nodes() == ()


def test_the_drawing_is_indented_and_says_what_a_node_means():
    expected = "defect\n  large\n  small: a few pixels\n    particle\n    pit\nno_defect"
    assert expected == TREE.draw()


def test_siblings_of_a_name_that_sorts_before_the_slash_stay_apart():
    tree = Taxonomy.from_labels(["a/x", "a-1/x", "a"])
    assert tree.children("a") == ("a/x",)
    assert tree.draw() == "a\n  x\na-1\n  x"


def test_labels_are_tidied_and_definitions_outside_the_tree_left_out():
    tree = Taxonomy.from_labels(
        [" defect / pit "], definitions={"defect/pit ": " a hole ", "defect": " ", "void": "x"}
    )
    assert tree.nodes == ("defect", "defect/pit")
    assert tree.definitions == {"defect/pit": "a hole"}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "no label came"),
        (["defect", "unknown"], "'unknown' is a verdict"),
        (["defect/Undecided"], "is a verdict"),
        (["defect//pit"], "empty part"),
        ([""], "empty part"),
    ],
)
def test_what_cannot_be_learned_is_refused_with_one_line(labels, said):
    with pytest.raises(HandoffError, match=said) as raised:
        Taxonomy.from_labels(labels)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"nodes": "defect"},
        {"nodes": [1]},
        {"nodes": []},
        {"nodes": ["unknown"]},
        {"nodes": ["a"], "definitions": ["a"]},
        {"nodes": ["a"], "definitions": {"a": 1}},
    ],
)
def test_what_is_no_tree_is_refused_on_reading(data):
    with pytest.raises(HandoffError):
        Taxonomy.from_dict(data)


@pytest.mark.parametrize(
    ("nodes", "definitions"),
    [((), {}), (("b", "a"), {}), (("a", "a"), {}), (("a/b",), {}), (("a",), {"b": "x"})],
)
def test_a_tree_made_by_hand_is_checked(nodes, definitions):
    with pytest.raises(ValueError):
        Taxonomy(nodes=nodes, definitions=definitions)


def test_asking_for_what_is_not_there_is_a_bug():
    with pytest.raises(ValueError, match="not in the tree"):
        TREE.children("void")
    with pytest.raises(ValueError, match="no parent"):
        TREE.parent("")
    with pytest.raises(ValueError, match="0 or more"):
        TREE.truncate("defect", -1)


def test_paths_are_split_into_parts():
    assert split_path("defect/small") == ("defect", "small")
    assert split_path("") == ()


def test_the_default_is_the_reference_tree_and_takes_further_types():
    tree = make_default_taxonomy(["defect/small/scratch"], definitions={"defect": "said anew"})
    assert tree.level(1) == ("defect", "no_defect")
    assert tree.level(2) == ("defect/large", "defect/small")
    assert tree.level(3) == (
        "defect/large/large_particle",
        "defect/small/particle",
        "defect/small/scratch",
    )
    assert tree.definitions["defect"] == "said anew"
    assert make_default_taxonomy().depth == 3


@pytest.mark.parametrize("label", ["scratch", "void/scratch", "unknown", "defect/unknown", ""])
def test_a_type_outside_the_reference_tree_is_refused(label):
    with pytest.raises(HandoffError):
        make_default_taxonomy([label])


@given(label_sets)
def test_ancestors_are_chains_of_prefixes_within_the_tree(labels):
    tree = Taxonomy.from_labels(labels)
    for label in labels:
        chain = tree.ancestors(label)
        assert chain[-1] == label
        assert [len(split_path(node)) for node in chain] == list(range(1, len(chain) + 1))
        assert all(tree.parent(b) == a for a, b in zip(("", *chain), chain, strict=False))
        assert set(chain) <= set(tree.nodes)
        assert [tree.truncate(label, d) for d in range(1, len(chain) + 1)] == list(chain)


@given(label_sets)
def test_parents_children_levels_and_leaves_agree(labels):
    tree = Taxonomy.from_labels(labels)
    for node in tree.nodes:
        assert tree.parent(node) in tree
        assert node in tree.children(tree.parent(node))
    assert set(tree.nodes) == {node for d in range(1, tree.depth + 1) for node in tree.level(d)}
    assert tree.level(tree.depth) != ()
    assert tree.leaves == tuple(node for node in tree.nodes if not tree.children(node))
    # A tree has one leaf more than its decisions' surplus of children.
    surplus = sum(len(tree.children(node)) - 1 for node in tree.decision_nodes())
    assert len(tree.leaves) == 1 + surplus


@given(label_sets, st.dictionaries(paths, st.text("abc ", max_size=5)))
def test_a_tree_survives_json(labels, definitions):
    tree = Taxonomy.from_labels(labels, definitions=definitions)
    assert tree == Taxonomy.from_dict(json.loads(json.dumps(tree.to_dict())))


@given(label_sets, st.randoms(use_true_random=False))
def test_the_order_and_number_of_labels_do_not_matter(labels, chance: random.Random):
    shuffled = labels * 2
    chance.shuffle(shuffled)
    assert Taxonomy.from_labels(labels) == Taxonomy.from_labels(iter(shuffled))
