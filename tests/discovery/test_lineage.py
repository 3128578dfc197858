"""Ids of proposals survive: the rules on constructed groups, the invariants on drawn ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.records import Generation, LineageEvent
from discovery.stages.lineage import (
    gather_generation,
    remember_generation,
    renew_name,
    trace_lineage,
)


def group(**members):
    """Return a generation from the images of each group; those of `_` are noise."""
    name_of = {
        image: "" if name == "_" else name for name, images in members.items() for image in images
    }
    ids = np.array(sorted(name_of), dtype=np.str_)
    return gather_generation(ids, np.array([name_of[i] for i in ids.tolist()], dtype=np.str_))


def images(start, stop):
    return [f"{i:03d}" for i in range(start, stop)]


def list_changes(lineage):
    return [(event.kind, event.before, event.after) for event in lineage.events]


def find_fates(before, lineage):
    """Return what became of each id that was alive: kept, merged, split or vanished."""
    ends = {
        kind: {name for event in lineage.events if event.kind == kind for name in event.before}
        for kind in ("merged", "split", "vanished")
    }
    borne = set(lineage.names.values())
    fates = {}
    for name, alive in zip(before.names, before.alive, strict=True):
        if alive:
            kinds = ["kept"] if name in borne else [k for k, names in ends.items() if name in names]
            fates[name] = kinds[0]
    return fates


# --- the rules ---


def test_groups_left_as_they_were_keep_their_ids_and_are_no_event():
    before = group(A=images(0, 10), B=images(10, 15), _=images(15, 20))
    after = group(x=images(10, 15), y=images(0, 10), _=images(15, 20))
    lineage = trace_lineage(before, after)
    assert lineage.names == {"x": "B", "y": "A"}
    assert find_fates(before, lineage) == {"A": "kept", "B": "kept"}
    assert lineage.events == ()


def test_a_group_that_grew_is_kept():
    before = group(A=images(0, 10), _=images(10, 12))
    after = group(x=[*images(0, 9), *images(20, 60)], _=[*images(9, 12)])
    (event,) = trace_lineage(before, after).events
    assert event == LineageEvent(
        kind="kept",
        before=("A",),
        after=("A",),
        before_sizes=(10,),
        after_sizes=(49,),
        shared=9,
        by="members",
    )


def test_the_biggest_contributor_gives_a_merged_group_its_id():
    before = group(A=images(0, 10), B=images(10, 30), C=images(30, 35))
    lineage = trace_lineage(before, group(x=images(0, 35)))
    assert lineage.names == {"x": "B"}
    assert find_fates(before, lineage) == {"A": "merged", "B": "kept", "C": "merged"}
    (event,) = lineage.events
    assert (event.kind, event.before, event.before_sizes) == (
        "merged",
        ("B", "A", "C"),
        (20, 10, 5),
    )
    assert (event.after, event.after_sizes, event.shared) == (("B",), (35,), 35)


def test_the_biggest_part_of_a_split_group_keeps_its_id():
    before = group(A=images(0, 30))
    after = group(x=images(0, 8), y=images(8, 20), z=images(20, 30))
    lineage = trace_lineage(before, after)
    assert lineage.names == {"x": "x", "y": "A", "z": "z"}
    assert list_changes(lineage) == [("split", ("A",), ("A", "z", "x"))]
    assert find_fates(before, lineage) == {"A": "kept"}


def test_a_group_of_former_noise_is_born_and_one_that_became_noise_has_vanished():
    before = group(A=images(0, 10), _=images(10, 20))
    after = group(x=images(10, 20), _=images(0, 10))
    lineage = trace_lineage(before, after)
    assert list_changes(lineage) == [("vanished", ("A",), ()), ("born", (), ("x",))]
    assert find_fates(before, lineage) == {"A": "vanished"}


def test_a_decided_id_with_its_majority_goes_before_a_bigger_one():
    before = group(A=images(0, 10), B=images(10, 30))
    after = group(x=[*images(0, 6), *images(10, 30)], y=images(6, 10))
    assert trace_lineage(before, after).names["x"] == "B"
    lineage = trace_lineage(before, after, decided={"A"})
    assert lineage.names == {"x": "A", "y": "y"}
    assert find_fates(before, lineage) == {"A": "kept", "B": "merged"}
    assert list_changes(lineage) == [
        ("merged", ("A", "B"), ("A",)),
        ("split", ("A",), ("A", "y")),
    ]


def test_a_decided_id_without_its_majority_has_no_privilege():
    before = group(A=images(0, 10), B=images(10, 30))
    after = group(x=[*images(0, 4), *images(10, 30)], _=images(4, 10))
    assert trace_lineage(before, after, decided={"A"}).names == {"x": "B"}


def test_the_most_images_keep_their_id():
    # A is the bigger contributor of x, but can go on as y: so B's images keep their id too.
    before = group(A=images(0, 100), B=images(100, 150))
    after = group(x=[*images(0, 60), *images(100, 150)], y=images(60, 100))
    assert trace_lineage(before, after).names == {"x": "B", "y": "A"}
    assert trace_lineage(before, after, decided={"A"}).names == {"x": "A", "y": "y"}


def test_a_group_scattered_over_others_is_split():
    before = group(A=images(0, 20), B=images(20, 29), C=images(30, 39))
    after = group(x=[*images(0, 10), *images(20, 29)], y=[*images(10, 20), *images(30, 39)])
    lineage = trace_lineage(before, after, decided={"B", "C"})
    assert lineage.names == {"x": "B", "y": "C"}
    assert find_fates(before, lineage) == {"A": "split", "B": "kept", "C": "kept"}
    assert ("split", ("A",), ("B", "C")) in list_changes(lineage)


def test_the_id_of_a_vanished_group_is_never_given_to_another():
    before = group(A=images(0, 10))
    after = group(A=images(20, 30), B=images(30, 40))
    lineage = trace_lineage(before, after, taken={"B"})
    assert lineage.names["A"] != "A"
    assert lineage.names["B"] != "B"
    assert lineage.names == trace_lineage(before, after, taken={"B"}).names


def test_two_strays_in_a_group_of_a_new_lot_do_not_name_it():
    before = group(A=images(0, 40))
    after = group(x=images(0, 38), y=[*images(38, 40), *images(100, 160)])
    assert list_changes(trace_lineage(before, after)) == [("split", ("A",), ("A", "y"))]
    rng = np.random.default_rng(0)
    place = dict.fromkeys(images(0, 40), 0.0) | dict.fromkeys(images(100, 160), 8.0)
    before, _ = place_on_line(before, place, rng)
    after, values = place_on_line(after, place, rng)
    lineage = trace_lineage(before, after, values=values)
    assert list_changes(lineage) == [("born", (), ("y",)), ("kept", ("A",), ("A",))]


# --- by centroids ---


def place_on_line(generation, place, rng, *, d=16):
    """Give each image a row: noise of deviation 1 around its place on the first axis."""
    values = rng.normal(size=(len(generation.ids), d)).astype(np.float32)
    values[:, 0] += [place[i] for i in generation.ids.tolist()]
    names = np.full(len(generation.ids), "", dtype=object)
    for name, positions in zip(generation.names, generation.members, strict=True):
        names[positions] = name
    again = gather_generation(generation.ids, names.astype(np.str_), values=values, space="line")
    return again, values


def two_lots(*, gap, size=12, seed=0):
    """Return the same two types found in two lots without a common image."""
    rng = np.random.default_rng(seed)
    place = dict.fromkeys((*images(0, size), *images(200, 200 + size)), 0.0)
    place |= dict.fromkeys((*images(100, 100 + size), *images(300, 300 + size)), gap)
    first = group(A=images(0, size), B=images(100, 100 + size))
    second = group(x=images(300, 300 + size), y=images(200, 200 + size))
    before, _ = place_on_line(first, place, rng)
    after, values = place_on_line(second, place, rng)
    return before, after, values


@pytest.mark.parametrize("size", [5, 12, 60])
@pytest.mark.parametrize("seed", range(5))
def test_without_a_common_image_centroids_match(size, seed):
    before, after, values = two_lots(gap=8.0, size=size, seed=seed)
    lineage = trace_lineage(before, after, values=values)
    assert lineage.names == {"x": "B", "y": "A"}
    assert {event.by for event in lineage.events} == {"centroid"}
    assert {event.kind for event in lineage.events} == {"kept"}


def test_a_type_farther_than_one_hump_is_new():
    before, after, values = two_lots(gap=8.0)
    only_a = group(A=before.ids[before.members[0]].tolist())
    rng = np.random.default_rng(0)
    only_a, _ = place_on_line(only_a, dict.fromkeys(only_a.ids.tolist(), 0.0), rng)
    lineage = trace_lineage(only_a, after, values=values)
    assert lineage.names == {"x": "x", "y": "A"}
    assert ("born", (), ("x",)) in list_changes(lineage)


def test_rows_of_another_space_are_not_compared():
    before, after, values = two_lots(gap=8.0)
    other = gather_generation(
        after.ids,
        np.array(["x" if m in after.members[0] else "y" for m in range(len(after.ids))]),
        values=values,
        space="another",
    )
    lineage = trace_lineage(before, other, values=values)
    assert not set(lineage.names.values()) & set(before.names)
    assert set(find_fates(before, lineage).values()) == {"vanished"}


def test_where_the_members_are_known_centroids_are_not_asked():
    # The old group became noise; a new one lies at its very place.
    rng = np.random.default_rng(1)
    place = dict.fromkeys((*images(0, 10), *images(50, 60)), 0.0)
    before, _ = place_on_line(group(A=images(0, 10)), place, rng)
    after, values = place_on_line(group(x=images(50, 60), _=images(0, 10)), place, rng)
    assert list_changes(trace_lineage(before, after, values=values)) == [
        ("vanished", ("A",), ()),
        ("born", (), ("x",)),
    ]


# --- what is remembered ---


def test_an_id_comes_back_with_its_group():
    first = group(A=images(0, 20), B=images(20, 35), _=images(35, 40))
    coarse = group(x=images(0, 35), _=images(35, 40))
    lineage = trace_lineage(first, coarse)
    memory = remember_generation(first, coarse, lineage.names)
    assert memory.names == ("A", "B")
    assert memory.alive.tolist() == [True, False]
    back = trace_lineage(memory, group(p=images(0, 20), q=images(20, 34), _=images(34, 40)))
    assert back.names == {"p": "A", "q": "B"}
    assert list_changes(back) == [("split", ("A",), ("A", "B"))]
    assert find_fates(memory, back) == {"A": "kept"}


def test_a_vanished_type_is_revived():
    first = group(A=images(0, 20), B=images(20, 35))
    without = group(x=images(0, 20), _=images(20, 35))
    memory = remember_generation(first, without, trace_lineage(first, without).names)
    back = trace_lineage(memory, group(B=images(0, 20), q=images(20, 35)))
    assert back.names == {"B": "A", "q": "B"}
    assert list_changes(back) == [("revived", ("B",), ("B",))]


def test_memory_of_another_space_keeps_members_alone():
    before, after, _ = two_lots(gap=8.0)
    memory = remember_generation(before, group(x=images(0, 5)), {"x": "new"})
    assert memory.names == ("A", "B", "new")
    assert memory.centroids.shape == (3, 0)
    assert np.isnan(memory.scatters).all()
    memory = remember_generation(before, after, {"x": "x", "y": "A"})
    assert np.array_equal(memory.centroids[1], before.centroids[1])
    assert memory.alive.tolist() == [True, False, True]


@pytest.mark.parametrize(("used", "changes"), [(set(), False), ({"P1"}, True)])
def test_a_name_is_renewed_only_where_it_is_used(used, changes):
    assert (renew_name("P1", used) != "P1") == changes
    assert renew_name("P1", used) not in used


# --- invariants ---

labels = st.lists(st.integers(-1, 5), min_size=1, max_size=60)


def draw(numbers, prefix, *, first=0):
    """Return a generation: image `first + i` is in the group of the i-th number, -1 is noise."""
    ids = np.array([f"{first + i:03d}" for i in range(len(numbers))], dtype=np.str_)
    names = np.array([f"{prefix}{c}" if c >= 0 else "" for c in numbers], dtype=np.str_)
    return gather_generation(ids, names)


@given(labels)
def test_a_rerun_keeps_every_id(numbers):
    before = draw(numbers, "A")
    lineage = trace_lineage(before, draw(numbers, "x"))
    assert lineage.names == {f"x{name[1:]}": name for name in before.names}
    assert lineage.events == ()
    assert set(find_fates(before, lineage).values()) <= {"kept"}


@given(labels, labels, st.integers(0, 40), st.sets(st.sampled_from(["A0", "A1", "A2"])))
def test_ids_are_unique_and_every_old_one_has_one_fate(old, new, shift, decided):
    before, after = draw(old, "A"), draw(new, "x", first=shift)
    lineage = trace_lineage(before, after, decided=decided)
    assert lineage.names.keys() == set(after.names)
    assert len(set(lineage.names.values())) == len(after)
    assert find_fates(before, lineage).keys() == set(before.names)
    lives_on = set(lineage.names.values()) & set(before.names)
    assert {
        name for name, fate in find_fates(before, lineage).items() if fate == "kept"
    } == lives_on
    check_events(lineage, before, after)


def check_events(lineage, before, after):
    """Every id that ended, came, or changed its members is told of, once for what it is."""
    events = {kind: [e for e in lineage.events if e.kind == kind] for kind in (
        "kept", "merged", "split", "born", "revived", "vanished",
    )}  # fmt: skip
    ended = [name for event in events["merged"] for name in event.before[1:]]
    gone = [name for event in events["vanished"] for name in event.before]
    fates = {name: fate for name, fate in find_fates(before, lineage).items() if fate != "kept"}
    scattered = [
        e.before[0] for e in events["split"] if find_fates(before, lineage)[e.before[0]] == "split"
    ]
    assert sorted([*ended, *gone, *scattered]) == sorted(fates)
    new = {name for name in lineage.names.values() if name not in before.names}
    parts = {name for e in events["split"] for name in e.after if name not in before.names}
    assert parts | {e.after[0] for e in events["born"]} == new
    assert not parts & {e.after[0] for e in events["born"]}
    assert all(len(event.before) > 1 for event in events["merged"])
    sizes = dict(zip(before.names, before.sizes.tolist(), strict=True))
    for event in lineage.events:
        assert event.before_sizes == tuple(sizes[name] for name in event.before)
        assert event.shared <= min(sum(event.before_sizes), sum(event.after_sizes))


@given(labels, labels, st.permutations(range(6)))
def test_the_numbers_of_clusters_do_not_matter(old, new, order):
    # A cluster's own name is that of its medoid: it goes with the cluster, not with its number.
    before, after = draw(old, "A"), draw(new, "x")
    shuffled = draw([order[c] if c >= 0 else c for c in old], "A")
    renamed = {f"A{order[c]}": f"A{c}" for c in range(6)}
    straight = trace_lineage(before, after)
    other = trace_lineage(shuffled, after)
    unlike = sum(
        renamed.get(other.names[name], name) != straight.names[name] for name in after.names
    )
    kept = sum(fate == "kept" for fate in find_fates(before, straight).values())
    assert kept == sum(fate == "kept" for fate in find_fates(shuffled, other).values())
    assert unlike == 0 or has_ties(before, after)


def has_ties(before, after):
    """Whether two pairs share the same number of images: then ids, in their order, decide."""
    sets = [set(g.ids[m].tolist()) for g in (before,) for m in g.members]
    counts = [len(s & set(after.ids[m].tolist())) for s in sets for m in after.members]
    counts = [count for count in counts if count]
    return len(counts) != len(set(counts))


@given(labels, labels, st.integers(0, 40))
def test_images_in_another_order_change_nothing(old, new, shift):
    before, after = draw(old, "A"), draw(new, "x", first=shift)
    names = np.full(len(after.ids), "", dtype=object)
    for name, positions in zip(after.names, after.members, strict=True):
        names[positions] = name
    backwards = gather_generation(after.ids[::-1], names[::-1].astype(np.str_))
    assert trace_lineage(before, backwards) == trace_lineage(before, after)
    assert backwards.digest == after.digest


@given(labels, st.lists(st.integers(0, 5), max_size=200))
def test_added_images_leave_every_id(numbers, added):
    before = draw(numbers, "A")
    known = sorted({c for c in numbers if c >= 0})
    more = [known[c % len(known)] if known else -1 for c in added]
    lineage = trace_lineage(before, draw([*numbers, *more], "x"))
    assert lineage.names == {f"x{c}": f"A{c}" for c in known}


@given(labels, st.data())
def test_removed_images_leave_the_ids_of_what_is_left(numbers, data):
    before = draw(numbers, "A")
    stay = data.draw(st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers)))
    full = draw(numbers, "x")
    left = gather_generation(
        full.ids[np.array(stay)],
        np.array([f"x{c}" if c >= 0 else "" for c in numbers], dtype=np.str_)[np.array(stay)],
    )
    lineage = trace_lineage(before, left)
    assert lineage.names == {name: f"A{name[1:]}" for name in left.names}


@given(labels, labels, labels)
@settings(max_examples=40, deadline=None)
def test_a_told_lineage_is_the_traced_one(first, second, third):
    # What is written after the proposals were saved is what their ids were chosen by.
    memory = draw(first, "A")
    for i, numbers in enumerate((second, third, first)):
        after = draw(numbers, f"x{i}", first=3 * i)
        traced = trace_lineage(memory, after, decided={"A0"})
        final = named(after, traced.names)
        retold = trace_lineage(memory, final, decided={"A0"}, keep=False)
        assert retold.events == traced.events
        assert find_fates(memory, retold) == find_fates(memory, traced)
        assert retold.names == {name: name for name in final.names}
        earlier = set(memory.names)
        memory = remember_generation(memory, after, traced.names)
        assert isinstance(memory, Generation)
        assert set(memory.names) == earlier | set(final.names)  # nothing is forgotten
        assert memory.digest == final.digest


def named(generation, names):
    """Return the generation under its final names."""
    of_image = np.full(len(generation.ids), "", dtype=object)
    for name, positions in zip(generation.names, generation.members, strict=True):
        of_image[positions] = names[name]
    return gather_generation(generation.ids, of_image.astype(np.str_))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"names": ("B", "A")}, "ascending"),
        ({"names": ("A", "A")}, "unique"),
        ({"names": ("A",)}, "lengths"),
        ({"members": (np.array([0, 1]), np.array([1]))}, "two groups"),
        ({"members": (np.array([0]), np.empty(0, np.int64))}, "no members"),
        ({"members": (np.array([0]), np.array([9]))}, "outside"),
        ({"ids": np.array(["a", "a", "b"])}, "ids are not unique"),
    ],
)
def test_a_generation_is_checked_once(changes, reason):
    values = {
        "ids": np.array(["a", "b", "c"]),
        "names": ("A", "B"),
        "members": (np.array([0]), np.array([1, 2])),
        "alive": np.ones(2, np.bool_),
        "centroids": np.empty((2, 0), np.float32),
        "scatters": np.full(2, np.nan),
    }
    Generation(**values)
    with pytest.raises(ValueError, match=reason):
        Generation(**{**values, **changes})
